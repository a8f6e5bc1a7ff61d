//! What a person deleted stays deleted, unless the server has something newer.
//!
//! It counts where a durable row knows that both sides had the file: of a file that was placed
//! a moment before a kill, nobody can know whether it ever was there. Neither can anybody tell
//! what a power cut took away from what a person deleted, unless a row knew that it was sealed. And
//! where the server had told of a delete, there was nothing left to delete: what it has later is
//! news.

use std::collections::BTreeMap;

use landfall_core::files::entry::{Proof, Remote};
use landfall_core::files::seal::NEVER;
use landfall_core::path::RemotePath;
use landfall_core::row::EntryRow;
use landfall_core::time::{Ms, Tick};

use super::Ruling;
use crate::world::disk::{Moved, Node, Place, Who};
use crate::world::store::Store;
use crate::world::truth::Truth;

/// A process that lives for so long after a power cut looks at everything.
const LOOKED: Ms = Ms::mins(10);

/// What was deleted here: the newest event of what both sides had, and the seal that covered it.
#[derive(Debug, Default)]
pub(super) struct Stays {
    deleted: BTreeMap<RemotePath, (u64, u64)>,
    /// The power was cut, and no process lived long since that did anything.
    cut: bool,
    /// The process that lives does nothing.
    rests: bool,
    /// When the process that lives was started.
    since: Option<Tick>,
}

impl Stays {
    /// The power was cut: what it took away and what a person did look the same, but where a
    /// durable row knew that it was sealed.
    pub(super) fn cut(&mut self, store: &Store) {
        (self.cut, self.since) = (true, None);
        let Some(mirror) = &store.view().mirror else {
            return self.deleted.clear();
        };
        let unread = mirror.unread.iter().flat_map(|unread| &unread.cuts);
        let torn = |seal| seal > mirror.sealed || unread.clone().any(|cut| cut.tore(seal));
        let entries = &store.view().entries;
        let ours = |row: &EntryRow| row.placing.is_none() && !row.astray;
        self.deleted.retain(|path, (_, seal)| !torn(*seal) && entries.get(path).is_some_and(ours));
    }

    pub(super) fn started(&mut self, now: Tick) {
        self.since = Some(now);
    }

    pub(super) fn gone(&mut self, now: Tick) {
        self.cut &= !self.has_looked(now);
        self.since = None;
    }

    /// A process that could not read what it needs has begun.
    pub(super) fn rests(&mut self, rests: bool) {
        self.rests = rests;
    }

    fn has_looked(&self, now: Tick) -> bool {
        !self.cut || !self.rests && self.since.is_some_and(|since| since + LOOKED < now)
    }

    pub(super) fn moved(
        &mut self,
        now: Tick,
        moved: &Moved,
        store: &Store,
        truth: &Truth,
    ) -> Ruling {
        let Place::At(path) = &moved.place else { return Ok(0) };
        match (moved.by, &moved.after) {
            (Who::Person, None) if matches!(moved.before, Some(Node::File(_))) => {
                let row = store.view().entries.get(path);
                let known = |proof: &&Proof| proof.seal != NEVER;
                let proof = row.and_then(|row| row.proof.as_ref()).filter(known);
                let there = |row: &&EntryRow| !matches!(row.remote, Remote::Absent(_));
                let here = row.filter(|row| row.placing.is_none()).filter(there);
                let base = here.and_then(|row| row.base.as_ref());
                let had = base.and_then(|base| {
                    let versions = truth.versions(path).iter();
                    versions.filter(|v| v.is_called(&base.revision)).map(|v| v.n).next_back()
                });
                if let (Some(n), Some(proof), true) = (had, proof, self.has_looked(now)) {
                    self.deleted.insert(path.clone(), (n, proof.seal));
                }
                Ok(0)
            }
            (Who::Process, Some(Node::File(file))) => {
                let Some((had, _)) = self.deleted.remove(path) else { return Ok(0) };
                match truth.newest_with(path, &file.content.hash) {
                    Some(n) if n <= had => {
                        let what = format!("{path} was deleted here, and evt_{n} is placed again");
                        Err((path.to_string(), what))
                    }
                    _ => Ok(1),
                }
            }
            _ => {
                self.deleted.remove(path);
                Ok(0)
            }
        }
    }
}
