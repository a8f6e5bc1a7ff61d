//! The mirror lane: a remote workspace comes to a directory and stays there.
//!
//! | state | event | decision | next |
//! |---|---|---|---|
//! | `Locating` | tip received | take the position *before* any snapshot | `Exporting` on the first bootstrap of a directory without files, else `Walking` |
//! | | 404 | this server has no feed: only listings tell what changed | the same |
//! | `Exporting` | file received | keep it; it counts whatever happens to the rest | `Exporting` |
//! | | complete | compare with the server's own count | `Counting` |
//! | | time up, 404, 413, `workspace_busy`, overloaded, cut, empty, short | yield to the tree, which fetches what is left | `Walking` |
//! | | `rate_limited`, `queue_full` | not the export's fault: the gate waits, then again | `Exporting` |
//! | `Counting` | at least as many files as the server counts | ask the feed what is gone | `Counted` |
//! | `Counted` | still as many, without those | believe the export | `Following` |
//! | | fewer, or not counted | let the tree say | `Walking` |
//! | `Walking` | entries received | observe them; they are checkpointed as rows | `Walking` |
//! | | page failed | the same page again, later; what arrived is kept | `Walking` |
//! | | frontier empty, nothing speaks against it | believe the listing | `Following` |
//! | | frontier empty, but empty, short or below the count | a second traversal, at least 30 s later | `Following` |
//! | `Following` | traversal due | list again | `Walking` |
//! | any with a position | events received | observe them, in order | the same |
//! | | 404, 410, older events | the feed was lost: position and listing again | `Locating` |
//! | any | 90 s without progress although the server answers | stop, and go on more slowly | the same |
//!
//! Feed and snapshot run at the same time over one table of files. What keeps them from
//! undoing each other is the [`Ordinal`]: a snapshot carries the position that was taken
//! before it and never overwrites what a later event brought.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::config::WorkspaceConfig;
use crate::decision::{Brake, Decision, FeedLoss};
use crate::engine::Cx;
use crate::event::{Outcome, Part};
use crate::files::Files;
use crate::files::entry::Ordinal;
use crate::id::{CallId, CommitSeq};
use crate::policy::Backoff;
use crate::row::{Cut, FrontierRow, MirrorRow, Position, Value};
use crate::time::{Ms, Tick, Wall};
use crate::timers::Why;
use doubt::Doubt;
use stream::Stream;

pub use tree::FRONTIER_MAX;

mod doubt;
mod export;
mod feed;
mod finish;
mod names;
mod print;
pub mod stream;
mod tree;
mod watch;

/// How long a request without a body of its own may take.
const PATIENCE: Ms = Ms::secs(30);

/// How long the lane waits before it asks for the same thing again.
const AGAIN: Backoff = Backoff { base: Ms::secs(1), cap: Ms::secs(60) };

/// After so many failures in a row it is said that the server does not answer.
const UNANSWERED: u32 = 3;

/// Where the lane stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// Before the start.
    Loading,
    /// Asking where the feed stands.
    Locating,
    /// The row that says that an export was begun has to be durable first, so that a kill
    /// can not lead to a second one.
    ExportParked { mark: CommitSeq },
    /// The export streams. `credit`: parts that it may still send.
    Exporting { call: CallId, files: u64, credit: u32 },
    /// Waiting to ask for the export again.
    ExportAgain,
    /// Comparing the export with the server's own count.
    Counting { call: CallId, files: u64 },
    /// The server counts no more than the export had. What the feed tells now may have been deleted
    /// before that. `asked`: it was asked since.
    Counted { files: u64, total: u64, asked: bool },
    /// Listing directory by directory. Without a call it waits for `Why::Page`.
    Walking { call: Option<CallId> },
    /// Nothing is listed now.
    Following,
    /// A brake stopped the listing. The feed is still followed.
    Braked(Brake),
    /// Told to stop: nothing is taken in, and nothing is concluded any more.
    Stopped,
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mirror {
    config: WorkspaceConfig,
    /// What is durable, or is in a commit under way.
    pub row: MirrorRow,
    pub state: State,
    /// Up to where events were taken in. The durable position follows it, behind a seal.
    at: Option<Position>,
    feed_call: Option<CallId>,
    /// What the feed was asked for events after.
    feed_from: Option<Position>,
    feed_tries: u32,
    /// Losses of the feed since it last told anything.
    losses: u32,
    /// The feed was read to its tip since the last traversal ended.
    at_tip: bool,
    /// Whether the feed really is where it says, see [`doubt`].
    doubt: Doubt,
    /// The position that the seal under way will cover, and whether the feed was telling its
    /// past there.
    sealing: Option<(Position, Option<Ordinal>)>,
    /// Directories to list, in order; the first is being listed.
    frontier: BTreeMap<u64, (String, FrontierRow)>,
    dirs: BTreeSet<String>,
    /// Some of the loaded rows could not be read.
    rows_unread: bool,
    stream: Stream,
    stream_tries: u32,
    page_tries: u32,
    page_moved: bool,
    /// Names that can not be placed, and the traversal that last showed them.
    refused: BTreeMap<String, u32>,
    /// Of these, what the feed deleted while a snapshot is taken in that may still show them.
    gone_names: BTreeSet<String>,
    export_tries: u32,
    doubts: u32,
    stopping: bool,

    /// Progress of the table that the watchdog has seen.
    seen_progress: u64,
    seen_answers: u64,
    progress: u64,
    answers: u64,
    /// The watchdog counts from here.
    moved_at: Tick,
    progressed_at: Tick,
}

impl Mirror {
    /// A lane that has not started.
    pub fn new(config: WorkspaceConfig) -> Self {
        Self {
            config,
            row: MirrorRow::default(),
            state: State::Loading,
            at: None,
            feed_call: None,
            feed_from: None,
            feed_tries: 0,
            losses: 0,
            at_tip: false,
            doubt: Doubt::default(),
            sealing: None,
            frontier: BTreeMap::new(),
            dirs: BTreeSet::new(),
            rows_unread: false,
            stream: Stream::Down,
            stream_tries: 0,
            page_tries: 0,
            page_moved: false,
            refused: BTreeMap::new(),
            gone_names: BTreeSet::new(),
            export_tries: 0,
            doubts: 0,
            stopping: false,
            seen_progress: 0,
            seen_answers: 0,
            progress: 0,
            answers: 0,
            moved_at: Tick(0),
            progressed_at: Tick(0),
        }
    }

    /// A stored row of this lane.
    pub fn load(&mut self, value: Value) {
        match value {
            Value::Mirror(row) => self.row = row,
            Value::Frontier(dir, row) => {
                self.dirs.insert(dir.clone());
                self.frontier.insert(row.order, (dir, row));
            }
            Value::Refused(name, row) => {
                self.refused.insert(name, row.seen);
            }
            Value::Entry(..) | Value::Intent(..) | Value::Receipt(..) | Value::Letter(..) => {}
        }
    }

    /// Whether some of the loaded rows could not be read, and the power cut before this start,
    /// if there was one. Answers the cuts that may have torn what could be read: this one, and
    /// those while some of it could not be.
    pub fn loaded(&mut self, cx: &mut Cx<'_>, rows_unread: bool, cut: Option<Cut>) -> Vec<Cut> {
        self.rows_unread = rows_unread;
        let before = self.row.unread.clone();
        let mut now = before.clone().unwrap_or_default();
        now.cuts.extend(cut);
        let cuts = now.cuts.clone();
        if rows_unread && before.as_ref() != Some(&now) {
            self.change(cx, |row| row.unread = Some(now));
        }
        cuts
    }

    /// Goes on from what was loaded.
    pub fn start(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        self.at = self.row.position.clone();
        files.replay_from(cx, self.row.replay);
        // A row that could not be read at an earlier start may be back.
        self.count_refused(cx);
        self.moved_at = cx.now.tick;
        self.progressed_at = cx.now.tick;
        self.doubt.proved(cx.now.tick);
        self.watch(cx);
        self.open_stream(cx);
        match (&self.at, &self.row.traversal) {
            (None, _) => self.locate(cx),
            (Some(_), Some(traversal)) if traversal.open => {
                files.snapshot_open(true);
                let id = traversal.id;
                if self.row.unread.is_some() {
                    // A directory that was still to be listed may be among what is not known.
                    self.begin_walk(cx, files);
                } else if self.frontier.is_empty() {
                    // It was an export, which can not be resumed.
                    self.yield_to_tree(cx, files, crate::decision::Yield::Interrupted);
                } else {
                    cx.note(Decision::TraversalBegun { id, resumed: true });
                    self.state = State::Walking { call: None };
                    self.ask_page(cx);
                }
                self.poll_soon(cx);
            }
            (Some(_), _) => {
                self.state = State::Following;
                let relist =
                    self.row.relist.filter(|_| self.rows_unread || self.row.unread.is_none());
                let due = relist.map_or(cx.now.tick, |relist| relist.due(cx.now));
                cx.wake_at(Why::Relist, due);
                self.poll_soon(cx);
            }
        }
    }

    /// Whether this lane made the call.
    pub fn owns(&self, call: CallId) -> bool {
        self.feed_call == Some(call)
            || self.snapshot_call() == Some(call)
            || self.stream.call() == Some(call)
    }

    fn snapshot_call(&self) -> Option<CallId> {
        match &self.state {
            State::Exporting { call, .. } | State::Counting { call, .. } => Some(*call),
            State::Walking { call } => *call,
            _ => None,
        }
    }

    /// One item of a streamed answer.
    pub fn part(&mut self, cx: &mut Cx<'_>, files: &mut Files, call: CallId, part: Part) {
        if self.stream.call() == Some(call) {
            return self.stream_part(cx, files, call, part);
        }
        match (&self.state, part) {
            (State::Exporting { .. }, Part::File(got)) => self.export_part(cx, files, got),
            (State::Walking { .. }, Part::Entries(entries)) => {
                self.page_part(cx, files, call, entries);
            }
            (State::Counting { .. }, Part::Entries(_)) => cx.more(call, 1),
            (State::Exporting { .. }, Part::Bytes(_)) => {
                self.progress += 1;
                cx.more(call, 1);
            }
            (_, part) => {
                if let Some(blob) = part.blob() {
                    files.drop_blob(cx, blob);
                }
            }
        }
    }

    /// The last word about a call of this lane.
    pub fn done(&mut self, cx: &mut Cx<'_>, files: &mut Files, call: CallId, outcome: Outcome) {
        if self.feed_call == Some(call) {
            self.feed_call = None;
            return self.feed_done(cx, files, outcome);
        }
        if self.stream.call() == Some(call) {
            return self.stream_done(cx, outcome);
        }
        match self.state {
            State::Exporting { files: kept, .. } => self.export_done(cx, files, kept, outcome),
            State::Counting { files: kept, .. } => self.count_done(cx, files, kept, outcome),
            State::Walking { .. } => self.page_done(cx, files, outcome),
            _ => {}
        }
    }

    /// A timer of this lane.
    pub fn wake(&mut self, cx: &mut Cx<'_>, files: &mut Files, why: Why) {
        if self.stopping {
            return;
        }
        match why {
            Why::Feed => self.ask_feed(cx),
            Why::Stream => self.open_stream(cx),
            Why::Page => match self.state {
                State::Walking { call: None } => self.ask_page(cx),
                State::ExportAgain => self.ask_export(cx),
                _ => {}
            },
            Why::Relist if self.state == State::Following => self.relist(cx, files),
            Why::Watchdog => self.watchdog(cx, files),
            _ => {}
        }
    }

    /// Commits became durable.
    pub fn stored(&mut self, cx: &mut Cx<'_>) {
        if let State::ExportParked { mark } = self.state
            && cx.is_durable(mark)
            && !self.stopping
        {
            self.ask_export(cx);
        }
    }

    /// A seal is being taken: it covers everything that was taken in up to here.
    pub fn seal_begun(&mut self, files: &Files) {
        self.sealing = self.at.clone().map(|at| (at, files.replay()));
    }

    /// The seal was taken.
    pub fn sealed(&mut self, cx: &mut Cx<'_>, number: u64) {
        let mut row = self.row.clone();
        row.sealed = number;
        // Taken at a feed that was lost meanwhile, it says nothing about the new one.
        if self.at.is_some()
            && let Some((position, replay)) = self.sealing.take()
        {
            row.position = Some(position);
            row.replay = replay;
        }
        self.store(cx, row);
    }

    /// Takes nothing in any more.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        let calls = [self.feed_call.take(), self.snapshot_call()];
        calls.into_iter().flatten().for_each(|call| cx.cancel(call));
        self.close_stream(cx);
        for why in [Why::Feed, Why::Page, Why::Relist, Why::Watchdog] {
            cx.no_wake(why);
        }
        self.state = State::Stopped;
    }

    /// What the server failed to answer several times in a row. Then nobody knows what is there.
    pub fn unanswered(&self) -> Option<String> {
        match self.front().filter(|_| matches!(self.state, State::Walking { .. })) {
            Some(dir) if self.page_tries >= UNANSWERED => Some(format!("the listing of {dir}")),
            _ if self.stream.is_open() => None,
            _ if self.feed_tries >= UNANSWERED => Some(String::from("the feed")),
            _ => None,
        }
    }

    /// Everything that is known was placed and sealed, or durably set aside.
    pub fn completed(&mut self, cx: &mut Cx<'_>, in_step_at: Option<Wall>) {
        if self.row.complete && in_step_at.is_none() {
            return;
        }
        self.change(cx, |row| {
            row.complete = true;
            row.in_step_at = in_step_at.or(row.in_step_at);
        });
    }

    /// When something last moved, the watchdog's own work aside.
    pub fn moved_on_at(&self) -> Tick {
        self.progressed_at
    }

    /// The directory that is being listed.
    pub fn front(&self) -> Option<&str> {
        self.frontier.first_key_value().map(|(_, (dir, _))| dir.as_str())
    }

    /// Directories that wait to be listed, and all that this traversal met.
    pub fn directories(&self) -> (u64, u64) {
        let found = self.frontier.last_key_value().map_or(0, |(order, _)| order + 1);
        (self.frontier.len() as u64, found)
    }

    /// The stream.
    pub fn stream(&self) -> Stream {
        self.stream
    }

    /// Whether a stream is wanted, and could be joined to what was taken in.
    pub fn may_stream(&self) -> bool {
        let joins = match &self.at {
            Some(Position::After(id)) => id.number().is_some(),
            Some(Position::Origin) | None => true,
            Some(Position::NoFeed) => false,
        };
        self.config.stream && joins
    }

    fn store(&mut self, cx: &mut Cx<'_>, row: MirrorRow) {
        if row != self.row {
            self.row = row.clone();
            cx.put(Value::Mirror(row));
        }
    }

    fn change(&mut self, cx: &mut Cx<'_>, change: impl FnOnce(&mut MirrorRow)) {
        let mut row = self.row.clone();
        change(&mut row);
        self.store(cx, row);
    }

    /// A point of the feed that is later than all that was taken in, for what the server was just
    /// seen to do itself. No snapshot that was begun before is as new.
    pub fn after_now(&mut self, cx: &mut Cx<'_>) -> Ordinal {
        if self.at == Some(Position::NoFeed) {
            // Nothing else counts there.
            self.change(cx, |row| row.arrived += 1);
            return self.horizon();
        }
        self.horizon().next()
    }

    /// The point of the feed up to which events were taken in.
    fn horizon(&self) -> Ordinal {
        let n = match &self.at {
            Some(Position::After(id)) => id.number().unwrap_or(self.row.arrived),
            _ => self.row.arrived,
        };
        Ordinal { epoch: self.row.epoch, n }
    }

    /// Whether everything that is known of the server was taken in.
    pub fn is_caught_up(&self) -> bool {
        self.state == State::Following && self.row.believed && self.at_tip
    }

    /// Whether the durable position is the one that was read.
    pub fn is_position_durable(&self) -> bool {
        self.row.position == self.at
    }

    fn lose_feed(&mut self, cx: &mut Cx<'_>, files: &mut Files, why: FeedLoss) {
        cx.note(Decision::FeedLost { why });
        if let Some(call) = self.snapshot_call() {
            cx.cancel(call);
        }
        self.drop_frontier(cx);
        self.close_stream(cx);
        files.snapshot_open(false);
        files.feed_lost(cx);
        self.at = None;
        self.sealing = None;
        self.at_tip = false;
        self.doubt.proved(cx.now.tick);
        self.change(cx, |row| {
            row.epoch += 1;
            row.replay = None;
            row.position = None;
            row.believed = false;
            // The new position says nothing about files before the new listing is sealed.
            row.complete = false;
            row.doubt = None;
            row.arrived = 0;
            if let Some(traversal) = &mut row.traversal {
                traversal.open = false;
            }
        });
        cx.no_wake(Why::Page);
        cx.no_wake(Why::Relist);
        self.losses += 1;
        if self.losses > feed::LOSSES {
            // A position that the server forgets at once is none.
            return self.located(cx, files, Position::NoFeed);
        }
        self.locate(cx);
    }
}
