//! What both sides changed is merged by what each did to the version that both had. With another
//! base, what one side did counts as undone by the other, and no conflict tells of it.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::files::entry::Hold;
use landfall_core::hash::ContentHash;
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::disk::{Moved, Node, Place};
use crate::world::store::Store;
use crate::world::truth::Truth;

/// What was ever at each path here, or is a part of it.
#[derive(Debug, Default)]
pub(super) struct Merges {
    here: BTreeSet<(RemotePath, ContentHash)>,
    /// What came last of a merge of this run at each path, and what it was merged with.
    last: BTreeMap<RemotePath, (ContentHash, ContentHash)>,
}

impl Merges {
    pub(super) fn moved(&mut self, moved: &Moved) {
        if let (Place::At(path), Some(Node::File(file))) = (&moved.place, moved.after) {
            self.here.insert((path.clone(), file.content.hash));
        }
    }

    /// A process begins. It need not know what the one before it had merged.
    pub(super) fn started(&mut self) {
        self.last.clear();
    }

    pub(super) fn merged(&mut self, path: &RemotePath, theirs: ContentHash, merged: ContentHash) {
        self.here.insert((path.clone(), theirs));
        self.last.insert(path.clone(), (merged, theirs));
    }

    /// Their version and what is at a path are to be merged.
    pub(super) fn merges(
        &self,
        path: &RemotePath,
        [base, mine, theirs]: [ContentHash; 3],
        store: &Store,
        truth: &Truth,
    ) -> Ruling {
        let wrong =
            |what: &str| Err((path.to_string(), format!("{path} is to be merged, and {what}")));
        let newest = truth.newest_with(path, &theirs);
        let was_there = |n| {
            let mut before = truth.versions(path).iter().take_while(|version| version.n < n);
            before.any(|version| version.content.is_some_and(|content| content.hash == base))
        };
        let hold = store.view().entries.get(path).and_then(|row| row.hold.as_ref());
        match newest {
            _ if matches!(hold, Some(Hold::Unsent { what, .. }) if *what == Some(mine)) => {
                wrong("what is here is not to be sent")
            }
            _ if base == theirs => {
                wrong("the base is their version: what they did would be undone")
            }
            _ if self.last.get(path) == Some(&(mine, theirs)) => {
                wrong("what is here was made of just that version")
            }
            Some(n) if !was_there(n) => {
                wrong("the server did not have the base before their version")
            }
            _ if !self.here.contains(&(path.clone(), base)) => wrong("the base was never here"),
            _ => Ok(1),
        }
    }
}
