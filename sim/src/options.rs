//! What one seed stands for. Everything that is derived from it can be printed.

use std::fmt;

use clap::ValueEnum;
use landfall_core::files::plan::SyncMode;
use landfall_core::time::Ms;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::faults::{KINDS, Kind, Scene, Storyline, mix};
use crate::workload::Workload;

/// How hard a run is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No faults: what fails here fails for everybody.
    Clean,
    /// Every fault at its usual rate.
    AllOn,
    /// A random half of the faults at random rates. Faults that are off can not hide what
    /// others bring about: a kill repairs a leak.
    Swarm,
    /// Faults of a few kinds at chosen moments.
    Storyline(Storyline),
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Ways {
    /// From the server.
    One,
    /// What is written here goes to the server, too.
    Both,
    /// To the server only: what others write there stays there.
    Out,
}

/// Everything that is derived from a seed. In files all times are milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The seed.
    pub seed: u64,
    /// How hard.
    pub mode: Mode,
    /// Files at the start.
    pub files: u32,
    /// Whether the other client edits.
    pub edits: bool,
    /// How long faults strike.
    pub chaos: Ms,
    /// How long the healed world has to converge.
    pub healed: Ms,
    /// Between two edits of the other client, on average.
    pub edit_every: Ms,
    /// Entries in a listing page.
    pub page: u32,
    /// Whether the server has `fs/bulk-read`.
    pub bulk: bool,
    /// Whether the server says how many files there are.
    pub totals: bool,
    /// Whether the server says hashes in listings and events.
    pub hashes: bool,
    /// Whether the server says what became of the writes that it accepted.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// Whether names that differ only in case are one on the disk.
    pub folding: bool,
    /// Requests at once.
    pub concurrency: u32,
    /// Requests in a second.
    pub per_second: u32,
    /// Longest usual latency.
    pub latency: Ms,
    /// Whether what is written here goes to the server.
    #[serde(default)]
    pub two_way: bool,
    /// Whether nothing comes from the server then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub write_only: bool,
    /// Parts per million, by kind. A scenario names the very faults instead.
    #[serde(skip, default = "no_rates")]
    pub rates: [u32; KINDS],
    /// What the other client does, if it is spelled out and not drawn from the seed.
    pub workload: Option<Workload>,
}

impl Options {
    /// Expands a seed.
    pub fn derive(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mode = match rng.random_range(0..100_i32) {
            // A tenth is clean, a tenth is a storyline, three tenths have all on.
            0..10 => Mode::Clean,
            12..42 => Mode::AllOn,
            45..95 => Mode::Swarm,
            n => Mode::Storyline(storyline(mix(seed) ^ n as u64)),
        };
        let mut rates = [0; KINDS];
        let kills = rng.random_bool(0.5);
        for kind in Kind::ALL {
            // Drawn by its name, so that no other kind's draw moves it.
            let mut rng = ChaCha8Rng::seed_from_u64(mix(seed ^ kind.salt()));
            let on = rng.random_bool(0.5);
            let power = rng.random_range(-1.0..1.0f64);
            let is_kill = matches!(
                kind,
                Kind::KillBefore | Kind::KillDuring | Kind::KillAfter | Kind::PowerCut | Kind::Term
            );
            rates[*kind as usize] = match mode {
                // Somebody has to work, or there is nothing to send.
                Mode::Clean if *kind == Kind::PersonWorks => kind.usual(),
                Mode::Clean => 0,
                Mode::AllOn => kind.usual(),
                Mode::Swarm if !on || (is_kill && !kills) => 0,
                Mode::Swarm => scaled(kind.usual(), power),
                // Half of the storylines are told in a world that is bad anyway.
                Mode::Storyline(_) if is_bad_anyway(seed) => kind.usual(),
                Mode::Storyline(_) => 0,
            };
        }
        let chaos = Ms::hours(2);
        if let Mode::Storyline(storyline) = mode {
            for (kind, rate) in storyline.background() {
                rates[*kind as usize] = *rate;
            }
            for scene in storyline.scenes(seed, chaos) {
                rates[scene.kind as usize] = scene.rate;
            }
        }
        Self {
            seed,
            mode,
            files: 40,
            edits: true,
            chaos,
            healed: Ms::mins(45),
            edit_every: Ms(rng.random_range(12_000..36_000)),
            page: rng.random_range(3..50),
            bulk: rng.random_bool(0.5),
            totals: rng.random_bool(0.8),
            hashes: rng.random_bool(0.8),
            // Drawn by themselves, so that they move nothing else.
            receipts: !mix(seed ^ 0x4ec3).is_multiple_of(8),
            folding: mix(seed ^ 0xf01d).is_multiple_of(4),
            concurrency: rng.random_range(1..17),
            per_second: *pick(&mut rng, &[5, 20, 100, 2_000]),
            latency: Ms(*pick(&mut rng, &[5, 30, 200, 800])),
            two_way: is_two_way(seed),
            write_only: is_two_way(seed) && mix(seed ^ 0x0417).is_multiple_of(8),
            rates,
            workload: None,
        }
    }

    /// Makes bytes go these ways.
    pub fn go(&mut self, ways: Ways) {
        self.two_way = ways != Ways::One;
        self.write_only = ways == Ways::Out;
    }

    /// The mode of the mirror.
    pub fn sync_mode(&self) -> SyncMode {
        match (self.two_way, self.write_only) {
            (false, _) => SyncMode::PullOnly,
            (true, false) => SyncMode::Mirror,
            (true, true) => SyncMode::WriteOnly,
        }
    }

    /// When what the storyline stages may strike.
    pub fn scenes(&self) -> Vec<Scene> {
        match self.mode {
            Mode::Storyline(storyline) => storyline.scenes(self.seed, self.chaos),
            _ => Vec::new(),
        }
    }

    /// Switches off every kind but these.
    pub fn only(&mut self, kinds: &[Kind]) {
        for kind in Kind::ALL {
            let rate = &mut self.rates[*kind as usize];
            if !kinds.contains(kind) {
                *rate = 0;
            } else if *rate == 0 {
                *rate = kind.usual();
            }
        }
    }

    /// Ten minutes of edits without a fault, then three days in which nothing happens.
    pub fn idle(&mut self) {
        self.rates = [0; KINDS];
        self.chaos = Ms::mins(10);
        self.healed = Ms::hours(72);
    }

    /// Switches these kinds off.
    pub fn without(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            self.rates[*kind as usize] = 0;
        }
    }
}

/// Half of the runs. Drawn by itself, so that it moves nothing else.
fn is_two_way(seed: u64) -> bool {
    mix(seed ^ 0x2a11) & 1 == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(is: &bool) -> bool {
    !is
}

fn yes() -> bool {
    true
}

fn no_rates() -> [u32; KINDS] {
    [0; KINDS]
}

fn storyline(bits: u64) -> Storyline {
    let all = Storyline::ALL;
    all[(mix(bits ^ 0x5707) % all.len() as u64) as usize]
}

/// Whether the rest of the world is bad, too.
fn is_bad_anyway(seed: u64) -> bool {
    mix(seed ^ 0xbad) & 1 == 0
}

/// Ten times as seldom to ten times as often, evenly in the logarithm.
fn scaled(usual: u32, power: f64) -> u32 {
    // Integer thousandths, so that no library's `powf` decides over a seed.
    let steps = (power * 8.0) as i32;
    let mut rate = u64::from(usual);
    for _ in 0..steps.unsigned_abs() {
        rate = if steps > 0 { rate * 4 / 3 } else { rate * 3 / 4 };
    }
    rate.clamp(1, 600_000) as u32
}

fn pick<'a, T>(rng: &mut ChaCha8Rng, from: &'a [T]) -> &'a T {
    &from[rng.random_range(0..from.len())]
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}: {:?}, {} files, {} of faults and {} healed",
            self.seed, self.mode, self.files, self.chaos, self.healed
        )?;
        writeln!(
            f,
            "  an edit every {}, pages of {}, latency up to {}, {} at once, {} per second",
            self.edit_every, self.page, self.latency, self.concurrency, self.per_second
        )?;
        writeln!(
            f,
            "  bulk reads: {}, totals: {}, hashes: {}, receipts: {}, a disk that folds case: {}, ways: {:?}",
            self.bulk,
            self.totals,
            self.hashes,
            self.receipts,
            self.folding,
            self.sync_mode()
        )?;
        f.write_str("  faults, in parts per million of their addresses:")?;
        let mut none = true;
        for kind in Kind::ALL {
            let rate = self.rates[*kind as usize];
            if rate > 0 {
                none = false;
                write!(f, " {kind}={rate}")?;
            }
        }
        writeln!(f, "{}", if none { " none" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_are_mixed() {
        let count = |mode| (0..1000).filter(|s| Options::derive(*s).mode == mode).count();
        assert!((70..130).contains(&count(Mode::Clean)));
        assert!((250..350).contains(&count(Mode::AllOn)));
        assert!((440..560).contains(&count(Mode::Swarm)));
        for storyline in Storyline::ALL {
            assert!((12..40).contains(&count(Mode::Storyline(*storyline))), "{storyline}");
        }
    }
}
