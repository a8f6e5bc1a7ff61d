//! Listings and exports that leave files out.

use landfall_core::path::RemotePath;

use super::hash_of;
use crate::faults::mix;

/// A listing that hides fewer unknown files than this could be hidden itself by the files that
/// others make meanwhile.
pub(super) const HIDDEN_MIN: usize = 10;

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
