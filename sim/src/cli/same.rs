//! `--hashes` and `--against`.

use std::ops::Range;

use landfall_sim::same::{SameError, against, hash_of_all, hashes, steps};
use landfall_sim::world::Planted;

/// Determinism.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Determinism")]
pub struct Same {
    /// Print the hash of each seed's run, and one over all of them.
    #[arg(long, value_name = "A..B", value_parser = super::range, conflicts_with_all = ["seed", "seeds"])]
    hashes: Option<Range<u64>>,
    /// Compare with another `sim`, such as target/debug/sim, and name the first step that differs.
    #[arg(long, value_name = "PROGRAM", requires = "hashes")]
    against: Option<String>,
    /// Print the hash after each step of one seed: `--against` asks for it.
    #[arg(long, value_name = "N", hide = true)]
    steps_of: Option<u64>,
}

impl Same {
    /// Whether any of it is wanted.
    pub fn is_wanted(&self) -> bool {
        self.hashes.is_some() || self.steps_of.is_some()
    }

    /// Does it. Answers the exit code.
    pub fn run(&self, planted: Planted, quiet: bool) -> u8 {
        if let Some(seed) = self.steps_of {
            for (step, hash) in steps(seed, planted).into_iter().enumerate() {
                println!("hash of step {}: {hash:016x}", step + 1);
            }
            return 0;
        }
        let Some(seeds) = self.hashes.clone() else { return 2 };
        let all = hashes(seeds.clone(), planted);
        if !quiet && self.against.is_none() {
            for (seed, hash) in seeds.clone().zip(&all) {
                println!("hash of seed {seed}: {hash:016x}");
            }
        }
        println!("{} seeds, all together {:016x}", all.len(), hash_of_all(&all));
        let Some(other) = &self.against else { return 0 };
        match against(other, seeds, &all, planted) {
            Ok(()) => {
                println!("`{other}` has the same");
                0
            }
            Err(SameError::Differs(differs)) => {
                println!("`{other}` differs: {differs}");
                super::DIFFERS
            }
            Err(why) => {
                eprintln!("sim: {why}");
                1
            }
        }
    }
}
