//! The operations, in the steps in which a real adapter does them.

use landfall_core::effect::{Aside, DiskOp};
use landfall_core::event::{Answer, Outcome};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Found, Stamp};
use landfall_core::id::{BlobId, CallId};
use landfall_core::path::RemotePath;

use super::{Content, Disk, File, Node, Place, Who};

/// An operation that was begun.
#[derive(Clone, Debug)]
pub struct Running {
    /// Who asked.
    pub call: CallId,
    /// For what.
    pub op: DiskOp,
    /// A fault that the operation meets when it checks.
    pub fault: Option<Fault>,
    /// What comes of it if what is there is what was expected, and is merged with the blob.
    pub merge: Option<Content>,
    /// What is left to do.
    pub step: Step,
}

/// The steps of an operation. A kill stops between two of them, and a person may act there.
#[derive(Clone, Debug)]
pub enum Step {
    /// Check what is there.
    Check,
    /// Exchange, rename, or wait for the disk.
    Act(Mark),
    /// Look at what came out, and put it away.
    Settle(Out),
    /// Say how it went.
    Answer(Outcome),
}

/// Where the disk stood when a seal began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    groups: u64,
    writes: u64,
}

/// What an exchange or a move brought out.
#[derive(Clone, Debug)]
pub struct Out {
    /// Where it lies.
    at: Place,
    /// What was put in its place.
    put: Option<File>,
}

/// How a check or an act went on.
enum Next {
    Done(Outcome),
    Act(Mark),
    Settle(Out),
}

impl Running {
    /// An operation that was not begun.
    pub fn new(call: CallId, op: DiskOp, fault: Option<Fault>) -> Self {
        Self { call, op, fault, merge: None, step: Step::Check }
    }
}

impl Disk {
    /// Does the next step of an operation. Nothing is left to do at [`Step::Answer`].
    pub fn advance(&mut self, running: &mut Running) {
        let next = match (&running.step, &running.op) {
            (Step::Check, op) => match running.fault.take() {
                Some(why) => Next::Done(failed(why)),
                None => {
                    if let DiskOp::Place { path, expect, .. } = op {
                        let here = self.file(path).map(|file| file.content.hash);
                        running.merge.take_if(|_| here != *expect);
                    }
                    match self.is_lost {
                        true => self.check_without_root(op),
                        false => self.check(running.call, op),
                    }
                }
            },
            (Step::Act(_), DiskOp::Place { path, blob, writable, .. }) => {
                self.exchange(path, *blob, running.merge, *writable)
            }
            (Step::Act(_), DiskOp::Remove { path, to, .. }) => self.move_away(path, to),
            (Step::Act(mark), _) => {
                self.seal(*mark);
                Next::Done(ok(Answer::Sealed))
            }
            (Step::Settle(out), op) => Next::Done(self.settle(out, op, running.merge)),
            (Step::Answer(_), _) => return,
        };
        running.step = match next {
            Next::Done(outcome) => Step::Answer(outcome),
            Next::Act(mark) => Step::Act(mark),
            Next::Settle(out) => Step::Settle(out),
        };
    }

    fn check(&mut self, call: CallId, op: &DiskOp) -> Next {
        match op {
            DiskOp::Clean { keep } => Next::Done(self.clean(call.run, keep)),
            DiskOp::Root => Next::Done(ok(Answer::Rooted)),
            DiskOp::Stage { path, expect } => match self.file(path).copied() {
                Some(file) if file.content.hash == *expect => {
                    let blob = BlobId { call, part: 0 };
                    self.stage(blob, file.content, 0);
                    Next::Done(ok(Answer::Staged { blob, size: file.content.size }))
                }
                _ => Next::Done(ok(Answer::Occupied(self.look(path)))),
            },
            DiskOp::Look { path, known, writable } => {
                Next::Done(ok(Answer::Looked(match (self.look(path), known) {
                    // An adapter does not hash what looks unchanged.
                    (Found::File { stamp, .. }, Some((hash, known))) if *known == stamp => {
                        let mode = writable.unwrap_or(stamp.writable);
                        Found::File { hash: *hash, stamp: self.set_mode(path, mode, Who::Process) }
                    }
                    (found, _) => found,
                })))
            }
            DiskOp::Scan { dir } => Next::Done(ok(Answer::Scanned(self.scan(dir.as_ref())))),
            DiskOp::Drop { blob } => {
                self.group();
                self.set(Place::Stage(*blob), None, Who::Process);
                Next::Done(ok(Answer::Dropped))
            }
            DiskOp::Place { path, blob, expect, writable, .. } => match (expect, self.look(path)) {
                _ if self.is_below_a_file(path) => Next::Done(failed(Fault::NotADirectory)),
                _ if self.has_twin(path) => Next::Done(failed(Fault::BadName)),
                (None, Found::Absent) => Next::Done(self.place_new(path, *blob, *writable)),
                (Some(_), Found::File { .. }) => Next::Act(Mark::default()),
                (_, found) => Next::Done(ok(Answer::Occupied(found))),
            },
            DiskOp::Remove { path, expect, .. } => match self.look(path) {
                Found::File { hash, .. } if hash == *expect => Next::Act(Mark::default()),
                found => Next::Done(ok(Answer::Occupied(found))),
            },
            DiskOp::Seal => Next::Act(Mark {
                groups: self.dropped + self.groups.len() as u64,
                writes: self.writes,
            }),
        }
    }

    /// What an adapter finds in a directory that is gone, and was opened before.
    fn check_without_root(&mut self, op: &DiskOp) -> Next {
        let gone = || failed(Fault::DiskIo("ENOENT".into()));
        Next::Done(match op {
            DiskOp::Root | DiskOp::Seal => failed(Fault::RootLost),
            DiskOp::Stage { .. } | DiskOp::Remove { .. } => ok(Answer::Occupied(Found::Absent)),
            DiskOp::Look { .. } => ok(Answer::Looked(Found::Absent)),
            DiskOp::Scan { .. } => ok(Answer::Scanned(Vec::new())),
            DiskOp::Place { expect: Some(_), .. } => ok(Answer::Occupied(Found::Absent)),
            DiskOp::Clean { .. } | DiskOp::Place { .. } => gone(),
            DiskOp::Drop { blob } => {
                self.group();
                self.set(Place::Stage(*blob), None, Who::Process);
                ok(Answer::Dropped)
            }
        })
    }

    fn place_new(&mut self, path: &RemotePath, blob: BlobId, writable: bool) -> Outcome {
        let Some(file) = self.blob_in_mode(blob, writable) else {
            return failed(Fault::DiskIo("the staged file is not there".into()));
        };
        self.group();
        self.set(Place::Stage(blob), None, Who::Process);
        self.set(Place::At(path.clone()), Some(Node::File(file)), Who::Process);
        ok(Answer::Placed { stamp: file.stamp, kept: None, merged: None })
    }

    /// A staged file, with the mode that it is to be placed in.
    fn blob_in_mode(&self, blob: BlobId, writable: bool) -> Option<File> {
        match self.node(&Place::Stage(blob))? {
            Node::File(file) => Some(File { stamp: Stamp { writable, ..file.stamp }, ..*file }),
            Node::Odd(_) => None,
        }
    }

    /// The blob changes places with the file. From now on, and over a kill, what came out
    /// has a name that says which bytes were ours.
    fn exchange(
        &mut self,
        path: &RemotePath,
        blob: BlobId,
        merge: Option<Content>,
        writable: bool,
    ) -> Next {
        let Some(mut new) = self.blob_in_mode(blob, writable) else {
            return Next::Done(failed(Fault::DiskIo("the staged file is not there".into())));
        };
        if let Some(content) = merge {
            // It is on the disk before it is placed.
            new = File { written: 0, ..self.new_file(content, 0) };
            new.stamp.writable = writable;
        }
        let old = match self.look(path) {
            Found::File { .. } => self.node(&Place::At(path.clone())).copied(),
            // A person removed it, or put something else there, after the check.
            found => return Next::Done(ok(Answer::Occupied(found))),
        };
        let at = Place::Swap(blob, new.content.hash, path.clone());
        self.group();
        self.set(at.clone(), old, Who::Process);
        self.set(Place::Stage(blob), None, Who::Process);
        self.set(Place::At(path.clone()), Some(Node::File(new)), Who::Process);
        Next::Settle(Out { at, put: Some(new) })
    }

    fn move_away(&mut self, path: &RemotePath, to: &Aside) -> Next {
        let file = match self.node(&Place::At(path.clone())) {
            Some(Node::File(file)) => *file,
            _ => return Next::Done(ok(Answer::Occupied(self.look(path)))),
        };
        let at = match to {
            Aside::Trash { cycle } => (0..)
                .map(|n| Place::Trash(*cycle, path.clone(), n))
                .find(|place| self.node(place).is_none())
                .unwrap_or(Place::Trash(*cycle, path.clone(), u32::MAX)),
            Aside::Conflict => Place::Conflict(path.clone(), file.content.hash),
        };
        self.group();
        self.set(at.clone(), Some(Node::File(file)), Who::Process);
        self.set(Place::At(path.clone()), None, Who::Process);
        Next::Settle(Out { at, put: None })
    }

    fn settle(&mut self, out: &Out, op: &DiskOp, merge: Option<Content>) -> Outcome {
        let Some(Node::File(file)) = self.node(&out.at).copied() else {
            return failed(Fault::DiskIo("what came out is not there".into()));
        };
        match (op, out.put) {
            (DiskOp::Place { path, expect, keep, .. }, Some(put)) => {
                let hash = file.content.hash;
                let spare = hash == put.content.hash || (Some(hash) == *expect && !keep);
                self.group();
                if !spare {
                    let copy = Place::Conflict(path.clone(), hash);
                    self.set(copy, Some(Node::File(file)), Who::Process);
                }
                self.set(out.at.clone(), None, Who::Process);
                // What was merged is kept with what is resolved.
                let resolved = merge.is_some() && Some(hash) == *expect;
                let kept = (!spare && !resolved).then_some(hash);
                let merged = merge.map(|content| content.hash);
                ok(Answer::Placed { stamp: put.stamp, kept, merged })
            }
            (DiskOp::Remove { path, expect, .. }, _) if file.content.hash != *expect => {
                self.put_back(path, &out.at, file)
            }
            _ => ok(Answer::Removed),
        }
    }

    /// It was edited between the look and the move: it is not what was to be moved.
    fn put_back(&mut self, path: &RemotePath, from: &Place, file: File) -> Outcome {
        self.group();
        let to = match self.look(path) {
            Found::Absent if !self.has_twin(path) => Place::At(path.clone()),
            _ => Place::Conflict(path.clone(), file.content.hash),
        };
        if to != *from {
            self.set(to, Some(Node::File(file)), Who::Process);
            self.set(from.clone(), None, Who::Process);
        }
        ok(Answer::Occupied(self.look(path)))
    }

    /// Removes what an earlier run staged. Where a kill came between an exchange and its
    /// settling, a person's bytes may have come out, so what is not our own blob is kept.
    fn clean(&mut self, run: u32, keep: &[BlobId]) -> Outcome {
        let old = |blob: &BlobId| blob.call.run < run && !keep.contains(blob);
        let left: Vec<(Place, Node)> = self
            .nodes()
            .filter(|(place, _)| match place {
                Place::Stage(blob) | Place::Swap(blob, ..) => old(blob),
                _ => false,
            })
            .map(|(place, node)| (place.clone(), *node))
            .collect();
        self.group();
        for (place, node) in &left {
            if let (Place::Swap(_, ours, path), Node::File(file)) = (place, node)
                && file.content.hash != *ours
            {
                let copy = Place::Conflict(path.clone(), file.content.hash);
                self.set(copy, Some(*node), Who::Process);
            }
            self.set(place.clone(), None, Who::Process);
        }
        ok(Answer::Cleaned { removed: left.len() as u32 })
    }

    fn seal(&mut self, mark: Mark) {
        let gone = (mark.groups.saturating_sub(self.dropped) as usize).min(self.groups.len());
        let keep_from = self.groups.get(gone).copied().unwrap_or(self.undo.len());
        self.undo.drain(..keep_from);
        self.groups.drain(..gone);
        for start in &mut self.groups {
            *start -= keep_from;
        }
        self.dropped += gone as u64;
        self.forced = self.forced.saturating_sub(gone);
        self.sealed = self.sealed.max(mark.writes);
    }
}

fn ok(answer: Answer) -> Outcome {
    Outcome::Ok(answer)
}

fn failed(why: Fault) -> Outcome {
    let blame = if why.is_whole_disk() { Blame::Lane } else { Blame::Payload };
    Outcome::Failed { blame, why, retry_after: None }
}
