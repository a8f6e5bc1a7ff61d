//! Putting a file at its path, and taking one away, without ever losing what was there.
//!
//! A replacement is an exchange: the new file goes in and whatever was there comes out, in one
//! atomic step, and only then is looked at. For that moment the new file lies below
//! `.relay/swap/<its hash>-<call>/`, so that after a crash it is plain which of the two it
//! is: what does not have the hash of its directory came out of an exchange and is a person's
//! until proven otherwise.
//!
//! A file that is taken away is moved first and looked at afterwards, where nobody else writes.

use std::io;

use cap_std::fs::Dir;
use landfall_core::effect::Aside;
use landfall_core::event::Answer;
use landfall_core::files::entry::{Found, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::Disk;
use super::aside::{self, CONFLICTS};
use super::resolve::RESOLVED;
use super::stage::Stage;
use super::tree::{hash_at, in_the_way, is_nowhere, look_at, open_below, split, stamp};

/// A directory that became empty may be removed between a walk and the rename that follows.
/// That this happens so often in a row is no accident any more.
const WALKS: u32 = 16;

/// What is to be replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    /// What should be there.
    pub expect: ContentHash,
    /// What becomes of it. Anything else that comes out is a person's and is kept.
    pub then: Then,
}

/// What becomes of a file that was replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Then {
    /// Nobody needs it.
    Remove,
    /// It goes to the conflict copies.
    Conflict,
    /// It goes to those that are resolved: the new file has its changes.
    Resolved,
}

/// One exchange: where it happens, and between what.
struct Exchange<'a> {
    swap: Dir,
    /// Of `swap`, below the directory of all exchanges.
    at: String,
    /// Where the old file waits on a file system that can not exchange.
    out: String,
    dir: &'a Dir,
    name: &'a str,
    new: ContentHash,
    staged: String,
}

impl Disk {
    pub(super) fn place(
        &self,
        path: &RemotePath,
        blob: BlobId,
        writable: bool,
    ) -> io::Result<Answer> {
        self.remember(blob);
        let before = self.stage.make_ready(blob, writable)?;
        let local = self.tree.local(path);
        let (dirs, name) = split(&local);
        let staged = Stage::name(blob);
        for _ in 0..WALKS {
            let dir = match self.tree.open(dirs, true) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            self.tree.echoes.expect(&local, before);
            let renamed = rename(&self.stage.dir, &staged, &dir, name, RenameFlags::NOREPLACE);
            if renamed.is_err() {
                self.tree.echoes.forget(&local);
            }
            match renamed {
                Ok(()) if !self.tree.has(&dir, name)? => {
                    // The disk gave it a name of its own.
                    rename(&dir, name, &self.stage.dir, &staged, RenameFlags::NOREPLACE)?;
                    return Err(Errno::ILSEQ.into());
                }
                Ok(()) => return Ok(self.placed(&dir, name, blob, before, None)),
                // Another name of the file that is there.
                Err(Errno::EXIST) if !self.tree.has(&dir, name)? => return Err(Errno::ILSEQ.into()),
                Err(Errno::EXIST) => return Ok(Answer::Occupied(look_at(&dir, name, None)?)),
                Err(Errno::NOENT) => {}
                Err(why) => return Err(why.into()),
            }
        }
        Err(Errno::NOENT.into())
    }

    pub(super) fn replace(
        &self,
        call: CallId,
        path: &RemotePath,
        blob: BlobId,
        old: Old,
        writable: bool,
    ) -> io::Result<Answer> {
        self.remember(blob);
        let before = self.stage.make_ready(blob, writable)?;
        let local = self.tree.local(path);
        let (dirs, name) = split(&local);
        let dir = match self.tree.open(dirs, false) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Ok(Answer::Occupied(Found::Absent));
            }
            other => other?,
        };
        if !self.tree.has(&dir, name)? {
            return Ok(Answer::Occupied(Found::Absent));
        }
        if let Some(found) = in_the_way(&dir, name)? {
            return Ok(Answer::Occupied(found));
        }
        let new = self.stage.hash(blob)?;
        let staged = Stage::name(blob);
        let at = format!("{new}-{}/{dirs}", of_call(call));
        let out = format!("out-{}/{dirs}", of_call(call));
        let swap = open_below(&self.tree.swap, &at, true)?;
        rename(&self.stage.dir, &staged, &swap, name, RenameFlags::NOREPLACE)?;
        let exchange = Exchange { swap, at, out, dir: &dir, name, new, staged };
        if let Err(why) = self.exchange(&exchange) {
            self.back_to_stage(&exchange)?;
            return match why {
                Errno::NOENT => Ok(Answer::Occupied(Found::Absent)),
                why => Err(why.into()),
            };
        }
        // From here on the new file is in place, unless what came out has to go back.
        let settled = match look_at(&exchange.swap, name, None) {
            Ok(Found::File { hash, .. }) => {
                let then = match hash {
                    _ if hash == new => Then::Remove,
                    _ if hash == old.expect => old.then,
                    _ => Then::Conflict,
                };
                let settled = match then {
                    Then::Remove => exchange.swap.remove_file(name),
                    Then::Conflict => self.keep(&exchange.swap, name, &local, hash),
                    Then::Resolved => self.keep_resolved(&exchange.swap, name, &local, hash),
                };
                settled.map(|()| Ok((then == Then::Conflict).then_some(hash)))
            }
            Ok(odd) => Ok(Err(odd)),
            Err(why) => Err(why),
        };
        match settled {
            Ok(Ok(kept)) => {
                prune(&self.tree.swap, &exchange.at);
                Ok(self.placed(&dir, name, blob, before, kept))
            }
            Ok(Err(odd)) => {
                self.undo(&exchange)?;
                Ok(Answer::Occupied(odd))
            }
            Err(why) => {
                self.undo(&exchange)?;
                Err(why)
            }
        }
    }

    /// Exchanges the files of one name in two directories.
    ///
    /// Where the file system can not do that in one step, the old file goes out first and the
    /// new one in after it. For that moment its reader finds nothing at the path, but no byte
    /// is ever overwritten.
    fn exchange(&self, x: &Exchange<'_>) -> Result<(), Errno> {
        match rename(&x.swap, x.name, x.dir, x.name, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done,
        }
        let out = open_below(&self.tree.swap, &x.out, true);
        let out = out.map_err(|why| Errno::from_io_error(&why).unwrap_or(Errno::IO))?;
        rename(x.dir, x.name, &out, x.name, RenameFlags::NOREPLACE)?;
        rename(&x.swap, x.name, x.dir, x.name, RenameFlags::NOREPLACE)?;
        rename(&out, x.name, &x.swap, x.name, RenameFlags::NOREPLACE)?;
        prune(&self.tree.swap, &x.out);
        Ok(())
    }

    /// Puts back what came out, and the new file to the stage.
    fn undo(&self, x: &Exchange<'_>) -> io::Result<()> {
        self.exchange(x)?;
        if hash_at(&x.swap, x.name)? != x.new {
            // Edited in the moment in which it was there. The next start keeps it.
            return Err(io::Error::other("the file was edited while it was being replaced"));
        }
        self.back_to_stage(x)
    }

    fn back_to_stage(&self, x: &Exchange<'_>) -> io::Result<()> {
        rename(&x.swap, x.name, &self.stage.dir, &x.staged, RenameFlags::NOREPLACE)?;
        prune(&self.tree.swap, &x.at);
        Ok(())
    }

    /// The new file is in place. Its stamp is what the next look will find, unless somebody
    /// touched it in the moment since: then the next look finds another and hashes.
    fn placed(
        &self,
        dir: &Dir,
        name: &str,
        blob: BlobId,
        before: Stamp,
        kept: Option<ContentHash>,
    ) -> Answer {
        self.stage.forget(blob);
        let now = dir.symlink_metadata(name).map(|metadata| stamp(&metadata));
        let stamp = now.ok().filter(|now| now.is_but_moved(&before)).unwrap_or(before);
        Answer::Placed { stamp, kept, merged: None }
    }

    pub(super) fn remove(
        &self,
        path: &RemotePath,
        expect: ContentHash,
        to: &Aside,
    ) -> io::Result<Answer> {
        let local = self.tree.local(path);
        let (dirs, name) = split(&local);
        let dir = match self.tree.open(dirs, false) {
            Err(why) if is_nowhere(&why) => {
                return Ok(Answer::Occupied(Found::Absent));
            }
            other => other?,
        };
        if !self.tree.has(&dir, name)? {
            return Ok(Answer::Occupied(Found::Absent));
        }
        match look_at(&dir, name, None)? {
            Found::File { hash, .. } if hash == expect => {}
            other => return Ok(Answer::Occupied(other)),
        }
        let place = aside::directory(&self.tree.control, to, dirs)?;
        let moved = match to {
            Aside::Conflict => aside::copy(&dir, name, &place, expect)?,
            Aside::Trash { .. } => aside::numbered(&dir, name, &place)?,
        };
        // What was moved is looked at: it may have been edited a moment before.
        match hash_at(&place, &moved) {
            Ok(hash) if hash == expect => {}
            Ok(hash) => return self.give_back(&place, &moved, &dir, name, &local, hash),
            Err(why) => {
                rename(&place, &moved, &dir, name, RenameFlags::NOREPLACE)?;
                return Err(why);
            }
        }
        if *to == Aside::Conflict {
            aside::once(&place, name, &moved, expect)?;
        }
        prune(&self.tree.root, dirs);
        Ok(Answer::Removed)
    }

    /// Puts a file back that should not have been moved; if its place was taken meanwhile, it
    /// is kept as a conflict copy.
    fn give_back(
        &self,
        from: &Dir,
        moved: &str,
        dir: &Dir,
        name: &str,
        local: &str,
        hash: ContentHash,
    ) -> io::Result<Answer> {
        match rename(from, moved, dir, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => self.keep(from, moved, local, hash)?,
            Err(why) => return Err(why.into()),
        }
        Ok(Answer::Occupied(look_at(dir, name, None)?))
    }

    /// Moves a file to the conflict copies, under a name made from its hash. The same bytes
    /// are kept once.
    pub(super) fn keep(
        &self,
        from: &Dir,
        name: &str,
        local: &str,
        hash: ContentHash,
    ) -> io::Result<()> {
        self.keep_below(CONFLICTS, from, name, local, hash)
    }

    /// The same, to those that are resolved.
    fn keep_resolved(
        &self,
        from: &Dir,
        name: &str,
        local: &str,
        hash: ContentHash,
    ) -> io::Result<()> {
        self.keep_below(&format!("{CONFLICTS}/{RESOLVED}"), from, name, local, hash)
    }

    fn keep_below(
        &self,
        copies: &str,
        from: &Dir,
        name: &str,
        local: &str,
        hash: ContentHash,
    ) -> io::Result<()> {
        let (dirs, file) = split(local);
        let copies = open_below(&self.tree.control, &format!("{copies}/{dirs}"), true)?;
        let moved = aside::copy_as(from, name, &copies, file, hash)?;
        aside::once(&copies, file, &moved, hash)
    }
}

/// Names the directory of an exchange. Calls never repeat, so nobody else has it.
fn of_call(call: CallId) -> String {
    format!("{}-{}-{}", call.run, call.unit.0, call.n)
}

/// Removes directories that became empty, from the innermost on. One that is not empty stays.
pub(super) fn prune(root: &Dir, dirs: &str) {
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
pub(super) fn rename(
    from: &Dir,
    name: &str,
    to: &Dir,
    new: &str,
    flags: RenameFlags,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, name, to, new, flags) {
        Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => {
            rustix::fs::linkat(from, name, to, new, AtFlags::empty())?;
            rustix::fs::unlinkat(from, name, AtFlags::empty())
        }
        done => done,
    }
}
