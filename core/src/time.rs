//! Time as a parameter. Nothing in this crate can read a clock.

use core::fmt;
use core::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A length of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Ms(pub u64);

impl Ms {
    /// `n` seconds.
    pub const fn secs(n: u64) -> Self {
        Self(n * 1000)
    }

    /// `n` minutes.
    pub const fn mins(n: u64) -> Self {
        Self::secs(n * 60)
    }

    /// `n` hours.
    pub const fn hours(n: u64) -> Self {
        Self::mins(n * 60)
    }
}

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1000 => write!(f, "{ms} ms"),
            ms if ms < 60_000 && ms % 1000 == 0 => write!(f, "{} s", ms / 1000),
            ms if ms < 60_000 => write!(f, "{}.{} s", ms / 1000, ms % 1000 / 100),
            ms if ms % 60_000 < 1000 => write!(f, "{} min", ms / 60_000),
            ms => write!(f, "{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        }
    }
}

/// An instant on a clock that only goes forward and counts sleep, in milliseconds.
///
/// The zero is arbitrary (boot, or the start of a simulation), so a tick is never stored.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Add<Ms> for Tick {
    type Output = Tick;
    fn add(self, d: Ms) -> Tick {
        Tick(self.0.saturating_add(d.0))
    }
}

impl Sub for Tick {
    type Output = Ms;
    /// The time since `earlier`; zero if `earlier` is in fact later.
    fn sub(self, earlier: Tick) -> Ms {
        Ms(self.0.saturating_sub(earlier.0))
    }
}

/// Wall time in milliseconds since 1970-01-01 UTC. It may jump both ways, so nothing is
/// ordered by it; it is shown to people and stored beside durations.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Wall(pub u64);

/// What time it is, on both clocks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Now {
    /// For everything that is measured.
    pub tick: Tick,
    /// For people and for rows.
    pub wall: Wall,
}

impl Now {
    /// What the wall clock will show at `tick`, if nobody sets it; now, if that is over.
    pub fn wall_at(self, tick: Tick) -> Wall {
        Wall(self.wall.0.saturating_add((tick - self.tick).0))
    }
}

/// A deadline that survives a restart: set at a wall time, for a duration.
///
/// When it is read back, what is left is clamped to `[0, length]`. A clock that jumped can
/// make it due early or start it over once; it can not make it wait for years.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct StoredDeadline {
    /// When it was set.
    pub set: Wall,
    /// How long it was to last.
    pub length: Ms,
}

impl StoredDeadline {
    /// The tick at which it is due.
    pub fn due(self, now: Now) -> Tick {
        let gone = now.wall.0.saturating_sub(self.set.0);
        now.tick + Ms(self.length.0.saturating_sub(gone))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: u64) -> Now {
        Now { tick: Tick(500), wall: Wall(wall) }
    }

    #[test]
    fn a_stored_deadline_keeps_what_is_left_of_it() {
        let d = StoredDeadline { set: Wall(10_000), length: Ms(3_000) };
        assert_eq!(d.due(now(11_000)), Tick(2_500));
    }

    #[test]
    fn a_clock_that_jumps_forward_makes_it_due_now() {
        let d = StoredDeadline { set: Wall(10_000), length: Ms(3_000) };
        assert_eq!(d.due(now(9_999_999)), Tick(500));
    }

    #[test]
    fn a_clock_that_jumps_back_starts_it_over_at_most() {
        let d = StoredDeadline { set: Wall(10_000), length: Ms(3_000) };
        assert_eq!(d.due(now(0)), Tick(3_500));
    }
}
