//! What goes to the server, as far as it concerns the table: copies for the stage, and what the
//! answers say about a path. The [outbox](crate::writeback) does the rest.
//!
//! A file that nobody on the server's side ever told of is made there only if nothing is in its
//! place (`If-Match: 0`). While the first listing is under way it would often meet what is about
//! to be listed, so it waits for that a moment.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::entry::{Doing, Hold, Local, Ordinal, Past, Remote, Unsent, Version};
use super::plan::{Action, plan};
use super::slot::Disagreed;
use super::{Files, Job, Standing, remember};
use crate::decision::Decision;
use crate::effect::DiskOp;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fault::Fault;
use crate::hash::ContentHash;
use crate::id::Revision;
use crate::path::RemotePath;
use crate::row::{IntentRow, Staged};

/// Copies made at once.
const STAGE_AT_ONCE: usize = 16;

/// Copies that wait to be sent, at most: what is staged takes room on the disk.
const STAGED: usize = 512;

/// What waits to be sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Pushes {
    /// To be copied to the stage.
    pub to_push: BTreeSet<RemotePath>,
    /// Never told of by the server, which has not told everything yet.
    pub unheard: BTreeSet<RemotePath>,
    /// Whether the server has told everything.
    pub heard_all: bool,
    /// Copied, and not taken by the outbox yet.
    pub staged: Vec<(RemotePath, Staged)>,
    pub staging: usize,
}

impl Files {
    /// The server has told everything that it has, or was given the time for it.
    pub fn heard_all(&mut self, cx: &mut Cx<'_>) {
        if core::mem::replace(&mut self.pushes.heard_all, true) {
            return;
        }
        for path in core::mem::take(&mut self.pushes.unheard) {
            self.settle(cx, &path);
        }
    }

    /// Where a path waits that is to be sent.
    pub(super) fn settle_push(&mut self, path: &RemotePath) {
        let Some(slot) = self.slots.get(path) else { return };
        let unheard = slot.entry.is_unheard() && !self.pushes.heard_all;
        let set = if unheard { &mut self.pushes.unheard } else { &mut self.pushes.to_push };
        set.insert(path.clone());
        self.queue(path, Standing::Working);
    }

    /// Copies what is to be sent. `waiting`: how many copies wait already.
    pub fn stage(&mut self, cx: &mut Cx<'_>, waiting: usize, max_file: u64) {
        while !self.stopping
            && !self.disk_rests(cx.now.tick)
            && self.pushes.staging < STAGE_AT_ONCE
            && waiting + self.pushes.staging + self.pushes.staged.len() < STAGED
        {
            let Some(path) = self.first_free(&self.pushes.to_push) else { return };
            self.pushes.to_push.remove(&path);
            let Some(slot) = self.slots.get_mut(&path) else { continue };
            let Local::File { hash, stamp, .. } = slot.entry.local else { continue };
            if stamp.size > max_file {
                cx.note(Decision::TooLarge { path: path.clone(), size: stamp.size, max: max_file });
                self.unsent(cx, &path, Some(hash), Unsent::TooLarge);
                continue;
            }
            let call = cx.disk(DiskOp::Stage { path: path.clone(), expect: hash });
            slot.entry.doing = Some(Doing::Staging { call });
            self.pushes.staging += 1;
            self.under_way_on_disk(call, Job::Stage(path.clone(), hash), path);
        }
    }

    pub(super) fn stage_done(
        &mut self,
        cx: &mut Cx<'_>,
        path: &RemotePath,
        hash: ContentHash,
        outcome: Outcome,
    ) {
        self.pushes.staging -= 1;
        match outcome {
            Outcome::Ok(Answer::Staged { blob, size }) => {
                let wanted = self.slots.get(path).is_some_and(|slot| {
                    let planned = plan(&slot.entry, self.mode).0 == Action::Push;
                    (planned || slot.resend) && !self.stopping
                });
                if !wanted {
                    self.drop_blob(cx, blob);
                    return self.push_over(cx, path);
                }
                if let Some(slot) = self.slots.get_mut(path) {
                    slot.entry.doing = Some(Doing::Pushing);
                    slot.resend = false;
                }
                self.pushes.staged.push((path.clone(), Staged { blob, hash, size }));
            }
            Outcome::Ok(Answer::Occupied(found)) => {
                // It is something else by now, and the plan knows what to do with that.
                if let Some(slot) = self.slots.get_mut(path) {
                    slot.resend = false;
                }
                self.found(cx, path, found);
            }
            Outcome::Ok(_) => self.push_over(cx, path),
            Outcome::Failed { why, .. } => self.disk_failed(cx, path, why),
        }
    }

    /// What was copied since the last time.
    pub fn take_staged(&mut self) -> Vec<(RemotePath, Staged)> {
        core::mem::take(&mut self.pushes.staged)
    }

    /// The outbox has something on its way for a path. A path that was never heard of is made
    /// known.
    pub fn push_begins(&mut self, path: &RemotePath) {
        self.leave_sets(path);
        self.make_slot(path);
        if let Some(slot) = self.slots.get_mut(path) {
            slot.entry.doing = Some(Doing::Pushing);
            slot.cold = false;
        }
        self.stand(path, Standing::Working);
    }

    /// Nothing is on its way for a path any more: decide again.
    pub fn push_over(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.update(cx, path, |slot| slot.entry.doing = None);
        self.touched(cx, path);
    }

    /// The copy that was to be sent is not there any more. It is made again, after a while.
    pub fn push_lost(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        if let Some(slot) = self.slots.get_mut(path) {
            slot.entry.doing = None;
        }
        self.set_aside(cx, path, Fault::BlobLost);
        self.touched(cx, path);
    }

    /// The server carried an intent out: it has this revision now, or nothing. That took place at
    /// `at` or later, and after all that was known of the path: after a kill, the feed may tell
    /// that once more. But if the feed was lost since it was first sent, the answer may be of that
    /// time, and nobody tells what came after it: the server is asked.
    pub fn pushed(
        &mut self,
        cx: &mut Cx<'_>,
        path: &RemotePath,
        sent: &IntentRow,
        revision: Option<Revision>,
        at: Ordinal,
    ) {
        self.progress += 1;
        let past = self.get(path).is_some_and(|entry| self.is_past(&entry.remote));
        self.update(cx, path, |slot| {
            let entry = &mut slot.entry;
            entry.doing = None;
            entry.hold = None;
            // It was here, or its delete was a person's.
            entry.astray = false;
            let at = entry.remote.at().next().max(at);
            let before = sent.base.clone().map(|revision| {
                let base = entry.base.as_ref().filter(|base| base.revision == revision);
                Past { hash: base.map(|base| base.hash), revision }
            });
            let mut now = match (&revision, &sent.bytes) {
                (Some(revision), Some(bytes)) => {
                    let (revision, hash) = (revision.clone(), bytes.hash);
                    entry.base = Some(Version { revision: revision.clone(), hash });
                    Remote::File { revision, hash: Some(hash), at }
                }
                _ => {
                    // Neither side has it any more.
                    entry.base = None;
                    Remote::Absent(at)
                }
            };
            if sent.epoch != at.epoch {
                now = Remote::Unknown(at);
            }
            let known = entry.remote.revision().cloned();
            let doubted = matches!(entry.remote, Remote::Unknown(_));
            let faster = known == revision && !doubted;
            let last = entry.lineage.last().map(|past| past.as_ref().map(|it| &it.revision));
            let is_first = before.is_some() && last != Some(sent.base.as_ref());
            if faster && revision.is_none() {
                // The feed told it already.
            } else if faster
                || known.is_some() && known == sent.base
                || doubted
                || entry.remote.at() == sent.since
            {
                if is_first {
                    remember(&mut entry.lineage, before);
                }
                let hash = sent.bytes.as_ref().map(|bytes| bytes.hash);
                remember(&mut entry.lineage, revision.map(|revision| Past { revision, hash }));
                if !faster {
                    entry.remote = now;
                }
            } else if sent.base.is_none() && known.is_none() {
                // Somebody made it and deleted it, and nobody knows whether before or after us.
                entry.remote = Remote::Unknown(at);
            } else if let Remote::File { revision, hash, .. } = &entry.remote
                && !past
                && before.is_some()
            {
                // Something newer was told meanwhile. Or a listing is behind, and this is told yet.
                // Either way, what this was made from is not there any more.
                let now = Past { revision: revision.clone(), hash: *hash };
                if is_first {
                    remember(&mut entry.lineage, before);
                }
                remember(&mut entry.lineage, Some(now));
            }
            entry.missed = None;
            slot.due = None;
        });
        self.touched(cx, path);
    }

    /// The server has another version than the one that was to be changed, `sent`, or did not say
    /// which revision it made: it is asked, unless it told meanwhile.
    pub fn push_is_behind(&mut self, cx: &mut Cx<'_>, path: &RemotePath, sent: Option<&Revision>) {
        self.ask_feed = true;
        let since = cx.now.tick;
        self.update(cx, path, |slot| {
            slot.entry.doing = None;
            slot.entry.lineage.clear();
            let told = !matches!(slot.entry.remote, Remote::Unknown(_));
            if told && slot.entry.remote.revision() != sent {
                return;
            }
            // A replica that lags would give that again.
            slot.disagreed =
                sent.map(|revision| Disagreed { revision: revision.clone(), since, tries: 0 });
            slot.entry.remote = Remote::Unknown(slot.entry.remote.at().max(Ordinal::FIRST));
        });
        self.touched(cx, path);
    }

    /// Sends what is here, also where the plan sees nothing to send: the server failed to carry
    /// it out before. Not over what somebody else wrote meanwhile.
    pub fn resend(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.update(cx, path, |slot| {
            slot.entry.hold = None;
            slot.resend = matches!(slot.entry.local, Local::File { .. });
        });
    }

    /// Whether the server is known to have these bytes at a path, or nothing.
    pub fn is_there(&self, path: &RemotePath, what: Option<ContentHash>) -> bool {
        let Some(entry) = self.get(path) else { return what.is_none() };
        match (what, &entry.remote) {
            (Some(hash), Remote::File { hash: Some(there), .. }) => hash == *there,
            (Some(hash), Remote::File { hash: None, .. }) => {
                entry.remote_is_base() && entry.base.as_ref().is_some_and(|base| base.hash == hash)
            }
            (None, Remote::Absent(_)) => true,
            _ => false,
        }
    }

    /// Whether what is here is not sent, for this reason.
    pub fn is_held_as(&self, path: &RemotePath, reason: Unsent) -> bool {
        let hold = self.slots.get(path).and_then(|slot| slot.entry.hold.as_ref());
        matches!(hold, Some(Hold::Unsent { why, .. }) if *why == reason)
    }

    /// What is here is not sent for now.
    pub fn unsent(
        &mut self,
        cx: &mut Cx<'_>,
        path: &RemotePath,
        what: Option<ContentHash>,
        why: Unsent,
    ) {
        self.update(cx, path, |slot| {
            slot.entry.doing = None;
            slot.entry.hold = Some(Hold::Unsent { what, why });
        });
        self.touched(cx, path);
    }

    /// What was not sent may be sent again.
    pub fn may_send(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        self.update(cx, path, |slot| {
            if matches!(slot.entry.hold, Some(Hold::Unsent { .. })) {
                slot.entry.hold = None;
            }
        });
    }
}
