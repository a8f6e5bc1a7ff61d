//! What a person or a probe may ask.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::Brake;
use crate::id::UnitId;
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
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
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
    /// Rows that could not be read.
    pub unreadable_rows: u64,
    /// Brakes that are on.
    pub brakes: Vec<Brake>,
    /// What it waits for, in words, the most important first.
    pub waits: Vec<String>,
    /// Until the next thing that it will do by itself.
    pub next_wake: Option<Ms>,
}

/// What a mirror is doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before the start.
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
