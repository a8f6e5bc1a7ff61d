//! A simulated disk: the mirror's directory and what lies beside it, without the bytes.
//!
//! A file is the hash and the length of its bytes, which is all that anybody compares.
//! Renames reach the disk in the order in which they were made, as on a journaling file
//! system; the bytes of a file that was written and not sealed may be torn even though its
//! name survived. What a person saves is forced to the disk by the editor, and with it every
//! rename before it.

mod fold;
mod ops;
mod power;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};

use landfall_core::files::entry::{Found, Odd, Seen, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use landfall_core::path::RemotePath;

pub use fold::fold;
pub use ops::{Out, Running, Step};
pub use power::Fate;

/// The bytes of a file, without the bytes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Content {
    /// SHA-256 of the bytes.
    pub hash: ContentHash,
    /// Their number.
    pub size: u64,
}

impl Content {
    /// What is left of content that has bytes.
    pub fn of(content: &landfall_reference::server::Content) -> Self {
        Self { hash: content.hash(), size: content.bytes().len() as u64 }
    }
}

/// Where something can lie.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// At its path in the mirror.
    At(RemotePath),
    /// A staged blob.
    Stage(BlobId),
    /// What came out of an exchange and is not put away yet: the blob that went in, its
    /// bytes, and the path.
    Swap(BlobId, ContentHash, RemotePath),
    /// A conflict copy of a path.
    Conflict(RemotePath, ContentHash),
    /// In the trash: the batch, the path, and a number that tells two of them apart.
    Trash(u64, RemotePath, u32),
}

/// What can lie there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Node {
    /// A regular file.
    File(File),
    /// Something a person put in the way.
    Odd(Odd),
}

/// A regular file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct File {
    /// Its bytes.
    pub content: Content,
    /// What `stat` says.
    pub stamp: Stamp,
    /// The write that made it; see [`Disk::sealed`].
    written: u64,
}

/// One change of the disk, for those who watch it.
#[derive(Clone, Debug)]
pub struct Moved {
    /// Where.
    pub place: Place,
    /// What was there.
    pub before: Option<Node>,
    /// What is there now.
    pub after: Option<Node>,
    /// Who did it.
    pub by: Who,
}

impl Moved {
    /// Whether only the mode of a file is another.
    pub fn is_mode_only(&self) -> bool {
        match (self.before, self.after) {
            (Some(Node::File(before)), Some(Node::File(after))) => {
                before.stamp.inode == after.stamp.inode && before.content == after.content
            }
            _ => false,
        }
    }
}

/// Who changed the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Who {
    /// The process.
    Process,
    /// A person.
    Person,
    /// A power cut.
    Power,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// The directory of the mirror is gone. Whatever is in it is here all the same, for its return.
    pub is_lost: bool,
    /// Names that differ only in case are one.
    folding: bool,
    /// Of a folding disk: the file that has a name, by what the name folds to.
    folded: BTreeMap<String, RemotePath>,
    nodes: BTreeMap<Place, Node>,
    /// How many copies of these bytes lie where nobody removes them unasked.
    copies: BTreeMap<ContentHash, u32>,
    /// What was there before each change that is not sealed.
    undo: Vec<(Place, Option<Node>)>,
    /// Where each group of changes that happens at once begins in `undo`.
    groups: Vec<usize>,
    /// Groups that were sealed and forgotten.
    dropped: u64,
    /// Groups that were forced to the disk by a person's editor.
    forced: usize,
    /// Counts writes of bytes.
    writes: u64,
    /// Writes up to this one are sealed.
    sealed: u64,
    /// Makes stamps unlike one another.
    stamps: i64,
    /// Changes since they were last taken.
    moved: Vec<Moved>,
}

impl Disk {
    /// What a look at a path finds.
    pub fn look(&self, path: &RemotePath) -> Found {
        match self.nodes.get(&Place::At(path.clone())) {
            Some(Node::File(file)) => Found::File { hash: file.content.hash, stamp: file.stamp },
            Some(Node::Odd(odd)) => Found::Odd(*odd),
            None if self.is_directory(path) => Found::Odd(Odd::Directory),
            None => Found::Absent,
        }
    }

    /// What a directory has, in the order of names.
    pub fn scan(&self, dir: Option<&RemotePath>) -> Vec<(RemotePath, Seen)> {
        let first = dir.and_then(below).map(Place::At);
        let dir = dir.map_or("/", RemotePath::as_str);
        let mut entries: Vec<(RemotePath, Seen)> = Vec::new();
        for (place, node) in self.nodes.range((first.map_or(Unbounded, Included), Unbounded)) {
            let Place::At(path) = place else { break };
            let Some(entry) = path.entry_of(dir) else { break };
            if entries.last().is_some_and(|(last, _)| last.as_str() == entry) {
                continue;
            }
            entries.push(match node {
                Node::File(file) if entry == path.as_str() => {
                    (path.clone(), Seen::File(file.stamp))
                }
                Node::Odd(odd) if entry == path.as_str() => (path.clone(), Seen::Odd(*odd)),
                _ => match RemotePath::parse(entry) {
                    Ok(entry) => (entry, Seen::Odd(Odd::Directory)),
                    Err(_) => continue,
                },
            });
        }
        entries
    }

    /// The file at a path.
    pub fn file(&self, path: &RemotePath) -> Option<&File> {
        match self.nodes.get(&Place::At(path.clone())) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    /// All files at their paths.
    pub fn files(&self) -> impl Iterator<Item = (&RemotePath, &File)> {
        self.nodes
            .iter()
            .map_while(|(place, node)| match place {
                Place::At(path) => Some((path, node)),
                _ => None,
            })
            .filter_map(|(path, node)| match node {
                Node::File(file) => Some((path, file)),
                Node::Odd(_) => None,
            })
    }

    /// Everything, in the order of places.
    pub fn nodes(&self) -> impl Iterator<Item = (&Place, &Node)> {
        self.nodes.iter()
    }

    /// What lies at a place.
    pub fn node(&self, place: &Place) -> Option<&Node> {
        self.nodes.get(place)
    }

    /// How many copies of these bytes lie at paths, in conflict copies or in the trash, or
    /// came out of an exchange and are not put away yet.
    pub fn copies(&self, hash: &ContentHash) -> u32 {
        self.copies.get(hash).copied().unwrap_or(0)
    }

    /// The staged blobs, also those on their way.
    pub fn staged(&self) -> impl Iterator<Item = BlobId> {
        self.nodes.keys().filter_map(|place| match place {
            Place::Stage(blob) | Place::Swap(blob, ..) => Some(*blob),
            _ => None,
        })
    }

    /// The bytes that were at this path when the disk was last sealed or forced, if they are
    /// sealed themselves: after a power cut it has these or something newer.
    pub fn sealed_at(&self, path: &RemotePath) -> Option<ContentHash> {
        let place = Place::At(path.clone());
        let open = self.groups.get(self.forced).copied().unwrap_or(self.undo.len());
        let first = self.undo[open..].iter().find(|(p, _)| *p == place);
        let node = match first {
            Some((_, before)) => before.as_ref(),
            None => self.nodes.get(&place),
        };
        match node {
            Some(Node::File(file)) if file.written <= self.sealed => Some(file.content.hash),
            _ => None,
        }
    }

    /// A person saves a file.
    pub fn person_writes(&mut self, path: &RemotePath, content: Content, wall_ms: u64) {
        self.group();
        let mut file = self.new_file(content, wall_ms);
        // The editor forces the bytes to the disk.
        file.written = 0;
        self.set(Place::At(path.clone()), Some(Node::File(file)), Who::Person);
        self.force();
    }

    /// Whether a file can be written at a path: nothing else is in the way.
    pub fn can_write(&self, path: &RemotePath) -> bool {
        !self.is_below_a_file(path)
            && !self.has_twin(path)
            && !matches!(self.look(path), Found::Odd(_))
    }

    /// A person puts something at a path, or removes what is there.
    pub fn person_sets(&mut self, path: &RemotePath, node: Option<Odd>) {
        self.group();
        self.set(Place::At(path.clone()), node.map(Node::Odd), Who::Person);
        self.force();
    }

    /// The process stages a blob.
    pub fn stage(&mut self, blob: BlobId, content: Content, wall_ms: u64) {
        self.group();
        let file = self.new_file(content, wall_ms);
        self.set(Place::Stage(blob), Some(Node::File(file)), Who::Process);
    }

    /// A person, or the process, lets the owner of a file write it, or not. Answers its stamp.
    pub fn set_mode(&mut self, path: &RemotePath, writable: bool, by: Who) -> Stamp {
        let Some(mut file) = self.file(path).copied() else { return Stamp::default() };
        if file.stamp.writable != writable {
            self.stamps += 1;
            file.stamp =
                Stamp { writable, ctime_ns: file.stamp.ctime_ns + self.stamps, ..file.stamp };
            self.group();
            self.set(Place::At(path.clone()), Some(Node::File(file)), by);
        }
        file.stamp
    }

    /// Hands out the changes since the last time.
    pub fn take_moved(&mut self, into: &mut Vec<Moved>) {
        into.append(&mut self.moved);
    }

    fn new_file(&mut self, content: Content, wall_ms: u64) -> File {
        self.writes += 1;
        self.stamps += 1;
        let time = (wall_ms as i64).saturating_mul(1_000_000) + self.stamps % 1_000_000;
        File {
            content,
            stamp: Stamp {
                size: content.size,
                mtime_ns: time,
                ctime_ns: time,
                inode: self.stamps as u64,
                writable: true,
            },
            written: self.writes,
        }
    }

    /// Begins a group of changes that reach the disk together or not at all.
    fn group(&mut self) {
        self.groups.push(self.undo.len());
    }

    /// What was done so far is on the disk: an editor waited for it.
    fn force(&mut self) {
        self.forced = self.groups.len();
    }

    fn set(&mut self, place: Place, node: Option<Node>, by: Who) -> Option<Node> {
        let before = match node {
            Some(node) => self.nodes.insert(place.clone(), node),
            None => self.nodes.remove(&place),
        };
        self.count(&place, before, node);
        self.note_name(&place, node);
        self.undo.push((place.clone(), before));
        self.moved.push(Moved { place, before, after: node, by });
        before
    }

    fn count(&mut self, place: &Place, before: Option<Node>, after: Option<Node>) {
        if matches!(place, Place::Stage(_)) {
            return;
        }
        if let Some(Node::File(file)) = after {
            *self.copies.entry(file.content.hash).or_default() += 1;
        }
        if let Some(Node::File(file)) = before
            && let Some(n) = self.copies.get_mut(&file.content.hash)
        {
            *n -= 1;
            if *n == 0 {
                self.copies.remove(&file.content.hash);
            }
        }
    }

    fn is_directory(&self, path: &RemotePath) -> bool {
        let Some(first) = below(path) else {
            return false;
        };
        self.nodes
            .range((Included(Place::At(first)), Unbounded))
            .next()
            .is_some_and(|(place, _)| matches!(place, Place::At(p) if p.is_below(path.as_str())))
    }

    fn is_below_a_file(&self, path: &RemotePath) -> bool {
        path.ancestors().filter_map(|dir| RemotePath::parse(dir).ok()).any(|dir| {
            let node = self.nodes.get(&Place::At(dir));
            node.is_some_and(|node| *node != Node::Odd(Odd::Directory))
        })
    }
}

/// The least path that can lie below this one.
fn below(path: &RemotePath) -> Option<RemotePath> {
    RemotePath::parse(&(path.as_dir() + "\u{1}")).ok()
}
