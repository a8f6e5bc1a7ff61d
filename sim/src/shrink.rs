//! Takes faults away from a failing run until each that is left is needed.
//!
//! Delta debugging over the addresses that struck: because a fault is decided by its address
//! alone, those that are kept strike where they did.

use crate::faults::Address;
use crate::oracles::Oracle;
use crate::run::{Recipe, Report, run};

/// The outcome of shrinking.
#[derive(Debug)]
pub struct Shrunk {
    /// The faults that are needed.
    pub needed: Vec<Address>,
    /// The failure that they bring about.
    pub signature: (Oracle, String),
    /// How many faults struck at first.
    pub from: usize,
    /// How many runs it took.
    pub runs: u32,
    /// The recipe of the smallest run.
    pub recipe: Recipe,
}

/// Shrinks a failing run. `None`: it does not fail.
pub fn shrink(recipe: &Recipe) -> Option<Shrunk> {
    let report = run(recipe);
    let signature = report.verdict.signature()?;
    let mut search = Search {
        recipe: recipe.clone(),
        oracle: signature.0,
        item: Some(signature.1.clone()),
        runs: 1,
    };
    let from = report.fired.len();
    // The strict signature keeps the stuck item too. Where another item of the same oracle
    // fails with far fewer faults, that one tells more: so the item is given up last.
    let mut needed = search.minimise(report.fired);
    let strict = needed.len();
    search.item = None;
    if strict > 1 {
        needed = search.minimise(needed);
    }
    let recipe = search.with(&needed);
    let signature = run(&recipe).verdict.signature().unwrap_or(signature);
    Some(Shrunk { needed, signature, from, runs: search.runs, recipe })
}

struct Search {
    recipe: Recipe,
    oracle: Oracle,
    item: Option<String>,
    runs: u32,
}

impl Search {
    fn with(&self, kept: &[Address]) -> Recipe {
        Recipe { kept: Some(kept.to_vec()), ..self.recipe.clone() }
    }

    /// The faults of a run with these alone, if it fails in the same way.
    fn fails(&mut self, kept: &[Address]) -> Option<Vec<Address>> {
        self.runs += 1;
        let Report { verdict, fired, .. } = run(&self.with(kept));
        let (oracle, item) = verdict.signature()?;
        let same = oracle == self.oracle && self.item.as_ref().is_none_or(|wanted| *wanted == item);
        same.then_some(fired)
    }

    /// ddmin: halves, then quarters, then their complements, down to single faults.
    fn minimise(&mut self, mut faults: Vec<Address>) -> Vec<Address> {
        if let Some(fired) = self.fails(&[]) {
            return fired;
        }
        let mut parts = 2;
        while faults.len() > 1 {
            let size = faults.len().div_ceil(parts);
            let smaller = self.a_part(&faults, size).or_else(|| self.a_rest(&faults, size));
            match smaller {
                Some((fewer, was_part)) => {
                    faults = fewer;
                    parts = if was_part { 2 } else { (parts - 1).max(2) };
                }
                None if size == 1 => break,
                None => parts = (parts * 2).min(faults.len()),
            }
        }
        faults
    }

    fn a_part(&mut self, faults: &[Address], size: usize) -> Option<(Vec<Address>, bool)> {
        faults
            .chunks(size)
            .filter(|chunk| chunk.len() < faults.len())
            .find_map(|chunk| self.fails(chunk))
            .filter(|fired| fired.len() < faults.len())
            .map(|fired| (fired, true))
    }

    fn a_rest(&mut self, faults: &[Address], size: usize) -> Option<(Vec<Address>, bool)> {
        for start in (0..faults.len()).step_by(size) {
            let end = (start + size).min(faults.len());
            let rest: Vec<Address> =
                faults[..start].iter().chain(&faults[end..]).copied().collect();
            if rest.len() < faults.len()
                && !rest.is_empty()
                && let Some(fired) = self.fails(&rest)
            {
                return Some((fired, false));
            }
        }
        None
    }
}
