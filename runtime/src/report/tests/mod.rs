//! `landfall status` in each state, and the keys that scripts read. Each snapshot stands beside
//! the sentence that says what it must show, written first, and the assertion of the decision
//! that matters.

use landfall_core::brake::Brake;
use landfall_core::fault::Fault;
use landfall_core::id::Revision;
use landfall_core::roots::Marker;
use landfall_core::status::{
    Bootstrap, Circuit, Counters, Heard, Listener, Listening, Outbox, Phase, Trouble, Verdict,
    WorkspaceStatus,
};
use landfall_core::time::{Ms, Wall};
use serde_json::Value;

use super::file::{Identity, StatusFile};
use super::judge::{Report, Seen, Stored};
use crate::disk::strangers::{Stranger, Told};
use crate::exit;
use crate::expiry::Expiry;

mod keys;
mod states;

/// 2026-09-01T12:00:00Z.
const NOW: Wall = Wall(1_788_264_000_000);

fn ago(secs: u64) -> Option<Wall> {
    Some(Wall(NOW.0 - secs * 1000))
}

fn soon(secs: u64) -> Option<Wall> {
    Some(Wall(NOW.0 + secs * 1000))
}

/// What the report is made of, with the mount running.
struct Case {
    file: Option<StatusFile>,
    stored: Stored,
    conflicts: u64,
    running: bool,
}

impl Case {
    fn told(status: WorkspaceStatus) -> Self {
        let identity = Identity {
            workspace_id: "acme".into(),
            local_root: "/home/me/my work".into(),
            interval_ms: 30_000,
            ..Identity::default()
        };
        let daemon = serde_json::from_str(r#"{"pid": 4711}"#).unwrap();
        let stored = Stored {
            complete: status.complete,
            in_step_at: status.in_step_at,
            ..Stored::default()
        };
        let file = StatusFile {
            identity,
            landfall: Some(status),
            credentials: None,
            strangers: Default::default(),
            daemon,
            before: Default::default(),
        };
        Self { file: Some(file), stored, conflicts: 0, running: true }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// It ended, and said its last word.
    fn dead(self) -> Self {
        self.killed().with(|case| case.file.as_mut().unwrap().daemon = None)
    }

    fn killed(self) -> Self {
        self.with(|case| case.running = false)
    }

    fn expires(self, secs: i64) -> Self {
        let expires_at = Wall((NOW.0 as i64 + secs * 1000) as u64);
        let expiry = Expiry { expires_at, issued_at: None };
        self.with(|case| case.file.as_mut().unwrap().credentials = Some(expiry))
    }

    fn report(&self) -> Report {
        let marker = Marker { id: "id".into(), workspace: "acme".into(), base: "/".into() };
        Report::new(Seen {
            root: "/home/me/my work",
            file: self.file.as_ref(),
            marker: Some(&marker),
            stored: self.stored,
            conflicts: self.conflicts,
            running: self.running,
            now: NOW,
        })
    }

    /// As a person sees it, with the exit code.
    fn text(&self) -> String {
        let report = self.report();
        format!("{}\nexit code {}\n", report.text(), exit::of_verdict(report.verdict))
    }

    fn json(&self) -> Value {
        serde_json::to_value(self.report()).unwrap()
    }

    /// The decisions that matter: verdict, exit code, and the one word that scripts read.
    fn decided(&self) -> (Verdict, u8, String) {
        let report = self.report();
        let code = exit::of_verdict(report.verdict);
        (report.verdict, code, self.json()["status"].as_str().unwrap().into())
    }
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

fn in_step() -> WorkspaceStatus {
    WorkspaceStatus {
        verdict: Verdict::Ok,
        reason: "in step".into(),
        phase: Phase::Following,
        complete: true,
        in_step: true,
        in_step_at: ago(4),
        files_total: 20,
        files_done: 20,
        last_applied: Some(Revision("rev_88".into())),
        heard: Heard { answered_at: ago(4), event_at: ago(3_600), trouble: None },
        listener: Listener {
            state: Listening::Open,
            alive_at: ago(4),
            opened_at: ago(7_200),
            asked_at: ago(7_201),
            again_at: None,
        },
        ..WorkspaceStatus::default()
    }
}

fn bootstrapping() -> WorkspaceStatus {
    WorkspaceStatus {
        reason: "the listing of /docs".into(),
        phase: Phase::Walking,
        files_total: 700,
        files_done: 512,
        bytes: 1 << 20,
        waits: vec!["the listing of /docs".into(), "188 files, /docs/a.md first".into()],
        heard: Heard { answered_at: ago(1), ..Heard::default() },
        listener: Listener { state: Listening::Opening, ..Listener::default() },
        bootstrap: Some(Bootstrap {
            files: 512,
            total: Some(10_000),
            since: ago(90),
            dir: Some("/docs".into()),
            directories_left: 3,
            directories_found: 40,
            stalls: 0,
        }),
        ..WorkspaceStatus::default()
    }
}

fn trouble(why: Fault) -> Heard {
    Heard { answered_at: ago(300), event_at: None, trouble: Some(Trouble { why, at: NOW }) }
}

/// Every brake, each followed by the next. A new one does not compile before it is told here.
fn brakes() -> impl Iterator<Item = Brake> {
    let first = Brake::MaxDelete { deletes: 12, allowed: 10, known: 20 };
    std::iter::successors(Some(first), |brake| match brake {
        Brake::MaxDelete { .. } => Some(Brake::MaxUnlink { deletes: 12, allowed: 10, known: 20 }),
        Brake::MaxUnlink { .. } => Some(Brake::RootLost { missing: 20 }),
        Brake::RootLost { .. } => Some(Brake::Frontier { directories: 50_001 }),
        Brake::Frontier { .. } => Some(Brake::Forbidden { files: 12, known: 20 }),
        Brake::Forbidden { .. } => Some(Brake::Unreadable {
            kind: "lease".into(),
            why: "its kind `lease` is not known to this version".into(),
        }),
        Brake::Unreadable { .. } => None,
    })
}

fn halted(brake: Brake) -> WorkspaceStatus {
    WorkspaceStatus {
        verdict: Verdict::Halted,
        reason: format!("the brake `{}` is on: {}", brake.name(), brake.seen()),
        in_step: false,
        in_step_at: ago(600),
        files_done: 8,
        brakes: vec![brake],
        ..in_step()
    }
}
