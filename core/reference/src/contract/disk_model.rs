//! The specification of the disk port, as a program.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::{Aside, DiskOp};
use landfall_core::event::{Answer, Outcome};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Found, Odd, Seen, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;

use super::disk::{Holds, Puts, TestDisk};
use crate::server::Content;

/// A disk as it should be.
#[derive(Clone, Debug, Default)]
pub struct ModelDisk {
    holds: Holds,
    blobs: BTreeMap<BlobId, ContentHash>,
    links: BTreeMap<RemotePath, ()>,
    stamps: BTreeMap<RemotePath, (i64, bool)>,
    written: i64,
    sizes: BTreeMap<ContentHash, u64>,
}

impl TestDisk for ModelDisk {
    fn person(&mut self, path: &RemotePath, puts: Puts<'_>) {
        // Nobody saves a file below a file, or in the place of a directory.
        if self.is_blocked(path) || self.look(path) == Found::Odd(Odd::Directory) {
            return;
        }
        self.holds.files.remove(path);
        self.links.remove(path);
        match puts {
            Puts::File(bytes) => {
                let hash = Content::new(bytes).hash();
                self.sizes.insert(hash, bytes.len() as u64);
                self.put(path, hash, true);
            }
            Puts::Link => {
                self.links.insert(path.clone(), ());
            }
            Puts::Nothing => {}
        }
    }

    fn stage(&mut self, blob: BlobId, bytes: &[u8]) {
        let hash = Content::new(bytes).hash();
        self.sizes.insert(hash, bytes.len() as u64);
        self.blobs.insert(blob, hash);
    }

    fn perform(&mut self, call: CallId, op: DiskOp) -> Outcome {
        Outcome::Ok(match op {
            DiskOp::Root => Answer::Rooted,
            DiskOp::Stage { path, expect } => match self.look(&path) {
                Found::File { hash, .. } if hash == expect => {
                    let blob = BlobId { call, part: 0 };
                    self.blobs.insert(blob, hash);
                    Answer::Staged { blob, size: self.sizes.get(&hash).copied().unwrap_or(0) }
                }
                found => Answer::Occupied(found),
            },
            DiskOp::Clean { keep } => {
                let before = self.blobs.len();
                self.blobs.retain(|blob, _| blob.call.run >= call.run || keep.contains(blob));
                Answer::Cleaned { removed: (before - self.blobs.len()) as u32 }
            }
            DiskOp::Seal => Answer::Sealed,
            DiskOp::Drop { blob } => {
                self.blobs.remove(&blob);
                Answer::Dropped
            }
            DiskOp::Look { path, known, writable } => {
                Answer::Looked(match (self.look(&path), known) {
                    (Found::File { stamp, .. }, Some((hash, known))) if known == stamp => {
                        let writable = writable.unwrap_or(stamp.writable);
                        self.stamps.insert(path, (stamp.mtime_ns, writable));
                        Found::File { hash, stamp: Stamp { writable, ..stamp } }
                    }
                    (found, _) => found,
                })
            }
            DiskOp::Scan { dir } => Answer::Scanned(self.scan(dir.as_ref())),
            DiskOp::Place { path, .. } if self.is_blocked(&path) => return no_directory(),
            DiskOp::Place { path, blob, expect, keep, writable, .. } => {
                let old = match (self.look(&path), expect) {
                    (Found::Absent, None) => None,
                    (Found::File { hash, .. }, Some(_)) => Some(hash),
                    (found, _) => return Outcome::Ok(Answer::Occupied(found)),
                };
                let Some(new) = self.blobs.remove(&blob) else { return no_blob() };
                let kept = old.filter(|old| *old != new && (keep || Some(*old) != expect));
                self.holds.conflicts.extend(kept.map(|hash| (path.clone(), hash)));
                self.put(&path, new, writable);
                Answer::Placed { stamp: self.stamp(&path), kept, merged: None }
            }
            DiskOp::Remove { path, expect, to } => match self.look(&path) {
                Found::File { hash, .. } if hash == expect => {
                    self.holds.files.remove(&path);
                    match to {
                        Aside::Conflict => {
                            self.holds.conflicts.insert((path, hash));
                        }
                        Aside::Trash { cycle } => {
                            self.holds.trash.push((cycle, path, hash));
                            self.holds.trash.sort();
                        }
                    }
                    Answer::Removed
                }
                found => Answer::Occupied(found),
            },
        })
    }

    fn holds(&self) -> Holds {
        Holds { staged: self.blobs.keys().copied().collect(), ..self.holds.clone() }
    }
}

impl ModelDisk {
    fn look(&self, path: &RemotePath) -> Found {
        if let Some(hash) = self.holds.files.get(path) {
            return Found::File { hash: *hash, stamp: self.stamp(path) };
        }
        if self.links.contains_key(path) {
            return Found::Odd(Odd::Symlink);
        }
        let mut all = self.holds.files.keys().chain(self.links.keys());
        match all.any(|other| other.is_below(path.as_str())) {
            true => Found::Odd(Odd::Directory),
            false => Found::Absent,
        }
    }

    fn scan(&self, dir: Option<&RemotePath>) -> Vec<(RemotePath, Seen)> {
        let dir = dir.map_or("/", RemotePath::as_str);
        let all = self.holds.files.keys().chain(self.links.keys());
        let names: BTreeSet<&str> = all.filter_map(|path| path.entry_of(dir)).collect();
        let entries = names.into_iter().filter_map(|name| {
            let path = RemotePath::parse(name).ok()?;
            let seen = match self.look(&path) {
                Found::File { stamp, .. } => Seen::File(stamp),
                Found::Odd(odd) => Seen::Odd(odd),
                Found::Absent => return None,
            };
            Some((path, seen))
        });
        entries.collect()
    }

    /// Whether something that is no directory is above a path.
    fn is_blocked(&self, path: &RemotePath) -> bool {
        path.ancestors()
            .any(|dir| self.holds.files.contains_key(dir) || self.links.contains_key(dir))
    }

    fn put(&mut self, path: &RemotePath, hash: ContentHash, writable: bool) {
        self.written += 1;
        self.stamps.insert(path.clone(), (self.written, writable));
        self.holds.files.insert(path.clone(), hash);
    }

    fn stamp(&self, path: &RemotePath) -> Stamp {
        let (mtime_ns, writable) = self.stamps.get(path).copied().unwrap_or((0, true));
        Stamp { size: 0, mtime_ns, ctime_ns: 0, inode: 0, writable }
    }
}

pub(super) fn no_directory() -> Outcome {
    Outcome::Failed { blame: Blame::Payload, why: Fault::NotADirectory, retry_after: None }
}

fn no_blob() -> Outcome {
    let why = Fault::DiskIo("the blob is not staged".into());
    Outcome::Failed { blame: Blame::Payload, why, retry_after: None }
}
