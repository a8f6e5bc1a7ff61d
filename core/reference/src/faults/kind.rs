//! The kinds of faults.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Where a fault can happen.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Where {
    /// In what a server answers: `landfall serve --chaos` can do it too.
    Network,
    /// In the link to the server. Simulated only.
    Link,
    /// In the computer that the mirror runs on, or by the people who use it. Simulated only.
    Computer,
}

/// A name that is no kind of fault.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("there is no fault `{0}`; known are: {known}", known = FaultKind::names())]
pub struct UnknownKind(pub String);

macro_rules! kinds {
    ($($variant:ident, $name:literal, $place:ident, $usual:literal, $line:literal;)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum FaultKind {
            $(#[doc = $line] $variant,)*
        }

        impl FaultKind {
            /// All kinds, in a fixed order.
            pub const ALL: &'static [FaultKind] = &[$(Self::$variant,)*];

            /// The name on the command line and in stories.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One line for a person.
            pub fn line(self) -> &'static str {
                match self { $(Self::$variant => $line,)* }
            }

            /// Where it can happen.
            pub fn place(self) -> Where {
                match self { $(Self::$variant => Where::$place,)* }
            }

            /// How often it fires in an all-on plan, in parts per million of the chances that
            /// it gets.
            pub fn usual(self) -> u32 {
                match self { $(Self::$variant => $usual,)* }
            }
        }
    };
}

kinds! {
    SlowExport, "slow-export", Network, 350_000, "The export takes longer than it may.";
    NeverAnswers, "never-answers", Network, 10_000, "A request is never answered.";
    WorkspaceBusy, "workspace-busy", Network, 20_000, "429 workspace_busy.";
    RateLimited, "rate-limited", Network, 15_000, "429 rate_limited.";
    QueueFull, "queue-full", Network, 10_000, "429 queue_full.";
    EmptyListing, "empty-listing", Network, 40_000, "A listing is empty although there are files.";
    ShortListing, "short-listing", Network, 40_000, "A listing leaves out files that are there.";
    StaleListing, "stale-listing", Network, 40_000, "A listing shows the workspace as it once was.";
    EmptyExport, "empty-export", Network, 150_000, "An export is empty although there are files.";
    ShortExport, "short-export", Network, 150_000, "An export leaves out files that are there.";
    StaleExport, "stale-export", Network, 150_000, "An export shows the workspace as it once was.";
    ChangingListing, "changing-listing", Network, 40_000, "The pages of one listing come from different moments.";
    ServerError, "server-error", Network, 25_000, "A 5xx.";
    Overloaded, "overloaded", Network, 15_000, "A 5xx that says overloaded.";
    ExportTooLarge, "export-too-large", Network, 150_000, "413 for the export.";
    CutBody, "cut-body", Network, 25_000, "A body ends before it is complete.";
    MalformedBody, "malformed-body", Network, 15_000, "A body is not what the API promises.";
    LateAnswer, "late-answer", Network, 25_000, "An answer is slow, perhaps slower than anybody waits.";
    DuplicateAnswer, "duplicate-answer", Link, 15_000, "An answer arrives twice.";
    PoisonedFile, "poisoned-file", Network, 30_000, "One file always fails to be read.";
    UnknownCursor, "unknown-cursor", Network, 20_000, "The feed does not know the cursor any more.";
    DescOldest, "desc-oldest", Network, 200_000, "Asked for its newest event, the feed answers with its oldest.";
    NoFeed, "no-feed", Network, 60_000, "The server has no feed.";
    LostAnswer, "lost-answer", Network, 40_000, "A write is done, and its answer never arrives.";
    BulkOneFails, "bulk-one-fails", Network, 60_000, "One file of a bulk write fails, this time.";
    BulkRefused, "bulk-refused", Network, 3_000, "A bulk write is refused because of one file in it.";
    OpFails, "op-fails", Network, 30_000, "What a write sets off fails, or takes long.";
    OpUnknown, "op-unknown", Network, 100_000, "The server does not yet know the operation that it named.";
    Kill, "kill", Computer, 3_000, "The process is killed.";
    PowerCut, "power-cut", Computer, 1_500, "The computer loses power.";
    DiskFull, "disk-full", Computer, 10_000, "The disk is full.";
    WindowEdit, "window-edit", Computer, 30_000, "A person edits a file between the check and the exchange.";
    LocalEdit, "local-edit", Computer, 10_000, "A person edits a file of the mirror.";
    ClockStep, "clock-step", Computer, 10_000, "The wall clock jumps.";
    LongSleep, "long-sleep", Computer, 5_000, "The computer sleeps for a long time.";
    SlowStore, "slow-store", Computer, 20_000, "A commit takes long to become durable.";
    SlowDisk, "slow-disk", Computer, 20_000, "A disk operation takes long.";
}

impl FaultKind {
    /// Those that a server can do by itself.
    pub fn network() -> impl Iterator<Item = FaultKind> {
        let all = Self::ALL.iter().copied();
        all.filter(|kind| kind.place() == Where::Network)
    }

    fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
        names.join(", ")
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.iter().copied();
        all.find(|kind| kind.name() == name).ok_or_else(|| UnknownKind(name.to_owned()))
    }
}
