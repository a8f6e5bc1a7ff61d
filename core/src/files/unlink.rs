//! Deletes that go from here to the server. They are the one thing that can not be taken back,
//! so a file counts as deleted only if
//!
//! 1. it is found missing twice, a second apart: an editor may save by deleting first;
//! 2. nothing is being scanned or looked at, so that all that went together is counted together;
//! 3. the root is still the root, and not the empty place where a disk was mounted. That is asked
//!    with every seal, too: what both sides deleted is forgotten only afterwards;
//! 4. they are not more than [`MaxDelete`](crate::config::MaxDelete) allows, those of the last
//!    minute included. A file whose bytes are now elsewhere was moved, and does not count.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::deletes::Gathered;
use super::entry::{Doing, Hold, Local};
use super::{Files, Job};
use crate::decision::{Brake, Decision};
use crate::effect::DiskOp;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fault::Fault;
use crate::hash::ContentHash;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};
use crate::timers::Why;

/// Between the two looks that find a file missing.
const AGAIN: Ms = Ms::secs(1);

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Unlinks {
    /// Missing here, and to be deleted there.
    pub missing: BTreeSet<RemotePath>,
    /// When each was first found missing.
    pub since: BTreeMap<RemotePath, Tick>,
    /// Found missing twice.
    pub twice: BTreeSet<RemotePath>,
    /// Counted, and let go.
    pub ready: BTreeSet<RemotePath>,
    /// The root is being looked at.
    pub asking: bool,
    /// The root is not what it was. Nothing is deleted any more.
    pub root_lost: bool,
    pub gathered: Gathered,
    /// Bytes that went to the server lately: a file that had them was moved.
    pub lately: BTreeMap<ContentHash, Tick>,
}

/// So long a file that was sent explains one that is missing.
const MOVED: Ms = Ms::mins(1);

impl Files {
    /// Where a path waits that is missing here.
    pub(super) fn settle_unlink(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        if !self.unlinks.ready.contains(path) {
            self.unlinks.missing.insert(path.clone());
            self.unlinks.since.entry(path.clone()).or_insert(cx.now.tick);
        }
        self.queue(path, super::Standing::Working);
    }

    /// Bytes went to the server.
    pub fn was_sent(&mut self, now: Tick, hash: ContentHash) {
        self.unlinks.lately.insert(hash, now);
    }

    /// Takes the deletes of here a step further, and answers those that may go.
    pub fn unlink(&mut self, cx: &mut Cx<'_>) -> Option<RemotePath> {
        if self.stopping || self.unlinks.root_lost {
            return None;
        }
        if let Some(path) = self.unlinks.ready.pop_first() {
            self.leave_sets(&path);
            self.unlinks.since.remove(&path);
            self.unlinks.twice.remove(&path);
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.entry.doing = Some(Doing::Pushing);
            }
            return Some(path);
        }
        self.look_twice(cx);
        let looking = || self.jobs.values().any(|job| matches!(job, Job::Look(_)));
        if self.unlinks.missing.is_empty()
            || self.unlinks.asking
            || !self.unlinks.missing.is_subset(&self.unlinks.twice)
            || !self.to_look.is_empty()
            || !self.scan.is_over()
            || self.is_hinted(cx.now.tick)
            || looking()
        {
            return None;
        }
        self.unlinks.asking = true;
        let call = cx.disk(DiskOp::Root);
        self.jobs.insert(call, Job::Root);
        None
    }

    /// Looks again at what was missing for long enough.
    fn look_twice(&mut self, cx: &mut Cx<'_>) {
        // Those that are being looked at may be found missing again.
        let (missing, slots) = (&self.unlinks.missing, &self.slots);
        let is_open = |path: &RemotePath| {
            let looked_at =
                || slots.get(path).is_some_and(|slot| slot.entry.local == Local::Unknown);
            missing.contains(path) || looked_at()
        };
        self.unlinks.since.retain(|path, _| is_open(path));
        self.unlinks.twice.retain(is_open);
        let due = |since: &Tick| *since + AGAIN;
        let now = cx.now.tick;
        let again: Vec<RemotePath> = self
            .unlinks
            .since
            .iter()
            .filter(|(path, since)| due(since) <= now && !self.unlinks.twice.contains(*path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in again {
            self.unlinks.twice.insert(path.clone());
            self.update(cx, &path, |slot| slot.entry.local = Local::Unknown);
        }
        let open =
            self.unlinks.since.iter().filter(|(path, _)| !self.unlinks.twice.contains(*path));
        match open.map(|(_, since)| due(since)).min() {
            Some(at) => cx.wake_at(Why::Unlink, at),
            None => cx.no_wake(Why::Unlink),
        }
    }

    /// The root was looked at: if it is what it was, the deletes are counted.
    pub(super) fn root_done(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        self.unlinks.asking = false;
        match outcome {
            Outcome::Ok(Answer::Rooted) => self.count_unlinks(cx),
            Outcome::Failed { why: Fault::RootLost, .. } => self.root_lost(cx),
            // It is asked again.
            _ => self.unlinks.twice.clear(),
        }
    }

    /// What is missing in it tells nothing, and neither would what is put there.
    pub(super) fn root_lost(&mut self, cx: &mut Cx<'_>) {
        if !self.unlinks.root_lost {
            self.unlinks.root_lost = true;
            let missing = self.unlinks.missing.len() as u64;
            cx.note(Decision::Braked(Brake::RootLost { missing }));
        }
    }

    /// Whether the root is gone.
    pub fn is_root_lost(&self) -> bool {
        self.unlinks.root_lost
    }

    /// The brake on what is deleted here, if it is on.
    pub(super) fn unlink_brake(&self) -> Option<Brake> {
        if self.unlinks.root_lost {
            return Some(Brake::RootLost { missing: self.unlinks.missing.len() as u64 });
        }
        let deletes = self.standing(super::Standing::HeldHere);
        let (allowed, known) = (self.max_delete.allowed(self.based), self.based);
        (deletes > 0).then_some(Brake::MaxUnlink { deletes, allowed, known })
    }

    fn count_unlinks(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        self.unlinks.lately.retain(|_, at| *at + MOVED > now);
        let on_its_way: BTreeSet<ContentHash> = self
            .pushes
            .to_push
            .iter()
            .filter_map(|path| match self.slots.get(path)?.entry.local {
                Local::File { hash, .. } => Some(hash),
                _ => None,
            })
            .collect();
        let is_moved = |path: &RemotePath| {
            let base = self.slots.get(path).and_then(|slot| slot.entry.base.as_ref());
            base.is_some_and(|base| {
                self.unlinks.lately.contains_key(&base.hash) || on_its_way.contains(&base.hash)
            })
        };
        let sure: Vec<RemotePath> = self
            .unlinks
            .missing
            .iter()
            .filter(|path| self.unlinks.twice.contains(*path))
            .cloned()
            .collect();
        let deletes = sure.iter().filter(|path| !is_moved(path)).count() as u64;
        let (lately, known) = self.unlinks.gathered.lately(now);
        let known = known.max(self.based);
        let allowed = self.max_delete.allowed(known);
        if deletes + lately > allowed {
            let brake = Brake::MaxUnlink { deletes: deletes + lately, allowed, known };
            cx.note(Decision::Braked(brake));
            for path in sure {
                self.update(cx, &path, |slot| slot.entry.hold = Some(Hold::MaxDelete));
            }
            return;
        }
        self.unlinks.gathered.carried_out(now, deletes, known);
        for path in sure {
            self.unlinks.missing.remove(&path);
            self.unlinks.ready.insert(path);
        }
    }
}
