//! A fingerprint of what a machine will do: states that differ in nothing that matters have
//! the same one, so that an exhaustive search can merge them.
//!
//! | what | how it is taken |
//! |---|---|
//! | instants | as what is left, or as what is gone, up to an hour |
//! | calls and blobs | by a number given in the order of paths, not by the order of calls |
//! | commits, seals, traversals, epochs | in relation to the newest one |
//! | counters that only count, and what is only told to people | left out |
//! | everything else | as it is |
//!
//! Two things are coarser than the machine. Jitter depends on the absolute time, so of two
//! states that are merged one may poll some seconds earlier. And what a class of requests
//! spent at the gate counts only while it waits.
//!
//! Nothing here is needed in production.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::canon::Canon;
use crate::id::{BlobId, CallId};
use crate::time::{Ms, Now, StoredDeadline, Tick, Wall};

/// What is longer ago than this is equally long ago. No rule of the machine looks further back
/// but the daily audit, which is a timer.
const LONG_AGO: Ms = Ms::hours(1);

/// A fingerprint that is being taken. What lies around a machine can go into the same one, with
/// the same numbers for its calls.
#[derive(Clone, Debug)]
pub struct Print {
    now: Now,
    calls: Vec<CallId>,
    canon: Canon,
}

impl Print {
    /// Nothing yet, at this moment.
    pub fn new(now: Now) -> Self {
        Self { now, calls: Vec::new(), canon: Canon::new() }
    }

    /// The present.
    pub fn now(&self) -> Tick {
        self.now.tick
    }

    /// The fingerprint.
    pub fn finish(&self) -> u64 {
        self.canon.finish()
    }

    /// A value as it is. It must hold no instant and no call.
    pub fn plain(&mut self, value: &(impl Hash + ?Sized)) {
        value.hash(&mut self.canon);
    }

    /// A deadline: only what is left of it matters.
    pub fn until(&mut self, at: Tick) {
        self.plain(&(at - self.now.tick).0);
    }

    /// Something that happened: only how long ago matters.
    pub fn since(&mut self, at: Tick) {
        self.plain(&(self.now.tick - at).min(LONG_AGO).0);
    }

    /// A deadline that is stored.
    pub fn stored(&mut self, deadline: StoredDeadline) {
        self.plain(&(deadline.due(self.now) - self.now.tick).0);
    }

    /// Something that happened, on the wall clock.
    pub fn since_wall(&mut self, at: Wall) {
        self.plain(&self.now.wall.0.saturating_sub(at.0).min(LONG_AGO.0));
    }

    /// A call, by its number.
    pub fn call(&mut self, call: CallId) {
        let number = self.number(call);
        self.plain(&number);
    }

    /// A blob, by the number of its call.
    pub fn blob(&mut self, blob: BlobId) {
        self.call(blob.call);
        self.plain(&blob.part);
    }

    /// Whether there is one, and then what it is.
    pub fn maybe<T>(&mut self, value: Option<T>, print: impl FnOnce(&mut Self, T)) {
        self.plain(&value.is_some());
        if let Some(value) = value {
            print(self, value);
        }
    }

    /// Some things whose order means nothing, such as calls in the order of their ids.
    pub fn any_order<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut print: impl FnMut(&mut Self, T),
    ) {
        let mut sum = 0u64;
        for item in items {
            let outer = core::mem::take(&mut self.canon);
            print(self, item);
            let one = core::mem::replace(&mut self.canon, outer);
            sum = sum.wrapping_add(one.finish());
        }
        self.plain(&sum);
    }

    /// Calls are few, so that looking through them costs less than a map.
    fn number(&mut self, call: CallId) -> u64 {
        let known = self.calls.iter().position(|known| *known == call);
        let number = known.unwrap_or_else(|| {
            self.calls.push(call);
            self.calls.len() - 1
        });
        number as u64
    }
}
