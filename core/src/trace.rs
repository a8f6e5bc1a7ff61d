//! Traces: what the machine was told and what it wanted, as JSON Lines.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use thiserror::Error;

use crate::Machine;
use crate::config::Config;
use crate::effect::Effect;
use crate::event::Event;
use crate::time::{Now, Tick, Wall};

/// The version of the format.
pub const VERSION: u32 = 2;

/// One line of a trace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// The first line of every file. The rows come as the first `Load` events.
    Header {
        /// [`VERSION`].
        version: u32,
        /// The program that wrote it.
        program: String,
        /// What the machine was built from.
        config: Config,
    },
    /// One step.
    Step {
        /// When, on the monotonic clock.
        tick: Tick,
        /// When, on the wall.
        wall: Wall,
        /// What it was told.
        event: Event,
        /// What it wanted.
        effects: Vec<Effect>,
    },
}

impl Line {
    /// One line of JSON, without the newline.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads one line.
    pub fn from_json(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line)
    }
}

/// Steps a recorded trace through fresh machines again, line by line, and wants the same
/// effects. Each header begins a machine.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    machine: Option<Machine>,
    came: Vec<Effect>,
    step: u64,
    /// What was replayed so far.
    pub done: Replayed,
}

/// What was replayed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Replayed {
    /// Machines that were started.
    pub machines: u64,
    /// Steps that were taken.
    pub steps: u64,
    /// Effects that were compared.
    pub effects: u64,
}

/// Why a line can not be replayed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ReplayError {
    /// It begins in the middle.
    #[error("it is a step before any header; a trace begins with its header")]
    NoHeader,
    /// It is of another version.
    #[error(
        "the trace has version {version}, and this program reads version {VERSION}; replay it with the version that wrote it ({program})"
    )]
    Version {
        /// The version.
        version: u32,
        /// Who wrote it.
        program: String,
    },
    /// The machine wants something else than it did.
    #[error("step {} differs in effect {}", .0.step, .0.effect)]
    Differs(Box<Difference>),
}

/// The first step whose effects are not those that were recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
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

impl Replay {
    /// Replays one line.
    pub fn line(&mut self, line: Line) -> Result<(), ReplayError> {
        let (now, event, expected) = match line {
            Line::Header { version, program, .. } if version != VERSION => {
                return Err(ReplayError::Version { version, program });
            }
            Line::Header { config, .. } => {
                self.machine = Some(Machine::new(config));
                self.step = 0;
                self.done.machines += 1;
                return Ok(());
            }
            Line::Step { tick, wall, event, effects } => (Now { tick, wall }, event, effects),
        };
        let machine = self.machine.as_mut().ok_or(ReplayError::NoHeader)?;
        self.step += 1;
        self.came.clear();
        machine.step(now, event.clone(), &mut self.came);
        let longest = expected.len().max(self.came.len());
        if let Some(differs) = (0..longest).find(|at| expected.get(*at) != self.came.get(*at)) {
            return Err(ReplayError::Differs(Box::new(Difference {
                step: self.step,
                at: now.tick,
                event,
                effect: differs + 1,
                expected: expected.get(differs).cloned(),
                came: self.came.get(differs).cloned(),
            })));
        }
        self.done.steps += 1;
        self.done.effects += expected.len() as u64;
        Ok(())
    }
}
