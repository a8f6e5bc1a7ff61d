//! What durable rows call sealed is sealed.
//!
//! A row remembers the seal that covers its bytes, and the mirror row the last seal that was
//! taken. A row whose seal is still to come is durably owed a look after a power cut; one whose
//! seal is past is believed. The position and `complete` follow the same seals. So each time
//! the last seal moves, the rows that it covers are judged, and so is each row that is written
//! with a seal of the past; and all of them when `complete` is new.

use landfall_core::effect::Change;
use landfall_core::files::entry::Hold;
use landfall_core::path::RemotePath;
use landfall_core::row::{EntryRow, Value};

use super::Ruling;
use crate::map::Set;
use crate::world::disk::{Disk, Moved, Place, Who};
use crate::world::store::{Commit, Store};
use crate::world::truth::Truth;

/// What was sealed last, as the durable rows say.
#[derive(Debug, Default)]
pub(super) struct Seal {
    sealed: u64,
    complete: bool,
    /// Paths that a person touched.
    touched: Set<RemotePath>,
}

impl Seal {
    pub(super) fn moved(&mut self, moved: &Moved) {
        if let (Who::Person, Place::At(path)) = (moved.by, &moved.place) {
            self.touched.insert(path.clone());
        }
    }

    pub(super) fn durable(
        &mut self,
        commit: &Commit,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) -> Ruling {
        let mut judged = 0;
        let last = self.sealed;
        for change in &commit.changes {
            let Change::Put(row) = change else {
                continue;
            };
            if let Value::Entry(path, entry) = &row.value
                && entry.proof.as_ref().is_some_and(|proof| proof.seal <= last)
            {
                judged += self.judge(path, entry, truth, disk)?;
            }
        }
        let Some(mirror) = &store.view().mirror else {
            return Ok(judged);
        };
        let sealed = mirror.sealed;
        // A row that was not read since the power was cut is still owed a look.
        let torn =
            |seal| mirror.unread.iter().flat_map(|unread| &unread.cuts).any(|cut| cut.tore(seal));
        let fresh = mirror.complete && !self.complete;
        let moved = sealed != self.sealed;
        self.complete = mirror.complete;
        self.sealed = sealed;
        if !fresh && !moved {
            return Ok(judged);
        }
        for (path, entry) in &store.view().entries {
            let Some(proof) = &entry.proof else {
                continue;
            };
            let covered = last < proof.seal && proof.seal <= sealed;
            // What the server changed meanwhile is not what was complete, nor what is durably set
            // aside.
            let in_step = || {
                !matches!(entry.hold, Some(Hold::Aside { .. }))
                    && entry.base.as_ref().is_some_and(|base| base.hash == proof.hash)
                    && truth.now(path).and_then(|v| v.content).map(|c| c.hash) == Some(proof.hash)
            };
            if (covered || fresh && in_step()) && !torn(proof.seal) {
                judged += self.judge(path, entry, truth, disk)?;
            }
        }
        Ok(judged)
    }

    fn judge(&self, path: &RemotePath, entry: &EntryRow, truth: &Truth, disk: &Disk) -> Ruling {
        let Some(proof) = &entry.proof else {
            return Ok(0);
        };
        // A row that says what is being placed claims nothing about what was there.
        if self.touched.contains(path) || entry.placing.is_some() {
            return Ok(0);
        }
        let Some(claimed) = truth.newest_with(path, &proof.hash) else {
            return Ok(0);
        };
        let newer = |hash| truth.newest_with(path, &hash) >= Some(claimed);
        let safe = disk.sealed_at(path).is_some_and(newer);
        // What was moved away since is not claimed any more: its row is on the way.
        if safe || disk.file(path).is_none() {
            return Ok(1);
        }
        Err((
            path.to_string(),
            format!(
                "the durable row of {path} calls its bytes sealed, and a power cut may take them"
            ),
        ))
    }
}
