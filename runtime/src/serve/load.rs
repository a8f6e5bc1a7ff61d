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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_loaded_without_what_is_not_a_file_of_it() {
        let name = format!("landfall-load-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("docs/.relay")).unwrap();
        fs::write(root.join("docs/a.md"), "a").unwrap();
        fs::write(root.join("b.bin"), [0xff]).unwrap();
        fs::write(root.join("docs/.relay/state"), "private").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();

        let mut server = Server::default();
        assert_eq!(load_dir(&mut server, &root, Wall(0)).unwrap(), 2);
        let view = server.now();
        let paths: Vec<_> = view.files().map(|(path, _)| path).collect();
        assert_eq!(paths, ["/b.bin", "/docs/a.md"]);
        fs::remove_dir_all(&root).unwrap();

        let gone = load_dir(&mut server, &root, Wall(0)).unwrap_err();
        assert!(gone.to_string().contains("Check that it exists"), "{gone}");
    }
}
