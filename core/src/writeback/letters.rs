//! Dead letters: what could not be delivered, with its bytes.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Writeback;
use crate::decision::Decision;
use crate::engine::Cx;
use crate::event::Order;
use crate::fault::Fault;
use crate::files::Files;
use crate::files::entry::{Local, Unsent};
use crate::files::plan::{Rule, plan};
use crate::id::{CommandId, OpId};
use crate::path::RemotePath;
use crate::row::{LetterRow, Of, ReceiptRow, Staged, Value};

impl Writeback {
    /// The budget of an intent is spent.
    pub(super) fn give_up(
        &mut self,
        cx: &mut Cx<'_>,
        files: &mut Files,
        path: &RemotePath,
        why: Fault,
    ) {
        let Some(row) = self.close(cx, path) else { return };
        // Refused again: one record of these bytes is enough.
        for older in self.letters_of(path) {
            let what = |bytes: Option<Staged>| bytes.map(|bytes| bytes.hash);
            let same = |letter: &LetterRow| what(letter.bytes) == what(row.bytes);
            if self.letters.get(&older).is_some_and(same) {
                self.remove_letter(cx, &older);
            }
        }
        let (status, said) = match &why {
            Fault::Rejected { status, said } => (*status, said.clone()),
            Fault::TooLarge => (413, String::new()),
            other => (400, other.to_string()),
        };
        let letter = LetterRow {
            path: path.clone(),
            op: None,
            bytes: row.bytes,
            attempts: row.failures,
            status,
            said,
            at: cx.now.wall,
        };
        self.write_letter(cx, row.command, letter, why);
        files.unsent(cx, path, row.bytes.map(|bytes| bytes.hash), Unsent::Dead);
    }

    /// The server accepted a write, and then failed to carry it out.
    pub(super) fn failed_there(
        &mut self,
        cx: &mut Cx<'_>,
        command: CommandId,
        receipt: ReceiptRow,
        said: String,
    ) {
        let ReceiptRow { path, op, bytes, .. } = receipt;
        let why = Fault::Rejected { status: 0, said: said.clone() };
        let op: Option<OpId> = Some(op);
        let at = cx.now.wall;
        let letter = LetterRow { path, op, bytes, attempts: 1, status: 0, said, at };
        self.write_letter(cx, command, letter, why);
    }

    fn write_letter(&mut self, cx: &mut Cx<'_>, command: CommandId, letter: LetterRow, why: Fault) {
        cx.note(Decision::DeadLetter {
            path: letter.path.clone(),
            command: command.clone(),
            attempts: letter.attempts,
            why,
        });
        cx.put(Value::Letter(command.clone(), letter.clone()));
        self.letters.insert(command, letter);
    }

    /// A file was delivered: what could not be before is over.
    pub(super) fn letters_over(&mut self, cx: &mut Cx<'_>, path: &RemotePath) {
        for command in self.letters_of(path) {
            cx.note(Decision::LetterOver { path: path.clone(), command: command.clone() });
            self.remove_letter(cx, &command);
        }
    }

    fn letters_of(&self, path: &RemotePath) -> Vec<CommandId> {
        let all = self.letters.iter().filter(|(_, letter)| letter.path == *path);
        all.map(|(command, _)| command.clone()).collect()
    }

    fn remove_letter(&mut self, cx: &mut Cx<'_>, command: &CommandId) {
        if let Some(letter) = self.letters.remove(command) {
            cx.delete(Of::Letter(command.clone()));
            self.drop_bytes(cx, letter.bytes);
        }
    }

    /// A person wants something.
    pub fn told(&mut self, cx: &mut Cx<'_>, files: &mut Files, order: Order) {
        match order {
            Order::Retry(Some(command)) => self.retry(cx, files, &command),
            Order::Retry(None) => {
                for command in self.letters.keys().cloned().collect::<Vec<_>>() {
                    self.retry(cx, files, &command);
                }
            }
            Order::Discard(command) => {
                let Some(letter) = self.letters.get(&command) else { return };
                let (path, bytes) = (letter.path.clone(), letter.bytes);
                cx.note(Decision::Discarded { path: path.clone(), command: command.clone() });
                self.remove_letter(cx, &command);
                if files.is_held_as(&path, Unsent::Dead) {
                    let what = bytes.map(|bytes| bytes.hash);
                    files.unsent(cx, &path, what, Unsent::GivenUp);
                }
            }
        }
    }

    /// Retries what had to wait for a look at its file.
    pub(super) fn retry_waiting(&mut self, cx: &mut Cx<'_>, files: &mut Files) {
        for command in core::mem::take(&mut self.again) {
            self.retry(cx, files, &command);
        }
    }

    /// Sends a dead letter again, if what is here is still what it was. The letter stays until it
    /// was delivered. What is here may not be known yet, as after a start: then it waits for that.
    fn retry(&mut self, cx: &mut Cx<'_>, files: &mut Files, command: &CommandId) {
        let Some(letter) = self.letters.get(command) else { return };
        let path = letter.path.clone();
        if self.intents.contains_key(&path) {
            // It is on its way.
            return;
        }
        let wanted = letter.bytes.map(|bytes| bytes.hash);
        let here = match files.get(&path).map(|entry| (&entry.local, &entry.doing)) {
            Some((Local::Unknown, _) | (_, Some(_))) => {
                self.again.insert(command.clone());
                return;
            }
            Some((Local::File { hash, .. }, None)) => Some(Some(*hash)),
            Some((Local::Absent, None)) => Some(None),
            Some((Local::Odd(_), None)) | None => None,
        };
        let planned = files.get(&path).map(|entry| plan(entry, files.mode()).1);
        if here != Some(wanted) || planned.is_some_and(Rule::is_of_remote) {
            return cx.note(Decision::NothingToSend { path, command: command.clone() });
        }
        if letter.op.is_none() && files.is_there(&path, wanted) {
            // An earlier try arrived after all: a retry would write the same once more.
            cx.note(Decision::LetterOver { path: path.clone(), command: command.clone() });
            self.remove_letter(cx, command);
            return files.may_send(cx, &path);
        }
        cx.note(Decision::LetterAgain { path: path.clone(), command: command.clone() });
        files.resend(cx, &path);
    }
}
