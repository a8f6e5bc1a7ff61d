//! A blob on its way from the stage to its place.
//!
//! One that waits in memory becomes a file without a name, and its place gives it the only name
//! that it ever has. A rename locks two directories, and a crash leaves it in the stage; this
//! does neither. Where there are no such files (`O_TMPFILE`, and `/proc` to name them by), it is
//! a file of the stage first, like all that is large.

use std::io::{self, Write};

use cap_std::fs::{Dir, File};
use landfall_core::files::entry::Stamp;
use landfall_core::id::BlobId;
use rustix::fd::AsRawFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::Stage;
use crate::disk::place::rename;
use crate::disk::{mode, tree};

/// Dropped before it was put somewhere, the blob waits on.
#[derive(Debug)]
pub(in crate::disk) struct Ready<'a> {
    stage: &'a Stage,
    pub blob: BlobId,
    /// As it waits. A stamp taken later differs by the move alone.
    pub stamp: Stamp,
    /// The file, if it has no name, and the bytes that it was made from.
    nameless: Option<(File, Vec<u8>)>,
}

impl Stage {
    /// Makes a finished blob a file with the mode that it is to be placed in.
    ///
    /// What is saved over it from now on gets a later time, so that the stamp proves something.
    pub(in crate::disk) fn ready(&self, blob: BlobId, writable: bool) -> io::Result<Ready<'_>> {
        let in_memory = match self.nameless() {
            true => self.blobs().take(blob),
            false => None,
        };
        let Some(bytes) = in_memory else {
            let stamp = dated(&self.read(blob)?, writable)?;
            return Ok(Ready { stage: self, blob, stamp, nameless: None });
        };
        let write = || {
            let mut file = nameless(&self.dir, writable)?;
            file.write_all(&bytes)?;
            let stamp = dated(&file, writable)?;
            Ok((file, stamp))
        };
        match write() {
            Ok((file, stamp)) => {
                Ok(Ready { stage: self, blob, stamp, nameless: Some((file, bytes)) })
            }
            Err(why) => {
                self.blobs().put(blob, bytes);
                Err(why)
            }
        }
    }

    /// Whether files without a name can be made here, and named.
    fn nameless(&self) -> bool {
        *self.nameless.get_or_init(|| {
            // Other processes may be trying, too.
            let name = format!("nameless-{}", std::process::id());
            let named =
                nameless(&self.dir, true).and_then(|file| Ok(link(&file, &self.dir, &name)?));
            // What a kill leaves is no copy of anything, and the next start of a mount cleans up.
            let _ = self.dir.remove_file(&name);
            named.is_ok()
        })
    }
}

impl Ready<'_> {
    /// Puts it at a name that is free.
    pub fn put(&mut self, dir: &Dir, name: &str) -> Result<(), Errno> {
        match &self.nameless {
            Some((file, _)) => link(file, dir, name)?,
            None => {
                let staged = Stage::name(self.blob);
                rename(&self.stage.dir, &staged, dir, name, RenameFlags::NOREPLACE)?;
            }
        }
        self.nameless = None;
        Ok(())
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        if let Some((_, bytes)) = self.nameless.take() {
            self.stage.blobs().put(self.blob, bytes);
        }
    }
}

/// Makes a file without a name, on the file system of a directory.
fn nameless(dir: &Dir, writable: bool) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(mode::new(writable));
    Ok(File::from_std(rustix::fs::openat(dir, ".", flags, mode)?.into()))
}

/// Gives it a name.
fn link(file: &File, dir: &Dir, name: &str) -> Result<(), Errno> {
    let file = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, file, dir, name, AtFlags::SYMLINK_FOLLOW)
}

/// Sets the mode of a file that waits, and a time in the past.
fn dated(file: &File, writable: bool) -> io::Result<Stamp> {
    let stamp = mode::set(file, writable)?;
    let now = tree::file_clock_ns();
    if stamp.mtime_ns < now {
        return Ok(stamp);
    }
    let before = Timespec { tv_sec: now / 1_000_000_000 - 1, tv_nsec: 0 };
    let times = Timestamps { last_access: before, last_modification: before };
    rustix::fs::futimens(file, &times)?;
    Ok(tree::stamp(&file.metadata()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Lab, blob};
    use super::*;
    use cap_std::ambient_authority;
    use cap_std::fs::MetadataExt;

    fn place() -> (tempfile::TempDir, Dir) {
        let dir = tempfile::tempdir().unwrap();
        let opened = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        (dir, opened)
    }

    #[test]
    fn what_waits_in_memory_has_no_name_before_its_place() {
        for is_here in [true, false] {
            let (lab, (_held, dir)) = (Lab::new(), place());
            if !is_here {
                lab.stage.name_all();
            }
            lab.put(0, b"plan");
            let mut ready = lab.stage.ready(blob(0), false).unwrap();
            assert_eq!(lab.files(), if is_here { 0 } else { 1 });
            ready.put(&dir, "plan.md").unwrap();
            assert_eq!((lab.files(), lab.stage.held().len()), (0, 0));
            let metadata = dir.symlink_metadata("plan.md").unwrap();
            assert_eq!(dir.read("plan.md").unwrap(), b"plan");
            assert_eq!((metadata.nlink(), metadata.mode() & 0o222), (1, 0));
            assert!(tree::stamp(&metadata).is_but_moved(&ready.stamp));
            assert!(ready.stamp.mtime_ns < tree::file_clock_ns());
        }
    }

    #[test]
    fn what_was_not_put_anywhere_waits_on() {
        for is_here in [true, false] {
            let (lab, (_held, dir)) = (Lab::new(), place());
            if !is_here {
                lab.stage.name_all();
            }
            lab.put(0, b"plan");
            dir.write("plan.md", "theirs").unwrap();
            let mut ready = lab.stage.ready(blob(0), true).unwrap();
            assert_eq!(ready.put(&dir, "plan.md"), Err(Errno::EXIST));
            drop(ready);
            assert_eq!(dir.read("plan.md").unwrap(), b"theirs");
            assert_eq!(lab.read(0), b"plan");
            lab.stage.ready(blob(0), true).unwrap().put(&dir, "other.md").unwrap();
            assert_eq!(dir.read("other.md").unwrap(), b"plan");
        }
    }
}
