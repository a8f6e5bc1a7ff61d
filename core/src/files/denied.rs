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

use super::Files;
use super::entry::Hold;
use crate::decision::{Brake, Decision};
use crate::engine::Cx;
use crate::fault::Fault;
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::time::{Ms, Tick};

/// Fewer refused files than this are no wave.
const FLOOR: u64 = 10;

/// Between two probes that are refused.
const PROBE: Backoff = Backoff { base: Ms::secs(30), cap: Ms::mins(10) };

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Denied {
    /// All that are set aside with a 403.
    pub(super) paths: BTreeSet<RemotePath>,
    /// Whether they are most of what is known.
    pub(super) wave: bool,
    /// Those that are asked for on behalf of all.
    pub(super) probes: BTreeSet<RemotePath>,
    /// The last of the probes before, so that others come next.
    pub(super) last: Option<RemotePath>,
    /// Whether they were asked for, and nothing was concluded from the answers yet.
    pub(super) asked: bool,
    /// Whether one of them was given.
    pub(super) given: bool,
    /// How many are asked for at once.
    pub(super) at_once: usize,
    /// Probes in a row that were refused.
    pub(super) tries: u32,
    /// When the next ones are asked for.
    pub(super) next: Tick,
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
                self.given |= self.probes.remove(path);
            }
            _ => {}
        }
    }

    /// A path was refused again.
    pub fn refused(&mut self, path: &RemotePath) {
        self.probes.remove(path);
    }

    /// Whether a path waits for what the probes bring.
    pub fn holds(&self, path: &RemotePath) -> bool {
        self.wave && self.paths.contains(path) && !self.probes.contains(path)
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.paths.len() as u64
    }

    /// All of them.
    pub fn paths(&self) -> impl Iterator<Item = &RemotePath> {
        self.paths.iter()
    }

    /// When the next probe is due.
    pub fn due(&self) -> Option<Tick> {
        (self.wave && self.probes.is_empty()).then_some(self.next)
    }

    /// The paths that are asked for next, in turn.
    fn choose(&mut self) -> Vec<RemotePath> {
        let from = self.last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.paths.range::<RemotePath, _>((from, Bound::Unbounded));
        let chosen: Vec<_> = behind.chain(&self.paths).take(self.at_once).cloned().collect();
        self.last = chosen.last().cloned();
        self.probes.extend(chosen.iter().cloned());
        chosen
    }
}

fn is_denied(hold: Option<&Hold>) -> bool {
    matches!(hold, Some(Hold::Aside { why: Fault::Forbidden, .. }))
}

impl Files {
    /// Looks whether a wave begins or ends, and asks for the next probes.
    pub(super) fn tend_wave(&mut self, cx: &mut Cx<'_>) {
        let wave = self.denied.len() >= FLOOR && self.denied.len() * 2 > self.len();
        let was = core::mem::replace(&mut self.denied.wave, wave);
        if wave && !was {
            cx.note(Decision::Braked(self.wave()));
            (self.denied.asked, self.denied.given) = (true, false);
        }
        if was && !wave {
            self.denied.probes.clear();
            let paths: Vec<RemotePath> = self.denied.paths.iter().cloned().collect();
            for path in paths {
                self.settle(cx, &path);
            }
        }
        if wave && self.denied.probes.is_empty() {
            self.probe(cx);
        }
    }

    fn probe(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.tick;
        let denied = &mut self.denied;
        if core::mem::take(&mut denied.asked) {
            if core::mem::take(&mut denied.given) {
                (denied.at_once, denied.tries, denied.next) = (denied.at_once * 2, 0, now);
            } else {
                denied.tries = denied.tries.saturating_add(1);
                denied.at_once = 1;
                denied.next = now + PROBE.delay(denied.tries, &cx.engine.seed);
            }
        }
        if denied.next > now || self.stopping {
            return;
        }
        denied.asked = true;
        for path in denied.choose() {
            if let Some(slot) = self.slots.get_mut(&path) {
                slot.due = None;
            }
            self.settle(cx, &path);
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
        self.delete_brake().into_iter().chain(self.read_brake())
    }
}
