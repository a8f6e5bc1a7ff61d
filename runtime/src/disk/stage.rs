//! Where bytes wait for their place: files below `.relay/stage`, on the mirror's file system,
//! so that placing is a rename.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Mutex;

use cap_std::fs::{Dir, File, OpenOptions};
use landfall_core::files::entry::Stamp;
use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use rustix::fs::{Timespec, Timestamps};
use sha2::{Digest, Sha256};

use super::{mode, pulse, tree};

/// The stage of one workspace.
#[derive(Debug)]
pub struct Stage {
    pub(super) dir: Dir,
    /// What the blobs of this run hold. Looked up by name only, so its order shows nowhere.
    hashes: Mutex<HashMap<BlobId, ContentHash>>,
}

/// A blob that is being written. Dropped unfinished, it is removed.
#[derive(Debug)]
pub struct Staged<'a> {
    stage: &'a Stage,
    blob: BlobId,
    file: File,
    hasher: Sha256,
    size: u64,
    finished: bool,
}

impl Stage {
    /// Below the control directory.
    pub(crate) const DIR: &'static str = "stage";

    pub(super) fn open(control: &Dir) -> io::Result<Self> {
        control.create_dir_all(Self::DIR)?;
        Ok(Self { dir: control.open_dir(Self::DIR)?, hashes: Mutex::default() })
    }

    /// The name of its file.
    pub(crate) fn name(blob: BlobId) -> String {
        let call = blob.call;
        format!("{}-{}-{}-{}", call.run, call.unit.0, call.n, blob.part)
    }

    /// Begins a blob.
    pub fn begin(&self, blob: BlobId) -> io::Result<Staged<'_>> {
        let options = OpenOptions::new().write(true).create_new(true).clone();
        let file = self.dir.open_with(Self::name(blob), &options)?;
        let hasher = Sha256::new();
        Ok(Staged { stage: self, blob, file, hasher, size: 0, finished: false })
    }

    /// Opens a finished blob for reading.
    pub fn read(&self, blob: BlobId) -> io::Result<File> {
        self.dir.open(Self::name(blob))
    }

    /// Puts a finished blob in the place of another.
    pub fn replace(&self, blob: BlobId, with: BlobId) -> io::Result<()> {
        self.dir.rename(Self::name(with), &self.dir, Self::name(blob))?;
        let mut hashes = self.hashes();
        if let Some(hash) = hashes.remove(&with) {
            hashes.insert(blob, hash);
        }
        Ok(())
    }

    /// Removes a blob, if it is there.
    pub fn discard(&self, blob: BlobId) -> io::Result<()> {
        self.forget(blob);
        match self.dir.remove_file(Self::name(blob)) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }

    /// Gives a finished blob the mode that it is to be placed in. Answers its stamp.
    ///
    /// What is saved over it from now on gets a later time, so that the stamp proves something.
    pub(super) fn make_ready(&self, blob: BlobId, writable: bool) -> io::Result<Stamp> {
        let file = self.read(blob)?;
        let stamp = mode::set(&file, writable)?;
        let clock = tree::file_clock_ns();
        if stamp.mtime_ns < clock {
            return Ok(stamp);
        }
        let before = Timespec { tv_sec: clock / 1_000_000_000 - 1, tv_nsec: 0 };
        let times = Timestamps { last_access: before, last_modification: before };
        rustix::fs::futimens(&file, &times)?;
        Ok(tree::stamp(&file.metadata()?))
    }

    /// What a blob holds.
    pub(super) fn hash(&self, blob: BlobId) -> io::Result<ContentHash> {
        self.hashes().get(&blob).copied().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the blob was not staged by this run")
        })
    }

    pub(super) fn forget(&self, blob: BlobId) {
        self.hashes().remove(&blob);
    }

    fn hashes(&self) -> std::sync::MutexGuard<'_, HashMap<BlobId, ContentHash>> {
        // Nothing in here can panic halfway through a change.
        self.hashes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Removes the blobs of earlier runs but for these, and answers how many there were.
    pub(super) fn clean(&self, run: u32, keep: &[BlobId]) -> io::Result<u32> {
        let mine = format!("{run}-");
        let keep: HashSet<String> = keep.iter().map(|blob| Self::name(*blob)).collect();
        let mut removed = 0;
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let text = name.to_string_lossy();
            if !text.starts_with(&mine) && !keep.contains(&*text) {
                self.dir.remove_file(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Staged<'_> {
    /// All bytes are there. Answers their hash and number.
    pub fn finish(mut self) -> (ContentHash, u64) {
        self.finished = true;
        let hash = ContentHash(std::mem::take(&mut self.hasher).finalize().into());
        self.stage.hashes().insert(self.blob, hash);
        (hash, self.size)
    }
}

impl Write for Staged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        pulse::beat();
        self.hasher.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.stage.discard(self.blob);
        }
    }
}
