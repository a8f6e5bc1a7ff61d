//! Which faults there are, and the plan that says where they strike.
//!
//! A fault is decided by its address alone: `hash(seed, kind, entity, attempt)`. Taking one
//! away leaves all others where they were, which is what lets a failing run be shrunk.
//!
//! # Bounds
//!
//! A fault that nobody could recover from proves nothing, so the world keeps to these:
//!
//! - A stale listing or export is never older than the last feed position that was handed out
//!   before it. An older one can not be told from the truth without an audit.
//! - A file that exists is answered with 404, when it is asked for by its name, only within
//!   four minutes of its last change. Listings may lie; reads may fail, or lag for 100 s.
//! - A listing or an export hides a file that no row of the machine knows to be there only from a server
//!   that always says the true count, and only together with more than ten others, so that
//!   files made meanwhile do not make up for it. Where the machine has rows of all files, a
//!   lie may also come with a count that fits it, or with none.
//! - The other client deletes more than a third of the files only in a mass delete or by moving
//!   a directory. After these a person looks at the status, and takes the brake on deletes off.
//! - Files that may not be read are hidden from listings only where the machine has a row of
//!   them: no event tells that a file may be read again, so an unknown one would need an audit.
//! - Names that differ only in case are one on some disks. There the adapter refuses the second.
//! - What is stored durably stays: rows are never damaged, sealed files are never torn.
//! - A person's editor forces what it saves to the disk.
//! - Once the world is healed nothing fails any more, and a process that ended is started.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

mod kind;
mod storyline;

pub use kind::{KINDS, Kind};
pub use storyline::{Scene, Stage, Storyline, When};

/// Where a fault strikes. In files and on the command line it is written `kind:entity:attempt`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    /// What.
    pub kind: Kind,
    /// Whom: a hash of the request, the operation, the path or the time.
    pub entity: u32,
    /// Which time.
    pub attempt: u32,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:08x}:{}", self.kind, self.entity, self.attempt)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bad = || AddressError(text.to_owned());
        let mut parts = text.split(':');
        let (Some(kind), Some(entity), Some(attempt), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            kind: kind.parse()?,
            entity: u32::from_str_radix(entity, 16).map_err(|_| bad())?,
            attempt: attempt.parse().map_err(|_| bad())?,
        })
    }
}

/// A word that names no fault.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` names no fault; write a kind such as `cut-body`, or an address as a run prints it")]
pub struct AddressError(pub(super) String);

/// Where faults strike in one run.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    /// Parts per million, by kind.
    rates: [u32; KINDS],
    /// Addresses that do not strike although they would.
    removed: BTreeSet<Address>,
    /// If there is such a set, only its addresses strike.
    kept: Option<BTreeSet<Address>>,
    healed: bool,
    /// The effects at which a kill could have struck, if they are to be known.
    pub asked: Option<Vec<(u32, u32)>>,
    /// When what a storyline stages may strike.
    pub stage: Stage,
    /// Kinds that do not heal: a planted failure.
    unhealed: [bool; KINDS],
    struck: BTreeSet<Address>,
    fired: Vec<Address>,
    counts: [u64; KINDS],
}

impl Plan {
    /// A plan in which each kind strikes at `rates` parts per million of its addresses.
    pub fn new(seed: u64, rates: [u32; KINDS]) -> Self {
        Self {
            seed,
            rates,
            removed: BTreeSet::new(),
            kept: None,
            healed: false,
            asked: None,
            stage: Stage::new(Vec::new()),
            unhealed: [false; KINDS],
            struck: BTreeSet::new(),
            fired: Vec::new(),
            counts: [0; KINDS],
        }
    }

    /// Takes addresses away.
    pub fn remove(&mut self, addresses: impl IntoIterator<Item = Address>) {
        self.removed.extend(addresses);
    }

    /// These strike, whatever their rates, and no others.
    pub fn keep(&mut self, addresses: impl IntoIterator<Item = Address>) {
        let kept: BTreeSet<Address> = addresses.into_iter().collect();
        for kind in Kind::ALL {
            let any = kept.iter().any(|address| address.kind == *kind);
            self.rates[*kind as usize] = if any { 1_000_000 } else { 0 };
        }
        self.kept = Some(kept);
    }

    /// What was not decided yet is decided anew: other faults strike, as often as these rates
    /// say.
    pub fn decide_anew(&mut self, salt: u64, rates: [u32; KINDS]) {
        self.seed = mix(self.seed ^ mix(salt));
        self.rates = rates;
        self.kept = None;
    }

    /// From now on nothing strikes.
    pub fn heal(&mut self) {
        self.healed = true;
    }

    /// These kinds strike on when the world is healed.
    pub fn never_heal(&mut self, kinds: &[Kind]) {
        kinds.iter().for_each(|kind| self.unhealed[*kind as usize] = true);
    }

    fn is_healed(&self, kind: Kind) -> bool {
        self.healed && !self.unhealed[kind as usize]
    }

    /// Whether a fault strikes here. If so, some bits that depend on the address alone, to
    /// choose its severity by.
    #[inline]
    pub fn strikes(&mut self, kind: Kind, entity: u32, attempt: u32) -> Option<u64> {
        if !self.is_on(kind) {
            return None;
        }
        let bits = self.bits(kind.salt(), entity, attempt);
        let address = Address { kind, entity, attempt };
        let drawn = match &self.kept {
            Some(kept) => kept.contains(&address),
            None => bits % 1_000_000 < u64::from(self.rates[kind as usize]),
        };
        if !drawn || self.removed.contains(&address) {
            return None;
        }
        // An address that is asked about often, such as a poisoned file, is one fault.
        if self.struck.insert(address) {
            self.fired.push(address);
            self.counts[kind as usize] += 1;
        }
        Some(mix(bits ^ 0x5eed))
    }

    /// Whether this kind can strike at all.
    #[inline]
    pub fn is_on(&self, kind: Kind) -> bool {
        self.rates[kind as usize] > 0 && !self.is_healed(kind) && self.stage.allows(kind)
    }

    /// Bits for a choice that is not a fault, such as a latency.
    #[inline]
    pub fn bits(&self, what: u64, entity: u32, attempt: u32) -> u64 {
        mix(mix(self.seed ^ what.rotate_left(40)) ^ (u64::from(entity) << 32 | u64::from(attempt)))
    }

    /// What struck so far, in order.
    pub fn fired(&self) -> &[Address] {
        &self.fired
    }

    /// How often each kind struck.
    pub fn counts(&self) -> &[u64; KINDS] {
        &self.counts
    }
}

/// SplitMix64: one step of a well-mixed function.
#[inline]
pub fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_one_fault_away_leaves_the_others() {
        let rates = [500_000; KINDS];
        let all = |plan: &mut Plan| -> Vec<Address> {
            for n in 0..200 {
                plan.strikes(Kind::CutBody, n, 0);
            }
            plan.fired().to_vec()
        };
        let before = all(&mut Plan::new(7, rates));
        let mut fewer = Plan::new(7, rates);
        fewer.remove([before[3]]);
        let after = all(&mut fewer);
        assert_eq!(after.len(), before.len() - 1);
        assert!(after.iter().all(|address| before.contains(address)));
        let mut one = Plan::new(7, rates);
        one.keep([before[3]]);
        assert_eq!(all(&mut one), [before[3]]);
    }

    #[test]
    fn an_address_is_written_and_read() {
        let address = Address { kind: Kind::KillDuring, entity: 0xbeef, attempt: 3 };
        assert_eq!(address.to_string(), "kill-during:0000beef:3");
        assert_eq!(address.to_string().parse(), Ok(address));
        assert!("kill-during".parse::<Address>().is_err());
    }

    #[test]
    fn a_healed_world_has_no_faults() {
        let mut plan = Plan::new(7, [1_000_000; KINDS]);
        plan.heal();
        assert_eq!(plan.strikes(Kind::CutBody, 1, 1), None);
    }
}
