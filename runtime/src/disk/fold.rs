//! File systems on which names that differ only in case, or in how an accent is written, are one:
//! most of macOS and Windows, memory cards, and what of those is mounted elsewhere.
//!
//! There a file can be opened by a name that is not its own. Were that taken for the file of that
//! name, the bytes of `Plan.md` would be sent as an edit of `plan.md`. So only the exact name
//! counts, of the file and of each directory above it: a look finds nothing under another, and
//! nothing is placed over one. It costs reading these directories, on such a file system only.
//!
//! A directory that folds alone (`chattr +F` on ext4) is not noticed.

use std::ffi::OsStr;
use std::io;

use cap_std::fs::Dir;
use rustix::io::Errno;

use super::tree::step;

/// Two names of one file, where names are folded.
const TWINS: [(&str, &str); 2] = [("Probe", "probe"), ("\u{e9}", "e\u{301}")];

/// Whether a file system takes names for one that are not the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Folding(bool);

impl Folding {
    /// Tries it in a directory where nothing else has such names. What can not be tried counts
    /// as no.
    pub fn of(dir: &Dir) -> Self {
        // Other processes may be trying, too.
        let pid = std::process::id();
        Self(TWINS.iter().any(|(name, twin)| {
            let (name, twin) = (format!("{name}-{pid}"), format!("{twin}-{pid}"));
            let made = dir.write(&name, []).is_ok();
            let folds = made && dir.symlink_metadata(&twin).is_ok();
            // What a kill leaves is no copy of anything, and the next start of a mount cleans up.
            let _ = dir.remove_file(&name);
            folds
        }))
    }

    /// Opens a directory below another, step by step and without following links; with `make`,
    /// what is missing is made. A directory of another name is something in the way.
    pub fn open(self, root: &Dir, dirs: &str, make: bool) -> io::Result<Dir> {
        let mut dir = root.try_clone()?;
        for name in dirs.split('/').filter(|name| !name.is_empty()) {
            let next = step(&dir, name, make)?;
            if !self.has(&dir, name)? {
                return Err(Errno::NOTDIR.into());
            }
            dir = next;
        }
        Ok(dir)
    }

    /// Whether what is found under a name in a directory has that name.
    pub fn has(self, dir: &Dir, name: &str) -> io::Result<bool> {
        if !self.0 {
            return Ok(true);
        }
        // It may be held as a path alone, which can not be read.
        for entry in dir.read_dir(".")? {
            if entry?.file_name() == OsStr::new(name) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn opened(temp: &tempfile::TempDir) -> Dir {
        Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap()
    }

    #[test]
    fn only_exact_names_count_where_names_are_folded() {
        let temp = tempfile::tempdir().unwrap();
        let dir = opened(&temp);
        dir.create_dir_all("Docs/e\u{301}").unwrap();
        let folding = Folding(true);
        assert!(folding.has(&dir, "Docs").unwrap() && !folding.has(&dir, "docs").unwrap());
        assert!(folding.open(&dir, "Docs/e\u{301}", false).is_ok());
        assert!(folding.open(&dir, "Docs/new/x", true).is_ok(), "what is made has its name");
        assert!(Folding(false).has(&dir, "docs").unwrap(), "elsewhere nothing is read for it");
    }

    /// On the disk that the tests run on, whichever that is.
    #[test]
    fn what_is_tried_is_what_the_disk_does_and_nothing_stays() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("A"), "").unwrap();
        let case = temp.path().join("a").exists();
        std::fs::write(temp.path().join("\u{e9}"), "").unwrap();
        let accents = temp.path().join("e\u{301}").exists();
        assert_eq!(Folding::of(&opened(&temp)), Folding(case || accents));
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 2);
    }
}
