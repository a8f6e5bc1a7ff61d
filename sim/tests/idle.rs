//! How little is done when there is nothing to do.

use landfall_sim::faults::Kind;
use landfall_sim::oracles::Oracle;
use landfall_sim::run::{Recipe, Report, Verdict, run};

/// Quiet hours of a run.
const HOURS: u64 = 72;

/// Three quiet days, and what was done in them: those without the quiet are taken off.
fn quiet(seed: u64, two_way: bool, unhealed: &[Kind]) -> (Report, u64, u64) {
    let mut recipe = Recipe::of(seed);
    recipe.options.two_way = two_way;
    recipe.options.idle();
    for kind in unhealed {
        recipe.options.rates[*kind as usize] = 1_000_000;
    }
    recipe.unhealed = unhealed.to_vec();
    let mut busy = recipe.clone();
    busy.options.healed = landfall_core::time::Ms::mins(30);
    let (before, whole) = (run(&busy).counts, run(&recipe));
    assert!(matches!(whole.verdict, Verdict::InStep(_)), "seed {seed}: {}", whole.verdict);
    assert!(whole.judged[Oracle::Idle as usize] > HOURS * 4, "seed {seed}");
    let requests = (whole.counts.requests - before.requests) / HOURS;
    let steps = (whole.counts.steps - before.steps) / HOURS;
    (whole, requests, steps)
}

#[test]
fn beside_a_stream_the_feed_is_asked_a_dozen_times_an_hour() {
    for seed in 0..6 {
        let (_, requests, steps) = quiet(seed, false, &[]);
        println!("seed {seed}: {requests} requests and {steps} steps in a quiet hour");
        assert!((8..=16).contains(&requests), "seed {seed}: {requests} requests in a quiet hour");
        // Pings, mostly: one every ten seconds.
        assert!(steps <= 450, "seed {seed}: {steps} steps in a quiet hour");
    }
}

#[test]
fn without_a_stream_the_feed_is_asked_once_in_an_interval() {
    for seed in 0..6 {
        let (_, requests, steps) = quiet(seed, false, &[Kind::NoStream]);
        println!("seed {seed}: {requests} requests and {steps} steps in a quiet hour");
        assert!(
            (100..=160).contains(&requests),
            "seed {seed}: {requests} requests in a quiet hour"
        );
        assert!(steps <= 500, "seed {seed}: {steps} steps in a quiet hour");
    }
}

/// A mirror of both ways asks the server no more; it reads its directories every five minutes.
#[test]
fn both_ways_cost_no_more_requests() {
    for seed in 0..6 {
        let (_, requests, steps) = quiet(seed, true, &[]);
        println!("seed {seed}: {requests} requests and {steps} steps in a quiet hour");
        assert!((8..=16).contains(&requests), "seed {seed}: {requests} requests in a quiet hour");
        // A step for each of some 50 directories, twelve times.
        assert!(steps <= 1_500, "seed {seed}: {steps} steps in a quiet hour");
    }
}
