//! Which faults there are in a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use landfall_core::canon::Canon;

use super::{Address, FaultKind, spread};

/// Intensities are in parts per million.
pub const PPM: u32 = 1_000_000;

/// How a plan was made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Mode {
    /// Nothing goes wrong.
    Clean,
    /// Every kind, at its usual intensity.
    AllOn,
    /// A random subset of the kinds, each at a random intensity.
    Swarm,
    /// Kinds that somebody named.
    Chosen,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clean => "clean",
            Self::AllOn => "all-on",
            Self::Swarm => "swarm",
            Self::Chosen => "chosen",
        })
    }
}

/// Which faults there are in a run. A value: the same plan decides the same.
///
/// It keeps no record of what fired: that belongs to whoever carries the faults out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FaultPlan {
    seed: u64,
    mode: Mode,
    intensity: BTreeMap<FaultKind, u32>,
    removed: BTreeSet<Address>,
}

impl FaultPlan {
    /// Nothing goes wrong.
    pub fn clean(seed: u64) -> Self {
        Self { seed, mode: Mode::Clean, intensity: BTreeMap::new(), removed: BTreeSet::new() }
    }

    /// Every kind, at its usual intensity.
    pub fn all_on(seed: u64) -> Self {
        let all = FaultKind::ALL.iter();
        Self {
            mode: Mode::AllOn,
            intensity: all.map(|kind| (*kind, kind.usual())).collect(),
            ..Self::clean(seed)
        }
    }

    /// A random subset of the kinds: each is in with one chance in two, at an intensity
    /// between a sixteenth and eight times the usual, each doubling as likely as the others.
    ///
    /// A subset finds what the whole hides: a fault that always comes first keeps the others
    /// from ever being reached.
    pub fn swarm(seed: u64) -> Self {
        let mut plan = Self { mode: Mode::Swarm, ..Self::clean(seed) };
        for kind in FaultKind::ALL {
            let roll = Canon::of(&(seed, "swarm", kind.name()));
            if roll.is_multiple_of(2) {
                continue;
            }
            let usual = u64::from(kind.usual());
            let scaled = (usual << ((roll >> 8) % 8)) >> 4;
            let fine = spread(Canon::of(&roll), scaled..=scaled.saturating_mul(2));
            plan.set(*kind, fine.clamp(1, u64::from(PPM)) as u32);
        }
        plan
    }

    /// The mix of a hunt: of sixteen seeds one clean, three all-on, twelve swarm.
    pub fn from_seed(seed: u64) -> Self {
        match Canon::of(&(seed, "mode")) % 16 {
            0 => Self::clean(seed),
            1..=3 => Self::all_on(seed),
            _ => Self::swarm(seed),
        }
    }

    /// What every decision is derived from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How it was made.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How often a kind fires, in parts per million of its chances.
    pub fn intensity(&self, kind: FaultKind) -> u32 {
        self.intensity.get(&kind).copied().unwrap_or(0)
    }

    /// The kinds that can fire.
    pub fn kinds(&self) -> impl Iterator<Item = FaultKind> + '_ {
        self.intensity.keys().copied()
    }

    /// Sets how often a kind fires, in parts per million; 0 takes it out.
    pub fn set(&mut self, kind: FaultKind, ppm: u32) {
        if ppm == 0 {
            self.intensity.remove(&kind);
        } else {
            self.intensity.insert(kind, ppm.min(PPM));
        }
    }

    /// Only these kinds. One that the plan did not have comes in at its usual intensity:
    /// who names a fault wants to see it.
    pub fn only(mut self, kinds: &[FaultKind]) -> Self {
        self.mode = Mode::Chosen;
        self.intensity.retain(|kind, _| kinds.contains(kind));
        for kind in kinds {
            self.intensity.entry(*kind).or_insert(kind.usual());
        }
        self
    }

    /// Without these kinds.
    pub fn without(mut self, kinds: &[FaultKind]) -> Self {
        self.intensity.retain(|kind, _| !kinds.contains(kind));
        self
    }

    /// Without what would fire at this address. Nothing else changes.
    pub fn remove(&mut self, address: Address) {
        self.removed.insert(address);
    }

    /// Takes a removal back.
    pub fn restore(&mut self, address: Address) {
        self.removed.remove(&address);
    }

    /// What was removed.
    pub fn removed(&self) -> &BTreeSet<Address> {
        &self.removed
    }

    /// Whether this kind hits this thing at this attempt, and under which address.
    pub fn fires(&self, kind: FaultKind, entity: &str, attempt: u64) -> Option<Address> {
        let ppm = self.intensity(kind);
        if ppm == 0 {
            return None;
        }
        let address = Address::new(self.seed, kind, entity, attempt);
        let roll = spread(Canon::of(&address.hash), 0..=u64::from(PPM) - 1);
        (roll < u64::from(ppm) && !self.removed.contains(&address)).then_some(address)
    }

    /// A number that belongs to this address, within bounds.
    /// See [`Address::amount`] for more than one.
    pub fn amount(&self, address: Address, bounds: std::ops::RangeInclusive<u64>) -> u64 {
        address.amount(0, bounds)
    }
}

/// All derived options: the seed, the mode and every intensity, in per cent.
impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults: seed {}, {}", self.seed, self.mode)?;
        for (kind, ppm) in &self.intensity {
            write!(f, ", {kind} {}.{:04} %", ppm / 10_000, ppm % 10_000)?;
        }
        if self.intensity.is_empty() {
            f.write_str(", none")?;
        }
        if !self.removed.is_empty() {
            write!(f, ", {} removed", self.removed.len())?;
        }
        Ok(())
    }
}
