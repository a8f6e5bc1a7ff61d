//! Files that the server does not let us read (403).
//!
//! One such file is set aside and asked for again like any other that fails, and what lies here
//! stays. Where most of what is known is refused, it is no longer about files: somebody took a
//! right away. Then a person is told, and one file is asked for on behalf of all. If it is
//! given, two are asked for, then four, and so on; so a right that comes back brings everything
//! back, and one that does not costs a request now and then.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;

use super::entry::Hold;
use super::{Files, Standing};
use crate::decision::{Brake, Decision};
use crate::engine::Cx;
use crate::fault::Fault;
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::time::{Ms, Tick};

/// Fewer refused files than this begin no wave.
const FLOOR: u64 = 10;

/// Between two probes that are refused.
const PROBE: Backoff = Backoff { base: Ms::secs(30), cap: Ms::mins(10) };

/// Probes that are not back after this time tell nothing.
const LONGEST: Ms = Ms::mins(3);

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Denied {
    /// All that are set aside with a 403.
    pub(super) paths: BTreeSet<RemotePath>,
    /// Whether a wave is on.
    pub(super) wave: bool,
    /// Whether this run was refused anything. What an earlier one was says little about now.
    pub(super) heard: bool,
    /// Those that are asked for on behalf of all.
    pub(super) probes: BTreeSet<RemotePath>,
    /// The last of the probes before, so that others come next.
    pub(super) last: Option<RemotePath>,
    /// How many are asked for at once.
    pub(super) at_once: usize,
    /// Times in a row that none was given.
    pub(super) tries: u32,
    pub(super) probing: Probing,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Probing {
    /// The next are asked for then.
    Waiting(Tick),
    /// They are asked for, since then. `given`: one of them was read.
    Asked { given: bool, since: Tick },
}

impl Default for Denied {
    fn default() -> Self {
        Self {
            paths: BTreeSet::new(),
            wave: false,
            heard: false,
            probes: BTreeSet::new(),
            last: None,
            at_once: 1,
            tries: 0,
            probing: Probing::Waiting(Tick(0)),
        }
    }
}

impl Denied {
    /// A path has another hold than before.
    pub fn note(&mut self, path: &RemotePath, before: Option<&Hold>, after: Option<&Hold>) {
        match (is_denied(before), is_denied(after)) {
            (false, true) => {
                self.paths.insert(path.clone());
            }
            (true, false) => {
                self.paths.remove(path);
                self.probes.remove(path);
            }
            _ => {}
        }
    }

    /// A path could not be had.
    pub fn failed(&mut self, path: &RemotePath, why: &Fault) {
        if self.probes.remove(path)
            && matches!(why, Fault::NotFound | Fault::Gone)
            && let Probing::Asked { given, .. } = &mut self.probing
        {
            // Whoever may hear that it is not there may read.
            *given = true;
        }
        self.heard |= *why == Fault::Forbidden;
    }

    /// A path was read.
    pub fn was_read(&mut self, path: &RemotePath) {
        if self.probes.remove(path)
            && let Probing::Asked { given, .. } = &mut self.probing
        {
            *given = true;
        }
    }

    /// Whether a path waits for what the probes bring.
    pub fn holds(&self, path: &RemotePath) -> bool {
        self.wave && self.paths.contains(path) && !self.probes.contains(path)
    }

    /// Whether a path waits, and this run knows why.
    pub fn holds_rightly(&self, path: &RemotePath) -> bool {
        self.heard && self.holds(path)
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.paths.len() as u64
    }

    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &RemotePath> {
        self.paths.iter()
    }

    /// When the next probes are due.
    pub fn due(&self) -> Option<Tick> {
        match self.probing {
            Probing::Waiting(at) if self.wave => Some(at),
            Probing::Asked { since, .. } if self.wave => Some(since + LONGEST),
            _ => None,
        }
    }

    /// Whether there is a wave among so many known files. It ends later than it begins, so
    /// that one file more or less does not switch it on and off.
    fn is_wave(&self, known: u64) -> bool {
        let (floor, share) = if self.wave { (FLOOR / 2, 4) } else { (FLOOR, 2) };
        self.len() >= floor && self.len() * share > known
    }

    /// All probes are back: when are the next ones due, and how many?
    fn conclude(&mut self, now: Tick, seed: u64) {
        let Probing::Asked { given, since } = self.probing else { return };
        if !self.probes.is_empty() && now < since + LONGEST {
            return;
        }
        // Something else is to be done with those that are not back: they are no probes.
        self.probes.clear();
        if given {
            self.at_once = (self.at_once * 2).min(self.paths.len()).max(1);
            (self.tries, self.probing) = (0, Probing::Waiting(now));
        } else {
            self.tries = self.tries.saturating_add(1);
            self.at_once = 1;
            self.probing = Probing::Waiting(now + PROBE.delay(self.tries, &seed));
        }
    }

    /// The paths that are asked for next, in turn.
    fn choose(&mut self) -> Vec<RemotePath> {
        let from = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.paths.range::<RemotePath, _>((from, Bound::Unbounded));
        let chosen: Vec<_> = behind.chain(&self.paths).take(self.at_once).cloned().collect();
        self.last = chosen.last().cloned();
        chosen
    }
}

fn is_denied(hold: Option<&Hold>) -> bool {
    matches!(hold, Some(Hold::Aside { why: Fault::Forbidden, .. }))
}

impl Files {
    /// Looks whether a wave begins or ends, and asks for the next probes.
    pub(super) fn tend_wave(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        let wave = self.denied.is_wave(self.len());
        let was = core::mem::replace(&mut self.denied.wave, wave);
        if wave && !was {
            cx.note(Decision::Braked(self.wave()));
            self.denied.at_once = 1;
            self.denied.tries = 1;
            let wait = if self.denied.heard { PROBE.delay(1, &cx.engine.seed) } else { Ms(0) };
            self.denied.probing = Probing::Waiting(now + wait);
        }
        if was && !wave {
            self.denied.probes.clear();
            let paths: Vec<RemotePath> = self.denied.paths.iter().cloned().collect();
            for path in paths {
                self.settle(cx, &path);
            }
        }
        if wave && !self.stopping {
            self.denied.conclude(now, cx.engine.seed);
            if matches!(self.denied.probing, Probing::Waiting(due) if due <= now) {
                self.probe(cx);
            }
        }
    }

    fn probe(&mut self, cx: &mut Cx<'_>) {
        self.denied.probing = Probing::Asked { given: false, since: cx.now.tick };
        for path in self.denied.choose() {
            self.leave_sets(&path);
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.due = None;
            }
            self.denied.probes.insert(path.clone());
            self.settle(cx, &path);
            // The plan may want something else with it by now.
            if self.slots.get(&path).is_none_or(|slot| slot.standing != Standing::Working) {
                self.denied.probes.remove(&path);
            }
        }
    }

    fn wave(&self) -> Brake {
        Brake::Forbidden { files: self.denied.len(), known: self.len() }
    }

    /// The brake on reading, if it is on.
    fn read_brake(&self) -> Option<Brake> {
        self.denied.wave.then(|| self.wave())
    }

    /// The brakes of this table that are on.
    pub fn brakes(&self) -> impl Iterator<Item = Brake> {
        let both = self.delete_brake().into_iter().chain(self.read_brake());
        both.chain(self.unlink_brake())
    }
}
