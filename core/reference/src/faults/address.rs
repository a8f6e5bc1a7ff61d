//! Where a fault is decided.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use landfall_core::canon::Canon;
use thiserror::Error;

use super::FaultKind;

/// The place of one decision: does this kind of fault hit this thing at this attempt?
///
/// Printed as `kind@hash`, which [`FromStr`] reads again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Address {
    /// The kind of fault.
    pub kind: FaultKind,
    /// Hash of seed, kind, entity and attempt.
    pub hash: u64,
}

impl Address {
    /// The address of one decision.
    pub fn new(seed: u64, kind: FaultKind, entity: &str, attempt: u64) -> Self {
        // The name and not the place in the enum: a new kind must not move the others.
        Self { kind, hash: Canon::of(&(seed, kind.name(), entity, attempt)) }
    }

    /// A number that belongs to this address and to nothing else, evenly spread over `bounds`.
    /// Asked with another `salt`, it gives another number.
    pub fn amount(self, salt: u64, bounds: RangeInclusive<u64>) -> u64 {
        spread(Canon::of(&(self.hash, salt)), bounds)
    }

    /// Like [`amount`](Self::amount), but small values are as likely as large ones: each
    /// doubling has the same chance. For delays.
    pub fn log_amount(self, salt: u64, bounds: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*bounds.start(), (*bounds.end()).max(*bounds.start()));
        let roll = Canon::of(&(self.hash, salt, "log"));
        let doublings = u64::from(high.checked_div(low.max(1)).unwrap_or(1).max(1).ilog2());
        let shift = roll % (doublings + 1);
        let bottom = low.max(1).checked_shl(shift as u32).unwrap_or(high);
        let top = bottom.saturating_mul(2).min(high).max(bottom.min(high));
        spread(Canon::of(&roll), bottom.min(high)..=top)
    }

    /// One of several things.
    ///
    /// # Panics
    /// If there is nothing to pick from.
    pub fn pick<T: Copy>(self, salt: u64, from: &[T]) -> T {
        from[self.amount(salt, 0..=from.len() as u64 - 1) as usize]
    }
}

/// Maps a hash to a number within bounds.
pub fn spread(hash: u64, bounds: RangeInclusive<u64>) -> u64 {
    let (low, high) = (*bounds.start(), (*bounds.end()).max(*bounds.start()));
    let width = u128::from(high - low) + 1;
    low + ((u128::from(hash) * width) >> 64) as u64
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:016x}", self.kind, self.hash)
    }
}

/// A text that is no address.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not the address of a fault; one looks like kill@00c0ffee00c0ffee")]
pub struct AddressError(pub String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parse = || {
            let (kind, hash) = text.split_once('@')?;
            Some(Self { kind: kind.parse().ok()?, hash: u64::from_str_radix(hash, 16).ok()? })
        };
        parse().ok_or_else(|| AddressError(text.to_owned()))
    }
}
