//! What must always hold: the rules of [`oracles`](crate::oracles) for two files.
//!
//! What a rule remembers is part of the state, so it is as little as possible.

use landfall_core::effect::{Aside, DiskOp, Effect, Exit, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::files::entry::Remote;
use landfall_core::hash::ContentHash;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;
use landfall_core::row::{MirrorRow, Position};
use landfall_core::time::{Ms, Tick};

use super::world::{Bytes, Commit, Tiny};
use crate::oracles::Oracle;
use crate::world::op_path;

/// Two listings this far apart are two.
const APART: Ms = Ms::secs(30);
/// A file that is told of and answered with 404 for this long is gone.
const LAG: Ms = Ms::mins(5);

/// A rule that is broken, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wrong {
    pub oracle: Oracle,
    pub detail: String,
}

pub fn wrong<T>(oracle: Oracle, detail: String) -> Result<T, Wrong> {
    Err(Wrong { oracle, detail })
}

/// What the rules remember.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The last commit of this run.
    pub seq: u64,
    /// It was told to stop.
    pub stopping: bool,
    /// Versions that a person saved and would miss.
    pub owed: Vec<(usize, Bytes)>,
    /// A person touched the file.
    pub touched: [bool; 2],
    /// The newest event that deleted a file and was told.
    pub told: [u8; 2],
    /// When a whole listing first left a file out, and whether a second did.
    pub left_out: [Option<Tick>; 2],
    pub twice: [bool; 2],
    /// Since when reads say that it is not there, and when one last did.
    pub missing: [Option<(Tick, Tick)>; 2],
    /// The newest version that was ever at the path.
    pub floor: [u8; 2],
    /// The position that the durable row promises.
    pub promised: Option<u8>,
    /// Nothing may be sent before this.
    pub closed_until: Tick,
    /// The export that was asked for last, and whether it used up its time.
    pub export: Option<CallId>,
    pub export_over: bool,
    /// Calls that read one file.
    pub reads: Vec<(CallId, usize)>,
}

impl Rules {
    pub fn started(&mut self) {
        self.seq = 0;
        self.stopping = false;
        self.reads.clear();
        // Another process does not know what this one was told.
        self.closed_until = Tick(0);
    }

    pub fn exited(&self, exit: Exit) -> Result<(), Wrong> {
        if exit == Exit::Stopped && self.stopping {
            return Ok(());
        }
        wrong(Oracle::StopInTime, format!("the process exits as {exit:?}"))
    }
}

impl Tiny {
    /// Remembers what the machine is told.
    pub fn heard(&mut self, event: &Event) {
        match event {
            Event::Part { part: Part::File(file), .. } => self.is_there(&file.path),
            Event::Part { part: Part::Refused { path, why: Fault::NotFound, .. }, .. } => {
                if let Some(file) = self.file(path) {
                    self.is_missing(file);
                }
            }
            Event::Done { call, outcome } => {
                let read = self.rules.reads.iter().position(|(read, _)| read == call);
                let read = read.map(|at| self.rules.reads.swap_remove(at).1);
                match outcome {
                    Outcome::Ok(Answer::Read(file)) => self.is_there(&file.path),
                    Outcome::Ok(Answer::Events { events, .. }) => {
                        for event in events.iter().filter(|event| event.kind == "file.deleted") {
                            let n = event.event_id.strip_prefix("evt_");
                            let n = n.and_then(|n| n.parse().ok()).unwrap_or(0);
                            if let Some(file) = self.file(&event.path) {
                                let told = &mut self.rules.told[file];
                                *told = n.max(*told);
                            }
                        }
                    }
                    Outcome::Failed { why: Fault::NotFound, .. } => {
                        if let Some(file) = read {
                            self.is_missing(file);
                        }
                    }
                    Outcome::Failed { retry_after: Some(after), .. } => {
                        self.rules.closed_until = self.now + *after;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn is_there(&mut self, path: &str) {
        if let Some(file) = self.file(path) {
            self.rules.missing[file] = None;
        }
    }

    fn is_missing(&mut self, file: usize) {
        let now = self.now;
        self.rules.missing[file].get_or_insert((now, now)).1 = now;
    }

    /// A whole listing showed these files.
    pub fn listed(&mut self, shown: [bool; 2]) {
        for (file, shown) in shown.into_iter().enumerate() {
            if !shown {
                let first = *self.rules.left_out[file].get_or_insert(self.now);
                self.rules.twice[file] |= self.now >= first + APART;
            }
        }
    }

    /// Judges what the machine wants.
    pub fn wanted(&mut self, effect: &Effect) -> Result<(), Wrong> {
        match effect {
            Effect::Ask { call, request, .. } => {
                if self.now < self.rules.closed_until {
                    return wrong(
                        Oracle::Manners,
                        "a request is sent before Retry-After ended".into(),
                    );
                }
                if matches!(request, Request::Export { .. }) && self.rules.export_over {
                    return wrong(
                        Oracle::NoRefetch,
                        "an export that used up its time is begun again".into(),
                    );
                }
                if let Request::Export { .. } = request {
                    self.rules.export = Some(*call);
                }
                if let Request::Read { path } = request
                    && let Some(file) = self.file(path.as_str())
                {
                    self.rules.reads.push((*call, file));
                }
                self.is_new(*call)
            }
            Effect::Cancel { call } => {
                self.rules.export_over |= self.rules.export == Some(*call);
                Ok(())
            }
            Effect::Commit { seq, .. } => {
                if seq.0 != self.rules.seq + 1 {
                    let last = self.rules.seq;
                    let detail = format!("commit {} comes after commit {last}", seq.0);
                    return wrong(Oracle::CommitOrder, detail);
                }
                self.rules.seq = seq.0;
                Ok(())
            }
            Effect::Disk { call, op, .. } => {
                self.is_new(*call)?;
                self.wanted_of_disk(op)
            }
            _ => Ok(()),
        }
    }

    fn is_new(&self, call: CallId) -> Result<(), Wrong> {
        let used = self.asks.iter().any(|ask| ask.call == call)
            || self.ops.iter().any(|op| op.call == call);
        if used || call.run != self.run {
            return wrong(Oracle::Calls, format!("call {call} was used before"));
        }
        Ok(())
    }

    fn wanted_of_disk(&mut self, op: &DiskOp) -> Result<(), Wrong> {
        if let DiskOp::Place { blob, .. } | DiskOp::Drop { blob } = op
            && !self.stage.iter().any(|(staged, _)| staged == blob)
        {
            return wrong(Oracle::Blobs, format!("blob {blob} is wanted and is not staged"));
        }
        let Some(path) = op_path(op) else { return Ok(()) };
        let Some(file) = self.file(path.as_str()).filter(|file| self.scene.is_good(*file)) else {
            return wrong(Oracle::RootSafe, format!("the disk is asked to touch {path}"));
        };
        if self.ops.iter().any(|other| op_path(&other.op) == Some(path)) {
            let detail = format!("an operation on {path} begins while another is under way");
            return wrong(Oracle::Calls, detail);
        }
        match op {
            DiskOp::Remove { path, expect, to: Aside::Trash { .. } } => {
                self.deletes(file, path, expect)
            }
            _ => Ok(()),
        }
    }

    /// A delete needs evidence, and to be true.
    fn deletes(&self, file: usize, path: &RemotePath, expect: &ContentHash) -> Result<(), Wrong> {
        let no = |why: &str| {
            wrong(Oracle::NoDeleteOnOneListing, format!("{path} goes to the trash, and it {why}"))
        };
        let bytes = expect.0[0];
        let Some(made) = self.newest_with(file, bytes) else {
            return no("holds bytes that the server never had");
        };
        let gone = self.log.iter().enumerate().skip(usize::from(made));
        if !gone.into_iter().any(|(_, event)| *event == (file, None)) {
            return no("was never deleted on the server");
        }
        let rules = &self.rules;
        let missing = rules.missing[file].is_some_and(|(since, last)| last >= since + LAG);
        if rules.told[file] > made || rules.twice[file] || missing {
            return Ok(());
        }
        no("was told to be deleted neither by the feed nor by two listings 30 s apart")
    }

    /// The machine put these bytes at the path of a file, or took them away.
    pub fn moved(&mut self, file: usize, after: Option<Bytes>) -> Result<(), Wrong> {
        match after.and_then(|bytes| self.newest_with(file, bytes)) {
            Some(n) if n < self.rules.floor[file] => {
                let (name, floor) = (self.scene.names[file], self.rules.floor[file]);
                return wrong(
                    Oracle::NoRollback,
                    format!("{name} goes back to evt_{n} after evt_{floor}"),
                );
            }
            Some(n) => self.rules.floor[file] = n,
            None => {}
        }
        self.nothing_lost()
    }

    /// Every version that a person saved is somewhere.
    pub fn nothing_lost(&self) -> Result<(), Wrong> {
        let lost = |(file, bytes): &&(usize, Bytes)| {
            self.here[*file] != Some(*bytes) && !self.kept.contains(&(*file, *bytes))
        };
        match self.rules.owed.iter().find(lost) {
            None => Ok(()),
            Some((file, _)) => {
                let name = self.scene.names[*file];
                let detail = format!("the version of {name} that a person saved is nowhere");
                wrong(Oracle::NoByteLost, detail)
            }
        }
    }

    /// Judges a commit that became durable.
    pub fn durable(&mut self, _commit: &Commit) -> Result<(), Wrong> {
        let rows = self.rows.clone();
        let Some(mirror) = &rows.mirror else { return Ok(()) };
        for (file, row) in rows.entries.iter().enumerate() {
            let Some(row) = row else { continue };
            let Some(proof) = &row.proof else { continue };
            if self.rules.touched[file] || row.placing.is_some() || proof.seal > mirror.sealed {
                continue;
            }
            let Some(claimed) = self.newest_with(file, proof.hash.0[0]) else { continue };
            let safe = self.sealed[file].and_then(|bytes| self.newest_with(file, bytes));
            if safe < Some(claimed) && self.here[file].is_some() {
                let name = self.scene.names[file];
                return wrong(
                    Oracle::SealBeforeCursor,
                    format!(
                        "the durable row of {name} calls its bytes sealed, and a power cut may take them"
                    ),
                );
            }
        }
        let now = promise(mirror);
        let before = std::mem::replace(&mut self.rules.promised, now);
        let Some(upto) = now else { return Ok(()) };
        match before {
            Some(from) if from >= upto => Ok(()),
            Some(from) => self.covers(from, upto, mirror, Oracle::CursorPrefix),
            None => self.covers(0, upto, mirror, Oracle::CompleteMeansComplete),
        }
    }

    /// Whether all events of a promise are in the durable rows.
    fn covers(&self, from: u8, upto: u8, mirror: &MirrorRow, which: Oracle) -> Result<(), Wrong> {
        for file in (0..2).filter(|file| self.scene.is_good(*file)) {
            let Some((n, bytes)) = self.at(file, upto).filter(|(n, _)| *n > from) else { continue };
            let row = self.rows.entries[file].as_ref();
            let known = row.is_some_and(|row| {
                matches!(row.remote, Remote::Unknown(_))
                    || row.remote.at().n >= u64::from(n)
                    || bytes.is_none() && matches!(row.remote, Remote::Absent(_))
            });
            let later = &self.log[usize::from(upto).min(self.log.len())..];
            let deleted = later.contains(&(file, None));
            let doubted = mirror.doubt.is_some();
            let accounted = match bytes {
                Some(_) => known || deleted && row.is_none() || doubted && row.is_some(),
                None => {
                    let gone = self.here[file].is_none() || self.rules.touched[file];
                    known || doubted || row.is_none() && gone
                }
            };
            if !accounted {
                let name = self.scene.names[file];
                return wrong(
                    which,
                    format!(
                        "the durable position evt_{upto} covers evt_{n} of {name}, and the durable row does not"
                    ),
                );
            }
        }
        Ok(())
    }

    /// The machine says that it is in step: then every file is as it was at its position.
    pub fn said_in_step(&self) -> Result<(), Wrong> {
        let Some(row) = self.newest_mirror() else { return Ok(()) };
        // What a listing left out is in doubt until the next, and stays until then.
        let (Some(Position::After(id)), None) = (&row.position, &row.doubt) else {
            return Ok(());
        };
        let upto = id.number().unwrap_or(0) as u8;
        for file in (0..2).filter(|file| self.scene.is_good(*file) && !self.rules.touched[*file]) {
            let Some((n, bytes)) = self.at(file, upto) else { continue };
            let here = self.here[file];
            // A read may have run ahead of the feed.
            let ahead = here.and_then(|bytes| self.newest_with(file, bytes)) > Some(n)
                || here.is_none() && self.log[usize::from(n)..].contains(&(file, None));
            if here != bytes && !ahead {
                let name = self.scene.names[file];
                return wrong(
                    Oracle::CompleteMeansComplete,
                    format!("it says that it is in step with evt_{upto}, and {name} is not"),
                );
            }
        }
        Ok(())
    }
}

fn promise(row: &MirrorRow) -> Option<u8> {
    let open = row.traversal.as_ref().is_some_and(|traversal| traversal.open);
    if !row.complete || !row.believed || open {
        return None;
    }
    match row.position.as_ref()? {
        Position::Origin => Some(0),
        Position::After(id) => id.number().map(|n| n as u8),
        Position::NoFeed => None,
    }
}
