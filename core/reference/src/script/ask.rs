//! What is asked, and how often it was.

use std::collections::BTreeMap;

use landfall_core::canon::Canon;
use landfall_core::hash::ContentHash;

/// A request, as far as faults tell requests apart.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Ask {
    /// `fs/events?direction=desc&limit=1`.
    Tip,
    /// `fs/events` after a cursor.
    Events(Option<String>),
    /// `fs/ws` after a cursor.
    Stream(Option<String>),
    /// `fs/export` of a path.
    Export(String),
    /// `fs/tree` of a path, after a cursor.
    Tree(String, Option<String>),
    /// `fs/file`.
    File(String),
    /// `fs/bulk-read`.
    Bulk(Vec<String>),
    /// `PUT fs/file`.
    Put(String),
    /// `DELETE fs/file`.
    Delete(String),
    /// `fs/bulk`: the paths, and what is written there if it can be decoded.
    BulkWrite(Vec<(String, Option<ContentHash>)>),
    /// `fs/merge` of a path.
    Merge(String),
    /// `ops/{opId}`.
    Op(String),
    /// `ops`.
    Ops,
}

impl Ask {
    /// The name of the thing that a fault hits. Attempts are counted by it.
    pub fn entity(&self) -> String {
        match self {
            Self::Tip => "tip".to_owned(),
            Self::Events(cursor) => format!("events {}", cursor.as_deref().unwrap_or("-")),
            Self::Stream(cursor) => format!("stream {}", cursor.as_deref().unwrap_or("-")),
            Self::Export(path) => format!("export {path}"),
            Self::Tree(path, None) => format!("tree {path}"),
            Self::Tree(path, Some(cursor)) => format!("tree {path} {cursor}"),
            Self::File(path) => format!("file {path}"),
            Self::Bulk(paths) => format!("bulk {}", paths.join(" ")),
            Self::Put(path) => format!("put {path}"),
            Self::Delete(path) => format!("delete {path}"),
            // Hundreds of paths would make a long name.
            Self::BulkWrite(files) => format!("write {:016x}", Canon::of(files)),
            Self::Merge(path) => format!("merge {path}"),
            Self::Op(id) => format!("op {id}"),
            Self::Ops => "ops".to_owned(),
        }
    }
}

/// Counts how often each thing was asked for, from 0.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Attempts(BTreeMap<String, u64>);

impl Attempts {
    /// The number of this attempt.
    pub fn next(&mut self, entity: &str) -> u64 {
        if let Some(count) = self.0.get_mut(entity) {
            *count += 1;
            return *count;
        }
        self.0.insert(entity.to_owned(), 0);
        0
    }
}
