//! Is a run the same in another process, and in another build?

use std::fmt;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use landfall_core::canon::Canon;
use landfall_core::trace::Line;
use thiserror::Error;

use crate::run::{Recipe, run};
use crate::story::Clock;
use crate::world::Planted;

/// The hash of each seed's run, in the order of the seeds.
pub fn hashes(seeds: Range<u64>, planted: Planted) -> Vec<u64> {
    let next = AtomicU64::new(seeds.start);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(u64, u64)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end {
                            return mine;
                        }
                        mine.push((seed, run(&Recipe { planted, ..Recipe::of(seed) }).hash));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    all.sort_unstable();
    all.into_iter().map(|(_, hash)| hash).collect()
}

/// One hash over all of them.
pub fn hash_of_all(hashes: &[u64]) -> u64 {
    let mut all = Canon::new();
    hashes.iter().for_each(|hash| all.write_u64(*hash));
    all.finish()
}

/// The hash after each step of one seed.
pub fn steps(seed: u64, planted: Planted) -> Vec<u64> {
    run(&Recipe { steps: true, planted, ..Recipe::of(seed) }).steps
}

/// Why two processes could not be compared, or how they differ.
#[derive(Debug, Error)]
pub enum SameError {
    /// The other program.
    #[error("`{command}` can not be run: {why}; give a built `sim`, such as target/debug/sim")]
    Run { command: String, why: io::Error },
    /// It failed.
    #[error("`{command}` failed: {said}")]
    Failed { command: String, said: String },
    /// It said something else.
    #[error("`{command}` answered {got} hashes instead of {wanted}; is it the same version?")]
    Count { command: String, got: usize, wanted: usize },
    /// They differ.
    #[error("{0}")]
    Differs(Box<Differs>),
}

/// Where two processes part.
#[derive(Debug)]
pub struct Differs {
    /// The seed.
    pub seed: u64,
    /// How many seeds differ.
    pub seeds: usize,
    /// The first step that differs, from 1.
    pub step: usize,
    /// What this process did there.
    pub here: Option<Line>,
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, seeds, step, here } = self;
        writeln!(f, "{seeds} seeds differ; the first is seed {seed}, from its step {step} on")?;
        if let Some(Line::Step { tick, event, effects, .. }) = here {
            writeln!(f, "  here, at {}, it was told {event:?}", Clock(*tick))?;
            write!(f, "  and wanted {effects:?}")?;
        }
        Ok(())
    }
}

/// Compares these hashes with those of another `sim`: a program, perhaps with flags.
pub fn against(
    command: &str,
    seeds: Range<u64>,
    hashes: &[u64],
    planted: Planted,
) -> Result<(), SameError> {
    let range = format!("{}..{}", seeds.start, seeds.end);
    let theirs = ask(command, &["--hashes", &range])?;
    if theirs.len() != hashes.len() {
        let (got, wanted) = (theirs.len(), hashes.len());
        return Err(SameError::Count { command: command.into(), got, wanted });
    }
    let differ = |(_, (mine, theirs)): &(u64, (&u64, &u64))| mine != theirs;
    let mut differing = seeds.zip(hashes.iter().zip(&theirs)).filter(differ);
    let Some((seed, _)) = differing.next() else { return Ok(()) };
    let mine = steps(seed, planted);
    let theirs = ask(command, &["--steps-of", &seed.to_string()])?;
    let same = mine.iter().zip(&theirs).take_while(|(mine, theirs)| mine == theirs).count();
    let recorded = run(&Recipe { trace: true, planted, ..Recipe::of(seed) }).recorded;
    let here = recorded.into_iter().filter(|line| matches!(line, Line::Step { .. })).nth(same);
    let seeds = 1 + differing.count();
    Err(SameError::Differs(Box::new(Differs { seed, seeds, step: same + 1, here })))
}

/// The hashes at the ends of the lines that another `sim` prints.
fn ask(command: &str, more: &[&str]) -> Result<Vec<u64>, SameError> {
    let mut words = command.split_whitespace();
    let program = words.next().unwrap_or_default();
    let run = |why| SameError::Run { command: command.into(), why };
    let Output { status, stdout, stderr } =
        Command::new(program).args(words).args(more).output().map_err(run)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr).trim().to_owned();
        return Err(SameError::Failed { command: command.into(), said });
    }
    let text = String::from_utf8_lossy(&stdout);
    let hashes = text.lines().filter_map(|line| {
        let hash = line.strip_prefix("hash ")?.rsplit(' ').next()?;
        u64::from_str_radix(hash, 16).ok()
    });
    Ok(hashes.collect())
}
