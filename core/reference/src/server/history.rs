//! Everything that ever happened to a workspace, and the workspace as it once was.

use std::sync::Arc;

use landfall_core::hash::ContentHash;
use landfall_core::time::Wall;
use landfall_core::wire::FeedEvent;

use super::{Fate, File, Files, Identity};

/// One change of one file. The n-th change of a workspace makes `evt_<n>`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Which file.
    pub path: Arc<str>,
    /// What was there.
    pub before: Option<File>,
    /// What is there now.
    pub after: Option<File>,
    /// When.
    pub at: Wall,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a change came from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// Who asked for it through the API. `None` if nobody did: it is what the workspace began
    /// with, or what a provider changed.
    pub by: Option<Arc<str>>,
    /// The name by which it is known when it is asked for again.
    pub identity: Option<Identity>,
    /// What becomes of its operation.
    pub fate: Fate,
}

impl Change {
    /// The hash of what is there now; `None` if nothing is.
    pub fn hash(&self) -> Option<ContentHash> {
        self.after.as_ref().map(|file| file.content.hash())
    }

    /// What the feed says about it, being the `number`-th change, from 1.
    pub fn event(&self, number: u64) -> FeedEvent {
        let kind = match (&self.before, &self.after) {
            (None, Some(_)) => "file.created",
            (Some(_), Some(_)) => "file.updated",
            (_, None) => "file.deleted",
        };
        FeedEvent {
            event_id: format!("evt_{number}"),
            kind: kind.to_owned(),
            path: self.path.to_string(),
            revision: format!("rev_{number}"),
            content_hash: self.hash().map(|hash| hash.to_string()),
        }
    }
}

/// The files after the first `events` changes. `now` are those after all of them.
pub(super) fn files_at(now: &Files, history: &[Change], events: usize) -> Files {
    if events < history.len() / 2 {
        let mut files = Files::new();
        for change in &history[..events] {
            set(&mut files, change, &change.after);
        }
        return files;
    }
    let mut files = now.clone();
    for change in history[events..].iter().rev() {
        set(&mut files, change, &change.before);
    }
    files
}

pub(super) fn set(files: &mut Files, change: &Change, file: &Option<File>) {
    match file {
        Some(file) => files.insert(change.path.clone(), file.clone()),
        None => files.remove(&change.path),
    };
}

/// The file at one path after the first `events` changes.
pub(super) fn file_at<'a>(history: &'a [Change], path: &str, events: usize) -> Option<&'a File> {
    let known = &history[..events.min(history.len())];
    let last = known.iter().rev().find(|change| &*change.path == path)?;
    last.after.as_ref()
}
