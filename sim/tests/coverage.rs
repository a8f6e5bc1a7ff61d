//! What a hunt tries, counted.

use landfall_sim::coverage::Mark;
use landfall_sim::faults::{KINDS, Kind};
use landfall_sim::hunt::Hunt;
use landfall_sim::run::{Recipe, run};
use landfall_sim::world::Planted;

fn hunt(seeds: std::ops::Range<u64>, without: Vec<Kind>) -> Hunt {
    Hunt {
        seeds,
        only: vec![],
        without,
        twice: false,
        first: false,
        idle: false,
        ways: None,
        coverage: true,
        planted: Planted::Nothing,
    }
}

#[test]
fn counting_what_is_tried_changes_nothing() {
    for seed in [1, 9] {
        let quiet = Recipe::of(seed);
        let counted = Recipe { coverage: true, ..quiet.clone() };
        assert_eq!(run(&quiet).hash, run(&counted).hash);
        assert!(run(&quiet).coverage.is_none());
    }
}

#[test]
fn a_few_seeds_reach_what_is_common_and_clean_runs_do_not() {
    let common = [
        Mark::StartedAgain,
        Mark::BreakerOpen,
        Mark::ListingRefuted,
        Mark::DidTrash,
        Mark::RuleBothMoved,
        Mark::LateAnswer,
        Mark::CommitsLost,
        Mark::KilledAgain,
    ];
    let bag = hunt(0..40, vec![]).go(|_| {});
    let coverage = bag.coverage.expect("it was asked for");
    let unreached = coverage.unreached();
    for mark in common {
        assert!(!unreached.contains(&mark), "{} is never reached", mark.word());
    }
    let text = coverage.to_string();
    assert!(text.contains("  events: 410"), "{text}");
    assert!(!text.contains("was called impossible"), "{text}");

    let clean = hunt(0..4, Kind::ALL.to_vec()).go(|_| {}).coverage.expect("it was asked for");
    for mark in common.iter().filter(|mark| **mark != Mark::DidTrash) {
        assert!(clean.unreached().contains(mark), "{} in a clean run", mark.word());
    }
}

#[test]
fn pairs_are_made_of_the_kinds_that_struck() {
    let mut recipe = Recipe::of(7);
    recipe.options.rates = [0; KINDS];
    recipe.coverage = true;
    let pairs = |recipe: &Recipe| {
        let coverage = run(recipe).coverage.expect("it was asked for").to_string();
        let line = coverage.lines().find(|line| line.contains("pairs were hit")).map(str::to_owned);
        line.expect("it is told")
    };
    assert!(pairs(&recipe).starts_with("0 of "), "{}", pairs(&recipe));
    recipe.options.rates[Kind::ServerError as usize] = 200_000;
    recipe.options.rates[Kind::CutBody as usize] = 200_000;
    // Each with itself, and both.
    assert!(pairs(&recipe).starts_with("3 of "), "{}", pairs(&recipe));
}
