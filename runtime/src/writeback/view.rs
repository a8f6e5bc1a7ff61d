//! What the database says of the way to the server, with a mount running or without.

use std::collections::BTreeMap;
use std::path::Path;

use landfall_core::brake::Brake;
use landfall_core::files::entry::{Hold, Unsent};
use landfall_core::files::plan::SyncMode;
use landfall_core::id::CommandId;
use landfall_core::path::{CONTROL_DIR, RemotePath};
use landfall_core::row::{IntentRow, LetterRow, ReceiptRow, Row, StoredRow, Value};

use super::letter::{Letter, letters};
use super::records::{self, Invalid};
use crate::lock::Lock;
use crate::report::file::{self, Identity};
use crate::roots;
use crate::store::{self, StoreError};

/// The tables that are read whole. That of the files may be large.
const KINDS: [&str; 3] = ["intent", "receipt", "letter"];

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Which mirror.
    pub identity: Identity,
    /// Whether there is one.
    pub is_mirror: bool,
    /// Whether a process keeps it.
    pub running: bool,
    /// What is on its way, the oldest first.
    pub intents: Vec<(RemotePath, IntentRow)>,
    /// What the server accepted and still works on.
    pub receipts: BTreeMap<CommandId, ReceiptRow>,
    /// What could not be delivered.
    pub letters: BTreeMap<CommandId, LetterRow>,
    /// Changes that are not sent, dead letters apart.
    pub unsent: Vec<(RemotePath, Unsent)>,
    /// Rows that can not be read.
    pub unreadable: u64,
    /// Files beside the dead letters that are none.
    pub invalid: Vec<Invalid>,
    /// Brakes that were on when the mount last told of itself: they hold writes, or deletes.
    pub brakes: Vec<Brake>,
}

impl View {
    /// Reads it from a mirror's disk. Where there is nothing to read, there is nothing to tell.
    ///
    /// # Errors
    /// If the database can not be read.
    pub fn read(root: &Path) -> Result<Self, StoreError> {
        let control = root.join(CONTROL_DIR);
        let db = control.join(store::FILE);
        let mut view = Self { running: Lock::is_held(&control), ..Self::default() };
        let is_there = db.exists();
        if is_there {
            match rows(&db) {
                Ok(rows) => rows.iter().for_each(|row| view.take(row)),
                // A mount that has just begun is still making its tables.
                Err(_) if view.running => {}
                Err(why) => return Err(why),
            }
        }
        let marker = roots::marker(root);
        view.is_mirror = is_there || marker.is_some();
        let mut told = file::read(root);
        let status = told.as_mut().and_then(|file| file.landfall.take());
        view.brakes = status.map(|status| status.brakes).unwrap_or_default();
        let told = told.map(|file| file.identity);
        view.identity = told.filter(|told| !told.workspace_id.is_empty()).unwrap_or_else(|| {
            let known = marker.map(|marker| (marker.workspace, marker.base));
            let (workspace_id, remote_root) = known.unwrap_or((String::new(), "/".into()));
            Identity { workspace_id, remote_root, ..Identity::default() }
        });
        view.identity.local_root = root.display().to_string();
        view.invalid = records::invalid(root, is_there.then_some(&view.letters));
        view.intents.sort_by(|(_, a), (_, b)| (a.made, &a.command).cmp(&(b.made, &b.command)));
        Ok(view)
    }

    fn take(&mut self, row: &StoredRow) {
        match Row::decode(row).map(|row| row.value) {
            Ok(Value::Intent(path, row)) => self.intents.push((path, row)),
            Ok(Value::Receipt(command, row)) => drop(self.receipts.insert(command, row)),
            Ok(Value::Letter(command, row)) => drop(self.letters.insert(command, row)),
            Ok(Value::Entry(path, row)) => {
                if let Some(Hold::Unsent { why, .. }) = row.hold
                    && matches!(why, Unsent::Denied | Unsent::TooLarge | Unsent::BothMoved)
                {
                    self.unsent.push((path, why));
                }
            }
            Ok(Value::Mirror(_) | Value::Frontier(..) | Value::Refused(..)) => {}
            Err(_) => self.unreadable += 1,
        }
    }

    /// The dead letters, each with its name, the oldest first.
    pub fn dead(&self) -> Vec<Letter> {
        letters(&self.letters)
    }

    /// The dead letter that somebody means: by its name, our name or the server's.
    pub fn letter(&self, op: &str) -> Option<Letter> {
        let dead = self.dead();
        let named = dead.iter().find(|letter| letter.op_id == op || letter.command.0 == op);
        named.cloned().or_else(|| {
            let of_server = |row: &LetterRow| row.op.as_ref().is_some_and(|theirs| theirs.0 == op);
            dead.into_iter().find(|letter| self.letters.get(&letter.command).is_some_and(of_server))
        })
    }

    /// What is on its way for a path.
    pub fn intent(&self, path: &str) -> Option<&IntentRow> {
        self.intents.iter().find(|(of, _)| of.as_str() == path).map(|(_, row)| row)
    }

    /// Changes on their way that were refused, and are tried again.
    pub fn refused(&self) -> u64 {
        self.intents.iter().filter(|(_, row)| row.failures > 0).count() as u64
    }

    /// Whether the mount sends anything at all.
    pub fn sends(&self) -> bool {
        self.identity.sync_mode != SyncMode::PullOnly
    }
}

/// The rows that matter here.
fn rows(db: &Path) -> Result<Vec<StoredRow>, StoreError> {
    let mut rows = Vec::new();
    for kind in KINDS {
        rows.append(&mut store::read_kind(db, kind)?);
    }
    // Few files are held, and all of them would have to be parsed.
    let held = store::read_kind(db, "entry")?;
    rows.extend(held.into_iter().filter(|row| row.json.contains("\"Unsent\"")));
    Ok(rows)
}
