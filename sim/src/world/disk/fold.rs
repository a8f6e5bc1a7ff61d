//! A disk on which names that differ only in case, or in how an accent is written, are one.
//!
//! The adapter looks for the exact name, so that a look never takes one file for another, and
//! it refuses to place a file where another name of the same file is.

use landfall_core::path::RemotePath;

use super::{Disk, Node, Place};

/// What a folding disk takes a name for. Only the accents that the world uses are known.
pub fn fold(path: &RemotePath) -> String {
    path.as_str().replace("e\u{301}", "\u{e9}").to_lowercase()
}

impl Disk {
    /// An empty disk that folds names, or does not.
    pub fn folding(folding: bool) -> Self {
        Self { folding, ..Self::default() }
    }

    /// Whether names that differ only in case are one.
    pub fn folds(&self) -> bool {
        self.folding
    }

    /// Whether the place of a file is taken by one with another name.
    pub fn has_twin(&self, path: &RemotePath) -> bool {
        self.folding && self.folded.get(&fold(path)).is_some_and(|there| there != path)
    }

    pub(super) fn note_name(&mut self, place: &Place, node: Option<Node>) {
        let Place::At(path) = place else { return };
        if !self.folding {
            return;
        }
        match node {
            Some(_) => {
                self.folded.insert(fold(path), path.clone());
            }
            None if !self.has_twin(path) => {
                self.folded.remove(&fold(path));
            }
            None => {}
        }
    }
}
