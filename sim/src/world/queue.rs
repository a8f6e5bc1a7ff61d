//! Virtual time: what happens next, and when. Time jumps from one entry to the next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use landfall_core::time::Tick;

/// Happenings in the order of (tick, sequence): two at the same tick happen in the order in
/// which they were planned.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    sequence: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    at: Tick,
    sequence: u64,
    what: T,
}

impl<T> Queue<T> {
    /// Nothing is planned.
    pub fn new() -> Self {
        Self { heap: BinaryHeap::new(), sequence: 0 }
    }

    /// Plans something.
    pub fn push(&mut self, at: Tick, what: T) {
        self.sequence += 1;
        self.heap.push(Entry { at, sequence: self.sequence, what });
    }

    /// The next happening and its time.
    pub fn pop(&mut self) -> Option<(Tick, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.what))
    }

    /// When the next one is.
    pub fn next_at(&self) -> Option<Tick> {
        self.heap.peek().map(|entry| entry.at)
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Ord for Entry<T> {
    /// Reversed: the heap gives its greatest first, and the soonest has to come first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_and_ties_keep_their_order() {
        let mut queue = Queue::new();
        queue.push(Tick(20), 'c');
        queue.push(Tick(10), 'a');
        queue.push(Tick(20), 'd');
        queue.push(Tick(10), 'b');
        let order: String = std::iter::from_fn(|| queue.pop().map(|(_, c)| c)).collect();
        assert_eq!(order, "abcd");
    }
}
