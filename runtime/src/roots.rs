//! Records and markers of roots; what follows from them is judged by the core.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use landfall_core::path::CONTROL_DIR;
use landfall_core::roots::{Judgement, Marker, Record, Seen, judge};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::hash_file;

/// A root, and what is known about it.
#[derive(Debug)]
pub struct Root {
    /// Its real path.
    pub path: PathBuf,
    records: PathBuf,
    record: Option<Record>,
    marker: Option<Marker>,
}

impl Root {
    /// Looks at a root. `state` is the user's state directory.
    pub fn look(path: &Path, state: &Path) -> io::Result<Self> {
        let real = match fs::canonicalize(path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => real_parent(path)?,
            other => other?,
        };
        let records = state.join("roots");
        let record = read(&records.join(name_of(&real)))?;
        let marker = read(&marker_path(&real))?;
        Ok(Self { path: real, records, record, marker })
    }

    /// Whether it was a root before.
    pub fn is_known(&self) -> bool {
        self.record.is_some()
    }

    /// Whether it may be used for this.
    pub fn judge(&self, workspace: &str, base: &str) -> Judgement {
        judge(&Seen {
            exists: self.path.is_dir(),
            record: self.record.as_ref(),
            marker: self.marker.as_ref(),
            marker_elsewhere: self.marker_elsewhere(),
            workspace,
            base,
        })
    }

    /// Makes the directory, the marker and the record that a good root has. Answers its id.
    pub fn settle(&mut self, workspace: &str, base: &str) -> io::Result<String> {
        fs::create_dir_all(self.path.join(CONTROL_DIR))?;
        let marker = match self.marker.take() {
            Some(marker) => marker,
            None => {
                let (workspace, base) = (workspace.to_owned(), base.to_owned());
                let marker = Marker { id: new_id(), workspace, base };
                write(&marker_path(&self.path), &marker)?;
                marker
            }
        };
        let id = marker.id.clone();
        self.marker = Some(marker);
        let files = self.record.as_ref().map_or(0, |record| record.files);
        self.remember(files)?;
        Ok(id)
    }

    /// Remembers how many files are in it.
    pub fn remember(&mut self, files: u64) -> io::Result<()> {
        let Some(marker) = &self.marker else { return Ok(()) };
        let record = Record {
            workspace: marker.workspace.clone(),
            base: marker.base.clone(),
            marker: marker.id.clone(),
            files,
        };
        fs::create_dir_all(&self.records)?;
        write(&self.records.join(name_of(&self.path)), &record)?;
        // So that a copy of this root can find the original.
        let by_id = self.records.join(format!("{}.path", marker.id));
        fs::write(by_id, self.path.as_os_str().as_encoded_bytes())?;
        self.record = Some(record);
        Ok(())
    }

    /// Whether another directory has the same marker, and is the one that was recorded.
    fn marker_elsewhere(&self) -> bool {
        let Some(marker) = &self.marker else { return false };
        let by_id = self.records.join(format!("{}.path", marker.id));
        let Ok(other) = fs::read_to_string(by_id) else { return false };
        let other = PathBuf::from(other);
        let theirs: Option<Marker> = read(&marker_path(&other)).ok().flatten();
        other != self.path && theirs.is_some_and(|theirs| theirs.id == marker.id)
    }
}

/// The user's state directory: `$XDG_STATE_HOME`, or `~/.local/state`.
pub fn state_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = match (set("XDG_STATE_HOME"), set("HOME")) {
        (Some(state), _) => PathBuf::from(state),
        (None, Some(home)) => PathBuf::from(home).join(".local/state"),
        (None, None) => std::env::temp_dir(),
    };
    base.join("landfall")
}

/// What to tell a person about a root that may not be used.
pub fn advice(judgement: Judgement, path: &Path) -> String {
    let path = path.display();
    let what = match judgement {
        Judgement::New | Judgement::Known | Judgement::Moved => String::new(),
        Judgement::Missing => format!(
            "If its disk is not mounted, mount it. If it was deleted on purpose, make it again \
             with `mkdir -p {path}`; everything is then fetched again and nothing is deleted \
             on the remote."
        ),
        Judgement::MarkerGone => format!(
            "If its disk is not mounted, mount it. If this is really a new directory, use \
             another --local-dir, or forget the old one with `landfall forget {path}`."
        ),
        Judgement::Copied => format!(
            "Two mirrors with one identity would undo each other. Remove {path}/{CONTROL_DIR} \
             to make it a mirror of its own, or use the original."
        ),
        Judgement::OtherWorkspace => format!(
            "Use another --local-dir, or the --workspace and --remote-path that it was made \
             with. Nothing in {path} was touched."
        ),
    };
    format!("{judgement}: {path}. {what}")
}

/// The marker in a root, if there is one that can be read.
pub fn marker(root: &Path) -> Option<Marker> {
    read(&marker_path(root)).ok().flatten()
}

/// Forgets what is recorded about a path.
pub fn forget(path: &Path, state: &Path) -> io::Result<bool> {
    let root = Root::look(path, state)?;
    let record = root.records.join(name_of(&root.path));
    match fs::remove_file(record) {
        Ok(()) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
    }
}

/// The real path of something that does not exist yet.
fn real_parent(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => match fs::canonicalize(parent) {
            Ok(parent) => Ok(parent.join(name)),
            Err(_) => Ok(absolute.clone()),
        },
        _ => Ok(absolute),
    }
}

fn marker_path(root: &Path) -> PathBuf {
    root.join(CONTROL_DIR).join("marker.json")
}

fn name_of(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    match hash_file(bytes) {
        Ok(hash) => format!("{hash}.json"),
        Err(_) => String::from("unreadable.json"),
    }
}

fn new_id() -> String {
    // Keys of the standard library's hash maps come from the operating system.
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|why| {
            let why = format!("{} can not be read: {why}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        }),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why),
    }
}

/// Replaces a small file in one step. A power cut leaves the old one or the new one: a marker
/// that is empty could not be told from one that a person broke.
pub fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let temp = path.with_extension("new");
    let mut file = fs::File::create(&temp)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(temp, path)
}
