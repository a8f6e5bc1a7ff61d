//! The key `files`: what is known of each file, from the database.
//!
//! Other clients write it into their status file. Here it is made when somebody asks, because
//! it costs a walk over all files.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_core::fault::Fault;
use landfall_core::files::entry::{Hold, Remote, Unsent};
use landfall_core::path::CONTROL_DIR;
use landfall_core::row::{Row, Value};
use serde::Serialize;

use super::conflicts;
use super::file;
use crate::store::{self, StoreError};

/// One file, with the names that scripts know. The server's `contentType` and `encoding` are
/// not kept by Landfall, so they are left out.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FileState {
    /// The newest revision that is known of.
    pub revision: String,
    /// The bytes here are not those that both sides had.
    pub dirty: bool,
    /// The server does not let us read it.
    pub denied: bool,
    /// Nothing is written, so nothing is refused.
    pub write_denied: bool,
    /// Whether its mode keeps people from editing it.
    pub readonly: bool,
    /// `conflict`, `read-denied`, `writeback-skipped` or `ready`, the first that is true.
    pub status: &'static str,
    /// Why nothing is done about it for now, in Landfall's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<&'static str>,
}

/// All files that both sides had, and those that may not be read.
///
/// # Errors
/// If the database can not be read.
pub fn files(root: &Path) -> Result<BTreeMap<String, FileState>, StoreError> {
    let control = root.join(CONTROL_DIR);
    let remote_root = file::read(root).map(|file| file.identity.remote_root).unwrap_or_default();
    let remote_root = remote_root.trim_end_matches('/');
    let copies = conflicts::paths(&control);
    let mut files = BTreeMap::new();
    for row in store::read_kind(&control.join(store::FILE), "entry")? {
        let Ok(Row { value: Value::Entry(path, row), .. }) = Row::decode(&row) else { continue };
        let denied = matches!(row.hold, Some(Hold::Aside { why: Fault::Forbidden, .. }));
        let Some(base) = &row.base else {
            if denied {
                files.insert(path.as_str().into(), FileState::denied());
            }
            continue;
        };
        let revision = match &row.remote {
            Remote::File { revision, .. } => revision,
            _ => &base.revision,
        };
        let dirty = row.proof.as_ref().is_some_and(|proof| proof.hash != base.hash);
        let below = path.as_str().strip_prefix(remote_root).unwrap_or_default();
        let below = below.trim_start_matches('/');
        let status = match () {
            () if copies.contains(below) => "conflict",
            () if denied => "read-denied",
            () if dirty => "writeback-skipped",
            () => "ready",
        };
        let hold = row.hold.as_ref().map(|hold| match hold {
            Hold::Aside { .. } => "aside",
            Hold::MaxDelete => "max-delete",
            Hold::Unsent { why: Unsent::Denied, .. } => "write-denied",
            Hold::Unsent { why: Unsent::Dead, .. } => "dead-letter",
            Hold::Unsent { why: Unsent::TooLarge, .. } => "too-large",
            Hold::Unsent { why: Unsent::GivenUp, .. } => "given-up",
            Hold::Unsent { why: Unsent::BothMoved, .. } => "both-changed",
        });
        let readonly = row.proof.as_ref().is_some_and(|proof| !proof.stamp.writable);
        let revision = revision.as_str().to_owned();
        let state =
            FileState { revision, dirty, denied, readonly, status, hold, write_denied: false };
        files.insert(path.as_str().into(), state);
    }
    Ok(files)
}

impl FileState {
    /// Never read, and not to be read.
    fn denied() -> Self {
        Self {
            revision: String::new(),
            dirty: false,
            denied: true,
            write_denied: false,
            readonly: false,
            status: "read-denied",
            hold: None,
        }
    }
}
