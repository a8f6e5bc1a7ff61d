//! What the tiny server and the tiny disk answer.

use std::collections::VecDeque;

use landfall_core::effect::{Aside, DiskOp, Request};
use landfall_core::event::{Answer, Event, Fetched, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Found, Seen};
use landfall_core::id::{BlobId, CallId, EventId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;
use landfall_core::wire::{FeedEvent, TreeEntry};

use super::actions::{Fate, With};
use super::rules::{Wrong, wrong};
use super::world::{Ask, Bytes, Op, PERSON, Tiny, found, hash_of, stamp_of};
use crate::oracles::Oracle;

impl Tiny {
    pub(super) fn answer(&mut self, ask: usize, at: u8, with: With) -> Result<(), Wrong> {
        match with {
            With::Well => {}
            With::Cut | With::Link | With::Throttled | With::Silent => self.left.net -= 1,
            _ => self.left.lies -= 1,
        }
        let Ask { call, request, rest, .. } = self.asks.remove(ask);
        match with {
            With::Link => return self.done(call, failed(Blame::Unknown, Fault::Link)),
            With::Throttled => {
                let retry_after = Some(Ms::secs(5));
                let (blame, why) = (Blame::Lane, Fault::Throttled);
                return self.done(call, Outcome::Failed { blame, why, retry_after });
            }
            // Only its deadline ends it.
            With::Silent => return Ok(()),
            _ => {}
        }
        match &request {
            Request::Tip => self.tip_answer(call, at, with),
            Request::Events { after, .. } => self.events(call, after.as_ref(), at, with),
            Request::Export { .. } => self.export(call, request, rest, at, with),
            Request::Tree { .. } => self.tree(call, at, with),
            Request::Read { path } => match self.file(path.as_str()) {
                Some(file) => self.read(call, file, at, with),
                None => self.done(call, not_found()),
            },
            Request::ReadMany { paths } => {
                let files: Vec<usize> =
                    paths.iter().filter_map(|path| self.file(path.as_str())).collect();
                for file in files {
                    let part = self.item(call, file, at);
                    self.tell(Event::Part { call, part })?;
                }
                let end = match with {
                    With::Cut => failed(Blame::Unknown, Fault::Cut),
                    _ => Outcome::Ok(Answer::ReadMany),
                };
                self.done(call, end)
            }
            Request::Stream { .. }
            | Request::PushMany { .. }
            | Request::Push(_)
            | Request::PushDelete { .. }
            | Request::Op { .. } => self.done(call, not_found()),
        }
    }

    fn tip_answer(&mut self, call: CallId, at: u8, with: With) -> Result<(), Wrong> {
        if with == With::NotFound || !self.scene.feed {
            return self.done(call, not_found());
        }
        let n = if with == With::Oldest { 1 } else { at };
        self.handed = self.handed.max(n);
        self.done(call, Outcome::Ok(Answer::Tip(Some(EventId(format!("evt_{n}"))))))
    }

    fn events(
        &mut self,
        call: CallId,
        after: Option<&EventId>,
        at: u8,
        with: With,
    ) -> Result<(), Wrong> {
        if with == With::NotFound {
            return self.done(call, failed(Blame::Payload, Fault::Gone));
        }
        let after = after.and_then(EventId::number).filter(|_| with != With::Oldest).unwrap_or(0);
        let events = (after as usize..usize::from(at)).map(|n| self.event(n)).collect();
        self.handed = self.handed.max(at);
        self.done(call, Outcome::Ok(Answer::Events { events, next: None }))
    }

    fn event(&self, index: usize) -> FeedEvent {
        let (file, bytes) = self.log[index];
        let before = self.at(file, index as u8).and_then(|(_, bytes)| bytes);
        let kind = match (before, bytes) {
            (_, None) => "file.deleted",
            (None, Some(_)) => "file.created",
            (Some(_), Some(_)) => "file.updated",
        };
        FeedEvent {
            event_id: format!("evt_{}", index + 1),
            kind: kind.into(),
            path: self.scene.names[file].into(),
            revision: format!("rev_{}", index + 1),
            content_hash: bytes.map(|bytes| hash_of(bytes).to_string()),
        }
    }

    fn export(
        &mut self,
        call: CallId,
        request: Request,
        rest: Option<VecDeque<(usize, Bytes)>>,
        at: u8,
        with: With,
    ) -> Result<(), Wrong> {
        if with == With::Cut {
            return self.done(call, failed(Blame::Unknown, Fault::Cut));
        }
        let shown = |file: &usize| shows(with, *file);
        let mut rest = rest.unwrap_or_else(|| {
            let there = |file: usize| Some((file, self.at(file, at)?.1?));
            (0..2).filter(shown).filter_map(there).collect()
        });
        let Some((file, bytes)) = rest.pop_front() else {
            return self.done(call, Outcome::Ok(Answer::Exported));
        };
        let fetched = self.fetched(call, file, bytes);
        let sent_at = self.tip();
        self.asks.insert(0, Ask { call, request, sent_at, rest: Some(rest) });
        self.tell(Event::Part { call, part: Part::File(fetched) })
    }

    fn tree(&mut self, call: CallId, at: u8, with: With) -> Result<(), Wrong> {
        let there = |file: usize| Some((file, self.at(file, at)?, self.at(file, at)?.1?));
        let files: Vec<_> = (0..2).filter_map(there).collect();
        let mut shown = [false; 2];
        let mut entries = Vec::new();
        for (file, (n, _), bytes) in &files {
            if shows(with, *file) {
                shown[*file] = true;
                entries.push(TreeEntry {
                    path: self.scene.names[*file].into(),
                    kind: "file".into(),
                    revision: format!("rev_{n}"),
                    content_hash: Some(hash_of(*bytes).to_string()),
                    size: Some(1),
                });
            }
        }
        let total = match with {
            With::Empty { count: false } | With::Short { count: false, .. } => entries.len(),
            // The server does not count what lies in a control directory.
            _ => files.iter().filter(|(file, ..)| !self.scene.is_control(*file)).count(),
        };
        if with == With::Cut {
            entries.truncate(1);
        }
        if !entries.is_empty() {
            self.tell(Event::Part { call, part: Part::Entries(entries) })?;
        }
        // The first part may have made the machine end the call.
        if with == With::Cut {
            return self.done(call, failed(Blame::Unknown, Fault::Cut));
        }
        self.listed(shown);
        // A count of 0 is left out.
        let total = (total > 0).then_some(total as u64);
        self.done(call, Outcome::Ok(Answer::Listed { next: None, total }))
    }

    fn read(&mut self, call: CallId, file: usize, at: u8, with: With) -> Result<(), Wrong> {
        if with == With::Cut {
            return self.done(call, failed(Blame::Unknown, Fault::Cut));
        }
        if self.denied[file] {
            return self.done(call, failed(Blame::Payload, Fault::Forbidden));
        }
        let at = match with {
            With::Stale => self.at(file, at).map_or(at, |(n, _)| n - 1),
            _ => at,
        };
        let bytes = self.at(file, at).and_then(|(_, bytes)| bytes);
        let Some(bytes) = bytes.filter(|_| with != With::NotFound) else {
            return self.done(call, not_found());
        };
        let fetched = self.fetched(call, file, bytes);
        self.done(call, Outcome::Ok(Answer::Read(fetched)))
    }

    /// One item of a read of many.
    fn item(&mut self, call: CallId, file: usize, at: u8) -> Part {
        let refused = |why| {
            let path = self.scene.names[file].into();
            Part::Refused { path, blame: Blame::Payload, why }
        };
        if self.denied[file] {
            return refused(Fault::Forbidden);
        }
        match self.at(file, at).and_then(|(_, bytes)| bytes) {
            None => refused(Fault::NotFound),
            Some(bytes) => Part::File(self.fetched(call, file, bytes)),
        }
    }

    /// Bytes of the server are its event numbers, so they say their revision.
    fn fetched(&mut self, call: CallId, file: usize, bytes: Bytes) -> Fetched {
        let blob = BlobId { call, part: file as u32 };
        self.stage.push((blob, bytes));
        Fetched {
            path: self.scene.names[file].into(),
            revision: Revision(format!("rev_{bytes}").into()),
            hash: hash_of(bytes),
            size: 1,
            blob,
        }
    }

    pub(super) fn carry_out(&mut self, op: usize, with: Fate) -> Result<(), Wrong> {
        let Op { call, op, mark } = self.ops.remove(op);
        match with {
            Fate::Full | Fate::Denied => {
                self.left.disk -= 1;
                let (blame, why) = match with {
                    Fate::Full => (Blame::Lane, Fault::DiskFull),
                    _ => (Blame::Payload, Fault::DiskDenied),
                };
                return self.done(call, failed(blame, why));
            }
            Fate::Window => self.left.people -= 1,
            Fate::Well => {}
        }
        let answer = match op {
            DiskOp::Root | DiskOp::Stage { .. } => {
                return wrong(Oracle::RootSafe, format!("{op:?} in a mirror that only pulls"));
            }
            DiskOp::Clean { .. } => {
                let before = self.stage.len();
                self.stage.retain(|(blob, _)| blob.call.run >= call.run);
                Answer::Cleaned { removed: (before - self.stage.len()) as u32 }
            }
            DiskOp::Look { path, .. } => Answer::Looked(match self.file(path.as_str()) {
                Some(file) => found(self.here[file]),
                None => Found::Absent,
            }),
            DiskOp::Scan { .. } => Answer::Scanned(self.scan()),
            DiskOp::Drop { blob } => {
                self.unstage(blob);
                Answer::Dropped
            }
            DiskOp::Seal => {
                self.sealed = mark;
                Answer::Sealed
            }
            DiskOp::Place { path, blob, expect, keep, .. } => {
                let Some(file) = self.file(path.as_str()) else {
                    return wrong(Oracle::RootSafe, format!("{path} is placed"));
                };
                let expect = expect.map(|hash| hash.0[0]);
                self.place(file, blob, expect, keep, with)?
            }
            DiskOp::Remove { path, expect, to } => {
                let Some(file) = self.file(path.as_str()) else {
                    return wrong(Oracle::RootSafe, format!("{path} is removed"));
                };
                if self.here[file] == Some(expect.0[0]) && with == Fate::Window {
                    // It comes out, is not what was to be moved, and is put back.
                    self.person(file, false);
                }
                match self.here[file] {
                    Some(bytes) if bytes == expect.0[0] => {
                        self.keep(file, bytes);
                        self.here[file] = None;
                        // A torn copy that is kept aside says nothing about the server.
                        let trash = matches!(to, Aside::Trash { .. });
                        let deleted = self.log.iter().rposition(|event| *event == (file, None));
                        let n = deleted.filter(|_| trash).map_or(0, |n| n as u8 + 1);
                        self.rules.floor[file] = self.rules.floor[file].max(n);
                        self.nothing_lost()?;
                        Answer::Removed
                    }
                    other => Answer::Occupied(found(other)),
                }
            }
        };
        self.done(call, Outcome::Ok(answer))
    }

    fn place(
        &mut self,
        file: usize,
        blob: BlobId,
        expect: Option<Bytes>,
        keep: bool,
        with: Fate,
    ) -> Result<Answer, Wrong> {
        let here = self.here[file];
        if expect.is_some() != here.is_some() {
            return Ok(Answer::Occupied(found(here)));
        }
        if with == Fate::Window {
            self.person(file, false);
        }
        let Some(bytes) = self.unstage(blob) else {
            return wrong(Oracle::Blobs, format!("blob {blob} is placed and is not staged"));
        };
        let out = self.here[file].replace(bytes);
        let spare = out.is_none_or(|out| out == bytes || Some(out) == expect && !keep);
        if let Some(out) = out.filter(|_| !spare) {
            self.keep(file, out);
        }
        self.moved(file, Some(bytes))?;
        let kept = out.filter(|_| !spare).map(hash_of);
        Ok(Answer::Placed { stamp: stamp_of(bytes), kept, merged: None })
    }

    fn scan(&self) -> Vec<(RemotePath, Seen)> {
        let all = self.scene.names.iter().zip(self.here);
        let files = all.filter_map(|(name, bytes)| {
            Some((RemotePath::parse(name).ok()?, Seen::File(stamp_of(bytes?))))
        });
        files.collect()
    }

    fn unstage(&mut self, blob: BlobId) -> Option<Bytes> {
        let at = self.stage.iter().position(|(staged, _)| *staged == blob)?;
        Some(self.stage.swap_remove(at).1)
    }

    /// Only what a person saved is missed, so only that is remembered.
    fn keep(&mut self, file: usize, bytes: Bytes) {
        if bytes >= PERSON && !self.kept.contains(&(file, bytes)) {
            self.kept.push((file, bytes));
        }
    }
}

fn shows(with: With, file: usize) -> bool {
    match with {
        With::Empty { .. } => false,
        With::Short { file: hidden, .. } => file != hidden,
        _ => true,
    }
}

fn failed(blame: Blame, why: Fault) -> Outcome {
    Outcome::Failed { blame, why, retry_after: None }
}

fn not_found() -> Outcome {
    failed(Blame::Payload, Fault::NotFound)
}
