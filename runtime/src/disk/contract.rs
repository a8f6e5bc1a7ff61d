//! The contract of the disk port, kept on a real file system.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use landfall_core::effect::DiskOp;
use landfall_core::event::Outcome;
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::{CONTROL_DIR, RemotePath};
use landfall_reference::contract::disk::{Holds, Puts, TestDisk, check_cases, check_walk};

use super::{Disk, hash_file};

struct Real {
    dir: tempfile::TempDir,
    disk: Disk,
}

impl Real {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "/").unwrap();
        Self { dir, disk }
    }

    fn file(&self, path: &RemotePath) -> PathBuf {
        self.dir.path().join(path.relative())
    }

    /// Every file below a directory of the control directory: its path there, and its bytes.
    fn kept(&self, name: &str) -> Vec<(String, ContentHash)> {
        let mut found = Vec::new();
        let dir = self.dir.path().join(CONTROL_DIR).join(name);
        walk(&dir, &dir, &mut found);
        found
    }
}

fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, ContentHash)>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && entry.file_name() != CONTROL_DIR {
            walk(root, &path, found);
        } else if kind.is_file() {
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            found.push((name, hash_file(fs::File::open(&path).unwrap()).unwrap()));
        }
    }
}

fn remote(path: &str) -> RemotePath {
    RemotePath::parse(path).unwrap()
}

/// The path that a conflict copy was at: `<path>.<hash>.local`, or `<path>.<hash>.<n>.local`.
fn conflict(name: &str, hash: ContentHash) -> RemotePath {
    let rest = name.strip_suffix(".local").unwrap();
    let at = rest.rfind(&format!(".{}", hash.short())).unwrap();
    remote(&rest[..at])
}

/// `/<batch>/<path>`, or `/<batch>.<n>/<path>`, perhaps with a number behind the path.
fn trashed(name: &str) -> (u64, RemotePath) {
    let (batch, path) = name[1..].split_once('/').unwrap();
    let batch = batch.split('.').next().unwrap().parse().unwrap();
    let unnumbered = path.trim_end_matches(|c: char| c.is_ascii_digit());
    let path = unnumbered.strip_suffix('.').unwrap_or(path);
    (batch, remote(&format!("/{path}")))
}

impl TestDisk for Real {
    fn person(&mut self, path: &RemotePath, puts: Puts<'_>) {
        let file = self.file(path);
        let above: Vec<PathBuf> =
            path.ancestors().map(|dir| self.dir.path().join(&dir[1..])).collect();
        let is_blocked =
            above.iter().any(|dir| fs::symlink_metadata(dir).is_ok_and(|m| !m.is_dir()));
        if is_blocked || fs::symlink_metadata(&file).is_ok_and(|m| m.is_dir()) {
            return;
        }
        let _ = fs::remove_file(&file);
        match puts {
            Puts::Nothing => {
                // Whoever tidies up removes directories that became empty, and no others.
                above.iter().map_while(|dir| fs::remove_dir(dir).ok()).for_each(drop);
            }
            Puts::File(bytes) => {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, bytes).unwrap();
                super::tests::made_a_while_ago(&file);
            }
            Puts::Link => {
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink("/", file).unwrap();
            }
        }
    }

    fn stage(&mut self, blob: BlobId, bytes: &[u8]) {
        // Every other one is a file from the start.
        let mut staged = match blob.call.n % 2 {
            0 => self.disk.stage.begin(blob).unwrap(),
            _ => self.disk.stage.begin_file(blob).unwrap(),
        };
        staged.write_all(bytes).unwrap();
        staged.finish();
    }

    fn perform(&mut self, call: CallId, op: DiskOp) -> Outcome {
        self.disk.perform(call, op)
    }

    fn holds(&self) -> Holds {
        let mut files = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut files);
        let conflicts: Vec<_> = self
            .kept("conflicts")
            .iter()
            .map(|(name, hash)| (conflict(name, *hash), *hash))
            .collect();
        let unique: BTreeSet<_> = conflicts.iter().cloned().collect();
        assert_eq!(unique.len(), conflicts.len(), "the same bytes are kept once");
        let mut trash: Vec<_> = self
            .kept("trash")
            .iter()
            .map(|(name, hash)| {
                let (batch, path) = trashed(name);
                (batch, path, *hash)
            })
            .collect();
        trash.sort();
        let staged = self.disk.stage.held().into_keys().collect();
        assert_eq!(self.kept("swap"), []);
        let files = files.iter().map(|(name, hash)| (remote(name), *hash)).collect();
        Holds { files, conflicts: unique, trash, staged }
    }
}

#[test]
fn the_real_disk_keeps_the_named_cases() {
    check_cases(Real::new).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn the_real_disk_walks_like_the_model() {
    for seed in 0..200 {
        let walked = check_walk(seed, &mut Real::new());
        walked.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}
