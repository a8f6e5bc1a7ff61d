//! `.relay/dead-letter/<opId>.json`: dead letters for those who read files.
//!
//! The rows of the database are the truth, and these files follow them: whenever the set of
//! letters changes and at each start. What is there and was not written by Landfall stays, and
//! `landfall writeback status` tells of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use landfall_core::effect::Change;
use landfall_core::event::LastExit;
use landfall_core::id::{CommandId, CommitSeq};
use landfall_core::path::{CONTROL_DIR, Shown};
use landfall_core::row::{LetterRow, Of, Row, StoredRow, Value};
use serde::{Deserialize, Serialize};

use super::letter::{Letter, letters};

/// Below the control directory.
const DIR: &str = "dead-letter";

/// What our records say of themselves.
const SCHEMA: &str = "landfall.dead-letter/1";

/// A larger record is not one of ours.
const RECORD_MAX: u64 = 64 * 1024;

/// More files are not looked at.
const FILES_MAX: usize = 100_000;

#[derive(Deserialize, Serialize)]
struct Record {
    schema: String,
    #[serde(flatten)]
    letter: Letter,
}

impl Record {
    /// Whether it was written by us under this name.
    fn is_ours(&self, name: &str) -> bool {
        let stem = name.strip_suffix(".json").unwrap_or_default();
        self.schema == SCHEMA && (stem == self.letter.op_id || stem == self.letter.command.0)
    }
}

/// A file beside the records that is none of them.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Invalid {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

/// A file as it was found: one of ours with its letter, or what is wrong with it.
type Found = (String, Result<Letter, String>);

/// The files that a person has to look at. `known`: the letters of the database, if there is
/// one.
pub fn invalid(root: &Path, known: Option<&BTreeMap<CommandId, LetterRow>>) -> Vec<Invalid> {
    let found = look(&root.join(CONTROL_DIR).join(DIR)).into_iter();
    let wrong = found.filter_map(|(name, record)| match (record, known) {
        (Err(why), _) => Some((name, why)),
        (Ok(_), None) => Some((name, String::from("the state database that knew it is gone"))),
        // One whose letter is over goes with the next start at the latest.
        (Ok(_), Some(_)) => None,
    });
    wrong.map(|(name, why)| Invalid { name: Shown(&name).to_string(), why }).collect()
}

/// All records of a directory, by name.
fn look(dir: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().take(FILES_MAX);
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    // The sidecars of another client say nothing that its records do not.
    let is_record = |name: &String| name.ends_with(".json") && !name.ends_with(".error.json");
    let mut names: Vec<String> = names.filter(is_record).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(dir, &name))).collect()
}

fn read(dir: &Path, name: &str) -> Result<Letter, String> {
    let unread = |why: io::Error| format!("it can not be read: {why}");
    let path = dir.join(name);
    if !fs::symlink_metadata(&path).map_err(unread)?.is_file() {
        return Err(String::from("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).map_err(unread)?;
    file.take(RECORD_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > RECORD_MAX {
        return Err(format!("it is larger than {RECORD_MAX} bytes"));
    }
    if let Ok(record) = serde_json::from_slice::<Record>(&bytes)
        && record.is_ours(name)
    {
        return Ok(record.letter);
    }
    Err(match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(_) => String::from("it is not one of this mirror's; another program wrote it"),
        Err(why) => format!("it is not JSON: {why}"),
    })
}

/// Keeps the records as the rows are.
#[derive(Debug)]
pub struct Records {
    dir: PathBuf,
    letters: BTreeMap<CommandId, LetterRow>,
    /// Changes that are not durable yet.
    coming: VecDeque<(CommitSeq, Vec<Change>)>,
    /// Our files, and what they say.
    written: BTreeMap<String, Letter>,
    behind: bool,
}

impl Records {
    /// Records of a mirror whose database has these rows. With `LastExit::Never` the database is
    /// new, so whatever a database before it knew is only in these files: they are kept under
    /// another name.
    pub fn new(root: &Path, rows: &[StoredRow], last: LastExit) -> Self {
        let dir = root.join(CONTROL_DIR).join(DIR);
        let mut letters = BTreeMap::new();
        // Of a newer version. Their records are left to it.
        let mut unreadable = BTreeSet::new();
        for row in rows.iter().filter(|row| row.kind == "letter") {
            match Row::decode(row).map(|row| row.value) {
                Ok(Value::Letter(command, letter)) => drop(letters.insert(command, letter)),
                _ => drop(unreadable.insert(row.key.as_str())),
            }
        }
        let ours = look(&dir).into_iter().filter_map(|(name, found)| Some((name, found.ok()?)));
        let mut written: BTreeMap<String, Letter> =
            ours.filter(|(_, letter)| !unreadable.contains(letter.command.0.as_str())).collect();
        if last == LastExit::Never {
            for name in std::mem::take(&mut written).into_keys() {
                let lost = format!("{}.lost.json", name.trim_end_matches(".json"));
                tracing::warn!("{DIR}/{name} is of a database that is gone: it is {lost} now");
                let _ = fs::rename(dir.join(&name), dir.join(lost));
            }
        }
        let mut records = Self { dir, letters, coming: VecDeque::new(), written, behind: true };
        records.tend();
        records
    }

    /// Whether this is a dead letter now.
    pub fn has(&self, command: &CommandId) -> bool {
        self.letters.contains_key(command)
    }

    /// A commit is on its way.
    pub fn commit(&mut self, seq: CommitSeq, changes: &[Change]) {
        let is_letter = |change: &&Change| match change {
            Change::Put(row) => matches!(row.value, Value::Letter(..)),
            Change::Delete(key) => matches!(key.of, Of::Letter(_)),
        };
        let changes: Vec<Change> = changes.iter().filter(is_letter).cloned().collect();
        if !changes.is_empty() {
            self.coming.push_back((seq, changes));
        }
    }

    /// Commits up to this one are durable.
    pub fn stored(&mut self, upto: CommitSeq) {
        while self.coming.front().is_some_and(|(seq, _)| *seq <= upto) {
            let Some((_, changes)) = self.coming.pop_front() else { return };
            self.behind = true;
            for change in changes {
                match change {
                    Change::Put(Row { value: Value::Letter(command, letter), .. }) => {
                        self.letters.insert(command, letter);
                    }
                    Change::Delete(key) => {
                        if let Of::Letter(command) = key.of {
                            self.letters.remove(&command);
                        }
                    }
                    Change::Put(_) => {}
                }
            }
        }
    }

    /// Writes and removes what is not as it should be. What fails is tried again by the next.
    pub fn tend(&mut self) {
        if std::mem::take(&mut self.behind)
            && let Err(why) = self.bring_up()
        {
            tracing::warn!("the records in {} can not be written: {why}", self.dir.display());
            self.behind = true;
        }
    }

    fn bring_up(&mut self) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for letter in letters(&self.letters) {
            let names = [&letter.op_id, &letter.command.0].map(|name| format!("{name}.json"));
            let is_free = |name: &&String| {
                self.written.contains_key(*name) || !self.dir.join(name.as_str()).exists()
            };
            let Some(name) = names.iter().find(is_free).cloned() else { continue };
            if self.written.get(&name) != Some(&letter) {
                fs::create_dir_all(&self.dir)?;
                let record = Record { schema: SCHEMA.into(), letter: letter.clone() };
                let mut text = serde_json::to_string_pretty(&record).unwrap_or_default();
                text.push('\n');
                let temp = self.dir.join(format!("{name}.new"));
                fs::write(&temp, text)?;
                fs::rename(&temp, self.dir.join(&name))?;
                self.written.insert(name.clone(), letter);
            }
            wanted.insert(name);
        }
        let over = |name: &&String| !wanted.contains(*name);
        for name in self.written.keys().filter(over).cloned().collect::<Vec<_>>() {
            match fs::remove_file(self.dir.join(&name)) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
                _ => self.written.remove(&name),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::id::{OpId, UnitId};
    use landfall_core::path::RemotePath;
    use landfall_core::row::RowKey;
    use landfall_core::time::Wall;

    use super::*;

    fn letter(op: &str) -> LetterRow {
        LetterRow {
            path: RemotePath::parse("/docs/a.md").unwrap(),
            op: Some(OpId(op.into())),
            bytes: None,
            attempts: 5,
            status: 422,
            said: "title is missing".into(),
            at: Wall(1_788_264_000_000),
        }
    }

    fn put(command: &str, op: &str) -> Change {
        let value = Value::Letter(CommandId(command.into()), letter(op));
        Change::Put(Row { unit: UnitId(0), value })
    }

    fn names(root: &Path) -> Vec<String> {
        look(&root.join(".relay/dead-letter")).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn records_follow_what_is_durable() {
        let dir = tempfile::tempdir().unwrap();
        let mut records = Records::new(dir.path(), &[], LastExit::Clean);
        records.commit(CommitSeq(1), &[put("c1", "op_1"), put("c2", "a/b")]);
        records.tend();
        assert!(names(dir.path()).is_empty(), "nothing is durable yet");
        records.stored(CommitSeq(1));
        records.tend();
        assert_eq!(names(dir.path()), ["c2.json", "op_1.json"]);
        let text = fs::read_to_string(dir.path().join(".relay/dead-letter/op_1.json")).unwrap();
        insta::assert_snapshot!(text);
        let key = RowKey { unit: UnitId(0), of: Of::Letter(CommandId("c1".into())) };
        records.commit(CommitSeq(2), &[Change::Delete(key)]);
        records.stored(CommitSeq(2));
        records.tend();
        assert_eq!(names(dir.path()), ["c2.json"]);
    }

    #[test]
    fn a_start_puts_right_what_a_kill_left_and_keeps_what_others_wrote() {
        // Left by a kill: a record whose letter is over. Wanted: one whose name a file of
        // another program has. Neither the other's nor a torn file is touched.
        let dir = tempfile::tempdir().unwrap();
        let mut before = Records::new(dir.path(), &[], LastExit::Clean);
        before.commit(CommitSeq(1), &[put("over", "op_over")]);
        before.stored(CommitSeq(1));
        before.tend();
        let control = dir.path().join(".relay/dead-letter");
        let theirs = r#"{"opId":"op_1","path":"/x","attempts":1}"#;
        fs::write(control.join("op_1.json"), theirs).unwrap();
        fs::write(control.join("op_1.error.json"), "{}").unwrap();
        fs::write(control.join("torn.json"), "{\"op").unwrap();
        let row =
            Row { unit: UnitId(0), value: Value::Letter(CommandId("c1".into()), letter("op_1")) };
        let records = Records::new(dir.path(), &[row.encode()], LastExit::Unclean);
        assert_eq!(names(dir.path()), ["c1.json", "op_1.json", "torn.json"]);
        assert_eq!(fs::read_to_string(control.join("op_1.json")).unwrap(), theirs);
        let invalid = invalid(dir.path(), Some(&records.letters));
        let invalid: Vec<&str> = invalid.iter().map(|record| record.name.as_str()).collect();
        assert_eq!(invalid, ["op_1.json", "torn.json"]);
    }

    #[test]
    fn a_database_that_is_gone_does_not_take_its_letters_along() {
        let dir = tempfile::tempdir().unwrap();
        let mut before = Records::new(dir.path(), &[], LastExit::Clean);
        before.commit(CommitSeq(1), &[put("c1", "op_1")]);
        before.stored(CommitSeq(1));
        before.tend();
        assert_eq!(invalid(dir.path(), None).len(), 1, "nobody knows it any more");
        Records::new(dir.path(), &[], LastExit::Never);
        Records::new(dir.path(), &[], LastExit::Clean);
        assert_eq!(names(dir.path()), ["op_1.lost.json"]);
        assert_eq!(invalid(dir.path(), Some(&BTreeMap::new())).len(), 1);
    }
}
