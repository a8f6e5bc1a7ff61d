//! The exhaustive search, the replay of traces, and what would have happened.

use landfall_core::time::{Ms, Tick};
use landfall_sim::explore::{Explore, scenes};
use landfall_sim::faults::{KINDS, Kind};
use landfall_sim::oracles::Oracle;
use landfall_sim::replay::{ReplayError, replay, write};
use landfall_sim::run::{Recipe, Verdict, run};
use landfall_sim::same::{against, hashes};
use landfall_sim::what_if::{End, Fork, futures};
use landfall_sim::world::Planted;

fn explore(scope: &str, depth: usize, threads: usize) -> landfall_sim::explore::Outcome {
    let scenes = scenes(scope).expect("a scope");
    let explore = Explore { scenes, depth: Some(depth), most: 1_000_000, threads };
    explore.run(|_, _, _| {}).remove(0)
}

#[test]
fn a_few_actions_of_every_scene_break_nothing() {
    for scene in scenes("small").expect("there is one") {
        let found = explore(scene.name, 5, 2);
        assert_eq!(found.violation, None, "{}", scene.name);
        assert!(found.whole && found.depth == 5, "{found}");
        assert!(found.unique > 100 && found.states > found.unique as u64, "{found}");
        assert!(found.futures > 50, "{found}");
    }
}

#[test]
fn the_outcome_does_not_depend_on_the_threads() {
    let (one, three) = (explore("first", 5, 1), explore("first", 5, 3));
    assert_eq!((one.states, one.unique), (three.states, three.unique));
}

fn trace(seed: u64) -> Vec<String> {
    let path = std::env::temp_dir().join(format!("landfall-{}-{seed}", std::process::id()));
    let recorded = run(&Recipe { trace: true, ..Recipe::of(seed) }).recorded;
    write(&path, &recorded).expect("a trace");
    let text = std::fs::read_to_string(&path).expect("a trace");
    std::fs::remove_file(path).expect("it was there");
    text.lines().map(|line| line.to_owned() + "\n").collect()
}

#[test]
fn a_recorded_run_replays_to_the_same_effects() {
    let lines = trace(5);
    let (done, torn) = replay(lines.concat().as_bytes()).expect("it replays");
    assert!(done.machines > 1, "the process was killed in this run");
    assert_eq!(done.machines + done.steps, lines.len() as u64);
    assert!(!torn);
}

#[test]
fn one_byte_of_an_effect_is_named_by_its_line() {
    let mut lines = trace(5);
    let is_place = |line: &String| line.contains("\"effects\":[{\"Commit\"");
    let at = lines.iter().rposition(is_place).expect("something is committed");
    let (before, effects) = lines[at].split_once("\"effects\"").expect("there are some");
    let changed = effects.replacen("\"seq\":", "\"seq\":9", 1);
    lines[at] = format!("{before}\"effects\"{changed}");
    let why = replay(lines.concat().as_bytes()).expect_err("it differs");
    assert!(why.differs());
    let ReplayError::Line { line, .. } = &why else { panic!("{why}") };
    assert_eq!(*line, at as u64 + 1);
    let text = why.to_string();
    assert!(text.contains("expected: Commit") && text.contains("came:     Commit"), "{text}");
}

#[test]
fn a_torn_last_line_is_an_end_and_a_damaged_one_is_not() {
    let mut lines = trace(5);
    let last = lines.len() - 1;
    lines[last].truncate(40);
    let (_, torn) = replay(lines.concat().as_bytes()).expect("it replays");
    assert!(torn);
    lines[3] = "{\n".into();
    let why = replay(lines.concat().as_bytes()).expect_err("it is damaged");
    assert!(matches!(why, ReplayError::Damaged { line: 4, .. }), "{why}");
    assert!(
        replay(
            &b"{\"line\":\"step\",\"tick\":0,\"wall\":0,\"event\":\"Wake\",\"effects\":[]}\n"[..]
        )
        .is_err()
    );
}

/// A short run that ends badly: one file stays poisoned though the world is healed.
fn stuck() -> Recipe {
    let mut recipe = Recipe::of(2);
    recipe.options.chaos = Ms::mins(3);
    recipe.options.healed = Ms::mins(10);
    recipe.options.files = 5;
    recipe.options.rates = [0; KINDS];
    recipe.options.rates[Kind::Poisoned as usize] = Kind::Poisoned.usual();
    recipe.options.rates[Kind::CutBody as usize] = 200_000;
    recipe.unhealed = vec![Kind::Poisoned];
    recipe
}

#[test]
fn up_to_the_moment_nothing_changes() {
    let recipe = Recipe { story: true, ..Recipe::of(7) };
    let at = Tick(700_000);
    let as_it_was = run(&recipe);
    let fork = Fork { at, end: Some(End::Kill), ..Fork::default() };
    let killed = run(&Recipe { fork: Some(fork), ..recipe });
    let before = |report: &landfall_sim::run::Report| -> Vec<(Tick, String)> {
        report.story.lines().iter().filter(|line| line.0 < at).cloned().collect()
    };
    assert_eq!(before(&as_it_was), before(&killed));
    assert_ne!(as_it_was.hash, killed.hash);
    // What follows is another run, with kills of its own; this one was asked for.
    let next = killed.story.lines().iter().find(|line| line.0 >= at);
    assert_eq!(next.map(|line| (line.0, line.1.starts_with("kill -9"))), Some((at, true)));
    assert!(matches!(killed.verdict, Verdict::InStep(_)), "{}", killed.verdict);
}

#[test]
fn a_fault_that_is_dropped_from_a_moment_on_does_not_strike() {
    let recipe = Recipe::of(5);
    let as_it_was = run(&recipe);
    let last = *as_it_was.fired.last().expect("a fault");
    let fork = Fork { at: Tick(60_000), dropped: vec![last], ..Fork::default() };
    let without = run(&Recipe { fork: Some(fork), ..recipe });
    assert!(!without.fired.contains(&last));
    let shared = without.fired_at_fork;
    assert_eq!(without.fired[..shared], as_it_was.fired[..shared]);
}

#[test]
fn where_it_became_inevitable_is_found() {
    let mut recipe = stuck();
    recipe.options.rates[Kind::Poisoned as usize] = 150_000;
    let found = (0..40).find_map(|seed| {
        let mut recipe = Recipe { ..recipe.clone() };
        recipe.options.seed = seed;
        futures(&recipe, 1).filter(|found| found.oracle == Oracle::Converges)
    });
    let found = found.expect("one of them is stuck");
    let last = found.moments.last().expect("a moment");
    assert_eq!(*last, (found.end, 1), "at its end it has failed");
    assert!(found.jump.0 < found.jump.1);
    assert!(found.to_string().contains("the greatest step is between"), "{found}");
}

#[test]
fn another_process_has_the_same_hashes_and_a_planted_leak_is_named_by_its_step() {
    let sim = env!("CARGO_BIN_EXE_sim");
    let mine = hashes(3..6, Planted::Nothing);
    against(sim, 3..6, &mine, Planted::Nothing).expect("the same");
    let planted = format!("{sim} --planted");
    let why = against(&planted, 3..6, &mine, Planted::Nothing).expect_err("it leaks");
    let text = why.to_string();
    assert!(text.contains("3 seeds differ; the first is seed 3, from its step 100 on"), "{text}");
}
