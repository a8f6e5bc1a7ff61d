//! Resolving conflict copies: one side of a conflict stays at the path, the other is kept below
//! `.relay/conflicts/resolved`. Nothing is ever removed, so it is safe beside a mount that runs.

use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use landfall_core::files::entry::{Found, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::path::CONTROL_DIR;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::aside::{self, CONFLICTS};
use super::fold::Folding;
use super::mode;
use super::place::prune;
use super::place::rename;
use super::tree::{hash_at, is_nowhere, look_at, open_below, split};

/// Below the conflict copies: what a person decided against.
pub(crate) const RESOLVED: &str = "resolved";

/// Both sides of a conflict.
#[derive(Debug)]
pub struct Sides {
    /// The copy.
    pub copy: (ContentHash, Stamp),
    /// What is at the path.
    pub here: Found,
}

/// Looks at both sides. `copy` and `path` are below the copies and below the mirror.
///
/// # Errors
/// If the copy is no file, or one of them can not be read.
pub fn sides(root: &Path, copy: &str, path: &str) -> io::Result<Sides> {
    let (root, copies, folding) = open(root)?;
    let (dirs, name) = split(copy);
    let Found::File { hash, stamp } = look_at(&open_below(&copies, dirs, false)?, name, None)?
    else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the copy is no file any more"));
    };
    let (dirs, name) = split(path);
    let here = match folding.open(&root, dirs, false) {
        Ok(dir) if !folding.has(&dir, name)? => Found::Absent,
        Ok(dir) => look_at(&dir, name, None)?,
        Err(why) if is_nowhere(&why) => Found::Absent,
        Err(why) => return Err(why),
    };
    Ok(Sides { copy: (hash, stamp), here })
}

/// What is at the path stays; the copy goes to the resolved ones. Answers its name there.
///
/// # Errors
/// If it can not be moved.
pub fn keep_here(root: &Path, copy: &str) -> io::Result<String> {
    let (_, copies, _) = open(root)?;
    let (dirs, name) = split(copy);
    let from = open_below(&copies, dirs, false)?;
    let to = open_below(&copies, &format!("{RESOLVED}/{dirs}"), true)?;
    let name = aside::numbered(&from, name, &to)?;
    prune(&copies, dirs);
    Ok(below(dirs, &name))
}

/// The copy comes to the path; what was there goes to the resolved ones. Answers its name there,
/// if there was anything.
///
/// # Errors
/// If something else than a file is at the path, or it can not be moved. Then the copy is where
/// it was, or at the path.
pub fn keep_copy(root: &Path, copy: &str, path: &str) -> io::Result<Option<String>> {
    let (root, copies, folding) = open(root)?;
    let (copy_dirs, copy_name) = split(copy);
    let from = open_below(&copies, copy_dirs, false)?;
    let (dirs, name) = split(path);
    let to = folding.open(&root, dirs, true)?;
    // What comes back is the person's.
    mode::set(&from.open(copy_name)?, true)?;
    match rename(&from, copy_name, &to, name, RenameFlags::NOREPLACE) {
        Ok(()) => {
            prune(&copies, copy_dirs);
            return Ok(None);
        }
        Err(Errno::EXIST) => {}
        Err(why) => return Err(why.into()),
    }
    if !folding.has(&to, name)? {
        let what = "a file is there whose name this disk takes for the same; move it away first";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    if !to.symlink_metadata(name)?.is_file() {
        let what = "something that is not a file is at the path; move it away first";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    let resolved = open_below(&copies, &format!("{RESOLVED}/{dirs}"), true)?;
    let kept = match rename(&from, copy_name, &to, name, RenameFlags::EXCHANGE) {
        // What came out lies where the copy was.
        Ok(()) => {
            let hash = hash_at(&from, copy_name)?;
            aside::copy_as(&from, copy_name, &resolved, name, hash)?
        }
        // A file system that can not exchange.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            let kept = aside::copy(&to, name, &resolved, hash_at(&to, name)?)?;
            rename(&from, copy_name, &to, name, RenameFlags::NOREPLACE)?;
            kept
        }
        Err(why) => return Err(why.into()),
    };
    prune(&copies, copy_dirs);
    Ok(Some(below(dirs, &kept)))
}

fn open(root: &Path) -> io::Result<(Dir, Dir, Folding)> {
    let root = Dir::open_ambient_dir(root, ambient_authority())?;
    let copies = open_below(&root, &format!("{CONTROL_DIR}/{CONFLICTS}"), false)?;
    let folding = Folding::of(&copies);
    Ok((root, copies, folding))
}

fn below(dirs: &str, name: &str) -> String {
    if dirs.is_empty() { name.to_owned() } else { format!("{dirs}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mirror(tempfile::TempDir);

    impl Mirror {
        fn new() -> Self {
            let mirror = Self(tempfile::tempdir().unwrap());
            mirror.write("d/a.md", "theirs");
            mirror.write(".relay/conflicts/d/a.md.0123abcd.local", "mine");
            mirror
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn read(&self, path: &str) -> Option<String> {
            std::fs::read_to_string(self.0.path().join(path)).ok()
        }
    }

    const COPY: &str = "d/a.md.0123abcd.local";

    #[test]
    fn the_copy_comes_to_the_path_and_what_was_there_is_kept() {
        let mirror = Mirror::new();
        let kept = keep_copy(mirror.0.path(), COPY, "d/a.md").unwrap().unwrap();
        assert_eq!(mirror.read("d/a.md").unwrap(), "mine");
        assert_eq!(mirror.read(&format!(".relay/conflicts/resolved/{kept}")).unwrap(), "theirs");
        assert_eq!(mirror.read(&format!(".relay/conflicts/{COPY}")), None);
    }

    #[test]
    fn what_is_here_stays_and_the_copy_is_kept() {
        let mirror = Mirror::new();
        let kept = keep_here(mirror.0.path(), COPY).unwrap();
        assert_eq!(mirror.read("d/a.md").unwrap(), "theirs");
        assert_eq!(mirror.read(&format!(".relay/conflicts/resolved/{kept}")).unwrap(), "mine");
        assert_eq!(mirror.read(&format!(".relay/conflicts/{COPY}")), None);
    }

    #[test]
    fn a_path_that_is_free_or_taken_by_a_directory_loses_nothing() {
        let mirror = Mirror::new();
        std::fs::remove_file(mirror.0.path().join("d/a.md")).unwrap();
        std::fs::create_dir(mirror.0.path().join("d/a.md")).unwrap();
        assert!(keep_copy(mirror.0.path(), COPY, "d/a.md").is_err());
        assert_eq!(mirror.read(&format!(".relay/conflicts/{COPY}")).unwrap(), "mine");
        std::fs::remove_dir(mirror.0.path().join("d/a.md")).unwrap();
        assert_eq!(keep_copy(mirror.0.path(), COPY, "d/a.md").unwrap(), None);
        assert_eq!(mirror.read("d/a.md").unwrap(), "mine");
    }
}
