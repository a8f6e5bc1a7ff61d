//! What the other client does, spelled out: the files of the start, and every edit.
//!
//! A seed draws it; a [scenario](crate::scenario) carries it, so that single edits and files can
//! be taken away, and so that a change of what seeds draw leaves the scenario as it was.

use landfall_core::path::RemotePath;
use landfall_core::time::Tick;
use serde::{Deserialize, Serialize};

/// What the other client does.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The files of the start, in the order in which they are made.
    pub files: Vec<RemotePath>,
    /// The edits, in the order of time.
    pub edits: Vec<Edit>,
}

/// One edit of the other client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// When, in milliseconds of virtual time.
    pub at: Tick,
    /// What is done.
    pub does: Does,
    /// To which file.
    pub path: RemotePath,
}

/// What an edit does to its file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// It gets bytes that nobody had before.
    Write,
    /// It gets the bytes that it had first.
    Restore,
    /// It is deleted, if it is there.
    Delete,
}
