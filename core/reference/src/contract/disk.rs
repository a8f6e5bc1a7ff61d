//! The contract of the disk port.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::{Aside, DiskOp};
use landfall_core::event::{Answer, Outcome};
use landfall_core::files::entry::{Found, Odd, Seen, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, UnitId};
use landfall_core::path::RemotePath;

use super::disk_cases::{CASES, Op, Says, See, Step};
use super::{Choices, ModelDisk};
use crate::server::Content;

/// A disk that is put through the contract. It begins empty.
pub trait TestDisk {
    /// A person does something at a path: saves a file, makes a link, or removes what is
    /// there together with the directories that become empty.
    fn person(&mut self, path: &RemotePath, puts: Puts<'_>);
    /// Bytes arrive from somewhere.
    fn stage(&mut self, blob: BlobId, bytes: &[u8]);
    /// Carries out an operation and waits for its answer.
    fn perform(&mut self, call: CallId, op: DiskOp) -> Outcome;
    /// Everything that is there.
    fn holds(&self) -> Holds;
}

/// What a person puts at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Puts<'a> {
    /// A file with these bytes.
    File(&'a [u8]),
    /// A symbolic link that leads out of the mirror.
    Link,
    /// Nothing.
    Nothing,
}

/// What lies on a disk.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Holds {
    /// Files at their paths.
    pub files: BTreeMap<RemotePath, ContentHash>,
    /// Conflict copies, by the path they were at.
    pub conflicts: BTreeSet<(RemotePath, ContentHash)>,
    /// The trash: batch, path, bytes. Sorted.
    pub trash: Vec<(u64, RemotePath, ContentHash)>,
    /// Staged blobs.
    pub staged: BTreeSet<BlobId>,
}

/// Puts a disk through every named case. `new` makes an empty one.
///
/// # Errors
///
/// The name of the case and the first difference.
pub fn check_cases<D: TestDisk>(new: impl Fn() -> D) -> Result<(), String> {
    for (name, steps) in CASES {
        let mut disk = new();
        for (n, step) in steps.iter().enumerate() {
            take(&mut disk, n, step).map_err(|why| format!("{name}: step {n}: {why}"))?;
        }
    }
    scanned_stamps(&mut new()).map_err(|why| format!("scan: {why}"))?;
    known_stamps(&mut new()).map_err(|why| format!("stamps: {why}"))?;
    modes(&mut new()).map_err(|why| format!("modes: {why}"))
}

/// Walks a disk and the model side by side through 60 random steps.
///
/// # Errors
///
/// What was done, and the first difference.
pub fn check_walk(seed: u64, disk: &mut impl TestDisk) -> Result<(), String> {
    const PATHS: [&str; 8] =
        ["/a", "/b", "/d", "/d/a", "/d/b", "/d/e", "/d/e/a", "/f/long name.txt"];
    const TEXTS: [&str; 4] = ["", "one", "two", "three"];
    let mut choices = Choices::new(seed);
    let mut model = ModelDisk::default();
    let mut done = Vec::new();
    for n in 0..60 {
        let path = path(choices.one(&PATHS));
        let text = choices.one(&TEXTS);
        let expect = hash(choices.one(&TEXTS));
        let staged: Vec<BlobId> = model.holds().staged.into_iter().collect();
        let blob = (!staged.is_empty()).then(|| choices.one(&staged));
        let run = 1 + n as u32 / 20;
        let op = match (choices.below(12), blob) {
            (0, _) => {
                done.push(format!("a person saves {path} as {text:?}"));
                disk.person(&path, Puts::File(text.as_bytes()));
                model.person(&path, Puts::File(text.as_bytes()));
                None
            }
            (1, _) => {
                let puts = choices.one(&[Puts::Link, Puts::Nothing, Puts::Nothing]);
                done.push(format!("a person puts {puts:?} at {path}"));
                disk.person(&path, puts);
                model.person(&path, puts);
                None
            }
            (2 | 3, _) | (4..=7, None) => {
                let blob = blob_of(run, n);
                done.push(format!("{text:?} is staged as {blob}"));
                disk.stage(blob, text.as_bytes());
                model.stage(blob, text.as_bytes());
                None
            }
            (4 | 5, Some(blob)) => {
                let writable = choices.below(2) == 0;
                Some(DiskOp::Place { path, blob, expect: None, keep: false, base: None, writable })
            }
            (6 | 7, Some(blob)) => {
                let keep = choices.below(3) == 0;
                let writable = choices.below(2) == 0;
                Some(DiskOp::Place { path, blob, expect: Some(expect), keep, base: None, writable })
            }
            (8, Some(blob)) => Some(DiskOp::Drop { blob }),
            (8 | 9, _) => {
                let to = match choices.below(2) {
                    0 => Aside::Conflict,
                    _ => Aside::Trash { cycle: u64::from(run) },
                };
                Some(DiskOp::Remove { path, expect, to })
            }
            (10, _) => Some(match choices.below(4) {
                0 => DiskOp::Seal,
                1 => DiskOp::Clean { keep: blob.into_iter().collect() },
                2 => DiskOp::Root,
                _ => DiskOp::Stage { path, expect },
            }),
            _ => Some(DiskOp::Look { path, known: None, writable: None }),
        };
        if let Some(op) = op {
            done.push(format!("{op:?}"));
            let call = call(run, n);
            let (theirs, ours) = (disk.perform(call, op.clone()), model.perform(call, op));
            if unstamped(&theirs) != unstamped(&ours) {
                return Err(format!("{done:#?}\nanswers {theirs:?}, should answer {ours:?}"));
            }
        }
        let (theirs, ours) = (disk.holds(), model.holds());
        if theirs != ours {
            return Err(format!("{done:#?}\nholds {theirs:#?}, should hold {ours:#?}"));
        }
        let dir = choices.one(&[None, Some("/d"), Some("/d/e"), Some("/a"), Some("/x")]);
        let op = DiskOp::Scan { dir: dir.map(self::path) };
        let call = call(run, 100 + n);
        let (theirs, ours) = (disk.perform(call, op.clone()), model.perform(call, op));
        if unstamped(&theirs) != unstamped(&ours) {
            return Err(format!("{done:#?}\nscan of {dir:?}: {theirs:?}, should be {ours:?}"));
        }
    }
    Ok(())
}

fn take(disk: &mut impl TestDisk, n: usize, step: &Step) -> Result<(), String> {
    match step {
        Step::Saves(at, text) => disk.person(&path(at), Puts::File(text.as_bytes())),
        Step::Links(at) => disk.person(&path(at), Puts::Link),
        Step::Stages(run, part, text) => disk.stage(blob_of(*run, *part), text.as_bytes()),
        Step::Asks(run, op, says) => {
            let says = outcome_of(says);
            let answer = disk.perform(call(*run, n), op_of(op, *run));
            if unstamped(&answer) != says {
                return Err(format!("{op:?} answers {answer:?}, should answer {says:?}"));
            }
        }
        Step::Has { files, conflicts, trash, staged } => {
            let holds = disk.holds();
            let at = |(at, text): &(&str, &str)| (path(at), hash(text));
            let mut wanted_trash: Vec<_> =
                trash.iter().map(|(cycle, at, text)| (*cycle, path(at), hash(text))).collect();
            wanted_trash.sort();
            let same = holds.files == files.iter().map(at).collect()
                && holds.conflicts == conflicts.iter().map(at).collect()
                && holds.trash == wanted_trash
                && holds.staged.len() == *staged;
            if !same {
                return Err(format!("it holds {holds:#?}, should be {step:?}"));
            }
        }
    }
    Ok(())
}

/// A look believes a stamp that it knows, and a placement tells the stamp that a look finds.
fn known_stamps(disk: &mut impl TestDisk) -> Result<(), String> {
    let at = path("/a");
    disk.stage(blob_of(1, 0), b"one");
    let op = place_one(&at, true);
    let placed = placed_stamp(&disk.perform(call(1, 0), op))?;
    let mut look = |n, known| {
        disk.perform(call(1, n), DiskOp::Look { path: at.clone(), known, writable: None })
    };
    let file = |hash, stamp| Outcome::Ok(Answer::Looked(Found::File { hash, stamp }));
    let found = look(1, None);
    if found != file(hash("one"), placed) {
        return Err(format!("placed with {placed:?}, but a look finds {found:?}"));
    }
    let other = hash("other");
    if look(2, Some((other, placed))) != file(other, placed) {
        return Err("a stamp that is known is not believed".into());
    }
    let old = Stamp { mtime_ns: placed.mtime_ns - 1, ..placed };
    if look(3, Some((other, old))) != file(hash("one"), placed) {
        return Err("a file whose stamp changed is not hashed".into());
    }
    Ok(())
}

/// A scan tells the stamp that a look finds, without the bytes, and what is no file; neither
/// what lies deeper nor what belongs to the mirror.
fn scanned_stamps(disk: &mut impl TestDisk) -> Result<(), String> {
    for at in ["/a", "/d/a", "/d/e/a"] {
        disk.person(&path(at), Puts::File(at.as_bytes()));
    }
    disk.person(&path("/link"), Puts::Link);
    let mut n = 0;
    let mut ask = |op| {
        n += 1;
        disk.perform(call(1, n), op)
    };
    for (dir, wanted) in [
        (None, vec![("/a", None), ("/d", Some(Odd::Directory)), ("/link", Some(Odd::Symlink))]),
        (Some("/d"), vec![("/d/a", None), ("/d/e", Some(Odd::Directory))]),
        // There is no such directory, or it is none.
        (Some("/x"), vec![]),
        (Some("/a"), vec![]),
        (Some("/link"), vec![]),
    ] {
        let mut entries = match ask(DiskOp::Scan { dir: dir.map(path) }) {
            Outcome::Ok(Answer::Scanned(entries)) => entries,
            other => return Err(format!("of {dir:?} answers {other:?}")),
        };
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut should = Vec::new();
        for (at, odd) in wanted {
            let look = DiskOp::Look { path: path(at), known: None, writable: None };
            should.push(match (odd, ask(look)) {
                (Some(odd), _) => (path(at), Seen::Odd(odd)),
                (None, Outcome::Ok(Answer::Looked(Found::File { stamp, .. }))) => {
                    (path(at), Seen::File(stamp))
                }
                (None, other) => return Err(format!("a look at {at} answers {other:?}")),
            });
        }
        if entries != should {
            return Err(format!("of {dir:?} finds {entries:?}, should find {should:?}"));
        }
    }
    Ok(())
}

/// A file is placed in the mode that is asked for, and a look changes that of a file that it
/// knows, and of no other.
fn modes(disk: &mut impl TestDisk) -> Result<(), String> {
    let at = path("/a");
    let one = hash("one");
    for (n, writable) in [(0, false), (10, true)] {
        disk.person(&at, Puts::Nothing);
        disk.stage(blob_of(1, 0), b"one");
        let placed = placed_stamp(&disk.perform(call(1, n), place_one(&at, writable)))?;
        if placed.writable != writable {
            return Err(format!("asked for writable: {writable}, placed with {placed:?}"));
        }
        let mut look = |n, known, writable| {
            let op = DiskOp::Look { path: at.clone(), known, writable };
            match disk.perform(call(1, n), op) {
                Outcome::Ok(Answer::Looked(Found::File { hash, stamp })) if hash == one => {
                    Ok(stamp)
                }
                other => Err(format!("a look answers {other:?}")),
            }
        };
        let old = Stamp { mtime_ns: placed.mtime_ns - 1, ..placed };
        if look(n + 1, Some((one, old)), Some(!writable))?.writable != writable {
            return Err("the mode of a file that is not known was changed".into());
        }
        let changed = look(n + 2, Some((one, placed)), Some(!writable))?;
        let rest = Stamp { ctime_ns: changed.ctime_ns, writable: !writable, ..placed };
        if changed != rest || look(n + 3, None, None)? != changed {
            return Err(format!(
                "{placed:?} became {changed:?}, should be writable: {}",
                !writable
            ));
        }
        disk.stage(blob_of(1, 0), b"one");
        let op = DiskOp::Place {
            path: at.clone(),
            blob: blob_of(1, 0),
            expect: Some(one),
            keep: false,
            base: None,
            writable,
        };
        if placed_stamp(&disk.perform(call(1, n + 4), op))?.writable != writable {
            return Err(format!("replaced, and not writable: {writable}"));
        }
    }
    Ok(())
}

fn place_one(at: &RemotePath, writable: bool) -> DiskOp {
    DiskOp::Place {
        path: at.clone(),
        blob: blob_of(1, 0),
        expect: None,
        keep: false,
        base: None,
        writable,
    }
}

fn placed_stamp(outcome: &Outcome) -> Result<Stamp, String> {
    match outcome {
        Outcome::Ok(Answer::Placed { stamp, .. }) => Ok(*stamp),
        other => Err(format!("a file that is placed answers {other:?}")),
    }
}

fn op_of(op: &Op, run: u32) -> DiskOp {
    let place = |at: &str, part, expect, keep| DiskOp::Place {
        path: path(at),
        blob: blob_of(run, part),
        expect,
        keep,
        base: None,
        writable: true,
    };
    let remove = |at: &str, text, to| DiskOp::Remove { path: path(at), expect: hash(text), to };
    match *op {
        Op::Clean => DiskOp::Clean { keep: Vec::new() },
        Op::CleanBut(run, part) => DiskOp::Clean { keep: vec![blob_of(run, part)] },
        Op::Root => DiskOp::Root,
        Op::Stage(at, text) => DiskOp::Stage { path: path(at), expect: hash(text) },
        Op::Seal => DiskOp::Seal,
        Op::Look(at) => DiskOp::Look { path: path(at), known: None, writable: None },
        Op::Place(at, part) => place(at, part, None, false),
        Op::Replace(at, part, text) => place(at, part, Some(hash(text)), false),
        Op::ReplaceAndKeep(at, part, text) => place(at, part, Some(hash(text)), true),
        Op::Trash(at, text, cycle) => remove(at, text, Aside::Trash { cycle }),
        Op::SetAside(at, text) => remove(at, text, Aside::Conflict),
        Op::Drop(part) => DiskOp::Drop { blob: blob_of(run, part) },
    }
}

fn outcome_of(says: &Says) -> Outcome {
    let stamp = NO_STAMP;
    let see = |see: &See| match *see {
        See::Nothing => Found::Absent,
        See::File(text) => Found::File { hash: hash(text), stamp },
        See::Directory => Found::Odd(Odd::Directory),
        See::Link => Found::Odd(Odd::Symlink),
    };
    Outcome::Ok(match says {
        Says::Placed => Answer::Placed { stamp, kept: None, merged: None },
        Says::PlacedAndKept(text) => Answer::Placed { stamp, kept: Some(hash(text)), merged: None },
        Says::Occupied(found) => Answer::Occupied(see(found)),
        Says::Sees(found) => Answer::Looked(see(found)),
        Says::Removed => Answer::Removed,
        Says::Dropped => Answer::Dropped,
        Says::Sealed => Answer::Sealed,
        Says::Cleaned(removed) => Answer::Cleaned { removed: *removed },
        Says::Rooted => Answer::Rooted,
        Says::Staged(size) => Answer::Staged { blob: NO_BLOB, size: *size },
        Says::NoDirectory => return super::disk_model::no_directory(),
    })
}

const NO_BLOB: BlobId = BlobId { call: CallId { run: 0, unit: UnitId(0), n: 0 }, part: 0 };

const NO_STAMP: Stamp = Stamp { size: 0, mtime_ns: 0, ctime_ns: 0, inode: 0, writable: true };

fn unstamped(outcome: &Outcome) -> Outcome {
    let mut outcome = outcome.clone();
    if let Outcome::Ok(
        Answer::Placed { stamp, .. }
        | Answer::Looked(Found::File { stamp, .. })
        | Answer::Occupied(Found::File { stamp, .. }),
    ) = &mut outcome
    {
        *stamp = Stamp { writable: stamp.writable, ..NO_STAMP };
    }
    if let Outcome::Ok(Answer::Staged { blob, .. }) = &mut outcome {
        *blob = NO_BLOB;
    }
    if let Outcome::Ok(Answer::Scanned(entries)) = &mut outcome {
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (_, seen) in entries {
            if let Seen::File(stamp) = seen {
                *stamp = Stamp { writable: stamp.writable, ..NO_STAMP };
            }
        }
    }
    outcome
}

fn call(run: u32, n: usize) -> CallId {
    CallId { run, unit: UnitId(0), n: 1000 + n as u64 }
}

fn blob_of(run: u32, part: usize) -> BlobId {
    BlobId { call: CallId { run, unit: UnitId(0), n: 1 }, part: part as u32 }
}

fn path(text: &str) -> RemotePath {
    RemotePath::parse(text).unwrap_or_else(|why| unreachable!("{text}: {why}"))
}

fn hash(text: &str) -> ContentHash {
    Content::new(text.as_bytes()).hash()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_keeps_its_own_contract() {
        check_cases(ModelDisk::default).unwrap();
    }
}
