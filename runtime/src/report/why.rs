//! `landfall why`: what is known of a path, and what will happen to it.

use std::path::Path;

use landfall_core::files::entry::{Entry, Hold, Local, Ordinal, Remote, Stamp, Version};
use landfall_core::files::plan::plan;
use landfall_core::hash::ContentHash;
use landfall_core::id::{CallId, UnitId};
use landfall_core::path::{CONTROL_DIR, RemotePath, Shown};
use landfall_core::row::{Row, StoredRow, Value};
use landfall_core::time::Wall;

use super::file::{self, Identity};
use super::{ReportError, rfc3339};
use crate::disk::{self, Disk};
use crate::{roots, store};

/// Says what is known of a path and what will happen to it.
pub fn why(root: &Path, name: &str) -> Result<String, ReportError> {
    let db = root.join(CONTROL_DIR).join(store::FILE);
    if !db.exists() {
        return Err(ReportError::NoMirror(root.to_owned()));
    }
    let Identity { remote_root, sync_mode, .. } = file::read(root)
        .map(|file| file.identity)
        .or_else(|| {
            Some(Identity { remote_root: roots::marker(root)?.base, ..Identity::default() })
        })
        .unwrap_or_default();
    let base = remote_root.as_str();
    let path = remote_path(root, base, name)?;
    let rows = store::read_kind(&db, "entry")?;
    let row = rows
        .iter()
        .filter(|row| row.key == path.as_str())
        .find_map(|row| match Row::decode(row).ok()?.value {
            Value::Entry(_, row) => Some(row),
            _ => None,
        })
        .ok_or_else(|| match stays_here(root, base, &path) {
            true => ReportError::Ignored(path.to_string()),
            false => ReportError::Unknown(path.to_string()),
        })?;
    let mut entry = Entry::from_row(row);
    let known = entry.proof.as_ref().map(|proof| (proof.hash, proof.stamp));
    entry.local = look(root, base, &path, known);
    let (action, rule) = plan(&entry, sync_mode);
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
    text += &on_its_way(&db, &path)?;
    let past = store::read_kind(&db, "mirror")?.iter().find_map(told_past_from);
    if entry.waits_for_tip(past) && action.follows_remote() {
        text += "waits:  the feed was lost and tells its past; nothing follows from that before \
                 its newest event\n";
    }
    Ok(text)
}

/// What goes from here to the server, and what came back.
fn on_its_way(db: &Path, path: &RemotePath) -> Result<String, ReportError> {
    let mut text = String::new();
    for kind in ["intent", "receipt", "letter"] {
        for row in store::read_kind(db, kind)? {
            text += &match Row::decode(&row).map(|row| row.value) {
                Ok(Value::Intent(of, row)) if of == *path => {
                    let tried = match row.failures {
                        0 => String::new(),
                        1 => String::from(", refused once and tried again"),
                        n => format!(", refused {n} times and tried again"),
                    };
                    format!("sends:  since {}{tried}\n", rfc3339(row.made))
                }
                Ok(Value::Receipt(_, row)) if row.path == *path => {
                    let (op, at) = (Shown(&row.op.0), rfc3339(row.accepted));
                    format!("sent:   accepted at {at} as {op}, and the server still works on it\n")
                }
                Ok(Value::Letter(command, row)) if row.path == *path => {
                    let command = Shown(&command.0);
                    format!(
                        "dead:   given up at {} after {} tries (status {}); \
                         landfall writeback show {command}\n",
                        rfc3339(row.at),
                        row.attempts,
                        row.status
                    )
                }
                _ => continue,
            };
        }
    }
    Ok(text)
}

/// Where the past begins that the feed is telling.
fn told_past_from(row: &StoredRow) -> Option<Ordinal> {
    match Row::decode(row).ok()?.value {
        Value::Mirror(row) => row.replay,
        _ => None,
    }
}

/// Whether a path that nobody knows yet is not looked at and not sent.
pub(crate) fn stays_here(root: &Path, base: &str, path: &RemotePath) -> bool {
    path.below(base).is_some_and(|below| disk::stays_here(root, below).unwrap_or(false))
}

/// What is at a path now. With `known`, its stamp may prove that.
pub(crate) fn look(
    root: &Path,
    base: &str,
    path: &RemotePath,
    known: Option<(ContentHash, Stamp)>,
) -> Local {
    use landfall_core::effect::DiskOp;
    use landfall_core::event::{Answer, Outcome};
    use landfall_core::files::entry::Found;
    let Ok(disk) = Disk::open(root, base) else { return Local::Unknown };
    let call = CallId { run: 0, unit: UnitId(0), n: 0 };
    match disk.perform(call, DiskOp::Look { path: path.clone(), known, writable: None }) {
        Outcome::Ok(Answer::Looked(Found::Absent)) => Local::Absent,
        Outcome::Ok(Answer::Looked(Found::Odd(odd))) => Local::Odd(odd),
        Outcome::Ok(Answer::Looked(Found::File { hash, stamp })) => {
            Local::File { hash, stamp, suspect: false }
        }
        _ => Local::Unknown,
    }
}

/// A name as a person writes it: a remote path, or a file below the mirror.
pub(crate) fn remote_path(root: &Path, base: &str, name: &str) -> Result<RemotePath, ReportError> {
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
        Action::SetMode { writable: false } => "it is made read-only",
        Action::SetMode { writable: true } => "it is made writable",
        Action::Push => "it is sent to the server",
        Action::PushDelete => "it is deleted on the server",
    }
}
