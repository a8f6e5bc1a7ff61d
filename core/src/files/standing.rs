//! How the paths stand, for status, progress and the other parts of a workspace.

use alloc::collections::BTreeSet;

use super::entry::{Entry, Hold};
use super::{Files, Job};
use crate::fault::Fault;
use crate::path::RemotePath;
use crate::time::Tick;

/// How a path stands, for counting.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Standing {
    /// Both sides have the same.
    InStep,
    /// Something is to be done or under way.
    Working,
    /// It failed and waits for its next try.
    Aside,
    /// A local edit that stays, or a remote one that does.
    OneSided,
    /// Both sides changed, and the mode brings nothing here: the local edit stays, and is not sent.
    BothSided,
    /// A delete of the remote that waits for a person.
    Held,
    /// A delete of here that waits for a person.
    HeldHere,
    /// A local change that is not sent.
    Unsent,
}

impl Files {
    pub(super) fn stand(&mut self, path: &RemotePath, standing: Standing) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        let before = core::mem::replace(&mut slot.standing, standing);
        self.recount(before, standing);
    }

    pub(super) fn recount(&mut self, before: Standing, now: Standing) {
        if before != now {
            self.uncount(before);
            self.count(now, 1);
        }
    }

    pub(super) fn count(&mut self, standing: Standing, n: u64) {
        *self.counts.entry(standing).or_default() += n;
    }

    pub(super) fn uncount(&mut self, standing: Standing) {
        if let Some(n) = self.counts.get_mut(&standing) {
            *n -= 1;
        }
    }

    /// How many paths stand so.
    pub fn standing(&self, standing: Standing) -> u64 {
        self.counts.get(&standing).copied().unwrap_or(0)
    }

    /// How many paths are known.
    #[expect(clippy::len_without_is_empty, reason = "a count for people, not a container")]
    pub fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    /// How many paths have a version that both sides had.
    pub fn based(&self) -> u64 {
        self.based
    }

    /// One entry.
    pub fn get(&self, path: &RemotePath) -> Option<&Entry> {
        Some(&self.slots.get(path)?.entry)
    }

    /// All paths that stand so, with their entries.
    pub fn all(&self, standing: Standing) -> impl Iterator<Item = (&RemotePath, &Entry)> {
        self.slots
            .iter()
            .filter(move |(_, slot)| slot.standing == standing)
            .map(|(path, slot)| (path, &slot.entry))
    }

    /// Paths that are set aside, the next to be tried first, without a walk over all of them.
    pub fn aside(&self) -> impl Iterator<Item = (&RemotePath, &Entry)> {
        // Those wait for what the probes of a wave bring, and for no time.
        let waiting = self.denied.paths().filter_map(|path| self.slots.get_key_value(path));
        let unscheduled = waiting.filter(|(_, slot)| slot.due.is_none());
        self.retry
            .iter()
            .filter_map(|(_, path)| self.slots.get_key_value(path))
            .filter(|(_, slot)| slot.standing == Standing::Aside)
            .chain(unscheduled)
            .map(|(path, slot)| (path, &slot.entry))
    }

    /// How many files the server does not let us read.
    pub fn denied(&self) -> u64 {
        self.denied.len()
    }

    /// A path that something is to be done for, without a walk over all of them.
    pub fn example(&self) -> Option<&RemotePath> {
        let sets = [&self.to_look, &self.to_fetch, &self.to_place, &self.to_remove, &self.deletes];
        let waiting = sets.into_iter().chain([&self.busy]).filter_map(BTreeSet::first);
        let reading = self.jobs.values().find_map(|job| match job {
            Job::Read(path) => Some(path),
            Job::ReadMany(paths) => paths.first(),
            _ => None,
        });
        let storing = self.to_store.first().map(|(_, path)| path);
        let later = self.retry.first().map(|(_, path)| path);
        waiting.chain(reading).chain(storing).min().or(later).or_else(|| self.coldest())
    }

    /// Directories here that can not be read, each with why and how often that was tried.
    pub fn unseen(&self) -> impl Iterator<Item = (Option<&RemotePath>, &Fault, u32)> {
        self.scan.unseen.iter()
    }

    /// How many those are.
    pub fn unseen_count(&self) -> u64 {
        self.scan.unseen.len()
    }

    /// Whether every path that is set aside was tried at least `tries` times, or waits for
    /// what the probes of a wave bring; and every directory that can not be read.
    pub fn all_tried(&self, tries: u32) -> bool {
        self.scan.unseen.all_tried(tries)
            && self.all(Standing::Aside).all(|(path, entry)| match &entry.hold {
                Some(Hold::Aside { tries: n, .. }) => {
                    *n >= tries || self.denied.holds_rightly(path)
                }
                _ => false,
            })
    }

    /// Calls that are under way, and what they are for, in words.
    pub fn under_way(&self) -> (usize, usize) {
        (self.disk_ops, self.reads)
    }

    /// About how many blobs are staged and not placed.
    pub fn staged(&self) -> usize {
        self.to_place.len() + self.to_store.len() + self.disk_ops
    }

    /// Why nothing is placed now.
    pub fn disk_paused(&self) -> Option<Tick> {
        self.disk_paused
    }
}
