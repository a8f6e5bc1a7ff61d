//! What a power cut does to a disk.

use landfall_core::hash::ContentHash;

use super::{Content, Disk, Node, Place, Who};

/// What happened to the bytes of a file that was written and not sealed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// They were on the disk already.
    Whole,
    /// The name survived and the bytes did not: length zero.
    Empty,
    /// The length survived and the bytes did not.
    Torn,
}

impl Disk {
    /// Cuts the power. Of the groups of changes that are neither sealed nor forced, `keep`
    /// (of 1,000) survive, the oldest first; `fate` decides over the bytes of each file that
    /// was not sealed. Returns how many groups and how many files were hit.
    pub fn power_cut(&mut self, keep: u64, mut fate: impl FnMut(&Place) -> Fate) -> (usize, usize) {
        let open = self.groups.len() - self.forced;
        let kept = self.forced + open * keep.min(1000) as usize / 1000;
        let lost = self.groups.len() - kept;
        let from = self.groups.get(kept).copied().unwrap_or(self.undo.len());
        let undone: Vec<_> = self.undo.drain(from..).rev().collect();
        for (place, node) in undone {
            self.set(place, node, Who::Power);
        }
        let open_files: Vec<Place> = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(node, Node::File(file) if file.written > self.sealed))
            .map(|(place, _)| place.clone())
            .collect();
        let mut torn = 0;
        for place in open_files {
            let Some(Node::File(mut file)) = self.nodes.get(&place).copied() else {
                continue;
            };
            match fate(&place) {
                Fate::Whole => continue,
                Fate::Empty => {
                    file.content = EMPTY;
                    file.stamp.size = 0;
                }
                Fate::Torn => {
                    // Same length, same times: only the bytes tell.
                    file.content.hash = torn_hash(file.content.hash);
                }
            }
            torn += 1;
            self.set(place, Some(Node::File(file)), Who::Power);
        }
        self.dropped += self.groups.len() as u64;
        self.undo.clear();
        self.groups.clear();
        self.forced = 0;
        self.sealed = self.writes;
        (lost, torn)
    }
}

/// The hash of no bytes.
const EMPTY: Content = Content {
    hash: ContentHash([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]),
    size: 0,
};

/// Stands for the hash of the same number of other bytes.
fn torn_hash(hash: ContentHash) -> ContentHash {
    ContentHash(hash.0.map(|byte| byte ^ 0xa5))
}
