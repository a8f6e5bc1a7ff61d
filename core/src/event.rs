//! What the machine is told.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::fault::{Blame, Fault};
use crate::files::entry::{Found, Seen, Stamp};
use crate::hash::ContentHash;
use crate::id::{BlobId, CallId, CommandId, CommitSeq, EventId, OpId, Revision, StoreId, UnitId};
use crate::path::RemotePath;
use crate::row::Loaded;
use crate::time::Ms;
use crate::wire::{FeedEvent, TreeEntry};

/// One event. Every event is welcome in every state; what nobody waits for is let go.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Event {
    /// Rows of the stores, in any number of batches, all before `Start`.
    Load(Vec<Loaded>),
    /// Go.
    Start {
        /// How often this store was opened; committed before this event.
        run: u32,
        /// Whether the computer was restarted since the last run.
        boot: Boot,
        /// How the last run ended.
        last: LastExit,
    },
    /// The time of [`next_wake`](crate::Machine::next_wake) has come. Harmless at any time.
    Wake,
    /// Stop.
    Stop(Stop),
    /// One item of a streamed answer. It spends one credit; a sign of life of the disk, or of a body
    /// that goes out, spends none.
    Part {
        /// The call.
        call: CallId,
        /// The item.
        part: Part,
    },
    /// The last word about a call.
    Done {
        /// The call.
        call: CallId,
        /// How it ended.
        outcome: Outcome,
    },
    /// Somebody did something to a path, it seems. Never trusted: it is looked at.
    Heard {
        /// Whose directory.
        unit: UnitId,
        /// What was heard.
        hint: Hint,
    },
    /// A person wants something.
    Told {
        /// Of which unit.
        unit: UnitId,
        /// What.
        order: Order,
    },
    /// Every commit of this store up to this number is durable. Said again by a store that tries,
    /// such as on a full disk.
    Stored {
        /// The store.
        store: StoreId,
        /// The number.
        upto: CommitSeq,
    },
}

/// Whether this is still the boot in which the last run ended. What was not sealed survives
/// the end of a process, but not that of the kernel.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Boot {
    /// The same boot id.
    Same,
    /// Another, or not known.
    Other,
}

/// How the last run ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum LastExit {
    /// There was none.
    Never,
    /// Sealed and committed.
    Clean,
    /// Killed, crashed or cut off.
    Unclean,
}

/// How to stop.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Stop {
    /// SIGTERM, SIGINT: take nothing in, let what is in flight land, seal, commit, within 5 s.
    Graceful,
    /// The second signal: exit at once.
    Now,
}

/// What a watcher of the directory hears.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Hint {
    /// A file was made or written, and its writer may go on.
    Written(RemotePath),
    /// A writer closed a file.
    Closed(RemotePath),
    /// A file came here whole, by a rename.
    Arrived(RemotePath),
    /// A file went away.
    Left(RemotePath),
    /// A directory came, with whatever is in it.
    Directory(RemotePath),
    /// Something was missed. Everything is scanned.
    Lost,
}

/// What a person wants of a unit that runs.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Order {
    /// Try a dead letter again; all of them with `None`.
    Retry(Option<CommandId>),
    /// Forget a dead letter. What it could not deliver is given up, and stays where it is here.
    Discard(CommandId),
}

/// How far the server is with a write that it accepted.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum OpState {
    /// It goes on.
    Pending,
    /// Done.
    Succeeded,
    /// It will not be done. The server's word for it: `failed`, `dead_lettered`, `canceled`.
    Failed(String),
}

/// One item of a streamed answer.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Part {
    /// A whole file, staged and hashed.
    File(Fetched),
    /// Some entries of a listing page, in the page's order.
    Entries(Vec<TreeEntry>),
    /// One file of many was written.
    Wrote {
        /// As the server wrote it.
        path: String,
        /// Its revision.
        revision: Revision,
        /// What the server still does with it, if it says.
        op: Option<OpId>,
    },
    /// One path of many was refused.
    Refused {
        /// As the server wrote it.
        path: String,
        /// Whose fault.
        blame: Blame,
        /// Why.
        why: Fault,
    },
    /// The stream is open.
    Opened,
    /// Nothing to tell yet, but it goes on: the other side of a stream is there, a body goes out,
    /// or an operation of the disk, or one before it, is at work.
    Alive,
    /// Something happened.
    Event {
        /// As the feed tells it.
        event: FeedEvent,
        /// The bytes, if they came with it and have the hash that the event says.
        inline: Option<Fetched>,
    },
    /// A read is moving: bytes received since the last part of this kind.
    Bytes(u64),
}

/// A file as the server sent it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Fetched {
    /// As the server wrote it: not proven harmless.
    pub path: String,
    /// Its revision.
    pub revision: Revision,
    /// Of the staged bytes, computed by the adapter. Where the server sent a hash too and
    /// they differ, the adapter answers [`Fault::Malformed`] instead.
    pub hash: ContentHash,
    /// Decoded length in bytes.
    pub size: u64,
    /// The bytes.
    pub blob: BlobId,
}

/// How a call ended.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Outcome {
    /// Done.
    Ok(Answer),
    /// Not done, or not known.
    Failed {
        /// Whose fault.
        blame: Blame,
        /// Why.
        why: Fault,
        /// The server's `Retry-After`, as it was sent. The gate clamps it.
        retry_after: Option<Ms>,
    },
}

/// A good answer.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Answer {
    /// The newest event; `None` when the feed has none.
    Tip(Option<EventId>),
    /// A page of the feed.
    Events {
        /// In feed order.
        events: Vec<FeedEvent>,
        /// Where to go on; `None` at the tip.
        next: Option<String>,
    },
    /// The export is complete; its files came as parts.
    Exported,
    /// The listing page is complete; its entries came as parts.
    Listed {
        /// The next page; `None` on the last.
        next: Option<String>,
        /// Files in the subtree, if the server said.
        total: Option<u64>,
    },
    /// A file.
    Read(Fetched),
    /// The bulk read is complete; its files came as parts.
    ReadMany,
    /// Many files were written, but for those that were refused in parts.
    WroteMany,
    /// The file was written.
    Wrote {
        /// Its revision.
        revision: Revision,
        /// What the server still does with it, if it says.
        op: Option<OpId>,
    },
    /// The file is deleted.
    Deleted {
        /// What the server still does with it, if it says.
        op: Option<OpId>,
    },
    /// How far a write is.
    Op(OpState),

    /// Old blobs are gone.
    Cleaned {
        /// How many there were.
        removed: u32,
    },
    /// What is at the path.
    Looked(Found),
    /// What is in the directory, but for names that no remote path can have, and what belongs
    /// to the mirror itself. Nothing, if there is no such directory.
    Scanned(Vec<(RemotePath, Seen)>),
    /// The blob is at the path.
    Placed {
        /// Of the placed file.
        stamp: Stamp,
        /// The hash of what came out and was kept as a conflict copy.
        kept: Option<ContentHash>,
        /// The hash of what is at the path, where that is the blob merged with what was there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        merged: Option<ContentHash>,
    },
    /// The copy is on the stage.
    Staged {
        /// The copy.
        blob: BlobId,
        /// Bytes.
        size: u64,
    },
    /// The root is what it was.
    Rooted,
    /// The file was moved away.
    Removed,
    /// Nothing was done, because this was there. The blob, if any, is still staged.
    Occupied(Found),
    /// The blob is gone.
    Dropped,
    /// What was answered before survives a power cut.
    Sealed,
}

impl Part {
    /// The blob that this part hands over.
    pub fn blob(&self) -> Option<BlobId> {
        match self {
            Part::File(fetched) | Part::Event { inline: Some(fetched), .. } => Some(fetched.blob),
            _ => None,
        }
    }
}

impl Answer {
    /// The blob that this answer hands over.
    pub fn blob(&self) -> Option<BlobId> {
        match self {
            Answer::Read(fetched) => Some(fetched.blob),
            Answer::Staged { blob, .. } => Some(*blob),
            _ => None,
        }
    }
}
