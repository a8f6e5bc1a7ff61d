//! Each staged blob ends in exactly one place: placed, dropped, or cleaned by the next start.

use std::collections::VecDeque;

use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Event, Outcome};
use landfall_core::id::BlobId;
use landfall_core::time::{Ms, Tick};

use super::Ruling;
use crate::world::disk::{Disk, Place};

/// The disk knows which blobs there are.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    /// What waits to be sent, and outlives its run.
    kept: Vec<BlobId>,
    /// What arrived lately. What can not be placed is tried again now and then, and so at the end
    /// of a run, too.
    fresh: VecDeque<(Tick, BlobId)>,
}

/// So soon a blob that arrived is somewhere.
const SOON: Ms = Ms::mins(1);

impl Blobs {
    pub(super) fn wanted(&mut self, effect: &Effect, disk: &Disk) -> Ruling {
        if let Effect::Disk { op: DiskOp::Clean { keep }, .. } = effect {
            self.kept.clone_from(keep);
        }
        // What outlived its run may have been lost with the power.
        if let Effect::Disk { op: DiskOp::Drop { blob }, call, .. } = effect
            && blob.call.run < call.run
        {
            return Ok(1);
        }
        let Effect::Disk { op: DiskOp::Place { blob, .. } | DiskOp::Drop { blob }, .. } = effect
        else {
            return Ok(0);
        };
        if disk.node(&Place::Stage(*blob)).is_some() {
            return Ok(1);
        }
        Err((
            "used twice".into(),
            format!("blob {blob} is wanted and is not on the stage any more"),
        ))
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event, disk: &Disk) -> Ruling {
        let arrived = match event {
            Event::Part { part, .. } => part.blob(),
            Event::Done { outcome: Outcome::Ok(answer), .. } => answer.blob(),
            _ => None,
        };
        if let Some(blob) = arrived {
            while self.fresh.front().is_some_and(|(at, _)| *at + SOON < now) {
                self.fresh.pop_front();
            }
            self.fresh.push_back((now, blob));
        }
        let Event::Done { call, outcome: Outcome::Ok(Answer::Cleaned { .. }) } = event else {
            return Ok(0);
        };
        match disk.staged().find(|blob| blob.call.run < call.run && !self.kept.contains(blob)) {
            None => Ok(1),
            Some(blob) => {
                Err(("stray".into(), format!("blob {blob} of an earlier run is left on the stage")))
            }
        }
    }

    pub(super) fn end(&mut self, now: Tick, disk: &Disk) -> Ruling {
        let is_fresh =
            |blob: &BlobId| self.fresh.iter().any(|(at, fresh)| fresh == blob && *at + SOON >= now);
        match disk.staged().find(|blob| !is_fresh(blob)) {
            None => Ok(1),
            Some(blob) => Err((
                "stray".into(),
                format!("blob {blob} is left on the stage when everything is in step"),
            )),
        }
    }
}
