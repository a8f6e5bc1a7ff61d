//! A dead letter as programs and people see it.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::id::CommandId;
use landfall_core::path::CONTROL_DIR;
use landfall_core::row::LetterRow;
use serde::{Deserialize, Serialize};

use super::redact::redacted;
use crate::disk::Stage;
use crate::report::rfc3339;

/// A name that is longer is none for a file.
const NAME_MAX: usize = 128;

/// The first six keys are those of the client before.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// The server's name for the write if it gave one that can be a file's name, else `command`.
    pub op_id: String,
    /// The remote path.
    pub path: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The status of the last answer; 0 if it had none.
    pub last_status: u16,
    /// What the server said, at most 1,024 bytes, without credentials.
    pub last_body: String,
    /// When it was given up, RFC 3339.
    pub ts: String,
    /// Our name for the write.
    pub command: CommandId,
    /// SHA-256 of the bytes; absent for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// How many bytes there are; absent for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Where the bytes are kept, below the mirror; absent for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Letter {
    fn new(op_id: String, command: &CommandId, row: &LetterRow) -> Self {
        Self {
            op_id,
            path: row.path.to_string(),
            attempts: row.attempts,
            last_status: row.status,
            last_body: redacted(&row.said),
            ts: rfc3339(row.at),
            command: command.clone(),
            hash: row.bytes.map(|bytes| bytes.hash.to_string()),
            size: row.bytes.map(|bytes| bytes.size),
            kept: row
                .bytes
                .map(|bytes| format!("{CONTROL_DIR}/{}/{}", Stage::DIR, Stage::name(bytes.blob))),
        }
    }
}

/// The letters of a mirror, each under a name of its own.
pub fn letters(rows: &BTreeMap<CommandId, LetterRow>) -> Vec<Letter> {
    let mut taken: BTreeSet<&str> = rows.keys().map(|command| command.0.as_str()).collect();
    let named = rows.iter().map(|(command, row)| {
        let op = row.op.as_ref().map(|op| op.0.as_str());
        let name = op.filter(|op| is_safe(op) && taken.insert(op)).unwrap_or(&command.0);
        Letter::new(name.to_owned(), command, row)
    });
    let mut letters: Vec<Letter> = named.collect();
    letters.sort_by(|a, b| (&a.ts, &a.path, &a.command).cmp(&(&b.ts, &b.path, &b.command)));
    letters
}

/// Whether a name can be that of a file and of nothing else.
pub fn is_safe(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && c != '/' && c != '\\';
    !name.is_empty()
        && !name.starts_with('.')
        && !name.ends_with(".error")
        && name.len() <= NAME_MAX
        && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use landfall_core::id::OpId;
    use landfall_core::path::RemotePath;
    use landfall_core::time::Wall;

    use super::*;

    fn row(op: Option<&str>) -> LetterRow {
        LetterRow {
            path: RemotePath::parse("/a").unwrap(),
            op: op.map(|op| OpId(op.into())),
            bytes: None,
            attempts: 5,
            status: 422,
            said: "Bearer abc".into(),
            at: Wall(0),
        }
    }

    #[test]
    fn the_servers_name_is_used_where_it_is_safe_and_nobody_elses() {
        let rows = [
            ("c1", Some("op_1")),
            ("c2", Some("op_1")),
            ("c3", Some("../../etc/passwd")),
            ("c4", Some("c1")),
            ("c5", None),
        ];
        let rows = rows.map(|(command, op)| (CommandId(command.into()), row(op)));
        let letters = letters(&BTreeMap::from(rows));
        let names: Vec<&str> = letters.iter().map(|letter| letter.op_id.as_str()).collect();
        assert_eq!(names, ["op_1", "c2", "c3", "c4", "c5"]);
        assert_eq!(letters[0].last_body, "Bearer [redacted]");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_not_safe() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0", ".hidden", "x.error", &"x".repeat(200)] {
            assert!(!is_safe(name), "{name}");
        }
        assert!(is_safe("op_1") && is_safe("op:1"));
    }
}
