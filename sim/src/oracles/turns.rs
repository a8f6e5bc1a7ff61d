//! No class of requests starves another, however many wait.
//!
//! While a write is ready and none is under way, no more than two requests that move bytes and two
//! for news go before it. It is ready from when its intent is durable, unless one above or below
//! it is not over. While a request for news waits for the turn of its class, no more than three
//! writes go before it, and no more than five before one that moves bytes; that may have to wait
//! for its like.

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

/// So many writes may go before a request for news, and before one that moves bytes, that waits for
/// the turn of its class: what its last turn cost, and one more.
const WRITES_BEFORE: [u32; 2] = [3, 5];

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
    /// The first of the other classes that waited when the last step had ended.
    waits: [Option<CallId>; 2],
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

    /// What waits now. What was given up in this step did not wait for its writes.
    pub(super) fn waits(&mut self, [_, news, bytes]: [Option<CallId>; 3]) -> Ruling {
        let before = std::mem::replace(&mut self.waits, [news, bytes]);
        for class in [NEWS, BYTES] {
            if before[class].is_none() || before[class] != self.waits[class] {
                self.writes_before[class] = 0;
            }
            judge(class, self.writes_before[class])?;
        }
        Ok(0)
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
                return self.passed(NEWS, call, request);
            }
            _ => {
                self.moving.insert(call);
                return self.passed(BYTES, call, request);
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
        let may_go = [true, self.moving.is_empty()];
        for (writes, may_go) in self.writes_before.iter_mut().zip(may_go) {
            *writes = if may_go { *writes + 1 } else { 0 };
        }
        Ok(1)
    }

    /// A request that is no write goes.
    fn passed(&mut self, class: usize, call: CallId, request: &Request) -> Ruling {
        let writes = std::mem::take(&mut self.writes_before[class]);
        if self.waits[class] == Some(call) {
            judge(class, writes)?;
        }
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

fn judge(class: usize, writes: u32) -> Ruling {
    if writes <= WRITES_BEFORE[class] {
        return Ok(0);
    }
    let what = if class == NEWS { "asks for news" } else { "moves bytes" };
    Err(("writes".into(), format!("{writes} writes go before a request that {what}")))
}
