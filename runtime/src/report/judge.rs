//! From all that is known of a mirror to one verdict, for a person and for a program.

use std::path::Path;

use landfall_core::files::entry::Hold;
use landfall_core::roots::Marker;
use landfall_core::row::{Row, Value};
use landfall_core::status::{Verdict, WorkspaceStatus};
use landfall_core::time::{Ms, Wall};
use serde::Serialize;

use super::file::{Identity, StatusFile};
use super::public::{Before, Public, Source};
use super::{SCHEMA, rfc3339};
use crate::disk::strangers::{Stranger, Told};
use crate::expiry::Expiry;
use crate::store::{self, StoreError};

/// Everything that a report follows from.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The mirror.
    pub root: &'a str,
    /// The status file; `None` if it is missing or torn.
    pub file: Option<&'a StatusFile>,
    /// The marker in the mirror.
    pub marker: Option<&'a Marker>,
    /// What the database says.
    pub stored: Stored,
    /// Conflict copies.
    pub conflicts: u64,
    /// Whether a process holds the lock.
    pub running: bool,
    /// What time it is.
    pub now: Wall,
}

/// What the database says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stored {
    /// Whether a bootstrap was completed.
    pub complete: bool,
    /// When the mirror became in step.
    pub in_step_at: Option<Wall>,
    /// Deletes that a brake holds. Only counted where the status file does not tell.
    pub held: u64,
    /// Files that both sides had. Only counted where the status file does not tell.
    pub files: u64,
}

impl Stored {
    /// Reads a database. With `told`, the status file says how many files there are, and only
    /// one row is read.
    ///
    /// # Errors
    /// If it can not be read.
    pub fn read(db: &Path, told: bool) -> Result<Self, StoreError> {
        let rows = if told { store::read_kind(db, "mirror") } else { store::read_only(db) };
        let mut stored = Self::default();
        for row in rows? {
            match Row::decode(&row).map(|row| row.value) {
                Ok(Value::Mirror(row)) => {
                    (stored.complete, stored.in_step_at) = (row.complete, row.in_step_at);
                }
                Ok(Value::Entry(_, row)) => {
                    stored.held += u64::from(row.hold == Some(Hold::MaxDelete));
                    stored.files += u64::from(row.base.is_some());
                }
                // A row of a newer version is for the mount to judge.
                _ => {}
            }
        }
        Ok(stored)
    }
}

/// The answer of `landfall status`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// `ok`, `degraded` or `halted`.
    pub verdict: Verdict,
    /// One sentence.
    pub reason: String,
    /// Whether a process keeps the mirror now.
    pub running: bool,
    /// The workspace id.
    pub workspace: String,
    /// The remote directory.
    pub remote_root: String,
    /// The mirror.
    pub local_root: String,
    /// When it was last in step, RFC 3339; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_step_at: Option<String>,
    /// Whether a bootstrap was completed.
    pub complete: bool,
    /// Files known on the server.
    pub files_total: u64,
    /// Of these, in step.
    pub files_done: u64,
    /// What was set aside, with why.
    pub set_aside: Vec<SetAside>,
    /// Local edits that stay in place.
    pub local_only: u64,
    /// Names that can not be placed.
    pub refused_names: u64,
    /// The first 20 of them, and why.
    pub refused: Vec<SetAside>,
    /// Names here that the server can not have, and that stay here: how many, and the first 20 with
    /// what is wrong with them. As in the status file.
    pub strangers: Told,
    /// Brakes that are on, by name.
    pub brakes: Vec<String>,
    /// The same with their evidence, and the safe ways on.
    pub halts: Vec<Halt>,
    /// What it waits for.
    pub waits: Vec<String>,
    /// A word about the credentials, when they expire soon or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
    /// What scripts have always read.
    #[serde(flatten)]
    pub public: Public,
}

/// A path that is tried again, or a name that is refused.
#[derive(Clone, Debug, Serialize)]
pub struct SetAside {
    /// Which.
    pub path: String,
    /// Why.
    pub why: String,
}

/// A brake that is on.
#[derive(Clone, Debug, Serialize)]
pub struct Halt {
    /// Its name.
    pub brake: String,
    /// The evidence.
    pub seen: String,
    /// What would have happened.
    pub prevented: String,
    /// The safe ways on.
    pub ways: Vec<Way>,
}

/// A safe way on.
#[derive(Clone, Debug, Serialize)]
pub struct Way {
    /// When it is the right one.
    pub when: String,
    /// What to do.
    pub what: String,
    /// The command that does it, or that comes first. It can be pasted into a shell.
    pub command: String,
}

impl Report {
    /// Judges. Nothing is read and no clock is asked.
    pub fn new(seen: Seen<'_>) -> Self {
        let Seen { root, file, stored, conflicts, running, now, .. } = seen;
        let identity = identity(&seen);
        let (before, expiry) =
            file.map_or((Before::default(), None), |file| (file.before.clone(), file.credentials));
        let strangers = file.map(|file| file.strangers.clone()).unwrap_or_default();
        let told = file.and_then(|file| file.landfall.as_ref());
        let status = told.cloned().unwrap_or_else(|| WorkspaceStatus {
            complete: stored.complete,
            in_step_at: stored.in_step_at,
            files_total: stored.files,
            ..WorkspaceStatus::default()
        });
        let pid = file.and_then(|file| file.daemon).map(|daemon| daemon.pid);
        let killed = pid.filter(|_| !running);
        let (mut verdict, mut reason) = verdict(told, stored, running, killed);
        if running && verdict == Verdict::Ok && expiry.is_some_and(|expiry| expiry.is_over(now)) {
            verdict = Verdict::Degraded;
            reason = String::from("the credentials have expired");
        }
        let halts = status.brakes.iter().map(|brake| Halt {
            brake: brake.name().into(),
            seen: brake.seen(),
            prevented: brake.prevented(),
            ways: ways(brake, root),
        });
        let public = Public::new(Source {
            identity: &identity,
            status: &WorkspaceStatus { verdict, reason: reason.clone(), ..status.clone() },
            before: &before,
            conflicts,
            expiry,
            daemon: pid.filter(|_| running),
            now,
        });
        Self {
            schema: SCHEMA,
            verdict,
            reason,
            running,
            workspace: identity.workspace_id.clone(),
            remote_root: identity.remote_root.clone(),
            local_root: root.to_owned(),
            in_step_at: status.in_step_at.or(stored.in_step_at).map(rfc3339),
            complete: stored.complete,
            files_total: status.files_total,
            files_done: status.files_done,
            set_aside: named(&status.set_aside),
            local_only: status.local_only,
            refused_names: status.refused_names,
            refused: named(&status.refused),
            strangers,
            brakes: status.brakes.iter().map(|brake| brake.name().into()).collect(),
            halts: halts.collect(),
            waits: if running { status.waits } else { Vec::new() },
            credentials: expiry.and_then(|expiry| about(expiry, now)),
            public,
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Degraded => "degraded",
            Verdict::Halted => "halted",
        };
        let mut text = format!(
            "verdict: {verdict}\nreason: {}\nworkspace: {} {}\nmirror: {}\nrunning: {}\nfiles: {} of {} in step\n",
            self.reason,
            self.workspace,
            self.remote_root,
            self.local_root,
            if self.running { "yes" } else { "no" },
            self.files_done,
            self.files_total,
        );
        if let Some(at) = &self.in_step_at {
            text += &format!("last in step: {at}\n");
        }
        if let Some(credentials) = &self.credentials {
            text += &format!("credentials: {credentials}\n");
        }
        let copies = "conflict copies: `landfall conflicts list`";
        for (n, what) in [
            (self.local_only, "local edits stay in place"),
            (self.refused_names, "names from the server can not be placed"),
            (self.strangers.count as u64, "names here can not be on the server; rename them"),
            (self.public.denied_paths(), "files may not be read with these credentials"),
            (self.public.pending_conflicts(), copies),
            (self.public.pending_writeback(), "changes are on their way to the server"),
            (self.public.dead_letters(), "dead letters: `landfall writeback list`"),
        ] {
            if n > 0 {
                text += &format!("{n} {what}\n");
            }
        }
        for halt in &self.halts {
            let Halt { brake, seen, prevented, ways } = halt;
            text += &format!("\nbrake: {brake}\nseen: {seen}\nprevented: {prevented}\n");
            for Way { when, what, command } in ways {
                text += &format!("{when}: {what}\n    {command}\n");
            }
        }
        for SetAside { path, why } in &self.set_aside {
            text += &format!("set aside: {path}: {why}\n");
        }
        for SetAside { path, why } in &self.refused {
            text += &format!("refused: `{path}`: {why}\n");
        }
        for Stranger { path, why } in &self.strangers.first {
            text += &format!("stays here: `{path}`: {why}\n");
        }
        for wait in &self.waits {
            text += &format!("waits for: {wait}\n");
        }
        text
    }
}

fn named(list: &[(String, String)]) -> Vec<SetAside> {
    list.iter().map(|(path, why)| SetAside { path: path.clone(), why: why.clone() }).collect()
}

/// Who it is: the status file says, and where it does not, the marker.
fn identity(seen: &Seen<'_>) -> Identity {
    let mut identity = seen.file.map(|file| file.identity.clone()).unwrap_or_default();
    if let Some(marker) = seen.marker.filter(|_| identity.workspace_id.is_empty()) {
        identity.workspace_id.clone_from(&marker.workspace);
        identity.remote_root.clone_from(&marker.base);
    }
    identity.local_root = seen.root.to_owned();
    identity
}

/// `killed`: the process that wrote the status file and did not come to say its last word.
fn verdict(
    told: Option<&WorkspaceStatus>,
    stored: Stored,
    running: bool,
    killed: Option<u32>,
) -> (Verdict, String) {
    match (told, running) {
        (Some(status), true) => (status.verdict, status.reason.clone()),
        (Some(status), false) if status.verdict == Verdict::Halted => {
            (Verdict::Halted, status.reason.clone())
        }
        (Some(status), false) => match killed {
            Some(pid) => {
                let gone = format!("process {pid} kept it and is gone without a word");
                (Verdict::Degraded, format!("{gone}; a start goes on where it was"))
            }
            None if status.in_step => {
                (Verdict::Ok, String::from("in step when it last ran; not running now"))
            }
            None => {
                (Verdict::Degraded, String::from("not running, and not in step when it last ran"))
            }
        },
        (None, _) if stored.held > 0 => {
            let held = stored.held;
            (Verdict::Halted, format!("the brake `max-delete` is on: {held} deletes are held"))
        }
        (None, true) => (Verdict::Ok, String::from("starting")),
        (None, false) => {
            let reason = "not running, and its status file is missing or torn; a start mends it";
            (Verdict::Degraded, String::from(reason))
        }
    }
}

fn ways(brake: &landfall_core::brake::Brake, root: &str) -> Vec<Way> {
    brake
        .ways()
        .into_iter()
        .map(|way| Way {
            when: way.when.to_owned(),
            what: way.what,
            command: way.command.replace("DIR", &quoted(root)),
        })
        .collect()
}

/// As a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

fn about(expiry: Expiry, now: Wall) -> Option<String> {
    let apart = Ms(expiry.secs_left(now).unsigned_abs().saturating_mul(1000));
    match expiry {
        _ if expiry.is_over(now) => Some(format!("expired {apart} ago")),
        _ if expiry.is_soon(now) => Some(format!("expire in {apart}")),
        _ => None,
    }
}
