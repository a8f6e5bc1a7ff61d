//! The keys that scripts have read from `.relay/state.json` for a year, with their names,
//! nesting and values as they know them.
//!
//! Everything here follows from what the machine tells. What Landfall does not have (yet) gets
//! the value that says so: zero, an empty list, or no key. `files` is the one key that is not
//! in the file, because a file that lists all files is written anew with each of them;
//! `landfall status --json --files` makes it from the database.

use landfall_core::fault::Fault;
use landfall_core::files::plan::SyncMode;
use landfall_core::gate::breaker::{COOLDOWN, THRESHOLD, WINDOW};
use landfall_core::status::{Listening, Trouble, Verdict, WorkspaceStatus};
use landfall_core::time::{Ms, Wall};
use serde::{Deserialize, Serialize};

use super::file::Identity;
use super::rfc3339;
use crate::expiry::Expiry;

/// What the keys are made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Which mirror.
    pub identity: &'a Identity,
    /// What the machine told last.
    pub status: &'a WorkspaceStatus,
    /// What earlier runs told and this one does not know yet.
    pub before: &'a Before,
    /// Conflict copies that nobody took away.
    pub conflicts: u64,
    /// What the credentials say of their time.
    pub expiry: Option<Expiry>,
    /// The process that keeps the mirror, while there is one.
    pub daemon: Option<u32>,
    /// What time it is.
    pub now: Wall,
}

/// What outlives a run only in the status file itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Before {
    last_reconcile_at: Option<String>,
    last_event_at: Option<String>,
    last_applied_revision: Option<String>,
    bootstrap: Option<BootstrapBefore>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct BootstrapBefore {
    started_at: Option<String>,
}

/// See the [module](self).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Public {
    workspace_id: String,
    remote_root: String,
    local_root: String,
    mode: &'static str,
    sync_mode: SyncMode,
    interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reconcile_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_successful_reconcile_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_event_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_after: Option<String>,
    status: &'static str,
    states: States,
    pending_writeback: u64,
    pending_conflicts: u64,
    denied_paths: u64,
    failed_writebacks: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<LastError>,
    low_memory: bool,
    counters: Counters,
    circuit: Circuit,
    outbox: Outbox,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_applied_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bootstrap: Option<Bootstrap>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconcile_age_secs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cred_expires_in_secs: Option<i64>,
    event_listener: EventListener,
    providers: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    daemon: Option<Daemon>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stall_reason: Option<String>,
}

/// Every key above that may be absent. A file that was written with one and is written again
/// without it must not keep the old value.
pub(super) const OPTIONAL: &[&str] = &[
    "lastReconcileAt",
    "lastSuccessfulReconcileAt",
    "lastEventAt",
    "staleAfter",
    "lastError",
    "lastAppliedRevision",
    "bootstrap",
    "reconcileAgeSecs",
    "credExpiresInSecs",
    "daemon",
    "stallReason",
    "files",
    "incrementalReadNotReadySince",
];

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct States {
    stale: bool,
    offline: bool,
    syncing: bool,
    has_conflicts: bool,
    has_pending_writeback: bool,
    outbox_needs_attention: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastError {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    message: String,
    at: String,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counters {
    skipped_oversize_writeback: u64,
    denied_root_target: u64,
    path_materialization_skipped: u64,
    snapshot_delete_blocked: u64,
    circuit_open_events: u64,
    tombstones_pending: u64,
    tombstones_confirmed: u64,
    tombstones_aged_out: u64,
    path_collision_quarantined: u64,
    skipped_lazy_untracked_push: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Circuit {
    open: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<String>,
    open_events: u64,
    failures: u32,
    window_ms: u64,
    cooldown_ms: u64,
    threshold: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_retry: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outbox {
    /// On their way, or accepted by the server, which still works on them.
    pending: u64,
    /// Dead letters.
    needs_attention: u64,
    /// Changes of here that are not sent: denied, too large, or dead.
    failed: u64,
    /// Taken by the server, in this run.
    acked: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bootstrap {
    phase: &'static str,
    files_synced: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    files_total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_path: Option<String>,
    page_offset: u64,
    directories_pending: u64,
    directories_discovered: u64,
    stall_cycles: u32,
    /// 0: there is none, a bootstrap is never given up.
    stall_limit: u32,
    reason: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventListener {
    mode: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_connected_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Daemon {
    pid: u32,
}

impl Public {
    /// Files that may not be read.
    pub fn denied_paths(&self) -> u64 {
        self.denied_paths
    }

    /// Changes that are on their way to the server.
    pub fn pending_writeback(&self) -> u64 {
        self.pending_writeback
    }

    /// Changes that could not be delivered.
    pub fn dead_letters(&self) -> u64 {
        self.outbox.needs_attention
    }

    /// Conflict copies.
    pub fn pending_conflicts(&self) -> u64 {
        self.pending_conflicts
    }

    /// The keys as of now.
    pub fn new(source: Source<'_>) -> Self {
        let Source { identity, status, before, conflicts, expiry, daemon, now } = source;
        let in_step_at = status.in_step_at;
        let stale_after = in_step_at.map(|at| Wall(at.0.saturating_add(stale_time(identity).0)));
        let stale = stale_after.is_none_or(|at| now > at);
        // One request that failed is no outage.
        let unanswered =
            status.heard.trouble.as_ref().is_some_and(|trouble| !trouble.why.was_answered());
        let offline = status.circuit.open || unanswered && status.circuit.failures > 1;
        let stalls = status.bootstrap.as_ref().map_or(0, |bootstrap| bootstrap.stalls);
        let sends = &status.outbox;
        // What the server has accepted is not delivered before it says so.
        let pending = sends.pending + sends.owed;
        let states = States {
            stale,
            offline,
            syncing: daemon.is_some() && status.complete && !status.in_step,
            has_conflicts: conflicts > 0,
            has_pending_writeback: pending > 0,
            outbox_needs_attention: sends.dead > 0,
        };
        let stalled = stalls > 0 || status.verdict == Verdict::Halted;
        Self {
            workspace_id: identity.workspace_id.clone(),
            remote_root: identity.remote_root.clone(),
            local_root: identity.local_root.clone(),
            mode: "poll",
            sync_mode: identity.sync_mode,
            interval_ms: identity.interval_ms,
            last_reconcile_at: at(status.heard.answered_at).or(before.last_reconcile_at.clone()),
            last_successful_reconcile_at: at(in_step_at),
            last_event_at: at(status.heard.event_at).or(before.last_event_at.clone()),
            stale_after: at(stale_after),
            status: top(&states, stalled, status.bootstrap.is_some()),
            states,
            pending_writeback: pending,
            pending_conflicts: conflicts,
            denied_paths: status.denied,
            failed_writebacks: sends.unsent,
            last_error: status.heard.trouble.as_ref().map(|trouble| last_error(trouble, stalls)),
            low_memory: false,
            counters: Counters {
                path_materialization_skipped: status.refused_names,
                snapshot_delete_blocked: status.counters.listings_doubted,
                circuit_open_events: status.circuit.times,
                tombstones_pending: status.missing,
                tombstones_confirmed: status.counters.missing_twice,
                path_collision_quarantined: status.counters.collisions,
                ..Counters::default()
            },
            circuit: Circuit {
                open: status.circuit.open,
                opened_at: at(status.circuit.opened_at),
                open_events: status.circuit.times,
                failures: status.circuit.failures,
                window_ms: WINDOW.0,
                cooldown_ms: COOLDOWN.0,
                threshold: THRESHOLD,
                next_retry: at(status.circuit.retry_at),
            },
            outbox: Outbox {
                pending,
                needs_attention: sends.dead,
                failed: sends.unsent,
                acked: status.counters.sent,
            },
            last_applied_revision: status
                .last_applied
                .as_ref()
                .map(|revision| revision.as_str().to_owned())
                .or(before.last_applied_revision.clone()),
            bootstrap: status.bootstrap.as_ref().map(|bootstrap| Bootstrap {
                phase: if stalls > 0 { "stalled" } else { "bootstrapping" },
                files_synced: bootstrap.files,
                files_total: bootstrap.total,
                started_at: before
                    .bootstrap
                    .as_ref()
                    .and_then(|before| before.started_at.clone())
                    .or(at(bootstrap.since)),
                current_path: bootstrap.dir.clone(),
                page_offset: 0,
                directories_pending: bootstrap.directories_left,
                directories_discovered: bootstrap.directories_found,
                stall_cycles: bootstrap.stalls,
                stall_limit: 0,
                reason: status.reason.clone(),
            }),
            reconcile_age_secs: in_step_at.map(|at| now.0.saturating_sub(at.0) / 1000),
            cred_expires_in_secs: expiry.map(|expiry| expiry.secs_left(now)),
            event_listener: listener(status, daemon.is_some()),
            providers: [],
            daemon: daemon.map(|pid| Daemon { pid }),
            stall_reason: stalled.then(|| status.reason.clone()),
        }
    }
}

/// How long after it was last in step a mirror counts as stale: two rounds of whatever tells
/// it of changes, or of the status file, if that is slower.
fn stale_time(identity: &Identity) -> Ms {
    Ms(identity.heartbeat().0 * 2)
}

/// The one word. The order is the one that scripts know.
fn top(states: &States, stalled: bool, bootstrapping: bool) -> &'static str {
    let word = match states {
        States { offline: true, .. } => "offline",
        States { outbox_needs_attention: true, .. } => "writeback-needs-attention",
        States { has_conflicts: true, .. } => "conflict",
        States { has_pending_writeback: true, .. } => "writeback-pending",
        States { syncing: true, .. } => "syncing",
        States { stale: true, .. } => "stale",
        _ => "ready",
    };
    match word {
        _ if stalled => "stalled",
        "ready" | "stale" | "offline" if bootstrapping => "bootstrapping",
        word => word,
    }
}

fn last_error(trouble: &Trouble, stalls: u32) -> LastError {
    let (status_code, code) = match &trouble.why {
        Fault::BadRequest => (Some(400), None),
        Fault::Unauthorized => (Some(401), None),
        Fault::Forbidden => (Some(403), None),
        Fault::NotFound => (Some(404), None),
        Fault::Gone => (Some(410), None),
        Fault::TooLarge => (Some(413), None),
        Fault::WorkspaceBusy => (Some(429), Some("workspace_busy")),
        Fault::Throttled => (Some(429), Some("rate_limited")),
        Fault::Server(status) | Fault::Status(status) => (Some(*status), None),
        _ => (None, None),
    };
    let kind = match &trouble.why {
        _ if stalls > 0 => "bootstrap_stalled",
        Fault::Timeout | Fault::Link => "offline",
        Fault::Overloaded => "http",
        _ if status_code.is_some() => "http",
        _ => "error",
    };
    let message = trouble.why.to_string();
    LastError { kind, status_code, code, message, at: rfc3339(trouble.at) }
}

fn listener(status: &WorkspaceStatus, running: bool) -> EventListener {
    let told = &status.listener;
    let (mode, state) = match told.state {
        _ if !running => ("disabled", "disabled"),
        Listening::Off => ("disabled", "disabled"),
        Listening::Polling => ("poll", "polling"),
        Listening::Opening => ("websocket", "connecting"),
        Listening::Reopening => ("websocket", "reconnecting"),
        Listening::Open => ("websocket", "listening"),
    };
    EventListener {
        mode,
        status: state,
        heartbeat_at: at(told.alive_at),
        last_connected_at: at(told.opened_at),
        last_attempt_at: at(told.asked_at),
        next_attempt_at: at(told.again_at.filter(|_| running)),
    }
}

fn at(wall: Option<Wall>) -> Option<String> {
    wall.map(rfc3339)
}
