//! What a workspace tells about itself.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Workspace;
use crate::decision::Doubtful;
use crate::engine::Engine;
use crate::files::Standing;
use crate::files::entry::Hold;
use crate::id::UnitId;
use crate::journal::Journal;
use crate::mirror::State;
use crate::mirror::stream::Stream;
use crate::status::{
    Bootstrap, Circuit, Heard, Listener, Listening, Outbox, Phase, Verdict, WorkspaceStatus,
};
use crate::time::{Ms, Now, Tick};
use crate::timers::{Wake, Why};

/// A commit that takes longer is worth a word.
const UNSTORED: Ms = Ms::secs(15);

/// How many paths are listed by name.
const LISTED: usize = 20;

impl Workspace {
    /// The state of this workspace.
    pub(super) fn tell(&self, unit: UnitId, now: Now, engine: &Engine) -> WorkspaceStatus {
        let standing = |standing| self.files.standing(standing);
        let mut set_aside: Vec<(String, String)> = self
            .files
            .aside()
            .take(LISTED)
            .map(|(path, entry)| {
                let why = match &entry.hold {
                    Some(Hold::Aside { tries, why, .. }) => format!("{why}, tried {tries} times"),
                    _ => String::new(),
                };
                (path.to_string(), why)
            })
            .collect();
        let unseen = self.files.unseen().take(LISTED).map(|(dir, why, tries)| {
            let dir = dir.map_or(String::from("/"), |dir| format!("{dir}/"));
            (dir, format!("the directory can not be read: {why}, tried {tries} times"))
        });
        set_aside.extend(unseen);
        set_aside.sort();
        let mut brakes: Vec<_> = self.files.brakes().collect();
        match &self.mirror.state {
            State::Braked(brake) => brakes.push(brake.clone()),
            _ => brakes.extend(self.brake_at_stop.clone()),
        }
        let waits = self.waits(unit, now, engine);
        let aside = standing(Standing::Aside) + self.files.unseen_count();
        let (verdict, reason) = if let Some(brake) = brakes.first() {
            let (name, seen, prevented) = (brake.name(), brake.seen(), brake.prevented());
            (Verdict::Halted, format!("the brake `{name}` is on: {seen}; {prevented}"))
        } else if self.unreadable_rows > 0 {
            (Verdict::Degraded, format!("{} stored rows can not be read", self.unreadable_rows))
        } else if self.refusals(engine) > 0 {
            (Verdict::Degraded, String::from("the server refuses the credentials"))
        } else if self.mirror.row.stalls > 0 {
            let reason = "the server answers, but nothing moves";
            (Verdict::Degraded, format!("{reason} ({} times)", self.mirror.row.stalls))
        } else if let Some(reason) = self.unanswered(now, engine) {
            (Verdict::Degraded, reason)
        } else if let Some(since) = unstored(now, engine) {
            let ago = now.tick - since;
            (Verdict::Degraded, format!("the database could not be written for {ago}"))
        } else if self.files.disk_paused().is_some() {
            (Verdict::Degraded, String::from("the disk is full or read-only"))
        } else if aside > 0 {
            let files = if aside == 1 { "file is" } else { "files are" };
            (Verdict::Degraded, format!("{aside} {files} set aside and tried again"))
        } else if self.writeback.dead() > 0 {
            let n = self.writeback.dead();
            let writes = if n == 1 { "write" } else { "writes" };
            (Verdict::Degraded, format!("{n} {writes} could not be delivered"))
        } else if self.unsent() > 0 {
            let n = self.unsent();
            let files = if n == 1 { "file is" } else { "files are" };
            (Verdict::Degraded, format!("{n} {files} changed here and may not be sent"))
        } else if self.mirror.row.refused_names > 0 {
            let n = self.mirror.row.refused_names;
            (Verdict::Degraded, format!("{n} names from the server can not be placed"))
        } else if self.in_step {
            (Verdict::Ok, String::from("in step"))
        } else {
            let reason = waits.first().cloned().unwrap_or_else(|| String::from("working"));
            (Verdict::Ok, reason)
        };
        let next_wake = engine.timers.next().map(|(tick, _)| tick - now.tick);
        WorkspaceStatus {
            unit,
            verdict,
            reason,
            phase: self.phase(),
            complete: self.mirror.row.complete,
            in_step: self.in_step,
            in_step_at: self.in_step_at,
            files_total: self.files.len(),
            files_done: standing(Standing::InStep),
            bytes: self.files.bytes,
            set_aside,
            set_aside_count: aside,
            local_only: standing(Standing::OneSided),
            refused_names: self.mirror.row.refused_names,
            refused: self.mirror.refused_names().take(LISTED).collect(),
            unreadable_rows: self.unreadable_rows,
            brakes,
            waits,
            next_wake,
            denied: self.files.denied(),
            missing: match &self.mirror.row.doubt {
                Some(doubt) => match doubt.why {
                    Doubtful::Missing { missing } => missing,
                    _ => 0,
                },
                None => 0,
            },
            last_applied: self.files.applied.clone(),
            heard: self.ears.heard.clone(),
            listener: self.listener(unit, now, engine),
            circuit: self.circuit(now, engine),
            bootstrap: (!self.mirror.row.complete).then(|| self.bootstrap()),
            counters: engine.counters.get(&unit).cloned().unwrap_or_default(),
            outbox: self.outbox(),
        }
    }

    /// Nobody knows what the server has now.
    fn unanswered(&self, now: Now, engine: &Engine) -> Option<String> {
        let open = self.circuit(now, engine).open;
        let what = self.mirror.unanswered().or_else(|| open.then(|| "any request".into()))?;
        let Heard { answered_at, trouble, .. } = &self.ears.heard;
        let since = answered_at.map_or(String::from("not since the start"), |at| {
            format!("last {} ago", Ms(now.wall.0.saturating_sub(at.0)))
        });
        let why = trouble.as_ref().map(|trouble| format!(": {}", trouble.why)).unwrap_or_default();
        Some(format!("the server does not answer {what} ({since}){why}"))
    }

    fn outbox(&self) -> Outbox {
        Outbox {
            pending: self.writeback.pending(),
            oldest: self.writeback.oldest(),
            owed: self.writeback.owed(),
            dead: self.writeback.dead(),
            unsent: self.unsent(),
        }
    }

    /// Changes here that are not sent, and of which a person should know.
    fn unsent(&self) -> u64 {
        self.files.standing(Standing::Unsent) + self.files.standing(Standing::BothSided)
    }

    fn listener(&self, unit: UnitId, now: Now, engine: &Engine) -> Listener {
        let started = !matches!(self.mirror.state, State::Loading | State::Stopped);
        let before = self.ears.opened_at.is_some();
        let again = engine.timers.get(Wake::Unit(unit, Why::Stream));
        let state = match self.mirror.stream() {
            _ if !started || self.config.once => Listening::Off,
            _ if !self.mirror.may_stream() => Listening::Polling,
            Stream::Open { .. } => Listening::Open,
            Stream::Opening { .. } if !before => Listening::Opening,
            Stream::Down if !before && again.is_none() => Listening::Opening,
            Stream::Opening { .. } | Stream::Down => Listening::Reopening,
        };
        Listener {
            state,
            alive_at: self.ears.alive_at,
            opened_at: self.ears.opened_at,
            asked_at: self.ears.asked_at(),
            again_at: again.map(|tick| now.wall_at(tick)),
        }
    }

    fn circuit(&self, now: Now, engine: &Engine) -> Circuit {
        let Some(gate) = engine.gates.get(&self.config.remote) else { return Circuit::default() };
        let (breaker, outages) = (gate.breaker(), engine.outages.get(&self.config.remote));
        let open = breaker.state() == crate::gate::BreakerState::Open;
        let retry = breaker.opens_at(now.tick).filter(|_| open);
        Circuit {
            open,
            opened_at: outages.and_then(|outages| outages.since).filter(|_| open),
            retry_at: retry.map(|tick| now.wall_at(tick)),
            failures: breaker.failures(),
            times: outages.map_or(0, |outages| outages.times),
        }
    }

    fn bootstrap(&self) -> Bootstrap {
        let (directories_left, directories_found) = self.mirror.directories();
        self.ears.dated(Bootstrap {
            files: self.files.based(),
            total: self.mirror.row.traversal.as_ref().and_then(|traversal| traversal.total),
            since: None,
            dir: self.mirror.front().map(String::from),
            directories_left,
            directories_found,
            stalls: self.mirror.row.stalls,
        })
    }

    fn phase(&self) -> Phase {
        if self.stopping {
            return Phase::Stopping;
        }
        match self.mirror.state {
            State::Loading => Phase::Loading,
            State::Locating => Phase::Locating,
            State::ExportParked { .. } | State::Exporting { .. } | State::ExportAgain => {
                Phase::Exporting
            }
            State::Counting { .. } | State::Counted { .. } => Phase::Counting,
            State::Walking { .. } | State::Braked(_) => Phase::Walking,
            State::Following | State::Stopped => Phase::Following,
        }
    }

    fn waits(&self, unit: UnitId, now: Now, engine: &Engine) -> Vec<String> {
        let mut waits = Vec::new();
        if self.in_step {
            return waits;
        }
        if let Some((place, _)) = engine
            .gates
            .iter()
            .find_map(|(id, gate)| gate.paused_until(now.tick).map(|until| (until - now.tick, id)))
        {
            waits.push(format!("the gate to the server is closed, {place} more"));
        }
        if let Some(until) = self.files.disk_paused() {
            waits.push(format!("the disk is in trouble, {} more", until - now.tick));
        }
        match &self.mirror.state {
            State::Loading => waits.push(String::from("the start")),
            State::Locating => waits.push(String::from("where the feed stands")),
            State::ExportParked { .. } => waits.push(String::from("the store, before the export")),
            State::Exporting { files, .. } => {
                waits.push(format!("the export ({files} files so far)"));
            }
            State::ExportAgain => waits.push(String::from("another try at the export")),
            State::Counting { .. } => waits.push(String::from("the server's count of its files")),
            State::Counted { .. } => {
                waits.push(String::from("what the feed tells since the server counted its files"));
            }
            State::Walking { .. } => {
                waits.push(format!("the listing of {}", self.mirror.front().unwrap_or("/")));
            }
            State::Braked(brake) => waits.push(format!("a person: {}", brake.seen())),
            State::Following if !self.mirror.row.believed => {
                let due = engine.timers.get(Wake::Unit(unit, crate::timers::Why::Relist));
                let wait = due.map_or(Ms(0), |due| due - now.tick);
                waits.push(format!("a second listing, in {wait}, because the first is doubted"));
            }
            State::Following | State::Stopped => {}
        }
        let working = self.files.standing(Standing::Working);
        // What is only on its way to the server is told of below.
        if let Some(path) = self.files.example().filter(|_| working > 0) {
            let (disk, reads) = self.files.under_way();
            waits.push(format!(
                "{working} files, {path} first ({reads} reads and {disk} disk operations under way)"
            ));
        }
        for (path, why) in self.files.aside().take(3).map(|(path, entry)| {
            (path, entry.hold.as_ref().map(|hold| format!("{hold}")).unwrap_or_default())
        }) {
            waits.push(format!("another try at {path}: {why}"));
        }
        match (self.writeback.pending(), self.writeback.owed()) {
            (0, 0) => {}
            (0, owed) => waits.push(format!("the server, which still works on {owed} writes")),
            (pending, _) => waits.push(format!("{pending} changes that are on their way")),
        }
        for brake in self.files.brakes() {
            waits.push(format!("a person: {}", brake.seen()));
        }
        if !self.files.is_sealed_out() {
            waits.push(String::from("a seal"));
        }
        match self.writeback.dead() {
            0 => {}
            1 => waits.push(String::from("a person: 1 write could not be delivered")),
            dead => waits.push(format!("a person: {dead} writes could not be delivered")),
        }
        if let Some(what) = self.mirror.unanswered() {
            waits.push(format!("an answer to {what}"));
        }
        if waits.is_empty() {
            waits.push(String::from("the tip of the feed"));
        }
        waits
    }
}

/// Since when there is something that the store did not take, where that is long ago.
fn unstored(now: Now, engine: &Engine) -> Option<Tick> {
    let since = engine.journals.values().filter_map(Journal::owed_since).min()?;
    (now.tick - since >= UNSTORED).then_some(since)
}
