//! A simulated store: encoded rows, and commits that become durable in order and later.

use std::collections::{BTreeMap, VecDeque};

use landfall_core::effect::Change;
use landfall_core::id::{CommandId, CommitSeq};
use landfall_core::path::RemotePath;
use landfall_core::row::{EntryRow, MirrorRow, Of, Row, RowKey, RowTable, StoredRow, Value};

/// The store of one workspace.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// What survives everything, as it is stored, but for what changed lately.
    table: RowTable,
    /// What changed since the table was last looked at. A row that changes ten times before
    /// anybody reads it is encoded once.
    fresh: BTreeMap<RowKey, Option<Row>>,
    /// The first row that did not read back as what was written.
    misread: Option<RowKey>,
    /// The durable rows, decoded, for those who watch.
    view: View,
    /// Commits of this run that are not durable yet.
    pending: VecDeque<Commit>,
    /// Starts so far.
    run: u32,
    /// The boot in which the last commit was made.
    boot: Option<u32>,
    /// The boot of this run. It is stored with the first commit: until then a kill must not
    /// make the next run believe that nothing was torn.
    opened: u32,
    /// Whether the last run ended with an [`Exit`](landfall_core::effect::Effect::Exit).
    clean: bool,
}

/// One commit on its way.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its number.
    pub seq: CommitSeq,
    /// Its changes.
    pub changes: Vec<Change>,
}

/// The durable rows, decoded.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Where the mirror stands.
    pub mirror: Option<MirrorRow>,
    /// What is known of each path.
    pub entries: BTreeMap<RemotePath, EntryRow>,
    /// What is on its way to the server.
    pub intents: BTreeMap<RemotePath, CommandId>,
}

impl Store {
    /// Opens the store: counts and commits the start. Returns the counter, whether the last
    /// commit was in this boot, and whether it ended cleanly (`None`: there was none).
    pub fn open(&mut self, boot: u32) -> (u32, bool, Option<bool>) {
        let last = (self.run > 0).then_some(self.clean);
        let same = self.boot == Some(boot);
        self.run += 1;
        self.opened = boot;
        self.clean = false;
        self.pending.clear();
        (self.run, same, last)
    }

    /// All durable rows, as they are stored.
    pub fn rows(&mut self) -> Vec<StoredRow> {
        self.encode();
        self.table.rows()
    }

    /// The durable rows, decoded.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Takes a commit in.
    pub fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>) {
        self.pending.push_back(Commit { seq, changes });
    }

    /// How many commits are not durable.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Makes the oldest pending commit durable.
    pub fn flush_one(&mut self) -> Option<Commit> {
        let commit = self.pending.pop_front()?;
        self.boot = Some(self.opened);
        for change in &commit.changes {
            self.view.apply(change);
            match change {
                Change::Put(row) => self.fresh.insert(row.key(), Some(row.clone())),
                Change::Delete(key) => self.fresh.insert(key.clone(), None),
            };
        }
        Some(commit)
    }

    /// The process is gone, and with it what was not durable.
    pub fn kill(&mut self) -> usize {
        let lost = self.pending.len();
        self.pending.clear();
        lost
    }

    /// The process carried out an exit.
    pub fn close(&mut self) {
        self.clean = true;
    }

    /// The first row, if any, that does not read back as what was written.
    pub fn misread(&mut self) -> Option<&RowKey> {
        self.encode();
        self.misread.as_ref()
    }

    /// Brings the table up to date, and reads back what is written to it.
    fn encode(&mut self) {
        while let Some((key, row)) = self.fresh.pop_first() {
            match &row {
                Some(row) => self.table.put(row.encode()),
                None => self.table.delete(&key),
            }
            // Also that it is found by its key, and that what was deleted is not.
            let read = self.table.get(&key).map(Row::decode);
            if read != row.map(Ok) {
                self.misread.get_or_insert(key);
            }
        }
    }
}

impl View {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(row) => match &row.value {
                Value::Mirror(mirror) => self.mirror = Some(mirror.clone()),
                Value::Entry(path, entry) => {
                    self.entries.insert(path.clone(), entry.clone());
                }
                Value::Intent(path, row) => {
                    self.intents.insert(path.clone(), row.command.clone());
                }
                Value::Frontier(..)
                | Value::Refused(..)
                | Value::Receipt(..)
                | Value::Letter(..) => {}
            },
            Change::Delete(key) => match &key.of {
                Of::Mirror => self.mirror = None,
                Of::Entry(path) => {
                    self.entries.remove(path);
                }
                Of::Intent(path) => {
                    self.intents.remove(path);
                }
                Of::Frontier(_) | Of::Refused(_) | Of::Receipt(_) | Of::Letter(_) => {}
            },
        }
    }
}
