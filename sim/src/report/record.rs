//! What happened in a run, as data. Nothing is recorded unless somebody wants to see it.

use std::collections::BTreeMap;

use landfall_core::effect::{Effect, Request};
use landfall_core::event::{Event, Outcome};
use landfall_core::id::CallId;
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::Tick;

use crate::faults::Address;
use crate::world::{op_name, request_name};

/// Where something is drawn.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Lane {
    /// Whether faults strike, and whether the computer sleeps.
    World,
    /// The process, from its start to its end.
    Process,
    /// What the mirror is doing.
    Mirror,
    /// Requests to the feed.
    Feed,
    /// The stream.
    Stream,
    /// Exports.
    Export,
    /// Listings.
    Listing,
    /// Reads of files.
    Reads,
    /// Writes of files, and what becomes of them.
    Writes,
    /// Operations of the disk.
    Disk,
    /// Commits.
    Store,
}

/// How something ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Tone {
    /// Well.
    Good,
    /// Badly.
    Bad,
    /// Nobody waits for it any more, or the process is gone.
    Dropped,
    /// It went on.
    Plain,
}

/// Something that lasted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bar {
    /// Where it is drawn.
    pub lane: Lane,
    /// From when.
    pub begun: Tick,
    /// To when; `None`: to the end of the run.
    pub ended: Option<Tick>,
    /// What it was.
    pub what: String,
    /// How it ended, in words.
    pub how: String,
    /// How it ended.
    pub tone: Tone,
}

/// The record of a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Whether anything is recorded.
    pub on: bool,
    bars: Vec<Bar>,
    faults: Vec<(Tick, Address)>,
    calls: BTreeMap<CallId, usize>,
    commits: BTreeMap<u64, usize>,
    process: Option<usize>,
    mirror: Option<usize>,
    world: Option<usize>,
}

impl Record {
    /// A record that is kept.
    pub fn kept() -> Self {
        Self { on: true, ..Self::default() }
    }

    /// Everything that lasted, in the order in which it began.
    pub fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// The faults that struck, and when.
    pub fn faults(&self) -> &[(Tick, Address)] {
        &self.faults
    }

    /// What struck so far. Those that were not seen before struck just now.
    pub fn struck(&mut self, at: Tick, fired: &[Address]) {
        if self.on {
            let new = fired.iter().skip(self.faults.len());
            self.faults.extend(new.map(|address| (at, *address)));
        }
    }

    /// The process starts.
    pub fn started(&mut self, at: Tick, run: u32) {
        if self.on {
            self.process = Some(self.begin(Lane::Process, at, format!("run {run}")));
        }
    }

    /// The process is gone, and with it all that was under way.
    pub fn gone(&mut self, at: Tick, how: impl FnOnce() -> String) {
        if !self.on {
            return;
        }
        if let Some(bar) = self.process.take() {
            let how = how();
            let tone = if how.starts_with("exit") { Tone::Good } else { Tone::Bad };
            self.end(bar, at, how, tone);
        }
        if let Some(bar) = self.mirror.take() {
            self.end(bar, at, String::new(), Tone::Plain);
        }
        let lost = |_| "the process was gone".to_owned();
        let calls = std::mem::take(&mut self.calls);
        let commits = std::mem::take(&mut self.commits);
        for bar in calls.into_values().chain(commits.into_values()) {
            self.end(bar, at, lost(bar), Tone::Dropped);
        }
    }

    /// From now on the world is so.
    pub fn world(&mut self, at: Tick, what: &str) {
        if self.on {
            if let Some(bar) = self.world.take() {
                self.end(bar, at, String::new(), Tone::Plain);
            }
            self.world = Some(self.begin(Lane::World, at, what.to_owned()));
        }
    }

    /// The computer sleeps.
    pub fn slept(&mut self, from: Tick, to: Tick) {
        if self.on {
            let bar = self.begin(Lane::World, from, "asleep".to_owned());
            self.end(bar, to, String::new(), Tone::Dropped);
        }
    }

    /// What the machine is told.
    pub fn heard(&mut self, at: Tick, event: &Event) {
        if !self.on {
            return;
        }
        match event {
            Event::Done { call, outcome } => {
                let Some(bar) = self.calls.remove(call) else { return };
                let (how, tone) = match outcome {
                    Outcome::Ok(_) => ("answered".to_owned(), Tone::Good),
                    Outcome::Failed { why, .. } => (why.to_string(), Tone::Bad),
                };
                self.end(bar, at, how, tone);
            }
            Event::Stored { upto, .. } => {
                let later = self.commits.split_off(&(upto.0 + 1));
                for bar in std::mem::replace(&mut self.commits, later).into_values() {
                    self.end(bar, at, "durable".to_owned(), Tone::Good);
                }
            }
            _ => {}
        }
    }

    /// What the machine wants.
    pub fn wanted(&mut self, at: Tick, effects: &[Effect]) {
        if !self.on {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Ask { call, request, .. } => {
                    let bar = self.begin(lane(request), at, request_name(request));
                    self.calls.insert(*call, bar);
                }
                Effect::Disk { call, op, .. } => {
                    let bar = self.begin(Lane::Disk, at, op_name(op));
                    self.calls.insert(*call, bar);
                }
                Effect::Cancel { call } => {
                    if let Some(bar) = self.calls.remove(call) {
                        self.end(bar, at, "given up".to_owned(), Tone::Dropped);
                    }
                }
                Effect::Commit { seq, changes, .. } => {
                    let what = format!("commit {} of {} rows", seq.0, changes.len());
                    let bar = self.begin(Lane::Store, at, what);
                    self.commits.insert(seq.0, bar);
                }
                Effect::More { .. } | Effect::Note { .. } | Effect::Exit(_) => {}
            }
        }
    }

    /// What the machine says of itself.
    pub fn says(&mut self, at: Tick, unit: &WorkspaceStatus) {
        let mut what = format!("{:?}", unit.phase).to_lowercase();
        let mut tone = Tone::Plain;
        if unit.in_step {
            what.push_str(", in step");
            tone = Tone::Good;
        } else if !unit.brakes.is_empty() {
            what.push_str(", braked");
            tone = Tone::Bad;
        }
        if let Some(bar) = self.mirror {
            if self.bars[bar].what == what {
                return;
            }
            let tone = self.bars[bar].tone;
            self.end(bar, at, String::new(), tone);
        }
        let bar = self.begin(Lane::Mirror, at, what);
        self.bars[bar].tone = tone;
        self.mirror = Some(bar);
    }

    fn begin(&mut self, lane: Lane, begun: Tick, what: String) -> usize {
        let how = String::new();
        self.bars.push(Bar { lane, begun, ended: None, what, how, tone: Tone::Plain });
        self.bars.len() - 1
    }

    fn end(&mut self, bar: usize, at: Tick, how: String, tone: Tone) {
        let bar = &mut self.bars[bar];
        (bar.ended, bar.how, bar.tone) = (Some(at), how, tone);
    }
}

fn lane(request: &Request) -> Lane {
    match request {
        Request::Tip | Request::Events { .. } => Lane::Feed,
        Request::Stream { .. } => Lane::Stream,
        Request::Export { .. } => Lane::Export,
        Request::Tree { .. } => Lane::Listing,
        Request::Read { .. } | Request::ReadMany { .. } => Lane::Reads,
        Request::PushMany { .. }
        | Request::Push(_)
        | Request::PushDelete { .. }
        | Request::Op { .. } => Lane::Writes,
    }
}
