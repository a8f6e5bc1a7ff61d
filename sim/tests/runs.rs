//! What a run is: the same every time, told in sentences, and shrunk to what is needed.

use landfall_sim::faults::{Address, KINDS, Kind};
use landfall_sim::hunt::{How, Hunt, first_difference};
use landfall_sim::oracles::Oracle;
use landfall_sim::run::{Recipe, Verdict, run};
use landfall_sim::scenario::Scenario;
use landfall_sim::shrink::shrink;
use landfall_sim::story::brief;
use landfall_sim::world::Planted;

fn hunt(seeds: std::ops::Range<u64>) -> Hunt {
    Hunt {
        seeds,
        only: vec![],
        without: vec![],
        twice: true,
        first: false,
        idle: false,
        ways: None,
        coverage: false,
        planted: Planted::Nothing,
    }
}

/// A short run of a small workspace, so that its story fits on a page.
fn short(seed: u64) -> Recipe {
    let mut recipe = Recipe::of(seed);
    recipe.options.files = 5;
    recipe.options.chaos = landfall_core::time::Ms::mins(3);
    recipe.options.rates = [0; KINDS];
    recipe.options.two_way = false;
    recipe.story = true;
    recipe
}

#[test]
fn a_clean_run_is_told_from_the_export_to_the_last_edit() {
    // The position is taken before the export; what the other client changes is followed.
    let report = run(&short(7));
    assert!(matches!(report.verdict, Verdict::InStep(_)), "{}", report.verdict);
    insta::assert_snapshot!(report.story);
}

#[test]
fn an_export_that_is_refused_yields_to_the_tree() {
    // 413 is not a reason to ask for the export again: the tree is pulled.
    let mut recipe = short(7);
    recipe.options.totals = true;
    recipe.options.rates[Kind::ExportTooLarge as usize] = 1_000_000;
    let report = run(&recipe);
    assert!(matches!(report.verdict, Verdict::InStep(_)), "{}", report.verdict);
    let story = report.story.to_string();
    assert!(story.contains("The server answers the export with export-too-large."), "{story}");
    assert!(story.contains("the export yields to the tree: 413 too large"), "{story}");
    insta::assert_snapshot!(report.story);
}

#[test]
fn one_seed_is_one_run() {
    for seed in [1, 7, 2401] {
        let recipe = Recipe::of(seed);
        assert_eq!(run(&recipe).hash, run(&recipe).hash, "seed {seed}");
    }
}

#[test]
fn telling_the_story_changes_nothing() {
    let quiet = Recipe::of(7);
    let told = Recipe { story: true, told_steps: true, ..quiet.clone() };
    assert_eq!(run(&quiet).hash, run(&told).hash);
}

#[test]
fn a_leak_in_the_simulator_is_found_by_the_second_run() {
    let bag = Hunt { planted: Planted::Leak, ..hunt(3..4) }.go(|_| {});
    let [failure] = &bag.failures[..] else {
        panic!("one seed fails: {:?}", bag.failures);
    };
    assert!(matches!(failure.how, How::Differs { step: 99 }), "{:?}", failure.how);
}

#[test]
fn the_canary_dies() {
    // Planted: what a person saved is placed over. A harness that lets it live is blind.
    let bag =
        Hunt { planted: Planted::Canary, twice: false, first: true, ..hunt(0..50) }.go(|_| {});
    let [failure] = &bag.failures[..] else { panic!("the canary lives") };
    let How::Verdict(Verdict::Unsafe(found)) = &failure.how else { panic!("{:?}", failure.how) };
    assert_eq!(found.oracle, Oracle::NoByteLost);
}

#[test]
fn one_effect_that_is_a_millisecond_off_changes_the_hash() {
    let recipe = Recipe::of(7);
    let other = Recipe { planted: Planted::Effect, ..recipe.clone() };
    assert_ne!(run(&recipe).hash, run(&other).hash);
}

#[test]
fn runs_that_do_not_differ_do_not_differ_anywhere() {
    let recipe = Recipe::of(3);
    let steps = run(&Recipe { steps: true, ..recipe.clone() }).steps.len();
    assert_eq!(first_difference(&recipe), steps);
}

#[test]
fn a_fault_that_never_ends_is_what_is_left_after_shrinking() {
    // Planted: one file stays poisoned though the world is healed.
    let mut recipe = Recipe::of(2);
    recipe.options.chaos = landfall_core::time::Ms::mins(30);
    recipe.options.rates = [0; KINDS];
    for kind in [Kind::Poisoned, Kind::CutBody, Kind::SlowAnswer, Kind::KillAfter] {
        recipe.options.rates[kind as usize] = kind.usual();
    }
    recipe.unhealed = vec![Kind::Poisoned];
    recipe.options.rates[Kind::CutBody as usize] = 200_000;
    let before = run(&recipe);
    assert!(matches!(before.verdict, Verdict::Stuck { .. }), "{}", before.verdict);
    let shrunk = shrink(&recipe).expect("it fails");
    assert_eq!(shrunk.signature.0, Oracle::Converges);
    assert_eq!(shrunk.needed.len(), 1, "{:?}", shrunk.needed);
    assert_eq!(shrunk.needed[0].kind, Kind::Poisoned);
    assert!(before.fired.len() > 20, "of many");
}

/// Planted: files stay poisoned though the world is healed.
fn stuck_for_good() -> Recipe {
    let mut recipe = short(4);
    recipe.story = false;
    for kind in [Kind::Poisoned, Kind::CutBody, Kind::SlowAnswer] {
        recipe.options.rates[kind as usize] = 300_000;
    }
    recipe.options.rates[Kind::ExportTooLarge as usize] = 1_000_000;
    recipe.options.rates[Kind::Poisoned as usize] = 600_000;
    recipe.unhealed = vec![Kind::Poisoned];
    recipe
}

#[test]
fn a_shrunk_run_is_one_minimal_and_has_hardly_any_workload() {
    let shrunk = shrink(&stuck_for_good()).expect("it fails");
    assert!(shrunk.is_minimal);
    for gone in &shrunk.needed {
        let rest = shrunk.needed.iter().filter(|fault| *fault != gone).copied().collect();
        let fewer = run(&Recipe { kept: Some(rest), ..shrunk.recipe.clone() });
        let signature = fewer.verdict.signature();
        assert_ne!(signature.as_ref(), Some(&shrunk.signature), "without {gone}");
    }
    let workload = shrunk.recipe.options.workload.as_ref().expect("it is spelled out");
    let parts = workload.files.len() + workload.edits.len();
    assert!(parts <= 2, "{workload:?}");
    assert_eq!(shrunk.recipe.options.chaos, landfall_core::time::Ms::mins(1));
    // Again it is the same, however the threads were scheduled.
    assert_eq!(shrink(&stuck_for_good()).expect("it fails").needed, shrunk.needed);
}

#[test]
fn a_shrunk_run_is_told_in_twenty_sentences_and_ends_in_the_rule() {
    let shrunk = shrink(&stuck_for_good()).expect("it fails");
    let recipe = Recipe { story: true, ..shrunk.recipe };
    let story = brief::tell(&recipe, &run(&recipe));
    assert!(story.lines().count() < 20, "{story}");
    assert!(story.contains("Broken: The healed world is in step in time. (converges)"), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_workload_that_is_spelled_out_is_the_same_run() {
    for seed in [1, 5, 9] {
        let report = run(&Recipe::of(seed));
        let mut again = Recipe { kept: Some(report.fired), ..Recipe::of(seed) };
        again.options.workload = Some(report.workload);
        assert_eq!(run(&again).hash, report.hash, "seed {seed}");
    }
}

#[test]
fn a_scenario_needs_nothing_but_itself() {
    // Its rates are gone, its seed draws nothing any more, and it fails as it did. The leak
    // that is planted here is no part of it: without that it holds.
    let mut recipe = short(7);
    recipe.options.rates[Kind::SecondStart as usize] = 1_000_000;
    recipe.options.rates[Kind::DiskSlow as usize] = 1_000_000;
    recipe.planted = Planted::NoLock;
    let scenario = Scenario::of(&recipe).expect("it fails");
    assert_eq!(scenario.rule, "one-writer");
    let read = Scenario::read(&scenario.json()).expect("a scenario");
    assert_eq!(read.json(), scenario.json());
    let again = Recipe { planted: Planted::NoLock, ..read.recipe() };
    assert_eq!(run(&again).verdict, run(&recipe).verdict);
    assert_eq!(read.replay(), Ok(()));
    assert!(scenario.test().contains(&scenario.json()));
    let other = scenario.json().replace("scenario/1", "scenario/2");
    let refused = Scenario::read(&other).expect_err("another format").to_string();
    assert!(refused.contains("landfall.scenario/2"), "{refused}");
}

#[test]
fn the_reproduction_line_is_read_back() {
    let report = run(&Recipe::of(9));
    let again: Vec<Address> =
        report.fired.iter().map(|a| a.to_string().parse().expect("an address")).collect();
    assert_eq!(again, report.fired);
    // All that struck, kept by name, is the same run.
    let kept = Recipe { kept: Some(report.fired.clone()), ..Recipe::of(9) };
    assert_eq!(run(&kept).hash, report.hash);
}

#[test]
fn a_hunt_of_clean_runs_finds_nothing_and_says_what_was_not_tried() {
    let clean = Hunt { without: Kind::ALL.to_vec(), twice: false, ..hunt(0..8) };
    let bag = clean.go(|_| {});
    assert!(bag.failures.is_empty(), "{:?}", bag.failures);
    assert!(bag.zeros().contains(&"no cut-body ever struck".to_owned()));
    assert!(bag.fewest >= 500, "{} steps in an hour", bag.fewest);
}

#[test]
fn a_second_process_that_no_lock_refuses_is_found() {
    // Planted: the lock refuses nobody. The disk still works for the first process when the
    // second has begun.
    let mut recipe = short(7);
    recipe.options.rates[Kind::SecondStart as usize] = 1_000_000;
    recipe.options.rates[Kind::DiskSlow as usize] = 1_000_000;
    let refused = run(&recipe);
    assert!(matches!(refused.verdict, Verdict::InStep(_)), "{}", refused.verdict);
    let story = refused.story.to_string();
    assert!(story.contains("A second process starts, and the lock refuses it."), "{story}");

    recipe.planted = Planted::NoLock;
    let Verdict::Unsafe(found) = run(&recipe).verdict else { panic!("two wrote at once") };
    assert_eq!(found.oracle, Oracle::OneWriter);
}
