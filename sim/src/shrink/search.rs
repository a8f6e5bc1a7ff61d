//! Tries smaller runs, on all cores, and takes the first that fails in the same way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use crate::oracles::Oracle;
use crate::run::{Recipe, Report, run};

/// Recipes that are run together.
const BATCH: usize = 8;

/// What a run costs besides its steps.
const RUN: u64 = 300;

/// A run that fails in the same way.
#[derive(Debug)]
pub(super) struct Smaller {
    /// Its place among those that were tried.
    pub index: usize,
    /// Its recipe, with the faults that struck.
    pub recipe: Recipe,
    /// How it ended.
    pub report: Report,
}

/// Looks for runs that fail in the same way.
#[derive(Debug)]
pub(super) struct Search {
    /// The broken rule.
    pub oracle: Oracle,
    /// What is to be stuck or broken; `None`: whatever it is.
    pub item: Option<String>,
    /// Runs so far.
    pub runs: u32,
    patience: u64,
}

impl Search {
    pub fn new(oracle: Oracle, item: Option<String>) -> Self {
        Self { oracle, item, runs: 0, patience: 0 }
    }

    /// Whether there is no patience left.
    pub fn is_over(&self) -> bool {
        self.patience == 0
    }

    /// Patience for so many steps of the machine. A core does 200,000 in a second.
    pub fn patience(&mut self, steps: u64) {
        self.patience = steps;
    }

    /// Whether a run failed in the same way.
    pub fn is_same(&self, report: &Report) -> bool {
        report.verdict.signature().is_some_and(|(oracle, item)| {
            oracle == self.oracle && self.item.as_ref().is_none_or(|wanted| *wanted == item)
        })
    }

    /// Runs one recipe, however little patience is left.
    pub fn fails(&mut self, recipe: &Recipe) -> Option<Smaller> {
        let report = run(recipe);
        self.count(&report);
        self.smaller(0, recipe.clone(), report)
    }

    /// The first of these that fails in the same way. Which one that is does not depend on the
    /// number of cores.
    pub fn first(&mut self, recipes: impl IntoIterator<Item = Recipe>) -> Option<Smaller> {
        let mut rest = recipes.into_iter().enumerate().peekable();
        while rest.peek().is_some() && !self.is_over() {
            let batch: Vec<(usize, Recipe)> = rest.by_ref().take(BATCH).collect();
            let reports = in_order(&batch, |report| self.is_same(report));
            for ((index, recipe), report) in batch.into_iter().zip(reports) {
                self.count(&report);
                if let Some(smaller) = self.smaller(index, recipe, report) {
                    return Some(smaller);
                }
            }
        }
        None
    }

    /// Those that fail in the same way: so many, or as many as half of the patience finds.
    pub fn some(&mut self, recipes: impl Iterator<Item = Recipe>, many: usize) -> Vec<Smaller> {
        let half = self.patience / 2;
        let mut rest = recipes.enumerate().peekable();
        let mut found = Vec::new();
        while rest.peek().is_some() && self.patience > half && found.len() < many {
            let batch: Vec<(usize, Recipe)> = rest.by_ref().take(BATCH).collect();
            let reports = in_order(&batch, |_| false);
            for ((index, recipe), report) in batch.into_iter().zip(reports) {
                self.count(&report);
                found.extend(self.smaller(index, recipe, report));
            }
        }
        found
    }

    fn count(&mut self, report: &Report) {
        self.runs += 1;
        self.patience = self.patience.saturating_sub(report.counts.steps + RUN);
    }

    fn smaller(&self, index: usize, recipe: Recipe, report: Report) -> Option<Smaller> {
        let kept = Some(report.fired.clone());
        self.is_same(&report).then_some(Smaller {
            index,
            recipe: Recipe { kept, ..recipe },
            report,
        })
    }
}

/// The reports of these recipes, up to the first at which to stop.
fn in_order(batch: &[(usize, Recipe)], stop: impl Fn(&Report) -> bool + Sync) -> Vec<Report> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let last = AtomicUsize::new(batch.len());
    let mut reports: Vec<Option<Report>> = batch.iter().map(|_| None).collect();
    thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..workers.min(batch.len()) {
            let send = send.clone();
            let (next, last, stop) = (&next, &last, &stop);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= last.load(Ordering::Relaxed) {
                        return;
                    }
                    let report = run(&batch[i].1);
                    if stop(&report) {
                        last.fetch_min(i + 1, Ordering::Relaxed);
                    }
                    if send.send((i, report)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        for (i, report) in receive {
            reports[i] = Some(report);
        }
    });
    reports.truncate(last.into_inner());
    reports.into_iter().flatten().collect()
}
