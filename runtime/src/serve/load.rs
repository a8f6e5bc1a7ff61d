//! Loading a directory into a workspace.

use std::fs;
use std::path::{Path, PathBuf};

use landfall_core::path::CONTROL_DIR;
use landfall_core::time::Wall;
use landfall_reference::server::{Content, Server};
use thiserror::Error;

/// A directory that can not be loaded.
#[derive(Debug, Error)]
#[error("can not load {path}: {why}. Check that it exists and can be read")]
pub struct LoadError {
    /// What could not be read.
    pub path: PathBuf,
    /// What the system said.
    pub why: std::io::Error,
}

/// Writes every regular file below a directory into the workspace, in path order. Symbolic
/// links, control directories and names that are not UTF-8 are passed over. Returns how many
/// files there were.
///
/// # Errors
/// The first file or directory that can not be read.
pub fn load_dir(server: &mut Server, root: &Path, at: Wall) -> Result<u64, LoadError> {
    let mut files = 0;
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((directory, name)) = open.pop() {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |why| LoadError { path, why }
        };
        let mut entries = fs::read_dir(&directory)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(failed(&directory))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let kind = entry.file_type().map_err(failed(&path))?;
            let Ok(part) = entry.file_name().into_string() else {
                continue;
            };
            let below = format!("{name}/{part}");
            if kind.is_dir() && part != CONTROL_DIR {
                open.push((path, below));
            } else if kind.is_file() {
                let bytes = fs::read(&path).map_err(failed(&path))?;
                server.put(&below, Content::new(bytes), at);
                files += 1;
            }
        }
    }
    Ok(files)
}
