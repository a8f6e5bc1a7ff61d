//! Many seeds on all cores.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use landfall_core::time::Ms;

use crate::coverage::Coverage;
use crate::faults::{KINDS, Kind};
use crate::options::Ways;
use crate::oracles::{ORACLES, Oracle};
use crate::run::{Recipe, Report, Verdict, run};
use crate::world::Planted;

/// What a hunt is for.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Only these kinds of faults, if any are named.
    pub only: Vec<Kind>,
    /// Without these.
    pub without: Vec<Kind>,
    /// Run every seed twice and compare.
    pub twice: bool,
    /// Stop at the first failure.
    pub first: bool,
    /// Three quiet days instead of two bad hours.
    pub idle: bool,
    /// Which way bytes go in every run; else as its seed says.
    pub ways: Option<Ways>,
    /// Count what is tried.
    pub coverage: bool,
    /// The planted defect of the simulator.
    pub planted: Planted,
}

/// A seed that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// How.
    pub how: How,
}

/// How a seed failed.
#[derive(Clone, Debug)]
pub enum How {
    /// Its run ended badly.
    Verdict(Verdict),
    /// Its two runs differ from this step on.
    Differs {
        /// The first step that differs, from 0.
        step: usize,
    },
}

/// What a hunt brought home.
#[derive(Debug)]
pub struct Bag {
    /// How many seeds were run.
    pub runs: u64,
    /// Those that failed, in the order of seeds.
    pub failures: Vec<Failure>,
    /// How often each kind struck.
    pub kinds: [u64; KINDS],
    /// How often each oracle had something to judge.
    pub judged: [u64; ORACLES],
    /// Steps of the machine.
    pub steps: u64,
    /// Virtual time awake.
    pub awake: Ms,
    /// Fewest steps in an hour of one run.
    pub fewest: u64,
    /// Time that the slowest run took to converge after the healing, and its seed.
    pub slowest: (Ms, u64),
    /// What was tried, if it was to be counted.
    pub coverage: Option<Box<Coverage>>,
    /// CPU time in milliseconds.
    pub cpu: u64,
}

impl Hunt {
    /// The recipe of one seed.
    pub fn recipe(&self, seed: u64) -> Recipe {
        let mut recipe = Recipe::of(seed);
        if let Some(ways) = self.ways {
            recipe.options.go(ways);
        }
        if !self.only.is_empty() {
            recipe.options.only(&self.only);
        }
        recipe.options.without(&self.without);
        if self.idle {
            recipe.options.idle();
        }
        recipe.coverage = self.coverage;
        recipe.planted = self.planted;
        recipe
    }

    /// Runs all seeds. `progress` hears of each failure as it is found.
    pub fn go(&self, mut progress: impl FnMut(&Failure)) -> Bag {
        let before = cpu_ms();
        let next = AtomicU64::new(self.seeds.start);
        // With `first`: nothing above this seed is wanted any more. What is below it and still
        // under way is waited for, so that the answer does not depend on the cores.
        let lowest = AtomicU64::new(u64::MAX);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let mut bag = Bag::empty();
        thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..workers {
                let send = send.clone();
                let (next, lowest) = (&next, &lowest);
                scope.spawn(move || {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        let end = self.seeds.end.min(lowest.load(Ordering::Relaxed));
                        if seed >= end || send.send((seed, self.one(seed))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            for (seed, (report, step)) in receive {
                bag.add(seed, &report);
                let how = match (step, report.verdict) {
                    (Some(step), _) => How::Differs { step },
                    (None, Verdict::InStep(_)) => continue,
                    (None, verdict) => How::Verdict(verdict),
                };
                let failure = Failure { seed, how };
                if self.first {
                    lowest.fetch_min(seed, Ordering::Relaxed);
                } else {
                    progress(&failure);
                }
                bag.failures.push(failure);
            }
        });
        bag.failures.sort_by_key(|failure| failure.seed);
        if self.first {
            bag.failures.truncate(1);
            bag.failures.iter().for_each(progress);
        }
        bag.cpu = cpu_ms().saturating_sub(before);
        bag
    }

    fn one(&self, seed: u64) -> (Report, Option<usize>) {
        let recipe = self.recipe(seed);
        let report = run(&recipe);
        if !self.twice {
            return (report, None);
        }
        if run(&recipe).hash == report.hash {
            return (report, None);
        }
        // Now that it is known to differ, find out where.
        let step = first_difference(&recipe);
        (report, Some(step))
    }
}

/// The first step at which two runs of one recipe differ.
pub fn first_difference(recipe: &Recipe) -> usize {
    let recipe = Recipe { steps: true, ..recipe.clone() };
    let (one, two) = (run(&recipe).steps, run(&recipe).steps);
    let same = one.iter().zip(&two).take_while(|(a, b)| a == b).count();
    same.min(one.len()).min(two.len())
}

impl Bag {
    fn empty() -> Self {
        Self {
            runs: 0,
            failures: Vec::new(),
            kinds: [0; KINDS],
            judged: [0; ORACLES],
            steps: 0,
            awake: Ms(0),
            fewest: u64::MAX,
            slowest: (Ms(0), 0),
            coverage: None,
            cpu: 0,
        }
    }

    fn add(&mut self, seed: u64, report: &Report) {
        self.runs += 1;
        if let Some(tried) = &report.coverage {
            self.coverage.get_or_insert_default().add(tried);
        }
        self.steps += report.counts.steps;
        self.awake = Ms(self.awake.0 + report.awake().0);
        if let Verdict::InStep(after) = report.verdict {
            let hours = report.awake().0.max(1);
            self.fewest = self.fewest.min(report.counts.steps * 3_600_000 / hours);
            self.slowest = self.slowest.max((after, seed));
        }
        for (sum, n) in self.kinds.iter_mut().zip(report.kinds) {
            *sum += n;
        }
        for (sum, n) in self.judged.iter_mut().zip(report.judged) {
            *sum += n;
        }
    }

    /// Kinds that never struck and oracles that never judged.
    pub fn zeros(&self) -> Vec<String> {
        let kinds = Kind::ALL.iter().filter(|kind| self.kinds[**kind as usize] == 0);
        let oracles = Oracle::ALL.iter().filter(|oracle| self.judged[**oracle as usize] == 0);
        kinds
            .map(|kind| format!("no {kind} ever struck"))
            .chain(oracles.map(|oracle| format!("{oracle} never had anything to judge")))
            .collect()
    }
}

impl fmt::Display for Bag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults that struck:")?;
        for kind in Kind::ALL {
            writeln!(f, "  {:>10}  {kind}", self.kinds[*kind as usize])?;
        }
        writeln!(f, "judgements:")?;
        for oracle in Oracle::ALL {
            writeln!(f, "  {:>10}  {oracle}", self.judged[*oracle as usize])?;
        }
        let hours = self.awake.0 / 3_600_000;
        writeln!(
            f,
            "{} runs, {} failed; {hours} simulated hours in {}.{:03} s of CPU: {} hours per CPU second",
            self.runs,
            self.failures.len(),
            self.cpu / 1000,
            self.cpu % 1000,
            hours * 1000 / self.cpu.max(1),
        )?;
        if self.fewest == u64::MAX {
            return Ok(());
        }
        writeln!(
            f,
            "{} machine steps per simulated hour on average, {} at least; the slowest run (seed {}) was in step {} after the healing",
            self.steps * 3_600_000 / self.awake.0.max(1),
            self.fewest,
            self.slowest.1,
            self.slowest.0,
        )
    }
}

/// CPU time of this process so far in milliseconds; 0 where `/proc` does not say.
fn cpu_ms() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    // Linux counts in hundredths of a second for every program.
    ticks * 10
}
