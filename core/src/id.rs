//! Names of things the machine talks about.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// One thing that is kept in step: a workspace, later a relay or an import.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct UnitId(pub u16);

/// One server. Units that talk to the same server share its [gate](crate::gate).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct RemoteId(pub u16);

/// One durable store. A unit's rows live in one store.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct StoreId(pub u16);

/// An effect that will be answered.
///
/// `run` is a start counter that the store commits before the machine starts, so ids never
/// repeat, not even over a `kill -9`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct CallId {
    /// The start of the process that made the call.
    pub run: u32,
    /// Who made it, so that even an answer that nobody waits for finds its way home.
    pub unit: UnitId,
    /// Counts the calls of that start from 1, over all units.
    pub n: u64,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.run, self.n)
    }
}

/// Number of an atomic commit. Commits of one store become durable in this order.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct CommitSeq(pub u64);

/// Bytes that an adapter staged and hashed. The machine never sees the bytes.
///
/// Each blob ends in exactly one place: placed under a path, or dropped. What a killed
/// process left behind is removed by the [`Clean`](crate::effect::DiskOp::Clean) of the next.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct BlobId {
    /// The call whose answer carried the bytes.
    pub call: CallId,
    /// Counts the blobs of that call from 0.
    pub part: u32,
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.call, self.part)
    }
}

/// The server's name for one version of one file. Opaque: only equality means anything.
///
/// An entry, its row and what is under way for it share one, so cloning is cheap.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Revision(pub Arc<str>);

impl Revision {
    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_str(Name)
    }
}

/// Reads a revision where it lies.
struct Name;

impl de::Visitor<'_> for Name {
    type Value = Revision;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a revision")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Revision, E> {
        Ok(Revision(name.into()))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The server's name for one entry of its feed.
///
/// Opaque, except that `evt_<n>` is known to be counted in one order per workspace.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct EventId(pub String);

impl EventId {
    /// The `n` of `evt_<n>`; `None` for ids of another shape.
    ///
    /// `evt_9` comes before `evt_10`, which a comparison of strings gets wrong.
    pub fn number(&self) -> Option<u64> {
        self.0.strip_prefix("evt_")?.parse().ok()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One intent to change one file on the server, for ever: sent again it is the same command, and
/// the server carries it out once.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct CommandId(pub String);

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The server's name for what it does with a write that it accepted.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct OpId(pub String);

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::path::Shown(&self.0).fmt(f)
    }
}
