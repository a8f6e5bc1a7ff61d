//! Many deletes wait for a person. Those of one cycle, and those that follow one another within
//! a minute, are never more than the brake allows.

use std::collections::VecDeque;

use landfall_core::config::MaxDelete;
use landfall_core::effect::{Aside, DiskOp, Effect};
use landfall_core::time::{Ms, Tick};

use super::Ruling;
use crate::world::store::Store;

/// Deletes that are so close to one another are one deed.
const TOGETHER: Ms = Ms::mins(1);

/// Rows that may be on their way to the store when a delete is counted, and files of which
/// some were deleted in good order a moment before.
const SLACK: u64 = 16;

/// What went to the trash lately.
#[derive(Debug, Default)]
pub(super) struct Brake {
    allowed: bool,
    /// When, and how many files were known then.
    lately: VecDeque<(Tick, u64)>,
}

impl Brake {
    /// A new process does not know what the last one let go.
    pub(super) fn started(&mut self) {
        self.lately.clear();
    }

    /// A person allowed all deletes.
    pub(super) fn allowed_all(&mut self) {
        self.allowed = true;
    }

    pub(super) fn wanted(&mut self, now: Tick, effect: &Effect, store: &Store) -> Ruling {
        let Effect::Disk { op: DiskOp::Remove { to: Aside::Trash { .. }, .. }, .. } = effect else {
            return Ok(0);
        };
        if self.allowed {
            return Ok(0);
        }
        while self.lately.front().is_some_and(|(at, _)| *at + TOGETHER <= now) {
            self.lately.pop_front();
        }
        let rows = &store.view().entries;
        let known = rows.values().filter(|row| row.base.is_some()).count() as u64;
        self.lately.push_back((now, known));
        let most = self.lately.iter().map(|(_, known)| *known).max().unwrap_or(0);
        let allowed = MaxDelete::Percent(50).allowed(most + SLACK) + SLACK;
        let deletes = self.lately.len() as u64;
        if deletes > allowed {
            return Err((
                "deletes".into(),
                format!(
                    "{deletes} of {most} files go to the trash within a minute, and nobody allowed it"
                ),
            ));
        }
        Ok(1)
    }
}
