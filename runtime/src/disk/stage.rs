//! Where bytes wait for their place: files below `.relay/stage`, on the mirror's file system,
//! so that placing is a rename.
//!
//! Most files are small and wait for a moment only. What was fetched and is small therefore waits
//! in memory, as long as there is room, and becomes a file when it is placed: so it is written on
//! a thread of the disk, and whoever parses an answer does not wait for the disk. What a person
//! wrote is a file at once, because a later run may have to send it.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use landfall_core::files::entry::Stamp;
use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use rustix::fs::{Timespec, Timestamps};
use sha2::{Digest, Sha256};

use super::merge::at_most;
use super::{mode, pulse, tree};

/// A blob of more bytes is a file.
const SMALL: usize = 16 * 1024;

/// So many bytes wait in memory, and some more that are being parsed. Where the disk is slower
/// than the server, the next ones are files.
const ROOM: usize = 4 * 1024 * 1024;

/// The stage of one workspace.
#[derive(Debug)]
pub struct Stage {
    pub(super) dir: Dir,
    blobs: Mutex<Blobs>,
}

/// The blobs of this run. Looked up by name only, so their order shows nowhere.
#[derive(Debug, Default)]
struct Blobs {
    hashes: HashMap<BlobId, ContentHash>,
    /// Those that are no files yet.
    in_memory: HashMap<BlobId, Vec<u8>>,
    /// How many bytes those have.
    bytes: usize,
}

/// A blob that is being written. Dropped unfinished, it is removed.
#[derive(Debug)]
pub struct Staged<'a> {
    stage: &'a Stage,
    blob: BlobId,
    at: At,
    hasher: Sha256,
    size: u64,
    finished: bool,
}

/// Where the bytes of a blob go.
#[derive(Debug)]
enum At {
    Memory(Vec<u8>),
    File(File),
}

impl Stage {
    /// Below the control directory.
    pub(crate) const DIR: &'static str = "stage";

    pub(super) fn open(control: &Dir) -> io::Result<Self> {
        control.create_dir_all(Self::DIR)?;
        Ok(Self { dir: control.open_dir(Self::DIR)?, blobs: Mutex::default() })
    }

    /// The name of its file.
    pub(crate) fn name(blob: BlobId) -> String {
        let call = blob.call;
        format!("{}-{}-{}-{}", call.run, call.unit.0, call.n, blob.part)
    }

    /// Begins a blob that may wait in memory.
    pub fn begin(&self, blob: BlobId) -> io::Result<Staged<'_>> {
        let at = match self.has_room() {
            true => At::Memory(Vec::new()),
            false => At::File(self.create(blob, true)?),
        };
        Ok(self.begun(blob, at))
    }

    /// Begins a blob that outlives this run.
    pub(crate) fn begin_file(&self, blob: BlobId) -> io::Result<Staged<'_>> {
        Ok(self.begun(blob, At::File(self.create(blob, true)?)))
    }

    /// Whether a small blob that is begun now waits in memory.
    pub(crate) fn has_room(&self) -> bool {
        self.blobs().bytes < ROOM
    }

    fn begun(&self, blob: BlobId, at: At) -> Staged<'_> {
        Staged { stage: self, blob, at, hasher: Sha256::new(), size: 0, finished: false }
    }

    fn create(&self, blob: BlobId, writable: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(if writable { 0o666 } else { 0o444 });
        self.dir.open_with(Self::name(blob), &options)
    }

    /// Opens a finished blob for reading.
    pub fn read(&self, blob: BlobId) -> io::Result<File> {
        self.write_out(blob, true)?;
        self.dir.open(Self::name(blob))
    }

    /// What a finished blob holds, if that is not too much.
    pub(super) fn bytes(&self, blob: BlobId, max: usize) -> io::Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.blobs().in_memory.get(&blob) {
            return Ok(Some(bytes.clone()).filter(|bytes| bytes.len() <= max));
        }
        at_most(self.dir.open(Self::name(blob))?, max)
    }

    /// Makes a file of a blob that waits in memory, and answers it.
    fn write_out(&self, blob: BlobId, writable: bool) -> io::Result<Option<File>> {
        let Some(bytes) = self.blobs().take(blob) else { return Ok(None) };
        let write = || {
            let mut file = match self.create(blob, writable) {
                // Half of it, of a time when the disk was full.
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                    self.dir.remove_file(Self::name(blob))?;
                    self.create(blob, writable)?
                }
                other => other?,
            };
            file.write_all(&bytes)?;
            Ok(file)
        };
        let written = write();
        if written.is_err() {
            self.blobs().put(blob, bytes);
        }
        written.map(Some)
    }

    /// Puts a finished blob in the place of another.
    pub fn replace(&self, blob: BlobId, with: BlobId) -> io::Result<()> {
        self.discard(blob)?;
        let bytes = self.blobs().take(with);
        if bytes.is_none() {
            self.dir.rename(Self::name(with), &self.dir, Self::name(blob))?;
        }
        let mut blobs = self.blobs();
        if let Some(bytes) = bytes {
            blobs.put(blob, bytes);
        }
        if let Some(hash) = blobs.hashes.remove(&with) {
            blobs.hashes.insert(blob, hash);
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

    /// Makes a finished blob a file with the mode that it is to be placed in. Answers its stamp.
    ///
    /// What is saved over it from now on gets a later time, so that the stamp proves something.
    pub(super) fn make_ready(&self, blob: BlobId, writable: bool) -> io::Result<Stamp> {
        let file = match self.write_out(blob, writable)? {
            Some(file) => {
                mode::set(&file, writable)?;
                file
            }
            None => {
                let file = self.read(blob)?;
                let stamp = mode::set(&file, writable)?;
                if stamp.mtime_ns < tree::file_clock_ns() {
                    return Ok(stamp);
                }
                file
            }
        };
        let before = Timespec { tv_sec: tree::file_clock_ns() / 1_000_000_000 - 1, tv_nsec: 0 };
        let times = Timestamps { last_access: before, last_modification: before };
        rustix::fs::futimens(&file, &times)?;
        Ok(tree::stamp(&file.metadata()?))
    }

    /// What a blob holds.
    pub(super) fn hash(&self, blob: BlobId) -> io::Result<ContentHash> {
        self.blobs().hashes.get(&blob).copied().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "the blob was not staged by this run")
        })
    }

    pub(super) fn forget(&self, blob: BlobId) {
        let mut blobs = self.blobs();
        blobs.hashes.remove(&blob);
        blobs.take(blob);
    }

    /// Everything that is staged, wherever it waits.
    #[cfg(test)]
    pub(crate) fn held(&self) -> std::collections::BTreeMap<BlobId, ContentHash> {
        let files = self.dir.entries().unwrap().map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let numbers: Vec<u64> = name.split('-').map(|n| n.parse().unwrap()).collect();
            let [run, unit, n, part] = numbers[..] else { panic!("{name}") };
            let unit = landfall_core::id::UnitId(unit as u16);
            let call = landfall_core::id::CallId { run: run as u32, unit, n };
            let hash = tree::hash_at(&self.dir, &name).unwrap();
            (BlobId { call, part: part as u32 }, hash)
        });
        let blobs = self.blobs();
        let in_memory = blobs.in_memory.iter();
        let in_memory =
            in_memory.map(|(blob, bytes)| (*blob, tree::hash_file(&bytes[..]).unwrap()));
        files.chain(in_memory).collect()
    }

    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        // Nothing in here can panic halfway through a change.
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Blobs {
    fn put(&mut self, blob: BlobId, bytes: Vec<u8>) {
        self.bytes += bytes.capacity();
        self.in_memory.insert(blob, bytes);
    }

    fn take(&mut self, blob: BlobId) -> Option<Vec<u8>> {
        let bytes = self.in_memory.remove(&blob)?;
        self.bytes -= bytes.capacity();
        Some(bytes)
    }
}

impl Staged<'_> {
    /// All bytes are there. Answers their hash and number.
    pub fn finish(mut self) -> (ContentHash, u64) {
        self.finished = true;
        let hash = ContentHash(std::mem::take(&mut self.hasher).finalize().into());
        let mut blobs = self.stage.blobs();
        blobs.hashes.insert(self.blob, hash);
        if let At::Memory(bytes) = &mut self.at {
            blobs.put(self.blob, std::mem::take(bytes));
        }
        (hash, self.size)
    }
}

impl Write for Staged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = match &mut self.at {
            At::Memory(held) if held.len() + bytes.len() <= SMALL => {
                held.extend_from_slice(bytes);
                bytes.len()
            }
            At::Memory(held) => {
                let mut file = self.stage.create(self.blob, true)?;
                file.write_all(held)?;
                self.at = At::File(file);
                return self.write(bytes);
            }
            At::File(file) => file.write(bytes)?,
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_core::id::{CallId, UnitId};
    use std::io::Read;

    fn blob(part: u32) -> BlobId {
        BlobId { call: CallId { run: 1, unit: UnitId(0), n: 1 }, part }
    }

    struct Lab {
        control: tempfile::TempDir,
        stage: Stage,
    }

    impl Lab {
        fn new() -> Self {
            let control = tempfile::tempdir().unwrap();
            let dir = Dir::open_ambient_dir(control.path(), cap_std::ambient_authority()).unwrap();
            Self { stage: Stage::open(&dir).unwrap(), control }
        }

        fn put(&self, part: u32, bytes: &[u8]) {
            let mut staged = self.stage.begin(blob(part)).unwrap();
            bytes.chunks(1000).for_each(|bytes| staged.write_all(bytes).unwrap());
            assert_eq!(staged.finish(), (tree::hash_file(bytes).unwrap(), bytes.len() as u64));
        }

        fn read(&self, part: u32) -> Vec<u8> {
            let mut bytes = Vec::new();
            self.stage.read(blob(part)).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        }

        fn files(&self) -> usize {
            std::fs::read_dir(self.control.path().join(Stage::DIR)).unwrap().count()
        }
    }

    #[test]
    fn what_is_small_waits_in_memory_and_is_a_file_when_somebody_wants_one() {
        let lab = Lab::new();
        lab.put(0, b"small");
        lab.put(1, &[b'x'; SMALL]);
        assert_eq!(lab.files(), 0);
        lab.put(2, &[b'x'; SMALL + 1]);
        assert_eq!(lab.files(), 1);
        assert_eq!(lab.stage.held().len(), 3);
        assert_eq!((lab.read(0), lab.read(2)), (b"small".to_vec(), vec![b'x'; SMALL + 1]));
        lab.stage.make_ready(blob(1), true).unwrap();
        assert_eq!((lab.files(), lab.stage.blobs().bytes), (3, 0));
        lab.stage.discard(blob(1)).unwrap();
        assert_eq!(lab.stage.held().len(), 2);
    }

    #[test]
    fn no_more_waits_in_memory_than_there_is_room_for() {
        let lab = Lab::new();
        let put = |part| {
            lab.put(part, &[b'x'; SMALL]);
            part
        };
        let parts = (0..1000).map(put).find(|_| lab.files() == 3).unwrap();
        let bytes = lab.stage.blobs().bytes;
        assert!((ROOM..ROOM + 2 * SMALL).contains(&bytes), "{bytes} for {parts}");
        assert!(!lab.stage.has_room());
        lab.stage.discard(blob(0)).unwrap();
        lab.stage.discard(blob(1)).unwrap();
        assert!(lab.stage.has_room());
    }

    #[test]
    fn what_could_not_be_written_is_kept_until_it_can() {
        let lab = Lab::new();
        lab.put(0, b"all there is");
        // The disk refuses it.
        let in_the_way = lab.control.path().join(Stage::DIR).join(Stage::name(blob(0)));
        std::fs::create_dir(&in_the_way).unwrap();
        lab.stage.make_ready(blob(0), true).unwrap_err();
        std::fs::remove_dir(&in_the_way).unwrap();
        lab.stage.make_ready(blob(0), true).unwrap();
        assert_eq!(lab.read(0), b"all there is");
    }
}
