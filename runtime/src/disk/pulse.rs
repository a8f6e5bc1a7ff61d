//! Signs of life from operations that take long, so that nobody takes a large file for a disk
//! that hangs.
//!
//! Whoever reads or writes much calls [`beat`]. It tells, now and then, that the operation at
//! hand goes on, those that this thread has yet to do, and those that no thread has taken up.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::event::{Event, Part};
use landfall_core::id::CallId;
use tokio::sync::mpsc::UnboundedSender;

use crate::seldom::Seldom;

/// Well below the machine's patience.
const EVERY: Duration = Duration::from_secs(10);

thread_local! {
    static AT_HAND: RefCell<Option<AtHand>> = const { RefCell::new(None) };
}

/// Operations that no thread has taken up.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Mutex<BTreeSet<CallId>>>);

#[derive(Debug)]
struct AtHand {
    calls: BTreeSet<CallId>,
    waiting: Waiting,
    events: UnboundedSender<Event>,
    told: Seldom,
}

impl Waiting {
    /// These wait for a thread.
    pub fn add(&self, calls: impl IntoIterator<Item = CallId>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(calls);
    }

    /// This thread takes these up.
    pub fn take_up(&self, calls: BTreeSet<CallId>, events: UnboundedSender<Event>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|call| !calls.contains(call));
        drop(waiting);
        let told = Seldom::told(Instant::now());
        let at_hand = AtHand { calls, waiting: self.clone(), events, told };
        AT_HAND.set(Some(at_hand));
    }

    fn calls(&self) -> BTreeSet<CallId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// This thread is done with one of its operations.
pub(super) fn done(call: CallId) {
    AT_HAND.with_borrow_mut(|at_hand| {
        if let Some(at_hand) = at_hand {
            at_hand.calls.remove(&call);
        }
    });
    beat();
}

/// The operation at hand goes on.
pub(super) fn beat() {
    beat_every(EVERY);
}

fn beat_every(every: Duration) {
    AT_HAND.with_borrow_mut(|at_hand| {
        let Some(at_hand) = at_hand.as_mut() else { return };
        if !at_hand.told.tells(every, Instant::now()) {
            return;
        }
        for call in at_hand.calls.iter().copied().chain(at_hand.waiting.calls()) {
            let _ = at_hand.events.send(Event::Part { call, part: Part::Alive });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_core::id::UnitId;

    fn call(n: u64) -> CallId {
        CallId { run: 1, unit: UnitId(0), n }
    }

    #[test]
    fn what_is_behind_a_large_file_is_alive_and_what_another_thread_does_is_not_told() {
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let waiting = Waiting::default();
        waiting.add((1..=4).map(call));
        std::thread::spawn({
            // It hangs in 1.
            let (waiting, sender) = (waiting.clone(), sender.clone());
            move || waiting.take_up([call(1)].into(), sender)
        })
        .join()
        .unwrap();
        waiting.take_up([call(2), call(3)].into(), sender);
        beat();
        assert!(events.try_recv().is_err(), "it has just begun");
        done(call(2));
        beat_every(Duration::ZERO);
        let alive = std::iter::from_fn(|| match events.try_recv() {
            Ok(Event::Part { call, part: Part::Alive }) => Some(call.n),
            _ => None,
        });
        assert_eq!(alive.collect::<Vec<_>>(), [3, 4]);
    }
}
