use super::*;
use landfall_core::effect::Aside;
use landfall_core::files::entry::{Found, Odd, Seen};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, UnitId};
use landfall_core::path::RemotePath;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod merging;
mod two_way;

struct Lab {
    dir: tempfile::TempDir,
    disk: Disk,
    blobs: u32,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "/").unwrap();
        Self { dir, disk, blobs: 0 }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.file(path).parent().unwrap()).unwrap();
        fs::write(self.file(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }

    fn stage(&mut self, text: &str) -> BlobId {
        self.blobs += 1;
        let call = CallId { run: 2, unit: UnitId(0), n: 1 };
        let blob = BlobId { call, part: self.blobs };
        let mut staged = self.disk.stage.begin(blob).unwrap();
        staged.write_all(text.as_bytes()).unwrap();
        assert_eq!(staged.finish(), (hash(text), text.len() as u64));
        blob
    }

    fn perform(&self, op: DiskOp) -> Outcome {
        self.disk.perform(CallId { run: 2, unit: UnitId(0), n: 7 }, op)
    }

    fn place(&mut self, path: &str, text: &str, expect: Option<&str>, keep: bool) -> Outcome {
        let blob = self.stage(text);
        let expect = expect.map(hash);
        self.perform(DiskOp::Place {
            path: remote(path),
            blob,
            expect,
            keep,
            base: None,
            writable: true,
        })
    }

    /// All files below the control directory, by path.
    fn control(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.dir.path().join(CONTROL_DIR)];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                match entry.path().is_dir() {
                    true => dirs.push(entry.path()),
                    false => {
                        let path = entry.path();
                        let path = path.strip_prefix(self.dir.path().join(CONTROL_DIR)).unwrap();
                        found.push(path.display().to_string());
                    }
                }
            }
        }
        found.sort();
        found
    }
}

fn hash(text: &str) -> ContentHash {
    hash_file(text.as_bytes()).unwrap()
}

fn remote(path: &str) -> RemotePath {
    RemotePath::parse(path).unwrap()
}

fn kept(outcome: Outcome) -> Option<ContentHash> {
    match outcome {
        Outcome::Ok(Answer::Placed { kept, .. }) => kept,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_file_is_placed_with_its_directories() {
    let mut lab = Lab::new();
    assert_eq!(kept(lab.place("/a/b/c", "new", None, false)), None);
    assert_eq!(lab.read("/a/b/c"), "new");
    assert!(lab.control().is_empty());
}

#[test]
fn a_new_file_never_replaces_anything() {
    let mut lab = Lab::new();
    lab.write("/a", "mine");
    let outcome = lab.place("/a", "new", None, false);
    let Outcome::Ok(Answer::Occupied(Found::File { hash: found, .. })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((found, lab.read("/a").as_str()), (hash("mine"), "mine"));
    assert_eq!(lab.control().len(), 1, "the blob is still staged");
}

#[test]
fn what_was_expected_is_replaced() {
    let mut lab = Lab::new();
    lab.write("/d/a", "old");
    assert_eq!(kept(lab.place("/d/a", "new", Some("old"), false)), None);
    assert_eq!(lab.read("/d/a"), "new");
    assert!(lab.control().is_empty());
}

#[test]
fn what_was_not_expected_is_kept_as_a_conflict_copy() {
    let mut lab = Lab::new();
    lab.write("/d/a", "edited a moment ago");
    let old = hash("edited a moment ago");
    assert_eq!(kept(lab.place("/d/a", "new", Some("old"), false)), Some(old));
    assert_eq!(lab.read("/d/a"), "new");
    assert_eq!(lab.control(), [format!("conflicts/d/a.{}.local", old.short())]);
}

#[test]
fn a_persons_bytes_are_kept_also_when_they_were_expected() {
    let mut lab = Lab::new();
    lab.write("/a", "mine");
    assert_eq!(kept(lab.place("/a", "new", Some("mine"), true)), Some(hash("mine")));
    assert_eq!(lab.control().len(), 1);
}

#[test]
fn the_same_bytes_are_no_conflict() {
    let mut lab = Lab::new();
    lab.write("/a", "same");
    assert_eq!(kept(lab.place("/a", "same", Some("other"), true)), None);
    assert!(lab.control().is_empty());
}

#[test]
fn a_file_that_is_gone_is_not_replaced() {
    let mut lab = Lab::new();
    let outcome = lab.place("/d/a", "new", Some("old"), false);
    assert_eq!(outcome, Outcome::Ok(Answer::Occupied(Found::Absent)));
}

#[test]
fn a_link_is_never_followed() {
    let mut lab = Lab::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), lab.file("/out")).unwrap();
    let outcome = lab.place("/out/a", "new", None, false);
    assert!(matches!(outcome, Outcome::Failed { why: Fault::NotADirectory, .. }), "{outcome:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    let look = lab.perform(DiskOp::Look { path: remote("/out"), known: None, writable: None });
    assert_eq!(look, Outcome::Ok(Answer::Looked(Found::Odd(Odd::Symlink))));
}

#[test]
fn a_file_and_a_directory_that_want_one_name_are_that_paths_trouble() {
    let mut lab = Lab::new();
    lab.write("/a", "file");
    let outcome = lab.place("/a/b", "new", None, false);
    assert!(matches!(outcome, Outcome::Failed { why: Fault::NotADirectory, .. }), "{outcome:?}");
    lab.write("/d/x", "file");
    let outcome = lab.place("/d", "new", None, false);
    assert_eq!(outcome, Outcome::Ok(Answer::Occupied(Found::Odd(Odd::Directory))));
}

#[test]
fn a_removed_file_is_in_the_trash_and_empty_directories_go() {
    let lab = Lab::new();
    lab.write("/d/e/a", "old");
    lab.write("/d/b", "stays");
    let path = remote("/d/e/a");
    let op = DiskOp::Remove { path, expect: hash("old"), to: Aside::Trash { cycle: 7 } };
    assert_eq!(lab.perform(op), Outcome::Ok(Answer::Removed));
    assert_eq!(lab.control(), ["trash/7/d/e/a"]);
    assert!(!lab.file("/d/e").exists() && lab.file("/d/b").exists());
}

#[test]
fn a_file_that_was_edited_is_not_removed() {
    let lab = Lab::new();
    lab.write("/a", "edited");
    let op = DiskOp::Remove { path: remote("/a"), expect: hash("old"), to: Aside::Conflict };
    assert!(matches!(lab.perform(op), Outcome::Ok(Answer::Occupied(Found::File { .. }))));
    assert_eq!(lab.read("/a"), "edited");
}

/// As if it had not been written within this tick of the clock.
pub(super) fn made_a_while_ago(file: &Path) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(1)).unwrap();
}

#[test]
fn a_stamp_that_is_as_young_as_the_clock_proves_nothing() {
    let lab = Lab::new();
    let now = UNIX_EPOCH + Duration::from_nanos(tree::file_clock_ns() as u64 + 60_000_000_000);
    lab.write("/a", "old");
    let young = |text: &str| {
        lab.write("/a", text);
        let file = fs::File::options().write(true).open(lab.file("/a")).unwrap();
        file.set_modified(now).unwrap();
    };
    let look = |known| lab.perform(DiskOp::Look { path: remote("/a"), known, writable: None });
    young("old");
    let Outcome::Ok(Answer::Looked(Found::File { hash: first, stamp })) = look(None) else {
        panic!()
    };
    assert_eq!(first, hash("old"));
    // The same size, the same time, the same inode.
    young("new");
    let Outcome::Ok(Answer::Looked(Found::File { hash: second, .. })) = look(Some((first, stamp)))
    else {
        panic!()
    };
    assert_eq!(second, hash("new"));
}

#[test]
fn a_file_is_placed_with_a_stamp_that_proves_something() {
    let mut lab = Lab::new();
    let Outcome::Ok(Answer::Placed { stamp, .. }) = lab.place("/a", "one", None, false) else {
        panic!()
    };
    assert!(stamp.mtime_ns < tree::file_clock_ns());
    let known = Some((hash("one"), stamp));
    let look = lab.perform(DiskOp::Look { path: remote("/a"), known, writable: None });
    assert_eq!(look, Outcome::Ok(Answer::Looked(Found::File { hash: hash("one"), stamp })));
}

#[test]
fn a_look_hashes_only_what_changed() {
    let lab = Lab::new();
    lab.write("/a", "old");
    made_a_while_ago(&lab.file("/a"));
    let look = |known| lab.perform(DiskOp::Look { path: remote("/a"), known, writable: None });
    let Outcome::Ok(Answer::Looked(Found::File { hash: first, stamp })) = look(None) else {
        panic!()
    };
    assert_eq!(first, hash("old"));
    // A known stamp is believed, whatever hash it comes with.
    let other = hash("other");
    let found = Found::File { hash: other, stamp };
    assert_eq!(look(Some((other, stamp))), Outcome::Ok(Answer::Looked(found)));
    lab.write("/a", "changed");
    let Outcome::Ok(Answer::Looked(Found::File { hash: second, .. })) = look(Some((other, stamp)))
    else {
        panic!()
    };
    assert_eq!(second, hash("changed"));
}

#[test]
fn what_a_killed_run_left_behind_is_removed_but_what_came_out_of_an_exchange_is_kept() {
    let lab = Lab::new();
    let blob = BlobId { call: CallId { run: 2, unit: UnitId(0), n: 1 }, part: 1 };
    let mut half = lab.disk.stage.begin_file(blob).unwrap();
    half.write_all(b"half a bootstrap").unwrap();
    half.finish();
    // Killed after the exchange and before it was looked at: these are a person's bytes.
    lab.write(&format!("/{CONTROL_DIR}/swap/{}-2-0-1/d/a", hash("new")), "mine");
    // Killed before the exchange: this is ours.
    lab.write(&format!("/{CONTROL_DIR}/swap/{}-2-0-2/d/b", hash("new")), "new");
    let outcome = lab
        .disk
        .perform(CallId { run: 3, unit: UnitId(0), n: 1 }, DiskOp::Clean { keep: Vec::new() });
    assert_eq!(outcome, Outcome::Ok(Answer::Cleaned { removed: 2 }));
    assert_eq!(lab.control(), [format!("conflicts/d/a.{}.local", hash("mine").short())]);
    assert_eq!(
        lab.disk
            .perform(CallId { run: 3, unit: UnitId(0), n: 1 }, DiskOp::Clean { keep: Vec::new() }),
        Outcome::Ok(Answer::Cleaned { removed: 0 })
    );
}

#[test]
fn a_run_that_cleans_leaves_its_own_exchanges_alone() {
    let lab = Lab::new();
    lab.write(&format!("/{CONTROL_DIR}/swap/{}-2-0-1/a", hash("new")), "mine");
    let outcome = lab.perform(DiskOp::Clean { keep: Vec::new() });
    assert_eq!(outcome, Outcome::Ok(Answer::Cleaned { removed: 0 }));
    assert_eq!(lab.control().len(), 1);
}

#[test]
fn odd_things_that_came_out_of_an_exchange_do_not_keep_the_rest_from_being_kept() {
    let lab = Lab::new();
    let swap = format!("/{CONTROL_DIR}/swap/{}-1-0-1", hash("new"));
    lab.write(&format!("{swap}/b"), "mine");
    std::os::unix::fs::symlink("/etc", lab.file(&format!("{swap}/a"))).unwrap();
    lab.perform(DiskOp::Clean { keep: Vec::new() });
    let kept = format!("conflicts/b.{}.local", hash("mine").short());
    assert!(lab.control().contains(&kept), "{:?}", lab.control());
    let link = lab.file(&format!("/{CONTROL_DIR}/conflicts/a.odd.local"));
    assert_eq!(fs::read_link(link).unwrap(), PathBuf::from("/etc"));
}

#[test]
fn a_conflict_copy_that_a_person_edited_is_not_replaced_by_the_next() {
    let mut lab = Lab::new();
    lab.write("/a", "mine");
    lab.place("/a", "new", Some("old"), false);
    let first = format!("/{CONTROL_DIR}/conflicts/a.{}.local", hash("mine").short());
    lab.write(&first, "worked on");
    lab.write("/a", "mine");
    assert_eq!(kept(lab.place("/a", "new", Some("old"), false)), Some(hash("mine")));
    lab.write("/a", "mine");
    // A third time: these bytes are kept already.
    assert_eq!(kept(lab.place("/a", "new", Some("old"), false)), Some(hash("mine")));
    let second = format!("/{CONTROL_DIR}/conflicts/a.{}.1.local", hash("mine").short());
    assert_eq!((lab.read(&first).as_str(), lab.read(&second).as_str()), ("worked on", "mine"));
    assert_eq!(lab.control().len(), 2);
}

#[test]
fn what_can_not_be_kept_is_not_replaced() {
    let mut lab = Lab::new();
    lab.write("/a", "mine");
    // No directory can be made where this file is.
    lab.write(&format!("/{CONTROL_DIR}/conflicts"), "in the way");
    let outcome = lab.place("/a", "new", Some("old"), false);
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert_eq!(lab.read("/a"), "mine");
    let staged = lab.control();
    assert!(staged.len() == 2 && staged[1].starts_with("stage/"), "{staged:?}");
}

#[test]
fn two_versions_of_one_path_in_one_batch_of_trash_are_both_kept() {
    let lab = Lab::new();
    for text in ["first", "second"] {
        lab.write("/d/a", text);
        let to = Aside::Trash { cycle: 7 };
        let outcome = lab.perform(DiskOp::Remove { path: remote("/d/a"), expect: hash(text), to });
        assert_eq!(outcome, Outcome::Ok(Answer::Removed));
    }
    assert_eq!(lab.control(), ["trash/7/d/a", "trash/7/d/a.1"]);
}

#[test]
fn files_with_the_same_bytes_are_replaced_side_by_side() {
    let lab = Lab::new();
    let names: Vec<String> = (0..64).map(|n| format!("/d/e/f{n}")).collect();
    let stage = |part: usize| {
        let blob = BlobId { call: CallId { run: 2, unit: UnitId(0), n: 9 }, part: part as u32 };
        lab.disk.stage.begin(blob).unwrap().finish();
        blob
    };
    std::thread::scope(|scope| {
        for (n, name) in names.iter().enumerate() {
            lab.write(name, "old");
            let (disk, blob, path) = (&lab.disk, stage(n), remote(name));
            scope.spawn(move || {
                let call = CallId { run: 2, unit: UnitId(0), n: 100 + n as u64 };
                let expect = Some(hash("old"));
                let placed = disk.perform(
                    call,
                    DiskOp::Place { path, blob, expect, keep: false, base: None, writable: true },
                );
                assert_eq!(kept(placed), None);
            });
        }
    });
    assert!(names.iter().all(|name| lab.read(name).is_empty()));
    assert!(lab.control().is_empty());
}

#[test]
fn directories_come_and_go_while_files_are_placed_in_them() {
    let lab = Lab::new();
    std::thread::scope(|scope| {
        for n in 0..8u64 {
            let (disk, lab) = (&lab.disk, &lab);
            scope.spawn(move || {
                let path = remote(&format!("/d/e/f{n}"));
                for round in 0..40u64 {
                    let call = CallId { run: 2, unit: UnitId(0), n: n * 1000 + round };
                    let blob = BlobId { call, part: 0 };
                    lab.disk.stage.begin(blob).unwrap().finish();
                    let (path, expect) = (path.clone(), None);
                    let op = DiskOp::Place {
                        path: path.clone(),
                        blob,
                        expect,
                        keep: false,
                        base: None,
                        writable: true,
                    };
                    assert_eq!(kept(disk.perform(call, op)), None);
                    let to = Aside::Trash { cycle: round };
                    let op = DiskOp::Remove { path, expect: hash(""), to };
                    assert_eq!(disk.perform(call, op), Outcome::Ok(Answer::Removed));
                }
            });
        }
    });
    assert!(!lab.file("/d").exists());
}

#[test]
fn a_seal_is_taken() {
    assert_eq!(Lab::new().perform(DiskOp::Seal), Outcome::Ok(Answer::Sealed));
}

#[test]
fn a_mount_of_a_remote_directory_maps_to_the_root() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x").unwrap();
    let disk = Disk::open(dir.path(), "/docs").unwrap();
    let look = disk.perform(
        CallId { run: 1, unit: UnitId(0), n: 1 },
        DiskOp::Look { path: remote("/docs/a"), known: None, writable: None },
    );
    assert!(matches!(look, Outcome::Ok(Answer::Looked(Found::File { .. }))), "{look:?}");
}
