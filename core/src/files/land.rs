//! Bytes that arrived.

use super::entry::{Doing, Hold, Local, Ordinal, Remote, Version};
use super::plan::SyncMode;
use super::slot::Disagreed;
use super::{Files, Job};
use crate::engine::Cx;
use crate::event::{Answer, Fetched, Outcome};
use crate::fault::Fault;
use crate::id::CallId;
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::time::Ms;

/// How long to wait before a read is repeated that did not agree with the feed. The feed is
/// asked at once, and has usually told by then what the read saw.
const DISAGREED: Backoff = Backoff { base: Ms::secs(10), cap: Ms::mins(1) };

/// A read that goes on saying something else than feed and listings for this long is right:
/// no replica lags so far behind.
const RIGHT: Ms = Ms::mins(5);

impl Files {
    /// A file came unasked, with an export or an event. It says what the server had at `tag`,
    /// so a later observation wins over it.
    pub fn exported(&mut self, cx: &mut Cx<'_>, path: &RemotePath, got: Fetched, tag: Ordinal) {
        let remote = Remote::File { revision: got.revision.clone(), hash: Some(got.hash), at: tag };
        self.bytes += got.size;
        // What an earlier run may have left at the path has to be looked at first, and what it
        // was about to place is not forgotten before that. Where a person deletes, a file that
        // is missing is not made again.
        let deletes = self.mode.is_written_here();
        // Where nothing is fetched, it tells what the server has.
        let fetches = self.mode != SyncMode::WriteOnly;
        let free = fetches
            && self.slots.get(path).is_none_or(|slot| {
                let entry = &slot.entry;
                let missing = deletes && entry.base.is_some();
                let ours = entry.proof.is_some() || entry.placing.is_some() || missing;
                entry.doing.is_none() && !(ours && entry.local == Local::Unknown)
            });
        if !free {
            self.observe(cx, path, remote);
            return self.drop_blob(cx, got.blob);
        }
        let version = Version { revision: got.revision, hash: got.hash };
        let old = self.get(path).is_some_and(|entry| entry.had(&remote));
        if old || self.unreadable.contains(path) || self.is_older(path, tag) {
            return self.drop_blob(cx, got.blob);
        }
        let blob = got.blob;
        self.make_slot(path);
        self.update(cx, path, |slot| {
            slot.observe(remote, false);
            slot.entry.placing = Some(version.clone());
            slot.entry.doing = Some(Doing::Staged { blob, version });
        });
    }

    /// The answer to a read arrived.
    pub(super) fn land(&mut self, cx: &mut Cx<'_>, path: &RemotePath, got: Fetched) {
        self.bytes += got.size;
        self.progress += 1;
        self.denied.was_read(path);
        let Some(slot) = self.slots.get_mut(path) else {
            return self.drop_blob(cx, got.blob);
        };
        let now = cx.now.tick;
        slot.lags = None;
        let before = slot.disagreed.take().filter(|before| before.revision == got.revision);
        let since = before.as_ref().map_or(now, |before| before.since);
        let repeated = before.is_some();
        let tries = before.map_or(1, |before| before.tries.saturating_add(1));
        let insists = now - since >= RIGHT;
        let version = Version { revision: got.revision.clone(), hash: got.hash };
        let same_bytes = matches!(&slot.entry.local, Local::File { hash, suspect: false, .. } if *hash == got.hash);
        let at = slot.entry.remote.at();
        let read = Remote::File { revision: got.revision, hash: Some(got.hash), at };
        // A replica that lags gives what the server had before.
        let stale = slot.entry.had(&read) || slot.deleted && !insists;
        let at_odds = slot.at_odds && slot.entry.base.is_some();
        let unknown = matches!(slot.entry.remote, Remote::Unknown(_));
        let left_out = unknown && slot.entry.missed.is_some();
        // Nobody told that it changed, or the server said that it has something else.
        let changed = slot.entry.base.as_ref().is_some_and(|base| base.hash != got.hash);
        let untold = left_out && changed || unknown && repeated;
        let (accept, wanted) = match &slot.entry.remote {
            // Deleted while it was under way.
            Remote::Absent(_) => (false, false),
            _ if stale => (false, true),
            Remote::Unknown(_) => (!untold || insists, true),
            Remote::File { revision, hash, .. } => {
                let agrees = *revision == version.revision || *hash == Some(got.hash);
                (agrees && !at_odds || insists, true)
            }
        };
        if left_out {
            self.refute(cx, path);
        }
        // A read that says something else than feed and listings runs ahead of them, or comes
        // from a replica that lags. Where they tell what both sides had, or the read does, a
        // lagging one would take the file back; and the other kind will be told soon.
        let settled = self.slots.get(path).is_some_and(|slot| {
            let entry = &slot.entry;
            let old = entry.base.as_ref().is_some_and(|base| base.hash == version.hash);
            // What was here before a power cut may have been newer, too.
            stale
                || untold
                || at_odds
                || entry.astray
                || entry.remote_is_base()
                || old && !same_bytes
        });
        if wanted && !accept && settled {
            self.ask_feed = true;
            self.drop_blob(cx, got.blob);
            let again = now + DISAGREED.delay(tries, &(cx.engine.seed, path));
            return self.update(cx, path, |slot| {
                slot.entry.doing = None;
                // It may be read, whatever it is.
                let denied =
                    |hold: &mut Hold| matches!(hold, Hold::Aside { why: Fault::Forbidden, .. });
                slot.entry.hold.take_if(denied);
                slot.disagreed = Some(Disagreed { revision: version.revision, since, tries });
                slot.due = Some(again);
            });
        }
        if !wanted {
            self.drop_blob(cx, got.blob);
            return self.update(cx, path, |slot| slot.entry.doing = None);
        }
        if same_bytes {
            self.drop_blob(cx, got.blob);
        }
        let blob = got.blob;
        let again = now + DISAGREED.delay(tries, &(cx.engine.seed, path));
        self.ask_feed |= !accept;
        self.update(cx, path, |slot| {
            let entry = &mut slot.entry;
            if accept {
                entry.lineage.retain(Option::is_some);
                entry.remote = read;
                slot.disagreed = None;
            } else {
                // Newer than what the feed has told so far, or older than it: what the feed
                // said is not forgotten, and the file is read again.
                let revision = version.revision.clone();
                slot.disagreed = Some(Disagreed { revision, since, tries });
                slot.due = Some(again);
            }
            entry.missed = None;
            entry.doing = if same_bytes {
                entry.base = Some(version);
                entry.hold = None;
                None
            } else {
                entry.placing = Some(version.clone());
                Some(Doing::Staged { blob, version })
            };
        });
    }

    pub(super) fn read_done(
        &mut self,
        cx: &mut Cx<'_>,
        call: CallId,
        path: &RemotePath,
        outcome: Outcome,
    ) {
        self.jobs.remove(&call);
        self.reads -= 1;
        match outcome {
            Outcome::Ok(Answer::Read(got)) => {
                self.answers += 1;
                if got.path == path.as_str() {
                    self.land(cx, path, got);
                } else {
                    self.drop_blob(cx, got.blob);
                    self.refused(cx, path, Fault::Malformed);
                }
            }
            Outcome::Ok(_) => self.refused(cx, path, Fault::Malformed),
            Outcome::Failed { why, .. } => self.read_failed(cx, path, why),
        }
    }

    fn read_failed(&mut self, cx: &mut Cx<'_>, path: &RemotePath, why: Fault) {
        match why {
            // Not the file's fault, and the gate paces what comes next.
            Fault::Throttled | Fault::WorkspaceBusy | Fault::Unauthorized => {
                self.update(cx, path, |slot| slot.entry.doing = None);
            }
            _ if why.is_whole_disk() => {
                self.pause_disk(cx, why);
                self.update(cx, path, |slot| slot.entry.doing = None);
            }
            // The server was not reached: that says nothing about the file.
            Fault::Link | Fault::Overloaded => {
                let again = cx.now.tick + super::ASIDE.base;
                self.update(cx, path, |slot| {
                    slot.entry.doing = None;
                    slot.due = Some(again);
                });
            }
            _ => self.refused(cx, path, why),
        }
    }

    /// A bulk read ended: what it did not answer is asked for again, each alone if the read
    /// failed, so that one bad path can not fail the others again.
    pub(super) fn read_many_done(&mut self, cx: &mut Cx<'_>, call: CallId, outcome: Outcome) {
        let missing_route = match &outcome {
            Outcome::Ok(_) => {
                self.answers += 1;
                self.bulk_read = Some(true);
                false
            }
            Outcome::Failed { why, .. } => {
                let gone = matches!(why, Fault::NotFound) && self.bulk_read.is_none();
                if gone {
                    self.bulk_read = Some(false);
                }
                if why.is_whole_disk() {
                    self.pause_disk(cx, why.clone());
                }
                gone || matches!(
                    why,
                    Fault::Throttled
                        | Fault::WorkspaceBusy
                        | Fault::Unauthorized
                        | Fault::Link
                        | Fault::Overloaded
                )
            }
        };
        let Some(Job::ReadMany(left)) = self.jobs.remove(&call) else { return };
        self.reads -= 1;
        for path in left {
            self.update(cx, &path, |slot| {
                slot.entry.doing = None;
                slot.alone |= !missing_route;
            });
        }
    }

    /// A read that is not listened to any more.
    pub(super) fn fetch_ended(&mut self, cx: &mut Cx<'_>, call: CallId) {
        let paths: alloc::vec::Vec<RemotePath> = match self.jobs.remove(&call) {
            Some(Job::Read(path)) => alloc::vec![path],
            Some(Job::ReadMany(paths)) => paths.into_iter().collect(),
            _ => return,
        };
        self.reads -= 1;
        for path in paths {
            self.update(cx, &path, |slot| slot.entry.doing = None);
        }
    }
}
