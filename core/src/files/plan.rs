//! The one table that decides what happens to a path.
//!
//! [`plan`] is total and pure, and the only code that may choose to overwrite, upload or
//! delete. It sees what is known of both sides and answers with an action and the rule that
//! chose it. `landfall why` calls it too, so what it prints is what will happen.
//!
//! Each side is first put in relation to `base`, the version that both were last known to
//! have:
//!
//! | | base is known | base is not known |
//! |---|---|---|
//! | the same bytes | `Same` | – |
//! | other bytes | `Moved` | `Moved` |
//! | nothing there | `Gone` | `Never` |
//!
//! and then the rules are one `match` over both relations. Its algebra is tested over every
//! cell: no cell loses bytes, and carrying out the actions ends in rest.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Hold, Local, Remote, Unsent, Version};
use crate::hash::ContentHash;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// Both ways.
    Mirror,
    /// Only from the remote. A local edit stays in place.
    PullOnly,
    /// Only to the remote. A remote change stays there.
    WriteOnly,
}

impl SyncMode {
    /// Whether what is written here goes to the remote. Where it does not, files are read-only.
    pub fn is_written_here(self) -> bool {
        self != SyncMode::PullOnly
    }
}

/// What to do with a path.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Nothing.
    Rest,
    /// Look at the disk.
    LookLocal,
    /// Ask the server for it by name.
    LookRemote,
    /// Both sides have the same bytes: remember that as the base.
    Adopt,
    /// Neither side has it: drop the entry.
    Forget,
    /// Read it and place it. With `keep`, the local bytes are a person's: where they go together
    /// with what is placed, the disk merges both and that is sent, and else they are kept aside.
    Fetch {
        /// Keep what is replaced as a conflict copy.
        keep: bool,
    },
    /// Move the local file to the trash.
    Trash,
    /// Move the local file to the conflict copies.
    SetAside,
    /// Let its owner write the local file, or not.
    SetMode {
        /// Which.
        writable: bool,
    },
    /// Send the local file to the remote.
    Push,
    /// Delete the remote file.
    PushDelete,
}

impl Action {
    /// Whether what the server has was asked before it was chosen.
    pub fn follows_remote(self) -> bool {
        !matches!(
            self,
            Action::Rest | Action::LookLocal | Action::SetAside | Action::SetMode { .. }
        )
    }
}

/// Why.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Both sides have the base.
    InStep,
    /// Nobody looked at the disk yet.
    LocalUnknown,
    /// Nobody knows whether the server still has it.
    RemoteUnknown,
    /// Something that is not a file is in the way.
    OddInTheWay,
    /// Placed before a power cut, not sealed, and not what was placed.
    Suspect,
    /// Both sides have the same bytes, and its owner may write what is not for writing, or may
    /// not where it is.
    Mode,
    /// Both sides have the same new bytes.
    EqualBytes,
    /// Neither side has it.
    GoneOnBoth,
    /// The remote has a new file.
    RemoteNew,
    /// The remote changed it and nobody else did.
    RemoteMoved,
    /// The remote deleted it and nobody else touched it.
    RemoteDeleted,
    /// Too many deletes at once.
    MaxDelete,
    /// It is missing here, and that is no delete: the mirror only pulls, or no person did it.
    LocalMissing,
    /// Changed here only.
    LocalMoved,
    /// Deleted here only.
    LocalDeleted,
    /// Changed or made here, and the mirror only pulls: it stays.
    LocalOnly,
    /// Changed there, and the mirror only writes: it stays.
    RemoteOnly,
    /// Changed on both sides, differently.
    BothMoved,
    /// Changed here, deleted there: the edit wins.
    EditOverDelete,
    /// Deleted here, changed there: the edit wins.
    DeleteUnderEdit,
    /// Changed or deleted here, and the server does not let us write it.
    WriteDenied,
    /// Changed or deleted here, and the server refused it for good.
    DeadLetter,
    /// Changed here, and larger than what may be sent.
    TooLarge,
    /// Changed or deleted here, and a person gave it up.
    GivenUp,
}

impl Rule {
    /// Whether somebody else changed it on the server.
    pub fn is_of_remote(self) -> bool {
        use Rule::*;
        matches!(self, BothMoved | RemoteMoved | RemoteOnly | RemoteDeleted)
    }
}

/// One side in relation to the base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    /// It has the base.
    Same,
    /// It has other bytes; their hash, if it is known.
    Moved(Option<ContentHash>),
    /// It had the base, and has nothing now.
    Gone,
    /// It has nothing, and there is no base.
    Never,
}

/// What to do with a path, and why.
pub fn plan(entry: &Entry, mode: SyncMode) -> (Action, Rule) {
    let base = entry.base.as_ref();
    let local = match &entry.local {
        Local::Unknown => return (Action::LookLocal, Rule::LocalUnknown),
        // Nothing of ours is there, and nothing is wanted there.
        Local::Odd(_)
            if matches!(entry.remote, Remote::Absent(_))
                || mode.is_written_here() && entry.is_unheard() =>
        {
            return (Action::Forget, Rule::GoneOnBoth);
        }
        // It may be gone, and then nothing is in its way.
        Local::Odd(_) if matches!(entry.remote, Remote::Unknown(_)) => {
            return (Action::LookRemote, Rule::RemoteUnknown);
        }
        Local::Odd(_) => return (Action::Rest, Rule::OddInTheWay),
        Local::File { suspect: true, .. } => return (Action::SetAside, Rule::Suspect),
        Local::File { hash, .. } => relate(base, |base| base.hash == *hash, Some(*hash)),
        Local::Absent => absent(base),
    };
    let remote = match &entry.remote {
        // Nobody ever told of it. It is made only if the server has nothing there.
        Remote::Unknown(_) if mode.is_written_here() && entry.is_unheard() => Side::Never,
        Remote::Unknown(_) => return (Action::LookRemote, Rule::RemoteUnknown),
        Remote::File { revision, hash, .. } => {
            // A revision may be used again for other bytes, so a known hash decides alone.
            let same = |base: &Version| match hash {
                Some(hash) => base.hash == *hash,
                None => base.revision == *revision,
            };
            relate(base, same, *hash)
        }
        Remote::Absent(_) => absent(base),
    };
    use Side::*;
    let remote = match (local, remote) {
        // Somebody wrote the same bytes again, and not what was deleted here.
        (Gone, Same) if !has_revision_of(base, &entry.remote) => Moved(None),
        _ => remote,
    };
    match (local, remote) {
        (Same, Same) if !has_revision_of(base, &entry.remote) => (Action::Adopt, Rule::EqualBytes),
        (Same, Same) if is_writable(&entry.local) != Some(mode.is_written_here()) => {
            (Action::SetMode { writable: mode.is_written_here() }, Rule::Mode)
        }
        (Same, Same) => (Action::Rest, Rule::InStep),
        (Gone | Never, Gone | Never) => (Action::Forget, Rule::GoneOnBoth),
        (Moved(Some(here)), Moved(Some(there))) if here == there => {
            (Action::Adopt, Rule::EqualBytes)
        }

        (Same | Gone | Never, Moved(_)) if mode == SyncMode::WriteOnly => {
            (Action::Rest, Rule::RemoteOnly)
        }
        (Same, Gone | Never) if mode == SyncMode::WriteOnly => (Action::Rest, Rule::RemoteOnly),
        (Same, Moved(_)) => (Action::Fetch { keep: false }, Rule::RemoteMoved),
        (Never, Moved(_)) => (Action::Fetch { keep: false }, Rule::RemoteNew),
        (Gone, Moved(_)) => (Action::Fetch { keep: false }, Rule::DeleteUnderEdit),
        (Same, Gone | Never) if entry.hold == Some(Hold::MaxDelete) => {
            (Action::Rest, Rule::MaxDelete)
        }
        (Same, Gone | Never) => (Action::Trash, Rule::RemoteDeleted),

        (Gone | Never, Same) if mode == SyncMode::PullOnly || entry.astray => {
            (Action::Fetch { keep: false }, Rule::LocalMissing)
        }
        (Gone | Never, Same) if entry.hold == Some(Hold::MaxDelete) => {
            (Action::Rest, Rule::MaxDelete)
        }
        (Gone | Never, Same) => unsent(entry, None, Action::PushDelete, Rule::LocalDeleted),
        (Moved(_), Same | Gone | Never) if mode == SyncMode::PullOnly => {
            (Action::Rest, Rule::LocalOnly)
        }
        (Moved(hash), Same | Never) => unsent(entry, hash, Action::Push, Rule::LocalMoved),
        (Moved(hash), Gone) => unsent(entry, hash, Action::Push, Rule::EditOverDelete),
        (Moved(_), Moved(_)) if mode == SyncMode::WriteOnly => (Action::Rest, Rule::BothMoved),
        (Moved(_), Moved(_)) => (Action::Fetch { keep: true }, Rule::BothMoved),
    }
}

/// What is to be sent, unless it was found that this can not be.
fn unsent(entry: &Entry, here: Option<ContentHash>, action: Action, rule: Rule) -> (Action, Rule) {
    match entry.hold {
        Some(Hold::Unsent { what, why }) if what == here => match why {
            Unsent::Denied => (Action::Rest, Rule::WriteDenied),
            Unsent::Dead => (Action::Rest, Rule::DeadLetter),
            Unsent::TooLarge => (Action::Rest, Rule::TooLarge),
            Unsent::GivenUp => (Action::Rest, Rule::GivenUp),
            Unsent::BothMoved => (action, rule),
        },
        _ => (action, rule),
    }
}

fn relate(
    base: Option<&Version>,
    same: impl Fn(&Version) -> bool,
    hash: Option<ContentHash>,
) -> Side {
    match base {
        Some(base) if same(base) => Side::Same,
        _ => Side::Moved(hash),
    }
}

fn is_writable(local: &Local) -> Option<bool> {
    match local {
        Local::File { stamp, .. } => Some(stamp.writable),
        _ => None,
    }
}

fn absent(base: Option<&Version>) -> Side {
    if base.is_some() { Side::Gone } else { Side::Never }
}

fn has_revision_of(base: Option<&Version>, remote: &Remote) -> bool {
    match (base, remote) {
        (Some(base), Remote::File { revision, .. }) => base.revision == *revision,
        _ => false,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::InStep => "both sides have the same version",
            Rule::LocalUnknown => "the disk was not looked at yet",
            Rule::RemoteUnknown => "it is not known whether the server still has it",
            Rule::OddInTheWay => "something that is not a file is in the way",
            Rule::Suspect => "it was not sealed before a power cut and is not what was placed",
            Rule::Mode => "its mode says something else than the mode of the mirror",
            Rule::EqualBytes => "both sides have the same new bytes",
            Rule::GoneOnBoth => "neither side has it",
            Rule::RemoteNew => "the remote has a new file",
            Rule::RemoteMoved => "the remote changed it and nobody touched it here",
            Rule::RemoteDeleted => "the remote deleted it and nobody touched it here",
            Rule::MaxDelete => "too many deletes at once wait for a person",
            Rule::LocalMissing => "it is missing here, which counts as no delete",
            Rule::LocalMoved => "it changed here only",
            Rule::LocalDeleted => "it was deleted here only",
            Rule::LocalOnly => "it changed here and the mirror only pulls, so it stays",
            Rule::RemoteOnly => "it changed there and the mirror only writes, so it stays",
            Rule::BothMoved => "it changed on both sides",
            Rule::EditOverDelete => "it changed here and was deleted there: the edit wins",
            Rule::DeleteUnderEdit => "it was deleted here and changed there: the edit wins",
            Rule::WriteDenied => "the server does not let us write it",
            Rule::DeadLetter => "the server refused it: it is a dead letter",
            Rule::GivenUp => "it could not be delivered and was given up",
            Rule::TooLarge => "it is larger than what may be sent",
        })
    }
}
