//! Ears that open when there is something to do.
//!
//! A run that ends once all is in step needs none as long as it finds every file as it was. To open
//! them and to let go of them takes longer than such a run. Before anything is done to a file, or
//! one is looked at, they have to be open: a file that is moved while directories are read would look
//! deleted, and one that is being written finished.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use landfall_core::effect::DiskOp;
use landfall_core::event::{Event, Hint};
use landfall_core::id::UnitId;
use tokio::sync::mpsc::UnboundedSender;

use super::Watcher;
use crate::disk::pulse::beat;

/// Between two tries of whoever waits for the ears to open. In a large tree that takes a while.
const AGAIN: Duration = Duration::from_millis(5);

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub(in crate::disk) struct Later(Arc<Mutex<Ears>>);

#[derive(Debug, Default)]
enum Ears {
    /// Nobody wants any, or they were open from the start.
    #[default]
    None,
    Closed(Closed),
    Open(#[expect(dead_code, reason = "it hears until it is dropped")] Watcher),
}

#[derive(Debug)]
struct Closed {
    unit: UnitId,
    events: UnboundedSender<Event>,
    /// A directory was read, and what was done in it since was not heard.
    scanned: bool,
}

impl Later {
    /// They are to open when there is something to do.
    pub fn wait(&self, unit: UnitId, events: UnboundedSender<Event>) {
        *self.lock() = Ears::Closed(Closed { unit, events, scanned: false });
    }

    /// Opens them if this operation needs them. What was missed until now is told as such.
    pub fn open_for(
        &self,
        op: &DiskOp,
        start: impl FnOnce(UnitId, UnboundedSender<Event>) -> io::Result<Watcher>,
    ) -> io::Result<()> {
        let mut ears = self.lock();
        let Ears::Closed(closed) = &mut *ears else { return Ok(()) };
        match op {
            DiskOp::Scan { .. } => closed.scanned = true,
            DiskOp::Root | DiskOp::Clean { .. } | DiskOp::Drop { .. } | DiskOp::Seal => {}
            DiskOp::Look { .. }
            | DiskOp::Stage { .. }
            | DiskOp::Place { .. }
            | DiskOp::Remove { .. } => {
                let watcher = start(closed.unit, closed.events.clone())?;
                if closed.scanned {
                    let event = Event::Heard { unit: closed.unit, hint: Hint::Lost };
                    // Nobody listens any more only when the process ends.
                    let _ = closed.events.send(event);
                }
                *ears = Ears::Open(watcher);
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Ears> {
        loop {
            match self.0.try_lock() {
                Ok(ears) => return ears,
                Err(TryLockError::Poisoned(ears)) => return ears.into_inner(),
                Err(TryLockError::WouldBlock) => {
                    beat();
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }
}
