//! How a person starts the mount: mostly it goes on for ever and sends what there is. Sometimes it
//! is to end when it is in step, or may send only what is small.

use landfall_core::config::WorkspaceConfig;
use landfall_core::event::{Event, Stop};

use super::World;
use crate::faults::Kind;

/// Bytes; about half of the files that people save here are larger.
const SMALL: u64 = 64;

impl World {
    /// What a person asks of the process that begins.
    pub(super) fn command_line(&mut self) {
        let (run, usual) = (self.run, WorkspaceConfig::default());
        let once = self.plan.strikes(Kind::Once, run, 0).is_some();
        let small = self.options.two_way && self.plan.strikes(Kind::SmallLimit, run, 0).is_some();
        let (_, config) = &mut self.config.workspaces[0];
        config.once = once;
        config.max_file = if small { SMALL } else { usual.max_file };
        self.oracles.asked(self.now, once, config.max_file);
        if once {
            self.story.say(self.now, || "It is to end when it is in step.".into());
        }
        if small {
            self.story.say(self.now, || format!("It may send no file above {SMALL} bytes."));
        }
    }

    /// A person starts it again, if it runs.
    pub(super) fn start_again(&mut self) {
        if self.machine.is_none() {
            return;
        }
        self.story.say(self.now, || "A person starts the mount again.".into());
        self.oracles.told_to_stop();
        self.stop_due();
        self.tell(Event::Stop(Stop::Graceful));
    }

    /// The world is healed: what is asked of the process from now on is the usual.
    pub(super) fn usual_again(&mut self) {
        let (_, config) = &self.config.workspaces[0];
        if config.once || config.max_file == SMALL {
            self.start_again();
        }
    }
}
