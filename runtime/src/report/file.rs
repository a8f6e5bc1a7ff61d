//! `.relay/state.json`: what a mount last told, for whoever reads files.
//!
//! The mount is its only writer. Keys that it does not know, left by another program, stay.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_core::files::plan::SyncMode;
use landfall_core::path::CONTROL_DIR;
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::{Ms, Wall};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::conflicts;
use super::public::{Before, OPTIONAL, Public, Source};
use super::{FILE, SCHEMA};
use crate::clock;
use crate::disk::strangers::{Strangers, Told};
use crate::expiry::{Credentials, Expiry};

/// A status file that is larger is not read. With all its files listed in it, as other clients
/// do, this is enough for some hundred thousand.
const READ_MAX: u64 = 64 * 1024 * 1024;

/// Keys of others that are kept, all together.
const UNKNOWN_MAX: usize = 1024 * 1024;

/// The file is not written more often than this.
const FACTS: Duration = Duration::from_secs(1);

/// When only the words changed in which it is said what is waited for.
const WORDS: Duration = Duration::from_secs(5);

/// When nothing but the time changed at which a mirror that is in step was last heard to be so.
const HEARTBEAT: Ms = Ms::secs(30);

/// Which mirror it is. Does not change while a mount runs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// The workspace id.
    pub workspace_id: String,
    /// The remote directory.
    pub remote_root: String,
    /// The mirror.
    pub local_root: String,
    /// `mirror`, `pull-only` or `write-only`.
    pub sync_mode: SyncMode,
    /// Between two looks at the feed.
    pub interval_ms: u64,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            workspace_id: String::new(),
            remote_root: String::from("/"),
            local_root: String::new(),
            sync_mode: SyncMode::PullOnly,
            interval_ms: 0,
        }
    }
}

impl Identity {
    /// How often the file shows that all is well: with each look at the feed, but at most every
    /// 30 s.
    pub fn heartbeat(&self) -> Ms {
        Ms(self.interval_ms).max(HEARTBEAT)
    }
}

/// What is read back from the file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StatusFile {
    /// Which mirror.
    #[serde(flatten)]
    pub identity: Identity,
    /// What the machine told. Absent in a file of another program.
    #[serde(default)]
    pub landfall: Option<WorkspaceStatus>,
    /// What the credentials said of their time.
    #[serde(default)]
    pub credentials: Option<Expiry>,
    /// What stays there for its name.
    #[serde(default)]
    pub strangers: Told,
    /// The process that wrote it, while it ran.
    #[serde(default)]
    pub daemon: Option<DaemonKey>,
    /// What earlier runs told.
    #[serde(flatten)]
    pub before: Before,
}

/// The key `daemon`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
pub struct DaemonKey {
    /// The process id.
    pub pid: u32,
}

/// Reads the file of a mirror. `None` if it is missing or torn.
pub fn read(root: &Path) -> Option<StatusFile> {
    serde_json::from_value(Value::Object(read_keys(&root.join(CONTROL_DIR).join(FILE))?)).ok()
}

fn read_keys(path: &Path) -> Option<Map<String, Value>> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).ok()?.take(READ_MAX + 1).read_to_end(&mut bytes).ok()?;
    if read as u64 > READ_MAX {
        return None;
    }
    serde_json::from_slice(&bytes).ok()
}

/// Keeps the file up to date.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    control: PathBuf,
    identity: Identity,
    credentials: Credentials,
    strangers: Strangers,
    before: Before,
    unknown: Map<String, Value>,
    conflicts: Option<Counted>,
    written: Option<Written>,
}

/// Conflict copies. A person takes them away and the machine adds to them.
#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    /// Copies that the machine had made by then.
    kept: u64,
    copies: u64,
}

#[derive(Debug)]
struct Written {
    at: Instant,
    facts: Facts,
    words: Words,
}

/// What is worth a write as soon as it changes.
type Facts = (WorkspaceStatus, Option<Expiry>, bool, Told);

/// What is worth one now and then.
type Words = (String, Vec<String>, [Option<Wall>; 4]);

impl Writer {
    /// A writer for the mirror at `root`. What others left in the file is read once, here.
    pub fn new(
        root: &Path,
        identity: Identity,
        credentials: Credentials,
        strangers: Strangers,
    ) -> Self {
        let control = root.join(CONTROL_DIR);
        let path = control.join(FILE);
        let mut unknown = read_keys(&path).unwrap_or_default();
        let before = serde_json::from_value(Value::Object(unknown.clone())).unwrap_or_default();
        let ours = keys(&identity, WorkspaceStatus::default(), &Before::default());
        unknown.retain(|key, _| !ours.contains_key(key) && !OPTIONAL.contains(&key.as_str()));
        if serde_json::to_vec(&unknown).map_or(0, |bytes| bytes.len()) > UNKNOWN_MAX {
            tracing::warn!("{} has more in it than is kept", path.display());
            unknown.clear();
        }
        let (conflicts, written) = (None, None);
        Self {
            path,
            control,
            identity,
            credentials,
            strangers,
            before,
            unknown,
            conflicts,
            written,
        }
    }

    /// Writes what is new, as often as that is worth it.
    pub fn tell(&mut self, status: &WorkspaceStatus, now: Instant) {
        let wall = clock::now().wall;
        let expiry = self.credentials.expiry();
        let is_over = expiry.is_some_and(|expiry| expiry.is_over(wall));
        let facts = (facts(status), expiry, is_over, self.strangers.told());
        let words = words(status);
        if let Some(written) = &self.written {
            let pace = if written.facts != facts {
                FACTS
            } else if written.words == words {
                return;
            } else if status.in_step {
                Duration::from_millis(self.identity.heartbeat().0)
            } else {
                WORDS
            };
            if now < written.at + pace {
                return;
            }
        }
        let conflicts = self.conflicts(status.counters.kept, now);
        self.write(status, conflicts, expiry, Some(std::process::id()), wall);
        self.written = Some(Written { at: now, facts, words });
    }

    /// Writes the last word of a process that ends.
    pub fn end(&mut self, status: &WorkspaceStatus) {
        let (conflicts, expiry) = (conflicts::count(&self.control), self.credentials.expiry());
        self.write(status, conflicts, expiry, None, clock::now().wall);
    }

    /// How many copies there are, counted again where the machine made one, and now and then.
    fn conflicts(&mut self, kept: u64, now: Instant) -> u64 {
        let lasts = Duration::from_millis(HEARTBEAT.0);
        match self.conflicts {
            Some(counted) if counted.kept == kept && now < counted.at + lasts => counted.copies,
            _ => {
                let copies = conflicts::count(&self.control);
                self.conflicts = Some(Counted { at: now, kept, copies });
                copies
            }
        }
    }

    fn write(
        &self,
        status: &WorkspaceStatus,
        conflicts: u64,
        expiry: Option<Expiry>,
        daemon: Option<u32>,
        now: Wall,
    ) {
        let (identity, before) = (&self.identity, &self.before);
        let source = Source { identity, status, before, conflicts, expiry, daemon, now };
        let mut file = self.unknown.clone();
        file.extend(object(&Public::new(source)));
        file.extend(own_keys(status, expiry, &self.strangers.told()));
        let text = serde_json::to_string_pretty(&file).unwrap_or_default();
        let temp = self.path.with_extension("json.new");
        let written = fs::write(&temp, &text).and_then(|()| fs::rename(&temp, &self.path));
        if let Err(why) = written {
            tracing::debug!("{} can not be written: {why}", self.path.display());
        }
    }
}

fn own_keys(
    status: &WorkspaceStatus,
    expiry: Option<Expiry>,
    strangers: &Told,
) -> Map<String, Value> {
    // What only says when this was written is of no use to a reader.
    let status = WorkspaceStatus { next_wake: None, ..status.clone() };
    let mut keys = Map::new();
    keys.insert("schema".into(), SCHEMA.into());
    keys.insert("credentials".into(), serde_json::to_value(expiry).unwrap_or_default());
    keys.insert("strangers".into(), serde_json::to_value(strangers).unwrap_or_default());
    keys.insert("landfall".into(), serde_json::to_value(status).unwrap_or_default());
    keys
}

/// All keys that this program writes.
fn keys(identity: &Identity, status: WorkspaceStatus, before: &Before) -> Map<String, Value> {
    let now = Wall::default();
    let (status, conflicts, expiry, daemon) = (&status, 0, None, None);
    let source = Source { identity, status, before, conflicts, expiry, daemon, now };
    let mut keys = object(&Public::new(source));
    keys.extend(own_keys(status, None, &Told::default()));
    keys
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn facts(status: &WorkspaceStatus) -> WorkspaceStatus {
    let mut facts = status.clone();
    facts.next_wake = None;
    facts.reason.clear();
    facts.waits.clear();
    facts.in_step_at = None;
    (facts.heard.answered_at, facts.heard.event_at) = (None, None);
    let listener = &mut facts.listener;
    (listener.alive_at, listener.asked_at, listener.again_at) = (None, None, None);
    (facts.circuit.opened_at, facts.circuit.retry_at) = (None, None);
    facts
}

fn words(status: &WorkspaceStatus) -> Words {
    let heard = &status.heard;
    let times = [status.in_step_at, heard.answered_at, heard.event_at, status.listener.alive_at];
    (status.reason.clone(), status.waits.clone(), times)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            workspace_id: "w".into(),
            remote_root: "/".into(),
            local_root: "/m".into(),
            sync_mode: SyncMode::PullOnly,
            interval_ms: 1_000,
        }
    }

    struct Mirror(tempfile::TempDir);

    impl Mirror {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join(CONTROL_DIR)).unwrap();
            Self(dir)
        }

        fn path(&self) -> PathBuf {
            self.0.path().join(CONTROL_DIR).join(FILE)
        }

        fn writer(&self) -> Writer {
            Writer::new(self.0.path(), identity(), Credentials::Given(None), Strangers::none())
        }

        fn json(&self) -> Value {
            serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap()
        }
    }

    fn in_step(at: u64) -> WorkspaceStatus {
        let mut status = WorkspaceStatus { in_step: true, complete: true, ..Default::default() };
        status.in_step_at = Some(Wall(at));
        status.heard.answered_at = Some(Wall(at));
        status
    }

    #[test]
    fn a_quiet_mirror_writes_only_a_heartbeat() {
        // A clock that moves twice a second for ten minutes: 20 writes. One that stands: none.
        let mirror = Mirror::new();
        let (mut writer, begin) = (mirror.writer(), Instant::now());
        let mut writes = 0;
        for half in 0..2 * 600 {
            let _ = fs::remove_file(mirror.path());
            writer.tell(&in_step(half), begin + Duration::from_millis(half * 500));
            writes += u32::from(mirror.path().exists());
        }
        assert_eq!(writes, 20);
        let later = begin + Duration::from_secs(100_000);
        let _ = fs::remove_file(mirror.path());
        writer.tell(&in_step(9_999), later);
        assert!(mirror.path().exists());
        fs::remove_file(mirror.path()).unwrap();
        writer.tell(&in_step(9_999), later + Duration::from_secs(100_000));
        assert!(!mirror.path().exists());
    }

    #[test]
    fn a_fact_is_written_within_a_second_and_words_within_five() {
        let mirror = Mirror::new();
        let (mut writer, begin) = (mirror.writer(), Instant::now());
        let mut told = |status: &WorkspaceStatus, ms: u64| {
            let _ = fs::remove_file(mirror.path());
            writer.tell(status, begin + Duration::from_millis(ms));
            mirror.path().exists()
        };
        let mut status = WorkspaceStatus::default();
        assert!(told(&status, 0));
        status.files_done = 1;
        assert!(!told(&status, 500) && told(&status, 1_000));
        status.reason = "something else".into();
        assert!(!told(&status, 5_500) && told(&status, 6_000));
    }

    #[test]
    fn keys_of_others_stay_and_old_ones_of_ours_go() {
        let mirror = Mirror::new();
        let old = serde_json::json!({
            "workspaceId": "other", "guards": {"a": [1]}, "files": {"/x": {}}, "stallReason": "old",
            "lastEventAt": "2026-01-02T03:04:05Z", "lastAppliedRevision": "rev_7",
            "daemon": {"pid": 1, "logFile": "x"},
        });
        fs::write(mirror.path(), old.to_string()).unwrap();
        mirror.writer().end(&in_step(1_000));
        let json = mirror.json();
        assert_eq!(json["guards"], serde_json::json!({"a": [1]}));
        assert_eq!(json["workspaceId"], "w");
        for gone in ["files", "stallReason", "daemon"] {
            assert!(json.get(gone).is_none(), "{gone}");
        }
        assert_eq!(json["lastEventAt"], "2026-01-02T03:04:05Z", "this run knows of no event");
        assert_eq!(json["lastAppliedRevision"], "rev_7");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mirror = Mirror::new();
        let mut writer = mirror.writer();
        writer.tell(&in_step(1_000), Instant::now());
        let file = read(mirror.0.path()).unwrap();
        assert_eq!(file.identity, identity());
        assert_eq!(file.landfall, Some(in_step(1_000)));
        assert_eq!(file.daemon, Some(DaemonKey { pid: std::process::id() }));
        fs::write(mirror.path(), &fs::read(mirror.path()).unwrap()[..100]).unwrap();
        assert_eq!(read(mirror.0.path()), None, "torn");
    }
}
