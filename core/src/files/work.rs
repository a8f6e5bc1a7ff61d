//! Issues the work that the sets hold, as much as the disk and the gate allow.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;

use super::entry::{Doing, Hold, Local};
use super::plan::{Action, SyncMode, plan};
use super::{Did, Files, Job, Standing};
use crate::effect::{Aside, DiskOp, Request};
use crate::engine::Cx;
use crate::gate::Class;
use crate::id::BlobId;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};

/// Disk operations at once.
const DISK_AT_ONCE: usize = 32;

/// How long a read may go without moving.
pub const READ_PATIENCE: Ms = Ms::secs(30);

/// Paths of one bulk read.
const BULK_PATHS: usize = 32;

/// Candidates that are looked at when the first ones are blocked by a busy neighbour.
const LOOK_AHEAD: usize = 64;

impl Files {
    /// Issues what can be issued. Answers whether a seal was begun.
    pub fn pump(&mut self, cx: &mut Cx<'_>) -> bool {
        let paused = self.disk_rests(cx.now.tick);
        self.tend_wave(cx);
        if self.stopping && (self.disk_paused.is_some() || self.unlinks.root_lost) {
            self.give_up_all_staged(cx);
        }
        while self.disk_ops < DISK_AT_ONCE {
            let issued = (!paused && (self.issue_place(cx) || self.issue_remove(cx)))
                || (!paused && !self.stopping && (self.issue_look(cx) || self.issue_scan(cx)));
            if !issued {
                break;
            }
        }
        while !paused && !self.stopping && self.reads < self.reads_at_once {
            if !self.issue_read(cx) {
                break;
            }
        }
        if self.unlinks.root_lost {
            // What was placed is not where a seal would look for it.
            return false;
        }
        let Some(number) = self.seals.begin(cx.now.tick) else { return false };
        let call = cx.disk(DiskOp::Seal);
        self.jobs.insert(call, Job::Seal(number));
        true
    }

    /// Whether the disk is left alone: it is in trouble, or nothing is where it was.
    pub(super) fn disk_rests(&self, now: Tick) -> bool {
        self.unlinks.root_lost || self.disk_paused.is_some_and(|until| until > now)
    }

    /// Whether no read is under way or wanted.
    pub fn is_read_out(&self) -> bool {
        self.reads == 0 && self.to_fetch.is_empty()
    }

    pub(super) fn issue_clean(&mut self, cx: &mut Cx<'_>, keep: Vec<BlobId>) {
        let call = cx.disk(DiskOp::Clean { keep });
        self.jobs.insert(call, Job::Clean);
    }

    /// Removes a blob that nobody wants.
    pub fn drop_blob(&mut self, cx: &mut Cx<'_>, blob: BlobId) {
        let call = cx.disk(DiskOp::Drop { blob });
        self.jobs.insert(call, Job::Drop);
    }

    fn issue_look(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(path) = self.first_free(&self.to_look) else { return false };
        let Some(slot) = self.slots.get_mut(&path) else { return false };
        // A file that may be torn is hashed whatever its stamp says.
        let known = slot.entry.proof.as_ref().filter(|_| !slot.unsealed_at_boot);
        let known = known.map(|proof| (proof.hash, proof.stamp));
        let writable = match plan(&slot.entry, self.mode).0 {
            Action::SetMode { writable } => Some(writable),
            _ => None,
        };
        let call = cx.disk(DiskOp::Look { path: path.clone(), known, writable });
        slot.entry.doing = Some(Doing::Looking { call });
        self.to_look.remove(&path);
        let job = if writable.is_some() { Job::SetMode } else { Job::Look };
        self.under_way_on_disk(call, job(path.clone()), path);
        true
    }

    fn issue_place(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(path) = self.first_free(&self.to_place) else { return false };
        let Some(slot) = self.slots.get_mut(&path) else { return false };
        let (action, _) = plan(&slot.entry, self.mode);
        let Some(Doing::Staged { blob, version }) = slot.entry.doing.clone() else { return false };
        let expect = match slot.entry.local {
            Local::File { hash, .. } => Some(hash),
            // A placement that refuses to replace anything is a look that costs nothing.
            _ => None,
        };
        let keep = action == Action::Fetch { keep: true };
        // What comes of a merge is sent, and so is what it is made of.
        let unsent = matches!(slot.entry.hold, Some(Hold::Unsent { what, .. }) if what == expect);
        let merges = keep && self.mode == SyncMode::Mirror && !unsent;
        let base = slot.entry.base.as_ref().filter(|_| merges).map(|base| base.hash);
        let writable = self.mode.is_written_here();
        let at = path.clone();
        let call = cx.disk(DiskOp::Place { path: at, blob, expect, keep, base, writable });
        slot.entry.doing = Some(Doing::Placing { call, blob, version });
        self.to_place.remove(&path);
        self.under_way_on_disk(call, Job::Place(path.clone()), path);
        true
    }

    fn issue_remove(&mut self, cx: &mut Cx<'_>) -> bool {
        // Nothing goes before a durable row says why: else a kill would leave a row of a file that
        // is missing here, and an old copy of it would be fetched.
        let mut is_due = |path: &RemotePath| {
            let mark = self.slots.get(path).map(|slot| slot.mark);
            !self.is_blocked(path) && mark.is_none_or(|mark| cx.is_durable(mark))
        };
        let path = self.to_remove.iter().take(LOOK_AHEAD).find(|path| is_due(path)).cloned();
        let Some(path) = path else { return false };
        self.to_remove.remove(&path);
        let Some(slot) = self.slots.get_mut(&path) else { return true };
        let Local::File { hash, .. } = slot.entry.local else { return true };
        let (to, did) = match plan(&slot.entry, self.mode).0 {
            Action::SetAside => (Aside::Conflict, Did::SetAside),
            Action::Trash => (Aside::Trash { cycle: self.cycles }, Did::Trashed),
            _ => return true,
        };
        let call = cx.disk(DiskOp::Remove { path: path.clone(), expect: hash, to });
        slot.entry.doing = Some(Doing::Removing { call });
        self.under_way_on_disk(call, Job::Remove(path.clone(), did), path);
        true
    }

    fn issue_read(&mut self, cx: &mut Cx<'_>) -> bool {
        let many = self.bulk_read != Some(false);
        let mut paths: Vec<RemotePath> = Vec::new();
        for path in self.to_fetch.iter().take(LOOK_AHEAD) {
            let alone = self.slots.get(path).is_some_and(|slot| slot.alone);
            if paths.is_empty() && (alone || !many) {
                paths.push(path.clone());
                break;
            }
            if !alone {
                paths.push(path.clone());
            }
            if paths.len() == BULK_PATHS {
                break;
            }
        }
        if paths.is_empty() {
            return false;
        }
        let (request, credit, job) = match &paths[..] {
            [path] => (Request::Read { path: path.clone() }, 4, Job::Read(path.clone())),
            _ => {
                let set: BTreeSet<RemotePath> = paths.iter().cloned().collect();
                let credit = paths.len() as u32;
                (Request::ReadMany { paths: paths.clone() }, credit, Job::ReadMany(set))
            }
        };
        let call = cx.ask(Class::Bulk, request, READ_PATIENCE, credit);
        for path in &paths {
            self.to_fetch.remove(path);
            if let Some(slot) = self.slots.get_mut(path) {
                slot.entry.doing = Some(Doing::Fetching { call });
            }
        }
        self.jobs.insert(call, job);
        self.reads += 1;
        true
    }

    /// Decides about bytes that are staged: place them, look first, or let them go.
    pub(super) fn settle_staged(&mut self, cx: &mut Cx<'_>, path: &RemotePath, action: Action) {
        let Some(slot) = self.slots.get(path) else { return };
        let Some(Doing::Staged { blob, .. }) = slot.entry.doing.clone() else { return };
        let mark = slot.mark;
        let wanted = match action {
            Action::Fetch { .. } => true,
            Action::LookLocal => slot.entry.proof.is_none(),
            _ => false,
        };
        if !wanted {
            self.drop_blob(cx, blob);
            return self.update(cx, path, |slot| {
                slot.entry.doing = None;
                slot.entry.placing = None;
            });
        }
        // A file may only appear once a durable row knows that it is ours. Without that, one
        // that was placed just before a kill and deleted just after it would look like a
        // person's for ever.
        if cx.is_durable(mark) {
            self.to_place.insert(path.clone());
        } else {
            self.to_store.insert((mark, path.clone()));
        }
        self.queue(path, Standing::Working);
    }

    /// Lets staged bytes go. They are fetched again when they can be placed.
    fn give_up_staged(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let staged = self.slots.get(path).and_then(|slot| slot.entry.doing.clone());
        if let Some(Doing::Staged { blob, .. }) = staged {
            self.drop_blob(cx, blob);
            self.update(cx, path, |slot| {
                slot.entry.doing = None;
                slot.entry.placing = None;
            });
        }
    }

    pub(super) fn under_way_on_disk(
        &mut self,
        call: crate::id::CallId,
        job: Job,
        path: RemotePath,
    ) {
        self.stand(&path, Standing::Working);
        self.busy.insert(path);
        self.disk_ops += 1;
        self.jobs.insert(call, job);
    }

    /// The first path of a set that no disk operation above or below it is under way for.
    pub(super) fn first_free(&self, set: &BTreeSet<RemotePath>) -> Option<RemotePath> {
        set.iter().take(LOOK_AHEAD).find(|path| !self.is_blocked(path)).cloned()
    }

    fn is_blocked(&self, path: &RemotePath) -> bool {
        if self.busy.is_empty() {
            return false;
        }
        if self.busy.contains(path) || path.ancestors().any(|dir| self.busy.contains(dir)) {
            return true;
        }
        let below = path.as_dir();
        let from = (Bound::Included(below.as_str()), Bound::Unbounded);
        let mut after = self.busy.range::<str, _>(from);
        after.next().is_some_and(|busy| busy.as_str().starts_with(&below))
    }

    /// Takes nothing in any more: reads end, staged bytes are still placed.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        self.stopping = true;
        let reads: Vec<_> = self
            .jobs
            .iter()
            .filter(|(_, job)| matches!(job, Job::Read(_) | Job::ReadMany(_)))
            .map(|(call, _)| *call)
            .collect();
        for call in reads {
            cx.cancel(call);
            self.fetch_ended(cx, call);
        }
        if !self.is_sealed_out() {
            self.seals.want(cx.now.tick);
        }
    }

    /// The disk is in trouble, and there is no time to wait for the end of that.
    fn give_up_all_staged(&mut self, cx: &mut Cx<'_>) {
        let staged: Vec<RemotePath> = self.to_place.iter().cloned().collect();
        for path in staged {
            self.give_up_staged(cx, &path);
        }
    }

    /// Whether nothing is being placed or removed, or waits for it.
    pub fn is_placed_out(&self) -> bool {
        self.busy.is_empty() && self.to_place.is_empty() && self.to_store.is_empty()
    }

    /// Whether nothing is under way, staged or unsealed.
    pub fn is_quiet(&self) -> bool {
        self.jobs.is_empty()
            && self.to_place.is_empty()
            && self.to_store.is_empty()
            && self.is_sealed_out()
    }

    /// Whether no seal is to be taken any more.
    pub fn is_sealed_out(&self) -> bool {
        self.seals.is_clean() || self.unlinks.root_lost
    }
}
