//! Is this directory the one that we know?
//!
//! A record per real path is kept outside the root, and a marker with the same id inside it.
//! A directory that came back empty, was swapped for another, or is suddenly meant for another
//! workspace is recognised before anything is compared, so that an empty disk can not be taken
//! for ten thousand deletes.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

/// What is remembered about a root, outside of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Record {
    /// The workspace that it mirrors.
    pub workspace: String,
    /// The remote directory that it mirrors.
    pub base: String,
    /// The id in its marker.
    pub marker: String,
    /// Files last seen in it.
    pub files: u64,
}

/// What lies inside a root and says which one it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Marker {
    /// The same id as in the record.
    pub id: String,
    /// The workspace that it mirrors.
    pub workspace: String,
    /// The remote directory that it mirrors.
    pub base: String,
}

/// What was found at the path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen<'a> {
    /// Whether there is a directory.
    pub exists: bool,
    /// The record of this path.
    pub record: Option<&'a Record>,
    /// The marker in this directory.
    pub marker: Option<&'a Marker>,
    /// Whether the marker's id is recorded for another path that still has it.
    pub marker_elsewhere: bool,
    /// What it is wanted for now.
    pub workspace: &'a str,
    /// The remote directory that is wanted now.
    pub base: &'a str,
}

/// The judgement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// Never seen: make a marker and a record.
    New,
    /// The one that is known.
    Known,
    /// A mirror whose record was lost with the user's state: make the record again.
    Moved,
    /// It was there and is not (exit 20).
    Missing,
    /// It is there, but not the one that is known (exit 78).
    MarkerGone,
    /// It is a copy of another root (exit 78).
    Copied,
    /// It belongs to another workspace or another remote directory (exit 78).
    OtherWorkspace,
}

/// Judges a root. Total and pure.
pub fn judge(seen: &Seen<'_>) -> Judgement {
    if !seen.exists {
        return match seen.record {
            Some(_) => Judgement::Missing,
            None => Judgement::New,
        };
    }
    let other = |workspace: &str, base: &str| workspace != seen.workspace || base != seen.base;
    match (seen.record, seen.marker) {
        (Some(record), None) if record.files > 0 => Judgement::MarkerGone,
        (Some(record), Some(marker)) if record.marker != marker.id => Judgement::MarkerGone,
        (_, Some(marker)) if other(&marker.workspace, &marker.base) => Judgement::OtherWorkspace,
        (None, Some(_)) if seen.marker_elsewhere => Judgement::Copied,
        (None, Some(_)) => Judgement::Moved,
        (Some(_), Some(_)) => Judgement::Known,
        // Nothing was ever placed there, so nothing can be mistaken for a delete.
        (Some(_) | None, None) => Judgement::New,
    }
}

impl Judgement {
    /// Whether the root may be used.
    pub fn is_good(self) -> bool {
        matches!(self, Judgement::New | Judgement::Known | Judgement::Moved)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Judgement::New => "a new root",
            Judgement::Known => "the root that is known",
            Judgement::Moved => "a root that was known under another record",
            Judgement::Missing => "this directory was mirrored before and is not there now",
            Judgement::MarkerGone => {
                "this directory was mirrored before, and is not the same directory any more"
            }
            Judgement::Copied => "this directory is a copy of another mirror",
            Judgement::OtherWorkspace => "this directory mirrors something else",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn record(files: u64) -> Record {
        Record {
            workspace: "w".to_string(),
            base: "/".to_string(),
            marker: "m1".to_string(),
            files,
        }
    }

    fn marker(id: &str, workspace: &str) -> Marker {
        Marker { id: id.to_string(), workspace: workspace.to_string(), base: "/".to_string() }
    }

    fn seen<'a>(record: Option<&'a Record>, marker: Option<&'a Marker>) -> Seen<'a> {
        Seen { exists: true, record, marker, marker_elsewhere: false, workspace: "w", base: "/" }
    }

    #[test]
    fn a_disk_that_came_back_empty_is_not_ten_thousand_deletes() {
        let record = record(10_000);
        assert_eq!(judge(&seen(Some(&record), None)), Judgement::MarkerGone);
        let gone = Seen { exists: false, ..seen(Some(&record), None) };
        assert_eq!(judge(&gone), Judgement::Missing);
    }

    #[test]
    fn another_disk_in_the_same_place_is_recognised() {
        let other = marker("m2", "w");
        assert_eq!(judge(&seen(Some(&record(5)), Some(&other))), Judgement::MarkerGone);
    }

    #[test]
    fn a_copy_is_told_from_a_root_that_moved() {
        let known = marker("m1", "w");
        let copied = Seen { marker_elsewhere: true, ..seen(None, Some(&known)) };
        assert_eq!(judge(&copied), Judgement::Copied);
        assert_eq!(judge(&seen(None, Some(&known))), Judgement::Moved);
    }

    #[test]
    fn another_workspace_is_refused() {
        let theirs = marker("m1", "theirs");
        assert_eq!(judge(&seen(None, Some(&theirs))), Judgement::OtherWorkspace);
        assert_eq!(judge(&seen(Some(&record(5)), Some(&theirs))), Judgement::OtherWorkspace);
    }

    #[test]
    fn an_ordinary_start_is_known_and_a_first_one_new() {
        let known = marker("m1", "w");
        assert_eq!(judge(&seen(Some(&record(5)), Some(&known))), Judgement::Known);
        assert_eq!(judge(&seen(None, None)), Judgement::New);
        assert_eq!(judge(&seen(Some(&record(0)), None)), Judgement::New);
    }
}
