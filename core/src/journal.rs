//! One atomic commit per step and store, and the numbers they are acknowledged by.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::effect::{Change, Effect};
use crate::fingerprint::Print;
use crate::id::{CommitSeq, StoreId};
use crate::row::{Row, RowKey};
use crate::time::{Ms, Tick};

/// How long a store may leave a commit unanswered.
pub const STORE_PATIENCE: Ms = Ms::secs(60);

/// What one store was and will be told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Journal {
    /// The number of the last commit that was sent.
    sent: CommitSeq,
    /// The number of the last commit that is durable.
    durable: CommitSeq,
    /// When the oldest unanswered commit was sent, or the last answer came.
    waiting_since: Option<Tick>,
    /// Since when there is a commit that is not durable.
    owed_since: Option<Tick>,
    /// The changes of this step; a row that changes twice in a step is written once.
    changes: BTreeMap<RowKey, Option<Row>>,
}

impl Journal {
    /// Adds or replaces a row with the commit of this step.
    pub fn put(&mut self, row: Row) {
        self.changes.insert(row.key(), Some(row));
    }

    /// Deletes a row with the commit of this step.
    pub fn delete(&mut self, key: RowKey) {
        self.changes.insert(key, None);
    }

    /// The number by which everything put so far will be acknowledged.
    pub fn mark(&self) -> CommitSeq {
        if self.changes.is_empty() { self.sent } else { CommitSeq(self.sent.0 + 1) }
    }

    /// Whether everything up to this number is durable.
    pub fn is_durable(&self, mark: CommitSeq) -> bool {
        mark <= self.durable
    }

    /// Whether nothing is waiting to become durable.
    pub fn is_quiet(&self) -> bool {
        self.changes.is_empty() && self.durable == self.sent
    }

    /// Everything up to `upto` is durable. A number that was never sent is not believed. One that is
    /// known is a sign of life: a store that says that the disk is full is waited for.
    pub fn stored(&mut self, upto: CommitSeq, now: Tick) {
        let before = self.durable;
        self.durable = self.durable.max(upto.min(self.sent));
        self.waiting_since = (self.durable < self.sent).then_some(now);
        if before < self.durable {
            self.owed_since = self.waiting_since;
        }
    }

    /// The computer slept, so the store gets its time again.
    pub fn slept(&mut self, now: Tick) {
        self.waiting_since = self.waiting_since.map(|_| now);
    }

    /// When the store has been silent for too long.
    pub fn patience_ends(&self) -> Option<Tick> {
        Some(self.waiting_since? + STORE_PATIENCE)
    }

    /// Since when there is something that is not durable.
    pub fn owed_since(&self) -> Option<Tick> {
        self.owed_since
    }

    /// The number of the last commit that is durable.
    pub fn durable(&self) -> CommitSeq {
        self.durable
    }

    /// For the [fingerprint](crate::fingerprint).
    pub fn print(&self, print: &mut Print) {
        let Self { sent, durable, waiting_since, owed_since: _, changes } = self;
        print.plain(&(sent.0 - durable.0, changes));
        print.maybe(*waiting_since, Print::since);
    }

    /// Ends the step: at most one commit.
    pub fn flush(&mut self, store: StoreId, now: Tick) -> Option<Effect> {
        if self.changes.is_empty() {
            return None;
        }
        self.sent.0 += 1;
        self.waiting_since.get_or_insert(now);
        self.owed_since.get_or_insert(now);
        let changes: Vec<Change> = core::mem::take(&mut self.changes)
            .into_iter()
            .map(|(key, row)| row.map_or(Change::Delete(key), Change::Put))
            .collect();
        Some(Effect::Commit { store, seq: self.sent, changes })
    }
}
