//! What can be asked of a mirror on disk, with or without a process that keeps it:
//! `landfall status` and `landfall why`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use landfall_core::files::entry::{Entry, Hold, Local, Remote, Version};
use landfall_core::files::plan::{SyncMode, plan};
use landfall_core::id::{CallId, UnitId};
use landfall_core::path::{CONTROL_DIR, RemotePath};
use landfall_core::row::{Row, Value};
use landfall_core::status::{Verdict, WorkspaceStatus};
use landfall_core::time::Wall;
use serde::{Deserialize, Serialize};

use crate::disk::Disk;
use crate::lock::Lock;
use crate::store;

/// The schema of the status in JSON.
pub const SCHEMA: &str = "landfall.status/1";

/// The file that a mount keeps up to date, below the control directory.
pub const FILE: &str = "state.json";

/// What `.relay/state.json` holds besides the status itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusFile {
    /// [`SCHEMA`].
    pub schema: String,
    /// The workspace id.
    pub workspace_id: String,
    /// The remote directory.
    pub remote_root: String,
    /// The mirror.
    pub local_root: String,
    /// `pull-only`.
    pub sync_mode: SyncMode,
    /// Between two looks at the feed.
    pub interval_ms: u64,
    /// The status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landfall: Option<WorkspaceStatus>,
}

impl StatusFile {
    /// The file with a status in it.
    pub fn text(&self, status: &WorkspaceStatus) -> String {
        // What only says when this was written would make every look a write.
        let status = WorkspaceStatus { next_wake: None, ..status.clone() };
        let file = Self { landfall: Some(status), ..self.clone() };
        serde_json::to_string_pretty(&file).unwrap_or_default()
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
    /// Brakes that are on, by name.
    pub brakes: Vec<String>,
    /// What it waits for.
    pub waits: Vec<String>,
}

/// A path that is tried again.
#[derive(Clone, Debug, Serialize)]
pub struct SetAside {
    /// Which.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Why there is nothing to report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is no mirror.
    #[error(
        "{0} is not a mirror: {0}/.relay/state.db is missing. Make one with `landfall mount --local-dir {0}`"
    )]
    NoMirror(PathBuf),
    /// The database can not be read.
    #[error(transparent)]
    Store(#[from] store::StoreError),
    /// The path is not one.
    #[error("`{0}` is not a path of this mirror: {1}")]
    Path(String, String),
    /// Nothing is known of the path.
    #[error("nothing is known of {0}: the server has not shown such a file, and none was placed")]
    Unknown(String),
}

/// Reads the state of a mirror from its disk.
pub fn report(root: &Path) -> Result<Report, ReportError> {
    let control = root.join(CONTROL_DIR);
    let db = control.join(store::FILE);
    if !db.exists() {
        return Err(ReportError::NoMirror(root.to_owned()));
    }
    let running = Lock::is_held(&control);
    let file: Option<StatusFile> =
        fs::read(control.join(FILE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let (status, workspace, remote_root) = match file {
        Some(file) => (file.landfall, file.workspace_id, file.remote_root),
        None => (None, String::new(), String::new()),
    };
    let mut complete = false;
    let mut in_step_at = None;
    for row in store::read_only(&db)? {
        if let Ok(Row { value: Value::Mirror(row), .. }) = Row::decode(&row) {
            (complete, in_step_at) = (row.complete, row.in_step_at);
        }
    }
    let in_step_at = status.as_ref().and_then(|s| s.in_step_at).or(in_step_at).map(rfc3339);
    let (verdict, reason) = match (&status, running) {
        (Some(status), true) => (status.verdict, status.reason.clone()),
        (Some(status), false) if status.verdict == Verdict::Halted => {
            (Verdict::Halted, status.reason.clone())
        }
        (Some(status), false) if status.in_step => {
            (Verdict::Ok, String::from("in step when it last ran; not running now"))
        }
        (_, false) => {
            (Verdict::Degraded, String::from("not running, and not in step when it last ran"))
        }
        (None, true) => (Verdict::Ok, String::from("starting")),
    };
    let brakes = status.iter().flat_map(|s| &s.brakes).map(|brake| brake.name().into()).collect();
    let set_aside = status.iter().flat_map(|s| s.set_aside.clone());
    Ok(Report {
        schema: SCHEMA,
        verdict,
        reason,
        running,
        workspace,
        remote_root,
        local_root: root.display().to_string(),
        in_step_at,
        complete,
        files_total: status.as_ref().map_or(0, |s| s.files_total),
        files_done: status.as_ref().map_or(0, |s| s.files_done),
        set_aside: set_aside.map(|(path, why)| SetAside { path, why }).collect(),
        local_only: status.as_ref().map_or(0, |s| s.local_only),
        refused_names: status.as_ref().map_or(0, |s| s.refused_names),
        brakes,
        waits: status.filter(|_| running).map_or_else(Vec::new, |s| s.waits),
    })
}

impl Report {
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
        for (n, what) in [
            (self.local_only, "local edits stay in place"),
            (self.refused_names, "names from the server can not be placed"),
        ] {
            if n > 0 {
                text += &format!("{n} {what}\n");
            }
        }
        for SetAside { path, why } in &self.set_aside {
            text += &format!("set aside: {path}: {why}\n");
        }
        for wait in &self.waits {
            text += &format!("waits for: {wait}\n");
        }
        text
    }
}

/// Says what is known of a path and what will happen to it.
pub fn why(root: &Path, name: &str) -> Result<String, ReportError> {
    let db = root.join(CONTROL_DIR).join(store::FILE);
    if !db.exists() {
        return Err(ReportError::NoMirror(root.to_owned()));
    }
    let file: Option<StatusFile> = fs::read(root.join(CONTROL_DIR).join(FILE))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let base = file.as_ref().map_or("/", |file| file.remote_root.as_str());
    let mode = file.as_ref().map_or(SyncMode::PullOnly, |file| file.sync_mode);
    let path = remote_path(root, base, name)?;
    let rows = store::read_only(&db)?;
    let row = rows
        .iter()
        .filter(|row| row.kind == "entry" && row.key == path.as_str())
        .find_map(|row| match Row::decode(row).ok()?.value {
            Value::Entry(_, row) => Some(row),
            _ => None,
        })
        .ok_or_else(|| ReportError::Unknown(path.to_string()))?;
    let mut entry = Entry::from_row(row);
    entry.local = look(root, base, &path, &entry);
    let (action, rule) = plan(&entry, mode);
    let mut text = format!("{path}\n");
    text += &format!("here:   {}\n", local(&entry.local));
    text += &format!("there:  {}\n", remote(&entry.remote));
    text += &format!("base:   {}\n", entry.base.as_ref().map_or("none".into(), version));
    text += &format!("rule:   {rule}\n");
    text += &format!("action: {}\n", action_in_words(action));
    if let Some(hold) = &entry.hold {
        text += &format!("held:   {hold}");
        if let Hold::Aside { again, .. } = hold {
            text += &format!(", next try at {}", rfc3339(Wall(again.set.0 + again.length.0)));
        }
        text += "\n";
    }
    Ok(text)
}

fn look(root: &Path, base: &str, path: &RemotePath, entry: &Entry) -> Local {
    use landfall_core::effect::DiskOp;
    use landfall_core::event::{Answer, Outcome};
    use landfall_core::files::entry::Found;
    let known = entry.proof.as_ref().map(|proof| (proof.hash, proof.stamp));
    let Ok(disk) = Disk::open(root, base) else { return Local::Unknown };
    let call = CallId { run: 0, unit: UnitId(0), n: 0 };
    match disk.perform(call, DiskOp::Look { path: path.clone(), known }) {
        Outcome::Ok(Answer::Looked(Found::Absent)) => Local::Absent,
        Outcome::Ok(Answer::Looked(Found::Odd(odd))) => Local::Odd(odd),
        Outcome::Ok(Answer::Looked(Found::File { hash, stamp })) => {
            Local::File { hash, stamp, suspect: false }
        }
        _ => Local::Unknown,
    }
}

/// A name as a person writes it: a remote path, or a file below the mirror.
fn remote_path(root: &Path, base: &str, name: &str) -> Result<RemotePath, ReportError> {
    let local = std::path::absolute(name).ok();
    let below = local.as_ref().and_then(|path| path.strip_prefix(root).ok());
    let remote = match below {
        Some(below) => format!("{}/{}", base.trim_end_matches('/'), below.display()),
        None if name.starts_with('/') => name.to_owned(),
        None => format!("{}/{}", base.trim_end_matches('/'), name.trim_start_matches("./")),
    };
    RemotePath::parse(&remote).map_err(|why| ReportError::Path(remote, why.to_string()))
}

fn local(local: &Local) -> String {
    match local {
        Local::Unknown => "not known".into(),
        Local::Absent => "nothing".into(),
        Local::File { hash, stamp, .. } => format!("{} ({} bytes)", hash.short(), stamp.size),
        Local::Odd(odd) => format!("{odd:?}, not a file"),
    }
}

fn remote(remote: &Remote) -> String {
    match remote {
        Remote::Unknown(_) => "not known".into(),
        Remote::Absent(_) => "deleted".into(),
        Remote::Hidden(_) => "may not be read".into(),
        Remote::File { revision, hash: Some(hash), .. } => format!("{} ({revision})", hash.short()),
        Remote::File { revision, hash: None, .. } => format!("{revision}, hash not told"),
    }
}

fn version(version: &Version) -> String {
    format!("{} ({})", version.hash.short(), version.revision)
}

fn action_in_words(action: landfall_core::files::plan::Action) -> &'static str {
    use landfall_core::files::plan::Action;
    match action {
        Action::Rest => "nothing is done",
        Action::LookLocal => "the disk is looked at",
        Action::LookRemote => "the server is asked for it by name",
        Action::Adopt => "it is remembered as equal on both sides",
        Action::Forget => "it is forgotten",
        Action::Fetch { keep: false } => "it is read from the server and placed",
        Action::Fetch { keep: true } => {
            "it is read from the server and placed; the local bytes are kept as a conflict copy"
        }
        Action::Trash => "it is moved to the trash",
        Action::SetAside => "it is kept as a conflict copy",
        Action::Push => "it is sent to the server",
        Action::PushDelete => "it is deleted on the server",
    }
}

fn rfc3339(wall: Wall) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(wall.0);
    humantime::format_rfc3339_seconds(time).to_string()
}
