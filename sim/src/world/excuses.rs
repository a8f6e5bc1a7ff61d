//! What a healed world need not have in step, and has to tell of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeInclusive};

use landfall_core::path::{CONTROL_DIR, RemotePath};

use super::World;
use super::disk::fold;

impl World {
    /// Files of the server that can not all be placed: a file that is a directory of another,
    /// and two whose names are one on this disk.
    pub fn contested(&self) -> BTreeSet<RemotePath> {
        let paths: BTreeSet<RemotePath> =
            self.server.truth.files().map(|(path, ..)| path.clone()).collect();
        let mut contested = BTreeSet::new();
        let mut folded = BTreeMap::new();
        for path in &paths {
            for dir in path.ancestors().filter_map(|dir| paths.get(dir)) {
                contested.extend([dir.clone(), path.clone()]);
            }
            if self.disk.folds()
                && let Some(twin) = folded.insert(fold(path), path.clone())
            {
                contested.extend([twin, path.clone()]);
            }
        }
        contested
    }

    /// How many names the status has to count, because nobody can place them. Of what lies deep
    /// a listing may show the directory only, or beside it. Control directories are nobody's
    /// business.
    pub fn unplaceable(&self) -> RangeInclusive<u64> {
        // What belongs to a control directory or a history is nobody's trouble.
        let is_foreign = |name: &String| {
            let history = name.replace('\u{200c}', "").to_ascii_lowercase();
            history.starts_with("/.git/")
                || name.split('/').any(|part| part.eq_ignore_ascii_case(CONTROL_DIR))
        };
        let is_deep = |name: &String| name.split('/').count() > 4;
        let names = self.server.hostile().iter().filter(|name| !is_foreign(name));
        let (deep, flat): (Vec<_>, Vec<_>) = names.partition(|name| is_deep(name));
        let (deep, flat) = (deep.len() as u64, flat.len() as u64);
        // What was deleted while a listing showed the directory only may still be counted.
        let mirror = self.store.view().mirror.as_ref();
        let listed = mirror.and_then(|row| row.traversal.as_ref()).filter(|last| !last.open);
        let hidden = self.server.hostile_hidden(listed.map_or(0, |last| last.tag.n));
        let hidden: BTreeSet<&String> =
            hidden.filter(|name| is_deep(name) && !is_foreign(name)).collect();
        flat + deep.min(1)..=flat + 2 * (deep + hidden.len() as u64)
    }

    /// Whether a file may not be read.
    pub fn is_denied(&self, path: &RemotePath) -> bool {
        !self.server.access.may_read(path.as_str())
    }

    /// Files that need not be in step: they can not be placed, or not be read. Where a file that
    /// stays here is in the way, that one needs an excuse of its own.
    pub fn excused(&self) -> BTreeSet<RemotePath> {
        let mut excused = self.contested();
        let here: BTreeSet<RemotePath> = self.disk.files().map(|(path, _)| path.clone()).collect();
        for (path, ..) in self.server.truth.files() {
            let below = path.as_dir();
            let from = (Bound::Included(below.as_str()), Bound::Unbounded);
            let mut after = here.range::<str, _>(from);
            let is_directory = after.next().is_some_and(|p| p.as_str().starts_with(&below));
            let has_twin = self.disk.has_twin(path);
            if is_directory || has_twin || path.ancestors().any(|dir| here.contains(dir)) {
                excused.insert(path.clone());
            }
        }
        if !self.server.access.denials.is_empty() {
            // Also what was there once: whether it was deleted is not told any more.
            let there = self.server.truth.paths();
            excused.extend(there.filter(|path| self.is_denied(path)).cloned());
        }
        excused
    }
}
