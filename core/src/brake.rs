//! Brakes: something that would have happened, and did not. A person has to decide.
//!
//! A brake says what was seen, what it prevented, and the safe ways on, because a message that
//! names only the way past a brake leads people to do what the brake is there to prevent.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::mirror::FRONTIER_MAX;

/// A brake that is on.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Brake {
    /// Too many deletes in one cycle.
    MaxDelete { deletes: u64, allowed: u64, known: u64 },
    /// Too many deletes here at once.
    MaxUnlink { deletes: u64, allowed: u64, known: u64 },
    /// The directory of the mirror is gone, or is another one.
    RootLost { missing: u64 },
    /// Too many directories wait to be listed.
    Frontier { directories: u64 },
    /// Most of the files that are known may not be read any more.
    Forbidden { files: u64, known: u64 },
    /// The row that says where the mirror stands can not be read. Going on without it could
    /// take old bytes for new ones.
    Unreadable { kind: String, why: String },
}

/// A safe way on. None of them loses bytes, whichever is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// When it is the right one.
    pub when: &'static str,
    /// What to do.
    pub what: String,
    /// The command that does it, or that comes first. `DIR` stands for the mirror.
    pub command: String,
}

impl Brake {
    /// The name in status, metrics and documentation.
    pub fn name(&self) -> &'static str {
        match self {
            Brake::MaxDelete { .. } => "max-delete",
            Brake::MaxUnlink { .. } => "max-local-delete",
            Brake::RootLost { .. } => "root-lost",
            Brake::Frontier { .. } => "frontier",
            Brake::Forbidden { .. } => "forbidden",
            Brake::Unreadable { .. } => "unreadable",
        }
    }

    /// The evidence.
    pub fn seen(&self) -> String {
        match self {
            Brake::MaxDelete { deletes, allowed, known } => format!(
                "{deletes} of {known} files are gone on the remote, and {allowed} may go without \
                 a person"
            ),
            Brake::MaxUnlink { deletes, allowed, known } => format!(
                "{deletes} of {known} files are gone here, and {allowed} may go without a person"
            ),
            Brake::RootLost { missing: 0 } => {
                "the directory of the mirror is gone, or it is another one".to_string()
            }
            Brake::RootLost { missing } => format!(
                "{missing} files are gone here, and so is the directory of the mirror, or it is \
                 another one"
            ),
            Brake::Frontier { directories } => {
                format!("{directories} directories wait to be listed, and {FRONTIER_MAX} may")
            }
            Brake::Forbidden { files, known } => {
                format!("the server does not let us read {files} of {known} files (403)")
            }
            Brake::Unreadable { kind, why } => {
                format!("the stored {kind} row can not be read: {why}")
            }
        }
    }

    /// What would have happened, and what is done instead.
    pub fn prevented(&self) -> String {
        match self {
            Brake::MaxDelete { deletes, .. } => {
                format!("these {deletes} files would have been removed here; none was")
            }
            Brake::MaxUnlink { deletes, .. } => {
                format!("these {deletes} files would have been deleted on the remote; none was")
            }
            Brake::RootLost { .. } => "what is not there counts as deleted by nobody; nothing was \
                                       deleted on the remote"
                .to_string(),
            Brake::Frontier { .. } => {
                "a listing without an end would have been taken for the workspace; it was \
                 stopped, and nothing was deleted"
                    .to_string()
            }
            Brake::Forbidden { files, .. } => format!(
                "each of these {files} files would have been asked for again and again; what is \
                 here of them stays, and one is asked for now and then"
            ),
            Brake::Unreadable { .. } => {
                "going on without it could have put old bytes over new ones; the row is kept as \
                 it is, and nothing is done"
                    .to_string()
            }
        }
    }

    /// The safe ways on.
    pub fn ways(&self) -> Vec<Way> {
        let way = |when, what: &str, command: &str| Way {
            when,
            what: what.to_string(),
            command: command.to_string(),
        };
        match self {
            Brake::MaxDelete { deletes, .. } => alloc::vec![
                way(
                    "to see which they are",
                    "look for the hold `max-delete`",
                    "landfall status --local-dir DIR --json --files",
                ),
                way(
                    "if they are to go",
                    &format!(
                        "stop the mount and start it again with `--max-delete {deletes}`; they go \
                         to the trash, and `landfall undo` brings them back"
                    ),
                    &format!("landfall mount --local-dir DIR --max-delete {deletes}"),
                ),
                way(
                    "if they are to stay",
                    "restore them on the remote; the mirror then goes on by itself",
                    "landfall status --local-dir DIR",
                ),
            ],
            Brake::MaxUnlink { deletes, .. } => alloc::vec![
                way(
                    "to see which they are",
                    "look for the hold `max-delete`",
                    "landfall status --local-dir DIR --json --files",
                ),
                way(
                    "if they are to go",
                    &format!("stop the mount and start it again with `--max-delete {deletes}`"),
                    &format!("landfall mount --local-dir DIR --max-delete {deletes}"),
                ),
                way(
                    "if they are to stay",
                    "stop the mount and let it fetch them again",
                    "landfall mount --local-dir DIR --sync-mode pull-only --once",
                ),
            ],
            Brake::RootLost { .. } => alloc::vec![
                way(
                    "if its disk is not mounted",
                    "mount it, then start the mount again",
                    "landfall mount --local-dir DIR",
                ),
                way(
                    "if it was moved or deleted on purpose",
                    "start the mount again: it says what it finds, and deletes nothing",
                    "landfall mount --local-dir DIR",
                ),
            ],
            Brake::Frontier { .. } => alloc::vec![
                way(
                    "if the tree is meant to be so large",
                    "mirror the parts of it that you need, each to a directory of its own",
                    "landfall mount --remote-path /PART --local-dir OTHER",
                ),
                way(
                    "if not",
                    "remove on the remote what makes it grow, then start the mount again",
                    "landfall mount --local-dir DIR",
                ),
            ],
            Brake::Forbidden { .. } => alloc::vec![
                way(
                    "if the right was taken away by mistake",
                    "give it back; the mirror finds out within ten minutes and goes on by itself",
                    "landfall status --local-dir DIR",
                ),
                way(
                    "if the token is too narrow",
                    "start the mount again with one that has the scope `fs:read`",
                    "landfall mount --local-dir DIR --token-file FILE",
                ),
                way(
                    "if it is meant",
                    "stop the mount: what is here stays as it is",
                    "landfall status --local-dir DIR --json --files",
                ),
            ],
            Brake::Unreadable { .. } => alloc::vec![
                way("if a newer version wrote it", "start that version", "landfall --version",),
                way(
                    "if not",
                    "move `.relay/state.db` away and start the mount again: what is equal on both \
                     sides is not downloaded again, and what differs is kept",
                    "mkdir -p DIR/.relay/old && mv DIR/.relay/state.db* DIR/.relay/old/",
                ),
            ],
        }
    }
}

/// The evidence, what was prevented and the ways on, for a log: without commands.
impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.seen(), self.prevented())?;
        for way in self.ways() {
            write!(f, " ({}: {})", way.when, way.what)?;
        }
        Ok(())
    }
}
