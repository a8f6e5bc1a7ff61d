//! The server changes only what a person changed here. Each command takes effect once. What a
//! power cut brought back is no edit, and what it took away is no delete. A dead letter was
//! refused as often as it says.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::{Change, Effect, Request};
use landfall_core::hash::ContentHash;
use landfall_core::id::CommandId;
use landfall_core::path::RemotePath;
use landfall_core::row::Value;

use super::Ruling;
use crate::world::disk::{Moved, Node, Place, Who};
use crate::world::server::{How, Wrote};
use crate::world::store::{Commit, Store};
use crate::world::truth::Truth;

/// What persons did, and what the server was asked for.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// Bytes that a person put at a path, and did not come back by a power cut after the server had
    /// taken them.
    saved: BTreeSet<(RemotePath, ContentHash)>,
    /// Paths where a person left nothing, and the server was not told yet. A delete that
    /// was sent and not answered is sent again, whatever was saved meanwhile.
    deleted: BTreeSet<RemotePath>,
    done: BTreeSet<CommandId>,
    /// What the server took.
    delivered: BTreeSet<(RemotePath, ContentHash)>,
    refused: BTreeMap<CommandId, u32>,
    /// Bytes that the server took and failed to carry out: they are sent again.
    failed: BTreeSet<(RemotePath, ContentHash)>,
}

impl Writes {
    pub(super) fn moved(&mut self, moved: &Moved) {
        let Place::At(path) = &moved.place else { return };
        let hash = match moved.after {
            Some(Node::File(file)) => Some(file.content.hash),
            _ => None,
        };
        match (moved.by, hash) {
            (Who::Person, Some(hash)) => {
                self.saved.insert((path.clone(), hash));
            }
            (Who::Person, None) => {
                self.deleted.insert(path.clone());
            }
            // It came back over what the process had placed since. If the server never had it,
            // it is still to be sent.
            (Who::Power, Some(hash))
                if matches!(moved.before, Some(Node::File(_)))
                    && self.delivered.contains(&(path.clone(), hash)) =>
            {
                self.saved.remove(&(path.clone(), hash));
            }
            (Who::Process, Some(_)) => {
                self.deleted.remove(path);
            }
            (Who::Power, _) | (Who::Process, None) => {}
        }
    }

    /// Bytes that are about to be made of what a person saved there.
    pub(super) fn merged(&mut self, path: &RemotePath, hash: ContentHash) {
        self.saved.insert((path.clone(), hash));
    }

    /// Whoever was killed a moment after it was sent has to know that it was.
    pub(super) fn wanted(effect: &Effect, store: &Store) -> Ruling {
        let Effect::Ask { request, .. } = effect else { return Ok(0) };
        let known = |path: &RemotePath, command: &CommandId| match store.view().intents.get(path)
            == Some(command)
        {
            true => Ok(1),
            false => Err(wrong(path, "is sent, and no durable row says so")),
        };
        match request {
            Request::PushMany { files } => {
                files.iter().map(|file| known(&file.path, &file.command)).sum()
            }
            Request::Push(file) => known(&file.path, &file.command),
            Request::PushDelete { command, path, .. } => known(path, command),
            _ => Ok(0),
        }
    }

    pub(super) fn wrote(&mut self, wrote: &Wrote, truth: &Truth) -> Ruling {
        let Wrote { command, path, hash, how } = wrote;
        let n = match how {
            How::Again => return Ok(1),
            How::Refused => {
                *self.refused.entry(command.clone()).or_default() += 1;
                return Ok(0);
            }
            How::Done(n) => *n,
        };
        if !self.done.insert(command.clone()) {
            return Err(wrong(path, "is changed twice by one command"));
        }
        let was_deleted = match hash {
            Some(hash) => {
                self.delivered.insert((path.clone(), *hash));
                false
            }
            None => self.deleted.remove(path),
        };
        let before = truth.at(path, n - 1).and_then(|version| version.content);
        match hash {
            Some(hash)
                if before.is_some_and(|before| before.hash == *hash)
                    && !self.failed.contains(&(path.clone(), *hash)) =>
            {
                Err(wrong(path, "is written, and the server had these bytes"))
            }
            Some(hash) if !self.saved.contains(&(path.clone(), *hash)) => {
                Err(wrong(path, "is written, and no person saved these bytes there"))
            }
            None if !was_deleted => Err(wrong(path, "is deleted, and no person deleted it here")),
            _ => Ok(1),
        }
    }

    /// Dead letters are earned.
    pub(super) fn durable(&mut self, commit: &Commit) -> Ruling {
        let mut judged = 0;
        for change in &commit.changes {
            let Change::Put(row) = change else { continue };
            let Value::Letter(command, letter) = &row.value else { continue };
            judged += 1;
            // The server said so itself.
            if letter.op.is_some() {
                self.failed.extend(letter.bytes.map(|bytes| (letter.path.clone(), bytes.hash)));
                continue;
            }
            let refused = self.refused.get(command).copied().unwrap_or(0);
            if refused < letter.attempts || letter.attempts < BUDGET {
                let what = format!(
                    "is a dead letter after {} attempts, of which the server refused {refused}",
                    letter.attempts
                );
                return Err(wrong(&letter.path, &what));
            }
        }
        Ok(judged)
    }
}

/// So many refusals make a dead letter.
const BUDGET: u32 = 5;

fn wrong(path: &RemotePath, what: &str) -> (String, String) {
    (path.to_string(), format!("{path} {what}"))
}
