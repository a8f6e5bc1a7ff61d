//! Walking the mirror's directory, and looking at one file of it.

use std::borrow::Cow;
use std::io::{self, Read};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions};
use landfall_core::fault::Fault;
use landfall_core::files::entry::{Found, Odd, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::path::RemotePath;
use rustix::fs::{Mode, OFlags};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

use super::echoes::Echoes;
use super::fold::Folding;
use super::ignores::Ignores;
use super::pulse::beat;
use super::strangers::Strangers;
use super::{fault, mode, names};

/// Where exchanges happen, below the control directory.
pub(super) const SWAP: &str = "swap";

/// In a stamp that is never that of a file.
const NO_INODE: u64 = 0;

/// A root and its control directory.
#[derive(Debug)]
pub(super) struct Tree {
    pub root: Dir,
    pub control: Dir,
    /// Where exchanges happen. Held open, because it may be empty and must not go.
    pub swap: Dir,
    /// The remote directory that the root mirrors, without a trailing `/`.
    pub base: String,
    /// What stays here.
    pub ignores: Ignores,
    /// What can not leave, for its name.
    pub strangers: Strangers,
    /// What the watcher need not tell.
    pub echoes: Echoes,
    /// Whether its file system takes names for one that are not the same.
    pub folding: Folding,
}

impl Tree {
    /// The path below the root.
    pub fn local<'p>(&self, path: &'p RemotePath) -> Cow<'p, str> {
        let below = path.as_str().strip_prefix(self.base.as_str()).unwrap_or(path.as_str());
        let below = below.trim_start_matches('/');
        match names::local(below) {
            Cow::Owned(_) => Cow::Owned(self.as_it_is_here(below)),
            plain => plain,
        }
    }

    /// A path with names that we would shorten: where nothing has the short name, and somebody
    /// made something here that has the long one, it is that.
    fn as_it_is_here(&self, path: &str) -> String {
        let is_there = |local: &str| self.root.symlink_metadata(local).is_ok();
        names::components(path).fold(String::new(), |dir, (component, here)| {
            let (long, short) = (join(&dir, component), join(&dir, &here));
            let theirs = component != here && names::may_be_ours(component);
            if theirs && !is_there(&short) && is_there(&long) { long } else { short }
        })
    }

    /// The remote path of a path below the root. `None` for what no remote path is here as.
    pub fn remote(&self, local: &str) -> Option<RemotePath> {
        if !local.split('/').all(names::may_be_ours) {
            return None;
        }
        RemotePath::parse(&format!("{}/{local}", self.base)).ok()
    }

    /// Opens a directory below the root, by its exact name.
    pub fn open(&self, dirs: &str, make: bool) -> io::Result<Dir> {
        self.folding.open(&self.root, dirs, make)
    }

    /// Whether what is found under a name is the file of that name.
    pub fn has(&self, dir: &Dir, name: &str) -> io::Result<bool> {
        self.folding.has(dir, name)
    }

    /// Looks at a path.
    pub fn look(
        &self,
        path: &RemotePath,
        known: Option<(ContentHash, Stamp)>,
        writable: Option<bool>,
    ) -> io::Result<Found> {
        let local = self.local(path);
        let (dirs, name) = split(&local);
        match self.open(dirs, false) {
            Ok(dir) if !self.has(&dir, name)? => Ok(Found::Absent),
            Ok(dir) => match (known, writable) {
                (Some(known), Some(writable)) => mode::look_and_set(&dir, name, known, writable),
                _ => look_at(&dir, name, known),
            },
            Err(why) if is_nowhere(&why) => Ok(Found::Absent),
            Err(why) => Err(why),
        }
    }

    /// Makes everything on this file system survive a power cut.
    pub fn seal(&self) -> io::Result<()> {
        // The root is held as a path alone, which can not be synced.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.root, ".", flags, Mode::empty())?;
        Ok(rustix::fs::syncfs(root)?)
    }
}

/// The directories of a path, and its last component.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The path of a name in a directory below the root.
pub(super) fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Opens a directory below one of ours, step by step and without following links; with `make`,
/// what is missing is made. Below a mirror's root, see [`Folding::open`].
pub(super) fn open_below(root: &Dir, dirs: &str, make: bool) -> io::Result<Dir> {
    let mut dir = root.try_clone()?;
    for name in dirs.split('/').filter(|name| !name.is_empty()) {
        dir = step(&dir, name, make)?;
    }
    Ok(dir)
}

/// Opens a directory in another without following a link; with `make`, it is made if it is
/// missing.
pub(super) fn step(dir: &Dir, name: &str, make: bool) -> io::Result<Dir> {
    match dir.open_dir_nofollow(name) {
        Err(why) if make && why.kind() == io::ErrorKind::NotFound => match dir.create_dir(name) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => Err(why),
            _ => dir.open_dir_nofollow(name),
        },
        other => other,
    }
}

/// Whether nothing can be there: a directory above it is missing, or is a file or a link.
pub(super) fn is_nowhere(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::NotFound || fault(why) == Fault::NotADirectory
}

/// Looks at a name in a directory.
pub(super) fn look_at(
    dir: &Dir,
    name: &str,
    known: Option<(ContentHash, Stamp)>,
) -> io::Result<Found> {
    let clock = file_clock_ns();
    let metadata = match dir.symlink_metadata(name) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        other => other?,
    };
    if let Some(odd) = odd(&metadata) {
        return Ok(Found::Odd(odd));
    }
    let mut stamp = stamp(&metadata);
    if let Some((hash, _)) = known.filter(|(_, known)| *known == stamp) {
        return Ok(Found::File { hash, stamp });
    }
    // The stamp taken before hashing: a write during it makes the next look hash again. One
    // within the same tick of the clock would not, so such a stamp is made to prove nothing.
    if stamp.mtime_ns >= clock {
        stamp.inode = NO_INODE;
    }
    Ok(Found::File { hash: hash_at(dir, name)?, stamp })
}

/// What is at a name, if that is no file.
pub(super) fn in_the_way(dir: &Dir, name: &str) -> io::Result<Option<Found>> {
    match dir.symlink_metadata(name) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(Some(Found::Absent)),
        Err(why) => Err(why),
        Ok(metadata) => Ok(odd(&metadata).map(Found::Odd)),
    }
}

fn odd(metadata: &Metadata) -> Option<Odd> {
    match () {
        () if metadata.is_file() => None,
        () if metadata.is_dir() => Some(Odd::Directory),
        () if metadata.is_symlink() => Some(Odd::Symlink),
        () => Some(Odd::Special),
    }
}

pub(super) fn hash_at(dir: &Dir, name: &str) -> io::Result<ContentHash> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    hash_file(dir.open_with(name, &options)?)
}

/// The time that a file would get if it were written now. It stands still for milliseconds.
pub(super) fn file_clock_ns() -> i64 {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// The hash of everything that can be read.
pub fn hash_file(mut file: impl Read) -> io::Result<ContentHash> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 32 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(ContentHash(hasher.finalize().into())),
            n => hasher.update(&buffer[..n]),
        }
        beat();
    }
}

pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    let ns = |seconds: i64, ns: i64| seconds.saturating_mul(1_000_000_000).saturating_add(ns);
    Stamp {
        size: metadata.size(),
        mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        writable: metadata.mode() & 0o200 != 0,
    }
}
