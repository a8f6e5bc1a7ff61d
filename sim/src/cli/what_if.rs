//! `--until`, `--then` and `--futures`.

use landfall_core::time::Tick;
use landfall_sim::run::{Recipe, Report, run};
use landfall_sim::story::Clock;
use landfall_sim::what_if::{Fork, Then, futures, moment};

/// What if.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What if")]
pub struct WhatIf {
    /// Tell the run up to this moment (such as 00:31:05 or 31m), and list its faults by number.
    #[arg(long, value_name = "T", requires = "run", value_parser = moment)]
    until: Option<Tick>,
    /// From that moment on: `drop fault N`, `kill` or `power-cut`. Can be given more than once.
    #[arg(long, value_name = "WHAT", requires = "until")]
    then: Vec<Then>,
    /// Decide what follows from some moments anew, N times each: where did it become inevitable?
    #[arg(long, value_name = "N", requires = "run", conflicts_with = "until")]
    futures: Option<u32>,
}

impl WhatIf {
    /// Whether any of it is wanted.
    pub fn is_wanted(&self) -> bool {
        self.until.is_some() || self.futures.is_some()
    }

    /// Does it. Answers the exit code: that of the changed run, if there is one.
    pub fn run(&self, recipe: &Recipe) -> u8 {
        if let Some(each) = self.futures {
            return match futures(recipe, each) {
                Some(futures) => {
                    print!("{futures}");
                    0
                }
                None => {
                    println!("the run does not fail, so there is nothing to look for");
                    0
                }
            };
        }
        let Some(at) = self.until else { return 2 };
        let fork = Fork { at, ..Fork::default() };
        let recipe = Recipe { story: true, fork: Some(fork.clone()), ..recipe.clone() };
        let before = run(&recipe);
        if self.then.is_empty() {
            tell_until(&before, at);
            return 0;
        }
        let mut fork = fork;
        for then in &self.then {
            match *then {
                Then::End(end) => fork.end = Some(end),
                Then::Drop(n) => match before.fired.get(n - 1) {
                    None => {
                        eprintln!("sim: there is no fault {n}: {} struck", before.fired.len());
                        return 2;
                    }
                    Some(address) if n <= before.fired_at_fork => {
                        eprintln!(
                            "sim: fault {n} struck before {}; give an earlier moment, or --drop {address} to go without it from the start",
                            Clock(at)
                        );
                        return 2;
                    }
                    Some(address) => fork.dropped.push(*address),
                },
            }
        }
        let after = run(&Recipe { fork: Some(fork), ..recipe });
        for (then, sentence) in after.story.lines().iter().filter(|(then, _)| *then >= at) {
            println!("{}  {sentence}", Clock(*then));
        }
        println!("as it was:  {}", before.verdict);
        println!("after this: {}", after.verdict);
        after.verdict.exit_code()
    }
}

fn tell_until(report: &Report, at: Tick) {
    for (then, sentence) in report.story.lines().iter().filter(|(then, _)| *then < at) {
        println!("{}  {sentence}", Clock(*then));
    }
    println!("{}  -- until here", Clock(at));
    let (struck, to_come) = report.fired.split_at(report.fired_at_fork);
    println!("faults {} to {} struck before; still to come:", 1.min(struck.len()), struck.len());
    for (n, address) in to_come.iter().enumerate() {
        println!("  fault {}: {address}", struck.len() + n + 1);
    }
    println!("the run then ends so: {}", report.verdict);
}
