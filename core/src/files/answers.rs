//! What disk and network answer to the work of this table.

use super::entry::{Doing, Found, Local, Proof, Remote, Stamp};
use super::plan::plan;
use super::seal::NEVER;
use super::{DISK_PAUSE, Did, Files, Job, LAG, LAG_GAP};
use crate::decision::Decision;
use crate::engine::Cx;
use crate::event::{Answer, Outcome, Part};
use crate::fault::Fault;
use crate::hash::ContentHash;
use crate::id::CallId;
use crate::path::RemotePath;
use crate::time::Tick;
use crate::timers::Why;

impl Files {
    /// Whether this table made the call.
    pub fn owns(&self, call: CallId) -> bool {
        self.jobs.contains_key(&call)
    }

    /// One item of a streamed read.
    pub fn part(&mut self, cx: &mut Cx<'_>, call: CallId, part: Part) {
        match part {
            // Counted when the file is whole.
            Part::Bytes(_) => {
                self.progress += 1;
                cx.extend(call, super::work::READ_PATIENCE);
                cx.more(call, 1);
            }
            Part::File(fetched) => {
                self.answers += 1;
                cx.extend(call, super::work::READ_PATIENCE);
                let path = RemotePath::parse(&fetched.path).ok();
                match path.filter(|path| self.take_from_bulk(call, path)) {
                    Some(path) => self.land(cx, &path, fetched),
                    // Not asked for.
                    None => self.drop_blob(cx, fetched.blob),
                }
            }
            Part::Refused { path, why, .. } => {
                if let Ok(path) = RemotePath::parse(&path)
                    && self.take_from_bulk(call, &path)
                {
                    self.refused(cx, &path, why);
                }
            }
            other => {
                if let Some(blob) = other.blob() {
                    self.drop_blob(cx, blob);
                }
            }
        }
    }

    /// Whether a path belongs to a bulk read and was not answered yet.
    fn take_from_bulk(&mut self, call: CallId, path: &RemotePath) -> bool {
        match self.jobs.get_mut(&call) {
            Some(Job::ReadMany(paths)) => paths.remove(path),
            _ => false,
        }
    }

    /// The last word about a call of this table. Answers the number of the seal that was
    /// taken, if it was one.
    pub fn done(&mut self, cx: &mut Cx<'_>, call: CallId, outcome: Outcome) -> Option<u64> {
        let job = self.jobs.get(&call).cloned()?;
        let about = job.path().cloned();
        match job {
            Job::Read(path) => self.read_done(cx, call, &path, outcome),
            Job::ReadMany(_) => self.read_many_done(cx, call, outcome),
            Job::Seal(number) => {
                self.jobs.remove(&call);
                match outcome {
                    Outcome::Ok(_) => {
                        self.sealed(cx, number);
                        return Some(number);
                    }
                    Outcome::Failed { why, .. } => {
                        if why == Fault::RootLost {
                            self.root_lost(cx);
                        }
                        self.seals.failed(cx.now.tick);
                    }
                }
            }
            Job::Clean | Job::Drop => {
                self.jobs.remove(&call);
            }
            Job::Scan(number, dir) => {
                self.jobs.remove(&call);
                self.scan_done(cx, number, dir, outcome);
            }
            Job::Look(path) => {
                self.disk_done(call, &path);
                self.look_done(cx, &path, outcome);
            }
            Job::Stage(path, hash) => {
                self.disk_done(call, &path);
                self.stage_done(cx, &path, hash, outcome);
            }
            Job::Root => {
                self.jobs.remove(&call);
                self.root_done(cx, outcome);
            }
            Job::SetMode(path) => {
                self.disk_done(call, &path);
                self.mode_done(cx, &path, outcome);
            }
            Job::Place(path) => {
                self.disk_done(call, &path);
                self.place_done(cx, &path, outcome);
            }
            Job::Remove(path, did) => {
                self.disk_done(call, &path);
                self.remove_done(cx, &path, did, outcome);
            }
        }
        if let Some(path) = about {
            self.touched(cx, &path);
        }
        None
    }

    fn disk_done(&mut self, call: CallId, path: &RemotePath) {
        self.jobs.remove(&call);
        self.busy.remove(path);
        self.disk_ops -= 1;
    }

    fn sealed(&mut self, cx: &mut Cx<'_>, number: u64) {
        self.seals.taken(number);
        let gone: alloc::vec::Vec<RemotePath> = self
            .removals
            .iter()
            .take_while(|(seal, _)| *seal <= number)
            .map(|(_, path)| path.clone())
            .collect();
        self.removals.retain(|(seal, _)| *seal > number);
        for path in gone {
            self.settle(cx, &path);
        }
    }

    fn look_done(&mut self, cx: &mut Cx<'_>, path: &RemotePath, outcome: Outcome) {
        match outcome {
            Outcome::Ok(Answer::Looked(found)) => {
                self.found(cx, path, found);
            }
            Outcome::Ok(_) => self.update(cx, path, |slot| slot.entry.doing = None),
            Outcome::Failed { why, .. } => self.disk_failed(cx, path, why),
        }
    }

    /// A mode was to be changed. Where that takes no effect, the file system has no modes, and
    /// nothing is wrong with the file.
    fn mode_done(&mut self, cx: &mut Cx<'_>, path: &RemotePath, outcome: Outcome) {
        let wanted = self.mode.is_written_here();
        if let (Outcome::Ok(Answer::Looked(Found::File { hash, stamp })), Some(slot)) =
            (&outcome, self.slots.get_mut(path))
            && stamp.writable != wanted
            && slot.entry.proof.as_ref().is_some_and(|proof| proof.hash == *hash)
        {
            slot.mode_refused = true;
            if !core::mem::replace(&mut self.without_modes, true) {
                cx.note(Decision::WithoutModes { path: path.clone() });
            }
        }
        self.look_done(cx, path, outcome);
    }

    /// The disk said what is at a path.
    pub(super) fn found(&mut self, cx: &mut Cx<'_>, path: &RemotePath, found: Found) {
        let seal = self.seal_for(path, &found, cx.now.tick);
        let removal = self.removal_for(path, &found, cx.now.tick);
        self.update(cx, path, |slot| {
            let over = |doing: &mut Doing| {
                matches!(
                    doing,
                    Doing::Looking { .. } | Doing::Removing { .. } | Doing::Staging { .. }
                )
            };
            slot.entry.doing.take_if(over);
            slot.let_go = false;
            if core::mem::take(&mut slot.undone) && found == Found::Absent {
                slot.entry.remote = Remote::Absent(slot.entry.remote.at());
            }
            // What a power cut took away, nobody deleted.
            slot.entry.astray |= slot.unsealed_at_boot;
            if !matches!(found, Found::File { .. }) {
                // What was sealed, no power cut can have taken away.
                slot.entry.proof.take_if(|proof| proof.seal == NEVER);
                slot.removal = removal.or(slot.removal);
            }
            match found {
                Found::Absent => slot.entry.local = Local::Absent,
                Found::Odd(odd) => slot.entry.local = Local::Odd(odd),
                Found::File { hash, stamp } => {
                    let ours = slot.entry.placing.take_if(|placing| placing.hash == hash);
                    let expected = slot.entry.proof.as_ref().map(|proof| proof.hash);
                    let suspect = slot.unsealed_at_boot && expected != Some(hash) && ours.is_none();
                    // A suspect is moved away, and that is nobody's delete.
                    slot.entry.astray = suspect;
                    if ours.is_some() {
                        // Placed by a run that was killed before it could say so.
                        slot.entry.base = ours;
                    }
                    slot.entry.local = Local::File { hash, stamp, suspect };
                    // The proof of a suspect stays what it should have been, so that a start
                    // before it was kept aside finds it suspect again.
                    if !suspect {
                        slot.entry.proof = Some(Proof { hash, stamp, seal });
                    } else if let Some(placing) = &slot.entry.placing {
                        let (hash, stamp) = (placing.hash, Stamp::default());
                        slot.entry.proof.get_or_insert(Proof { hash, stamp, seal: NEVER });
                    }
                }
            }
            slot.unsealed_at_boot = false;
            if !matches!(slot.entry.doing, Some(Doing::Staged { .. })) {
                slot.entry.placing = None;
            }
        });
    }

    /// The seal that covers what was found. A file that was there unchanged keeps its own;
    /// another may have been placed by a run that was killed, so it waits for the next.
    fn seal_for(&mut self, path: &RemotePath, found: &Found, now: Tick) -> u64 {
        let Found::File { hash, stamp } = found else { return 0 };
        let proof = self.slots.get(path).and_then(|slot| slot.entry.proof.as_ref());
        match proof {
            Some(proof) if proof.hash == *hash && proof.stamp == *stamp && proof.seal != NEVER => {
                proof.seal
            }
            _ => self.seals.touch(now),
        }
    }

    /// The seal after which a file that is gone stays gone. Nobody knows whether a run that was
    /// killed removed it a moment ago, so a power cut might still bring it back.
    fn removal_for(&mut self, path: &RemotePath, found: &Found, now: Tick) -> Option<u64> {
        let entry = &self.slots.get(path)?.entry;
        let was_here = entry.base.is_some() || entry.proof.is_some() || entry.placing.is_some();
        if matches!(found, Found::File { .. }) || !was_here {
            return None;
        }
        let seal = self.seals.touch(now);
        self.removals.insert((seal, path.clone()));
        Some(seal)
    }

    fn place_done(&mut self, cx: &mut Cx<'_>, path: &RemotePath, outcome: Outcome) {
        let Some(Doing::Placing { blob, version, .. }) =
            self.slots.get(path).and_then(|slot| slot.entry.doing.clone())
        else {
            return;
        };
        match outcome {
            Outcome::Ok(Answer::Placed { stamp, kept, merged }) => {
                if let Some(hash) = kept {
                    cx.note(Decision::Kept { path: path.clone(), hash });
                }
                self.placed(cx, path, version, stamp, merged);
            }
            Outcome::Ok(answer) => {
                // It was not as expected. The bytes are still staged: decide again.
                if let Some(slot) = self.slots.get_mut(path) {
                    slot.entry.doing = Some(Doing::Staged { blob, version });
                }
                match answer {
                    Answer::Occupied(found) => self.found(cx, path, found),
                    _ => self.settle(cx, path),
                }
            }
            Outcome::Failed { why, .. } => {
                if why.is_whole_disk() && !self.stopping {
                    // The bytes are good; the disk will be again.
                    self.pause_disk(cx, why);
                    self.update(cx, path, |slot| {
                        slot.entry.doing = Some(Doing::Staged { blob, version });
                    });
                } else {
                    self.drop_blob(cx, blob);
                    if let Some(slot) = self.slots.get_mut(path) {
                        slot.entry.placing = None;
                    }
                    self.disk_failed(cx, path, why);
                }
            }
        }
    }

    fn placed(
        &mut self,
        cx: &mut Cx<'_>,
        path: &RemotePath,
        version: super::entry::Version,
        stamp: Stamp,
        merged: Option<ContentHash>,
    ) {
        self.progress += 1;
        self.disk_troubles = 0;
        let seal = self.seals.touch(cx.now.tick);
        // The rule that asked for it, before the answer makes both sides equal.
        let rule = self.slots.get(path).map(|slot| {
            let mut before = slot.entry.clone();
            if before.local == Local::Unknown {
                before.local = Local::Absent;
            }
            plan(&before, self.mode).1
        });
        if let Some(rule) = rule {
            let did = if merged.is_some() { Did::Merged } else { Did::Placed };
            cx.note(Decision::Did { path: path.clone(), did, rule });
        }
        // A merge is an edit of the version that it was merged with.
        let hash: ContentHash = merged.unwrap_or(version.hash);
        self.update(cx, path, |slot| {
            slot.entry.doing = None;
            slot.entry.base = Some(version);
            slot.entry.placing = None;
            slot.entry.local = Local::File { hash, stamp, suspect: false };
            slot.entry.proof = Some(Proof { hash, stamp, seal });
            slot.entry.astray = false;
            slot.entry.hold = None;
            slot.removal = None;
            slot.alone = false;
            slot.mode_refused = false;
        });
    }

    fn remove_done(&mut self, cx: &mut Cx<'_>, path: &RemotePath, did: Did, outcome: Outcome) {
        match outcome {
            Outcome::Ok(Answer::Removed) => {
                self.progress += 1;
                if did == Did::Trashed {
                    self.gathered.carried_out(cx.now.tick, 1, self.based);
                }
                let seal = self.seals.touch(cx.now.tick);
                let rule = self.slots.get(path).map(|slot| plan(&slot.entry, self.mode).1);
                if let Some(rule) = rule {
                    cx.note(Decision::Did { path: path.clone(), did, rule });
                }
                self.removals.insert((seal, path.clone()));
                self.update(cx, path, |slot| {
                    slot.entry.doing = None;
                    slot.entry.local = Local::Absent;
                    slot.entry.proof = None;
                    slot.entry.hold = None;
                    slot.removal = Some(seal);
                });
            }
            Outcome::Ok(Answer::Occupied(found)) => self.found(cx, path, found),
            Outcome::Ok(_) => self.update(cx, path, |slot| slot.entry.doing = None),
            Outcome::Failed { why, .. } => self.disk_failed(cx, path, why),
        }
    }

    /// A disk operation on one path failed: that path's trouble, unless the whole disk is.
    pub(super) fn disk_failed(&mut self, cx: &mut Cx<'_>, path: &RemotePath, why: Fault) {
        if let Some(slot) = self.slots.get_mut(path) {
            slot.entry.doing = None;
        }
        if why.is_whole_disk() {
            self.pause_disk(cx, why);
            self.settle(cx, path);
        } else {
            self.set_aside(cx, path, why);
        }
    }

    /// The whole disk is in trouble: nothing is placed or fetched for a while.
    pub fn pause_disk(&mut self, cx: &mut Cx<'_>, why: Fault) {
        if self.disk_paused.is_some_and(|until| until > cx.now.tick) {
            return;
        }
        self.disk_troubles += 1;
        let wait = DISK_PAUSE.delay(self.disk_troubles, &cx.engine.seed);
        cx.note(Decision::DiskPaused { why, wait });
        self.disk_paused = Some(cx.now.tick + wait);
        cx.wake_at(Why::Disk, cx.now.tick + wait);
    }

    /// The pause is over.
    pub fn disk_again(&mut self) {
        self.disk_paused = None;
    }

    /// A read was refused for a path.
    pub(super) fn refused(&mut self, cx: &mut Cx<'_>, path: &RemotePath, why: Fault) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        slot.entry.doing = None;
        let gone = matches!(why, Fault::NotFound | Fault::Gone);
        let now = cx.now.tick;
        let since = match slot.lags {
            Some((since, last)) if now - last <= LAG_GAP => since,
            _ => now,
        };
        if gone {
            // Any other failure says nothing about the file.
            slot.lags = Some((since, now));
        }
        let lagged = gone && now - since >= LAG;
        if gone && let Remote::Unknown(at) = slot.entry.remote {
            self.testified(cx, path, at);
        }
        let Some(slot) = self.slots.get(path) else { return };
        match &slot.entry.remote {
            Remote::Absent(_) if gone => self.update(cx, path, |_| ()),
            // The server told of it, and did not have it in all that time.
            Remote::File { at, .. } if lagged => {
                let at = *at;
                cx.note(Decision::NeverCame { path: path.clone() });
                self.update(cx, path, |slot| {
                    slot.entry.remote = Remote::Absent(at);
                    slot.entry.hold = None;
                });
            }
            // Two listings left it out, and it is not there when asked for by name, for longer
            // than a replica lags.
            Remote::Unknown(at) if lagged => {
                let at = *at;
                self.update(cx, path, |slot| {
                    slot.entry.remote = Remote::Absent(at);
                    slot.entry.hold = None;
                });
            }
            _ => self.set_aside(cx, path, why),
        }
    }
}
