//! What a person asked of a process when it was started. `--once` ends well when everything that was
//! saved here before is at the server. What is larger than may be sent stays here.

use std::collections::BTreeMap;

use landfall_core::effect::{DiskOp, Effect};
use landfall_core::hash::ContentHash;
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::disk::{Disk, Moved, Node, Place, Who};
use crate::world::server::{How, Wrote};
use crate::world::truth::Truth;

/// What was asked, and what a person saved before.
#[derive(Debug, Default)]
pub(super) struct Asked {
    once: bool,
    max_file: u64,
    /// What a person saved last, and the server never had.
    saved: BTreeMap<RemotePath, ContentHash>,
    /// The same, when the process began.
    before: BTreeMap<RemotePath, ContentHash>,
}

impl Asked {
    pub(super) fn asked(&mut self, once: bool, max_file: u64) {
        (self.once, self.max_file) = (once, max_file);
        if once {
            self.before.clone_from(&self.saved);
        }
    }

    pub(super) fn is_once(&self) -> bool {
        self.once
    }

    pub(super) fn moved(&mut self, moved: &Moved, truth: &Truth) {
        let Place::At(path) = &moved.place else { return };
        match moved.after {
            Some(Node::File(file)) if moved.by == Who::Person => {
                let hash = file.content.hash;
                match truth.newest_with(path, &hash) {
                    None => self.saved.insert(path.clone(), hash),
                    Some(_) => self.saved.remove(path),
                };
            }
            _ => {
                self.saved.remove(path);
            }
        }
    }

    pub(super) fn wrote(&mut self, wrote: &Wrote) {
        if wrote.how != How::Refused && self.saved.get(&wrote.path) == wrote.hash.as_ref() {
            self.saved.remove(&wrote.path);
        }
    }

    /// It ends, and says that all is in step.
    pub(super) fn done(&self) -> Ruling {
        let owed = self.before.iter().find(|(path, hash)| self.saved.get(*path) == Some(*hash));
        match owed {
            None => Ok(1),
            Some((path, _)) => Err((
                path.to_string(),
                format!("the process ends in step, and {path}, saved before it began, is not sent"),
            )),
        }
    }

    pub(super) fn wanted(&self, effect: &Effect, disk: &Disk) -> Ruling {
        let Effect::Disk { op: DiskOp::Stage { path, expect }, .. } = effect else { return Ok(0) };
        match disk.file(path) {
            Some(file) if file.content.hash == *expect && file.content.size > self.max_file => {
                Err((
                    path.to_string(),
                    format!(
                        "{path} is copied to be sent; it has {} bytes, and no more than {} may go",
                        file.content.size, self.max_file
                    ),
                ))
            }
            Some(_) => Ok(1),
            None => Ok(0),
        }
    }
}
