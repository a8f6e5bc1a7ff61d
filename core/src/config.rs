//! What a person can set, with its bounds.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::files::plan::SyncMode;
use crate::id::{RemoteId, StoreId, UnitId};
use crate::time::Ms;

/// Everything that a machine is built from. A trace starts with it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Config {
    /// Seed of the jitter. Two agents should have different ones.
    pub seed: u64,
    /// The servers.
    pub remotes: Vec<(RemoteId, GateConfig)>,
    /// The workspaces.
    pub workspaces: Vec<(UnitId, WorkspaceConfig)>,
}

/// Limits towards one server.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct GateConfig {
    /// Requests at once, at most. 1 to 64, default 16.
    pub concurrency: u32,
    /// Requests in a second, at most. 1 to 100,000, default 20,000: what is asked at once bounds
    /// them where a request takes a millisecond or more, and this where it takes less.
    pub per_second: u32,
}

/// One workspace.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct WorkspaceConfig {
    /// Its server.
    pub remote: RemoteId,
    /// Its store.
    pub store: StoreId,
    /// The remote directory that is mirrored: `/`, or a path without a trailing `/`.
    pub base: String,
    /// Which way bytes go.
    pub mode: SyncMode,
    /// How the first bootstrap begins. Default: with an export.
    #[serde(default)]
    pub bootstrap: Bootstrap,
    /// Exit when in step (`--once`).
    pub once: bool,
    /// `--once` gives up after this long without progress. Default 10 min.
    pub patience: Ms,
    /// Time for a whole export. Default 45 s, clamped, see [`WorkspaceConfig::export_time`].
    pub export_timeout: Ms,
    /// A traversal that makes no progress for this long is stopped. Default 90 s.
    pub watchdog: Ms,
    /// Total time for an export and its fallback, if positive. Default 0: none.
    pub hard_cap: Ms,
    /// Whether changes are streamed where the server can, besides being asked for.
    pub stream: bool,
    /// Between two looks at the feed. Default 30 s, 1 s to 24 h, with 20 % of jitter.
    pub interval: Ms,
    /// Deletes of one cycle that need no person.
    pub max_delete: MaxDelete,
    /// A larger file is not sent. Default 8 MiB.
    #[serde(default = "max_file")]
    pub max_file: u64,
    /// Bytes of files that are sent with one request, unless one alone has more. Default 4 MiB,
    /// which stays under 8 MiB when it is encoded.
    #[serde(default = "max_batch")]
    pub max_batch: u64,
}

fn max_file() -> u64 {
    8 << 20
}

fn max_batch() -> u64 {
    4 << 20
}

/// How a first bootstrap begins. Later ones go by the tree.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Bootstrap {
    /// With one export: the fastest way to get everything.
    #[default]
    Export,
    /// With the tree: its hashes prove what is here already, and only the rest is fetched. For
    /// a directory that has files, such as the mirror of another client.
    Tree,
}

/// The brake on deletes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum MaxDelete {
    /// So many files.
    Files(u64),
    /// So many percent of the files that are known, but never fewer than 10 files.
    Percent(u8),
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { concurrency: 16, per_second: 20_000 }
    }
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self {
            remote: RemoteId(0),
            store: StoreId(0),
            base: String::from("/"),
            mode: SyncMode::PullOnly,
            bootstrap: Bootstrap::Export,
            once: false,
            patience: Ms::mins(10),
            export_timeout: Ms::secs(45),
            watchdog: Ms::secs(90),
            hard_cap: Ms(0),
            stream: true,
            interval: Ms::secs(30),
            max_delete: MaxDelete::Percent(50),
            max_file: max_file(),
            max_batch: max_batch(),
        }
    }
}

impl WorkspaceConfig {
    /// The time between two looks at the feed, in its bounds.
    pub fn poll_interval(&self) -> Ms {
        self.interval.clamp(Ms::secs(1), Ms::hours(24))
    }

    /// The time that an export really gets: what was configured, but less than 3/4 of the
    /// watchdog and of a positive hard cap, so that what comes after it has time too.
    pub fn export_time(&self) -> Ms {
        let mut limit = self.watchdog.0 / 4 * 3;
        if self.hard_cap.0 > 0 {
            limit = limit.min(self.hard_cap.0 / 4 * 3);
        }
        Ms(self.export_timeout.0.min(limit.saturating_sub(1)).max(1))
    }
}

impl MaxDelete {
    /// How many files may go when `known` are there.
    pub fn allowed(self, known: u64) -> u64 {
        match self {
            MaxDelete::Files(n) => n,
            MaxDelete::Percent(p) => (known * u64::from(p.min(100)) / 100).max(10),
        }
    }
}
