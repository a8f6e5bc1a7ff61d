//! Listings and exports that leave files out.

use std::collections::BTreeSet;

use landfall_core::path::RemotePath;

use super::hash_of;
use crate::faults::mix;

/// More unknown files than this are hidden at once, or none.
const HIDDEN_MIN: usize = 10;

/// Files of which the client has no row, and that were hidden from it.
///
/// Whatever lost them is the same for all pages of a traversal. It is found before the next one,
/// so that no two in a row hide the same, because two that agree are believed. Only a workspace
/// that shows nothing at all is shown so again, beside its true count.
#[derive(Clone, Debug, Default)]
pub(super) struct Hidden {
    now: BTreeSet<RemotePath>,
    before: BTreeSet<RemotePath>,
}

impl Hidden {
    /// The root is listed anew.
    pub fn traversal_begins(&mut self) {
        self.before.append(&mut self.now);
    }

    pub fn is_empty(&self) -> bool {
        self.now.is_empty()
    }

    /// Whether it is hidden. What the client learns of meanwhile is not.
    pub fn has(&self, path: &str, known: &dyn Fn(&RemotePath) -> bool) -> bool {
        self.now.get(path).is_some_and(|path| !known(path))
    }

    /// Whether these may be hidden together. A few are never: they could be hidden themselves by
    /// the files that others make meanwhile.
    pub fn may_hide(&self, paths: &[RemotePath], all: bool) -> bool {
        let again = || paths.iter().any(|path| self.before.contains(path));
        paths.len() > HIDDEN_MIN && (all || !again())
    }

    pub fn hide(&mut self, paths: Vec<RemotePath>) {
        self.now.extend(paths);
    }
}

/// What a listing or an export hides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lie {
    pub what: Option<Hides>,
    pub bits: u64,
    /// Also files of which the client has no row.
    pub unknown: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Hides {
    All,
    Some,
}

impl Lie {
    pub fn pick(empty: Option<u64>, short: Option<u64>, unknown: bool) -> Self {
        let what = match (empty, short) {
            (Some(_), _) => Some(Hides::All),
            (None, Some(_)) => Some(Hides::Some),
            (None, None) => None,
        };
        Self { what, bits: empty.or(short).unwrap_or(0), unknown }
    }

    pub fn hides(&self, dir: &str, path: &str, known: &dyn Fn(&RemotePath) -> bool) -> bool {
        let hidden = match self.what {
            None => return false,
            Some(Hides::All) => true,
            Some(Hides::Some) => {
                let rest = path.get(dir.trim_end_matches('/').len() + 1..).unwrap_or("");
                // Half of them hide whole directories.
                let name = match rest.split_once('/') {
                    Some((first, _)) if self.bits & 1 == 0 => first,
                    _ => rest,
                };
                mix(self.bits ^ hash_of(name)) % 100 <= self.bits % 100
            }
        };
        hidden && (self.unknown || RemotePath::parse(path).is_ok_and(|path| known(&path)))
    }
}
