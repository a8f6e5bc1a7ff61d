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
//!
//! Where it was over and had not come by a path, there is no file, as far as anybody knows. What is
//! placed there replaces nothing, so somebody's file of this minute is found then.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;

use super::entry::{Local, Odd, Seen, Stamp};
use super::slot::Slot;
use super::unseen::Unseen;
use super::{Files, Job};
use crate::decision::Decision;
use crate::effect::DiskOp;
use crate::engine::Cx;
use crate::event::{Answer, Outcome};
use crate::fault::Fault;
use crate::fingerprint::Print;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Scan {
    /// Directories that are to be read; `None` is the root.
    to_read: BTreeSet<Option<RemotePath>>,
    /// How many are being read.
    reading: usize,
    /// Counts scans of everything.
    number: u32,
    /// Whether everything is scanned, and not just a directory that came.
    whole: bool,
    /// Whether that is done for no reason, but because it is time.
    pub routine: bool,
    /// It came by something that is in no row, and that nobody was told to look at.
    strangers: bool,
    /// Directories that could not be read.
    pub unseen: Unseen,
}

impl Scan {
    pub fn begin(&mut self) {
        self.number += 1;
        self.whole = true;
        self.routine = false;
        self.strangers = false;
        self.to_read.insert(None);
    }

    /// Directories whose next try is due are read again.
    pub fn again(&mut self, now: Tick) {
        self.to_read.extend(self.unseen.take_due(now));
    }

    pub fn add(&mut self, dir: RemotePath) {
        self.to_read.insert(Some(dir));
    }

    /// Whether this is the number of the newest scan of everything.
    pub fn is_of(&self, number: u32) -> bool {
        self.number == number
    }

    pub fn is_over(&self) -> bool {
        self.to_read.is_empty() && self.reading == 0
    }

    pub fn print(&self, print: &mut Print) {
        let Self { to_read, reading, number, whole, routine, strangers, unseen } = self;
        print.plain(&(to_read, reading, *number > 0, whole, routine, strangers));
        unseen.print(print);
    }
}

impl Files {
    /// Reads the next directory. Answers whether there was one.
    pub(super) fn issue_scan(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(dir) = self.scan.to_read.pop_first() else { return false };
        let call = cx.disk(DiskOp::Scan { dir: dir.clone() });
        self.jobs.insert(call, Job::Scan(self.scan.number, dir));
        self.scan.reading += 1;
        self.disk_ops += 1;
        true
    }

    /// A directory was read, or could not be: then its files are looked at one by one. What was
    /// read for the scan before proves nothing for this one, which comes by again.
    pub(super) fn scan_done(
        &mut self,
        cx: &mut Cx<'_>,
        number: u32,
        dir: Option<RemotePath>,
        outcome: Outcome,
    ) {
        self.scan.reading -= 1;
        self.disk_ops -= 1;
        match outcome {
            _ if !self.scan.is_of(number) => {}
            Outcome::Ok(Answer::Scanned(entries)) => {
                self.scan.unseen.read(dir.as_ref());
                for (path, seen) in entries {
                    self.shown(cx, path, seen);
                }
            }
            Outcome::Failed { why, .. } => {
                // Nobody knows what is in it.
                self.scan.strangers = true;
                self.not_seen(cx, dir, why);
            }
            Outcome::Ok(_) => self.scan.strangers = true,
        }
        if self.scan.is_over() {
            self.scan.unseen.put_back(cx.now.tick, cx.engine.seed);
            self.scan_over(cx);
        }
    }

    /// Where nothing is sent, it does not matter what is new in a directory.
    fn not_seen(&mut self, cx: &mut Cx<'_>, dir: Option<RemotePath>, why: Fault) {
        if !self.mode.is_written_here() || why == Fault::RootLost {
            return;
        }
        let (now, seed) = (cx.now.tick, cx.engine.seed);
        let (tries, wait) = self.scan.unseen.failed(dir.clone(), why.clone(), now, seed);
        cx.note(Decision::NotSeen { dir, why, tries, wait });
    }

    fn shown(&mut self, cx: &mut Cx<'_>, path: RemotePath, seen: Seen) {
        match seen {
            Seen::File(stamp) => self.passed(cx, &path, stamp),
            Seen::Odd(Odd::Directory) if self.mode.is_written_here() || self.has_below(&path) => {
                self.scan.add(path);
            }
            Seen::Odd(_) | Seen::Kept => self.scan.strangers = true,
        }
    }

    /// Whether nothing is at a path that has no entry, as far as anybody knows.
    pub(super) fn is_free(&self, path: &RemotePath) -> bool {
        let Scan { number, whole, strangers, .. } = self.scan;
        number > 0 && !whole && !strangers && !self.hints.since.contains_key(path)
    }

    fn has_below(&self, dir: &RemotePath) -> bool {
        let first = dir.as_dir();
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
        let number = self.scan.number;
        let Some(slot) = self.slots.get_mut(path) else {
            match self.mode.is_written_here() {
                true => self.look_in(cx, path.clone(), Ms(0)),
                false => self.scan.strangers = true,
            }
            return;
        };
        slot.scan = number;
        let looks_known = match slot.entry.local {
            Local::File { stamp: known, .. } => known == stamp,
            // Whatever is under way for it looks at it too.
            Local::Unknown if !slot.cold => true,
            _ => false,
        };
        if looks_known {
            return;
        }
        if !core::mem::take(&mut slot.cold) {
            return self.touch(cx, path);
        }
        if let Some(proof) = slot.entry.proof.as_ref().filter(|proof| proof.stamp == stamp) {
            slot.entry.local = Local::File { hash: proof.hash, stamp, suspect: false };
            if slot.entry.astray {
                return self.update(cx, path, |slot| slot.entry.astray = false);
            }
        }
        self.settle(cx, path);
    }

    /// What the scan did not come by is looked at.
    fn scan_over(&mut self, cx: &mut Cx<'_>) {
        if !core::mem::take(&mut self.scan.whole) {
            return;
        }
        let number = self.scan.number;
        let written_here = self.mode.is_written_here();
        let left_out = |slot: &Slot| {
            let here = written_here && matches!(slot.entry.local, Local::File { .. });
            slot.scan != number && (slot.cold || here)
        };
        let paths = self.slots.iter().filter(|(_, slot)| left_out(slot)).map(|(path, _)| path);
        for path in paths.cloned().collect::<Vec<_>>() {
            let cold =
                self.slots.get_mut(&path).is_some_and(|slot| core::mem::take(&mut slot.cold));
            match cold {
                true => self.settle(cx, &path),
                false => self.touch(cx, &path),
            }
        }
    }
}
