//! No byte that a person saved is lost: it is at its path, in a conflict copy, in the trash, or
//! was on the server under that path, until the person replaces or deletes it. What their bytes were
//! merged to counts as theirs.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::hash::ContentHash;
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::disk::{Disk, Moved, Node, Place, Who};
use crate::world::truth::Truth;

/// The settled versions that somebody would miss.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    owed: BTreeMap<ContentHash, RemotePath>,
    /// What came of merges, or may come of them.
    merged: BTreeSet<ContentHash>,
}

impl Bytes {
    pub(super) fn moved(&mut self, moved: &Moved, disk: &Disk, truth: &Truth) -> Ruling {
        let before = content(moved.before);
        if moved.by == Who::Person {
            if let (Some(hash), Place::At(path)) = (before, &moved.place)
                && (disk.copies(&hash) == 0 || self.owed.get(&hash) == Some(path))
            {
                self.owed.remove(&hash);
            }
            if let (Some(hash), Place::At(path)) = (content(moved.after), &moved.place) {
                self.owed.insert(hash, path.clone());
            }
            return Ok(0);
        }
        let is_merged = |hash: &ContentHash| self.merged.contains(hash);
        if let (Some(hash), Place::At(path)) =
            (content(moved.after).filter(is_merged), &moved.place)
        {
            self.owed.insert(hash, path.clone());
        }
        if let (Who::Power, Some(hash)) = (moved.by, before.filter(is_merged)) {
            // What it was made of is there again.
            self.owed.remove(&hash);
        }
        let Some((hash, path)) = before.and_then(|hash| self.owed.get_key_value(&hash)) else {
            return Ok(0);
        };
        if disk.copies(hash) > 0 || truth.newest_with(path, hash).is_some() {
            return Ok(1);
        }
        Err((
            path.to_string(),
            format!("the version of {path} with hash {hash:?} that a person saved is nowhere"),
        ))
    }

    pub(super) fn merged(&mut self, hash: ContentHash) {
        self.merged.insert(hash);
    }

    pub(super) fn whole(&self, disk: &Disk, truth: &Truth) -> Ruling {
        let is_lost = |(hash, path): &(&ContentHash, &RemotePath)| {
            disk.copies(hash) == 0 && truth.newest_with(path, hash).is_none()
        };
        match self.owed.iter().find(is_lost) {
            None => Ok(self.owed.len() as u64),
            Some((hash, path)) => Err((
                path.to_string(),
                format!("the version of {path} with hash {hash:?} that a person saved is nowhere"),
            )),
        }
    }
}

fn content(node: Option<Node>) -> Option<ContentHash> {
    match node {
        Some(Node::File(file)) => Some(file.content.hash),
        _ => None,
    }
}
