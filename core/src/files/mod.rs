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

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::config::MaxDelete;
use crate::decision::{Decision, Did};
use crate::engine::Cx;
use crate::fault::Fault;
use crate::id::{CallId, CommitSeq, Revision};
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::row::{EntryRow, Of, Value};
use crate::time::{Ms, StoredDeadline, Tick};
use crate::timers::Why;
use entry::{Doing, Entry, Hold, Local, Ordinal, Proof, Remote, Stamp};
use plan::{Action, Rule, SyncMode, plan};
use seal::{NEVER, Seals};

mod answers;
mod deletes;
pub mod entry;
mod land;
pub mod plan;
pub(crate) mod print;
pub mod seal;
mod work;

#[cfg(test)]
mod plan_tests;

/// How long a path that failed waits.
const ASIDE: Backoff = Backoff { base: Ms::secs(2), cap: Ms::mins(10) };

/// A file that the server tells of and answers 404 for may still come for this long. After
/// that it is gone.
const LAG: Ms = Ms::mins(5);

/// Two 404s that are further apart than this do not speak of the same time: the computer may
/// have slept.
const LAG_GAP: Ms = Ms::mins(3);

/// How long such a path waits at most.
const LAG_AGAIN: Ms = Ms::mins(1);

/// So many of the paths that two listings left out are asked for before the others.
const WITNESSES: usize = 8;

/// How long nothing is placed after the disk was full or read-only.
const DISK_PAUSE: Backoff = Backoff { base: Ms::secs(2), cap: Ms::secs(60) };

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
    /// Something odd is in the way, or it may not be read.
    Blocked,
    /// A delete that waits for a person.
    Held,
}

/// An entry and what is only worth knowing while the process runs.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Slot {
    entry: Entry,
    standing: Standing,
    /// Nothing is tried before this tick.
    due: Option<Tick>,
    /// The seal that makes a removal survive a power cut. Until then the entry is kept, so
    /// that a file that comes back is known to be deleted.
    removal: Option<u64>,
    /// The file was not sealed when the power was cut: a difference is not an edit.
    unsealed_at_boot: bool,
    /// A read that did not agree with what feed and listings say.
    disagreed: Option<Disagreed>,
    /// Since when the server tells of it and does not have it, and when it said so last. A new
    /// process begins to count anew, because no clock can be trusted across runs.
    lags: Option<(Tick, Tick)>,
    /// It was in a bulk read that failed as a whole: ask for it alone.
    alone: bool,
    /// The commit that its row was last changed by.
    mark: CommitSeq,
    /// It may be in a set of work. In none, where it is false.
    queued: bool,
}

/// A read that said something else than feed and listings do.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Disagreed {
    revision: Revision,
    since: Tick,
    tries: u32,
}

/// What a disk or network call of this table was for.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Job {
    Clean,
    Look(RemotePath),
    Read(RemotePath),
    ReadMany(BTreeSet<RemotePath>),
    Place(RemotePath),
    Remove(RemotePath, Did),
    Drop,
    Seal(u64),
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    mode: SyncMode,
    max_delete: MaxDelete,
    reads_at_once: usize,
    slots: BTreeMap<RemotePath, Slot>,
    counts: BTreeMap<Standing, u64>,
    based: u64,
    jobs: BTreeMap<CallId, Job>,

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
    /// Paths whose stored rows can not be read.
    unreadable: BTreeSet<RemotePath>,
    /// Paths that two listings left out and that are asked for first.
    witnesses: BTreeSet<RemotePath>,
    /// The others. They wait for what the witnesses say; a restart forgets them, and the next
    /// listing accuses them again.
    accused: BTreeSet<RemotePath>,
    /// Removals that a seal has to make good before their entries are forgotten.
    removals: BTreeSet<(u64, RemotePath)>,

    disk_ops: usize,
    reads: usize,
    /// Whether the server has `fs/bulk-read`; not known before it was tried.
    bulk_read: Option<bool>,
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
    /// Paths that two listings left out and that are there when asked for by name.
    pub refuted: Vec<RemotePath>,
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
            unreadable: BTreeSet::new(),
            witnesses: BTreeSet::new(),
            accused: BTreeSet::new(),
            removals: BTreeSet::new(),
            disk_ops: 0,
            reads: 0,
            bulk_read: None,
            disk_paused: None,
            disk_troubles: 0,
            stopping: false,
            cycles: 0,
            seals: Seals::default(),
            bytes: 0,
            progress: 0,
            answers: 0,
            refuted: Vec::new(),
            ask_feed: false,
            applied: None,
        }
    }

    /// A stored entry. Its disk side is unknown until it is looked at.
    pub fn load(&mut self, path: RemotePath, row: EntryRow) {
        if let Some(proof) = &row.proof {
            self.seals.loaded(proof.seal);
        }
        let entry = Entry::from_row(row);
        self.based += u64::from(entry.base.is_some());
        match self.slots.insert(path, Slot::new(entry)) {
            Some(old) => self.based -= u64::from(old.entry.base.is_some()),
            None => self.count(Standing::Working, 1),
        }
    }

    /// A stored entry that can not be read. Its row stays as it is, and so does the file.
    pub fn unreadable(&mut self, path: RemotePath) {
        self.unreadable.insert(path);
    }

    /// Starts with the loaded entries. Answers how many are suspect.
    pub fn start(&mut self, cx: &mut Cx<'_>, sealed: u64, power_was_cut: bool) -> u64 {
        self.seals.start(sealed);
        self.issue_clean(cx);
        let mut suspects = 0;
        let mut held = Vec::new();
        let mut waiting = Vec::new();
        let mut doubtful = Vec::new();
        for (path, slot) in &mut self.slots {
            let unsealed = slot.entry.proof.as_ref().is_some_and(|proof| proof.seal > sealed);
            let touched = unsealed || slot.entry.placing.is_some();
            slot.unsealed_at_boot = touched && power_was_cut;
            if let (true, None, Some(base)) = (power_was_cut, &slot.entry.proof, &slot.entry.base) {
                // It was moved away, and the power cut may have brought it back, torn or not.
                slot.unsealed_at_boot = true;
                let hash = base.hash;
                slot.entry.proof = Some(Proof { hash, stamp: Stamp::default(), seal: 0 });
            }
            if let Some(proof) = &mut slot.entry.proof {
                slot.unsealed_at_boot |= proof.seal == NEVER;
                if slot.unsealed_at_boot && proof.seal != NEVER {
                    // No seal of this run may cover it before it was looked at.
                    proof.seal = NEVER;
                    doubtful.push((path.clone(), slot.entry.row()));
                }
            }
            suspects += u64::from(slot.unsealed_at_boot);
            match slot.entry.hold {
                Some(Hold::MaxDelete) => held.push(path.clone()),
                Some(Hold::Aside { again, .. }) => waiting.push((path.clone(), again.due(cx.now))),
                None => {}
            }
        }
        for (path, due) in waiting {
            self.wait(&path, due);
        }
        for (path, row) in doubtful {
            cx.put(Value::Entry(path, row));
        }
        // The brake is taken off by a higher limit, and then only for what it allows.
        if (held.len() as u64) <= self.max_delete.allowed(self.based) {
            for path in held {
                self.update(cx, &path, |slot| slot.entry.hold = None);
            }
        }
        let paths: Vec<RemotePath> = self.slots.keys().cloned().collect();
        for path in paths {
            self.settle(cx, &path);
        }
        suspects
    }

    /// Something was learnt about the remote side of a path. Ignored if something newer is
    /// known already.
    pub fn observe(&mut self, cx: &mut Cx<'_>, path: &RemotePath, remote: Remote) -> bool {
        if let (Some(tombstones), Remote::Absent(at)) = (&mut self.tombstones, &remote) {
            tombstones.insert(path.clone(), *at);
        }
        if self.unreadable.contains(path) || self.is_older(path, remote.at()) {
            return false;
        }
        if !self.slots.contains_key(path) {
            if matches!(remote, Remote::Absent(_)) {
                return false;
            }
            self.make_slot(path);
        }
        self.update(cx, path, |slot| slot.observe(remote));
        true
    }

    fn make_slot(&mut self, path: &RemotePath) {
        if !self.slots.contains_key(path) {
            self.slots.insert(path.clone(), Slot::new(Entry::new()));
            self.count(Standing::Working, 1);
        }
    }

    /// Whether something newer is known of a path than what was true at `at`.
    fn is_older(&self, path: &RemotePath, at: Ordinal) -> bool {
        let tombstone = self.tombstones.as_ref().and_then(|deleted| deleted.get(path));
        tombstone.is_some_and(|deleted| at < *deleted)
            || self.slots.get(path).is_some_and(|slot| at < slot.entry.remote.at())
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

    /// A traversal saw a path. Answers whether it is the first time in this traversal.
    pub fn saw(&mut self, cx: &mut Cx<'_>, path: &RemotePath, traversal: u32) -> bool {
        let Some(slot) = self.slots.get(path) else { return false };
        let first = slot.entry.seen != traversal;
        if first {
            self.update(cx, path, |slot| {
                slot.entry.seen = traversal;
                slot.entry.missed = None;
            });
        }
        first
    }

    /// The known files that a traversal left out.
    ///
    /// The first complete traversal that leaves a path out only marks it. With `second`, those
    /// that an earlier one had marked too become [`Remote::Unknown`] and are asked for by
    /// name. Answers how many were left out for the first time.
    ///
    /// Of many such paths only a few are asked for at first, as [witnesses](WITNESSES): if one
    /// of them is there, the listings lied about all.
    pub fn left_out(&mut self, cx: &mut Cx<'_>, traversal: u32, tag: Ordinal, second: bool) -> u64 {
        self.accused.clear();
        self.witnesses.clear();
        let missing: Vec<RemotePath> = self
            .slots
            .iter()
            .filter(|(_, slot)| {
                let entry = &slot.entry;
                matches!(entry.remote, Remote::File { at, .. } if at <= tag)
                    && entry.seen != traversal
            })
            .map(|(path, _)| path.clone())
            .collect();
        let mut doubtful = 0;
        for path in missing {
            let marked = self.slots.get(&path).is_some_and(|slot| slot.entry.missed.is_some());
            if marked && second && self.witnesses.len() >= WITNESSES {
                doubtful += 1;
                self.accused.insert(path);
            } else if marked && second {
                self.witnesses.insert(path.clone());
                self.ask_by_name(cx, &path, tag);
            } else {
                doubtful += 1;
                self.update(cx, &path, |slot| {
                    slot.entry.missed.get_or_insert(traversal);
                });
            }
        }
        doubtful
    }

    fn ask_by_name(&mut self, cx: &mut Cx<'_>, path: &RemotePath, tag: Ordinal) {
        cx.note(Decision::MissingTwice { path: path.clone() });
        self.update(cx, path, |slot| {
            slot.entry.remote = Remote::Unknown(tag);
            slot.due = None;
        });
    }

    /// A path that was asked for by name is not there. When no witness is left, the listings
    /// told the truth, and the others are asked for too.
    fn testified(&mut self, cx: &mut Cx<'_>, path: &RemotePath, tag: Ordinal) {
        if self.witnesses.remove(path) && self.witnesses.is_empty() {
            for path in core::mem::take(&mut self.accused) {
                let same = |slot: &Slot| {
                    let entry = &slot.entry;
                    entry.missed.is_some()
                        && matches!(entry.remote, Remote::File { at, .. } if at <= tag)
                };
                if self.slots.get(&path).is_some_and(same) {
                    self.ask_by_name(cx, &path, tag);
                }
            }
        }
    }

    /// A witness is there: nothing that the same listings left out proves anything.
    fn refute(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.refuted.push(path.clone());
        self.witnesses.clear();
        for path in core::mem::take(&mut self.accused) {
            self.update(cx, &path, |slot| slot.entry.missed = None);
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
        self.leave_sets(path);
        let Some(slot) = self.slots.get_mut(path) else { return R::default() };
        let before = slot.entry.row();
        let result = change(slot);
        let base = &slot.entry.base;
        self.based -= u64::from(before.base.is_some());
        self.based += u64::from(base.is_some());
        if let Some(base) = base.as_ref().filter(|base| before.base.as_ref() != Some(base)) {
            self.applied = Some(base.revision.clone());
        }
        if !slot.entry.has_row(&before) {
            cx.put(Value::Entry(path.clone(), slot.entry.row()));
            slot.mark = cx.mark();
        }
        self.settle(cx, path);
        result
    }

    /// Asks the plan what to do with a path, and puts it in the set of that kind of work.
    fn settle(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.leave_sets(path);
        let Some(slot) = self.slots.get(path) else { return };
        let (action, rule) = plan(&slot.entry, self.mode);
        match &slot.entry.doing {
            Some(Doing::Staged { .. }) => return self.settle_staged(cx, path, action),
            Some(_) => return self.stand(path, Standing::Working),
            None => {}
        }
        let waits = slot.due.filter(|due| *due > cx.now.tick && action != Action::Forget);
        if let Some(due) = waits {
            let aside = matches!(slot.entry.hold, Some(Hold::Aside { .. }));
            self.retry.insert((due, path.clone()));
            self.queued(path);
            return self.stand(path, if aside { Standing::Aside } else { Standing::Working });
        }
        match action {
            Action::Rest => self.rest(cx, path, rule),
            Action::Adopt => self.adopt(cx, path),
            Action::Forget => self.forget(cx, path),
            Action::LookLocal => self.enter(Set::Look, path),
            Action::LookRemote | Action::Fetch { .. } => self.enter(Set::Fetch, path),
            Action::Trash => self.enter(Set::Deletes, path),
            Action::SetAside => self.enter(Set::Remove, path),
            // The writeback lane carries these out. A mirror that only pulls never plans them.
            Action::Push | Action::PushDelete => self.stand(path, Standing::OneSided),
        }
    }

    fn rest(&mut self, cx: &mut Cx<'_>, path: &RemotePath, rule: Rule) {
        let standing = match rule {
            Rule::LocalOnly | Rule::RemoteOnly | Rule::BothMoved => Standing::OneSided,
            Rule::OddInTheWay | Rule::Hidden => Standing::Blocked,
            Rule::MaxDelete => Standing::Held,
            _ => Standing::InStep,
        };
        if rule == Rule::OddInTheWay {
            // Whatever it is, somebody may take it away.
            return self.set_aside(cx, path, Fault::NotADirectory);
        }
        self.stand(path, standing);
        if rule != Rule::MaxDelete {
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
        let Some(slot) = self.slots.get(path) else { return };
        if slot.removal.is_some_and(|seal| seal > self.seals.sealed()) {
            return self.stand(path, Standing::InStep);
        }
        let standing = slot.standing;
        self.based -= u64::from(slot.entry.base.is_some());
        self.uncount(standing);
        self.slots.remove(path);
        cx.delete(Of::Entry(path.clone()));
    }

    /// A path failed. It is tried again later and delays nothing else.
    fn set_aside(&mut self, cx: &mut Cx<'_>, path: &RemotePath, why: Fault) {
        let Some(slot) = self.slots.get(path) else { return };
        let tries = match &slot.entry.hold {
            Some(Hold::Aside { tries, .. }) => tries.saturating_add(1),
            _ => 1,
        };
        let mut wait = ASIDE.delay(tries, &(cx.engine.seed, path));
        if matches!(why, Fault::NotFound | Fault::Gone) {
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

    /// The paths whose wait is over.
    pub fn retry_due(&mut self, cx: &mut Cx<'_>) {
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
        match self.retry.first() {
            Some((due, _)) if !self.stopping => cx.wake_at(Why::Retry, *due),
            _ => cx.no_wake(Why::Retry),
        }
        match self.seals.due() {
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
        self.queued(path);
        self.stand(path, Standing::Working);
    }

    fn queued(&mut self, path: &RemotePath) {
        if let Some(slot) = self.slots.get_mut(path) {
            slot.queued = true;
        }
    }

    fn leave_sets(&mut self, path: &RemotePath) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        if !core::mem::take(&mut slot.queued) {
            return;
        }
        let (due, mark) = (slot.due, slot.mark);
        self.to_look.remove(path);
        self.to_fetch.remove(path);
        self.to_place.remove(path);
        self.to_remove.remove(path);
        self.deletes.remove(path);
        if let Some(due) = due {
            self.retry.remove(&(due, path.clone()));
        }
        self.to_store.remove(&(mark, path.clone()));
    }

    fn stand(&mut self, path: &RemotePath, standing: Standing) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        let before = core::mem::replace(&mut slot.standing, standing);
        self.uncount(before);
        self.count(standing, 1);
    }

    fn count(&mut self, standing: Standing, n: u64) {
        *self.counts.entry(standing).or_default() += n;
    }

    fn uncount(&mut self, standing: Standing) {
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
        self.retry
            .iter()
            .filter_map(|(_, path)| self.slots.get_key_value(path))
            .filter(|(_, slot)| slot.standing == Standing::Aside)
            .map(|(path, slot)| (path, &slot.entry))
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
        waiting.chain(reading).chain(storing).min().or(later)
    }

    /// Whether every path that is set aside was tried at least `tries` times.
    pub fn all_tried(&self, tries: u32) -> bool {
        self.all(Standing::Aside).all(|(_, entry)| match &entry.hold {
            Some(Hold::Aside { tries: n, .. }) => *n >= tries,
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

/// The sets of work.
enum Set {
    Look,
    Fetch,
    Remove,
    Deletes,
}

impl Slot {
    fn observe(&mut self, remote: Remote) {
        // A listing without hashes takes nothing away from what is known.
        let remote = match (remote, &self.entry.remote) {
            (
                Remote::File { revision, hash: None, at },
                Remote::File { revision: known, hash, .. },
            ) if revision == *known => Remote::File { revision, hash: *hash, at },
            // What was read last ran ahead of the feed, perhaps also of this delete.
            (Remote::Absent(at), _) if self.disagreed.is_some() => Remote::Unknown(at),
            (remote, _) => remote,
        };
        if !remote.is_same_file(&self.entry.remote) {
            // Something new deserves a try at once.
            self.due = None;
            self.disagreed = None;
            self.lags = None;
            if matches!(self.entry.hold, Some(Hold::Aside { .. })) {
                self.entry.hold = None;
            }
        }
        self.entry.remote = remote;
        self.entry.missed = None;
    }

    fn new(entry: Entry) -> Self {
        Self {
            entry,
            standing: Standing::Working,
            due: None,
            removal: None,
            unsealed_at_boot: false,
            disagreed: None,
            lags: None,
            alone: false,
            mark: CommitSeq::default(),
            queued: false,
        }
    }
}
