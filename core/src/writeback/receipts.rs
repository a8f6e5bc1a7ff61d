//! Receipts: a server that accepts a write may still fail to carry it out, and says so when it is
//! asked for the operation. Asking spends no budget.

use alloc::vec::Vec;

use super::Writeback;
use crate::decision::Decision;
use crate::effect::Request;
use crate::engine::Cx;
use crate::event::{Answer, OpState, Outcome};
use crate::fault::Fault;
use crate::gate::Class;
use crate::id::CommandId;
use crate::policy::Backoff;
use crate::row::{Of, ReceiptRow};
use crate::time::{Ms, Tick};

/// Asked at once.
const AT_ONCE: usize = 16;

/// How long such a question may go unanswered.
const PATIENCE: Ms = Ms::secs(30);

/// Between two questions about one operation.
const AGAIN: Backoff = Backoff { base: Ms(500), cap: Ms::secs(30) };

/// The same where it did not say. It may never, and there may be many to ask for.
const UNSAID: Backoff = Backoff { base: Ms::secs(1), cap: Ms::mins(2) };

/// A server that does not let us ask is not asked about anything for so long.
const CLOSED: Ms = Ms::mins(1);

/// A server that does not say for so long what became of a write will not say it: it has forgotten
/// the operation, or does not let us ask.
const SILENT: Ms = Ms::mins(10);

/// A write that the server works on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Receipt {
    pub row: ReceiptRow,
    /// When it is asked for next, unless it is being asked for.
    pub due: Tick,
    pub polls: u32,
    /// Since when the server does not say.
    pub silent: Option<Tick>,
}

impl Receipt {
    pub fn new(row: ReceiptRow) -> Self {
        Self { row, due: Tick(0), polls: 0, silent: None }
    }
}

impl Writeback {
    pub(super) fn owe(&mut self, cx: &mut Cx<'_>, command: CommandId, row: ReceiptRow) {
        let receipt = Receipt { due: cx.now.tick, ..Receipt::new(row) };
        self.due.insert((receipt.due, command.clone()));
        self.receipts.insert(command, receipt);
    }

    pub(super) fn ask_receipts(&mut self, cx: &mut Cx<'_>) {
        if self.closed.is_some_and(|until| until > cx.now.tick) {
            return;
        }
        while self.asked.len() < self.at_once() {
            let Some((due, command)) = self.due.first().cloned() else { return };
            if due > cx.now.tick {
                return;
            }
            self.due.remove(&(due, command.clone()));
            let Some(receipt) = self.receipts.get(&command) else { continue };
            let request = Request::Op { op: receipt.row.op.clone() };
            let call = cx.ask(Class::Bulk, request, PATIENCE, 1);
            self.asked.insert(call, command);
        }
    }

    pub(super) fn next_receipt(&self) -> Option<Tick> {
        let due =
            self.due.first().map(|(due, _)| self.closed.map_or(*due, |until| until.max(*due)));
        due.filter(|_| self.asked.len() < self.at_once())
    }

    /// One is enough to find out whether we may ask.
    fn at_once(&self) -> usize {
        if self.closed.is_some() { 1 } else { AT_ONCE }
    }

    pub(super) fn receipt_done(&mut self, cx: &mut Cx<'_>, command: CommandId, outcome: Outcome) {
        if matches!(&outcome, Outcome::Failed { why: Fault::Forbidden, .. }) {
            return self.may_not_ask(cx, command);
        }
        if !matches!(&outcome, Outcome::Failed { why, .. } if !why.was_answered()) {
            self.closed = None;
        }
        let Some(receipt) = self.receipts.get_mut(&command) else { return };
        receipt.polls = receipt.polls.saturating_add(1);
        let unsaid = matches!(&outcome, Outcome::Failed { why, .. } if is_no_answer(why));
        let again = if unsaid { UNSAID } else { AGAIN };
        receipt.due = cx.now.tick + again.delay(receipt.polls, &(cx.engine.seed, &command));
        self.due.insert((receipt.due, command.clone()));
        let over = match outcome {
            Outcome::Ok(Answer::Op(OpState::Succeeded)) => None,
            Outcome::Ok(Answer::Op(OpState::Failed(said))) => Some(said),
            // It may not know it yet.
            Outcome::Failed { .. } if unsaid => {
                let since = *receipt.silent.get_or_insert(cx.now.tick);
                if cx.now.tick - since >= SILENT {
                    self.receipt_lost(cx, &command);
                }
                return;
            }
            Outcome::Ok(_) => {
                receipt.silent = None;
                return;
            }
            Outcome::Failed { .. } => return,
        };
        cx.delete(Of::Receipt(command.clone()));
        let Some(receipt) = self.receipts.remove(&command) else { return };
        self.due.remove(&(receipt.due, command.clone()));
        match over {
            None => self.drop_bytes(cx, receipt.row.bytes),
            Some(said) => self.failed_there(cx, command, receipt.row, said),
        }
    }

    /// The server does not let us ask for this one, and so for none. We may get the right.
    fn may_not_ask(&mut self, cx: &mut Cx<'_>, command: CommandId) {
        let now = cx.now.tick;
        self.closed = Some(now + CLOSED);
        if let Some(receipt) = self.receipts.get(&command) {
            self.due.insert((receipt.due, command));
        }
        let mut lost = Vec::new();
        for (command, receipt) in &mut self.receipts {
            if now - *receipt.silent.get_or_insert(now) >= SILENT {
                lost.push(command.clone());
            }
        }
        for command in lost {
            self.receipt_lost(cx, &command);
        }
    }

    /// Nobody will ever say what became of it.
    fn receipt_lost(&mut self, cx: &mut Cx<'_>, command: &CommandId) {
        let Some(receipt) = self.receipts.remove(command) else { return };
        self.due.remove(&(receipt.due, command.clone()));
        cx.delete(Of::Receipt(command.clone()));
        let ReceiptRow { path, op, bytes, .. } = receipt.row;
        cx.note(Decision::ReceiptLost { path, op });
        self.drop_bytes(cx, bytes);
    }
}

/// Whether the server answered, and did not say what became of the write.
fn is_no_answer(why: &Fault) -> bool {
    matches!(
        why,
        Fault::NotFound
            | Fault::Gone
            | Fault::BadRequest
            | Fault::Rejected { .. }
            | Fault::Status(_)
    )
}
