//! Less time, and parameters that need no explanation.

use landfall_core::time::Ms;

use super::search::Search;
use crate::options::Options;
use crate::run::{Recipe, Verdict};

/// Ends of the faults that are tried, in minutes.
const ENDS: [u64; 13] = [1, 2, 3, 4, 6, 8, 11, 15, 20, 30, 45, 60, 90];

/// What is left after the moment in which a rule was broken, for runs in which it is broken a
/// little later.
const LATER: Ms = Ms::mins(5);

/// The faults end sooner. A run in which a rule is broken ends soon after that.
pub(super) fn time(search: &mut Search, best: &mut Recipe) {
    let chaos = best.options.chaos;
    let sooner = ENDS.iter().map(|end| Ms::mins(*end)).filter(|end| *end < chaos);
    let with = |end| {
        let mut recipe = best.clone();
        recipe.options.chaos = end;
        recipe
    };
    if let Some(found) = search.first(sooner.map(with)) {
        *best = found.recipe;
    }
    let Some(found) = search.fails(best) else { return };
    if matches!(found.report.verdict, Verdict::Stuck { .. }) {
        return;
    }
    let lived = Ms(found.report.end.0 + LATER.0);
    let mut recipe = best.clone();
    recipe.options.healed = recipe.options.healed.min(lived);
    if lived < recipe.options.chaos {
        recipe.options.chaos = lived;
        recipe.options.healed = Ms::mins(1);
    }
    if let Some(found) = search.fails(&recipe) {
        *best = found.recipe;
    }
}

/// One parameter after the other becomes what it is for most.
pub(super) fn parameters(search: &mut Search, best: &mut Recipe) {
    let plain: [fn(&mut Options); 9] = [
        |options| options.folding = false,
        |options| options.bulk = true,
        |options| options.receipts = true,
        |options| options.totals = true,
        |options| options.hashes = true,
        |options| options.page = 50,
        |options| options.concurrency = 16,
        |options| options.per_second = 2_000,
        |options| options.latency = Ms(30),
    ];
    for make_plain in plain {
        let mut recipe = best.clone();
        make_plain(&mut recipe.options);
        if let Some(found) = search.fails(&recipe) {
            *best = found.recipe;
        }
    }
}
