//! Oracles: what must hold, whatever happens. Each is a small file of its own.
//!
//! They watch from outside: what the machine is told and wants, what moves on the disk, what
//! becomes durable. Their cost is in proportion to the change; what can only be judged as a
//! whole is judged every few hundred steps and at the end, and rows where they are read: at each
//! start, every few thousand steps and at the end. Each counts how often it had
//! something to judge, so that one that never has is found out.

mod asked;
mod blobs;
mod brake;
mod bytes;
mod calls;
mod commits;
mod cursor;
mod deletes;
mod gate;
mod idle;
mod manners;
mod merges;
mod modes;
mod permission;
mod refetch;
mod rollback;
mod root;
mod seal;
mod stays;
mod stop;
mod turns;
mod unread;
mod writes;

use std::fmt;

use landfall_core::effect::{Effect, Exit, Request};
use landfall_core::event::Event;
use landfall_core::hash::ContentHash;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;
use landfall_core::row::{Of, RowKey};
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::Tick;

use crate::options::Options;
use crate::world::disk::{Disk, Moved};
use crate::world::server::{End, Piece, Wrote};
use crate::world::store::{Commit, Store};
use crate::world::truth::Truth;

macro_rules! oracles {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal;)*) => {
        /// An oracle.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[repr(u8)]
        pub enum Oracle { $($(#[doc = $doc])* $name,)* }

        impl Oracle {
            /// All of them.
            pub const ALL: &'static [Oracle] = &[$(Oracle::$name,)*];

            /// Its name in reports.
            pub fn word(self) -> &'static str {
                match self { $(Oracle::$name => $word,)* }
            }

            /// What it demands, in a sentence.
            pub fn rule(self) -> &'static str {
                match self { $(Oracle::$name => concat!($($doc,)*).trim_start(),)* }
            }
        }
    };
}

oracles! {
    /// Every settled version that a person saved is somewhere.
    NoByteLost = "no-byte-lost";
    /// A file is deleted only for an explicit event or for two complete listings, and only
    /// if it was really deleted.
    NoDeleteOnOneListing = "no-delete-on-one-listing";
    /// The durable position never runs ahead of what is durably applied or known to be owed.
    CursorPrefix = "cursor-prefix";
    /// `complete` is durable only when every file of the server is accounted for.
    CompleteMeansComplete = "complete-means-complete";
    /// What durable rows call sealed would survive a power cut, and so would everything that
    /// `complete` covers.
    SealBeforeCursor = "seal-before-cursor";
    /// A path never goes back to an older version of the server.
    NoRollback = "no-rollback";
    /// Each blob ends in exactly one place.
    Blobs = "blobs";
    /// The server changes only what a person changed here, once, and no crash becomes an edit.
    NoGhostWrite = "no-ghost-write";
    /// What both sides changed is merged by what each did to the version that both had.
    MergeBase = "merge-base";
    /// What a person deleted does not come back, unless the server has something newer.
    StaysDeleted = "stays-deleted";
    /// What is sent is durably known to be ours.
    DurableBeforeSend = "durable-before-send";
    /// A dead letter was refused for what is in it, as often as it says.
    LettersEarned = "letters-earned";
    /// Calls never repeat, and operations of the disk never overlap on a path.
    Calls = "calls";
    /// No request while the server asked for a pause, and never too many.
    Manners = "manners";
    /// The gate slows down and speeds up as its table says, and the status says so.
    Gate = "gate";
    /// No class of requests starves another.
    Turns = "turns";
    /// Nothing outside of the root or below a control directory is touched.
    RootSafe = "root-safe";
    /// What may not be read any more stays where it is.
    ReadPermission = "read-permission";
    /// What is not written here is read-only.
    Modes = "modes";
    /// Too many deletes at once wait for a person, and the status says so.
    DeleteBrake = "delete-brake";
    /// Only the process that holds the lock touches the disk.
    OneWriter = "one-writer";
    /// Where nothing happens, hardly anything is done.
    Idle = "idle";
    /// Commits are counted without a gap and in order.
    CommitOrder = "commit-order";
    /// What is durably there is not downloaded again, an export is not begun again, and an upload
    /// that goes on is not cut off.
    NoRefetch = "no-refetch";
    /// The process ends in time when it is told to, and never for no reason.
    StopInTime = "stop-in-time";
    /// `--once` ends well only when everything that was saved before it began is at the server.
    OnceMeansDone = "once-means-done";
    /// What is larger than may be sent stays here.
    SizeLimit = "size-limit";
    /// Steps do not follow one another without time passing.
    NoLoop = "no-loop";
    /// What the store holds reads as what was written.
    RowsReadBack = "rows-read-back";
    /// What could not be read stays as it is, row and file.
    UnreadStays = "unread-stays";
    /// The machine never panics.
    NeverPanics = "never-panics";
    /// The healed world is in step in time.
    Converges = "converges";
}

/// The number of oracles.
pub const ORACLES: usize = Oracle::ALL.len();

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an oracle found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Which oracle.
    pub oracle: Oracle,
    /// What it is about, such as a path. Two failures with the same oracle and the same item
    /// are the same failure.
    pub item: String,
    /// One sentence.
    pub detail: String,
    /// When.
    pub at: Tick,
}

/// What an oracle says: how much it judged, or what is wrong with which item.
type Ruling = Result<u64, (String, String)>;

/// All oracles.
#[derive(Debug)]
pub struct Oracles {
    now: Tick,
    found: Option<Violation>,
    judged: [u64; ORACLES],
    asked: asked::Asked,
    bytes: bytes::Bytes,
    deletes: deletes::Deletes,
    cursor: cursor::Cursor,
    rollback: rollback::Rollback,
    seal: seal::Seal,
    blobs: blobs::Blobs,
    calls: calls::Calls,
    manners: manners::Manners,
    gate: gate::Gate,
    turns: turns::Turns,
    commits: commits::Commits,
    refetch: refetch::Refetch,
    stop: stop::Stop,
    brake: brake::Brake,
    permission: permission::Permission,
    modes: modes::Modes,
    idle: idle::Idle,
    unread: unread::Unread,
    writes: writes::Writes,
    merges: merges::Merges,
    stays: stays::Stays,
    two_way: bool,
    write_only: bool,
    run: u32,
}

impl Oracles {
    /// Oracles for a world with these options.
    pub fn new(options: &Options) -> Self {
        Self {
            now: Tick(0),
            found: None,
            judged: [0; ORACLES],
            asked: asked::Asked::default(),
            bytes: bytes::Bytes::default(),
            deletes: deletes::Deletes::default(),
            cursor: cursor::Cursor::default(),
            rollback: rollback::Rollback::default(),
            seal: seal::Seal::default(),
            blobs: blobs::Blobs::default(),
            calls: calls::Calls::default(),
            manners: manners::Manners::new(
                options.concurrency,
                options.per_second,
                options.two_way,
            ),
            gate: gate::Gate::new(options.concurrency),
            turns: turns::Turns::default(),
            commits: commits::Commits::default(),
            refetch: refetch::Refetch::default(),
            stop: stop::Stop::default(),
            brake: brake::Brake::default(),
            permission: permission::Permission::default(),
            modes: modes::Modes::default(),
            idle: idle::Idle::default(),
            unread: unread::Unread::default(),
            writes: writes::Writes::default(),
            merges: merges::Merges::default(),
            stays: stays::Stays::default(),
            two_way: options.two_way,
            write_only: options.write_only,
            run: 0,
        }
    }

    /// Whether one of them found something.
    pub fn spoke(&self) -> bool {
        self.found.is_some()
    }

    /// What was found first.
    pub fn found(&self) -> Option<&Violation> {
        self.found.as_ref()
    }

    /// How often each had something to judge.
    pub fn judged(&self) -> &[u64; ORACLES] {
        &self.judged
    }

    /// Something that the world itself found.
    pub fn fail(&mut self, oracle: Oracle, item: &str, detail: String) {
        self.rule(oracle, Err((item.to_owned(), detail)));
    }

    /// Something that the world itself judged and found good.
    pub fn pass(&mut self, oracle: Oracle) {
        self.rule(oracle, Ok(1));
    }

    fn rule(&mut self, oracle: Oracle, ruling: Ruling) {
        match ruling {
            Ok(judged) => self.judged[oracle as usize] += judged,
            Err((item, detail)) => {
                let at = self.now;
                self.found.get_or_insert(Violation { oracle, item, detail, at });
            }
        }
    }

    /// The process started.
    pub fn started(&mut self, now: Tick, run: u32) {
        self.run = run;
        self.stays.started(now);
        self.merges.started();
        self.calls.started(run);
        self.commits.started();
        self.manners.started();
        self.gate.started();
        self.turns.started();
        self.brake.started();
        self.modes.started();
        self.stop.started();
    }

    /// A person is about to start the process: it is to end when it is in step, or not, and may send
    /// files of so many bytes.
    pub fn asked(&mut self, now: Tick, once: bool, max_file: u64) {
        self.now = now;
        self.asked.asked(once, max_file);
    }

    /// The process that starts could not read this row.
    pub fn hidden(&mut self, row: Option<RowKey>) {
        let goes_on =
            |row: &RowKey| matches!(row.of, Of::Entry(_) | Of::Frontier(_) | Of::Refused(_));
        self.stays.rests(row.as_ref().is_some_and(|row| !goes_on(row)));
        self.unread.hidden(row);
    }

    /// The process is gone.
    pub fn gone(&mut self, now: Tick) {
        self.stays.gone(now);
        self.calls.gone();
        self.manners.started();
        self.stop.gone();
        self.deletes.gone();
        self.refetch.gone();
        self.permission.gone();
        self.idle.started();
    }

    /// The power is cut.
    pub fn power_cut(&mut self, store: &Store) {
        self.stays.cut(store);
        self.permission.power_cut();
    }

    /// A person allowed all deletes.
    pub fn allowed_all(&mut self) {
        self.brake.allowed_all();
    }

    /// The world is quiet and in step from now on; or it is not, any more.
    pub fn quiet(&mut self, now: Tick, quiet: bool) {
        if quiet { self.idle.quiet(now) } else { self.idle.busy() }
    }

    /// The disk works for a run.
    pub fn operates(&mut self, run: u32) {
        let ruling = match run == self.run {
            true => Ok(1),
            false => Err((
                "two runs".into(),
                format!("the disk works for run {run} when run {} has begun", self.run),
            )),
        };
        self.rule(Oracle::OneWriter, ruling);
    }

    /// The process was told to stop.
    pub fn told_to_stop(&mut self) {
        self.stop.told();
    }

    /// The process exited; `busy`: while the disk or the store owed it an answer; `full`: while the
    /// store said that it had no room.
    pub fn exited(&mut self, now: Tick, exit: Exit, busy: bool, full: bool) {
        self.now = now;
        let once = self.asked.is_once();
        let ruling = self.stop.exited(exit, busy, full, once);
        self.rule(Oracle::StopInTime, ruling);
        if once && exit == Exit::InStep && self.two_way {
            let ruling = self.asked.done();
            self.rule(Oracle::OnceMeansDone, ruling);
        }
    }

    /// The server answered a request.
    pub fn served(
        &mut self,
        now: Tick,
        call: CallId,
        request: &Request,
        pieces: &[Piece],
        end: &End,
    ) {
        self.now = now;
        self.deletes.served(call, request, pieces, end);
    }

    /// The server made something of a write of the mirror.
    pub fn wrote(&mut self, now: Tick, wrote: &Wrote, truth: &Truth) {
        self.now = now;
        self.rollback.wrote(wrote);
        self.asked.wrote(wrote);
        let ruling = self.writes.wrote(wrote, truth);
        self.rule(Oracle::NoGhostWrite, ruling);
    }

    /// The machine is told something.
    pub fn heard(&mut self, now: Tick, event: &Event, disk: &Disk) {
        self.now = now;
        self.deletes.heard(now, event);
        self.manners.heard(now, event);
        self.gate.heard(now, event);
        self.turns.heard(event);
        self.refetch.heard(now, event);
        self.calls.heard(event);
        self.idle.heard(event);
        let ruling = self.permission.heard(event, disk);
        self.rule(Oracle::ReadPermission, ruling);
        let ruling = self.blobs.heard(now, event, disk);
        self.rule(Oracle::Blobs, ruling);
    }

    /// The machine wants something.
    pub fn wanted(
        &mut self,
        now: Tick,
        effect: &Effect,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) {
        let ruling = self.calls.wanted(effect);
        self.rule(Oracle::Calls, ruling);
        let ruling = self.manners.wanted(now, effect);
        self.rule(Oracle::Manners, ruling);
        let ruling = self.gate.wanted(now, effect);
        self.rule(Oracle::Gate, ruling);
        let ruling = self.turns.wanted(effect);
        self.rule(Oracle::Turns, ruling);
        if !self.two_way {
            let ruling = modes::Modes::wanted(effect);
            self.rule(Oracle::Modes, ruling);
        }
        if self.write_only {
            let ruling = modes::Modes::wanted_out(effect, truth);
            self.rule(Oracle::Modes, ruling);
        }
        let ruling = root::wanted(effect);
        self.rule(Oracle::RootSafe, ruling);
        let ruling = self.brake.wanted(now, effect, store);
        self.rule(Oracle::DeleteBrake, ruling);
        let ruling = self.idle.wanted(now, effect);
        self.rule(Oracle::Idle, ruling);
        let ruling = writes::Writes::wanted(effect, store);
        self.rule(Oracle::DurableBeforeSend, ruling);
        self.permission.wanted(effect);
        let ruling = self.unread.wanted(effect);
        self.rule(Oracle::UnreadStays, ruling);
        let ruling = self.asked.wanted(effect, disk);
        self.rule(Oracle::SizeLimit, ruling);
        let ruling = self.blobs.wanted(effect, disk);
        self.rule(Oracle::Blobs, ruling);
        let ruling = self.commits.wanted(effect);
        self.rule(Oracle::CommitOrder, ruling);
        let ruling = self.deletes.wanted(effect, truth);
        self.rule(Oracle::NoDeleteOnOneListing, ruling);
        let ruling = self.refetch.wanted(effect, &self.deletes, store, truth, disk);
        self.rule(Oracle::NoRefetch, ruling);
    }

    /// These wait for the turn of their class, now that a step has ended.
    pub fn waits(&mut self, next_of_each: [Option<CallId>; 3]) {
        let ruling = self.turns.waits(next_of_each);
        self.rule(Oracle::Turns, ruling);
    }

    /// What is at a path and their version are to be merged by what each did to a base, if they
    /// go together: the base, what is here, and theirs.
    pub fn merges(
        &mut self,
        now: Tick,
        path: &RemotePath,
        of: [ContentHash; 3],
        store: &Store,
        truth: &Truth,
    ) {
        self.now = now;
        let ruling = self.merges.merges(path, of, store, truth);
        self.rule(Oracle::MergeBase, ruling);
    }

    /// Their version and what a person saved there are about to become these bytes, which may be
    /// sent.
    pub fn merged(&mut self, path: &RemotePath, theirs: ContentHash, hash: ContentHash) {
        self.merges.merged(path, theirs, hash);
        self.writes.merged(path, hash);
        self.bytes.merged(hash);
    }

    /// What a person would read in the status now.
    pub fn said(&mut self, now: Tick, unit: &WorkspaceStatus) {
        self.now = now;
        let ruling = self.gate.said(now, unit);
        self.rule(Oracle::Gate, ruling);
    }

    /// Something moved on the disk.
    pub fn moved(&mut self, now: Tick, moved: &Moved, store: &Store, truth: &Truth, disk: &Disk) {
        self.now = now;
        if !self.two_way {
            let ruling = self.modes.moved(moved);
            self.rule(Oracle::Modes, ruling);
        }
        if moved.is_mode_only() {
            return;
        }
        self.writes.moved(moved);
        self.merges.moved(moved);
        self.asked.moved(moved, truth);
        if self.two_way {
            let ruling = self.stays.moved(now, moved, store, truth);
            self.rule(Oracle::StaysDeleted, ruling);
        }
        let ruling = self.bytes.moved(moved, disk, truth);
        self.rule(Oracle::NoByteLost, ruling);
        let ruling = self.rollback.moved(moved, store, truth);
        self.rule(Oracle::NoRollback, ruling);
        let ruling = self.permission.moved(moved, truth);
        self.rule(Oracle::ReadPermission, ruling);
        self.cursor.moved(moved);
        self.seal.moved(moved);
        self.refetch.moved(moved);
    }

    /// A commit became durable.
    pub fn durable(
        &mut self,
        now: Tick,
        commit: &Commit,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) {
        self.now = now;
        let ruling = self.seal.durable(commit, store, truth, disk);
        self.rule(Oracle::SealBeforeCursor, ruling);
        self.refetch.durable(commit);
        let ruling = self.writes.durable(commit);
        self.rule(Oracle::LettersEarned, ruling);
        let Some(change) = self.cursor.durable(commit, store) else {
            return;
        };
        let ruling = self.cursor.reflected(&change, store, truth, disk);
        let which = if change.whole { Oracle::CompleteMeansComplete } else { Oracle::CursorPrefix };
        self.rule(which, ruling);
    }

    /// Everything at once.
    pub fn whole(&mut self, now: Tick, disk: &Disk, truth: &Truth) {
        self.now = now;
        let ruling = self.bytes.whole(disk, truth);
        self.rule(Oracle::NoByteLost, ruling);
    }

    /// All rows were read, as at each start.
    pub fn read_back(&mut self, now: Tick, misread: Option<&RowKey>) {
        self.now = now;
        let ruling = match misread {
            None => Ok(1),
            Some(key) => {
                let (kind, key) = (key.kind(), key.key());
                let detail = format!("the row {kind} {key} does not read back as what was written");
                Err(("rows".into(), detail))
            }
        };
        self.rule(Oracle::RowsReadBack, ruling);
    }

    /// The end of a run that is in step.
    pub fn end(&mut self, now: Tick, disk: &Disk, truth: &Truth) {
        self.now = now;
        if !self.two_way {
            let ruling = self.modes.end(disk, truth);
            self.rule(Oracle::Modes, ruling);
        }
        let ruling = self.blobs.end(now, disk);
        self.rule(Oracle::Blobs, ruling);
    }
}
