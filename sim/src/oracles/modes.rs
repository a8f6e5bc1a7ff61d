//! A file that is not written here is read-only, unless a person opened it up since the start.
//! Where nothing comes from the server, nothing goes to the trash, and nothing is placed but what
//! was sent from here: a power cut may have taken it.

use std::collections::BTreeSet;

use landfall_core::effect::{Aside, DiskOp, Effect};
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::disk::{Disk, Moved, Node, Place, Who};
use crate::world::truth::Truth;

/// What persons did to modes.
#[derive(Debug, Default)]
pub(super) struct Modes {
    /// Files that a person left writable in this run of the process.
    opened: BTreeSet<RemotePath>,
}

impl Modes {
    /// A new process looks at every file.
    pub(super) fn started(&mut self) {
        self.opened.clear();
    }

    pub(super) fn wanted(effect: &Effect) -> Ruling {
        match effect {
            Effect::Disk { op: DiskOp::Place { path, writable: true, .. }, .. } => wrong(path),
            Effect::Disk { op: DiskOp::Place { .. }, .. } => Ok(1),
            _ => Ok(0),
        }
    }

    /// What is wanted where nothing comes from the server.
    pub(super) fn wanted_out(effect: &Effect, truth: &Truth) -> Ruling {
        let is_ours = |path| truth.now(path).is_some_and(|last| last.ours);
        match effect {
            Effect::Disk { op: DiskOp::Place { path, expect: None, .. }, .. } if is_ours(path) => {
                Ok(1)
            }
            Effect::Disk { op: DiskOp::Place { path, .. }, .. }
            | Effect::Disk { op: DiskOp::Remove { path, to: Aside::Trash { .. }, .. }, .. } => {
                Err((path.to_string(), format!("{path} is touched, and the mirror only writes")))
            }
            Effect::Disk { .. } => Ok(1),
            _ => Ok(0),
        }
    }

    pub(super) fn moved(&mut self, moved: &Moved) -> Ruling {
        let Place::At(path) = &moved.place else { return Ok(0) };
        match (moved.by, moved.after) {
            (Who::Person, Some(Node::File(_))) => {
                self.opened.insert(path.clone());
                Ok(0)
            }
            (Who::Process, Some(Node::File(file))) if file.stamp.writable => {
                // Put back: it was a person's.
                let theirs = !matches!(moved.before, Some(Node::File(_)));
                if theirs { Ok(0) } else { wrong(path) }
            }
            (Who::Process, Some(Node::File(_))) => {
                self.opened.remove(path);
                Ok(1)
            }
            _ => Ok(0),
        }
    }

    /// At the end, every file that both sides have is read-only.
    pub(super) fn end(&self, disk: &Disk, truth: &Truth) -> Ruling {
        for (path, _, content) in truth.files() {
            let Some(file) = disk.file(path) else { continue };
            let same = file.content.hash == content.hash;
            if same && file.stamp.writable && !self.opened.contains(path) {
                return wrong(path);
            }
        }
        Ok(1)
    }
}

fn wrong(path: &RemotePath) -> Ruling {
    Err((path.to_string(), format!("{path} is writable in a mirror that only pulls")))
}
