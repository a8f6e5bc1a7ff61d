//! Takes faults away from a failing run until each that is left is needed.
//!
//! Delta debugging over the addresses that struck: because a fault is decided by its address
//! alone, those that are kept strike where they did.

use std::collections::BTreeMap;

use crate::faults::{Address, Kind};
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
    // The strict signature keeps the item too. Where another item fails the same oracle with
    // fewer faults, that one tells more.
    let mut needed = search.minimise(report.fired.clone());
    search.item = None;
    if needed.len() > 1 {
        needed = search.minimise(needed);
    }
    if needed.len() > HANDFUL {
        let other = search.minimise(report.fired);
        if other.len() < needed.len() {
            needed = other;
        }
    }
    if needed.len() > HANDFUL
        && let Some(fired) = search.of_few_kinds(&needed)
    {
        needed = fired;
    }
    if needed.len() > HANDFUL
        && let Some(fired) = search.moved(&needed)
    {
        needed = fired;
    }
    let recipe = search.with(&needed);
    let signature = run(&recipe).verdict.signature().unwrap_or(signature);
    Some(Shrunk { needed, signature, from, runs: search.runs, recipe })
}

/// More faults than this make a story that nobody reads.
const HANDFUL: usize = 4;

/// Moments at which a kill is tried together with another fault.
const MOMENTS: u32 = 100;

/// Runs after which the best that was found has to do.
const PATIENCE: u32 = 3_000;

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
        self.fails_as(&self.with(kept))
    }

    fn fails_as(&mut self, recipe: &Recipe) -> Option<Vec<Address>> {
        if self.runs >= PATIENCE {
            return None;
        }
        self.runs += 1;
        let Report { verdict, fired, .. } = run(recipe);
        let (oracle, item) = verdict.signature()?;
        let same = oracle == self.oracle && self.item.as_ref().is_none_or(|wanted| *wanted == item);
        same.then_some(fired)
    }

    /// Whole kinds first. Then ddmin: halves, then quarters, then their complements, down to single faults.
    fn minimise(&mut self, mut faults: Vec<Address>) -> Vec<Address> {
        if let Some(fired) = self.fails(&[]) {
            return fired;
        }
        for kind in Kind::ALL {
            let rest: Vec<Address> = faults.iter().filter(|f| f.kind != *kind).copied().collect();
            if rest.len() < faults.len()
                && let Some(fired) = self.fails(&rest)
            {
                faults = fired;
            }
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

    /// What is left may be many faults only because taking a kind away moves all that comes
    /// after it. So: every kind alone, and every two, wherever they strike, and more often.
    fn of_few_kinds(&mut self, faults: &[Address]) -> Option<Vec<Address>> {
        let mut kinds: Vec<Kind> = faults.iter().map(|fault| fault.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let pairs = kinds.iter().flat_map(|a| kinds.iter().map(move |b| [*a, *b]));
        let mut sets: Vec<[Kind; 2]> = pairs.filter(|[a, b]| a <= b).collect();
        sets.sort_by_key(|[a, b]| a != b);
        self.runs = 0;
        let mut best: Option<Vec<Address>> = None;
        for set in sets {
            let mut recipe = Recipe { kept: None, ..self.recipe.clone() };
            recipe.options.only(&set);
            for kind in set {
                let rate = &mut recipe.options.rates[kind as usize];
                *rate = (*rate * 4).min(600_000);
            }
            if let Some(fired) = self.fails_as(&recipe) {
                let fewer = self.minimise(fired);
                let least = best.as_ref().map_or(faults.len(), Vec::len);
                if fewer.len() < least {
                    best = Some(fewer);
                }
                if best.as_ref().is_some_and(|best| best.len() <= HANDFUL) {
                    break;
                }
            }
        }
        best
    }

    /// What is left may be many faults only because together they bring one kill to the right
    /// moment. So: one kill at every moment, alone, and with one of each other kind.
    fn moved(&mut self, faults: &[Address]) -> Option<Vec<Address>> {
        let kills = [Kind::KillBefore, Kind::KillDuring, Kind::KillAfter, Kind::PowerCut];
        let mut whom = BTreeMap::new();
        let mut others = BTreeMap::new();
        for fault in faults {
            if kills.contains(&fault.kind) {
                let last = whom.entry((fault.kind, fault.entity)).or_insert(0);
                *last = fault.attempt.max(*last);
            } else {
                others.entry(fault.kind).or_insert(*fault);
            }
        }
        self.runs = 0;
        for other in std::iter::once(None).chain(others.into_values().map(Some)) {
            for ((kind, entity), last) in &whom {
                let step = if other.is_none() { 1 } else { last / MOMENTS + 1 };
                for attempt in (0..=*last).step_by(step as usize) {
                    let kill = Address { kind: *kind, entity: *entity, attempt };
                    let kept: Vec<Address> = other.into_iter().chain([kill]).collect();
                    if let Some(fired) = self.fails(&kept) {
                        return Some(fired);
                    }
                }
            }
        }
        None
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
