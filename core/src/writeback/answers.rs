//! What the server answers to what was sent.

use alloc::collections::BTreeSet;

use super::send::patience;
use super::{State, Writeback};
use crate::decision::Decision;
use crate::engine::Cx;
use crate::event::{Answer, Outcome, Part};
use crate::fault::Fault;
use crate::files::Files;
use crate::files::entry::{Ordinal, Unsent};
use crate::id::{CallId, OpId, Revision};
use crate::path::RemotePath;
use crate::policy::Backoff;
use crate::row::{ReceiptRow, Value};
use crate::time::Ms;

/// Refusals of one payload that make a dead letter of it.
pub(super) const BUDGET: u32 = 5;

/// Between two attempts at a payload that was refused.
const REFUSED: Backoff = Backoff { base: Ms(500), cap: Ms::secs(30) };

/// Between two attempts where the server, or the way to it, was in trouble.
const TROUBLE: Backoff = Backoff { base: Ms::secs(1), cap: Ms::secs(30) };

/// Before something is tried again that the server does not let us write.
const DENIED: Ms = Ms::mins(10);

impl Writeback {
    /// One item of the answer to many.
    pub fn part(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        call: CallId,
        part: Part,
        at: Ordinal,
    ) {
        // Once it answers, it has all of the body.
        let on_its_way = if part == Part::Alive {
            files.progress += 1;
            self.bytes_of(self.sent.get(&call).into_iter().flatten())
        } else {
            0
        };
        cx.extend(call, patience(on_its_way));
        match part {
            Part::Wrote { path, revision, op } => {
                if let Some(path) = self.take_from(call, &path) {
                    self.accepted(cx, files, &path, Some(revision), op, at);
                }
            }
            Part::Refused { path, why, .. } => {
                if let Some(path) = self.take_from(call, &path) {
                    self.failed(cx, files, &path, why, at);
                }
            }
            other => {
                if let Some(blob) = other.blob() {
                    files.drop_blob(cx, blob);
                }
            }
        }
    }

    fn take_from(&mut self, call: CallId, path: &str) -> Option<RemotePath> {
        let path = RemotePath::parse(path).ok()?;
        self.sent.get_mut(&call)?.take(&path)
    }

    /// The last word about a request of this lane.
    pub fn done(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        call: CallId,
        outcome: Outcome,
        at: Ordinal,
    ) {
        if let Some(command) = self.asked.remove(&call) {
            return self.receipt_done(cx, command, outcome);
        }
        let Some(left) = self.sent.remove(&call) else { return };
        match outcome {
            Outcome::Ok(Answer::WroteMany) => {
                self.bulk = Some(true);
                // An older server does not say which revision it made.
                for path in left {
                    self.accepted_unseen(cx, files, &path);
                }
            }
            Outcome::Ok(Answer::Wrote { revision, op }) => {
                for path in left {
                    self.accepted(cx, files, &path, Some(revision.clone()), op.clone(), at);
                }
            }
            Outcome::Ok(Answer::Deleted { op }) => {
                for path in left {
                    self.accepted(cx, files, &path, None, op.clone(), at);
                }
            }
            Outcome::Ok(_) => self.all_failed(cx, files, left, Fault::Malformed, at),
            Outcome::Failed { why, .. } => self.all_failed(cx, files, left, why, at),
        }
    }

    fn accepted(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        path: &RemotePath,
        revision: Option<Revision>,
        op: Option<OpId>,
        at: Ordinal,
    ) {
        let Some(row) = self.close(cx, path) else { return };
        let delete = row.bytes.is_none();
        cx.note(Decision::Sent { path: path.clone(), delete });
        self.letters_over(cx, path);
        match op {
            Some(op) => {
                let accepted = cx.now.wall;
                let receipt = ReceiptRow { path: path.clone(), op, bytes: row.bytes, accepted };
                cx.put(Value::Receipt(row.command.clone(), receipt.clone()));
                self.owe(cx, row.command.clone(), receipt);
            }
            None => self.drop_bytes(cx, row.bytes),
        }
        if let Some(bytes) = row.bytes {
            files.was_sent(cx.now.tick, bytes.hash);
        }
        files.pushed(cx, path, &row, revision, at);
    }

    fn accepted_unseen(&mut self, cx: &mut Cx<'_>, files: &mut Files, path: &RemotePath) {
        let Some(row) = self.close(cx, path) else { return };
        cx.note(Decision::Sent { path: path.clone(), delete: false });
        self.drop_bytes(cx, row.bytes);
        files.push_is_behind(cx, path, row.base.as_ref());
    }

    /// A whole request failed.
    fn all_failed(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        left: BTreeSet<RemotePath>,
        why: Fault,
        at: Ordinal,
    ) {
        let no_route = why == Fault::NotFound && self.bulk.is_none() && self.are_files(&left);
        if no_route {
            self.bulk = Some(false);
        }
        let of_payload =
            matches!(why, Fault::Rejected { .. } | Fault::BadRequest | Fault::TooLarge);
        let many = left.len() > 1;
        if many && of_payload {
            // One of them is to blame, and nobody is charged before it is known which.
            cx.note(Decision::Bisected { files: left.len() as u64, why: why.clone() });
        }
        let half = left.len().div_ceil(2);
        for path in left {
            match many && of_payload {
                true => self.again(&path, half),
                false if no_route => self.again(&path, usize::MAX),
                false => self.failed(cx, files, &path, why.clone(), at),
            }
        }
    }

    fn are_files(&self, paths: &BTreeSet<RemotePath>) -> bool {
        let mut intents = paths.iter().filter_map(|path| self.intents.get(path));
        intents.all(|intent| intent.row.bytes.is_some())
    }

    fn again(&mut self, path: &RemotePath, at_most: usize) {
        if let Some(intent) = self.intents.get_mut(path) {
            intent.at_most = at_most;
            self.turn(path, State::Ready);
        }
    }

    /// One intent failed.
    fn failed(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        path: &RemotePath,
        why: Fault,
        at: Ordinal,
    ) {
        let Some(intent) = self.intents.get_mut(path) else { return };
        let delete = intent.row.bytes.is_none();
        match why {
            // It is gone, by us or by somebody else.
            Fault::NotFound | Fault::Gone if delete => {
                self.accepted(cx, files, path, None, None, at);
            }
            Fault::Conflict | Fault::NotFound | Fault::Gone => {
                cx.note(Decision::SentTooLate { path: path.clone() });
                let Some(row) = self.close(cx, path) else { return };
                self.drop_bytes(cx, row.bytes);
                files.push_is_behind(cx, path, row.base.as_ref());
            }
            Fault::BlobLost => {
                let row = self.close(cx, path);
                self.drop_bytes(cx, row.and_then(|row| row.bytes));
                files.push_lost(cx, path);
            }
            Fault::Forbidden => {
                let Some(row) = self.close(cx, path) else { return };
                cx.note(Decision::WriteDenied { path: path.clone() });
                self.drop_bytes(cx, row.bytes);
                self.denied.insert((cx.now.tick + DENIED, path.clone()));
                let what = row.bytes.map(|bytes| bytes.hash);
                files.unsent(cx, path, what, Unsent::Denied);
            }
            Fault::Rejected { .. } | Fault::BadRequest | Fault::TooLarge => {
                intent.row.failures += 1;
                intent.tries = 0;
                let failures = intent.row.failures;
                if failures >= BUDGET {
                    return self.give_up(cx, files, path, why);
                }
                let wait = REFUSED.delay(failures, &(cx.engine.seed, path));
                let row = intent.row.clone();
                cx.put(Value::Intent(path.clone(), row));
                cx.note(Decision::PushRefused { path: path.clone(), why, failures, wait });
                self.turn(path, State::Waiting(cx.now.tick + wait));
            }
            // The server, the link or the disk was in trouble: nobody is charged.
            _ => {
                intent.tries = intent.tries.saturating_add(1);
                let wait = TROUBLE.delay(intent.tries, &(cx.engine.seed, path));
                self.turn(path, State::Waiting(cx.now.tick + wait));
            }
        }
    }
}
