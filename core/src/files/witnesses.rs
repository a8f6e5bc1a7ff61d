//! What listings leave out.
//!
//! One listing that leaves a known file out only marks it. After two, it is asked for by name.
//! Of many such paths only a few are asked for at first, as witnesses: if one of them is
//! there, the listings lied about all.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Files;
use super::entry::{Ordinal, Remote};
use super::slot::Slot;
use crate::decision::Decision;
use crate::engine::Cx;
use crate::path::RemotePath;

/// So many of the paths that two listings left out are asked for before the others.
const WITNESSES: usize = 8;

/// The paths that two listings left out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Witnesses {
    /// Asked for first.
    pub(super) asked: BTreeSet<RemotePath>,
    /// The others. They wait for what the witnesses say; a restart forgets them, and the next
    /// listing accuses them again.
    pub(super) accused: BTreeSet<RemotePath>,
    /// A witness that is there.
    pub(super) refuted: Option<RemotePath>,
}

/// The known files that a traversal did not show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LeftOut {
    /// Those that are not asked for by name yet.
    pub doubtful: u64,
    /// Those that no traversal left out before, since one showed them.
    pub anew: u64,
}

impl Files {
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
    /// name.
    ///
    /// Of many such paths only a few are asked for at first, as [witnesses](WITNESSES): if one
    /// of them is there, the listings lied about all.
    pub fn left_out(
        &mut self,
        cx: &mut Cx<'_>,
        traversal: u32,
        tag: Ordinal,
        second: bool,
    ) -> LeftOut {
        self.witnesses = Witnesses::default();
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
        let mut left_out = LeftOut::default();
        for path in missing {
            let marked = self.slots.get(&path).is_some_and(|slot| slot.entry.missed.is_some());
            left_out.anew += u64::from(!marked);
            if marked && second && self.witnesses.asked.len() >= WITNESSES {
                left_out.doubtful += 1;
                self.witnesses.accused.insert(path);
            } else if marked && second {
                self.witnesses.asked.insert(path.clone());
                self.ask_by_name(cx, &path, tag);
            } else {
                left_out.doubtful += 1;
                self.update(cx, &path, |slot| {
                    slot.entry.missed.get_or_insert(traversal);
                });
            }
        }
        left_out
    }

    fn ask_by_name(&mut self, cx: &mut Cx<'_>, path: &RemotePath, tag: Ordinal) {
        cx.note(Decision::MissingTwice { path: path.clone() });
        self.update(cx, path, |slot| {
            slot.entry.remote = Remote::Unknown(tag);
            slot.due = None;
        });
    }

    /// A path that was asked for by name is not there. When no witness is left, the others are
    /// asked for too: at once, because the next listing dismisses all witnesses, and whether a
    /// replica only lags is found out for each of them alone.
    pub(super) fn testified(&mut self, cx: &mut Cx<'_>, path: &RemotePath, tag: Ordinal) {
        if self.witnesses.asked.remove(path) && self.witnesses.asked.is_empty() {
            for path in core::mem::take(&mut self.witnesses.accused) {
                let same = |slot: &Slot| {
                    let entry = &slot.entry;
                    entry.missed.is_some()
                        && matches!(entry.remote, Remote::File { at, .. } if at <= tag)
                };
                if self.slots.get(&path).is_some_and(|slot| same(slot)) {
                    self.ask_by_name(cx, &path, tag);
                }
            }
        }
    }

    /// A witness is there: nothing that the same listings left out proves anything.
    pub(super) fn refute(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let witnesses = Witnesses { refuted: Some(path.clone()), ..Witnesses::default() };
        let before = core::mem::replace(&mut self.witnesses, witnesses);
        for path in before.accused {
            self.update(cx, &path, |slot| slot.entry.missed = None);
        }
    }

    /// A path that two listings left out and that is there, once.
    pub fn take_refuted(&mut self) -> Option<RemotePath> {
        self.witnesses.refuted.take()
    }
}
