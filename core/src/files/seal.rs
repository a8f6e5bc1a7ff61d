//! Seals: what makes a placed file survive a power cut.
//!
//! Placing is temp, exchange, and a row that says which seal will cover it. A seal is one
//! `syncfs` for everything that was placed before it: at most every 2 s, or after 5,000 files,
//! and at shutdown. Seals are numbered, and a row is sealed when its number is not over that
//! of the last seal taken; so sealing five thousand rows writes none of them again.
//!
//! The feed position and "complete" are committed only after the seal that covers them. That
//! the file is there for its reader does not wait.

use crate::fingerprint::Print;
use crate::time::{Ms, Tick};

/// Longest time between a placement and its seal, while the disk is well.
pub const SEAL_EVERY: Ms = Ms::secs(2);

/// Placements after which a seal is taken at once.
pub const SEAL_FILES: u64 = 5_000;

/// The seal of a file that was not sealed when the power was cut: none covers it before it was
/// looked at, however often the process starts until then.
pub const NEVER: u64 = u64::MAX;

/// More seals than a run takes in a century.
const GAP: u64 = 1 << 32;

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Seals {
    sealed: u64,
    /// The seal that the next placement waits for.
    open: u64,
    dirty: u64,
    due: Option<Tick>,
    in_flight: bool,
}

impl Seals {
    /// A stored row waits for this seal.
    pub fn loaded(&mut self, seal: u64) {
        if seal != NEVER {
            self.open = self.open.max(seal);
        }
    }

    /// The last seal taken by an earlier run. Numbers go on after all that rows mention, and if
    /// `gap`, also after all that rows may mention that can not be read.
    pub fn start(&mut self, sealed: u64, gap: bool) {
        self.sealed = sealed;
        self.dirty = u64::from(self.open > sealed);
        self.open = self.open.max(sealed) + if gap { GAP } else { 1 };
        self.due = (self.dirty > 0).then_some(Tick(0));
    }

    /// The seal that covers what is placed next.
    pub fn next(&self) -> u64 {
        self.open
    }

    /// Something was placed, removed or adopted. Answers the seal that will cover it.
    pub fn touch(&mut self, now: Tick) -> u64 {
        self.dirty += 1;
        let soonest = if self.dirty >= SEAL_FILES { now } else { now + SEAL_EVERY };
        self.due = Some(self.due.map_or(soonest, |due| due.min(soonest)));
        self.open
    }

    /// A seal is wanted now.
    pub fn want(&mut self, now: Tick) {
        self.dirty = self.dirty.max(1);
        self.due = Some(now);
    }

    /// A seal is wanted soon, also when nothing was placed: something else waits behind it.
    pub fn want_soon(&mut self, now: Tick) {
        self.touch(now);
    }

    /// The number of the seal to take now, if one is due. Later placements wait for the next.
    pub fn begin(&mut self, now: Tick) -> Option<u64> {
        if self.in_flight || self.due.is_none_or(|due| due > now) {
            return None;
        }
        let number = self.open;
        self.open += 1;
        self.dirty = 0;
        self.due = None;
        self.in_flight = true;
        Some(number)
    }

    /// The seal was taken.
    pub fn taken(&mut self, number: u64) {
        self.sealed = self.sealed.max(number);
        self.in_flight = false;
    }

    /// The seal failed. What it should have covered waits for the next.
    pub fn failed(&mut self, now: Tick) {
        self.in_flight = false;
        self.dirty += 1;
        self.due = Some(now + SEAL_EVERY);
    }

    /// When the next one is to be taken.
    pub fn due(&self) -> Option<Tick> {
        self.due.filter(|_| !self.in_flight)
    }

    /// The last seal taken.
    pub fn sealed(&self) -> u64 {
        self.sealed
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(crate) fn print(&self, print: &mut Print) {
        let Self { sealed, open, dirty, due, in_flight } = self;
        // How many placements wait matters only where many do.
        let many = dirty.saturating_sub(SEAL_FILES - 64);
        print.plain(&(open - sealed, *dirty > 0, many, in_flight));
        print.maybe(*due, Print::until);
    }

    /// Whether everything is sealed.
    pub fn is_clean(&self) -> bool {
        self.dirty == 0 && !self.in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_placed_while_a_seal_is_taken_waits_for_the_next() {
        let mut seals = Seals::default();
        seals.start(0, false);
        assert_eq!(seals.touch(Tick(0)), 1);
        assert_eq!(seals.begin(Tick(1_999)), None);
        assert_eq!(seals.begin(Tick(2_000)), Some(1));
        assert_eq!(seals.touch(Tick(2_001)), 2);
        assert_eq!(seals.begin(Tick(9_000)), None, "one at a time");
        seals.taken(1);
        assert_eq!((seals.sealed(), seals.is_clean()), (1, false));
        assert_eq!(seals.begin(Tick(9_000)), Some(2));
    }

    #[test]
    fn five_thousand_files_do_not_wait() {
        let mut seals = Seals::default();
        seals.start(0, false);
        (0..SEAL_FILES).for_each(|_| {
            seals.touch(Tick(0));
        });
        assert_eq!(seals.due(), Some(Tick(0)));
    }

    #[test]
    fn numbers_go_on_after_those_of_rows_that_were_never_sealed() {
        let mut seals = Seals::default();
        seals.loaded(7);
        seals.start(5, false);
        assert_eq!(seals.begin(Tick(0)), Some(8), "it covers 6 and 7 too");
    }
}
