//! Deletes are counted before the first is carried out.
//!
//! A cycle of deletes ends where the feed reaches its tip or a traversal ends, and no further
//! delete was told for a moment: a stream tells each file of a directory that goes by itself,
//! and each would be a cycle of one. Until then they are only collected. If they are more than
//! [`MaxDelete`](crate::config::MaxDelete) allows, those of the last minute included, all of
//! them are held and a person has to decide.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::entry::{Hold, Remote};
use super::{Did, Files, Job, Standing};
use crate::decision::{Brake, Decision};
use crate::engine::Cx;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};
use crate::timers::Why;

/// Deletes that are told within this after one another are one deed.
const TOGETHER: Ms = Ms::secs(1);

/// No delete waits longer than this for others.
const LONGEST: Ms = Ms::secs(30);

/// Deletes that were carried out so lately count with those that wait.
const LATELY: Ms = Ms::mins(1);

/// The deletes of a cycle that is not over, and of those that were.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Gathered {
    /// When the first and the last of those that wait were told, and how many there were.
    pub(super) since: Option<(Tick, Tick, usize)>,
    /// When how many were carried out, and of how many that were known then.
    pub(super) lately: VecDeque<(Tick, u64, u64)>,
}

impl Files {
    /// Ends the cycle: lets its deletes go, or holds them all.
    pub fn end_cycle(&mut self, cx: &mut Cx<'_>) {
        if self.deletes.is_empty() {
            self.gathered.since = None;
            return cx.no_wake(Why::Deletes);
        }
        // A path that was not looked at yet may be one more delete: the count is not over.
        let looking = || self.jobs.values().any(|job| matches!(job, super::Job::Look(_)));
        if !self.to_look.is_empty() || looking() {
            return;
        }
        let over = self.gathered.over_at(cx.now.tick, self.deletes.len());
        if over > cx.now.tick {
            return cx.wake_at(Why::Deletes, over);
        }
        let waiting = self.deletes.len() as u64;
        let (lately, known) = self.gathered.lately(cx.now.tick);
        // Those that were let go, and wait for the store or for the disk.
        let is_delete = |path: &&RemotePath| {
            let entry = self.get(path);
            entry.is_some_and(|entry| matches!(entry.remote, Remote::Absent(_)))
        };
        let removing = |job: &&Job| matches!(job, Job::Remove(_, Did::Trashed));
        let under_way = self.to_remove.iter().filter(is_delete).count()
            + self.jobs.values().filter(removing).count();
        let deletes = waiting + under_way as u64 + lately + self.standing(Standing::Held);
        let known = known.max(self.based);
        let allowed = self.max_delete.allowed(known);
        self.gathered.since = None;
        if deletes <= allowed {
            // Unique over runs, so that one cycle's trash is never mixed with another's.
            self.cycles = (u64::from(cx.engine.run) << 32) | ((self.cycles + 1) & 0xffff_ffff);
            for path in core::mem::take(&mut self.deletes) {
                // The server may make it anew before it is gone: then nobody deleted it here.
                self.update(cx, &path, |slot| {
                    slot.entry.astray = true;
                    slot.let_go = true;
                });
            }
            return;
        }
        let brake = Brake::MaxDelete { deletes, allowed, known };
        cx.note(Decision::Braked(brake));
        let paths: Vec<_> = self.deletes.iter().cloned().collect();
        for path in paths {
            self.update(cx, &path, |slot| slot.entry.hold = Some(Hold::MaxDelete));
        }
    }

    /// The brake on deletes, if it is on.
    pub(super) fn delete_brake(&self) -> Option<Brake> {
        let deletes = self.standing(Standing::Held);
        (deletes > 0).then(|| Brake::MaxDelete {
            deletes,
            allowed: self.max_delete.allowed(self.based),
            known: self.based,
        })
    }
}

impl Gathered {
    /// When the deletes that wait, so many now, are complete.
    fn over_at(&mut self, now: Tick, waiting: usize) -> Tick {
        let (first, last) = match self.since {
            Some((first, last, before)) if before == waiting => (first, last),
            Some((first, ..)) => (first, now),
            None => (now, now),
        };
        self.since = Some((first, last, waiting));
        (last + TOGETHER).min(first + LONGEST)
    }

    /// So many are carried out, of so many that are known.
    pub(super) fn carried_out(&mut self, now: Tick, deletes: u64, known: u64) {
        match self.lately.back_mut() {
            Some((at, n, _)) if *at == now => *n += deletes,
            _ => self.lately.push_back((now, deletes, known)),
        }
    }

    /// How many were carried out within the last minute, and how many were known when it began.
    pub(super) fn lately(&mut self, now: Tick) -> (u64, u64) {
        while self.lately.front().is_some_and(|(at, ..)| *at + LATELY <= now) {
            self.lately.pop_front();
        }
        let gone = self.lately.iter().map(|(_, n, _)| n).sum();
        (gone, self.lately.front().map_or(0, |(_, _, known)| *known))
    }
}
