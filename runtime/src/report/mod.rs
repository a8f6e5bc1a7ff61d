//! What can be asked of a mirror on disk, with or without a process that keeps it:
//! `landfall status` and `landfall why`.
//!
//! | module | what |
//! |---|---|
//! | [`file`] | `.relay/state.json`: written by a mount, read by anybody |
//! | [`public`] | the keys in it that scripts have always read |
//! | [`judge`] | from all that is known to one verdict: a pure function |
//! | [`paths`] | what is known of each file, from the database |

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use landfall_core::path::CONTROL_DIR;
use landfall_core::time::Wall;

use crate::lock::Lock;
use crate::{clock, exit, roots, store};

pub(crate) mod conflicts;
pub mod file;
pub mod judge;
pub mod paths;
pub mod public;
mod why;

pub use judge::Report;
pub(crate) use judge::quoted;
pub use why::why;
pub(crate) use why::{look, remote_path, stays_here};

/// The schema of the status in JSON, and of the status file.
pub const SCHEMA: &str = "landfall.status/1";

/// The file that a mount keeps up to date, below the control directory.
pub const FILE: &str = "state.json";

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no mirror.
    #[error(
        "{0} is not a mirror: {0}/.relay/state.db is missing. Make one with `landfall mount --local-dir {0}`"
    )]
    NoMirror(PathBuf),
    /// The database can not be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The path is not one.
    #[error("`{0}` is not a path of this mirror: {1}")]
    Path(String, String),
    /// Nothing is known of the path.
    #[error("nothing is known of {0}: the server has not shown such a file, and none was placed")]
    Unknown(String),
    /// The path stays here.
    #[error(
        "{0} stays here: `.landfallignore`, or what is never sent, names it. It is not looked at and not sent"
    )]
    Ignored(String),
}

impl ReportError {
    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            ReportError::NoMirror(_) => exit::NOT_INITIALISED,
            ReportError::Path(..) => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

/// Reads the state of a mirror from its disk. It asks no server and needs no credentials.
///
/// # Errors
/// If there is no mirror, or its database can not be read.
pub fn report(root: &Path) -> Result<Report, ReportError> {
    let control = root.join(CONTROL_DIR);
    let db = control.join(store::FILE);
    if !db.exists() {
        return Err(ReportError::NoMirror(root.to_owned()));
    }
    // Looked at before the file: a mount that ends in between has written its last word.
    let running = Lock::is_held(&control);
    let file = file::read(root);
    let told = file.as_ref().is_some_and(|file| file.landfall.is_some());
    let stored = match judge::Stored::read(&db, told) {
        // A mount that has just begun is still making its tables.
        Err(_) if running => judge::Stored::default(),
        stored => stored?,
    };
    Ok(Report::new(judge::Seen {
        root: &root.display().to_string(),
        file: file.as_ref(),
        marker: roots::marker(root).as_ref(),
        stored,
        conflicts: conflicts::count(&control),
        running,
        now: clock::now().wall,
    }))
}

/// A time for people and programs, to the second.
pub(crate) fn rfc3339(wall: Wall) -> String {
    // A file can say anything, and the format ends with the year 9999.
    const LAST: u64 = 253_402_300_799_000;
    let time = UNIX_EPOCH + Duration::from_millis(wall.0.min(LAST));
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests;
