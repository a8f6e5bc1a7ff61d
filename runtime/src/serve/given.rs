//! What writers send, as the API has it, and as the server takes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_core::time::Ms;
use landfall_reference::server::{BulkWrite, Content, Identity, IfMatch, Merge, Refusal};
use serde::Deserialize;

/// The body of `PUT fs/file`, and what a file of `POST fs/bulk` has of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    content: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

/// The body of `POST fs/bulk`.
#[derive(Deserialize)]
pub(super) struct BulkWriteBody {
    #[serde(default)]
    files: Vec<BulkFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkFile {
    #[serde(default)]
    path: String,
    #[serde(flatten)]
    written: Written,
    #[serde(default)]
    if_match: Option<String>,
    #[serde(default)]
    content_identity: Option<Named>,
}

/// `contentIdentity`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    ttl_seconds: u64,
}

/// The body of `POST fs/merge`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MergeBody {
    #[serde(default)]
    strategy: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    base_revision: String,
    #[serde(default)]
    base_content: String,
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    content_identity: Option<Named>,
}

impl Written {
    pub(super) fn content(self) -> Result<Content, Refusal> {
        let content = match self.encoding.as_deref() {
            None | Some("" | "utf-8") => Content::new(self.content.into_bytes()),
            Some("base64") => match STANDARD.decode(self.content) {
                Ok(bytes) => Content::binary(bytes),
                Err(_) => return Err(Refusal::bad_request("content is not base64")),
            },
            Some(_) => return Err(Refusal::bad_request("unknown encoding")),
        };
        Ok(match self.content_type {
            Some(kind) if !kind.is_empty() => content.typed(kind),
            _ => content,
        })
    }
}

impl Named {
    /// A name without a kind or a key names nothing.
    fn identity(self) -> Option<Identity> {
        let named = !self.kind.is_empty() && !self.key.is_empty();
        let mut identity = Identity::new(self.kind, self.key);
        if self.ttl_seconds > 0 {
            identity.ttl = Ms(self.ttl_seconds.saturating_mul(1000));
        }
        named.then_some(identity)
    }
}

impl BulkWriteBody {
    pub(super) fn files(self) -> Vec<BulkWrite> {
        let one = |file: BulkFile| BulkWrite {
            path: file.path,
            content: file.written.content().ok(),
            expect: match file.if_match.as_deref() {
                None | Some("") => IfMatch::Any,
                Some(text) => IfMatch::parse(text),
            },
            identity: file.content_identity.and_then(Named::identity),
        };
        self.files.into_iter().map(one).collect()
    }
}

impl MergeBody {
    pub(super) fn merge(self, path: String) -> Merge {
        Merge {
            path,
            strategy: self.strategy,
            base_revision: self.base_revision,
            base: self.base_content,
            mine: self.content,
            kind: self.content_type.filter(|kind| !kind.is_empty()).map(Into::into),
            identity: self.content_identity.and_then(Named::identity),
        }
    }
}
