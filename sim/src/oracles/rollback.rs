//! A path never goes back to an older version of the server than one that it had. What a power
//! cut took is forgotten where a person saved something else since, where it was sent and no
//! durable row says that it was taken, and where the cut left what the durable row says both sides
//! had: it was the cut that went back, and from there on the path goes forward.

use landfall_core::path::RemotePath;

use super::Ruling;
use crate::map::{Map, Set};
use crate::world::disk::{Moved, Node, Place, Who};
use crate::world::server::{How, Wrote};
use crate::world::store::Store;
use crate::world::truth::Truth;

/// The newest event that each path has reached.
#[derive(Debug, Default)]
pub(super) struct Rollback {
    floor: Map<RemotePath, u64>,
    /// Files that a power cut changed.
    cut: Set<RemotePath>,
}

impl Rollback {
    /// What the mirror wrote is the newest that it has.
    pub(super) fn wrote(&mut self, wrote: &Wrote) {
        if let How::Done(n) = wrote.how {
            self.floor.insert(wrote.path.clone(), n);
        }
    }

    pub(super) fn moved(&mut self, moved: &Moved, store: &Store, truth: &Truth) -> Ruling {
        match (&moved.place, moved.by) {
            (Place::At(path), Who::Power) => {
                self.cut.insert(path.clone());
                // What was sent a moment before, and no row says that the server took it.
                let floor = self.floor.get(path).and_then(|n| truth.at(path, *n));
                let row = store.view().entries.get(path).and_then(|row| row.base.as_ref());
                if let Some(Node::File(left)) = moved.after
                    && row.is_some_and(|base| base.hash == left.content.hash)
                    && let Some(n) = truth.newest_with(path, &left.content.hash)
                    && let Some(known) = self.floor.get_mut(path)
                {
                    *known = n.min(*known);
                }
                if floor.is_some_and(|sent| {
                    sent.ours && !row.is_some_and(|base| sent.is_called(&base.revision))
                }) {
                    self.floor.remove(path);
                }
            }
            (Place::At(path), Who::Person) if self.cut.remove(path) => {
                self.floor.remove(path);
            }
            _ => {}
        }
        if moved.by != Who::Process {
            return Ok(0);
        }
        match (&moved.place, &moved.after) {
            (Place::At(path), Some(Node::File(file))) => {
                // Bytes that the server never had were put back for their owner.
                let Some(n) = truth.newest_with(path, &file.content.hash) else {
                    return Ok(0);
                };
                let floor = self.floor.entry(path.clone()).or_default();
                if n < *floor {
                    return Err((
                        path.to_string(),
                        format!("{path} goes back to evt_{n} after evt_{floor}"),
                    ));
                }
                *floor = n;
                self.cut.remove(path);
                Ok(1)
            }
            (Place::Trash(_, path, _), Some(_)) => {
                let deleted = truth
                    .versions(path)
                    .iter()
                    .rev()
                    .find(|v| v.content.is_none())
                    .map_or(0, |v| v.n);
                let floor = self.floor.entry(path.clone()).or_default();
                *floor = deleted.max(*floor);
                Ok(1)
            }
            _ => Ok(0),
        }
    }
}
