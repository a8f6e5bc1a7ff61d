//! The table of files: one entry per path, shared by all lanes of a workspace.
//!
//! ```text
//!   feed, listings, exports --observe-->  +---------+  --plan-->  looks, reads, placements,
//!   disk answers -------------found---->  | entries |             removals; or rest
//!   staged bytes --------------land---->  +---------+
//! ```
//!
//! Entries store what was observed on both sides, never what is to be done about it. What is
//! to be done is what [`plan`](plan::plan) says *now*, so nothing has to be resumed after a
//! restart and a stale intention can not exist. After each observation the path is
//! [settled](Files::settle): the plan is asked, the path enters the set of its kind of work,
//! and [`work`] issues as much of that as the disk and the gate allow.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::MaxDelete;
use crate::decision::{Decision, Did};
use crate::engine::Cx;
use crate::fault::Fault;
use crate::hash::ContentHash;
use crate::id::{CallId, CommitSeq, Revision};
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::row::{Of, Value};
use crate::time::{Ms, StoredDeadline, Tick};
use crate::timers::Why;
use denied::Denied;
use entry::{Doing, Entry, Hold, Local, Ordinal, Past, Remote, Unsent};
use hints::Hints;
use plan::{Action, Rule, SyncMode, plan};
use push::Pushes;
use scan::Scan;
use seal::Seals;
use slot::{Queued, Slot};
use unlink::Unlinks;
use witnesses::Witnesses;

mod answers;
mod boot;
mod deletes;
mod denied;
pub mod entry;
mod hints;
mod land;
pub mod plan;
pub(crate) mod print;
mod push;
mod replay;
mod scan;
pub mod seal;
mod slot;
mod standing;
mod unlink;
mod unseen;
mod witnesses;
mod work;

pub use standing::Standing;
pub use witnesses::LeftOut;

#[cfg(test)]
mod plan_tests;

/// How long a path that failed waits.
const ASIDE: Backoff = Backoff { base: Ms::secs(2), cap: Ms::mins(10) };

/// How long a path waits that may not be read. No right comes back within seconds.
const DENIED: Backoff = Backoff { base: Ms::mins(1), cap: Ms::mins(10) };

/// A file that the server tells of and answers 404 for may still come for this long. After
/// that it is gone.
const LAG: Ms = Ms::mins(5);

/// Two 404s that are further apart than this do not speak of the same time: the computer may
/// have slept.
const LAG_GAP: Ms = Ms::mins(3);

/// How long such a path waits at most.
const LAG_AGAIN: Ms = Ms::mins(1);

/// How long nothing is placed after the disk was full or read-only.
const DISK_PAUSE: Backoff = Backoff { base: Ms::secs(2), cap: Ms::secs(60) };

/// What a disk or network call of this table was for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Job {
    Clean,
    Look(RemotePath),
    /// A directory, for the scan of everything of this number.
    Scan(u32, Option<RemotePath>),
    SetMode(RemotePath),
    Read(RemotePath),
    ReadMany(BTreeSet<RemotePath>),
    Place(RemotePath),
    Remove(RemotePath, Did),
    Stage(RemotePath, ContentHash),
    Root,
    Drop,
    Seal(u64),
}

impl Job {
    /// The one path that it is about.
    fn path(&self) -> Option<&RemotePath> {
        match self {
            Job::Look(path)
            | Job::SetMode(path)
            | Job::Read(path)
            | Job::Place(path)
            | Job::Remove(path, _)
            | Job::Stage(path, _) => Some(path),
            Job::Clean
            | Job::Scan(..)
            | Job::ReadMany(_)
            | Job::Root
            | Job::Drop
            | Job::Seal(_) => None,
        }
    }
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    mode: SyncMode,
    max_delete: MaxDelete,
    reads_at_once: usize,
    /// Boxed: most searches pass over all but one.
    slots: BTreeMap<RemotePath, Box<Slot>>,
    counts: BTreeMap<Standing, u64>,
    based: u64,
    jobs: BTreeMap<CallId, Job>,
    scan: Scan,
    hints: Hints,
    pushes: Pushes,
    unlinks: Unlinks,

    to_look: BTreeSet<RemotePath>,
    to_fetch: BTreeSet<RemotePath>,
    to_place: BTreeSet<RemotePath>,
    /// Staged, but the row that says so is not durable yet.
    to_store: BTreeSet<(CommitSeq, RemotePath)>,
    to_remove: BTreeSet<RemotePath>,
    /// Deletes of this cycle. They wait until it is over and they can be counted.
    deletes: BTreeSet<RemotePath>,
    gathered: deletes::Gathered,
    /// Paths of disk operations under way.
    busy: BTreeSet<RemotePath>,
    retry: BTreeSet<(Tick, RemotePath)>,
    /// Deletes that a snapshot under way, taken before them, must not undo.
    tombstones: Option<BTreeMap<RemotePath, Ordinal>>,
    /// See [`replay`].
    replay: Option<Ordinal>,
    /// Paths whose stored rows can not be read.
    unreadable: BTreeSet<RemotePath>,
    witnesses: Witnesses,
    denied: Denied,
    /// Removals that a seal has to make good before their entries are forgotten.
    removals: BTreeSet<(u64, RemotePath)>,

    disk_ops: usize,
    reads: usize,
    /// Whether the server has `fs/bulk-read`; not known before it was tried.
    bulk_read: Option<bool>,
    /// Whether a change of mode took no effect.
    without_modes: bool,
    disk_paused: Option<Tick>,
    disk_troubles: u32,
    stopping: bool,
    cycles: u64,

    /// What was placed and not sealed.
    pub seals: Seals,
    /// Bytes received since the start.
    pub bytes: u64,
    /// Counts everything that got further, for the watchdog.
    pub progress: u64,
    /// Good answers of the server to reads.
    pub answers: u64,
    /// A read told something that the feed has not told yet.
    pub ask_feed: bool,
    /// The revision that was last brought in step.
    pub applied: Option<Revision>,
}

impl Files {
    /// An empty table.
    pub fn new(mode: SyncMode, max_delete: MaxDelete, reads_at_once: u32) -> Self {
        Self {
            mode,
            max_delete,
            reads_at_once: reads_at_once as usize,
            slots: BTreeMap::new(),
            counts: BTreeMap::new(),
            based: 0,
            jobs: BTreeMap::new(),
            scan: Scan::default(),
            hints: Hints::default(),
            pushes: Pushes::default(),
            unlinks: Unlinks::default(),
            to_look: BTreeSet::new(),
            to_fetch: BTreeSet::new(),
            to_place: BTreeSet::new(),
            to_store: BTreeSet::new(),
            to_remove: BTreeSet::new(),
            deletes: BTreeSet::new(),
            gathered: deletes::Gathered::default(),
            busy: BTreeSet::new(),
            retry: BTreeSet::new(),
            tombstones: None,
            replay: None,
            unreadable: BTreeSet::new(),
            witnesses: Witnesses::default(),
            denied: Denied::default(),
            removals: BTreeSet::new(),
            disk_ops: 0,
            reads: 0,
            bulk_read: None,
            without_modes: false,
            disk_paused: None,
            disk_troubles: 0,
            stopping: false,
            cycles: 0,
            seals: Seals::default(),
            bytes: 0,
            progress: 0,
            answers: 0,
            ask_feed: false,
            applied: None,
        }
    }

    /// The feed told something. What the server had before the version that is known is old news,
    /// however late it comes.
    pub fn told(&mut self, cx: &mut Cx<'_>, path: &RemotePath, remote: Remote) -> bool {
        let entry = self.get(path).filter(|entry| !entry.lineage.is_empty());
        let Some(entry) = entry else { return self.observe(cx, path, remote) };
        let known = entry.place_of(&remote);
        let old = known.is_some_and(|at| at + 1 < entry.lineage.len());
        let is_delete = remote.revision().is_none();
        // A delete of the past need not be the one that is known.
        let any_delete = is_delete && self.is_past(&remote);
        // Ours once more, where somebody has long written over it: the feed tells its past.
        let other = !entry.is_ours() && !matches!(entry.remote, Remote::Unknown(_));
        let was_ours = known.is_some() && !old && other;
        self.update(cx, path, |slot| {
            let line = &mut slot.entry.lineage;
            match known {
                _ if any_delete => {}
                _ if was_ours => line.clear(),
                // A delete is told once. The next is another.
                Some(at) => {
                    let mut n = 0;
                    line.retain(|known| {
                        n += 1;
                        known.is_some() || n > at + 1
                    });
                }
                None if is_delete => line.clear(),
                // Somebody else's, newer or much older.
                None => {}
            }
            if old {
                slot.entry.remote.known_since(remote.at());
            }
        });
        !old && self.observe(cx, path, remote)
    }

    /// Which way bytes go.
    pub fn mode(&self) -> SyncMode {
        self.mode
    }

    /// Something was learnt about the remote side of a path. Ignored if something newer is
    /// known already.
    pub fn observe(&mut self, cx: &mut Cx<'_>, path: &RemotePath, remote: Remote) -> bool {
        if let (Some(tombstones), Remote::Absent(at)) = (&mut self.tombstones, &remote) {
            tombstones.insert(path.clone(), *at);
        }
        if self.unreadable.contains(path) || self.was_deleted_after(path, remote.at()) {
            return false;
        }
        match self.get(path) {
            Some(entry) if remote.at() < entry.remote.at() => return false,
            Some(entry) if entry.had(&remote) => {
                self.update(cx, path, |slot| slot.entry.remote.known_since(remote.at()));
                return false;
            }
            Some(_) => {}
            None if matches!(remote, Remote::Absent(_)) => return false,
            None => {
                let is_free = self.is_free(path);
                self.make_slot(path);
                if let Some(slot) = self.slots.get_mut(path).filter(|_| is_free) {
                    slot.entry.local = Local::Absent;
                }
            }
        }
        let past = self.is_past(&remote);
        self.update(cx, path, |slot| slot.observe(remote, past));
        true
    }

    fn make_slot(&mut self, path: &RemotePath) {
        if !self.slots.contains_key(path) && !self.unreadable.contains(path) {
            self.slots.insert(path.clone(), Box::new(Slot::new(Entry::new())));
            self.count(Standing::Working, 1);
        }
    }

    /// Whether something newer is known of a path than what was true at `at`.
    fn is_older(&self, path: &RemotePath, at: Ordinal) -> bool {
        self.was_deleted_after(path, at)
            || self.slots.get(path).is_some_and(|slot| at < slot.entry.remote.at())
    }

    /// Whether a path was deleted since a snapshot that is under way, of what was true at `at`.
    fn was_deleted_after(&self, path: &RemotePath, at: Ordinal) -> bool {
        let tombstone = self.tombstones.as_ref().and_then(|deleted| deleted.get(path));
        tombstone.is_some_and(|deleted| at < *deleted)
    }

    /// A complete snapshot, taken at this point of the feed, was believed: what it shows is newer
    /// than what came before. But a feed that tells its past tells that once more.
    pub fn snapshot_believed(&mut self, cx: &mut Cx<'_>, tag: Ordinal) {
        if self.replay.is_some() {
            return;
        }
        let past: Vec<RemotePath> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.entry.lineage.contains(&None) && slot.entry.remote.at() <= tag)
            .map(|(path, _)| path.clone())
            .collect();
        for path in past {
            self.update(cx, &path, |slot| slot.entry.lineage.clear());
        }
    }

    /// A snapshot is being taken in, or is no longer.
    pub fn snapshot_open(&mut self, open: bool) {
        if open != self.tombstones.is_some() {
            self.tombstones = open.then(BTreeMap::new);
        }
    }

    /// Deletes that the feed told since the snapshot was begun.
    pub fn told_deletes(&self) -> u64 {
        self.tombstones.as_ref().map_or(0, |deleted| deleted.len() as u64)
    }

    /// How many of them that traversal had shown before, or may have: what nobody has any more is
    /// forgotten.
    pub fn told_deletes_of(&self, traversal: u32) -> u64 {
        let paths = self.tombstones.iter().flat_map(BTreeMap::keys);
        let seen = |path: &&RemotePath| {
            let entry = self.get(path);
            entry.is_none_or(|e| e.seen == traversal && matches!(e.remote, Remote::Absent(_)))
        };
        paths.filter(seen).count() as u64
    }

    /// Commits became durable.
    pub fn stored(&mut self, cx: &mut Cx<'_>) {
        while let Some((mark, path)) = self.to_store.first().cloned() {
            if !cx.is_durable(mark) {
                break;
            }
            self.to_store.remove(&(mark, path.clone()));
            self.settle(cx, &path);
        }
    }

    /// Changes a slot, stores what changed, and settles the path.
    fn update<R>(
        &mut self,
        cx: &mut Cx<'_>,
        path: &RemotePath,
        change: impl FnOnce(&mut Slot) -> R,
    ) -> R
    where
        R: Default,
    {
        let Some(slot) = self.slots.get_mut(path) else { return R::default() };
        let queued = slot.leave_sets();
        let before = slot.entry.row();
        let result = change(slot);
        let base = &slot.entry.base;
        self.based -= u64::from(before.base.is_some());
        self.based += u64::from(base.is_some());
        if let Some(base) = base.as_ref().filter(|base| before.base.as_ref() != Some(base)) {
            self.applied = Some(base.revision.clone());
        }
        self.denied.note(path, before.hold.as_ref(), slot.entry.hold.as_ref());
        if !slot.entry.has_row(&before) {
            cx.put(Value::Entry(path.clone(), slot.entry.row()));
            slot.mark = cx.mark();
        }
        self.leave(path, queued);
        self.settle(cx, path);
        result
    }

    /// Asks the plan what to do with a path, and puts it in the set of that kind of work.
    fn settle(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        let (action, rule) = plan(&slot.entry, self.mode);
        // What somebody else wrote meanwhile is not overwritten by a retry.
        slot.resend &= !rule.is_of_remote();
        let slot = match slot.leave_sets() {
            None => &*slot,
            queued => {
                self.leave(path, queued);
                let Some(slot) = self.slots.get(path) else { return };
                slot
            }
        };
        let is_replayed = slot.entry.waits_for_tip(self.replay);
        match &slot.entry.doing {
            Some(Doing::Staged { .. }) => {
                let action = if is_replayed { Action::Rest } else { action };
                return self.settle_staged(cx, path, action);
            }
            Some(_) => return self.stand(path, Standing::Working),
            None => {}
        }
        let waits = slot.due.filter(|due| *due > cx.now.tick && action != Action::Forget);
        if let Some(due) = waits {
            let aside = matches!(slot.entry.hold, Some(Hold::Aside { .. }));
            self.retry.insert((due, path.clone()));
            return self.queue(path, if aside { Standing::Aside } else { Standing::Working });
        }
        if is_replayed && action.follows_remote() {
            return self.stand(path, Standing::Working);
        }
        let asks = matches!(action, Action::LookRemote | Action::Fetch { .. });
        if asks && self.denied.holds(path) {
            return self.stand(path, Standing::Aside);
        }
        match action {
            _ if slot.resend && matches!(slot.entry.local, Local::File { .. }) => {
                self.settle_push(path);
            }
            Action::Rest => self.rest(cx, path, rule),
            Action::Adopt => self.adopt(cx, path),
            Action::Forget => self.forget(cx, path),
            // The scan will come by.
            Action::LookLocal if slot.cold => self.stand(path, Standing::Working),
            Action::LookLocal => self.enter(Set::Look, path),
            // Where modes can not be kept, that is no trouble of the file.
            Action::SetMode { .. } if slot.mode_refused => self.rest(cx, path, Rule::InStep),
            Action::SetMode { .. } => self.enter(Set::Look, path),
            Action::LookRemote | Action::Fetch { .. } => self.enter(Set::Fetch, path),
            Action::Trash if slot.let_go => self.enter(Set::Remove, path),
            Action::Trash => self.enter(Set::Deletes, path),
            Action::SetAside => self.enter(Set::Remove, path),
            Action::Push => self.settle_push(path),
            Action::PushDelete => self.settle_unlink(cx, path),
        }
    }

    fn rest(&mut self, cx: &mut Cx<'_>, path: &RemotePath, rule: Rule) {
        let standing = match rule {
            Rule::LocalOnly | Rule::RemoteOnly | Rule::GivenUp => Standing::OneSided,
            Rule::BothMoved => Standing::BothSided,
            Rule::WriteDenied | Rule::DeadLetter | Rule::TooLarge => Standing::Unsent,
            Rule::MaxDelete => match self.slots.get(path).map(|slot| &slot.entry.local) {
                Some(Local::Absent) => Standing::HeldHere,
                _ => Standing::Held,
            },
            _ => Standing::InStep,
        };
        if rule == Rule::OddInTheWay {
            // Whatever it is, somebody may take it away.
            return self.set_aside(cx, path, Fault::NotADirectory);
        }
        self.stand(path, standing);
        if standing == Standing::BothSided {
            return self.hold_both_moved(cx, path);
        }
        let keeps = [Standing::Held, Standing::HeldHere, Standing::Unsent].contains(&standing);
        if !keeps && rule != Rule::GivenUp {
            self.clear_hold(cx, path);
        }
    }

    fn adopt(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.progress += 1;
        let Some(slot) = self.slots.get(path) else { return };
        let (Local::File { hash, .. }, Remote::File { revision, .. }) =
            (&slot.entry.local, &slot.entry.remote)
        else {
            return;
        };
        let version = entry::Version { revision: revision.clone(), hash: *hash };
        let rule = Rule::EqualBytes;
        if slot.entry.base.as_ref().map(|base| base.hash) != Some(*hash) {
            cx.note(Decision::Did { path: path.clone(), did: Did::Adopted, rule });
        }
        self.update(cx, path, |slot| slot.entry.base = Some(version));
    }

    fn forget(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        // What it was tells which news of it are old. After a kill, the feed is told again from
        // its durable position, and that may lie before the delete.
        if slot.removal.is_none() && matches!(slot.entry.remote, Remote::Absent(_)) {
            let seal = self.seals.touch(cx.now.tick);
            slot.removal = Some(seal);
            self.removals.insert((seal, path.clone()));
        }
        let awaits_news = slot.entry.lineage.contains(&None);
        if awaits_news || slot.removal.is_some_and(|seal| seal > self.seals.sealed()) {
            return self.stand(path, Standing::InStep);
        }
        let standing = slot.standing;
        self.denied.note(path, slot.entry.hold.as_ref(), None);
        self.based -= u64::from(slot.entry.base.is_some());
        self.uncount(standing);
        self.slots.remove(path);
        cx.delete(Of::Entry(path.clone()));
    }

    /// A path failed. It is tried again later and delays nothing else.
    fn set_aside(&mut self, cx: &mut Cx<'_>, path: &RemotePath, why: Fault) {
        self.denied.failed(path, &why);
        let Some(slot) = self.slots.get(path) else { return };
        let tries = match &slot.entry.hold {
            Some(Hold::Aside { tries, .. }) => tries.saturating_add(1),
            _ => 1,
        };
        let policy = if why == Fault::Forbidden { DENIED } else { ASIDE };
        let mut wait = policy.delay(tries, &(cx.engine.seed, path));
        let lags = slot.lags.is_some_and(|(_, last)| cx.now.tick - last <= LAG_GAP);
        if lags && why != Fault::Forbidden {
            wait = wait.min(LAG_AGAIN);
        }
        cx.note(Decision::SetAside { path: path.clone(), why: why.clone(), tries, wait });
        let again = StoredDeadline { set: cx.now.wall, length: wait };
        let due = cx.now.tick + wait;
        self.update(cx, path, |slot| {
            slot.entry.hold = Some(Hold::Aside { tries, why, again });
            slot.due = Some(due);
            // What was in the way is looked at again.
            if matches!(slot.entry.local, Local::Odd(_)) {
                slot.entry.local = Local::Unknown;
            }
        });
    }

    /// It is stored, so that it can be told while nothing runs.
    fn hold_both_moved(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let Some(slot) = self.slots.get(path) else { return };
        let Local::File { hash, .. } = slot.entry.local else { return };
        let what = Some(hash);
        let hold = Some(Hold::Unsent { what, why: Unsent::BothMoved });
        if slot.entry.hold != hold {
            self.update(cx, path, |slot| slot.entry.hold = hold);
        }
    }

    fn clear_hold(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        if self.slots.get(path).is_some_and(|slot| slot.entry.hold.is_some()) {
            self.update(cx, path, |slot| slot.entry.hold = None);
        }
    }

    fn wait(&mut self, path: &RemotePath, due: Tick) {
        if let Some(slot) = self.slots.get_mut(path) {
            slot.due = Some(due);
        }
    }

    /// The paths whose wait is over, and the directories.
    pub fn retry_due(&mut self, cx: &mut Cx<'_>) {
        self.scan.again(cx.now.tick);
        while let Some((due, path)) = self.retry.first().cloned() {
            if due > cx.now.tick {
                break;
            }
            self.retry.remove(&(due, path.clone()));
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.due = None;
            }
            self.settle(cx, &path);
        }
    }

    /// Sets the timers that this table needs.
    pub fn set_timers(&mut self, cx: &mut Cx<'_>) {
        let path = self.retry.first().map(|(due, _)| *due);
        let again = path.into_iter().chain(self.denied.due()).chain(self.scan.unseen.due());
        match again.min() {
            Some(due) if !self.stopping => cx.wake_at(Why::Retry, due),
            _ => cx.no_wake(Why::Retry),
        }
        self.set_hint_timer(cx);
        match self.seals.due().filter(|_| !self.unlinks.root_lost) {
            Some(due) => cx.wake_at(Why::Seal, due),
            None => cx.no_wake(Why::Seal),
        }
    }

    fn enter(&mut self, set: Set, path: &RemotePath) {
        let set = match set {
            Set::Look => &mut self.to_look,
            Set::Fetch => &mut self.to_fetch,
            Set::Remove => &mut self.to_remove,
            Set::Deletes => &mut self.deletes,
        };
        set.insert(path.clone());
        self.queue(path, Standing::Working);
    }

    /// A path is in a set of work now.
    fn queue(&mut self, path: &RemotePath, standing: Standing) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        slot.queued = true;
        let before = core::mem::replace(&mut slot.standing, standing);
        self.recount(before, standing);
    }

    fn leave_sets(&mut self, path: &RemotePath) {
        let queued = self.slots.get_mut(path).and_then(|slot| slot.leave_sets());
        self.leave(path, queued);
    }

    /// Takes a path out of the set of work that it is in, if it is in one.
    fn leave(&mut self, path: &RemotePath, queued: Option<Queued>) {
        let Some(Queued { due, mark }) = queued else { return };
        self.to_look.remove(path);
        self.to_fetch.remove(path);
        self.to_place.remove(path);
        self.to_remove.remove(path);
        self.deletes.remove(path);
        self.pushes.to_push.remove(path);
        self.pushes.unheard.remove(path);
        self.unlinks.missing.remove(path);
        self.unlinks.ready.remove(path);
        if let Some(due) = due {
            self.retry.remove(&(due, path.clone()));
        }
        self.to_store.remove(&(mark, path.clone()));
    }
}

/// Versions of one file that are remembered as older than the one that is known.
const LINEAGE: usize = 8;

/// Adds what the server has now to what it had before.
fn remember(line: &mut Vec<Option<Past>>, past: Option<Past>) {
    line.push(past);
    let spare = line.len().saturating_sub(LINEAGE);
    line.drain(..spare);
}

/// The sets of work.
enum Set {
    Look,
    Fetch,
    Remove,
    Deletes,
}
