//! Reading a directory: names and stamps, and nothing is opened.

use std::collections::BTreeSet;
use std::io;

use landfall_core::files::entry::{Odd, Seen, Stamp};
use landfall_core::path::{RemotePath, stays_home};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, statat};

use super::names;
use super::pulse::beat;
use super::strangers::Strangers;
use super::tree::{Tree, is_nowhere, join};

impl Tree {
    /// What is in a directory. Names that no remote path has, and what never travels, are left out.
    /// Those that we shortened and those that are ignored are there, and no more is told of them:
    /// a look finds them.
    pub fn scan(&self, dir: Option<&RemotePath>) -> io::Result<Vec<(RemotePath, Seen)>> {
        let local = dir.map(|dir| self.local(dir)).unwrap_or_default();
        let open = match self.open(&local, false) {
            Err(why) if is_nowhere(&why) => return Ok(Vec::new()),
            other => other?,
        };
        if dir.is_none() {
            self.ignores.read(&self.root);
        }
        // A directory may be asked for again because it could not be read. Now nothing in it matters.
        if dir.is_some() && self.ignores.is_ignored(&local, true) {
            return Ok(Vec::new());
        }
        let above = dir.map_or(self.base.as_str(), RemotePath::as_str);
        let ignores = self.ignores.below(&local);
        let mut entries = Vec::new();
        let mut strangers = BTreeSet::new();
        // It is held as a path alone, which can not be read.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let readable = openat(&open, ".", flags, Mode::empty())?;
        for entry in Dir::new(readable)? {
            let entry = entry?;
            beat();
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            let is_dir = entry.file_type() == FileType::Directory;
            let name = entry.file_name().to_string_lossy();
            let here = join(&local, &name);
            let path = match Strangers::judge(above, entry.file_name().to_bytes()) {
                Ok(path) => path,
                Err(stranger) => {
                    if !ignores.is_ignored(&here, is_dir) {
                        strangers.extend(stranger);
                    }
                    continue;
                }
            };
            // The second: the file of this name is here under its short one.
            let is_short = !names::may_be_ours(&name)
                || names::must_shorten(&name) && self.local(&path) != here;
            if is_short || ignores.is_ignored(&here, is_dir) {
                if !stays_home(&here) {
                    entries.push((path, Seen::Kept));
                }
                continue;
            }
            let seen = match entry.file_type() {
                FileType::Directory => Seen::Odd(Odd::Directory),
                FileType::Symlink => Seen::Odd(Odd::Symlink),
                _ => match statat(&open, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => seen(&stat),
                    // It went meanwhile.
                    Err(rustix::io::Errno::NOENT) => continue,
                    Err(why) => return Err(why.into()),
                },
            };
            entries.push((path, seen));
        }
        self.strangers.found(&local, strangers, |name| {
            let stat = statat(&open, name, AtFlags::SYMLINK_NOFOLLOW);
            stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        });
        Ok(entries)
    }
}

fn seen(stat: &Stat) -> Seen {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Seen::File(stamp(stat)),
        FileType::Directory => Seen::Odd(Odd::Directory),
        FileType::Symlink => Seen::Odd(Odd::Symlink),
        _ => Seen::Odd(Odd::Special),
    }
}

fn stamp(stat: &Stat) -> Stamp {
    let ns = |seconds: i64, ns: u64| {
        seconds.saturating_mul(1_000_000_000).saturating_add(i64::try_from(ns).unwrap_or(0))
    };
    Stamp {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: ns(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: ns(stat.st_ctime, stat.st_ctime_nsec),
        inode: stat.st_ino,
        writable: stat.st_mode & 0o200 != 0,
    }
}
