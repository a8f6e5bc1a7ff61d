//! Bytes, and how the wire has them.

use std::sync::Arc;

use landfall_core::hash::ContentHash;
use landfall_core::time::Wall;
use sha2::{Digest, Sha256};

/// How content is written in JSON.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Encoding {
    /// As a string.
    Text,
    /// As base64, with `"encoding":"base64"` beside it.
    Base64,
}

/// Bytes with what the API says about them. Cloning is cheap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    bytes: Arc<[u8]>,
    hash: ContentHash,
    encoding: Encoding,
    kind: Option<Arc<str>>,
}

impl Content {
    /// Text where the bytes are UTF-8, else binary.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        let encoding = match std::str::from_utf8(&bytes) {
            Ok(_) => Encoding::Text,
            Err(_) => Encoding::Base64,
        };
        Self::hashed(bytes, encoding)
    }

    /// Binary, even where the bytes happen to be UTF-8: the writer sent them as base64.
    pub fn binary(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::hashed(bytes.into(), Encoding::Base64)
    }

    fn hashed(bytes: Arc<[u8]>, encoding: Encoding) -> Self {
        Self { hash: hash(&bytes), bytes, encoding, kind: None }
    }

    /// With the content type that its writer gave.
    pub fn typed(self, kind: impl Into<Arc<str>>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// The content type that its writer gave, if one was given.
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The decoded bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The decoded bytes, shared.
    pub fn shared(&self) -> Arc<[u8]> {
        self.bytes.clone()
    }

    /// SHA-256 of the decoded bytes.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// How the wire has them.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Length of the *encoded* content in bytes: what a listing calls `size`.
    pub fn encoded_len(&self) -> u64 {
        let decoded = self.bytes.len() as u64;
        match self.encoding {
            Encoding::Text => decoded,
            Encoding::Base64 => decoded.div_ceil(3) * 4,
        }
    }

    /// The text; `None` for binary content.
    pub fn text(&self) -> Option<&str> {
        match self.encoding {
            Encoding::Text => std::str::from_utf8(&self.bytes).ok(),
            Encoding::Base64 => None,
        }
    }
}

/// SHA-256, as the wire has it.
pub fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(Sha256::digest(bytes).into())
}

/// One version of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct File {
    /// Which change of the workspace made it, from 1.
    pub number: u64,
    /// Its bytes.
    pub content: Content,
    /// When it was written.
    pub at: Wall,
}

impl File {
    /// `rev_<n>`. To a client it is opaque.
    pub fn revision(&self) -> String {
        format!("rev_{}", self.number)
    }
}
