//! `landfall wait`: returns when everything is in step, what nobody has scanned yet included, or
//! says what it waits for.

use std::path::Path;
use std::time::{Duration, Instant};

use landfall_core::files::entry::{Hold, Local};
use landfall_core::path::{CONTROL_DIR, RemotePath, Shown};
use landfall_core::row::{EntryRow, Row, StoredRow, Value};
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::{Ms, Wall};
use tokio::time::sleep;

use super::orders::{Orders, Wish};
use super::tell::TellError;
use crate::lock::Lock;
use crate::report::{ReportError, file, look, quoted, remote_path, stays_here};
use crate::store::{self, StoreError};
use crate::{clock, exit};

/// How often the answer is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How often a file that somebody waits for is looked at, and the database.
const LOOK_AT_FILE: Duration = Duration::from_millis(200);

/// Why it can not be waited.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The mirror can not be read, or the path is none of it.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The mount can not be asked.
    #[error(transparent)]
    Order(#[from] TellError),
}

impl WaitError {
    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            WaitError::Report(why) => why.code(),
            WaitError::Order(why) => why.code(),
        }
    }
}

/// Waits. Answers what to say, and the exit code: 0 in step, 75 not, or nobody is there who
/// could get there.
///
/// # Errors
/// If there is no mirror, or the mount can not be asked.
pub async fn wait(root: &Path, path: Option<&str>, timeout: Ms) -> Result<(String, u8), WaitError> {
    let control = root.join(CONTROL_DIR);
    if !control.join(store::FILE).exists() {
        return Err(ReportError::NoMirror(root.to_owned()).into());
    }
    let dir = quoted(&root.display().to_string());
    if !Lock::is_held(&control) {
        let text = format!(
            "no mount keeps {dir} now, so nobody knows what has changed and nothing gets in \
             step. Start it with `landfall mount --local-dir {dir}`\n"
        );
        return Ok((text, exit::UNAVAILABLE));
    }
    let orders = Orders::of(root);
    let until = Wall(clock::now().wall.0.saturating_add(timeout.0));
    let give = |wish: &Wish| {
        orders.give(wish).map_err(|why| TellError::Order(root.display().to_string(), why))
    };
    let since = Instant::now();
    let is_late = || since.elapsed().as_millis() >= u128::from(timeout.0);
    let waits = match path {
        Some(path) => {
            let told = file::read(root).map(|file| file.identity).unwrap_or_default();
            let path = remote_path(root, &told.remote_root, path)?;
            if stays_here(root, &told.remote_root, &path) && !is_known(root, &path)? {
                return Err(ReportError::Ignored(path.to_string()).into());
            }
            give(&Wish::Look { path: path.clone() })?;
            loop {
                match waits_for(root, &told.remote_root, &path) {
                    Ok(None) => return Ok((format!("{path} is in step\n"), exit::OK)),
                    Ok(Some(why)) if is_late() => break format!("{path}: {why}\n"),
                    Ok(Some(_)) => sleep(LOOK_AT_FILE).await,
                    Err(why) => return Err(ReportError::from(why).into()),
                }
            }
        }
        None => {
            let order = give(&Wish::Settle { until })?;
            loop {
                if orders.take_answer(&order).is_some_and(|answer| answer.settled) {
                    return Ok((String::from("in step\n"), exit::OK));
                }
                if is_late() || !Lock::is_held(&control) {
                    orders.remove(&order);
                    break waits(root);
                }
                sleep(LOOK).await;
            }
        }
    };
    let text = match Lock::is_held(&control) {
        true => format!("not in step after {timeout}. It waits for:\n{waits}"),
        false => format!("the mount of {dir} ended before it was in step:\n{waits}"),
    };
    Ok((text, exit::UNAVAILABLE))
}

/// What the mount said last.
fn waits(root: &Path) -> String {
    let Some(status) = file::read(root).and_then(|file| file.landfall) else {
        return String::from("the mount, which has not told anything yet\n");
    };
    // The reason is the first of them, or says why it is not well.
    let WorkspaceStatus { reason, waits, .. } = status;
    let others = waits.into_iter().filter(|wait| !wait.ends_with(reason.as_str()));
    let mut lines: Vec<String> = others.collect();
    lines.insert(0, reason);
    lines.into_iter().map(|line| format!("{}\n", Shown(&line))).collect()
}

/// What is known is kept in step, whatever its name.
fn is_known(root: &Path, path: &RemotePath) -> Result<bool, ReportError> {
    let db = root.join(CONTROL_DIR).join(store::FILE);
    Ok(store::read_kind(&db, "entry")?.iter().any(|row| row.key == path.as_str()))
}

/// What a path waits for: its bytes here have to be those that both sides are known to have,
/// with nothing on its way.
fn waits_for(root: &Path, base: &str, path: &RemotePath) -> Result<Option<String>, StoreError> {
    let db = root.join(CONTROL_DIR).join(store::FILE);
    let rows = |kind| store::read_kind(&db, kind);
    if rows("letter")?.iter().any(|row| is_of(row, path)) {
        return Ok(Some(String::from("it is a dead letter, see `landfall writeback list`")));
    }
    if rows("intent")?.iter().any(|row| row.key == path.as_str()) {
        return Ok(Some(String::from("it is on its way to the server")));
    }
    if rows("receipt")?.iter().any(|row| is_of(row, path)) {
        return Ok(Some(String::from("the server accepted it and still works on it")));
    }
    let entry = rows("entry")?.into_iter().find(|row| row.key == path.as_str());
    let entry = entry.and_then(|row| match Row::decode(&row).ok()?.value {
        Value::Entry(_, entry) => Some(entry),
        _ => None,
    });
    Ok(judge(entry.as_ref(), &look(root, base, path, None)))
}

fn is_of(row: &StoredRow, path: &RemotePath) -> bool {
    match Row::decode(row).map(|row| row.value) {
        Ok(Value::Letter(_, letter)) => letter.path == *path,
        Ok(Value::Receipt(_, receipt)) => receipt.path == *path,
        _ => false,
    }
}

fn judge(entry: Option<&EntryRow>, here: &Local) -> Option<String> {
    let hold = entry.and_then(|entry| entry.hold.as_ref());
    if let Some(hold) = hold {
        let is_aside = matches!(hold, Hold::Aside { .. });
        return Some(format!("{hold}{}", if is_aside { "; tried again" } else { "" }));
    }
    let base = entry.and_then(|entry| entry.base.as_ref());
    let there = entry.and_then(|entry| entry.remote.revision());
    let why = match (base, here) {
        (None, Local::Absent) if there.is_none() => return None,
        (Some(base), Local::File { hash, .. }) if base.hash == *hash => {
            if there == Some(&base.revision) {
                return None;
            }
            "the server has another version"
        }
        (_, Local::Odd(_)) => "it is not a file here",
        (_, Local::Unknown) => "it can not be read here",
        (_, Local::Absent) => "it is not here",
        (_, Local::File { .. }) => "what is here was not sent yet",
    };
    Some(why.into())
}

#[cfg(test)]
mod tests {
    use landfall_core::files::entry::{Odd, Ordinal, Remote, Unsent, Version};
    use landfall_core::hash::ContentHash;
    use landfall_core::id::Revision;

    use super::*;
    use crate::disk::Disk;

    fn entry(hash: ContentHash, there: &str) -> EntryRow {
        let revision = Revision("rev_1".into());
        let remote =
            Remote::File { revision: Revision(there.into()), hash: None, at: Ordinal::FIRST };
        EntryRow {
            base: Some(Version { revision, hash }),
            proof: None,
            placing: None,
            remote,
            hold: None,
            seen: 0,
            missed: None,
            lineage: Vec::new(),
            astray: false,
        }
    }

    #[test]
    fn a_path_is_in_step_when_its_bytes_are_those_of_both_sides() {
        // Only bytes that are here and are the base, with the revision that the server has, are
        // in step; and nothing at all, where nobody has anything.
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "a").unwrap();
        Disk::open(dir.path(), "/").unwrap();
        let path = RemotePath::parse("/a").unwrap();
        let here = look(dir.path(), "/", &path, None);
        let Local::File { hash, .. } = here else { panic!("{here:?}") };
        assert_eq!(judge(Some(&entry(hash, "rev_1")), &here), None);
        assert_eq!(judge(None, &Local::Absent), None);
        let dead = Hold::Unsent { what: Some(hash), why: Unsent::Dead };
        for (entry, here) in [
            (Some(entry(hash, "rev_2")), &here),
            (Some(entry(ContentHash([7; 32]), "rev_1")), &here),
            (Some(entry(hash, "rev_1")), &Local::Absent),
            (Some(entry(hash, "rev_1")), &Local::Unknown),
            (Some(entry(hash, "rev_1")), &Local::Odd(Odd::Directory)),
            (Some(EntryRow { hold: Some(dead), ..entry(hash, "rev_1") }), &here),
            (None, &here),
        ] {
            assert!(judge(entry.as_ref(), here).is_some(), "{entry:?}");
        }
    }
}
