//! Putting a file at its path, and taking one away, without ever losing what was there.
//!
//! A replacement is an exchange: the new file goes in and whatever was there comes out, in one
//! atomic step, and only then is looked at. For that moment the new file lies at
//! `.relay/swap/<its hash>/<path>`, so that after a crash it is plain which of the two it
//! is: what does not have the hash of its directory came out of an exchange and is a person's
//! until proven otherwise.

use std::io;

use cap_std::fs::Dir;
use landfall_core::effect::Aside;
use landfall_core::event::Answer;
use landfall_core::files::entry::Found;
use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use landfall_core::path::RemotePath;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::Disk;
use super::stage::Stage;
use super::tree::{hash_at, look_at, open_below, split, stamp};

const SWAP: &str = "swap";
const TRASH: &str = "trash";
const CONFLICTS: &str = "conflicts";

impl Disk {
    pub(super) fn place(
        &self,
        path: &RemotePath,
        blob: BlobId,
        expect: Option<ContentHash>,
        keep: bool,
    ) -> io::Result<Answer> {
        let local = self.tree.local(path);
        let (dirs, name) = split(local);
        let staged = Stage::name(blob);
        let Some(expect) = expect else {
            // A directory that became empty may be removed between our walk and our rename.
            for last in [false, true] {
                let dir = open_below(&self.tree.root, dirs, true)?;
                match rename(&self.stage.dir, &staged, &dir, name, RenameFlags::NOREPLACE) {
                    Ok(()) => return self.placed(&dir, name, blob, None),
                    Err(Errno::EXIST) => return Ok(Answer::Occupied(look_at(&dir, name, None)?)),
                    Err(Errno::NOENT) if !last => {}
                    Err(why) => return Err(why.into()),
                }
            }
            return Err(Errno::NOENT.into());
        };
        let dir = match open_below(&self.tree.root, dirs, false) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Ok(Answer::Occupied(Found::Absent));
            }
            other => other?,
        };
        match look_at(&dir, name, None)? {
            Found::File { .. } => {}
            odd => return Ok(Answer::Occupied(odd)),
        }
        let new = self.stage.hash(blob)?;
        let swap = self.swap(new, dirs)?;
        rename(&self.stage.dir, &staged, &swap, name, RenameFlags::empty())?;
        if let Err(why) = self.exchange(&swap, &dir, name, dirs) {
            rename(&swap, name, &self.stage.dir, &staged, RenameFlags::empty())?;
            return match why {
                Errno::NOENT => Ok(Answer::Occupied(Found::Absent)),
                why => Err(why.into()),
            };
        }
        let old = match look_at(&swap, name, None)? {
            Found::File { hash, .. } => hash,
            odd => {
                // Not a file any more: it goes back, and the new file waits.
                self.exchange(&swap, &dir, name, dirs)?;
                rename(&swap, name, &self.stage.dir, &staged, RenameFlags::empty())?;
                return Ok(Answer::Occupied(odd));
            }
        };
        let kept = (old != new && (keep || old != expect)).then_some(old);
        match kept {
            Some(hash) => self.keep(&swap, name, local, hash)?,
            None => swap.remove_file(name)?,
        }
        prune(&self.tree.control, &swap_path(new, dirs));
        self.placed(&dir, name, blob, kept)
    }

    /// Exchanges the files of one name in two directories.
    ///
    /// Where the file system can not do that in one step, the old file goes out first and the
    /// new one in after it. For that moment its reader finds nothing at the path, but no byte
    /// is ever overwritten.
    fn exchange(&self, swap: &Dir, dir: &Dir, name: &str, dirs: &str) -> Result<(), Errno> {
        match rename(swap, name, dir, name, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done,
        }
        let out = open_below(&self.tree.control, &format!("{SWAP}/out/{dirs}"), true);
        let out = out.map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
        rename(dir, name, &out, name, RenameFlags::empty())?;
        rename(swap, name, dir, name, RenameFlags::NOREPLACE)?;
        rename(&out, name, swap, name, RenameFlags::empty())
    }

    fn placed(
        &self,
        dir: &Dir,
        name: &str,
        blob: BlobId,
        kept: Option<ContentHash>,
    ) -> io::Result<Answer> {
        self.stage.forget(blob);
        let metadata = dir.symlink_metadata(name)?;
        Ok(Answer::Placed { stamp: stamp(&metadata), kept })
    }

    pub(super) fn remove(
        &self,
        path: &RemotePath,
        expect: ContentHash,
        to: &Aside,
    ) -> io::Result<Answer> {
        let local = self.tree.local(path);
        let (dirs, name) = split(local);
        let dir = match open_below(&self.tree.root, dirs, false) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Ok(Answer::Occupied(Found::Absent));
            }
            other => other?,
        };
        match look_at(&dir, name, None)? {
            Found::File { hash, .. } if hash == expect => {}
            other => return Ok(Answer::Occupied(other)),
        }
        match to {
            Aside::Conflict => self.keep(&dir, name, local, expect)?,
            Aside::Trash { cycle } => {
                let place = format!("{TRASH}/{cycle}/{dirs}");
                let trash = open_below(&self.tree.control, &place, true)?;
                rename(&dir, name, &trash, name, RenameFlags::NOREPLACE)?;
                // What was moved is looked at: it may have been edited a moment before.
                let moved = hash_at(&trash, name)?;
                if moved != expect {
                    return self.give_back(&trash, &dir, name, local, moved);
                }
            }
        }
        prune(&self.tree.root, dirs);
        Ok(Answer::Removed)
    }

    /// Puts a file back that should not have been moved; if its place was taken meanwhile, it
    /// is kept as a conflict copy.
    fn give_back(
        &self,
        from: &Dir,
        dir: &Dir,
        name: &str,
        local: &str,
        hash: ContentHash,
    ) -> io::Result<Answer> {
        match rename(from, name, dir, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => self.keep(from, name, local, hash)?,
            Err(why) => return Err(why.into()),
        }
        Ok(Answer::Occupied(look_at(dir, name, None)?))
    }

    /// Moves a file to the conflict copies, under a name made from its hash. The same bytes
    /// are kept once.
    fn keep(&self, from: &Dir, name: &str, local: &str, hash: ContentHash) -> io::Result<()> {
        let (dirs, file) = split(local);
        let copies = open_below(&self.tree.control, &format!("{CONFLICTS}/{dirs}"), true)?;
        let copy = copy_name(file, hash);
        match rename(from, name, &copies, &copy, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if hash_at(&copies, &copy)? == hash => from.remove_file(name),
            Err(why) => Err(why.into()),
        }
    }

    fn swap(&self, new: ContentHash, dirs: &str) -> io::Result<Dir> {
        open_below(&self.tree.control, &swap_path(new, dirs), true)
    }

    /// Removes what earlier runs left behind: blobs, and new files that wait in the swap. What
    /// came out of an exchange is kept as a conflict copy.
    pub(super) fn clean(&self, run: u32) -> io::Result<Answer> {
        let mut removed = self.stage.clean(run)?;
        let swap = open_below(&self.tree.control, SWAP, true)?;
        for entry in swap.entries()? {
            let hash = entry?.file_name().to_string_lossy().into_owned();
            let dir = open_below(&swap, &hash, false)?;
            removed += self.clean_swap(&dir, &hash, "")?;
            swap.remove_dir_all(&hash)?;
        }
        Ok(Answer::Cleaned { removed })
    }

    fn clean_swap(&self, dir: &Dir, new: &str, below: &str) -> io::Result<u32> {
        let mut removed = 0;
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let local = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
            if entry.file_type()?.is_dir() {
                removed += self.clean_swap(&open_below(dir, &name, false)?, new, &local)?;
                continue;
            }
            let hash = hash_at(dir, &name)?;
            if hash.to_string() == new {
                removed += 1;
            } else {
                self.keep(dir, &name, &local, hash)?;
            }
        }
        Ok(removed)
    }
}

fn swap_path(new: ContentHash, dirs: &str) -> String {
    format!("{SWAP}/{new}/{dirs}")
}

/// The name of a conflict copy: never longer than a name may be.
fn copy_name(file: &str, hash: ContentHash) -> String {
    let suffix = format!(".{}.local", hash.short());
    let mut end = file.len().min(landfall_core::path::NAME_MAX - suffix.len());
    while !file.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &file[..end])
}

/// Removes directories that became empty, from the innermost on. One that is not empty stays.
fn prune(root: &Dir, dirs: &str) {
    let mut rest = dirs.trim_end_matches('/');
    while !rest.is_empty() {
        let (above, name) = split(rest);
        let removed = open_below(root, above, false).and_then(|dir| dir.remove_dir(name));
        if removed.is_err() {
            return;
        }
        rest = above;
    }
}

/// Renames. Where a file system can not refuse to replace, a hard link can.
fn rename(from: &Dir, name: &str, to: &Dir, new: &str, flags: RenameFlags) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, new, flags) {
        Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
            rustix::fs::linkat(from, name, to, new, AtFlags::empty())?;
            rustix::fs::unlinkat(from, name, AtFlags::empty())
        }
        done => done,
    }
}
