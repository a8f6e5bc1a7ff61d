//! A merge loses no line of either side, and doubles none.

use landfall_reference::lines::merge;
use proptest::prelude::*;

/// What one side does to each line of the base: it keeps it, deletes it, changes it, or adds one
/// behind it.
fn edit(base: &[String], does: &[u8], who: &str) -> Vec<String> {
    let line = |(n, (line, does)): (usize, (&String, &u8))| match does {
        0 => vec![],
        1 => vec![format!("{line} changed by {who}")],
        2 => vec![line.clone(), format!("{n} added by {who}")],
        _ => vec![line.clone()],
    };
    base.iter().zip(does).enumerate().flat_map(line).collect()
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn sides() -> impl Strategy<Value = [Vec<String>; 3]> {
    let does = || prop::collection::vec(0u8..12, 30);
    (1usize..30, does(), does()).prop_map(|(lines, mine, theirs)| {
        let base: Vec<_> = (0..lines).map(|n| format!("line {n}")).collect();
        let (mine, theirs) = (edit(&base, &mine, "mine"), edit(&base, &theirs, "theirs"));
        [base, mine, theirs]
    })
}

proptest! {
    #[test]
    fn every_change_of_both_sides_is_in_a_merge_once([base, mine, theirs] in sides()) {
        if let Some(merged) = merge(&text(&base), &text(&mine), &text(&theirs)) {
            let merged: Vec<_> = merged.lines().map(String::from).collect();
            let is_kept = |line: &&String| {
                let by = |side: &[String]| side.contains(line);
                by(&mine) && by(&theirs) || (by(&mine) || by(&theirs)) && !by(&base)
            };
            let mut all: Vec<_> = mine.iter().chain(&theirs).filter(is_kept).collect();
            all.sort_unstable();
            all.dedup();
            let mut sorted: Vec<_> = merged.iter().collect();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, all);
            // And in the order that each side gave them.
            for side in [&mine, &theirs] {
                let here: Vec<_> = side.iter().filter(|line| merged.contains(line)).collect();
                let there: Vec<_> = merged.iter().filter(|line| side.contains(line)).collect();
                prop_assert_eq!(here, there);
            }
        }
    }

    #[test]
    fn it_is_the_same_from_both_sides([base, mine, theirs] in sides()) {
        let [base, mine, theirs] = [base, mine, theirs].map(|lines| text(&lines));
        let merged = merge(&base, &mine, &theirs);
        prop_assert_eq!(&merged, &merge(&base, &theirs, &mine));
        prop_assert_eq!(merge(&base, &base, &theirs), Some(theirs));
        prop_assert_eq!(merge(&base, &mine, &mine), Some(mine));
    }
}

#[test]
fn changes_that_are_apart_always_go_together() {
    let base: Vec<_> = (0..30).map(|n| format!("line {n}")).collect();
    for (mine, theirs) in [(0, 29), (3, 10), (20, 5)] {
        for (does, other) in [(0, 1), (1, 2), (2, 0), (1, 1)] {
            let side = |at, does, who| {
                let does: Vec<_> = (0..30).map(|n| if n == at { does } else { 9 }).collect();
                text(&edit(&base, &does, who))
            };
            let (mine, theirs) = (side(mine, does, "mine"), side(theirs, other, "theirs"));
            assert!(merge(&text(&base), &mine, &theirs).is_some(), "{mine}{theirs}");
        }
    }
}
