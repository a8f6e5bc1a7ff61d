//! What if: the same run up to a moment, and something else from there on.
//!
//! A run is a function of its recipe, so the past need not be kept: it is run again up to the
//! moment, and what changes from there on is part of the recipe. Faults are decided by their
//! addresses; a future salts the seed that decides them.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use landfall_core::time::{Ms, Tick};

use crate::faults::Address;
use crate::oracles::Oracle;
use crate::run::{Recipe, run};
use crate::story::Clock;

/// From this moment on, something else happens.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fork {
    /// The moment.
    pub at: Tick,
    /// These faults do not strike any more.
    pub dropped: Vec<Address>,
    /// At the moment itself, the process is killed, or the power fails.
    pub end: Option<End>,
    /// What is not decided yet is decided anew by this number.
    pub salt: Option<u64>,
}

/// How a process ends at a fork.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// `kill -9`.
    Kill,
    /// The power fails.
    PowerCut,
}

/// What `--then` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Then {
    /// The fault of this number in the order of striking, from 1, does not strike.
    Drop(usize),
    /// The process ends.
    End(End),
}

impl FromStr for Then {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["kill"] => Ok(Then::End(End::Kill)),
            ["power-cut"] => Ok(Then::End(End::PowerCut)),
            ["drop", "fault", n] => match n.parse() {
                Ok(n) if n > 0 => Ok(Then::Drop(n)),
                _ => Err(format!("`{n}` is no number of a fault; `--until` lists them")),
            },
            _ => Err(format!("`{text}`: write `drop fault N`, `kill` or `power-cut`")),
        }
    }
}

/// Reads a moment: as a story prints it, or as a number of `ms`, `s`, `m` or `h`.
pub fn moment(text: &str) -> Result<Tick, String> {
    let bad = || format!("`{text}` is no moment; write for example 00:31:05.250, 31m or 90s");
    if text.contains(':') {
        let (clock, ms) = text.split_once('.').unwrap_or((text, "0"));
        let mut seconds = 0u64;
        for part in clock.split(':') {
            let part: u64 = part.parse().map_err(|_| bad())?;
            seconds = seconds.saturating_mul(60).saturating_add(part);
        }
        let ms: u64 = format!("{ms:0<3}")[..3].parse().map_err(|_| bad())?;
        return Ok(Tick(seconds.saturating_mul(1000).saturating_add(ms)));
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    Ok(Tick(number.saturating_mul(factor)))
}

/// How likely a failure is, seen from moments on the way to it.
#[derive(Clone, Debug)]
pub struct Futures {
    /// The rule that is broken.
    pub oracle: Oracle,
    /// When the run failed, or ended.
    pub end: Tick,
    /// Futures of each moment.
    pub each: u32,
    /// The moments, and how many of their futures break the same rule.
    pub moments: Vec<(Tick, u32)>,
    /// Where the likelihood grows most: between these two.
    pub jump: (Tick, Tick),
    /// What happened there.
    pub story: Vec<(Tick, String)>,
}

/// Moments that are looked at first, and then within the greatest step between two of them.
const MOMENTS: u64 = 20;
const CLOSER: u64 = 8;
/// Sentences that are told about the jump.
const TOLD: usize = 12;

/// Lives `each` futures from each of some moments. `None`: the run does not fail.
pub fn futures(recipe: &Recipe, each: u32) -> Option<Futures> {
    let told = run(&Recipe { story: true, ..recipe.clone() });
    let (oracle, _) = told.verdict.signature()?;
    let at = |n: u64, from: Tick, upto: Tick, of: u64| from + Ms((upto - from).0 * n / of);
    let first: Vec<Tick> = (0..MOMENTS).map(|n| at(n, Tick(1_000), told.end, MOMENTS)).collect();
    let mut moments = shares(recipe, oracle, &first, each);
    // At its end the run has failed.
    moments.push((told.end, each));
    let (from, upto) = jump(&moments);
    let closer: Vec<Tick> = (1..CLOSER).map(|n| at(n, from, upto, CLOSER)).collect();
    moments.extend(shares(recipe, oracle, &closer, each));
    moments.sort();
    moments.dedup_by_key(|(at, _)| *at);
    let jump = jump(&moments);
    let there = |line: &&(Tick, String)| line.0 > jump.0 && line.0 <= jump.1;
    let story = told.story.lines().iter().filter(there).take(TOLD).cloned().collect();
    Some(Futures { oracle, end: told.end, each, moments, jump, story })
}

/// The two neighbours between which the likelihood grows most.
fn jump(moments: &[(Tick, u32)]) -> (Tick, Tick) {
    let steps = moments.windows(2).map(|pair| (pair[1].1.saturating_sub(pair[0].1), pair));
    // Of equal steps the first.
    let best = steps.rev().max_by_key(|(grown, _)| *grown);
    best.map_or((Tick(0), Tick(0)), |(_, pair)| (pair[0].0, pair[1].0))
}

/// How many futures of each moment break the rule.
fn shares(recipe: &Recipe, oracle: Oracle, moments: &[Tick], each: u32) -> Vec<(Tick, u32)> {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut shares: Vec<(Tick, u32)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| {
                    let mut shares = Vec::new();
                    while let Some(at) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let fails = |salt: &u32| {
                            let salt = Some(u64::from(*salt) + 1);
                            let fork = Fork { at: *at, salt, ..Fork::default() };
                            let future = Recipe { fork: Some(fork), ..recipe.clone() };
                            run(&future).verdict.signature().is_some_and(|(o, _)| o == oracle)
                        };
                        shares.push((*at, (0..each).filter(fails).count() as u32));
                    }
                    shares
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    shares.sort();
    shares
}

impl fmt::Display for Futures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, end, each, moments, jump, story } = self;
        writeln!(f, "how many of {each} futures break {oracle}, from each moment:")?;
        for (at, fail) in moments {
            let bar = "#".repeat((fail * 50 / each.max(&1)) as usize);
            writeln!(f, "  {}  {bar:<50} {fail:>4}", Clock(*at))?;
        }
        writeln!(
            f,
            "the greatest step is between {} and {}; the run ended at {}",
            Clock(jump.0),
            Clock(jump.1),
            Clock(*end)
        )?;
        for (at, sentence) in story {
            writeln!(f, "  {}  {sentence}", Clock(*at))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_a_story_prints_it() {
        assert_eq!(moment("00:31:05.250"), Ok(Tick(1_865_250)));
        assert_eq!(moment("31:05"), Ok(Tick(1_865_000)));
        assert_eq!(moment("90s"), Ok(Tick(90_000)));
        assert_eq!(moment("2h"), Ok(Tick(7_200_000)));
        for bad in ["", "12", "1x", "a:b"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_follows_is_read() {
        assert_eq!("drop fault 2".parse(), Ok(Then::Drop(2)));
        assert_eq!("kill".parse(), Ok(Then::End(End::Kill)));
        assert!("drop fault 0".parse::<Then>().is_err());
        assert!("burn".parse::<Then>().is_err());
    }

    #[test]
    fn the_greatest_step_is_found() {
        let moments = [(Tick(0), 1), (Tick(1), 2), (Tick(2), 9), (Tick(3), 10)];
        assert_eq!(jump(&moments), (Tick(1), Tick(2)));
    }
}
