//! What the machine wants done. One variant per port, never per lane.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::files::entry::Stamp;
use crate::hash::ContentHash;
use crate::id::{
    BlobId, CallId, CommandId, CommitSeq, EventId, OpId, RemoteId, Revision, StoreId, UnitId,
};
use crate::path::RemotePath;
use crate::row::{Row, RowKey};
use crate::time::Tick;

/// One effect. All effects of one step may be carried out at once and in any order, except
/// that commits of one store keep theirs.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Effect {
    /// Send a request. Answered by `Part`s and one `Done`, or never.
    ///
    /// The adapter makes one attempt. It never retries, redirects, paces or sleeps. It sends
    /// at most `credit` parts before it is granted [`More`](Effect::More); at zero it stops
    /// reading the socket.
    Ask {
        /// Echoed by every answer.
        call: CallId,
        /// For whose workspace.
        unit: UnitId,
        /// To which server.
        remote: RemoteId,
        /// What is asked.
        request: Request,
        /// When the machine will stop listening. The adapter may give up then on its own.
        deadline: Tick,
        /// How many parts may be sent.
        credit: u32,
    },
    /// Grant more parts to a streamed answer.
    More {
        /// The call that streams.
        call: CallId,
        /// How many more.
        credit: u32,
    },
    /// Nobody listens to this call any more. Whatever it staged and has not handed over is
    /// the adapter's to remove.
    Cancel {
        /// The call.
        call: CallId,
    },
    /// Do something to the disk. Always answered, never repeated while unanswered.
    Disk {
        /// Echoed by the answer.
        call: CallId,
        /// Whose directory.
        unit: UnitId,
        /// What to do.
        op: DiskOp,
    },
    /// Make these changes durable, all or none, after all commits before it.
    Commit {
        /// Which store.
        store: StoreId,
        /// Acknowledged by `Stored { upto }` with this number or a later one.
        seq: CommitSeq,
        /// In order.
        changes: Vec<Change>,
    },
    /// Tell people what was decided, and why.
    Note {
        /// Whose decision; `None` for one about the process.
        unit: Option<UnitId>,
        /// The decision.
        decision: Decision,
    },
    /// End the process. Everything that has to be durable is.
    Exit(Exit),
}

/// What can be asked of a workspace server.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Request {
    /// `GET fs/events?direction=desc&limit=1`. Answer: [`Tip`](crate::event::Answer::Tip).
    Tip,
    /// `GET fs/events`. Answer: [`Events`](crate::event::Answer::Events).
    Events {
        /// The last event known; `None` asks from the oldest.
        after: Option<EventId>,
        /// Page size, 1 to 1,000.
        limit: u32,
    },
    /// `GET fs/ws`. [`Part::Opened`](crate::event::Part::Opened), then
    /// [`Part::Event`](crate::event::Part::Event)s as they happen. It has no good end.
    ///
    /// The adapter pings every 10 s and tells of each pong, so that a connection of which only
    /// one half is open is found by its deadline.
    Stream {
        /// The last event known; `None` asks for what happens from now on.
        after: Option<EventId>,
    },
    /// `GET fs/export?format=json`. One [`Part::File`](crate::event::Part::File) per file,
    /// then [`Exported`](crate::event::Answer::Exported).
    Export {
        /// The subtree.
        path: String,
    },
    /// `GET fs/tree`. [`Part::Entries`](crate::event::Part::Entries), then
    /// [`Listed`](crate::event::Answer::Listed).
    Tree {
        /// The directory.
        path: String,
        /// How many levels below it.
        depth: u32,
        /// Where the page starts.
        cursor: Option<String>,
    },
    /// `GET fs/file`. [`Part::Bytes`](crate::event::Part::Bytes) while it streams, then
    /// [`Read`](crate::event::Answer::Read).
    Read {
        /// The file.
        path: RemotePath,
    },
    /// `POST fs/bulk-read`. One [`Part::File`](crate::event::Part::File) or
    /// [`Part::Refused`](crate::event::Part::Refused) per path, then
    /// [`ReadMany`](crate::event::Answer::ReadMany).
    ReadMany {
        /// Up to 32.
        paths: Vec<RemotePath>,
    },
    /// `POST fs/bulk`. One [`Part::Wrote`](crate::event::Part::Wrote) or
    /// [`Part::Refused`](crate::event::Part::Refused) per file, then
    /// [`WroteMany`](crate::event::Answer::WroteMany). Older servers tell only of those that
    /// they refused.
    PushMany {
        /// Up to 256.
        files: Vec<Push>,
    },
    /// `PUT fs/file`. Answer: [`Wrote`](crate::event::Answer::Wrote).
    Push(Push),
    /// `DELETE fs/file`. Answer: [`Deleted`](crate::event::Answer::Deleted).
    PushDelete {
        /// Which intent this is.
        command: CommandId,
        /// The file.
        path: RemotePath,
        /// What the server is to have.
        base: Revision,
    },
    /// `GET ops/{op}`. Answer: [`Op`](crate::event::Answer::Op).
    Op {
        /// Which.
        op: OpId,
    },
}

/// A file that goes to the server.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Push {
    /// Which intent this is. Sent as the content identity, so that it is carried out once.
    pub command: CommandId,
    /// The file.
    pub path: RemotePath,
    /// What the server is to have: sent as `If-Match`. `None`: nothing, sent as `0`.
    pub base: Option<Revision>,
    /// The bytes, staged. If they are not there any more, or are others, the adapter sends
    /// nothing and answers [`Fault::BlobLost`](crate::fault::Fault::BlobLost).
    pub blob: BlobId,
    /// Their hash.
    pub hash: ContentHash,
    /// How many there are.
    pub size: u64,
}

/// What can be done to a mirror's directory.
///
/// The machine never has two operations under way whose paths are the same or lie above one
/// another, but for scans, which change nothing.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum DiskOp {
    /// Remove every staged blob of an earlier run, but for these. Answer: `Cleaned`.
    Clean {
        /// Blobs that wait to be sent.
        keep: Vec<BlobId>,
    },
    /// Copy a file to the stage, so that later edits can not change what is sent. Answer:
    /// `Staged`, or `Occupied` if it has other bytes by now.
    Stage {
        /// The file.
        path: RemotePath,
        /// The bytes that are wanted.
        expect: ContentHash,
    },
    /// Is the root still the directory that it was when it was opened, at the same place?
    /// Answer: `Rooted`.
    Root,
    /// What is at this path? Hash it, unless its stamp equals that of `known`. Symlinks are
    /// not followed: one is `Odd`. Answer: `Looked`.
    Look {
        /// The file.
        path: RemotePath,
        /// What was there at the last look. With `None`, always hash.
        known: Option<(ContentHash, Stamp)>,
        /// Whether its owner is to be allowed to write it from now on. Done only if its stamp
        /// equals that of `known`; the answer has the stamp after it.
        writable: Option<bool>,
    },
    /// What is in this directory? Names and stamps, and nothing is hashed or opened. It may be
    /// done while other operations are: it is a hint, and what differs from what is known is
    /// looked at. Answer: `Scanned`.
    Scan {
        /// The directory; `None` for the root of the mirror.
        dir: Option<RemotePath>,
    },
    /// Put a blob at a path, and make the directories above it. Answer: `Placed`, or
    /// `Occupied` if nothing was done.
    ///
    /// With `expect: None` it must not replace anything. With a hash it exchanges and looks
    /// at what came out: if that is not what was expected, it is kept as a conflict copy.
    Place {
        /// The file.
        path: RemotePath,
        /// The bytes; gone from the stage afterwards, unless the answer is `Occupied` or a
        /// failure.
        blob: BlobId,
        /// The bytes that may be replaced.
        expect: Option<ContentHash>,
        /// Keep what is replaced as a conflict copy even if it is what was expected, because
        /// a person made it.
        keep: bool,
        /// The bytes that both sides had before both changed them. If there is a copy of them, all
        /// three are text, and both changes go together without a conflict, then what comes of
        /// that is placed instead, and what is replaced goes to the conflict copies that are
        /// resolved. What comes of it survives a power cut from then on, because nobody else has
        /// it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<ContentHash>,
        /// Whether its owner may write it: mode 0644, or 0444.
        writable: bool,
    },
    /// Move a file away, never delete it. Directories that become empty are removed.
    /// Answer: `Removed`, or `Occupied` if something else was there and was left.
    Remove {
        /// The file.
        path: RemotePath,
        /// The bytes that may be moved.
        expect: ContentHash,
        /// Where to.
        to: Aside,
    },
    /// Remove one blob. Answer: `Dropped`.
    Drop {
        /// The blob.
        blob: BlobId,
    },
    /// Make everything that was answered before survive a power cut (`syncfs`).
    /// Answer: `Sealed`. It fails with [`RootLost`](crate::fault::Fault::RootLost) if the root is
    /// not what it was: what was found missing in it since may be there.
    Seal,
}

/// Where a file goes that may not stay at its path.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Aside {
    /// `.relay/trash/<cycle>/<path>`: the remote deleted it.
    Trash {
        /// Names the batch, so that it can be undone as one.
        cycle: u64,
    },
    /// `.relay/conflicts/<path>.<hash>.local`: nobody else has these bytes.
    Conflict,
}

/// One change of one row.
#[expect(clippy::large_enum_variant, reason = "nearly every change is a put")]
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Change {
    /// Add or replace.
    Put(Row),
    /// Delete, if it is there.
    Delete(RowKey),
}

/// Why the process ends. The program maps each to a documented exit code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Exit {
    /// `--once`: the mirror is in step.
    InStep,
    /// `--once`: in step but for files that are set aside or held.
    Partial,
    /// `--once`: the server refuses the credentials.
    Unauthorized,
    /// `--once`: the server could not be reached, or throttled, for too long.
    Unavailable,
    /// A safety brake wants a person.
    Halted,
    /// It was told to stop, and everything is sealed and committed.
    Stopped,
    /// It was told to stop at once, or the disk or the store did not answer in time. What was
    /// not committed is found again by the next start.
    Stuck,
}
