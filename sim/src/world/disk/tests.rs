//! What the disk promises over kills and power cuts.

use landfall_core::effect::{Aside, DiskOp};
use landfall_core::event::{Answer, Outcome};
use landfall_core::files::entry::Found;
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, UnitId};
use landfall_core::path::RemotePath;

use super::{Content, Disk, Fate, Place, Running, Step};

const fn content(n: u8) -> Content {
    Content { hash: ContentHash([n; 32]), size: n as u64 }
}

fn at(name: &str) -> RemotePath {
    RemotePath::parse(name).unwrap()
}

fn call(run: u32, n: u64) -> CallId {
    CallId { run, unit: UnitId(0), n }
}

fn blob(n: u64) -> BlobId {
    BlobId { call: call(1, n), part: 0 }
}

/// Does an operation, and something else before its last step.
fn with(disk: &mut Disk, op: DiskOp, mut between: impl FnMut(&mut Disk)) -> Outcome {
    let mut running = Running::new(call(1, 99), op, None);
    loop {
        disk.advance(&mut running);
        if let Step::Answer(outcome) = running.step {
            return outcome;
        }
        between(disk);
    }
}

fn place(disk: &mut Disk, name: &str, n: u8, expect: Option<Content>) -> Outcome {
    disk.stage(blob(n.into()), content(n), 0);
    let expect = expect.map(|content| content.hash);
    let op = DiskOp::Place {
        path: at(name),
        blob: blob(n.into()),
        expect,
        keep: false,
        base: None,
        writable: true,
    };
    with(disk, op, |_| {})
}

fn hash_at(disk: &Disk, name: &str) -> Option<ContentHash> {
    disk.file(&at(name)).map(|file| file.content.hash)
}

#[test]
fn what_was_placed_and_not_sealed_may_be_gone_or_torn_after_a_power_cut() {
    for (keep, fate, expected) in [
        (0, Fate::Whole, None),
        (1000, Fate::Whole, Some(content(1).hash)),
        (1000, Fate::Torn, Some(ContentHash([1 ^ 0xa5; 32]))),
    ] {
        let mut disk = Disk::default();
        place(&mut disk, "/a", 1, None);
        assert_eq!(disk.sealed_at(&at("/a")), None);
        disk.power_cut(keep, |_| fate);
        assert_eq!(hash_at(&disk, "/a"), expected, "{fate:?}");
    }
}

#[test]
fn a_torn_file_keeps_its_stamp_so_only_its_bytes_tell() {
    let mut disk = Disk::default();
    place(&mut disk, "/a", 1, None);
    let before = disk.file(&at("/a")).unwrap().stamp;
    disk.power_cut(1000, |_| Fate::Torn);
    assert_eq!(disk.file(&at("/a")).unwrap().stamp, before);
}

#[test]
fn what_was_placed_before_a_seal_began_survives_and_what_came_during_it_may_not() {
    let mut disk = Disk::default();
    place(&mut disk, "/a", 1, None);
    with(&mut disk, DiskOp::Seal, |disk| {
        place(disk, "/b", 2, None);
    });
    assert_eq!(disk.sealed_at(&at("/a")), Some(content(1).hash));
    disk.power_cut(0, |_| Fate::Empty);
    assert_eq!(hash_at(&disk, "/a"), Some(content(1).hash));
    assert_eq!(hash_at(&disk, "/b"), None);
}

#[test]
fn a_person_who_saves_in_the_window_of_an_exchange_is_found_in_what_came_out() {
    let mut disk = Disk::default();
    place(&mut disk, "/a", 1, None);
    disk.stage(blob(2), content(2), 0);
    let op = DiskOp::Place {
        path: at("/a"),
        blob: blob(2),
        expect: Some(content(1).hash),
        keep: false,
        base: None,
        writable: true,
    };
    let mut saved = false;
    let answer = with(&mut disk, op, |disk| {
        if !std::mem::replace(&mut saved, true) {
            disk.person_writes(&at("/a"), content(9), 0);
        }
    });
    let Outcome::Ok(Answer::Placed { kept, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(kept, Some(content(9).hash));
    assert!(disk.node(&Place::Conflict(at("/a"), content(9).hash)).is_some());
    assert_eq!(hash_at(&disk, "/a"), Some(content(2).hash));
}

#[test]
fn a_file_that_is_edited_while_it_is_moved_away_is_put_back() {
    let mut disk = Disk::default();
    place(&mut disk, "/a", 1, None);
    let op =
        DiskOp::Remove { path: at("/a"), expect: content(1).hash, to: Aside::Trash { cycle: 1 } };
    let mut saved = false;
    let answer = with(&mut disk, op, |disk| {
        if !std::mem::replace(&mut saved, true) {
            disk.person_writes(&at("/a"), content(9), 0);
        }
    });
    assert!(matches!(answer, Outcome::Ok(Answer::Occupied(Found::File { .. }))), "{answer:?}");
    assert_eq!(hash_at(&disk, "/a"), Some(content(9).hash));
}

#[test]
fn a_kill_between_an_exchange_and_its_settling_loses_no_byte_of_a_person() {
    let mut disk = Disk::default();
    disk.person_writes(&at("/a"), content(9), 0);
    disk.stage(blob(2), content(2), 0);
    let op = DiskOp::Place {
        path: at("/a"),
        blob: blob(2),
        expect: Some(content(9).hash),
        keep: true,
        base: None,
        writable: true,
    };
    let mut running = Running::new(call(1, 1), op, None);
    disk.advance(&mut running);
    disk.advance(&mut running);
    // Killed here: what came out lies under the name of the swap.
    assert_eq!(disk.copies(&content(9).hash), 1);
    let mut clean = Running::new(call(2, 1), DiskOp::Clean { keep: Vec::new() }, None);
    disk.advance(&mut clean);
    assert!(disk.node(&Place::Conflict(at("/a"), content(9).hash)).is_some());
    assert_eq!(disk.staged().count(), 0);
}

#[test]
fn what_an_editor_forces_to_the_disk_takes_every_rename_before_it_along() {
    let mut disk = Disk::default();
    place(&mut disk, "/a", 1, None);
    disk.person_writes(&at("/b"), content(9), 0);
    disk.power_cut(0, |_| Fate::Empty);
    assert_eq!(hash_at(&disk, "/b"), Some(content(9).hash), "forced");
    assert!(hash_at(&disk, "/a").is_some(), "its name survived, its bytes did not");
    assert_ne!(hash_at(&disk, "/a"), Some(content(1).hash));
}
