//! Whether the owner of a file may write it. All other bits stay as they are: a file that is
//! private stays private, and one that can be run can be run.

use std::io;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, File, MetadataExt, OpenOptions, Permissions, PermissionsExt};
use landfall_core::fault::Fault;
use landfall_core::files::entry::{Found, Stamp};
use landfall_core::hash::ContentHash;

use super::fault;
use super::tree::{look_at, stamp};

/// Looks at a name in a directory. If what is there is known by its stamp, changes its mode.
pub(super) fn look_and_set(
    dir: &Dir,
    name: &str,
    known: (ContentHash, Stamp),
    writable: bool,
) -> io::Result<Found> {
    let (hash, before) = known;
    match look_at(dir, name, Some(known))? {
        Found::File { stamp, .. } if stamp == before => {}
        other => return Ok(other),
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    let file = dir.open_with(name, &options)?;
    if stamp(&file.metadata()?) != before {
        // Somebody has just put another there, which is theirs.
        return look_at(dir, name, None);
    }
    let now = set(&file, writable)?;
    // Somebody may have saved it in between: then it is hashed.
    let rest = Stamp { ctime_ns: now.ctime_ns, writable: now.writable, ..before };
    look_at(dir, name, (now == rest).then_some((hash, now)))
}

/// Changes the mode of a file, if it says something else. Answers its stamp.
///
/// Nothing is done where the file has other names, which may be a person's, and where the file
/// system has no modes or the file is another user's: the bytes are right all the same.
pub(super) fn set(file: &File, writable: bool) -> io::Result<Stamp> {
    let metadata = file.metadata()?;
    if stamp(&metadata).writable == writable || metadata.nlink() > 1 {
        return Ok(stamp(&metadata));
    }
    let mode = metadata.mode() & 0o7777;
    let mode = if writable { mode | 0o200 } else { mode & !0o222 };
    match file.set_permissions(Permissions::from_mode(mode)) {
        Err(why) if matches!(fault(&why), Fault::DiskReadOnly | Fault::DiskFull) => Err(why),
        _ => Ok(stamp(&file.metadata()?)),
    }
}
