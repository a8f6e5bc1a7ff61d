//! Each staged blob ends in exactly one place: placed, dropped, or cleaned by the next start.

use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Event, Outcome};

use super::Ruling;
use crate::world::disk::{Disk, Place};

/// Nothing has to be remembered: the disk knows which blobs there are.
#[derive(Debug)]
pub(super) struct Blobs;

impl Blobs {
    pub(super) fn wanted(&mut self, effect: &Effect, disk: &Disk) -> Ruling {
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

    pub(super) fn heard(&mut self, event: &Event, disk: &Disk) -> Ruling {
        let Event::Done { call, outcome: Outcome::Ok(Answer::Cleaned { .. }) } = event else {
            return Ok(0);
        };
        match disk.staged().find(|blob| blob.call.run < call.run) {
            None => Ok(1),
            Some(blob) => {
                Err(("stray".into(), format!("blob {blob} of an earlier run is left on the stage")))
            }
        }
    }

    pub(super) fn end(&mut self, disk: &Disk) -> Ruling {
        match disk.staged().next() {
            None => Ok(1),
            Some(blob) => Err((
                "stray".into(),
                format!("blob {blob} is left on the stage when everything is in step"),
            )),
        }
    }
}
