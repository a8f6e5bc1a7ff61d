//! A simulated store: encoded rows, and commits that become durable in order and later.

use std::collections::{BTreeMap, VecDeque};

use landfall_core::effect::Change;
use landfall_core::files::entry::Remote;
use landfall_core::id::{CommandId, CommitSeq};
use landfall_core::path::RemotePath;
use landfall_core::row::{EntryRow, Loaded, MirrorRow, Of, Row, RowKey, Value};

use crate::map::Map;

/// The store of one workspace.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// What survives everything, as it reads, but for what changed lately.
    table: BTreeMap<RowKey, Loaded>,
    /// What changed since the table was last looked at. A row that changes ten times before
    /// anybody reads it is encoded once.
    fresh: Map<RowKey, Option<Row>>,
    /// A row that did not read back as what was written.
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
    /// Whether this run would end well: one that commits nothing settles nothing that the last one
    /// left in doubt.
    settles: bool,
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
        self.settles = last != Some(false);
        self.clean = false;
        self.pending.clear();
        (self.run, same, last)
    }

    /// All durable rows, as they read, in the order of the real store's primary key.
    pub fn rows(&mut self) -> Vec<Loaded> {
        self.write();
        let mut rows: Vec<_> = self.table.iter().collect();
        rows.sort_by_key(|(key, _)| (key.unit, key.kind()));
        rows.into_iter().map(|(_, row)| row.clone()).collect()
    }

    /// The durable rows, decoded.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether the rows say that the server has a file, those that are not durable yet, too: what
    /// the machine has in mind is newer than what is durable.
    pub fn says_there(&self, path: &RemotePath) -> bool {
        let there = |row: &EntryRow| matches!(row.remote, Remote::File { .. });
        let mut coming = self.pending.iter().flat_map(|commit| &commit.changes);
        self.view.entries.get(path).is_some_and(there)
            && coming.all(|change| match change {
                Change::Put(Row { value: Value::Entry(of, row), .. }) => of != path || there(row),
                Change::Delete(RowKey { of: Of::Entry(of), .. }) => of != path,
                _ => true,
            })
    }

    /// Takes a commit in.
    pub fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>) {
        self.pending.push_back(Commit { seq, changes });
    }

    /// How many commits are not durable.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Makes the oldest pending commit durable, and shows it to those who watch.
    pub fn flush_one(&mut self, watch: impl FnOnce(&Self, &Commit)) -> Option<CommitSeq> {
        let commit = self.pending.pop_front()?;
        self.boot = Some(self.opened);
        self.settles = true;
        commit.changes.iter().for_each(|change| self.view.apply(change));
        watch(self, &commit);
        for change in commit.changes {
            match change {
                Change::Put(row) => self.fresh.insert(row.key(), Some(row)),
                Change::Delete(key) => self.fresh.insert(key, None),
            };
        }
        Some(commit.seq)
    }

    /// The process is gone, and with it what was not durable.
    pub fn kill(&mut self) -> usize {
        let lost = self.pending.len();
        self.pending.clear();
        lost
    }

    /// The process carried out an exit.
    pub fn close(&mut self) {
        self.clean = self.settles;
    }

    /// A row, if any, that did not read back as what was written.
    pub fn misread(&mut self) -> Option<&RowKey> {
        self.write();
        self.misread.as_ref()
    }

    /// Brings the table up to date: what is put is encoded, and read back at once. Reading the
    /// same bytes again, at each start, would say the same.
    fn write(&mut self) {
        for (key, row) in self.fresh.drain() {
            let Some(row) = row else {
                self.table.remove(&key);
                continue;
            };
            let stored = row.encode();
            let found = stored.kind == key.kind() && stored.key == key.key();
            let read = Loaded::from(&stored);
            if !found || !matches!(&read, Loaded::Row(read) if *read == row) {
                self.misread.get_or_insert(key.clone());
            }
            self.table.insert(key, read);
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
