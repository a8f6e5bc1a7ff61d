//! Makes a failing run small: fewer faults, then less workload, then less time and plainer
//! parameters.
//!
//! Delta debugging. Because a fault is decided by its address alone, those that are kept strike
//! where they did; what the other client does is [spelled out](crate::workload), so that single
//! edits can go. A smaller run counts only if it fails in the same way: it breaks the same rule,
//! and if it is stuck, the same item is stuck.
//!
//! Where too many faults are left, the same kinds are tried [elsewhere](elsewhere). What comes
//! out is 1-minimal: the last pass shows that it does not fail without any one of its faults.

mod elsewhere;
mod parts;
mod plainer;
mod search;

use crate::faults::Address;
use crate::oracles::Oracle;
use crate::run::{Recipe, Report, Verdict, run};
use parts::Part;
use search::Search;

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
    /// Whether it is shown that no single fault can be taken away.
    pub is_minimal: bool,
    /// The recipe of the smallest run.
    pub recipe: Recipe,
}

/// Steps of the machine that a stage may take. A core does 200,000 in a second.
const HERE: u64 = 500_000;
/// The same for the search at other moments and under other seeds.
const ELSEWHERE: u64 = 1_200_000;

/// More faults than this make a story that nobody reads.
fn handful(oracle: Oracle) -> usize {
    if oracle == Oracle::Converges { 8 } else { 4 }
}

/// Shrinks a failing run. `None`: it does not fail.
pub fn shrink(recipe: &Recipe) -> Option<Shrunk> {
    let report = run(recipe);
    let (oracle, item) = report.verdict.signature()?;
    let from = report.fired.len();
    let stuck = matches!(report.verdict, Verdict::Stuck { .. });
    let mut search = Search::new(oracle, stuck.then_some(item));
    let mut best = spelled_out(&mut search, recipe, &report);
    search.patience(HERE);
    fewer_faults(&mut search, &mut best);
    let many = |best: &Recipe| Part::Faults.count(best) > handful(oracle);
    if many(&best) && search.item.take().is_some() {
        // Where another item is stuck for fewer faults, that one tells more.
        search.patience(HERE);
        fewer_faults(&mut search, &mut best);
    }
    // The second time there are fewer kinds to choose from.
    for place in [elsewhere::seeds, elsewhere::moved, elsewhere::seeds] {
        if many(&best) {
            search.patience(ELSEWHERE);
            place(&mut search, &mut best);
        }
    }
    search.patience(HERE);
    less_workload(&mut search, &mut best);
    plainer::parameters(&mut search, &mut best);
    less_workload(&mut search, &mut best);
    let is_minimal = one_minimal(&mut search, &mut best);
    // A run that does not break the rule has all the time that it needs to get in step.
    best.options.healed = recipe.options.healed;
    let report = run(&best);
    let signature = report.verdict.signature()?;
    Some(Shrunk {
        needed: report.fired,
        signature,
        from,
        runs: search.runs,
        is_minimal,
        recipe: best,
    })
}

/// The same run with its faults and its workload by name.
fn spelled_out(search: &mut Search, recipe: &Recipe, report: &Report) -> Recipe {
    let kept = Recipe { kept: Some(report.fired.clone()), ..recipe.clone() };
    let mut whole = kept.clone();
    whole.options.workload = Some(report.workload.clone());
    search.fails(&whole).map_or(kept, |found| found.recipe)
}

/// As few faults as there can be where they are.
fn fewer_faults(search: &mut Search, best: &mut Recipe) {
    let mut before = usize::MAX;
    loop {
        plainer::time(search, best);
        parts::one_kind(search, best);
        parts::coarsely(search, best, Part::Edits);
        parts::kinds(search, best);
        parts::minimise(search, best, Part::Faults);
        let size = Part::Faults.count(best);
        if size <= 1 || size >= before || search.is_over() {
            return;
        }
        before = size;
    }
}

/// As little workload and time as the faults need.
fn less_workload(search: &mut Search, best: &mut Recipe) {
    parts::minimise(search, best, Part::Edits);
    parts::minimise(search, best, Part::Files);
    parts::minimise(search, best, Part::Faults);
    plainer::time(search, best);
}

/// Takes single faults away until none can go. Not before patience runs out altogether: a
/// handful of faults takes a handful of runs.
fn one_minimal(search: &mut Search, best: &mut Recipe) -> bool {
    for _ in 0..32 {
        let faults = Part::Faults.count(best);
        let smaller = (0..faults)
            .map(|i| Part::Faults.without(best, i..i + 1))
            .find_map(|recipe| search.fails(&recipe));
        match smaller {
            Some(found) => *best = found.recipe,
            None => return true,
        }
    }
    false
}
