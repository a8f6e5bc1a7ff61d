//! The directory of the mirror goes, and comes back. What is missing meanwhile was not deleted by
//! anybody.

use landfall_core::event::{Event, Hint};
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;

use super::deeds::Deed;
use super::{UNIT, World};

impl World {
    /// The directory is gone for a while. Its watcher heard of each file, or of none.
    pub(super) fn lose_root(&mut self, bits: u64) {
        if self.machine.is_none() || self.disk.is_lost {
            return;
        }
        self.story.say(self.now, || "The directory of the mirror is gone.".into());
        self.disk.is_lost = true;
        if bits & 1 == 0 {
            let files: Vec<RemotePath> = self.disk.files().map(|(path, _)| path.clone()).collect();
            for path in files {
                self.say_later(Ms(1), Event::Heard { unit: UNIT, hint: Hint::Left(path) });
            }
        }
        self.later(Ms::mins(1 + (bits >> 8) % 20), Deed::RootBack);
    }

    /// A person brings it back, and starts the mount again. The process that runs holds what is gone,
    /// and never sees the other one.
    pub(super) fn root_back(&mut self) {
        if !self.disk.is_lost {
            return;
        }
        self.start_again();
    }

    /// A process begins. Nobody starts one where nothing is.
    pub(super) fn root_opened(&mut self) {
        if std::mem::take(&mut self.disk.is_lost) {
            self.story.say(self.now, || "The directory of the mirror is back.".into());
        }
    }
}
