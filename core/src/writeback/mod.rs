//! The writeback lane: what people change here reaches the server, or is a dead letter that can
//! be seen, tried again and given up. Nothing is ever dropped without a trace.
//!
//! What is to be sent is what [`plan`](crate::files::plan::plan) says, like everything else. The
//! outbox only makes sure that it is sent as one command: an *intent* is a durable row before
//! anything is sent, and its name and its bytes stay the same however often it is sent.
//!
//! | state | event | decision | next state |
//! |---|---|---|---|
//! | – | the plan says push | copy the file to the stage | *staging* (in the table) |
//! | staging | the copy is there | the row of the intent is put | storing |
//! | storing | the row is durable | | ready |
//! | ready | room in a batch, no neighbour on its way | send it | sent |
//! | sent | written, with a revision | the base moves; a receipt is owed if the server named an operation | – |
//! | sent | the server has another version | ask what it has; the plan decides anew | – |
//! | sent | refused for what is in it, with others | half as many are sent next time | ready |
//! | sent | refused for what is in it, alone | one failure; again later | waiting |
//! | sent | the fifth of these | a dead letter; the bytes are kept | – |
//! | sent | 403 | what is here stays, tried again later | – |
//! | sent | anything else, or nothing | nobody's failure: the same again | waiting |
//! | waiting | its time comes | | ready |
//! | any | a start | the row is there, so it may have been sent | ready |
//!
//! While an intent is open its path rests. A newer edit waits until it is known what became of
//! the older one: else the server's answer to the older would look like somebody else's change.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;

use crate::canon::Canon;
use crate::decision::Decision;
use crate::engine::Cx;
use crate::files::Files;
use crate::files::plan::{Rule, plan};
use crate::id::{BlobId, CallId, CommandId, CommitSeq};
use crate::path::RemotePath;
use crate::row::{IntentRow, LetterRow, Of, Staged, Value};
use crate::time::{Tick, Wall};
use crate::timers::Why;

mod answers;
mod letters;
mod print;
mod receipts;
mod send;

/// An intent, and what is only worth knowing while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Intent {
    row: IntentRow,
    state: State,
    /// In the order in which they were made.
    order: u64,
    /// With how many others it may be sent. Half as many after each refusal of all.
    at_most: usize,
    /// Attempts that were nobody's failure, in a row.
    tries: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Storing(CommitSeq),
    Ready,
    Sent,
    Waiting(Tick),
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Writeback {
    max_file: u64,
    max_batch: u64,
    intents: BTreeMap<RemotePath, Intent>,
    /// Those that wait for the store, by the commit.
    storing: BTreeSet<(CommitSeq, RemotePath)>,
    /// Those that are ready, in order.
    ready: BTreeSet<(u64, RemotePath)>,
    /// Those that wait for their time.
    waiting: BTreeSet<(Tick, RemotePath)>,
    orders: u64,
    sent: BTreeMap<CallId, BTreeSet<RemotePath>>,
    receipts: BTreeMap<CommandId, receipts::Receipt>,
    /// When which receipt is asked for next.
    due: BTreeSet<(Tick, CommandId)>,
    asked: BTreeMap<CallId, CommandId>,
    /// Nobody asks before then: the server does not let us.
    closed: Option<Tick>,
    letters: BTreeMap<CommandId, LetterRow>,
    /// Letters that are to be tried again once it is known what is at their path.
    again: BTreeSet<CommandId>,
    /// What the server does not let us write, and when it is tried again.
    denied: BTreeSet<(Tick, RemotePath)>,
    /// Blobs that nobody needs once the rows that named them are durably gone.
    to_drop: VecDeque<(CommitSeq, BlobId)>,
    /// Whether the server has `fs/bulk`; not known before it was tried.
    bulk: Option<bool>,
    stopping: bool,
}

impl Writeback {
    /// A lane that has not started.
    pub fn new(max_file: u64, max_batch: u64) -> Self {
        Self {
            max_file,
            max_batch,
            intents: BTreeMap::new(),
            storing: BTreeSet::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            orders: 0,
            sent: BTreeMap::new(),
            receipts: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: BTreeMap::new(),
            closed: None,
            letters: BTreeMap::new(),
            again: BTreeSet::new(),
            denied: BTreeSet::new(),
            to_drop: VecDeque::new(),
            bulk: None,
            stopping: false,
        }
    }

    /// A stored row of this lane.
    pub fn load(&mut self, value: Value) {
        match value {
            Value::Intent(path, row) => {
                self.orders += 1;
                let intent =
                    Intent { row, state: State::Ready, order: self.orders, at_most: 1, tries: 0 };
                self.intents.insert(path, intent);
            }
            Value::Receipt(command, row) => {
                self.receipts.insert(command, receipts::Receipt::new(row));
            }
            Value::Letter(command, row) => {
                self.letters.insert(command, row);
            }
            Value::Entry(..) | Value::Mirror(_) | Value::Frontier(..) | Value::Refused(..) => {}
        }
    }

    /// The blobs that are still needed.
    pub fn blobs(&self) -> Vec<BlobId> {
        let intents = self.intents.values().filter_map(|intent| intent.row.bytes);
        let receipts = self.receipts.values().filter_map(|receipt| receipt.row.bytes);
        let letters = self.letters.values().filter_map(|letter| letter.bytes);
        intents.chain(receipts).chain(letters).map(|bytes| bytes.blob).collect()
    }

    /// Goes on: what was on its way may have been sent, and is sent again as what it was.
    pub fn start(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        let mut intents: Vec<_> = self.intents.iter_mut().collect();
        intents.sort_by(|(_, a), (_, b)| {
            (a.row.made, &a.row.command).cmp(&(b.row.made, &b.row.command))
        });
        for (order, (path, intent)) in intents.into_iter().enumerate() {
            intent.order = order as u64;
            self.ready.insert((intent.order, path.clone()));
            files.push_begins(path);
        }
        self.orders = self.intents.len() as u64;
        for (command, receipt) in &mut self.receipts {
            receipt.due = cx.now.tick;
            self.due.insert((receipt.due, command.clone()));
        }
    }

    /// Whether this lane made the call.
    pub fn owns(&self, call: CallId) -> bool {
        self.sent.contains_key(&call) || self.asked.contains_key(&call)
    }

    /// Whether the call sent something.
    pub fn is_write(&self, call: CallId) -> bool {
        self.sent.contains_key(&call)
    }

    /// Whether nothing is on its way, and nothing is owed.
    pub fn is_empty(&self) -> bool {
        self.intents.is_empty() && self.receipts.is_empty()
    }

    /// Copies what is to be sent, makes intents of it under this feed, and sends them.
    pub fn pump(&mut self, cx: &mut Cx<'_>, files: &mut Files, epoch: u32) {
        for (path, bytes) in files.take_staged() {
            self.intend(cx, files, epoch, &path, Some(bytes));
        }
        files.stage(cx, self.intents.len(), self.max_file);
        while let Some(path) = files.unlink(cx) {
            self.intend(cx, files, epoch, &path, None);
        }
        if !self.stopping {
            self.retry_waiting(cx, files);
            self.wake_due(cx, files);
            self.send(cx, files);
            self.ask_receipts(cx);
        }
        self.set_timer(cx);
    }

    /// Makes an intent durable.
    fn intend(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        epoch: u32,
        path: &RemotePath,
        bytes: Option<Staged>,
    ) {
        let Some(entry) = files.get(path) else { return };
        let base = entry.remote.revision().cloned();
        let since = entry.remote.at();
        let mut planned = entry.clone();
        planned.doing = None;
        let rule: Rule = plan(&planned, files.mode()).1;
        let hash = bytes.map(|bytes| bytes.hash);
        let command = self.command(cx, &(path, &base, hash));
        cx.note(Decision::Sending { path: path.clone(), command: command.clone(), rule });
        let row = IntentRow { command, base, bytes, since, epoch, made: cx.now.wall, failures: 0 };
        cx.put(Value::Intent(path.clone(), row.clone()));
        self.orders += 1;
        let state = State::Storing(cx.mark());
        let intent = Intent { row, state, order: self.orders, at_most: usize::MAX, tries: 0 };
        self.intents.insert(path.clone(), intent);
        self.storing.insert((cx.mark(), path.clone()));
    }

    /// A name that no other intent of this or another client has. Were one to have it all the
    /// same, it would change the same file from the same version to the same bytes.
    fn command(&self, cx: &Cx<'_>, about: &impl core::hash::Hash) -> CommandId {
        let salt = (cx.engine.seed, cx.engine.run, self.orders, cx.now.wall);
        let half = |n: u8| Canon::of(&(n, salt, about));
        CommandId(format!("landfall_{:016x}{:016x}", half(0), half(1)))
    }

    /// Commits became durable.
    pub fn stored(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        while let Some(&(mark, blob)) = self.to_drop.front() {
            if !cx.is_durable(mark) {
                break;
            }
            self.to_drop.pop_front();
            files.drop_blob(cx, blob);
        }
        while let Some((mark, path)) = self.storing.first().cloned() {
            if !cx.is_durable(mark) {
                break;
            }
            self.storing.remove(&(mark, path.clone()));
            self.turn(&path, State::Ready);
        }
    }

    /// An intent changes its state.
    fn turn(&mut self, path: &RemotePath, state: State) {
        let Some(intent) = self.intents.get_mut(path) else { return };
        let before = core::mem::replace(&mut intent.state, state);
        let order = intent.order;
        self.leave(path, before, order);
        match state {
            State::Storing(mark) => self.storing.insert((mark, path.clone())),
            State::Ready => self.ready.insert((order, path.clone())),
            State::Waiting(due) => self.waiting.insert((due, path.clone())),
            State::Sent => return,
        };
    }

    fn leave(&mut self, path: &RemotePath, state: State, order: u64) {
        match state {
            State::Storing(mark) => self.storing.remove(&(mark, path.clone())),
            State::Ready => self.ready.remove(&(order, path.clone())),
            State::Waiting(due) => self.waiting.remove(&(due, path.clone())),
            State::Sent => return,
        };
    }

    /// An intent is over. Answers its row; its blob is the caller's.
    fn close(&mut self, cx: &mut Cx<'_>, path: &RemotePath) -> Option<IntentRow> {
        let intent = self.intents.remove(path)?;
        self.leave(path, intent.state, intent.order);
        cx.delete(Of::Intent(path.clone()));
        Some(intent.row)
    }

    /// Lets bytes go, once the row that named them is durably gone.
    fn drop_bytes(&mut self, cx: &mut Cx<'_>, bytes: Option<Staged>) {
        if let Some(bytes) = bytes {
            self.to_drop.push_back((cx.mark(), bytes.blob));
        }
    }

    /// What waited long enough is ready again.
    fn wake_due(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        while let Some((due, path)) = self.waiting.first().cloned() {
            if due > cx.now.tick {
                break;
            }
            self.waiting.remove(&(due, path.clone()));
            self.turn(&path, State::Ready);
        }
        while let Some((due, path)) = self.denied.first().cloned() {
            if due > cx.now.tick {
                break;
            }
            self.denied.remove(&(due, path.clone()));
            files.may_send(cx, &path);
        }
    }

    fn set_timer(&mut self, cx: &mut Cx<'_>) {
        let waiting = self.waiting.first().map(|(due, _)| *due);
        let denied = self.denied.first().map(|(due, _)| *due);
        match waiting.into_iter().chain(denied).chain(self.next_receipt()).min() {
            Some(due) if !self.stopping => cx.wake_at(Why::Outbox, due),
            _ => cx.no_wake(Why::Outbox),
        }
    }

    /// Sends nothing more. What is on its way is found again by the next start.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        let calls: Vec<CallId> = self.sent.keys().chain(self.asked.keys()).copied().collect();
        for call in calls {
            cx.cancel(call);
        }
        self.sent.clear();
        self.asked.clear();
    }

    /// How many wait to be sent.
    pub fn pending(&self) -> u64 {
        self.intents.len() as u64
    }

    /// How many the server still works on.
    pub fn owed(&self) -> u64 {
        self.receipts.len() as u64
    }

    /// How many could not be delivered.
    pub fn dead(&self) -> u64 {
        self.letters.len() as u64
    }

    /// Since when the oldest change is on its way.
    pub fn oldest(&self) -> Option<Wall> {
        let first = self.intents.values().min_by_key(|intent| intent.order);
        first.map(|intent| intent.row.made)
    }
}
