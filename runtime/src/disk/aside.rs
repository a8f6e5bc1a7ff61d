//! Names for files that are moved aside: conflict copies and trash.

use std::io;

use cap_std::fs::Dir;
use landfall_core::effect::Aside;
use landfall_core::fault::Fault;
use landfall_core::hash::ContentHash;
use landfall_core::path::NAME_MAX;
use rustix::fs::RenameFlags;
use rustix::io::Errno;

use super::fault;
use super::place::rename;
use super::tree::{hash_at, open_below};

/// Below the control directory: what the remote deleted.
pub(super) const TRASH: &str = "trash";

/// Below the control directory: bytes that nobody else has.
pub(super) const CONFLICTS: &str = "conflicts";

/// Files of one name that are kept side by side. A name that is taken more often is an error
/// of its path.
const SAME_NAME: u32 = 1000;

/// The directory that files of `dirs` are moved to.
///
/// In one batch of trash, a file may have the name of a directory that came after it. Then the
/// batch has a second directory.
pub(super) fn directory(control: &Dir, to: &Aside, dirs: &str) -> io::Result<Dir> {
    let Aside::Trash { cycle } = to else {
        return open_below(control, &format!("{CONFLICTS}/{dirs}"), true);
    };
    let mut opened = open_below(control, &format!("{TRASH}/{cycle}/{dirs}"), true);
    for n in 1..SAME_NAME {
        match opened {
            Err(why) if fault(&why) == Fault::NotADirectory => {
                opened = open_below(control, &format!("{TRASH}/{cycle}.{n}/{dirs}"), true);
            }
            done => return done,
        }
    }
    opened
}

/// Moves a file to the conflict copies under `<name>.<hash>.local`. Answers its new name.
pub(super) fn copy(from: &Dir, name: &str, to: &Dir, hash: ContentHash) -> io::Result<String> {
    copy_as(from, name, to, name, hash)
}

/// The same for a file whose name is not the one that it is kept under.
pub(super) fn copy_as(
    from: &Dir,
    name: &str,
    to: &Dir,
    keep_as: &str,
    hash: ContentHash,
) -> io::Result<String> {
    let short = hash.short();
    move_to(from, name, to, |n| copy_name(keep_as, &short, n))
}

/// Moves something that is no file to the conflict copies.
pub(super) fn odd(from: &Dir, name: &str, to: &Dir) -> io::Result<String> {
    move_to(from, name, to, |n| copy_name(name, "odd", n))
}

/// Moves a file under its own name, or `<name>.1` and so on where that is taken.
pub(super) fn numbered(from: &Dir, name: &str, to: &Dir) -> io::Result<String> {
    move_to(from, name, to, |n| match n {
        0 => name.to_owned(),
        n => shortened(name, &format!(".{n}")),
    })
}

/// Removes the copy `moved` if an earlier one has the same bytes.
pub(super) fn once(copies: &Dir, file: &str, moved: &str, hash: ContentHash) -> io::Result<()> {
    let short = hash.short();
    let earlier = (0..SAME_NAME).map(|n| copy_name(file, &short, n));
    for name in earlier.take_while(|name| name != moved) {
        // One that a person removed or opened up is no reason to lose this one.
        if hash_at(copies, &name).is_ok_and(|theirs| theirs == hash) {
            return copies.remove_file(moved);
        }
    }
    Ok(())
}

fn move_to(from: &Dir, name: &str, to: &Dir, named: impl Fn(u32) -> String) -> io::Result<String> {
    for new in (0..SAME_NAME).map(named) {
        match rename(from, name, to, &new, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(new),
            Err(Errno::EXIST) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Err(Errno::EXIST.into())
}

fn copy_name(file: &str, mark: &str, n: u32) -> String {
    match n {
        0 => shortened(file, &format!(".{mark}.local")),
        n => shortened(file, &format!(".{mark}.{n}.local")),
    }
}

/// A name with a suffix, never longer than a name may be.
fn shortened(name: &str, suffix: &str) -> String {
    let mut end = name.len().min(NAME_MAX - suffix.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
}
