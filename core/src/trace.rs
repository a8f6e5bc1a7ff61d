//! Traces: what the machine was told and what it wanted, as JSON Lines.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::effect::Effect;
use crate::event::Event;
use crate::time::{Tick, Wall};

/// The version of the format.
pub const VERSION: u32 = 1;

/// One line of a trace.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
#[expect(clippy::large_enum_variant, reason = "nearly every line is a step")]
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
