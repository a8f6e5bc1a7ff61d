//! What a run consists of, and how a part of it is taken away: delta debugging.

use std::ops::Range;

use super::search::{Search, Smaller};
use crate::faults::Kind;
use crate::run::Recipe;

/// What can be taken away one by one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Faults,
    Edits,
    Files,
}

impl Part {
    pub fn count(self, recipe: &Recipe) -> usize {
        let workload = recipe.options.workload.as_ref();
        match self {
            Part::Faults => recipe.kept.as_ref().map_or(0, Vec::len),
            Part::Edits => workload.map_or(0, |workload| workload.edits.len()),
            Part::Files => workload.map_or(0, |workload| workload.files.len()),
        }
    }

    /// The recipe without some of its parts.
    pub fn without(self, recipe: &Recipe, range: Range<usize>) -> Recipe {
        let mut recipe = recipe.clone();
        let workload = recipe.options.workload.as_mut();
        match (self, workload) {
            (Part::Faults, _) => {
                recipe.kept.as_mut().map(|kept| kept.drain(range));
            }
            (Part::Edits, Some(workload)) => {
                workload.edits.drain(range);
            }
            (Part::Files, Some(workload)) => {
                workload.files.drain(range);
            }
            (_, None) => {}
        }
        recipe
    }
}

/// Keeps one kind of faults alone, if that is enough.
pub(super) fn one_kind(search: &mut Search, best: &mut Recipe) {
    let kept = best.kept.clone().unwrap_or_default();
    let alone = |kind: &Kind| kept.iter().filter(|fault| fault.kind == *kind).copied().collect();
    let sets = Kind::ALL
        .iter()
        .map(alone)
        .filter(|set: &Vec<_>| !set.is_empty() && set.len() < kept.len());
    if let Some(found) = search.first(sets.map(|set| Recipe { kept: Some(set), ..best.clone() })) {
        *best = found.recipe;
    }
}

/// Takes away large pieces.
pub(super) fn coarsely(search: &mut Search, best: &mut Recipe, part: Part) {
    for pieces in [1, 2, 4, 8] {
        let size = part.count(best).div_ceil(pieces);
        if size > 0 {
            sweep(search, best, part, size);
        }
    }
}

/// Takes whole kinds of faults away.
pub(super) fn kinds(search: &mut Search, best: &mut Recipe) {
    let mut from = 0;
    loop {
        let kept = best.kept.clone().unwrap_or_default();
        let left: Vec<Kind> = Kind::ALL[from..]
            .iter()
            .copied()
            .filter(|kind| kept.iter().any(|fault| fault.kind == *kind))
            .collect();
        let without = |kind: &Kind| {
            let rest = kept.iter().filter(|fault| fault.kind != *kind).copied().collect();
            Recipe { kept: Some(rest), ..best.clone() }
        };
        let Some(found) = search.first(left.iter().map(without)) else { return };
        from = left[found.index] as usize + 1;
        *best = found.recipe;
    }
}

/// Takes away all, then halves, then quarters, down to single ones. What is left is needed, each
/// of it, unless patience ran out.
pub(super) fn minimise(search: &mut Search, best: &mut Recipe, part: Part) {
    let all = part.count(best);
    if all == 0 {
        return;
    }
    if let Some(found) = search.first([part.without(best, 0..all)]) {
        *best = found.recipe;
        return;
    }
    let mut size = part.count(best).div_ceil(2);
    loop {
        let fewer = sweep(search, best, part, size);
        if search.is_over() || (size == 1 && !fewer) {
            return;
        }
        if size > 1 {
            size = size.div_ceil(2).min(part.count(best).div_ceil(2)).max(1);
        }
    }
}

/// Tries to take away each piece of so many once, the last first: what comes late is less often
/// what began it.
fn sweep(search: &mut Search, best: &mut Recipe, part: Part, size: usize) -> bool {
    let mut end = part.count(best);
    let mut fewer = false;
    while end > 0 {
        let ends: Vec<usize> = (0..end).rev().step_by(size).map(|last| last + 1).collect();
        let pieces = ends.iter().map(|end| part.without(best, end.saturating_sub(size)..*end));
        let Some(Smaller { index, recipe, .. }) = search.first(pieces) else { break };
        *best = recipe;
        fewer = true;
        end = ends[index].saturating_sub(size).min(part.count(best));
    }
    fewer
}
