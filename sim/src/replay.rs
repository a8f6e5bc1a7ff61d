//! Steps a recorded trace through a fresh machine again, and wants the same effects.
//!
//! A trace is written by `landfall mount --trace FILE` and by `sim --seed N --trace FILE`. Each
//! header in it begins a fresh machine: a run of the simulator has one for each start of its
//! process.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufWriter, Write};
use std::path::Path;

use landfall_core::Machine;
use landfall_core::event::Event;
use landfall_core::time::Now;
use landfall_core::trace::{Difference, Line, Replay, Replayed};
use thiserror::Error;

use crate::run::{Recipe, run};
use crate::story::Clock;

/// Why a trace was not replayed to its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file.
    #[error("the trace can not be read: {0}")]
    Io(#[from] io::Error),
    /// It is no trace.
    #[error("line {line} is no line of a trace: {why}; the file is damaged, or not a trace")]
    Damaged {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// One of its lines can not be replayed, or differs.
    #[error("line {line}: {}", told(.why))]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        why: landfall_core::trace::ReplayError,
    },
}

impl ReplayError {
    /// Whether the machine did something else than it had done.
    pub fn differs(&self) -> bool {
        use landfall_core::trace::ReplayError::Differs;
        matches!(self, Self::Line { why, .. } if matches!(why, Differs(_)))
    }
}

fn told(why: &landfall_core::trace::ReplayError) -> String {
    let landfall_core::trace::ReplayError::Differs(difference) = why else {
        return why.to_string();
    };
    let Difference { at, event, expected, came, .. } = &**difference;
    let word = |effect: &Option<_>| {
        effect.as_ref().map_or("no further effect".to_owned(), |effect| format!("{effect:?}"))
    };
    format!(
        "{why}, at {}\n  told:     {event:?}\n  expected: {}\n  came:     {}",
        Clock(*at),
        word(expected),
        word(came)
    )
}

/// Writes a trace.
pub fn write(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for line in lines {
        writeln!(file, "{}", line.to_json().map_err(io::Error::other)?)?;
    }
    file.flush()
}

/// Replays a trace. The second part of the answer: its last line was not written to its end,
/// as a kill leaves it.
pub fn replay(mut trace: impl BufRead) -> Result<(Replayed, bool), ReplayError> {
    let mut replay = Replay::default();
    let (mut text, mut line) = (String::new(), 0);
    loop {
        text.clear();
        if trace.read_line(&mut text)? == 0 {
            return Ok((replay.done, false));
        }
        line += 1;
        let read = match Line::from_json(text.trim_end()) {
            Ok(read) => read,
            Err(_) if !text.ends_with('\n') => return Ok((replay.done, true)),
            Err(why) => return Err(ReplayError::Damaged { line, why: why.to_string() }),
        };
        replay.line(read).map_err(|why| ReplayError::Line { line, why })?;
    }
}

/// How fast the machine is over what happened in many runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bench {
    /// Seeds whose events were replayed.
    pub seeds: u64,
    /// Fresh machines.
    pub machines: u64,
    /// Steps.
    pub steps: u64,
    /// Effects.
    pub effects: u64,
    /// CPU time of the steps alone, in nanoseconds.
    pub cpu_ns: u64,
}

impl Bench {
    /// Records each seed of the standard scenario and replays its events into fresh machines. Only
    /// the replay is measured: recording, and the letting go of what was recorded, are not.
    pub fn run(seeds: std::ops::Range<u64>) -> Self {
        let mut bench = Self::default();
        let mut effects = Vec::new();
        for seed in seeds {
            let mut lives: Vec<(Machine, Vec<(Now, Event)>)> = Vec::new();
            let mut recipe = Recipe { trace: true, ..Recipe::of(seed) };
            recipe.options.two_way = false;
            for line in run(&recipe).recorded {
                match line {
                    Line::Header { config, .. } => lives.push((Machine::new(config), Vec::new())),
                    Line::Step { tick, wall, event, .. } => {
                        if let Some((_, events)) = lives.last_mut() {
                            events.push((Now { tick, wall }, event));
                        }
                    }
                }
            }
            bench.seeds += 1;
            let before = thread_cpu_ns();
            for (machine, events) in &mut lives {
                bench.machines += 1;
                for (now, event) in events.drain(..) {
                    machine.step(now, event, &mut effects);
                    bench.steps += 1;
                    bench.effects += effects.len() as u64;
                    effects.clear();
                }
            }
            bench.cpu_ns += thread_cpu_ns().saturating_sub(before);
        }
        bench
    }
}

impl fmt::Display for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, machines, steps, effects, cpu_ns } = self;
        let rate = u128::from(*steps) * 1_000_000_000 / u128::from(*cpu_ns).max(1);
        write!(
            f,
            "{seeds} seeds, {machines} machines, {steps} steps and {effects} effects in {}.{:03} s of CPU: {rate} steps per CPU second",
            cpu_ns / 1_000_000_000,
            cpu_ns / 1_000_000 % 1_000,
        )
    }
}

/// CPU time of this thread in nanoseconds; 0 where `/proc` does not say.
fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}
