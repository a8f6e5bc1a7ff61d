//! Commands that are too small for a module of their own, and how all of them answer.

use std::io::Write;
use std::path::PathBuf;

use crate::report::ReportError;

mod status;
mod undo;

pub use status::status;
pub use undo::undo;

/// The real path of a mirror.
///
/// # Errors
/// If there is no such directory.
pub fn real(dir: PathBuf) -> Result<PathBuf, ReportError> {
    std::fs::canonicalize(&dir).map_err(|_| ReportError::NoMirror(dir))
}

/// Prints, and answers the exit code.
pub fn say(text: &str, code: u8) -> u8 {
    // Whoever closed the pipe does not want the rest.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

/// Prints an error, and answers the exit code.
pub fn fail(code: u8, why: &dyn std::error::Error) -> u8 {
    eprintln!("error: {why}");
    code
}
