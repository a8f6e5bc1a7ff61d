//! Where too many faults are left: the same kinds at other moments and under other seeds.

use std::collections::BTreeMap;

use landfall_core::time::Ms;

use super::parts::Part;
use super::search::Search;
use super::{fewer_faults, handful, spelled_out};
use crate::faults::{Address, Kind};
use crate::options::Options;
use crate::oracles::Oracle;
use crate::run::Recipe;

/// Moments at which a kill is tried together with another fault.
const MOMENTS: u32 = 100;

/// Seeds under which the kinds are tried.
const SEEDS: u64 = 8;

/// So many failures are enough to choose from.
const SOME: usize = 16;

/// How many of the failures under other seeds are made small.
const CHOSEN: usize = 4;

/// Steps of the machine that each of them may take.
const EACH: u64 = 200_000;

/// What is left may be many faults only because together they bring one kill to the right
/// moment. So: one kill at every moment, alone, and with one of each other kind.
pub(super) fn moved(search: &mut Search, best: &mut Recipe) {
    let kills = [Kind::KillBefore, Kind::KillDuring, Kind::KillAfter, Kind::PowerCut];
    let mut whom = BTreeMap::new();
    let mut others = BTreeMap::new();
    for fault in best.kept.iter().flatten() {
        if kills.contains(&fault.kind) {
            let last = whom.entry((fault.kind, fault.entity)).or_insert(0);
            *last = fault.attempt.max(*last);
        } else {
            others.entry(fault.kind).or_insert(*fault);
        }
    }
    for other in std::iter::once(None).chain(others.into_values().map(Some)) {
        for ((kind, entity), last) in &whom {
            let step = if other.is_none() { 1 } else { last / MOMENTS + 1 };
            let with = |attempt| {
                let kill = Address { kind: *kind, entity: *entity, attempt };
                Recipe { kept: Some(other.into_iter().chain([kill]).collect()), ..best.clone() }
            };
            let moments = (0..=*last).step_by(step as usize).map(with);
            if let Some(found) = search.first(moments) {
                *best = found.recipe;
                return fewer_faults(search, best);
            }
        }
    }
}

/// The kinds that are left, each alone, every two, and all together, under a few seeds and more
/// often, in most runs within minutes. The failures with the fewest faults are made small.
pub(super) fn seeds(search: &mut Search, best: &mut Recipe) {
    let mut kinds: Vec<Kind> = best.kept.iter().flatten().map(|fault| fault.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let pairs = kinds.iter().flat_map(|a| kinds.iter().map(move |b| vec![*a, *b]));
    let mut sets: Vec<Vec<Kind>> = pairs.filter(|pair| pair[0] <= pair[1]).collect();
    sets.push(kinds.clone());
    // Each alone, all together, every two.
    sets.sort_by_key(|set| (set.len() == 2 && set[0] != set[1], set.len()));
    let is_safety = search.oracle != Oracle::Converges;
    let of = |set: &Vec<Kind>, seed| {
        let mut recipe = Recipe { kept: None, ..best.clone() };
        recipe.options = Options::derive(seed);
        recipe.options.only(set);
        let dense = seed % 4 != 0;
        if dense {
            // Much at once: what needs a fault and an edit in the same second comes soon.
            recipe.options.chaos = Ms::mins(8);
            recipe.options.edit_every = Ms::secs(2);
        }
        if is_safety {
            recipe.options.healed = Ms::mins(1);
        }
        for kind in set {
            let rate = &mut recipe.options.rates[*kind as usize];
            let (more, least) = if dense { (16, 100_000) } else { (4, 0) };
            *rate = (*rate * more).clamp(least, 600_000);
        }
        recipe
    };
    let recipes = sets.iter().flat_map(|set| (0..SEEDS).map(move |seed| of(set, seed)));
    let mut found = search.some(recipes, SOME);
    found.sort_by_key(|found| found.report.fired.len());
    for found in found.into_iter().take(CHOSEN) {
        let mut other = spelled_out(search, &found.recipe, &found.report);
        search.patience(EACH);
        fewer_faults(search, &mut other);
        if Part::Faults.count(&other) < Part::Faults.count(best) {
            *best = other;
        }
        if Part::Faults.count(best) <= handful(search.oracle) {
            return;
        }
    }
}
