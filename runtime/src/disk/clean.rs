//! What a killed process left behind.

use std::io;

use cap_std::fs::Dir;
use landfall_core::event::Answer;
use landfall_core::id::BlobId;

use super::Disk;
use super::aside::{self, CONFLICTS};
use super::tree::{SWAP, hash_at, open_below};

impl Disk {
    /// Removes what earlier runs left behind: blobs that nobody waits for, and new files that wait in the swap. What
    /// came out of an exchange is kept as a conflict copy. What resists is left for the next
    /// start.
    pub(super) fn clean(&self, run: u32, keep: &[BlobId]) -> io::Result<Answer> {
        let mut removed = self.stage.clean(run, keep)?;
        let swap = &self.tree.swap;
        for entry in swap.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let mut parts = name.split('-');
            let (new, of) = (parts.next().unwrap_or_default(), parts.next());
            if of.is_some_and(|of| of.parse() == Ok(run)) {
                // Of this run: it is under way.
                continue;
            }
            let cleaned = open_below(swap, name, false)
                .map(|dir| self.clean_swap(&dir, new, "", &mut removed))
                .and_then(|()| swap.remove_dir(name));
            if let Err(why) = cleaned {
                tracing::warn!("{SWAP}/{name} below the control directory stays: {why}");
            }
        }
        Ok(Answer::Cleaned { removed })
    }

    fn clean_swap(&self, dir: &Dir, new: &str, below: &str, removed: &mut u32) {
        let Ok(entries) = dir.entries() else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let (Some(name), Ok(kind)) = (name.to_str(), entry.file_type()) else { continue };
            let local = if below.is_empty() { name.into() } else { format!("{below}/{name}") };
            let cleaned = if kind.is_dir() {
                open_below(dir, name, false)
                    .map(|inner| self.clean_swap(&inner, new, &local, removed))
                    .and_then(|()| dir.remove_dir(name))
            } else if kind.is_file() {
                self.clean_file(dir, name, new, &local, removed)
            } else {
                let copies = format!("{CONFLICTS}/{below}");
                open_below(&self.tree.control, &copies, true)
                    .and_then(|copies| aside::odd(dir, name, &copies).map(drop))
            };
            if let Err(why) = cleaned {
                tracing::warn!("what was being replaced at {local} stays in {SWAP}: {why}");
            }
        }
    }

    fn clean_file(
        &self,
        dir: &Dir,
        name: &str,
        new: &str,
        local: &str,
        removed: &mut u32,
    ) -> io::Result<()> {
        let hash = hash_at(dir, name)?;
        if hash.to_string() != new {
            return self.keep(dir, name, local, hash);
        }
        dir.remove_file(name)?;
        *removed += 1;
        Ok(())
    }
}
