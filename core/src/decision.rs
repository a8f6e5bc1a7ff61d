//! Every decision says why. Logs, `landfall why`, traces and snapshots all print these.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::effect::Exit;
use crate::fault::Fault;
use crate::files::plan::Rule;
use crate::gate::BreakerState;
use crate::hash::ContentHash;
use crate::id::RemoteId;
use crate::path::{PathError, RemotePath, show_name};
use crate::row::Position;
use crate::time::Ms;

/// One decision. `Display` is one plain sentence.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Decision {
    // --- starting and stopping ---
    /// A configured value was out of bounds.
    Clamped {
        what: Knob,
        from: Ms,
        to: Ms,
        because: Knob,
    },
    /// The machine started.
    Started {
        files: u64,
        resumed: bool,
        suspects: u64,
    },
    /// A row could not be read. It stays where it is.
    RowUnreadable {
        kind: String,
        key: String,
        why: String,
    },
    /// SIGTERM.
    Stopping { in_flight: u64 },
    /// The end.
    Exiting(Exit),
    /// The disk or the store did not answer for too long.
    Stuck { what: Port, waited: Ms },

    // --- the gate ---
    /// The server asked for less.
    GatePaused {
        remote: RemoteId,
        why: Fault,
        wait: Ms,
        concurrency: u32,
    },
    /// The breaker changed its state.
    Breaker {
        remote: RemoteId,
        state: BreakerState,
    },

    // --- bootstrap ---
    /// The feed position that the next snapshot is continued from.
    PositionTaken(Position),
    /// The feed does not know the cursor any more, or started again: everything is listed again.
    FeedLost { why: FeedLoss },
    /// One atomic export was asked for.
    ExportBegun { within: Ms },
    /// The export will not finish the job; the tree pull goes on from what arrived.
    ExportYields { why: Yield, kept: u64 },
    /// The export was complete and nothing speaks against it.
    ExportBelieved { files: u64, total: u64 },
    /// A traversal of the tree began or went on.
    TraversalBegun { id: u32, resumed: bool },
    /// A listing page is asked for again.
    PageAgain {
        dir: String,
        why: Fault,
        wait: Ms,
        kept: u64,
    },
    /// A directory of the frontier is not there any more.
    DirectoryGone { dir: String },
    /// The server forgot a page cursor: the directory is listed from its start.
    CursorForgotten { dir: String },
    /// A traversal ended and was believed.
    ListingBelieved { seen: u64 },
    /// A traversal ended and was not believed on its own word.
    ListingDoubted { why: Doubtful, again: Ms },
    /// Two traversals agree on what one alone could not prove.
    ListingConfirmed { seen: u64 },
    /// A known file was missing from two complete listings; it is asked for by name.
    MissingTwice { path: RemotePath },
    /// Nothing moved for as long as the watchdog allows.
    WatchdogFired { idle: Ms, answered: bool, wait: Ms },
    /// The mirror has everything that the server has.
    InStep { files: u64 },

    // --- files ---
    /// The plan for a path was carried out.
    Did {
        path: RemotePath,
        did: Did,
        rule: Rule,
    },
    /// Local bytes nobody else has were kept.
    Kept { path: RemotePath, hash: ContentHash },
    /// A path failed and is tried again later, delaying nothing else.
    SetAside {
        path: RemotePath,
        why: Fault,
        tries: u32,
        wait: Ms,
    },
    /// A name can not be placed below a root.
    NameRefused { name: String, why: PathError },
    /// The whole disk is in trouble: nothing is fetched for a while.
    DiskPaused { why: Fault, wait: Ms },
    /// A brake stopped something and waits for a person.
    Braked(Brake),
}

/// A setting.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Knob {
    /// `RELAYFILE_EXPORT_TIMEOUT`.
    ExportTimeout,
    /// The no-progress watchdog.
    Watchdog,
    /// `RELAYFILE_BOOTSTRAP_TIMEOUT`.
    HardCap,
    /// `--interval`.
    Interval,
    /// The least that makes sense.
    Minimum,
}

/// A port that always answers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Port {
    /// Files.
    Disk,
    /// Rows.
    Store,
}

/// Why the feed can not be continued.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum FeedLoss {
    /// 404 or 410.
    CursorUnknown,
    /// It answered with events from before the cursor.
    StartedAgain,
    /// It was not there before, and is now.
    Appeared,
}

/// Why an export gives way to the tree pull.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Yield {
    /// Its own total time was up.
    TimeUp(Ms),
    /// The answer was a failure of the export.
    Failed(Fault),
    /// A 200 without files.
    Empty,
    /// A 200 with fewer than half of the files that are known.
    Short { files: u64, known: u64 },
    /// A 200 with fewer files than the server itself counts.
    BelowTotal { files: u64, total: u64 },
    /// The server does not say how many files there are, so the tree has to.
    Uncounted { files: u64 },
    /// An earlier run was cut off in it, and it can not be resumed.
    Interrupted,
}

/// Why a complete traversal is not believed on its own word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Doubtful {
    /// It shows nothing.
    Empty,
    /// It shows fewer than half of the files that are known.
    Short { seen: u64, known: u64 },
    /// It shows fewer files than the server itself counts.
    BelowTotal { seen: u64, total: u64 },
    /// It leaves out files that are known.
    Missing { missing: u64 },
}

/// What was done with a path.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Did {
    /// New bytes are at the path.
    Placed,
    /// It was already there.
    Adopted,
    /// It went to the trash.
    Trashed,
    /// It went to the conflict copies.
    SetAside,
}

/// A brake: something that would have happened, and did not.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Brake {
    /// Too many deletes in one cycle.
    MaxDelete {
        deletes: u64,
        allowed: u64,
        known: u64,
    },
    /// Too many directories wait to be listed.
    Frontier { directories: u64 },
}

impl Brake {
    /// The name in status, metrics and documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Brake::MaxDelete { .. } => "max-delete",
            Brake::Frontier { .. } => "frontier",
        }
    }
}
