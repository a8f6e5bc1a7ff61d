//! One kill at every effect of a short run in which nothing else goes wrong: before it, during
//! it and after it. All have to converge. Drawn at random, the one moment that matters may
//! never come.

use std::fmt;

use landfall_core::time::Ms;

use crate::faults::{Address, KINDS, Kind};
use crate::options::Mode;
use crate::run::{Recipe, Verdict, run};

/// What became of all kills.
#[derive(Debug)]
pub struct Kills {
    /// Effects of the run without a kill that a kill can strike at.
    pub effects: usize,
    /// Runs, each with one kill.
    pub runs: usize,
    /// Kills that were planned and struck nothing.
    pub never_struck: usize,
    /// Runs that failed.
    pub failures: Vec<(Address, Verdict)>,
}

/// A short run without a fault: a few files are mirrored, and some are changed.
pub fn happy_path(seed: u64) -> Recipe {
    let mut recipe = Recipe::of(seed);
    recipe.options.mode = Mode::Clean;
    recipe.options.rates = [0; KINDS];
    recipe.options.files = 4;
    recipe.options.chaos = Ms::secs(60);
    recipe.options.edit_every = Ms::secs(15);
    recipe.options.healed = Ms::mins(20);
    recipe
}

/// Kills a run at every effect in turn.
pub fn kills(recipe: &Recipe) -> Kills {
    let whole = run(&Recipe { asked: true, ..recipe.clone() });
    let mut all =
        Kills { effects: whole.asked.len(), runs: 0, never_struck: 0, failures: Vec::new() };
    for (entity, attempt) in &whole.asked {
        for kind in [Kind::KillBefore, Kind::KillDuring, Kind::KillAfter] {
            let kill = Address { kind, entity: *entity, attempt: *attempt };
            let report = run(&Recipe { kept: Some(vec![kill]), ..recipe.clone() });
            all.runs += 1;
            if report.counts.kills == 0 {
                all.never_struck += 1;
            }
            if report.verdict.exit_code() != 0 {
                all.failures.push((kill, report.verdict));
            }
        }
    }
    all
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kill, verdict) in &self.failures {
            writeln!(f, "{kill}: {verdict}")?;
        }
        writeln!(
            f,
            "{} effects, a kill before, during and after each: {} runs, {} failed; {} kills came \
             too late to strike",
            self.effects,
            self.runs,
            self.failures.len(),
            self.never_struck
        )
    }
}
