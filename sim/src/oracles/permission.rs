//! A file that may not be read any more stays where it is, edited or not, until it is deleted.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::{Effect, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::disk::{Disk, Moved, Node, Place, Who};
use crate::world::truth::Truth;

/// What was answered with 403.
#[derive(Debug, Default)]
pub(super) struct Permission {
    reads: BTreeMap<CallId, RemotePath>,
    denied: BTreeSet<RemotePath>,
    /// What a power cut changed may be set aside, because nobody can tell what it is; and so may
    /// what a person saved since, before it was looked at.
    cut: BTreeSet<RemotePath>,
    was_cut: bool,
}

impl Permission {
    pub(super) fn gone(&mut self) {
        self.reads.clear();
    }

    pub(super) fn power_cut(&mut self) {
        self.was_cut = true;
    }

    pub(super) fn wanted(&mut self, effect: &Effect) {
        if let Effect::Ask { call, request: Request::Read { path }, .. } = effect {
            self.reads.insert(*call, path.clone());
        }
    }

    pub(super) fn heard(&mut self, event: &Event, disk: &Disk) -> Ruling {
        let path = match event {
            Event::Part { part: Part::Refused { path, why: Fault::Forbidden, .. }, .. } => {
                RemotePath::parse(path).ok()
            }
            Event::Part { part: Part::File(file), .. } => return Ok(self.read(&file.path)),
            Event::Done { call, outcome } => {
                let path = self.reads.remove(call);
                match outcome {
                    Outcome::Ok(Answer::Read(file)) => return Ok(self.read(&file.path)),
                    Outcome::Failed { why: Fault::Forbidden, .. } => path,
                    _ => None,
                }
            }
            _ => None,
        };
        let Some(path) = path else { return Ok(0) };
        let is_here = disk.file(&path).is_some();
        self.denied.insert(path);
        Ok(u64::from(is_here))
    }

    fn read(&mut self, path: &str) -> u64 {
        self.denied.remove(path);
        0
    }

    pub(super) fn moved(&mut self, moved: &Moved, truth: &Truth) -> Ruling {
        let Place::At(path) = &moved.place else { return Ok(0) };
        if moved.by == Who::Power || moved.by == Who::Person && self.was_cut {
            self.cut.insert(path.clone());
        }
        let (Who::Process, Some(Node::File(file)), None) = (moved.by, moved.before, moved.after)
        else {
            return Ok(0);
        };
        if !self.denied.contains(path) || self.cut.contains(path) {
            return Ok(0);
        }
        // What a person saved in the window of a removal comes out and is put back at once; that
        // it is not lost is another oracle's.
        let Some(had) = truth.newest_with(path, &file.content.hash) else { return Ok(0) };
        if truth.versions(path).iter().any(|v| v.n > had && v.content.is_none()) {
            return Ok(1);
        }
        Err((path.to_string(), format!("{path} is taken away, and only reading it was refused")))
    }
}
