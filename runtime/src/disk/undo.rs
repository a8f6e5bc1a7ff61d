//! `landfall undo`: brings back what the remote deleted.
//!
//! A batch of the trash is what one cycle deleted. A file goes back to its path only if nothing
//! is there; else it stays in the trash. Nothing is ever replaced, so it is safe beside a mount
//! that runs.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use landfall_core::path::CONTROL_DIR;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::aside::TRASH;
use super::fold::Folding;
use super::mode;
use super::place::{prune, rename};
use super::tree::{open_below, split};

/// A batch of the trash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Its number, as `--cycle` takes it.
    pub cycle: u64,
    /// Its directories below the trash.
    dirs: Vec<String>,
    /// How many files it holds.
    pub files: u64,
    /// When its last file went there.
    pub at: SystemTime,
}

/// What was brought back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Undone {
    /// Paths below the mirror.
    pub restored: Vec<String>,
    /// Paths where something is: their files stay in the trash.
    pub taken: Vec<String>,
}

impl fmt::Display for Undone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for path in &self.restored {
            writeln!(f, "restored {path}")?;
        }
        for path in &self.taken {
            writeln!(f, "left in the trash, because something is there: {path}")?;
        }
        writeln!(f, "{} restored, {} left", self.restored.len(), self.taken.len())
    }
}

/// The batches of a mirror's trash, the newest last.
pub fn batches(root: &Path) -> io::Result<Vec<Batch>> {
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    let trash = match open_below(&root, &format!("{CONTROL_DIR}/{TRASH}"), false) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        trash => trash?,
    };
    let mut found: BTreeMap<u64, Batch> = BTreeMap::new();
    for entry in trash.entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A batch whose files and directories had one name has a second directory, `<n>.1`.
        let number = name.split('.').next().and_then(|number| number.parse().ok());
        let (Some(cycle), true) = (number, entry.file_type()?.is_dir()) else { continue };
        let mut files = Vec::new();
        list(&trash.open_dir_nofollow(&name)?, "", &mut files)?;
        let at = entry.metadata()?.modified()?.into_std();
        let batch = found.entry(cycle).or_insert(Batch { cycle, dirs: Vec::new(), files: 0, at });
        batch.files += files.len() as u64;
        batch.at = batch.at.max(at);
        batch.dirs.push(name);
    }
    // The order of a directory is not promised.
    found.values_mut().for_each(|batch| batch.dirs.sort());
    Ok(found.into_values().filter(|batch| batch.files > 0).collect())
}

/// Brings the files of a batch back.
pub fn undo(root: &Path, batch: &Batch) -> io::Result<Undone> {
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    let trash = open_below(&root, &format!("{CONTROL_DIR}/{TRASH}"), false)?;
    let folding = Folding::of(&trash);
    let mut undone = Undone::default();
    for name in &batch.dirs {
        let from = trash.open_dir_nofollow(name)?;
        let mut files = Vec::new();
        list(&from, "", &mut files)?;
        for path in files {
            match restore(&root, folding, &from, &path) {
                Ok(()) => undone.restored.push(path),
                Err(why) if is_taken(&why) => undone.taken.push(path),
                Err(why) => return Err(why),
            }
        }
        let _ = trash.remove_dir(name);
    }
    Ok(undone)
}

fn restore(root: &Dir, folding: Folding, from: &Dir, path: &str) -> io::Result<()> {
    let (dirs, name) = split(path);
    let here = open_below(from, dirs, false)?;
    let there = folding.open(root, dirs, true)?;
    // What comes back is the person's.
    mode::set(&here.open(name)?, true)?;
    rename(&here, name, &there, name, RenameFlags::NOREPLACE)?;
    prune(from, dirs);
    Ok(())
}

/// Something is at the path, or a file or a link where a directory has to be.
fn is_taken(why: &io::Error) -> bool {
    let raw = why.raw_os_error();
    [Errno::EXIST, Errno::NOTDIR, Errno::LOOP, Errno::ISDIR]
        .iter()
        .any(|errno| raw == Some(errno.raw_os_error()))
}

/// All regular files below a directory. Links are not followed.
fn list(dir: &Dir, prefix: &str, into: &mut Vec<String>) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&dir.open_dir_nofollow(&name)?, &path, into)?;
        } else if kind.is_file() {
            into.push(path);
        }
    }
    into.sort();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_batch_comes_back_and_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, ".relay/trash/7/a/b.md", "b");
        write(root, ".relay/trash/7/taken.md", "old");
        write(root, ".relay/trash/7.1/a", "a file that had the name of a directory");
        write(root, ".relay/trash/9/later.md", "later");
        write(root, "taken.md", "new");
        let found = batches(root).unwrap();
        assert_eq!(found.iter().map(|b| (b.cycle, b.files)).collect::<Vec<_>>(), [(7, 3), (9, 1)]);
        let undone = undo(root, &found[0]).unwrap();
        assert_eq!(undone.restored, ["a/b.md"]);
        assert_eq!(undone.taken, ["taken.md", "a"]);
        assert_eq!(std::fs::read_to_string(root.join("a/b.md")).unwrap(), "b");
        assert_eq!(std::fs::read_to_string(root.join("taken.md")).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(root.join(".relay/trash/7/taken.md")).unwrap(), "old");
        assert!(!root.join(".relay/trash/7/a").exists(), "what is empty is gone");
    }

    #[test]
    fn a_link_in_the_tree_is_not_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(dir.path(), ".relay/trash/1/link/x.md", "x");
        std::os::unix::fs::symlink(outside.path(), dir.path().join("link")).unwrap();
        let found = batches(dir.path()).unwrap();
        let undone = undo(dir.path(), &found[0]).unwrap();
        assert_eq!(undone.taken, ["link/x.md"]);
        assert!(!outside.path().join("x.md").exists());
    }
}
