//! The only source of [`Machine::next_wake`](crate::Machine::next_wake).

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::fingerprint::Print;
use crate::id::{CallId, RemoteId, StoreId, UnitId};
use crate::time::Tick;

/// Why the machine wants to be woken.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Wake {
    /// A call runs out of time.
    Deadline(CallId),
    /// A gate may let the next request through.
    Gate(RemoteId),
    /// A store did not acknowledge a commit.
    Store(StoreId),
    /// The time to stop is up.
    StopBy,
    /// A unit has something to do.
    Unit(UnitId, Why),
}

/// What a unit wants to be woken for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Why {
    /// Look at the feed, or ask where it stands.
    Feed,
    /// Open the stream.
    Stream,
    /// Ask for a listing page again.
    Page,
    /// List everything again.
    Relist,
    /// Try a path again that was set aside.
    Retry,
    /// Use the disk again after it was in trouble.
    Disk,
    /// Seal what was placed.
    Seal,
    /// Count the deletes that were gathered.
    Deletes,
    /// Look at what people did.
    Hints,
    /// Look again at what is missing.
    Unlink,
    /// Send again, or ask what became of what was sent.
    Outbox,
    /// Nothing moved for a while.
    Watchdog,
    /// `--once` gives up.
    Patience,
}

/// How many reasons a unit has.
const WHYS: usize = Why::Patience as usize + 1;

/// At most one instant for each reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Timers {
    queue: BTreeSet<(Tick, Wake)>,
    at: BTreeMap<Wake, Tick>,
    /// Those of units. They are set and cleared after each step, most of them to what they were.
    units: BTreeMap<UnitId, [Option<Tick>; WHYS]>,
}

impl Timers {
    /// Wakes for `wake` at `tick`, and no longer at the instant set before.
    pub fn set(&mut self, wake: Wake, tick: Tick) {
        let before = match wake {
            Wake::Unit(unit, why) => {
                self.units.entry(unit).or_default()[why as usize].replace(tick)
            }
            wake => self.at.insert(wake, tick),
        };
        if before == Some(tick) {
            return;
        }
        if let Some(old) = before {
            self.queue.remove(&(old, wake));
        }
        self.queue.insert((tick, wake));
    }

    /// Does not wake for `wake` any more.
    pub fn clear(&mut self, wake: Wake) {
        let before = match wake {
            Wake::Unit(unit, why) => {
                self.units.get_mut(&unit).and_then(|at| at[why as usize].take())
            }
            wake => self.at.remove(&wake),
        };
        if let Some(old) = before {
            self.queue.remove(&(old, wake));
        }
    }

    /// When `wake` is due.
    pub fn get(&self, wake: Wake) -> Option<Tick> {
        match wake {
            Wake::Unit(unit, why) => self.units.get(&unit)?[why as usize],
            wake => self.at.get(&wake).copied(),
        }
    }

    /// The first instant and its reason.
    pub fn next(&self) -> Option<(Tick, Wake)> {
        self.queue.first().copied()
    }

    /// For the [fingerprint](crate::fingerprint).
    pub fn print(&self, print: &mut Print) {
        // Every timer is in the queue.
        let Self { queue, at: _, units: _ } = self;
        print.any_order(queue, |print, (tick, wake)| {
            match wake {
                Wake::Deadline(call) => print.call(*call),
                other => print.plain(other),
            }
            print.until(*tick);
        });
    }

    /// Takes the first reason that is due, with the instant it was set to.
    pub fn pop_due(&mut self, now: Tick) -> Option<(Tick, Wake)> {
        let (tick, wake) = self.next().filter(|(tick, _)| *tick <= now)?;
        self.clear(wake);
        Some((tick, wake))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_timer_again_moves_it() {
        let mut timers = Timers::default();
        timers.set(Wake::StopBy, Tick(10));
        timers.set(Wake::StopBy, Tick(20));
        assert_eq!(timers.next(), Some((Tick(20), Wake::StopBy)));
        assert_eq!(timers.pop_due(Tick(19)), None);
        assert_eq!(timers.pop_due(Tick(20)), Some((Tick(20), Wake::StopBy)));
        assert_eq!(timers.next(), None);
    }
}
