//! What really happened on the server, as far as oracles need it: every version of every
//! path, in the order of the feed.

use std::collections::BTreeMap;

use landfall_core::hash::ContentHash;
use landfall_core::id::Revision;
use landfall_core::path::RemotePath;
use landfall_core::time::Tick;

use super::disk::Content;

/// One change of one path.
#[derive(Clone, Debug)]
pub struct Version {
    /// The number in `evt_<n>`.
    pub n: u64,
    /// The bytes; `None`: it was deleted.
    pub content: Option<Content>,
    /// The number in `rev_<n>`.
    pub revision: u64,
    /// When.
    pub at: Tick,
    /// Whether the mirror wrote it.
    pub ours: bool,
}

impl Version {
    /// Whether the server calls it so.
    pub fn is_called(&self, revision: &Revision) -> bool {
        let number = revision.as_str().strip_prefix("rev_");
        number.is_some_and(|digits| digits.parse() == Ok(self.revision))
    }
}

/// The history of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// The path of each event, from `evt_1`; `None` for a name that nobody can place.
    log: Vec<Option<RemotePath>>,
    versions: BTreeMap<RemotePath, Vec<Version>>,
    /// Paths that were ever deleted.
    deleted: usize,
    created: usize,
}

impl Truth {
    /// Writes down a change. Returns its number.
    pub fn change(
        &mut self,
        path: &RemotePath,
        content: Option<Content>,
        at: Tick,
        ours: bool,
    ) -> u64 {
        let n = self.log.len() as u64 + 1;
        self.log.push(Some(path.clone()));
        if !self.versions.contains_key(path) {
            self.versions.insert(path.clone(), Vec::new());
        }
        let Some(versions) = self.versions.get_mut(path) else {
            return n;
        };
        match (versions.last().and_then(|v| v.content), content) {
            (Some(_), None) => self.deleted += 1,
            (None, Some(_)) => self.created += 1,
            _ => {}
        }
        versions.push(Version { n, content, revision: n, at, ours });
        n
    }

    /// Something happened to a name that nobody can place. Returns its number.
    pub fn change_elsewhere(&mut self) -> u64 {
        self.log.push(None);
        self.log.len() as u64
    }

    /// The newest event.
    pub fn tip(&self) -> u64 {
        self.log.len() as u64
    }

    /// The path of an event.
    pub fn path(&self, n: u64) -> Option<&RemotePath> {
        self.log.get((n as usize).checked_sub(1)?)?.as_ref()
    }

    /// All versions of a path, the oldest first.
    pub fn versions(&self, path: &RemotePath) -> &[Version] {
        self.versions.get(path).map_or(&[], Vec::as_slice)
    }

    /// What a path had after event `n`.
    pub fn at(&self, path: &RemotePath, n: u64) -> Option<&Version> {
        let versions = self.versions(path);
        let upto = versions.partition_point(|v| v.n <= n);
        versions[..upto].last()
    }

    /// What a path has now.
    pub fn now(&self, path: &RemotePath) -> Option<&Version> {
        self.versions(path).last()
    }

    /// The newest event that gave these bytes to this path.
    pub fn newest_with(&self, path: &RemotePath, hash: &ContentHash) -> Option<u64> {
        self.versions(path)
            .iter()
            .rev()
            .find(|v| v.content.is_some_and(|c| c.hash == *hash))
            .map(|v| v.n)
    }

    /// The files after event `n`, in path order.
    pub fn files_at(&self, n: u64) -> impl Iterator<Item = (&RemotePath, &Version, Content)> {
        self.versions.keys().filter_map(move |path| {
            let version = self.at(path, n)?;
            Some((path, version, version.content?))
        })
    }

    /// Every path that ever was.
    pub fn paths(&self) -> impl Iterator<Item = &RemotePath> {
        self.versions.keys()
    }

    /// The files now, in path order.
    pub fn files(&self) -> impl Iterator<Item = (&RemotePath, &Version, Content)> {
        self.files_at(u64::MAX)
    }

    /// Whether the other client may delete one more: never more than a third of all files
    /// that there ever were.
    pub fn may_delete(&self) -> bool {
        (self.deleted + 1) * 3 <= self.created
    }
}
