//! What a person or a probe may ask.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Brake, Decision, Did};
use crate::fault::Fault;
use crate::id::{Revision, UnitId};
use crate::time::{Ms, Wall};

/// The state of everything, at one moment.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Status {
    /// The worst of its units.
    pub verdict: Verdict,
    /// One per unit.
    pub units: Vec<WorkspaceStatus>,
}

/// Three values, and no more.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// In step, or getting there without trouble.
    #[default]
    Ok,
    /// Working, with something that a person should know.
    Degraded,
    /// A brake, or a dead disk: a person has to decide.
    Halted,
}

/// The state of one workspace.
///
/// It is asked for twice a second, so nothing in it may cost a walk over all files.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct WorkspaceStatus {
    /// Which.
    pub unit: UnitId,
    /// How it is.
    pub verdict: Verdict,
    /// One sentence: why it is not `ok`, or what it is doing.
    pub reason: String,
    /// What it is doing.
    pub phase: Phase,
    /// A traversal was believed and everything in it was placed and sealed.
    pub complete: bool,
    /// Nothing is known that is left to do.
    pub in_step: bool,
    /// When it was last in step.
    pub in_step_at: Option<Wall>,
    /// Files known on the server.
    pub files_total: u64,
    /// Of these, in step.
    pub files_done: u64,
    /// Bytes received since the start.
    pub bytes: u64,
    /// Paths that are set aside and tried again.
    pub set_aside: Vec<(String, String)>,
    /// How many are set aside; the list above is cut at 20.
    pub set_aside_count: u64,
    /// Local edits that stay in place because the mirror only pulls.
    pub local_only: u64,
    /// Names that can not be placed.
    pub refused_names: u64,
    /// The first 20 of them, without characters that could mislead a reader, and why.
    #[serde(default)]
    pub refused: Vec<(String, String)>,
    /// Rows that could not be read.
    pub unreadable_rows: u64,
    /// Brakes that are on.
    pub brakes: Vec<Brake>,
    /// What it waits for, in words, the most important first.
    pub waits: Vec<String>,
    /// Until the next thing that it will do by itself.
    pub next_wake: Option<Ms>,
    /// Files that the server shows and does not let us read.
    #[serde(default)]
    pub denied: u64,
    /// Known files that the last complete listing left out. They stay until more is known.
    #[serde(default)]
    pub missing: u64,
    /// The revision that was last brought in step, in this run.
    #[serde(default)]
    pub last_applied: Option<Revision>,
    /// What was heard of the server.
    #[serde(default)]
    pub heard: Heard,
    /// How changes are learnt of.
    #[serde(default)]
    pub listener: Listener,
    /// The breaker in front of the server.
    #[serde(default)]
    pub circuit: Circuit,
    /// The bootstrap, while it is not complete.
    #[serde(default)]
    pub bootstrap: Option<Bootstrap>,
    /// What happened since the start.
    #[serde(default)]
    pub counters: Counters,
    /// What goes from here to the server.
    #[serde(default)]
    pub outbox: Outbox,
}

/// What goes from here to the server.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Outbox {
    /// Changes that are on their way.
    pub pending: u64,
    /// Since when the oldest of them is.
    pub oldest: Option<Wall>,
    /// Writes that the server accepted and still works on.
    pub owed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Local changes that are not sent: denied, dead or too large.
    pub unsent: u64,
}

/// What was heard of the server, and when.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Heard {
    /// It last gave a good answer, or showed on the stream that it is there.
    pub answered_at: Option<Wall>,
    /// It last told of a change.
    pub event_at: Option<Wall>,
    /// The last failure. Gone once the mirror is in step and the server answers after it: a
    /// failure that was recovered from is no trouble any more.
    pub trouble: Option<Trouble>,
}

/// A failure of the server, the link or the disk.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Trouble {
    /// What failed.
    pub why: Fault,
    /// When.
    pub at: Wall,
}

/// How changes are learnt of. All times are of this run.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Listener {
    /// In which way.
    pub state: Listening,
    /// The stream last showed a sign of life.
    pub alive_at: Option<Wall>,
    /// The stream was last opened.
    pub opened_at: Option<Wall>,
    /// The stream was last asked for.
    pub asked_at: Option<Wall>,
    /// The stream will be asked for again.
    pub again_at: Option<Wall>,
}

/// The ways of learning of changes.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Listening {
    /// Not at all: not started, stopping, or `--once`.
    #[default]
    Off,
    /// The feed is asked now and then. No stream is wanted, or none can be joined to it.
    Polling,
    /// The stream is asked for, and was not open before.
    Opening,
    /// The stream was open or could not be opened, and is asked for again.
    Reopening,
    /// The stream is open.
    Open,
}

/// The breaker in front of a server.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Circuit {
    /// Whether requests are held back because the server failed too often.
    pub open: bool,
    /// Since when.
    pub opened_at: Option<Wall>,
    /// When one request is tried; absent while one is.
    pub retry_at: Option<Wall>,
    /// Failures in a row.
    pub failures: u32,
    /// How often it opened since the start.
    pub times: u64,
}

/// A bootstrap that is not complete.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Bootstrap {
    /// Files that both sides have.
    pub files: u64,
    /// The server's own count of its files, if it gave one.
    pub total: Option<u64>,
    /// When this run began with it.
    pub since: Option<Wall>,
    /// The directory that is being listed.
    pub dir: Option<String>,
    /// Directories that wait to be listed.
    pub directories_left: u64,
    /// Directories met so far, by this traversal.
    pub directories_found: u64,
    /// Times in a row in which the server answered and nothing moved.
    pub stalls: u32,
}

/// Decisions of this run, counted.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Counters {
    /// Listings that were not believed, so that nothing was deleted on their word.
    pub listings_doubted: u64,
    /// Files that two listings left out, and that were then asked for by name.
    pub missing_twice: u64,
    /// Paths where a file and a directory want the same name.
    pub collisions: u64,
    /// Local bytes that were kept as conflict copies.
    pub kept: u64,
    /// Files that went to the trash.
    pub trashed: u64,
    /// Changes of here that the server took.
    #[serde(default)]
    pub sent: u64,
}

impl Counters {
    /// Counts a decision.
    pub(crate) fn saw(&mut self, decision: &Decision) {
        let counter = match decision {
            Decision::ListingDoubted { .. } | Decision::ListingRefuted { .. } => {
                &mut self.listings_doubted
            }
            Decision::MissingTwice { .. } => &mut self.missing_twice,
            Decision::SetAside { why: Fault::NotADirectory, tries: 1, .. } => &mut self.collisions,
            Decision::Kept { .. } | Decision::Did { did: Did::SetAside, .. } => &mut self.kept,
            Decision::Did { did: Did::Trashed, .. } => &mut self.trashed,
            Decision::Sent { .. } => &mut self.sent,
            _ => return,
        };
        *counter += 1;
    }
}

/// What a mirror is doing.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the start.
    #[default]
    Loading,
    /// Asking where the feed stands.
    Locating,
    /// Taking the export in.
    Exporting,
    /// Comparing the export with the server's count.
    Counting,
    /// Listing the tree.
    Walking,
    /// Everything is listed; the feed is followed.
    Following,
    /// Stopping.
    Stopping,
}
