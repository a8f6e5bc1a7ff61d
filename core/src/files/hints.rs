//! Hints about what people do to files, and when to believe that they are done.
//!
//! | hint | the file is looked at |
//! |---|---|
//! | written | after 100 ms of quiet, but at most 30 s after the first |
//! | closed by its writer | after 20 ms |
//! | came or went whole, by a rename | at once |
//! | a directory came | with all that is in it, by a scan |
//! | something was missed | with everything, by a scan |
//!
//! Nothing follows from a hint but a look. What nobody heard of is found by the scan, which
//! comes every five minutes.

use alloc::collections::{BTreeMap, BTreeSet};

use super::Files;
use super::entry::Local;
use crate::engine::Cx;
use crate::event::Hint;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};
use crate::timers::Why;

/// A file that is written has to be quiet for so long.
const QUIET: Ms = Ms(100);

/// A file that was closed has to be left alone for so long.
const CLOSED: Ms = Ms(20);

/// A file that is written without end is looked at this long after it began.
const LONGEST: Ms = Ms::secs(30);

/// Between two scans.
const RESCAN: Ms = Ms::mins(5);

/// Hints that wait, at most. More are a scan.
const WAITING: usize = 10_000;

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Hints {
    /// Since when each is written, and when it is looked at.
    pub since: BTreeMap<RemotePath, (Tick, Tick)>,
    pub queue: BTreeSet<(Tick, RemotePath)>,
    pub rescan: Option<Tick>,
}

impl Files {
    /// Something was heard.
    pub fn heard(&mut self, cx: &mut Cx<'_>, hint: Hint) {
        if self.stopping {
            return;
        }
        match hint {
            Hint::Written(path) => self.look_in(cx, path, QUIET),
            Hint::Closed(path) => self.look_in(cx, path, CLOSED),
            Hint::Arrived(path) | Hint::Left(path) => self.look_in(cx, path, Ms(0)),
            Hint::Directory(path) => self.scan.add(path),
            Hint::Lost => self.begin_scan(cx),
        }
    }

    /// A path is looked at when it was left alone for so long.
    pub(super) fn look_in(&mut self, cx: &mut Cx<'_>, path: RemotePath, quiet: Ms) {
        let now = cx.now.tick;
        let known = self.hints.since.get(&path).copied();
        if known.is_none() && self.hints.since.len() >= WAITING {
            return self.begin_scan(cx);
        }
        let first = known.map_or(now, |(first, _)| first);
        if let Some((_, due)) = known {
            self.hints.queue.remove(&(due, path.clone()));
        }
        let due = (now + quiet).min(first + LONGEST);
        self.hints.since.insert(path.clone(), (first, due));
        self.hints.queue.insert((due, path));
    }

    /// Looks at what was left alone long enough, and scans when it is time.
    pub fn hints_due(&mut self, cx: &mut Cx<'_>) {
        while let Some((due, path)) = self.hints.queue.first().cloned() {
            if due > cx.now.tick {
                break;
            }
            self.hints.queue.remove(&(due, path.clone()));
            self.hints.since.remove(&path);
            self.touch(cx, &path);
        }
        if self.hints.rescan.is_some_and(|at| at <= cx.now.tick) && !self.stopping {
            let quiet = self.scan.is_over();
            self.begin_scan(cx);
            self.scan.routine = quiet;
        }
    }

    /// Whether something is to be looked at now: a missing file may have gone there.
    pub(super) fn is_hinted(&self, now: Tick) -> bool {
        self.hints.queue.first().is_some_and(|(due, _)| *due <= now)
    }

    /// When something is to be looked at.
    pub(super) fn next_hint(&self) -> Option<Tick> {
        let first = self.hints.queue.first().map(|(due, _)| *due);
        first.into_iter().chain(self.hints.rescan).min()
    }

    pub(super) fn begin_scan(&mut self, cx: &mut Cx<'_>) {
        self.scan.begin();
        self.hints.rescan = self.mode.is_written_here().then(|| cx.now.tick + RESCAN);
    }

    /// Somebody may have done something to a path.
    pub(super) fn touch(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        if self.unreadable.contains(path) {
            return;
        }
        if !self.slots.contains_key(path) {
            if !self.mode.is_written_here() {
                return;
            }
            self.make_slot(path);
        }
        if let Some(slot) = self.slots.get_mut(path) {
            slot.touched = true;
            slot.cold = false;
        }
        self.touched(cx, path);
    }

    /// A path that was touched is looked at as soon as nothing is under way for it.
    pub(super) fn touched(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        let Some(slot) = self.slots.get_mut(path) else { return };
        if slot.entry.doing.is_none() && core::mem::take(&mut slot.touched) {
            self.update(cx, path, |slot| {
                // Who is suspect stays so.
                slot.unsealed_at_boot |=
                    matches!(slot.entry.local, Local::File { suspect: true, .. });
                slot.entry.local = Local::Unknown;
                slot.due = None;
            });
        }
    }

    /// Whether nothing that was heard waits for a look or a scan. The scan that comes every five
    /// minutes has no reason to find anything.
    pub fn is_unhinted(&self) -> bool {
        self.hints.since.is_empty() && (self.scan.is_over() || self.scan.routine)
    }

    /// Sets the timer of this part.
    pub(super) fn set_hint_timer(&mut self, cx: &mut Cx<'_>) {
        match self.next_hint().filter(|_| !self.stopping) {
            Some(at) => cx.wake_at(Why::Hints, at),
            None => cx.no_wake(Why::Hints),
        }
    }
}
