//! The durable position never runs ahead of what is durably applied or durably owed.
//!
//! A durable mirror row promises something once it says `complete`, a listing is believed and
//! no traversal is open:
//! every path is accounted for up to its position. When the position moves, the events it
//! moved over are judged; when the promise is new, every path is.

use std::collections::BTreeSet;

use landfall_core::effect::Change;
use landfall_core::files::entry::Remote;
use landfall_core::path::RemotePath;
use landfall_core::row::{MirrorRow, Position, Value};

use super::Ruling;
use crate::map::Set;
use crate::world::disk::{Disk, Moved, Place, Who};
use crate::world::store::{Commit, Store};
use crate::world::truth::Truth;

/// What the durable row promised last.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The position, if it is a promise.
    promised: Option<u64>,
    /// Paths that a person touched.
    touched: Set<RemotePath>,
}

/// A promise that was made.
#[derive(Debug)]
pub(super) struct Promise {
    from: u64,
    upto: u64,
    /// It is new: everything has to be there.
    pub(super) whole: bool,
    /// Known files that the listing left out are durably in doubt.
    doubted: bool,
}

impl Cursor {
    pub(super) fn moved(&mut self, moved: &Moved) {
        if let (Who::Person, Place::At(path)) = (moved.by, &moved.place) {
            self.touched.insert(path.clone());
        }
    }

    /// Whether a commit promises something.
    pub(super) fn durable(&mut self, commit: &Commit, store: &Store) -> Option<Promise> {
        let has_mirror = commit.changes.iter().any(
            |change| matches!(change, Change::Put(row) if matches!(row.value, Value::Mirror(_))),
        );
        if !has_mirror {
            return None;
        }
        let row = store.view().mirror.as_ref();
        let now = row.and_then(|row| self.promise(row));
        let doubted = row.is_some_and(|row| row.doubt.is_some());
        let before = std::mem::replace(&mut self.promised, now);
        let upto = now?;
        match before {
            Some(from) if from >= upto => None,
            Some(from) => Some(Promise { from, upto, whole: false, doubted }),
            None => Some(Promise { from: 0, upto, whole: true, doubted }),
        }
    }

    fn promise(&self, row: &MirrorRow) -> Option<u64> {
        let open = row.traversal.as_ref().is_some_and(|traversal| traversal.open);
        if !row.complete || !row.believed || open || row.unread.is_some() {
            return None;
        }
        match row.position.as_ref()? {
            Position::Origin => Some(0),
            Position::After(id) => id.number(),
            // Without a feed nobody can tell how old a listing is: the next one corrects it.
            Position::NoFeed => None,
        }
    }

    /// Whether every path that a promise is about is accounted for.
    pub(super) fn reflected(
        &self,
        promise: &Promise,
        store: &Store,
        truth: &Truth,
        disk: &Disk,
    ) -> Ruling {
        for path in promise.paths(truth) {
            let Some(version) = truth.at(path, promise.upto) else {
                continue;
            };
            let row = store.view().entries.get(path);
            let known = row.is_some_and(|row| {
                matches!(row.remote, Remote::Unknown(_))
                    || row.remote.at().n >= version.n
                    // Asked for by name while there was no feed to count by.
                    || match &row.remote {
                        Remote::Absent(_) => version.content.is_none(),
                        // Or listed: a listing is as old as its beginning, and may show more.
                        Remote::File { revision, .. } => truth
                            .versions(path)
                            .iter()
                            .any(|v| v.n >= version.n && v.is_called(revision)),
                        Remote::Unknown(_) => true,
                    }
            });
            let untouched = !self.touched.contains(path);
            // A listing that is newer than the position may show that it was deleted since.
            let deleted = truth
                .versions(path)
                .iter()
                .any(|later| later.n > promise.upto && later.content.is_none());
            let accounted = match version.content {
                // A known file that the listing left out is durably in doubt.
                Some(_) => known || deleted && row.is_none() || promise.doubted && row.is_some(),
                None => {
                    known
                        || promise.doubted
                        || row.is_none() && (disk.file(path).is_none() || !untouched)
                }
            };
            if !accounted {
                let (upto, n) = (promise.upto, version.n);
                let stands = match row {
                    None => "there is no durable row of it".to_owned(),
                    Some(row) => format!("its durable row stands at evt_{}", row.remote.at().n),
                };
                return Err((
                    path.to_string(),
                    format!(
                        "the durable position evt_{upto} covers evt_{n} of {path}, and {stands}"
                    ),
                ));
            }
        }
        Ok(1)
    }
}

impl Promise {
    fn paths<'a>(&self, truth: &'a Truth) -> BTreeSet<&'a RemotePath> {
        (self.from + 1..=self.upto).filter_map(|n| truth.path(n)).collect()
    }
}
