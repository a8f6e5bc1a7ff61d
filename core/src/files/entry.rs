//! One path: what is known of it on both sides, and nothing else.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::hash::ContentHash;
use crate::id::{BlobId, CallId, Revision};
use crate::row::EntryRow;
use crate::time::StoredDeadline;

/// What the machine knows of one path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    /// What both sides were last known to have. Moves only when both are known to be equal.
    pub base: Option<Version>,
    /// Set by the disk port alone.
    pub local: Local,
    /// The last file that was seen here. It outlives [`Local::Unknown`], so that a look can
    /// do without hashing, and [`Local::Absent`], so that a power cut does not undo a delete.
    pub proof: Option<Proof>,
    /// What is being put at the path. Durable before it is done, so that a file found after a
    /// kill is known to be ours.
    pub placing: Option<Version>,
    /// Set by the feed, a snapshot or a read, never by an older ordinal.
    pub remote: Remote,
    /// The one thing that is under way.
    pub doing: Option<Doing>,
    /// Why nothing is under way although something is to be done.
    pub hold: Option<Hold>,
    /// The last traversal that saw it.
    pub seen: u32,
    /// The first complete traversal that left it out, if none has seen it since.
    pub missed: Option<u32>,
    /// See [`EntryRow::lineage`].
    pub lineage: Vec<Option<Past>>,
    /// See [`EntryRow::astray`].
    pub astray: bool,
}

/// One version of a file.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Version {
    /// The server's name for it.
    pub revision: Revision,
    /// Its bytes.
    pub hash: ContentHash,
}

/// A version that the server had. Its number alone does not say which one that was: a server that
/// was restored from a backup gives its numbers again, to other bytes.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(from = "PastRow")]
pub struct Past {
    /// The server's name for it.
    pub revision: Revision,
    /// Its bytes, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
}

/// As it is stored, and as it was before the bytes were.
#[derive(Deserialize)]
#[serde(untagged)]
enum PastRow {
    Revision(Revision),
    Version { revision: Revision, hash: Option<ContentHash> },
}

impl From<PastRow> for Past {
    fn from(row: PastRow) -> Self {
        match row {
            PastRow::Revision(revision) => Self { revision, hash: None },
            PastRow::Version { revision, hash } => Self { revision, hash },
        }
    }
}

impl Past {
    /// Whether that is what the server has.
    fn is(&self, remote: &Remote) -> bool {
        let Remote::File { revision, hash, .. } = remote else { return false };
        self.revision == *revision && (self.hash == *hash || self.hash.is_none() || hash.is_none())
    }
}

/// What is at the path on the disk.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Local {
    /// Not looked at. Nothing destructive follows from it.
    Unknown,
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// Its bytes.
        hash: ContentHash,
        /// To tell whether it changed.
        stamp: Stamp,
        /// It was placed by us, not sealed, and differs from what was placed, on another boot:
        /// torn, or edited. Nobody can tell, so it is kept and fetched again.
        suspect: bool,
    },
    /// Something that is neither.
    Odd(Odd),
}

/// What a look finds.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Found {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// Its bytes.
        hash: ContentHash,
        /// To tell whether it changed.
        stamp: Stamp,
    },
    /// Something else.
    Odd(Odd),
}

/// What a scan sees of a name, without opening it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Seen {
    /// A file.
    File(Stamp),
    /// Something that is no file.
    Odd(Odd),
    /// Something that stays here, and is found by a look alone.
    Kept,
}

/// What can stand in the way of a file.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Odd {
    /// A directory.
    Directory,
    /// A symbolic link. Never followed.
    Symlink,
    /// A socket, a pipe, a device.
    Special,
}

/// Equal stamps mean equal bytes, except within the granularity of the clock.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Inode change time in nanoseconds since 1970.
    pub ctime_ns: i64,
    /// Inode number.
    pub inode: u64,
    /// Whether its owner may write it.
    #[serde(default = "is_writable")]
    pub writable: bool,
}

impl Stamp {
    /// Whether nothing happened to a file since `before` but a rename.
    pub fn is_but_moved(&self, before: &Self) -> bool {
        Stamp { ctime_ns: before.ctime_ns, ..*self } == *before
    }
}

/// What rows mean that were written before this was kept.
fn is_writable() -> bool {
    true
}

/// A file that was seen.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Proof {
    /// Its bytes.
    pub hash: ContentHash,
    /// Its stamp.
    pub stamp: Stamp,
    /// The [seal](crate::files::seal) that makes it survive a power cut.
    pub seal: u64,
}

/// What the server has at the path.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Remote {
    /// Not known, or in doubt since this point of the feed. Nothing destructive follows from it.
    Unknown(Ordinal),
    /// Deleted, as of this point of the feed.
    Absent(Ordinal),
    /// A file.
    File {
        /// Its revision.
        revision: Revision,
        /// Its bytes, if the server said.
        hash: Option<ContentHash>,
        /// As of this point of the feed.
        at: Ordinal,
    },
}

/// A point of the feed. A later epoch is later than anything before it: the feed was lost or
/// started again, and its numbers with it.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Ordinal {
    /// Counts the times the feed was lost.
    pub epoch: u32,
    /// The number in `evt_<n>`; for other ids the order of arrival.
    pub n: u64,
}

impl Ordinal {
    /// The least that anything is known at.
    pub const FIRST: Ordinal = Ordinal { epoch: 0, n: 1 };

    /// The next one of the same epoch.
    pub fn next(self) -> Self {
        Self { n: self.n + 1, ..self }
    }
}

/// What is under way for a path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Doing {
    /// A look at the disk.
    Looking {
        /// The disk call.
        call: CallId,
    },
    /// A read, alone or with others.
    Fetching {
        /// The network call.
        call: CallId,
    },
    /// Its bytes are staged and wait for the disk.
    Staged {
        /// The bytes.
        blob: BlobId,
        /// What they are.
        version: Version,
    },
    /// Its bytes are being placed.
    Placing {
        /// The disk call.
        call: CallId,
        /// The bytes.
        blob: BlobId,
        /// What they are.
        version: Version,
    },
    /// Its bytes are being copied to the stage, to be sent.
    Staging {
        /// The disk call.
        call: CallId,
    },
    /// It is on its way to the server. The outbox knows the rest.
    Pushing,
    /// The local file is being moved away.
    Removing {
        /// The disk call.
        call: CallId,
    },
}

/// Why a path rests although its two sides differ.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Hold {
    /// It failed, and is tried again later. It delays nothing else.
    Aside {
        /// Failures so far, at least 1.
        tries: u32,
        /// The last one.
        why: Fault,
        /// When it is tried again.
        again: StoredDeadline,
    },
    /// Too many deletes at once: they wait for a person.
    MaxDelete,
    /// What is here is not sent, until it is something else.
    Unsent {
        /// The bytes; `None` for a delete.
        what: Option<ContentHash>,
        /// Why.
        why: Unsent,
    },
}

/// Why a local change is not sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Unsent {
    /// The server does not let us write it. It is tried again now and then.
    Denied,
    /// It is a dead letter.
    Dead,
    /// It is larger than what may be sent.
    TooLarge,
    /// A person gave it up.
    GivenUp,
    /// The server has something newer, too, and nothing may be written here.
    BothMoved,
}

impl Entry {
    /// What is stored of it. Everything else is found out again.
    pub fn row(&self) -> EntryRow {
        EntryRow {
            base: self.base.clone(),
            proof: self.proof.clone(),
            placing: self.placing.clone(),
            remote: self.remote.clone(),
            hold: self.hold.clone(),
            seen: self.seen,
            missed: self.missed,
            lineage: self.lineage.clone(),
            astray: self.astray,
        }
    }

    /// Whether what is stored of it is this.
    pub fn has_row(&self, row: &EntryRow) -> bool {
        let Self {
            base,
            local: _,
            proof,
            placing,
            remote,
            doing: _,
            hold,
            seen,
            missed,
            lineage,
            astray,
        } = self;
        *base == row.base
            && *proof == row.proof
            && *placing == row.placing
            && *remote == row.remote
            && *hold == row.hold
            && *seen == row.seen
            && *missed == row.missed
            && *lineage == row.lineage
            && *astray == row.astray
    }

    /// Whether the server is known to have had this file before what it has.
    pub fn had(&self, remote: &Remote) -> bool {
        let Some((_, before)) = self.lineage.split_last() else { return false };
        before.iter().flatten().any(|past| past.is(remote))
    }

    /// Where in the lineage this is, if it is in it.
    pub fn place_of(&self, remote: &Remote) -> Option<usize> {
        self.lineage.iter().position(|past| match past {
            Some(past) => past.is(remote),
            None => remote.revision().is_none(),
        })
    }

    /// Whether what the server has is what we made it have.
    pub fn is_ours(&self) -> bool {
        self.lineage.last().is_some_and(|last| match last {
            Some(past) => past.is(&self.remote),
            None => self.remote.revision().is_none(),
        })
    }

    /// Whether what is known of the server is of a past that the feed tells since this point, if
    /// it tells one.
    pub fn waits_for_tip(&self, replay: Option<Ordinal>) -> bool {
        replay.is_some_and(|from| self.remote.at() > from) && !self.is_ours()
    }

    /// Whether nobody on the server's side ever told of it.
    pub fn is_unheard(&self) -> bool {
        self.base.is_none() && self.remote == Remote::Unknown(Ordinal::default())
    }

    /// Whether the server has what both sides had.
    pub fn remote_is_base(&self) -> bool {
        match (&self.base, &self.remote) {
            (Some(base), Remote::File { revision, hash, .. }) => match hash {
                Some(hash) => base.hash == *hash,
                None => base.revision == *revision,
            },
            _ => false,
        }
    }

    /// What was stored, with the disk not looked at yet.
    pub fn from_row(row: EntryRow) -> Self {
        Self {
            base: row.base,
            local: Local::Unknown,
            proof: row.proof,
            placing: row.placing,
            remote: row.remote,
            doing: None,
            hold: row.hold,
            seen: row.seen,
            missed: row.missed,
            lineage: row.lineage,
            astray: row.astray,
        }
    }

    /// A path that was never heard of.
    pub fn new() -> Self {
        Self {
            base: None,
            local: Local::Unknown,
            proof: None,
            placing: None,
            remote: Remote::Unknown(Ordinal::default()),
            doing: None,
            hold: None,
            seen: 0,
            missed: None,
            lineage: Vec::new(),
            astray: false,
        }
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

impl Remote {
    /// Whether both say the same about the file, whenever they said it.
    pub fn is_same_file(&self, other: &Remote) -> bool {
        match (self, other) {
            (
                Remote::File { revision, hash, .. },
                Remote::File { revision: other_revision, hash: other_hash, .. },
            ) => revision == other_revision && hash == other_hash,
            (Remote::Absent(_), Remote::Absent(_)) | (Remote::Unknown(_), Remote::Unknown(_)) => {
                true
            }
            _ => false,
        }
    }

    /// It came after this point of the feed.
    pub fn known_since(&mut self, told: Ordinal) {
        match self {
            Remote::Unknown(at) | Remote::Absent(at) | Remote::File { at, .. } => {
                *at = told.max(*at);
            }
        }
    }

    /// The revision, if it is known to have one.
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Remote::File { revision, .. } => Some(revision),
            Remote::Absent(_) | Remote::Unknown(_) => None,
        }
    }

    /// The point of the feed that this was known at.
    pub fn at(&self) -> Ordinal {
        match self {
            Remote::Unknown(at) | Remote::Absent(at) | Remote::File { at, .. } => *at,
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::Aside { tries, why, .. } => write!(f, "{why}, failed {tries} times"),
            Hold::MaxDelete => f.write_str("too many deletes at once wait for a person"),
            Hold::Unsent { why, .. } => why.fmt(f),
        }
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsent::Denied => "the server does not let us write it",
            Unsent::Dead => "it could not be delivered",
            Unsent::TooLarge => "it is larger than what may be sent",
            Unsent::GivenUp => "it was given up",
            Unsent::BothMoved => "it changed on both sides, and the mirror only writes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_past_of_before_hashes_were_kept_is_read() {
        let past: Past = serde_json::from_str(r#""rev_7""#).unwrap();
        assert_eq!(past, Past { revision: Revision("rev_7".into()), hash: None });
        let past = Past { hash: Some(ContentHash([7; 32])), ..past };
        let text = serde_json::to_string(&past).unwrap();
        assert_eq!(serde_json::from_str::<Past>(&text).unwrap(), past);
    }
}
