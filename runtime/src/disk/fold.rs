//! File systems on which names that differ only in case, or in how an accent is written, are one:
//! most of macOS and Windows, memory cards, and what of those is mounted elsewhere.
//!
//! There a file can be opened by a name that is not its own. Were that taken for the file of that
//! name, the bytes of `Plan.md` would be sent as an edit of `plan.md`. So only the exact name
//! counts: a look finds nothing under another, and nothing is placed over one. It costs a walk of
//! the directory, on such a file system only.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;

/// A name with a capital letter and an accent, and its twins. Kept for a moment below the control
/// directory.
const PROBE: &str = "Probe-\u{e9}";
const TWINS: [&str; 2] = ["probe-\u{e9}", "Probe-e\u{301}"];

/// Whether the file system of a directory folds names. What can not be tried counts as no.
pub(super) fn folds(dir: &Dir) -> bool {
    if dir.write(PROBE, []).is_err() {
        return false;
    }
    let folds = TWINS.iter().any(|twin| dir.symlink_metadata(twin).is_ok());
    // What stays is overwritten by the next start.
    let _ = dir.remove_file(PROBE);
    folds
}

/// Whether a directory has an entry of exactly this name.
pub(super) fn has(dir: &Dir, name: &str) -> io::Result<bool> {
    // It may be held as a path alone, which can not be read.
    for entry in dir.read_dir(".")? {
        if entry?.file_name() == OsStr::new(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether every component of a path below a directory is the exact name of a directory.
pub(super) fn has_all(root: &Dir, dirs: &str) -> io::Result<bool> {
    let mut dir = root.try_clone()?;
    for name in dirs.split('/').filter(|name| !name.is_empty()) {
        if !has(&dir, name)? {
            return Ok(false);
        }
        dir = super::tree::open_below(&dir, name, false)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn only_exact_names_count() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir_all("Docs/e\u{301}").unwrap();
        assert!(has(&dir, "Docs").unwrap() && !has(&dir, "docs").unwrap());
        assert!(has_all(&dir, "Docs/e\u{301}").unwrap());
        assert!(!has_all(&dir, "Docs/\u{e9}").unwrap() && has_all(&dir, "").unwrap());
    }

    /// On the disk that the tests run on, whichever that is.
    #[test]
    fn the_probe_tells_what_the_disk_does_and_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        std::fs::write(temp.path().join("A"), "").unwrap();
        let case = temp.path().join("a").exists();
        std::fs::write(temp.path().join("\u{e9}"), "").unwrap();
        let accents = temp.path().join("e\u{301}").exists();
        assert_eq!(folds(&dir), case || accents);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2);
    }
}
