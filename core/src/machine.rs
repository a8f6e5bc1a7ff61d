use crate::config::Config;
use crate::effect::Effect;
use crate::event::Event;
use crate::id::*;
use crate::status::Status;
use crate::time::{Now, Tick};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Why the machine wants to be woken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Wake {
    /// A network call runs out of time.
    Deadline(CallId),
    /// A gate opens again.
    Gate(RemoteId),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    config: Config,
}

impl Machine {
    /// A machine that knows nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
    /// One step.
    pub fn step(&mut self, _now: Now, _event: Event, _effects: &mut Vec<Effect>) {
        let _ = &self.config;
    }
    /// When to wake.
    pub fn next_wake(&self) -> Option<(Tick, Wake)> {
        None
    }
    /// Status.
    pub fn status(&self, _now: Now) -> Status {
        unimplemented!()
    }
}
