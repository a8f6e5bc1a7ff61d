//! Durable state: typed rows with typed keys, stored as (unit, kind, key, schema, JSON).
//!
//! A row that does not parse is preserved and named, and makes its unit degraded. It is never
//! read as absent.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decision::Doubtful;
use crate::files::entry::{Hold, Ordinal, Past, Proof, Remote, Version};
use crate::hash::ContentHash;
use crate::id::{BlobId, CommandId, EventId, OpId, Revision, UnitId};
use crate::path::RemotePath;
use crate::time::{StoredDeadline, Wall};

/// The schema that this version writes.
pub const SCHEMA: u32 = 1;

/// A row as it lies in a store.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct StoredRow {
    /// Whose.
    pub unit: UnitId,
    /// Which table, see [`RowKey::kind`].
    pub kind: String,
    /// The key in it, see [`RowKey::key`].
    pub key: String,
    /// The schema that wrote it.
    pub schema: u32,
    /// The value.
    pub json: String,
}

/// What a row is found by.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RowKey {
    /// Whose.
    pub unit: UnitId,
    /// Which of its rows.
    pub of: Of,
}

/// The tables and their keys.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Of {
    /// The one row of a mirror.
    Mirror,
    /// One path.
    Entry(RemotePath),
    /// One directory that a traversal still has to list.
    Frontier(String),
    /// One name that can not be placed.
    Refused(String),
    /// What is on its way to the server for one path.
    Intent(RemotePath),
    /// What the server still owes us a word about.
    Receipt(CommandId),
    /// What could not be delivered.
    Letter(CommandId),
}

impl RowKey {
    /// The name of the table.
    pub fn kind(&self) -> &'static str {
        match self.of {
            Of::Mirror => "mirror",
            Of::Entry(_) => "entry",
            Of::Frontier(_) => "frontier",
            Of::Refused(_) => "refused",
            Of::Intent(_) => "intent",
            Of::Receipt(_) => "receipt",
            Of::Letter(_) => "letter",
        }
    }

    /// The key in the table.
    pub fn key(&self) -> &str {
        match &self.of {
            Of::Mirror => "",
            Of::Entry(path) | Of::Intent(path) => path.as_str(),
            Of::Receipt(command) | Of::Letter(command) => &command.0,
            Of::Frontier(name) | Of::Refused(name) => name,
        }
    }
}

/// A row.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Row {
    /// Whose.
    pub unit: UnitId,
    /// Which, and what it holds.
    pub value: Value,
}

/// What rows hold.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Value {
    /// Where a mirror stands.
    Mirror(MirrorRow),
    /// What is known of a path.
    Entry(RemotePath, EntryRow),
    /// A directory that is still to be listed.
    Frontier(String, FrontierRow),
    /// A name from the server that can not be placed.
    Refused(String, RefusedRow),
    /// What is on its way to the server for a path.
    Intent(RemotePath, IntentRow),
    /// What the server still owes us a word about.
    Receipt(CommandId, ReceiptRow),
    /// What could not be delivered.
    Letter(CommandId, LetterRow),
}

/// Where a mirror stands.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(default)]
pub struct MirrorRow {
    /// The point of the feed up to which everything is durably applied or durably set aside.
    pub position: Option<Position>,
    /// Counts the times the feed was lost.
    pub epoch: u32,
    /// Events of a feed without numbers, counted.
    pub arrived: u64,
    /// The newest finished traversal was believed.
    pub believed: bool,
    /// A traversal was believed and everything that it showed was placed and sealed, or
    /// durably set aside.
    pub complete: bool,
    /// An export was begun, so that a restart does not begin another.
    pub export_begun: bool,
    /// The newest traversal.
    pub traversal: Option<TraversalRow>,
    /// When the next traversal is due, if none is under way.
    pub relist: Option<StoredDeadline>,
    /// What the last complete traversal left in doubt.
    pub doubt: Option<Doubt>,
    /// Traversals in a row in which the server answered and nothing moved.
    pub stalls: u32,
    /// The last seal that was taken.
    pub sealed: u64,
    /// When it was last known to be in step.
    pub in_step_at: Option<Wall>,
    /// Names that can not be placed on a disk, counted.
    pub refused_names: u64,
    /// The feed was lost, and is read again from here. It may begin far in the past, and until
    /// its tip was reached, what it tells may be long over. It ends with the seal after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Ordinal>,
    /// A row could not be read. Until it can, and everything was listed after that, what the feed
    /// told of it is not known, and whether it is sealed neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unread>,
}

/// What is in doubt since a row could not be read.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Unread {
    /// The power cuts since that.
    pub cuts: Vec<Cut>,
}

/// A power cut, told by the numbers of the seals around it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Cut {
    /// The last seal that was taken before it.
    pub sealed: u64,
    /// The first seal after it.
    pub next: u64,
}

impl Cut {
    /// Whether a file that waited for this seal was not sealed when the power was cut.
    pub fn tore(&self, seal: u64) -> bool {
        self.sealed < seal && seal < self.next
    }
}

/// Where the feed is read from.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Position {
    /// The feed has no event yet: from its beginning.
    Origin,
    /// After this event.
    After(EventId),
    /// This server has no feed. Only listings tell what changed.
    NoFeed,
}

/// A traversal that was begun. It is resumed after a restart.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct TraversalRow {
    /// Counts traversals from 1. Entries remember the last that saw them.
    pub id: u32,
    /// The point of the feed taken before it.
    pub tag: Ordinal,
    /// Files seen so far.
    pub seen: u64,
    /// The server's own count, if it gave one.
    pub total: Option<u64>,
    /// A directory could not be listed, so what is missing proves nothing.
    pub partial: bool,
    /// Directories that their parent showed and that were then listed empty. A directory
    /// exists only through its files, so one of the two listings was wrong.
    #[serde(default)]
    pub hollow: u64,
    /// Whether it still goes on.
    pub open: bool,
}

/// A complete traversal that is not believed on its own word.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Doubt {
    /// What speaks against it.
    pub why: Doubtful,
    /// The traversal.
    pub traversal: u32,
    /// The feed position that it was taken at.
    pub position: Position,
    /// When it ended; a second one ends at least 30 s later.
    pub at: StoredDeadline,
}

/// A directory that is still to be listed.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct FrontierRow {
    /// First in, first out.
    pub order: u64,
    /// Where its next page starts.
    pub cursor: Option<String>,
    /// The last entry of that page that was taken in before the page was cut off.
    #[serde(default)]
    pub reached: Option<String>,
}

/// A name that can not be placed.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct RefusedRow {
    /// The last traversal that showed it.
    pub seen: u32,
}

/// What is on its way to the server for one path. It is durable before anything is sent, so that
/// whatever was sent is known to be ours, and is sent again as what it was.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct IntentRow {
    /// Its name, for ever.
    pub command: CommandId,
    /// What the server is to have before. `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Revision>,
    /// The bytes that it is to have after. `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Staged>,
    /// The point of the feed at which the server had that.
    #[serde(default)]
    pub since: Ordinal,
    /// The feed that it was made under: how often one was lost before.
    #[serde(default)]
    pub epoch: u32,
    /// When it was made.
    pub made: Wall,
    /// How often the payload was refused.
    #[serde(default)]
    pub failures: u32,
}

/// Bytes that wait on the stage.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Staged {
    /// Where.
    pub blob: BlobId,
    /// Their hash.
    pub hash: ContentHash,
    /// How many there are.
    pub size: u64,
}

/// A write that the server accepted and still works on.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct ReceiptRow {
    /// The file.
    pub path: RemotePath,
    /// The server's name for it.
    pub op: OpId,
    /// The bytes, kept until the server is done with them. `None` for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Staged>,
    /// When it was accepted.
    pub accepted: Wall,
}

/// A write that could not be delivered. Its bytes are kept.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct LetterRow {
    /// The file.
    pub path: RemotePath,
    /// The server's name for it, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// The bytes. `None` for a delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Staged>,
    /// How often it was tried.
    pub attempts: u32,
    /// The status of the last answer; 0 if it had none.
    pub status: u16,
    /// What the server said, at most 1,024 bytes.
    pub said: String,
    /// When it was given up.
    pub at: Wall,
}

/// What is known of a path. See [`Entry`](crate::files::entry::Entry).
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct EntryRow {
    /// What both sides had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Version>,
    /// What was last seen on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What may be at the path because a placement was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placing: Option<Version>,
    /// What the server has.
    pub remote: Remote,
    /// Why it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The last traversal that saw it.
    #[serde(default)]
    pub seen: u32,
    /// The first complete traversal that left it out, if none has seen it since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<u32>,
    /// Versions that the server had before the one that is known, oldest first, where some of
    /// them were ours: news of them are old. `None` where it had nothing, until that was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lineage: Vec<Option<Past>>,
    /// If it is missing here, that is not because a person deleted it: a power cut took it, or it
    /// was moved away by us.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub astray: bool,
}

impl Row {
    /// What it is found by.
    pub fn key(&self) -> RowKey {
        let of = match &self.value {
            Value::Mirror(_) => Of::Mirror,
            Value::Entry(path, _) => Of::Entry(path.clone()),
            Value::Frontier(dir, _) => Of::Frontier(dir.clone()),
            Value::Refused(name, _) => Of::Refused(name.clone()),
            Value::Intent(path, _) => Of::Intent(path.clone()),
            Value::Receipt(command, _) => Of::Receipt(command.clone()),
            Value::Letter(command, _) => Of::Letter(command.clone()),
        };
        RowKey { unit: self.unit, of }
    }

    /// As it lies in a store.
    pub fn encode(&self) -> StoredRow {
        let json = match &self.value {
            Value::Mirror(row) => serde_json::to_string(row),
            Value::Entry(_, row) => serde_json::to_string(row),
            Value::Frontier(_, row) => serde_json::to_string(row),
            Value::Refused(_, row) => serde_json::to_string(row),
            Value::Intent(_, row) => serde_json::to_string(row),
            Value::Receipt(_, row) => serde_json::to_string(row),
            Value::Letter(_, row) => serde_json::to_string(row),
        };
        let key = self.key();
        StoredRow {
            unit: self.unit,
            kind: key.kind().to_string(),
            key: key.key().to_string(),
            schema: SCHEMA,
            // Rows have string keys and no floats, so this can not fail.
            json: json.unwrap_or_default(),
        }
    }

    /// Reads a row of any released schema.
    pub fn decode(stored: &StoredRow) -> Result<Self, RowError> {
        if stored.schema == 0 || stored.schema > SCHEMA {
            return Err(RowError::Schema(stored.schema));
        }
        fn json<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, RowError> {
            serde_json::from_str(text).map_err(|e| RowError::Json(e.to_string()))
        }
        let path = || RemotePath::parse(&stored.key).map_err(|e| RowError::Key(e.to_string()));
        let command = || CommandId(stored.key.clone());
        let value = match stored.kind.as_str() {
            "mirror" => Value::Mirror(json(&stored.json)?),
            "entry" => Value::Entry(path()?, json(&stored.json)?),
            "intent" => Value::Intent(path()?, json(&stored.json)?),
            "receipt" => Value::Receipt(command(), json(&stored.json)?),
            "letter" => Value::Letter(command(), json(&stored.json)?),
            "frontier" => Value::Frontier(stored.key.clone(), json(&stored.json)?),
            "refused" => Value::Refused(stored.key.clone(), json(&stored.json)?),
            other => return Err(RowError::Kind(other.to_string())),
        };
        Ok(Self { unit: stored.unit, value })
    }
}

/// A row as it comes out of a store. Reading it is a good part of a start, so whoever has a thread
/// to spare does it, and the machine is told what came of it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them can be read")]
pub enum Loaded {
    /// It could be read.
    Row(Row),
    /// It could not, and stays as it is.
    Unreadable {
        /// What lies there.
        row: StoredRow,
        /// Why.
        why: RowError,
    },
}

impl From<&StoredRow> for Loaded {
    fn from(stored: &StoredRow) -> Self {
        match Row::decode(stored) {
            Ok(row) => Self::Row(row),
            Err(why) => Self::Unreadable { row: stored.clone(), why },
        }
    }
}

/// Why a row could not be read.
#[derive(Clone, Debug, Deserialize, Eq, Error, Hash, PartialEq, Serialize)]
pub enum RowError {
    /// Written by a version that this one does not know.
    #[error("its schema {0} is not known to this version (it knows 1 to {SCHEMA})")]
    Schema(u32),
    /// A table that this version does not know.
    #[error("its kind `{0}` is not known to this version")]
    Kind(String),
    /// The key is not one.
    #[error("its key can not be read: {0}")]
    Key(String),
    /// The value is not what the schema says.
    #[error("its value can not be read: {0}")]
    Json(String),
}

/// Applies changes to rows in memory, as a store does on disk. Used by tests.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RowTable(BTreeMap<(u16, String, String), StoredRow>);

impl RowTable {
    /// Applies one commit.
    pub fn apply(&mut self, changes: &[crate::effect::Change]) {
        use crate::effect::Change;
        for change in changes {
            match change {
                Change::Put(row) => {
                    let stored = row.encode();
                    self.put(stored);
                }
                Change::Delete(key) => self.delete(key),
            }
        }
    }

    /// Adds or replaces an encoded row.
    pub fn put(&mut self, row: StoredRow) {
        self.0.insert((row.unit.0, row.kind.clone(), row.key.clone()), row);
    }

    /// Removes a row, if it is there.
    pub fn delete(&mut self, key: &RowKey) {
        self.0.remove(&(key.unit.0, key.kind().to_string(), key.key().to_string()));
    }

    /// One row.
    pub fn get(&self, key: &RowKey) -> Option<&StoredRow> {
        self.0.get(&(key.unit.0, key.kind().to_string(), key.key().to_string()))
    }

    /// All rows, in key order.
    pub fn rows(&self) -> Vec<StoredRow> {
        self.0.values().cloned().collect()
    }
}
