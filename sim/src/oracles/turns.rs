//! No class of requests starves another, however many wait.
//!
//! While a write is ready and none is under way, no more than two requests that move bytes and two
//! for news go before it. It is ready from when its intent is durable, unless one above or below
//! it is not over. While a request of another class waits, no more than six writes go before it;
//! what moves bytes may have to wait for its like.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use landfall_core::effect::{Change, Effect, Request};
use landfall_core::event::Event;
use landfall_core::id::{CallId, CommandId, CommitSeq};
use landfall_core::path::RemotePath;
use landfall_core::row::{Loaded, Of, Value};

use super::Ruling;

/// So many of another class may go before a write. What waited for as long as it goes once before
/// it, and the class of the write may have had its turn just now.
const BEFORE: u32 = 2;

/// So many writes may go before another that waits: as many as one turn of that costs at most,
/// and those of the step in which it came.
const WRITES_BEFORE: u32 = 6;

/// Classes beside writes: those that ask for news, and those that move bytes.
const NEWS: usize = 0;
const BYTES: usize = 1;

/// What waits, and what went before it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    intents: BTreeMap<RemotePath, (CommandId, Intent)>,
    /// Those that no request has carried yet and that may go.
    ready: BTreeSet<RemotePath>,
    writes: BTreeSet<CallId>,
    moving: BTreeSet<CallId>,
    /// Requests of the other classes that went before a write that is ready.
    before_writes: [u32; 2],
    /// Whether requests of the other classes waited when the last step had ended.
    waits: [bool; 2],
    /// Writes that went before them.
    writes_before: [u32; 2],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Intent {
    Storing(CommitSeq),
    Durable,
    Sent,
}

impl Turns {
    pub(super) fn started(&mut self) {
        *self = Self::default();
    }

    pub(super) fn heard(&mut self, event: &Event) {
        match event {
            Event::Load(rows) => {
                for loaded in rows {
                    if let Loaded::Row(row) = loaded
                        && let Value::Intent(path, intent) = &row.value
                    {
                        // How often it was sent before nobody knows.
                        self.intents.insert(path.clone(), (intent.command.clone(), Intent::Sent));
                    }
                }
            }
            Event::Stored { upto, .. } => {
                let mut some = false;
                for (_, state) in self.intents.values_mut() {
                    if matches!(state, Intent::Storing(seq) if *seq <= *upto) {
                        *state = Intent::Durable;
                        some = true;
                    }
                }
                if some {
                    self.choose();
                }
            }
            Event::Done { call, .. } => self.ended(*call),
            _ => {}
        }
    }

    pub(super) fn wanted(&mut self, effect: &Effect) -> Ruling {
        match effect {
            Effect::Commit { seq, changes, .. } => {
                for change in changes {
                    match change {
                        Change::Put(row) => {
                            if let Value::Intent(path, intent) = &row.value {
                                self.put(*seq, path, &intent.command);
                            }
                        }
                        Change::Delete(key) => {
                            if let Of::Intent(path) = &key.of {
                                self.intents.remove(path);
                            }
                        }
                    }
                }
                let is_intent = |change: &Change| match change {
                    Change::Put(row) => matches!(row.value, Value::Intent(..)),
                    Change::Delete(key) => matches!(key.of, Of::Intent(_)),
                };
                if changes.iter().any(is_intent) {
                    self.choose();
                }
                Ok(0)
            }
            Effect::Cancel { call } => {
                self.ended(*call);
                Ok(0)
            }
            Effect::Ask { call, request, .. } => self.asked(*call, request),
            _ => Ok(0),
        }
    }

    fn put(&mut self, seq: CommitSeq, path: &RemotePath, command: &CommandId) {
        if self.intents.get(path).is_none_or(|(known, _)| known != command) {
            self.intents.insert(path.clone(), (command.clone(), Intent::Storing(seq)));
        }
    }

    /// Which may go.
    fn choose(&mut self) {
        let may_go = |(path, (_, state)): &(&RemotePath, &(CommandId, Intent))| {
            *state == Intent::Durable && !self.has_neighbour(path)
        };
        self.ready = self.intents.iter().filter(may_go).map(|(path, _)| path.clone()).collect();
    }

    fn has_neighbour(&self, path: &RemotePath) -> bool {
        let dir = path.as_dir();
        let from = (Bound::Included(dir.as_str()), Bound::Unbounded);
        let next = self.intents.range::<str, _>(from).next();
        next.is_some_and(|(other, _)| other.is_below(path.as_str()))
            || path.ancestors().any(|dir| self.intents.contains_key(dir))
    }

    /// How many of the other classes wait now.
    pub(super) fn waits(&mut self, [_, news, bytes]: [usize; 3]) {
        self.waits = [news > 0, bytes > 0];
        for (before, waits) in self.writes_before.iter_mut().zip(self.waits) {
            *before = if waits { *before } else { 0 };
        }
    }

    fn ended(&mut self, call: CallId) {
        self.writes.remove(&call);
        self.moving.remove(&call);
    }

    fn asked(&mut self, call: CallId, request: &Request) -> Ruling {
        let sent: Vec<&RemotePath> = match request {
            Request::PushMany { files } => files.iter().map(|file| &file.path).collect(),
            Request::Push(file) => vec![&file.path],
            Request::PushDelete { path, .. } => vec![path],
            Request::Events { .. } | Request::Tip | Request::Stream { .. } => {
                return self.passed(NEWS, request);
            }
            _ => {
                self.moving.insert(call);
                return self.passed(BYTES, request);
            }
        };
        for path in sent {
            if let Some((_, state)) = self.intents.get_mut(path) {
                *state = Intent::Sent;
            }
        }
        self.writes.insert(call);
        self.before_writes = [0; 2];
        self.choose();
        for class in [NEWS, BYTES] {
            let may_go = class == NEWS || self.moving.is_empty();
            let before = &mut self.writes_before[class];
            *before = if self.waits[class] && may_go { *before + 1 } else { 0 };
            if *before > WRITES_BEFORE {
                let what = if class == NEWS { "asks for news" } else { "moves bytes" };
                let detail = format!("{before} writes go before a request that {what}");
                return Err(("writes".into(), detail));
            }
        }
        Ok(1)
    }

    /// A request that is no write goes.
    fn passed(&mut self, class: usize, request: &Request) -> Ruling {
        self.writes_before[class] = 0;
        let Some(first) = self.ready.first().filter(|_| self.writes.is_empty()) else {
            self.before_writes = [0; 2];
            return Ok(0);
        };
        let before = &mut self.before_writes[class];
        *before += 1;
        if *before > BEFORE {
            let detail =
                format!("{first} is ready to be sent, and {before} go before it: {request:?}");
            return Err((first.to_string(), detail));
        }
        Ok(1)
    }
}
