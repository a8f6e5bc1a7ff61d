//! A feed that was lost, and tells its past again.
//!
//! It may begin anywhere, at its oldest event even. Until it reaches its tip, a file that it
//! tells of may be long gone, and one that it deletes may have been made anew. So what it tells
//! is taken in, and nothing is fetched, sent or removed because of it before that.

use alloc::vec::Vec;

use super::Files;
use super::entry::{Entry, Local, Ordinal, Remote, Version};
use crate::engine::Cx;
use crate::path::RemotePath;

impl Files {
    /// The feed is read again from here, or was read to its tip.
    pub fn replay_from(&mut self, cx: &mut Cx<'_>, from: Option<Ordinal>) {
        let Some(before) = core::mem::replace(&mut self.replay, from) else { return };
        for path in self.paths_where(|entry| entry.remote.at() > before) {
            self.update(cx, &path, |slot| {
                let entry = &mut slot.entry;
                if entry.remote.revision().is_some() && !entry.is_ours() {
                    // A delete that was ours is long past.
                    entry.lineage.retain(Option::is_some);
                }
            });
            self.settle(cx, &path);
        }
    }

    /// Whether the feed tells this of its past.
    pub(super) fn is_past(&self, remote: &Remote) -> bool {
        self.replay.is_some_and(|from| remote.at() > from)
    }

    /// Where the past began that the feed is telling.
    pub fn replay(&self) -> Option<Ordinal> {
        self.replay
    }

    /// The feed was lost, and a listing follows. If it was telling its past, what it told counts
    /// for nothing, for it did not come to the end. And deletes that were not carried out are
    /// forgotten: it may have been lost before it told that what it deleted was made anew. This
    /// listing and the one after it tell them again. Whether a run that was killed carried one out
    /// is seen when the disk is looked at.
    pub fn feed_lost(&mut self, cx: &mut Cx<'_>) {
        let here = |local: &Local| matches!(local, Local::File { .. } | Local::Unknown);
        let doubtful = self.paths_where(|entry| {
            let delete = matches!(entry.remote, Remote::Absent(_))
                && entry.base.is_some()
                && here(&entry.local);
            delete || entry.waits_for_tip(self.replay)
        });
        // What is left of it is what a listing showed, or we did.
        let replay = self.replay.take();
        for path in doubtful {
            self.update(cx, &path, |slot| {
                let entry = &mut slot.entry;
                // What the past told nobody carried out.
                slot.undone = entry.remote.revision().is_none()
                    && entry.local == Local::Unknown
                    && !entry.waits_for_tip(replay);
                let at = entry.remote.at();
                entry.remote = match entry.base.clone() {
                    Some(Version { revision, hash }) => {
                        Remote::File { revision, hash: Some(hash), at }
                    }
                    None => Remote::Absent(at),
                };
            });
        }
    }

    fn paths_where(&self, is: impl Fn(&Entry) -> bool) -> Vec<RemotePath> {
        let those = self.slots.iter().filter(|(_, slot)| is(&slot.entry));
        those.map(|(path, _)| path.clone()).collect()
    }
}
