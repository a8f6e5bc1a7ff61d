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

    pub(super) fn exited(&mut self, exit: Exit, busy: bool) -> Ruling {
        let fine = match exit {
            Exit::Stopped => self.told,
            Exit::Stuck => busy,
            Exit::Halted
            | Exit::InStep
            | Exit::Partial
            | Exit::Unauthorized
            | Exit::Unavailable => false,
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
