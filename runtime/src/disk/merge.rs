//! Merging what both sides changed, before it is placed.
//!
//! The server has a route for that (`POST fs/merge`), and it is not used. Its answer can be lost
//! like any other, and then the merged text is there, and here it is a change that somebody else
//! made, to lines that are no longer ours. A merge that is made here is an edit like any other: it
//! is saved, seen and sent with what it was merged with as its base. And it works with servers
//! that have no such route.

use std::io::{self, Read, Write};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{File, OpenOptions};
use landfall_core::event::Answer;
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;
use landfall_reference::lines;

use super::Disk;
use super::bases::text;
use super::place::{Old, Then};
use super::tree::{hash_file, split};

/// The part of the call's blob that it merges. A call that places has no other.
const MERGED: u32 = 0;

impl Disk {
    /// Keeps a copy of a blob that will be what both sides have.
    pub(super) fn remember(&self, blob: BlobId) {
        if !self.bases.are_kept() {
            return;
        }
        if let Ok(hash) = self.stage.hash(blob)
            && let Ok(Some(bytes)) = self.stage.bytes(blob, lines::BYTES_MAX)
        {
            self.bases.keep(hash, &bytes);
        }
    }

    /// Places a blob, merged with what is at its path if they go together.
    pub(super) fn merge(
        &self,
        call: CallId,
        path: &RemotePath,
        blob: BlobId,
        old: Old,
        base: ContentHash,
        writable: bool,
    ) -> io::Result<Answer> {
        let Some(text) = self.go_together(path, blob, old.expect, base) else {
            return self.replace(call, path, blob, old, writable);
        };
        let merged = BlobId { call, part: MERGED };
        let hash = match self.stage_durably(merged, &text) {
            Ok(hash) => hash,
            Err(why) => {
                // If it stays, the next start removes it.
                let _ = self.stage.discard(merged);
                return Err(why);
            }
        };
        let old = Old { then: Then::Resolved, ..old };
        match self.replace(call, path, merged, old, writable) {
            Ok(Answer::Placed { stamp, kept, .. }) => {
                self.remember(blob);
                // If it stays, the next start removes it.
                let _ = self.stage.discard(blob);
                Ok(Answer::Placed { stamp, kept, merged: Some(hash) })
            }
            other => {
                self.stage.discard(merged)?;
                other
            }
        }
    }

    /// What comes of a blob and of what is at a path. `None` if they do not go together, or if
    /// there is not all that is needed to know.
    fn go_together(
        &self,
        path: &RemotePath,
        blob: BlobId,
        mine: ContentHash,
        base: ContentHash,
    ) -> Option<String> {
        let theirs = self.stage.bytes(blob, lines::BYTES_MAX).ok()??;
        let mine = self.read_exact(path, mine).ok()??;
        let (mine, theirs) = (text(&mine)?, text(&theirs)?);
        // The last, because it takes longest.
        lines::merge(&self.bases.find(base)?, mine, theirs)
    }

    /// Nobody else has it, so it survives a power cut before it is placed.
    fn stage_durably(&self, blob: BlobId, text: &str) -> io::Result<ContentHash> {
        let mut staged = self.stage.begin_file(blob)?;
        staged.write_all(text.as_bytes())?;
        let (hash, _) = staged.finish();
        self.stage.read(blob)?.sync_all()?;
        Ok(hash)
    }

    /// What is at a path, if it is what it should be.
    fn read_exact(&self, path: &RemotePath, expect: ContentHash) -> io::Result<Option<Vec<u8>>> {
        let local = self.tree.local(path);
        let (dirs, name) = split(&local);
        let dir = self.tree.open(dirs, false)?;
        let mut options = OpenOptions::new();
        // Nobody waits for the other end of a pipe.
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let bytes = at_most(dir.open_with(name, &options)?, lines::BYTES_MAX)?;
        Ok(bytes.filter(|bytes| hash_file(&bytes[..]).is_ok_and(|hash| hash == expect)))
    }
}

/// Everything that a file holds, if that is not too much.
pub(super) fn at_most(file: File, max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= max))
}
