//! The JSON of the workspace HTTP API, read by the client and written by the reference server.
//!
//! Unknown fields are ignored and absent ones are absent, so that older and newer servers
//! are understood alike. Names are plain strings here: nothing from a server is a
//! [`RemotePath`](crate::path::RemotePath) before the machine has looked at it.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

/// `GET fs/tree`: one page of a bounded-depth listing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tree {
    /// The directory that was asked for.
    #[serde(default)]
    pub path: String,
    /// In path order, up to 1,000.
    #[serde(default)]
    pub entries: Vec<TreeEntry>,
    /// Where the next page starts; `null` on the last.
    #[serde(default)]
    pub next_cursor: Option<String>,
    /// Files in the visible subtree. Left out when 0 and by older servers: unknown, not zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_files: Option<u64>,
}

/// One entry of a [`Tree`].
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeEntry {
    /// Absolute, byte-exact.
    pub path: String,
    /// `file` or `dir`; another word is skipped.
    #[serde(default, rename = "type", deserialize_with = "or_empty")]
    pub kind: String,
    /// `rev_<n>` for a file, `dir` for a directory.
    #[serde(default, deserialize_with = "or_empty")]
    pub revision: String,
    /// Hex SHA-256 of the decoded bytes; may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
    /// Length of the *encoded* content; may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// `GET fs/events`: one page of the feed.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Events {
    /// In feed order.
    #[serde(default)]
    pub events: Vec<FeedEvent>,
    /// The id to go on after; `null` at the tip.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// One entry of the feed.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FeedEvent {
    /// Usually `evt_<n>`. An event without one is passed over.
    #[serde(default, deserialize_with = "or_empty")]
    pub event_id: String,
    /// `file.created`, `file.updated`, `file.deleted`; others are passed over.
    #[serde(default, rename = "type", deserialize_with = "or_empty")]
    pub kind: String,
    /// Absolute, byte-exact.
    #[serde(default, deserialize_with = "or_empty")]
    pub path: String,
    /// Revision after the event.
    #[serde(default, deserialize_with = "or_empty")]
    pub revision: String,
    /// Hash after the event; may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_hash: Option<String>,
}

/// The body of every error.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// A word such as `workspace_busy`. See [`Fault::classify`](crate::fault::Fault::classify).
    #[serde(default)]
    pub code: String,
    /// For a person.
    #[serde(default)]
    pub message: String,
    /// Echo of `X-Correlation-Id`.
    #[serde(default)]
    pub correlation_id: String,
}

/// One entry that lacks a word, or has `null` for it, must not spoil the page that it is in.
fn or_empty<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_lacks_something_does_not_spoil_its_page() {
        let page = r#"{"events": [{"eventId": "evt_1", "type": "file.updated", "path": "/a",
            "revision": null}, {"eventId": "evt_2", "type": null}, {}], "nextCursor": null}"#;
        let page: Events = serde_json::from_str(page).unwrap();
        let ids: Vec<&str> = page.events.iter().map(|event| event.event_id.as_str()).collect();
        assert_eq!(ids, ["evt_1", "evt_2", ""]);
    }
}
