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
use landfall_core::effect::Effect;
use landfall_core::event::Event;
use landfall_core::time::{Now, Tick};
use landfall_core::trace::{Line, VERSION};
use thiserror::Error;

use crate::run::{Recipe, run};
use crate::story::Clock;

/// What was replayed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Replayed {
    /// Machines that were started.
    pub machines: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Effects that were compared.
    pub effects: u64,
    /// The last line was not written to its end: its process was killed.
    pub torn: bool,
}

/// Why a trace was not replayed to its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The file.
    #[error("the trace can not be read: {0}")]
    Io(#[from] io::Error),
    /// It is no trace.
    #[error("line {line} is no line of a trace: {why}; the file is damaged, or not a trace")]
    Line { line: u64, why: String },
    /// It begins in the middle.
    #[error("line {0} is a step before any header; a trace begins with its header")]
    NoHeader(u64),
    /// It is of another version.
    #[error(
        "line {line} says that the trace has version {version}, and this program reads version {VERSION}; replay it with the version that wrote it ({program})"
    )]
    Version { line: u64, version: u32, program: String },
    /// The machine wants something else than it did.
    #[error("{0}")]
    Differs(Box<Difference>),
}

/// The first step whose effects are not those that were recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The line in the file, from 1.
    pub line: u64,
    /// The step of its machine, from 1.
    pub step: u64,
    /// When.
    pub at: Tick,
    /// What the machine was told.
    pub event: Event,
    /// Which effect of the step differs, from 1.
    pub effect: usize,
    /// What was recorded; `None`: nothing more.
    pub expected: Option<Effect>,
    /// What came; `None`: nothing more.
    pub came: Option<Effect>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, step, at, event, effect, expected, came } = self;
        let word = |effect: &Option<Effect>| {
            effect.as_ref().map_or("no further effect".to_owned(), |effect| format!("{effect:?}"))
        };
        writeln!(f, "line {line}, step {step} at {} differs in effect {effect}", Clock(*at))?;
        writeln!(f, "  told:     {event:?}")?;
        writeln!(f, "  expected: {}", word(expected))?;
        write!(f, "  came:     {}", word(came))
    }
}

/// Writes a trace.
pub fn write(path: &Path, lines: &[Line]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for line in lines {
        writeln!(file, "{}", line.to_json().map_err(io::Error::other)?)?;
    }
    file.flush()
}

/// Replays a trace.
pub fn replay(mut trace: impl BufRead) -> Result<Replayed, ReplayError> {
    let mut done = Replayed::default();
    let mut machine = None;
    let mut came = Vec::new();
    let (mut text, mut line, mut step) = (String::new(), 0, 0);
    loop {
        text.clear();
        if trace.read_line(&mut text)? == 0 {
            return Ok(done);
        }
        line += 1;
        let read = match Line::from_json(text.trim_end()) {
            Ok(read) => read,
            Err(_) if !text.ends_with('\n') => {
                done.torn = true;
                return Ok(done);
            }
            Err(why) => return Err(ReplayError::Line { line, why: why.to_string() }),
        };
        match read {
            Line::Header { version, program, .. } if version != VERSION => {
                return Err(ReplayError::Version { line, version, program });
            }
            Line::Header { config, .. } => {
                machine = Some(Machine::new(config));
                done.machines += 1;
                step = 0;
            }
            Line::Step { tick, wall, event, effects } => {
                let Some(machine) = &mut machine else { return Err(ReplayError::NoHeader(line)) };
                step += 1;
                came.clear();
                machine.step(Now { tick, wall }, event.clone(), &mut came);
                if let Some(differs) = first_difference(&effects, &came) {
                    return Err(ReplayError::Differs(Box::new(Difference {
                        line,
                        step,
                        at: tick,
                        event,
                        effect: differs + 1,
                        expected: effects.get(differs).cloned(),
                        came: came.get(differs).cloned(),
                    })));
                }
                done.steps += 1;
                done.effects += effects.len() as u64;
            }
        }
    }
}

fn first_difference(expected: &[Effect], came: &[Effect]) -> Option<usize> {
    let longest = expected.len().max(came.len());
    (0..longest).find(|at| expected.get(*at) != came.get(*at))
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
    /// Records each seed and replays its events into fresh machines. Only the replay is
    /// measured: recording, and the letting go of what was recorded, are not.
    pub fn run(seeds: std::ops::Range<u64>) -> Self {
        let mut bench = Self::default();
        let mut effects = Vec::new();
        for seed in seeds {
            let mut lives: Vec<(Machine, Vec<(Now, Event)>)> = Vec::new();
            for line in run(&Recipe { record: true, ..Recipe::of(seed) }).recorded {
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
