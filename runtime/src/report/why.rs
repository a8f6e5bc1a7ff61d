//! `landfall why`: what is known of a path, and what will happen to it.

use std::path::Path;

use landfall_core::files::entry::{Entry, Hold, Local, Ordinal, Remote, Stamp, Version};
use landfall_core::files::plan::plan;
use landfall_core::hash::ContentHash;
use landfall_core::id::{CallId, UnitId};
use landfall_core::path::{CONTROL_DIR, RemotePath};
use landfall_core::row::{Row, StoredRow, Value};
use landfall_core::time::Wall;

use super::file::{self, Identity};
use super::{ReportError, rfc3339};
use crate::disk::Disk;
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
        .ok_or_else(|| ReportError::Unknown(path.to_string()))?;
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
    let past = store::read_kind(&db, "mirror")?.iter().find_map(told_past_from);
    if past.is_some_and(|from| entry.waits_for_tip(from)) && action.follows_remote() {
        text += "waits:  the feed was lost and tells its past; nothing follows from that before \
                 its newest event\n";
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
