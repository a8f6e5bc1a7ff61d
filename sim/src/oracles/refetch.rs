//! What is durably there is not downloaded again.
//!
//! A read of a file is judged when the durable row says that both sides have a version, that
//! version is still the server's, and its bytes are sealed at the path. A machine that was
//! given a reason to doubt (a version newer than the durable position, a listing that left the file out, a person's hand) may ask.

use std::collections::BTreeSet;

use landfall_core::effect::{Effect, Request};
use landfall_core::path::RemotePath;

use landfall_core::time::{Ms, Tick};

use super::Ruling;
use super::deletes::Deletes;
use crate::world::disk::{Disk, Moved, Place, Who};
use crate::world::store::Store;
use crate::world::truth::Truth;

/// A read that was decided on before the feed told what it would bring may wait this long for
/// its turn.
const TURN: Ms = Ms::mins(3);

/// Paths that were changed by somebody else than the machine.
#[derive(Debug, Default)]
pub(super) struct Refetch {
    touched: BTreeSet<RemotePath>,
}

impl Refetch {
    pub(super) fn moved(&mut self, moved: &Moved) {
        if let (Who::Person | Who::Power, Place::At(path)) = (moved.by, &moved.place) {
            self.touched.insert(path.clone());
        }
    }

    pub(super) fn wanted(
        &self,
        now: Tick,
        effect: &Effect,
        promised: Option<u64>,
        deletes: &Deletes,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) -> Ruling {
        let Effect::Ask { request, .. } = effect else {
            return Ok(0);
        };
        let paths = match request {
            Request::Read { path } => std::slice::from_ref(path),
            Request::ReadMany { paths } => paths.as_slice(),
            _ => return Ok(0),
        };
        for path in paths {
            let Some(base) = store.view().entries.get(path).and_then(|row| row.base.as_ref())
            else {
                continue;
            };
            let same = truth.now(path).is_some_and(|v| {
                v.content.is_some_and(|c| c.hash == base.hash)
                    && Some(v.n) <= promised
                    && v.at + TURN <= now
                    && base.revision.0 == format!("rev_{}", v.revision)
            });
            if same
                && disk.sealed_at(path) == Some(base.hash)
                && disk.file(path).is_some_and(|file| file.content.hash == base.hash)
                && !self.touched.contains(path)
                && !deletes.left_out(path)
            {
                return Err((
                    path.to_string(),
                    format!("{path} is asked for again, and its version is durably there"),
                ));
            }
        }
        Ok(1)
    }
}
