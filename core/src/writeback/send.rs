//! Which intents are sent together, and when.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::ops::Bound;

use super::{Intent, State, Writeback};
use crate::effect::{Push, Request};
use crate::engine::Cx;
use crate::files::Files;
use crate::gate::Class;
use crate::path::RemotePath;
use crate::time::Ms;

/// Files of one request.
const FILES: usize = 256;

/// Requests at once. While one is on its way the next grows.
const REQUESTS: usize = 4;

/// How long a write may go unanswered, beside the time that its bytes take.
const PATIENCE: Ms = Ms::secs(60);

/// Bytes that the slowest link takes in a second. What waits in buffers on its way out is counted as
/// sent, and says nothing until it is.
const SLOWEST: u64 = 8 * 1024;

/// How long a write of so many bytes may say nothing.
pub(super) fn patience(bytes: u64) -> Ms {
    Ms(PATIENCE.0 + bytes.saturating_mul(1_000) / SLOWEST)
}

impl Writeback {
    /// Sends what may be sent.
    pub(super) fn send(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        while self.sent.len() < REQUESTS {
            let batch = self.batch();
            let Some(first) = batch.first() else { return };
            let request = match self.intents.get(first) {
                Some(Intent { row, .. }) if row.bytes.is_none() => {
                    let Some(base) = row.base.clone() else {
                        // The server has nothing to delete.
                        let first = first.clone();
                        self.close(cx, &first);
                        files.push_over(cx, &first);
                        continue;
                    };
                    Request::PushDelete { command: row.command.clone(), path: first.clone(), base }
                }
                _ => {
                    let mut pushes: Vec<Push> =
                        batch.iter().filter_map(|path| self.push(path)).collect();
                    match (self.bulk, pushes.len()) {
                        (Some(false), 1) => Request::Push(pushes.remove(0)),
                        _ => Request::PushMany { files: pushes },
                    }
                }
            };
            let credit = batch.len() as u32;
            let patience = patience(self.bytes_of(&batch));
            let call = cx.ask(Class::Interactive, request, patience, credit);
            for path in &batch {
                self.turn(path, State::Sent);
            }
            self.sent.insert(call, batch.into_iter().collect());
        }
    }

    /// The next intents that go together: one delete, or files up to the limits.
    fn batch(&self) -> Vec<RemotePath> {
        let mut batch: Vec<RemotePath> = Vec::new();
        let mut taken: BTreeSet<&RemotePath> = BTreeSet::new();
        let (mut most, mut bytes) = (FILES, 0);
        if self.bulk == Some(false) {
            most = 1;
        }
        for (order, path) in &self.ready {
            let Some(intent) = self.intents.get(path) else { continue };
            if self.has_neighbour(path, *order) {
                continue;
            }
            let Some(staged) = intent.row.bytes else {
                if batch.is_empty() {
                    return alloc::vec![path.clone()];
                }
                continue;
            };
            let with_it = most.min(intent.at_most);
            let full = batch.len() >= with_it || bytes + staged.size > self.max_batch;
            if full && !batch.is_empty() {
                break;
            }
            most = with_it;
            bytes += staged.size;
            taken.insert(path);
            batch.push(path.clone());
        }
        batch
    }

    /// How many bytes these intents send.
    pub(super) fn bytes_of<'a>(&self, paths: impl IntoIterator<Item = &'a RemotePath>) -> u64 {
        let rows = paths.into_iter().filter_map(|path| self.intents.get(path));
        rows.filter_map(|intent| intent.row.bytes).map(|staged| staged.size).sum()
    }

    /// Whether something above or below a path was on its way before it.
    fn has_neighbour(&self, path: &RemotePath, order: u64) -> bool {
        let earlier = |intent: &Intent| intent.order < order;
        if path.ancestors().any(|dir| self.intents.get(dir).is_some_and(earlier)) {
            return true;
        }
        let first = path.as_dir();
        let from = (Bound::Included(first.as_str()), Bound::Unbounded);
        self.intents
            .range::<str, _>(from)
            .take_while(|(below, _)| below.is_below(path.as_str()))
            .any(|(_, intent)| earlier(intent))
    }

    fn push(&self, path: &RemotePath) -> Option<Push> {
        let row = &self.intents.get(path)?.row;
        let bytes = row.bytes?;
        Some(Push {
            command: row.command.clone(),
            path: path.clone(),
            base: row.base.clone(),
            blob: bytes.blob,
            hash: bytes.hash,
            size: bytes.size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_has_a_minute_and_as_long_as_a_slow_link_takes_for_its_bytes() {
        assert_eq!(patience(0), Ms::secs(60));
        assert_eq!(patience(8 * 1024 * 1024), Ms::secs(60 + 1024));
    }
}
