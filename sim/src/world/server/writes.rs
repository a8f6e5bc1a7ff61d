//! What the mirror writes.

use std::sync::Arc;

use landfall_core::effect::Push;
use landfall_core::event::{Answer, OpState, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::hash::ContentHash;
use landfall_core::id::{CommandId, OpId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::time::Wall;
use landfall_reference::server as reference;
use landfall_reference::server::{
    BulkError, BulkWrite, Fate, Identity, IfMatch, OpStatus, Refusal,
};

use super::reply::{Piece, Reply};
use super::{Asked, Server, hash_of, strikes};
use crate::faults::{Kind, Plan};
use crate::world::disk::Content;

/// A write of the mirror that changed something, or would have.
#[derive(Clone, Debug)]
pub struct Wrote {
    /// Which intent.
    pub command: CommandId,
    /// Which file.
    pub path: RemotePath,
    /// Its bytes; `None`: it was deleted.
    pub hash: Option<ContentHash>,
    /// What the server made of it.
    pub how: How,
}

/// What the server made of a write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// It was done, as this event.
    Done(u64),
    /// It had been done before.
    Again,
    /// What is in it was refused.
    Refused,
}

impl Server {
    pub(super) fn push_many(
        &mut self,
        files: &[Push],
        asked: Asked,
        plan: &mut Plan,
        staged: &dyn Fn(&Push) -> Option<reference::Content>,
        wall: u64,
    ) -> Result<Reply, Refusal> {
        let rejected = files.iter().any(|file| rejects(&file.path, plan));
        if rejected && files.len() > 1 && strikes(plan, Kind::BulkRefused, asked).is_some() {
            return Err(Refusal::bad_request("invalid input"));
        }
        let fails =
            strikes(plan, Kind::BulkOneFails, asked).map(|bits| bits as usize % files.len());
        let mut pieces = Vec::new();
        for (place, file) in files.iter().enumerate() {
            let done = match fails == Some(place) {
                true => Err((Blame::Lane, Fault::Server(500))),
                false => self.push_file(file, plan, staged, wall, asked),
            };
            let path = file.path.as_str().to_owned();
            pieces.push(Piece::Part(match done {
                Ok((revision, op)) => Part::Wrote { path, revision, op: Some(op) },
                Err((blame, why)) => Part::Refused { path, blame, why },
            }));
        }
        Ok(Reply { pieces, ..Reply::answer(Answer::WroteMany) })
    }

    pub(super) fn push_one(
        &mut self,
        file: &Push,
        asked: Asked,
        plan: &mut Plan,
        staged: &dyn Fn(&Push) -> Option<reference::Content>,
        wall: u64,
    ) -> Result<Reply, Refusal> {
        Ok(match self.push_file(file, plan, staged, wall, asked) {
            Ok((revision, op)) => Reply::answer(Answer::Wrote { revision, op: Some(op) }),
            Err((blame, why)) => {
                Reply::word(landfall_core::event::Outcome::Failed { blame, why, retry_after: None })
            }
        })
    }

    fn push_file(
        &mut self,
        file: &Push,
        plan: &mut Plan,
        staged: &dyn Fn(&Push) -> Option<reference::Content>,
        wall: u64,
        asked: Asked,
    ) -> Result<(Revision, OpId), (Blame, Fault)> {
        let Some(content) = staged(file) else {
            return Err((Blame::Payload, Fault::BlobLost));
        };
        let hash = Some(content.hash());
        let bytes = Content::of(&content);
        let wrote =
            |how| Wrote { command: file.command.clone(), path: file.path.clone(), hash, how };
        if denies(&file.path, plan) {
            return Err((Blame::Payload, Fault::Forbidden));
        }
        if rejects(&file.path, plan) {
            self.wrote.push(wrote(How::Refused));
            let said = "does not fit the schema".into();
            return Err((Blame::Payload, Fault::Rejected { status: 422, said }));
        }
        let write = BulkWrite {
            path: file.path.as_str().to_owned(),
            content: Some(content),
            expect: match &file.base {
                Some(base) => IfMatch::Revision(base.0.to_string()),
                None => IfMatch::Absent,
            },
            identity: Some(Identity {
                kind: "mount-command".into(),
                key: file.command.0.as_str().into(),
                ttl: Identity::TTL,
            }),
        };
        let by: Arc<str> = "landfall".into();
        let answer = self.remote.bulk_write(&by, vec![write], None, Wall(wall));
        let answer = answer.map_err(|refusal| refusal.classify())?;
        if let Some(error) = answer.errors.first() {
            return Err(classify(error));
        }
        let Some(accepted) = answer.written.first() else {
            return Err((Blame::Lane, Fault::Malformed));
        };
        if accepted.again {
            self.wrote.push(wrote(How::Again));
        } else {
            let n = self.truth.change(&file.path, Some(bytes), asked.at, true);
            self.wrote.push(wrote(How::Done(n)));
            self.doom(n, plan);
        }
        Ok((Revision(accepted.revision().into()), OpId(accepted.op())))
    }

    pub(super) fn push_delete(
        &mut self,
        command: &CommandId,
        path: &RemotePath,
        base: &Revision,
        asked: Asked,
        plan: &mut Plan,
        wall: u64,
    ) -> Result<Reply, Refusal> {
        if denies(path, plan) {
            return Err(Refusal::new(403, "forbidden", "missing required scope: fs:write"));
        }
        let by: Arc<str> = "landfall".into();
        let expect = IfMatch::Revision(base.0.to_string());
        let accepted = match self.remote.delete_if(&by, path.as_str(), &expect, Wall(wall)) {
            Ok(accepted) => accepted,
            Err(refusal) if refusal.status == 409 => {
                let (blame, why) = (Blame::Payload, Fault::Conflict);
                return Ok(Reply::word(landfall_core::event::Outcome::Failed {
                    blame,
                    why,
                    retry_after: None,
                }));
            }
            Err(refusal) => return Err(refusal),
        };
        let n = self.truth.change(path, None, asked.at, true);
        let (command, path) = (command.clone(), path.clone());
        self.wrote.push(Wrote { command, path, hash: None, how: How::Done(n) });
        self.doom(n, plan);
        Ok(Reply::answer(Answer::Deleted { op: Some(OpId(accepted.op())) }))
    }

    /// Whether what was accepted fails later.
    fn doom(&mut self, n: u64, plan: &mut Plan) {
        if plan.strikes(Kind::OpFails, n as u32, 0).is_some() {
            self.remote.doom(n, Fate::DeadLetters);
        }
    }

    pub(super) fn op(
        &mut self,
        op: &OpId,
        asked: Asked,
        plan: &mut Plan,
        wall: u64,
    ) -> Result<Reply, Refusal> {
        if !self.shape.receipts {
            return Err(Refusal::new(403, "forbidden", "missing required scope: ops:read"));
        }
        match strikes(plan, Kind::OpUnknown, asked) {
            Some(bits) if bits & 1 == 0 => return Err(Refusal::not_found()),
            Some(_) => return Ok(Reply::answer(Answer::Op(OpState::Pending))),
            None => {}
        }
        let op = self.remote.op(&op.0, Wall(wall))?;
        Ok(Reply::answer(Answer::Op(match op.status {
            OpStatus::Pending => OpState::Pending,
            OpStatus::Succeeded => OpState::Succeeded,
            status => OpState::Failed(status.name().into()),
        })))
    }
}

fn rejects(path: &RemotePath, plan: &mut Plan) -> bool {
    plan.strikes(Kind::WriteRejected, hash_of(path.as_str()) as u32, 0).is_some()
}

fn denies(path: &RemotePath, plan: &mut Plan) -> bool {
    plan.strikes(Kind::WriteDenied, hash_of(path.as_str()) as u32, 0).is_some()
}

fn classify(error: &BulkError) -> (Blame, Fault) {
    match error.code {
        "conflict" | "not_found" => (Blame::Payload, Fault::Conflict),
        "forbidden" => (Blame::Payload, Fault::Forbidden),
        "internal_error" => (Blame::Lane, Fault::Server(500)),
        _ => (Blame::Payload, Fault::Rejected { status: 0, said: error.message.clone() }),
    }
}
