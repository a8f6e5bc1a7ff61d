//! What the server sends, before the link has its say.

use landfall_core::event::{Answer, Fetched, Outcome, Part};
use landfall_core::id::{BlobId, Revision};
use landfall_core::time::Ms;

use crate::world::disk::Content;

/// What the server sends for one request, before the link has its say.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Items of the body, in order.
    pub pieces: Vec<Piece>,
    /// How it ends.
    pub end: End,
    /// Before the first byte.
    pub think: Ms,
    /// Between two items.
    pub pace: Ms,
}

/// One item of a body.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A file.
    File(Sent),
    /// Anything that the machine is told as it is.
    Part(Part),
}

/// A file on the wire.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its path, as the server has it: not proven harmless.
    pub path: String,
    /// Its revision.
    pub revision: Revision,
    /// Its bytes.
    pub content: Content,
}

impl Sent {
    /// As the adapter tells of it when it is staged.
    pub fn fetched(&self, blob: BlobId) -> Fetched {
        Fetched {
            path: self.path.clone(),
            revision: self.revision.clone(),
            hash: self.content.hash,
            size: self.content.size,
            blob,
        }
    }
}

/// The end of a reply.
#[derive(Clone, Debug)]
pub enum End {
    /// A file is the answer.
    Read(Sent),
    /// Another last word.
    Word(Outcome),
    /// None: it is a stream that goes on with this event.
    Stream {
        /// Its number.
        next: u64,
    },
}

impl Reply {
    pub(super) fn word(outcome: Outcome) -> Self {
        Self { pieces: Vec::new(), end: End::Word(outcome), think: Ms(1), pace: Ms(1) }
    }

    pub(super) fn answer(answer: Answer) -> Self {
        Self::word(Outcome::Ok(answer))
    }
}
