//! Scans: one pass over the directories, instead of a look at each file.
//!
//! | state | event | what follows |
//! |---|---|---|
//! | start | rows with a proof | they are *cold*: unknown, and not looked at one by one |
//! | scanning | a directory was read | a file whose stamp is that of its proof is known; any other is looked at |
//! | scanning | a cold file is heard of | it is looked at first |
//! | scanning | the last directory was read | what is still cold was not there: it is looked at |
//!
//! A scan is a hint. It makes files known that look as they did, and nothing else follows from
//! it: what it left out or saw otherwise is found by a look.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::ops::Bound;

use super::entry::{Local, Odd, Seen, Stamp};
use super::{Files, Job};
use crate::effect::DiskOp;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fingerprint::Print;
use crate::path::RemotePath;

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Scan {
    /// Directories that are to be read; `None` is the root.
    to_read: BTreeSet<Option<RemotePath>>,
    /// How many are being read.
    reading: usize,
}

impl Scan {
    pub fn begin(&mut self) {
        self.to_read.insert(None);
    }

    fn is_over(&self) -> bool {
        self.to_read.is_empty() && self.reading == 0
    }

    pub fn print(&self, print: &mut Print) {
        let Self { to_read, reading } = self;
        print.plain(&(to_read, reading));
    }
}

impl Files {
    /// Reads the next directory. Answers whether there was one.
    pub(super) fn issue_scan(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(dir) = self.scan.to_read.pop_first() else { return false };
        let call = cx.disk(DiskOp::Scan { dir });
        self.jobs.insert(call, Job::Scan);
        self.scan.reading += 1;
        self.disk_ops += 1;
        true
    }

    /// A directory was read, or could not be: then its files are looked at one by one.
    pub(super) fn scan_done(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        self.scan.reading -= 1;
        self.disk_ops -= 1;
        if let Outcome::Ok(Answer::Scanned(entries)) = outcome {
            for (path, seen) in entries {
                match seen {
                    Seen::File(stamp) => self.passed(cx, &path, stamp),
                    Seen::Odd(Odd::Directory) if self.has_below(&path) => {
                        self.scan.to_read.insert(Some(path));
                    }
                    Seen::Odd(_) => {}
                }
            }
        }
        if self.scan.is_over() {
            self.scan_over(cx);
        }
    }

    fn has_below(&self, dir: &RemotePath) -> bool {
        let first = format!("{dir}/");
        let mut after =
            self.slots.range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded));
        after.next().is_some_and(|(path, _)| path.is_below(dir.as_str()))
    }

    /// A file that the scan has to come by.
    pub(super) fn coldest(&self) -> Option<&RemotePath> {
        let mut all = self.slots.iter().filter(|_| !self.scan.is_over());
        all.find(|(_, slot)| slot.cold).map(|(path, _)| path)
    }

    /// The scan saw a file.
    fn passed(&mut self, cx: &mut Cx<'_>, path: &RemotePath, stamp: Stamp) {
        let Some(slot) = self.slots.get_mut(path).filter(|slot| slot.cold) else { return };
        slot.cold = false;
        if let Some(proof) = slot.entry.proof.as_ref().filter(|proof| proof.stamp == stamp)
            && slot.entry.local == Local::Unknown
        {
            slot.entry.local = Local::File { hash: proof.hash, stamp, suspect: false };
        }
        self.settle(cx, path);
    }

    /// What the scan did not come by is looked at.
    fn scan_over(&mut self, cx: &mut Cx<'_>) {
        let cold = self.slots.iter().filter(|(_, slot)| slot.cold).map(|(path, _)| path.clone());
        for path in cold.collect::<Vec<_>>() {
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.cold = false;
            }
            self.settle(cx, &path);
        }
    }
}
