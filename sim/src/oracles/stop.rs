//! The process ends when it is told to, and never for no reason.

use landfall_core::effect::Exit;

use super::Ruling;

/// Whether it was told to.
#[derive(Debug, Default)]
pub(super) struct Stop {
    told: bool,
}

impl Stop {
    pub(super) fn started(&mut self) {
        self.told = false;
    }

    pub(super) fn told(&mut self) {
        self.told = true;
    }

    pub(super) fn gone(&mut self) {
        self.told = false;
    }

    /// `busy`: the disk or the store owes an answer. `full`: the store says that it has no room, and
    /// that is worth waiting for. `once`: it was to end by itself.
    pub(super) fn exited(&mut self, exit: Exit, busy: bool, full: bool, once: bool) -> Ruling {
        let fine = match exit {
            Exit::Stopped => self.told,
            Exit::Stuck => busy || full && self.told,
            Exit::Halted
            | Exit::InStep
            | Exit::Partial
            | Exit::Unauthorized
            | Exit::Unavailable => once,
        };
        if fine {
            return Ok(1);
        }
        let told = if self.told { "" } else { "not " };
        Err((
            format!("{exit:?}"),
            format!("the process exits as {exit:?}; it was {told}told to stop"),
        ))
    }
}
