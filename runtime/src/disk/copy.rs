//! Copies for the stage: what is sent is what was looked at, whatever is saved meanwhile.

use std::io;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::OpenOptions;
use landfall_core::event::Answer;
use landfall_core::files::entry::Found;
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;

use super::Disk;
use super::tree::{in_the_way, is_nowhere, look_at, split};

impl Disk {
    /// Copies a file to the stage and hashes what was copied. If that is not what was expected,
    /// there is no copy, and the answer says what is at the path by now.
    pub(super) fn copy_to_stage(
        &self,
        call: CallId,
        path: &RemotePath,
        expect: ContentHash,
    ) -> io::Result<Answer> {
        let local = self.tree.local(path);
        let (dirs, name) = split(&local);
        let dir = match self.tree.open(dirs, false) {
            Err(why) if is_nowhere(&why) => return Ok(Answer::Occupied(Found::Absent)),
            other => other?,
        };
        if !self.tree.has(&dir, name)? {
            return Ok(Answer::Occupied(Found::Absent));
        }
        if let Some(found) = in_the_way(&dir, name)? {
            return Ok(Answer::Occupied(found));
        }
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        let mut file = match dir.open_with(name, &options) {
            Err(why) if is_nowhere(&why) => {
                return Ok(Answer::Occupied(look_at(&dir, name, None)?));
            }
            other => other?,
        };
        let blob = BlobId { call, part: 0 };
        let mut staged = self.stage.begin_file(blob)?;
        io::copy(&mut file, &mut staged)?;
        let (hash, size) = staged.finish();
        if hash == expect {
            self.remember(blob);
            return Ok(Answer::Staged { blob, size });
        }
        self.stage.discard(blob)?;
        Ok(Answer::Occupied(look_at(&dir, name, None)?))
    }
}
