//! Directories here that could not be read. What changes in them is not seen, which a person has to
//! know. Each is tried again at its own time, and delays nothing else.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::ASIDE;
use crate::fault::Fault;
use crate::fingerprint::Print;
use crate::path::RemotePath;
use crate::time::{Ms, Tick};

/// See the [module](self). `None` is the root.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Unseen(BTreeMap<Option<RemotePath>, Failed>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct Failed {
    tries: u32,
    why: Fault,
    /// When it is tried again; `None` while it is.
    due: Option<Tick>,
}

impl Unseen {
    /// A directory was read.
    pub fn read(&mut self, dir: Option<&RemotePath>) {
        if !self.0.is_empty() {
            self.0.remove(&dir.cloned());
        }
    }

    /// A directory could not be read. Answers how often in a row, and how long it waits.
    pub fn failed(
        &mut self,
        dir: Option<RemotePath>,
        why: Fault,
        now: Tick,
        seed: u64,
    ) -> (u32, Ms) {
        let tries = self.0.get(&dir).map_or(1, |before| before.tries.saturating_add(1));
        let wait = ASIDE.delay(tries, &(seed, &dir));
        self.0.insert(dir, Failed { tries, why, due: Some(now + wait) });
        (tries, wait)
    }

    /// Those whose time has come. They are being tried from now on.
    pub fn take_due(&mut self, now: Tick) -> Vec<Option<RemotePath>> {
        let due = self.0.iter_mut().filter(|(_, failed)| failed.due.is_some_and(|due| due <= now));
        due.map(|(dir, failed)| {
            failed.due = None;
            dir.clone()
        })
        .collect()
    }

    /// Nothing is being read any more. Those whose try told nothing, because a scan of everything
    /// began meanwhile, wait again.
    pub fn put_back(&mut self, now: Tick, seed: u64) {
        for (dir, failed) in self.0.iter_mut().filter(|(_, failed)| failed.due.is_none()) {
            failed.due = Some(now + ASIDE.delay(failed.tries, &(seed, dir)));
        }
    }

    /// When the next is tried.
    pub fn due(&self) -> Option<Tick> {
        self.0.values().filter_map(|failed| failed.due).min()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether each was tried so often.
    pub fn all_tried(&self, tries: u32) -> bool {
        self.0.values().all(|failed| failed.tries >= tries)
    }

    /// Each, with why and how often in a row it failed.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&RemotePath>, &Fault, u32)> {
        self.0.iter().map(|(dir, failed)| (dir.as_ref(), &failed.why, failed.tries))
    }

    pub fn print(&self, print: &mut Print) {
        for (dir, Failed { tries, why, due }) in &self.0 {
            print.plain(&(dir, tries, why));
            print.maybe(*due, Print::since);
        }
    }
}
