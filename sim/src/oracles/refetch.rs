//! What is durably there is not downloaded again, an export that ran is not begun again, and a body
//! that goes out is not cut off.
//!
//! A read of a file is judged when the durable row says that both sides have a version, that
//! version is still the server's, and its bytes are sealed at the path. The machine may ask
//! all the same when it was told something else: an answer that named another version or
//! refused the path, a listing that left it out, a person's hand on the file.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::decision::Decision;
use landfall_core::effect::{Change, Effect, Request};
use landfall_core::event::{Answer, Event, Fetched, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::id::{CallId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::row::{Position, Value};
use landfall_core::time::{Ms, Tick};

use super::Ruling;
use super::deletes::{Deletes, number};
use crate::map::{Map, Set};
use crate::world::disk::{Disk, Moved, Place, Who};
use crate::world::store::{Commit, Store};
use crate::world::truth::Truth;

/// A read that was decided on before the feed caught up may wait this long for its turn.
const TURN: Ms = Ms::mins(3);

/// A body that was heard to go out so lately still does.
const GOES_ON: Ms = Ms::secs(30);

/// What the machine was told, and what it asked for.
#[derive(Debug, Default)]
pub(super) struct Refetch {
    now: Tick,
    /// Paths that were changed by somebody else than the machine.
    touched: Set<RemotePath>,
    told: Map<String, Told>,
    reads: BTreeMap<CallId, Vec<RemotePath>>,
    /// Requests whose answers somebody waits for.
    waited_for: BTreeSet<CallId>,
    /// The number of the newest event that the feed told.
    newest: u64,
    /// The durable position.
    durable: u64,
    export: Option<CallId>,
    /// An export sent files, or used up its time.
    export_ran: bool,
    /// Bodies that go out, and when they were last heard to.
    uploads: BTreeMap<CallId, Tick>,
    stopping: bool,
}

/// What was told of a path.
#[derive(Debug, Default)]
struct Told {
    /// The version that a durable row says both sides have.
    base: Option<Revision>,
    /// The version that a listing or the feed named last. Empty: it is forgotten.
    last: Option<String>,
    /// Since the base became durable, something else than the base was named.
    other: bool,
    by_feed: bool,
    /// A read answered another version than what was told last.
    ran_ahead: bool,
    /// When the feed caught up with a read that ran ahead of it, or that read became durable.
    caught_up: Option<Tick>,
}

fn told_of<'a>(told: &'a mut Map<String, Told>, path: &str) -> &'a mut Told {
    if !told.contains_key(path) {
        told.insert(path.to_owned(), Told::default());
    }
    told.get_mut(path).expect("it is there, or was made just now")
}

impl Told {
    fn hear(&mut self, now: Tick, revision: &str) {
        let is_base = self.base.as_ref().is_some_and(|base| base.as_str() == revision);
        self.other |= !is_base;
        if is_base && self.last.as_deref() != Some(revision) {
            self.caught_up = Some(now);
        }
        revision.clone_into(self.last.get_or_insert_default());
    }

    fn doubtful(&self, now: Tick) -> bool {
        self.other || self.caught_up.is_some_and(|at| now < at + TURN)
    }
}

impl Refetch {
    pub(super) fn moved(&mut self, moved: &Moved) {
        if let (Who::Person | Who::Power, Place::At(path)) = (moved.by, &moved.place) {
            self.touched.insert(path.clone());
        }
    }

    pub(super) fn gone(&mut self) {
        self.stopping = false;
        self.uploads.clear();
        self.reads.clear();
        self.waited_for.clear();
        self.export = None;
        // What was told and not stored is forgotten.
        self.told.values_mut().filter_map(|told| told.last.as_mut()).for_each(String::clear);
        self.newest = self.durable;
    }

    pub(super) fn durable(&mut self, commit: &Commit) {
        for change in &commit.changes {
            let Change::Put(row) = change else { continue };
            if let Value::Mirror(row) = &row.value {
                self.durable = match &row.position {
                    Some(Position::After(id)) => id.number().unwrap_or(0),
                    _ => 0,
                };
            }
            let Value::Entry(path, entry) = &row.value else { continue };
            let Some(base) = &entry.base else { continue };
            let told = told_of(&mut self.told, path.as_str());
            if told.base.as_ref() == Some(&base.revision) {
                continue;
            }
            told.base = Some(base.revision.clone());
            if told.last.as_deref() == Some(base.revision.as_str()) {
                told.other = false;
                if core::mem::take(&mut told.ran_ahead) {
                    told.caught_up = Some(self.now);
                }
            }
        }
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event) {
        self.now = now;
        match event {
            // An answer that comes too late tells nothing.
            Event::Part { call, .. } if !self.waited_for.contains(call) => {}
            Event::Done { call, .. } if !self.waited_for.remove(call) => {}
            Event::Stop(_) => self.stopping = true,
            Event::Part { call, part: Part::Alive } => {
                if let Some(heard) = self.uploads.get_mut(call) {
                    *heard = now;
                }
            }
            Event::Part { call, part } => match part {
                // It is answered, so all of its body was there.
                Part::Wrote { .. } | Part::Refused { .. } if self.uploads.contains_key(call) => {
                    self.uploads.remove(call);
                }
                Part::File(file) if self.export == Some(*call) => {
                    self.export_ran = true;
                    self.list(&file.path, &file.revision.0);
                }
                Part::Entries(entries) => {
                    for entry in entries {
                        self.list(&entry.path, &entry.revision);
                    }
                }
                Part::Refused { path, .. } => {
                    self.tell(path, "refused");
                }
                Part::Event { event, .. } => {
                    // Only the machine knows whether it is the very next one. If not, it is a
                    // hint and not a word: so it never settles anything here.
                    self.tell(&event.path, "hinted").by_feed = true;
                }
                Part::Opened | Part::Alive | Part::Wrote { .. } => {}
                // A read may run ahead of the feed. What the feed told last still stands.
                Part::File(got) => self.read(got),
                Part::Bytes(_) => {}
            },
            Event::Done { call, outcome } => self.done(*call, outcome),
            _ => {}
        }
    }

    fn done(&mut self, call: CallId, outcome: &Outcome) {
        self.uploads.remove(&call);
        let asked = self.reads.remove(&call).unwrap_or_default();
        match outcome {
            Outcome::Ok(Answer::Tip(Some(tip))) => {
                self.newest = self.newest.max(tip.number().unwrap_or(0));
            }
            Outcome::Ok(Answer::Events { events, .. }) => {
                // A feed that starts again is not believed, and yet it gives reason to doubt.
                let again = events.first().is_some_and(|e| number(&e.event_id) <= self.newest);
                for event in events {
                    self.newest = self.newest.max(number(&event.event_id));
                    let revision = if again { "again" } else { &event.revision };
                    self.tell(&event.path, revision).by_feed = true;
                }
            }
            Outcome::Failed { why, .. } => {
                self.export_ran |= self.export == Some(call) && *why == Fault::Timeout;
                if *why == Fault::NotFound {
                    for path in &asked {
                        self.tell(path.as_str(), "not found");
                    }
                }
            }
            Outcome::Ok(Answer::Read(got)) => self.read(got),
            Outcome::Ok(_) => {}
        }
    }

    fn read(&mut self, got: &Fetched) {
        if let Some(told) = self.told.get_mut(&got.path)
            && let Some(last) = &told.last
        {
            told.ran_ahead = last != got.revision.as_str();
        }
    }

    /// A listing named a version. Once the feed spoke of a path, a listing that began before
    /// that is not believed, whatever it says.
    fn list(&mut self, path: &str, revision: &str) {
        let told = told_of(&mut self.told, path);
        told.hear(self.now, if told.by_feed { "listed" } else { revision });
    }

    fn tell(&mut self, path: &str, revision: &str) -> &mut Told {
        let told = told_of(&mut self.told, path);
        told.hear(self.now, revision);
        told
    }

    pub(super) fn wanted(
        &mut self,
        effect: &Effect,
        deletes: &Deletes,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) -> Ruling {
        let (call, request) = match effect {
            Effect::Ask { call, request, .. } => (call, request),
            // It ends by itself, as `--once` may.
            Effect::Note { decision: Decision::Stopping { .. }, .. } => {
                self.stopping = true;
                return Ok(0);
            }
            Effect::Cancel { call } => {
                self.waited_for.remove(call);
                return self.cancelled(*call);
            }
            _ => return Ok(0),
        };
        self.waited_for.insert(*call);
        let paths = match request {
            Request::Read { path } => std::slice::from_ref(path),
            Request::ReadMany { paths } => paths.as_slice(),
            Request::Export { .. } => return self.export(*call),
            Request::Push(_) | Request::PushMany { .. } => {
                // Until it is heard to go on, it may be cut off as ever.
                self.uploads.insert(*call, Tick(0));
                return Ok(0);
            }
            _ => return Ok(0),
        };
        self.reads.insert(*call, paths.to_vec());
        for path in paths {
            if self.told.get(path.as_str()).is_some_and(|told| told.doubtful(self.now))
                || self.touched.contains(path)
                || deletes.left_out(path)
            {
                continue;
            }
            let Some(base) = store.view().entries.get(path).and_then(|row| row.base.as_ref())
            else {
                continue;
            };
            let same = truth.now(path).is_some_and(|v| {
                v.content.is_some_and(|c| c.hash == base.hash) && v.is_called(&base.revision)
            });
            if same
                && disk.sealed_at(path) == Some(base.hash)
                && disk.file(path).is_some_and(|file| file.content.hash == base.hash)
            {
                return Err((
                    path.to_string(),
                    format!("{path} is asked for again, and its version is durably there"),
                ));
            }
        }
        Ok(1)
    }

    fn cancelled(&mut self, call: CallId) -> Ruling {
        let Some(heard) = self.uploads.remove(&call) else { return Ok(0) };
        if heard > Tick(0) && self.now - heard < GOES_ON && !self.stopping {
            let what = "a write is cut off, and its body went out all the time";
            return Err(("a write".into(), what.into()));
        }
        Ok(1)
    }

    fn export(&mut self, call: CallId) -> Ruling {
        self.export = Some(call);
        if self.export_ran {
            return Err((
                "the export".into(),
                "the export is begun again, and an earlier one sent files or used up its time"
                    .into(),
            ));
        }
        Ok(1)
    }
}
