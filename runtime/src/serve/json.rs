//! The JSON of answers, where it has more than the machine reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_core::time::Wall;
use landfall_core::wire::{Events, FeedEvent, Tree, TreeEntry};
use landfall_reference::server::{Accepted, Content, Encoding, File, Refusal, Server, View};
use serde::{Deserialize, Serialize};

/// RFC 3339 in UTC.
pub(super) fn time(at: Wall) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(at.0);
    humantime::format_rfc3339_nanos(time).to_string()
}

/// The first component of a path: whose data it is.
pub(super) fn provider(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or("")
}

/// The type that its writer gave it, or would have given it.
fn content_type<'a>(path: &str, content: &'a Content) -> &'a str {
    if let Some(kind) = content.kind() {
        return kind;
    }
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("md") => "text/markdown",
        Some("json") => "application/json",
        _ if content.encoding() == Encoding::Text => "text/plain",
        _ => "application/octet-stream",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FullFile<'a> {
    path: &'a str,
    revision: String,
    content_hash: String,
    content_type: &'a str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    provider: &'a str,
    last_edited_at: String,
    semantics: Empty,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkFile<'a> {
    path: &'a str,
    revision: String,
    content_type: &'a str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

#[derive(Serialize)]
struct Empty {}

fn written(content: &Content) -> (String, Option<&'static str>) {
    match content.text() {
        Some(text) => (text.to_owned(), None),
        None => (STANDARD.encode(content.bytes()), Some("base64")),
    }
}

/// A file as `fs/file` and `fs/export` answer it.
pub(super) fn file(path: &str, file: &File) -> Vec<u8> {
    let (content, encoding) = written(&file.content);
    encode(&FullFile {
        path,
        revision: file.revision(),
        content_hash: file.content.hash().to_string(),
        content_type: content_type(path, &file.content),
        content,
        encoding,
        provider: provider(path),
        last_edited_at: time(file.at),
        semantics: Empty {},
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Streamed<'a> {
    #[serde(flatten)]
    event: &'a FeedEvent,
    timestamp: String,
    #[serde(flatten)]
    inline: Option<Inline<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inline<'a> {
    inline_content: bool,
    content_type: &'a str,
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
}

/// An event as `fs/ws` tells it.
pub(super) fn streamed(event: &FeedEvent, file: Option<&File>, at: Wall) -> String {
    let inline = file.map(|file| {
        let (content, encoding) = written(&file.content);
        let content_type = content_type(&event.path, &file.content);
        Inline { inline_content: true, content_type, content, encoding }
    });
    let message = Streamed { event, timestamp: time(at), inline };
    String::from_utf8(encode(&message)).unwrap_or_default()
}

/// A file as `fs/bulk-read` answers it.
pub(super) fn bulk_file(path: &str, file: &File) -> Vec<u8> {
    let (content, encoding) = written(&file.content);
    encode(&BulkFile {
        path,
        revision: file.revision(),
        content_type: content_type(path, &file.content),
        content,
        encoding,
    })
}

/// A path that `fs/bulk-read` refuses.
pub(super) fn bulk_refusal(path: &str, refusal: &Refusal) -> Vec<u8> {
    encode(&serde_json::json!({
        "path": path,
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "status": refusal.status,
        },
    }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FullEntry<'a> {
    #[serde(flatten)]
    entry: &'a TreeEntry,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

/// A listing page, with what the machine does not read.
pub(super) fn tree(page: &Tree, view: &View<'_>) -> Vec<u8> {
    let entries: Vec<FullEntry<'_>> = page
        .entries
        .iter()
        .map(|entry| {
            let file = view.read(&entry.path).ok();
            let file = file.filter(|_| entry.kind == "file");
            FullEntry {
                entry,
                provider: file.map(|_| provider(&entry.path)),
                updated_at: file.map(|file| time(file.at)),
            }
        })
        .collect();
    let mut json = serde_json::json!({
        "path": page.path,
        "entries": entries,
        "nextCursor": page.next_cursor,
    });
    if let Some(total) = page.total_files {
        json["totalFiles"] = total.into();
    }
    encode(&json)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FullEvent<'a> {
    #[serde(flatten)]
    event: &'a FeedEvent,
    origin: &'static str,
    provider: &'a str,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
}

/// A page of the feed, with what the machine does not read.
pub(super) fn events(page: &Events, server: &Server) -> Vec<u8> {
    let at = |event: &FeedEvent| {
        let number: usize = event.event_id.strip_prefix("evt_")?.parse().ok()?;
        Some(time(server.history().get(number.checked_sub(1)?)?.at))
    };
    let events: Vec<FullEvent<'_>> = page
        .events
        .iter()
        .map(|event| FullEvent {
            origin: "agent_write",
            provider: provider(&event.path),
            correlation_id: event.event_id.replace("evt_", "corr_"),
            timestamp: at(event),
            event,
        })
        .collect();
    encode(&serde_json::json!({ "events": events, "nextCursor": page.next_cursor }))
}

/// The body of an error.
pub(super) fn refusal(refusal: &Refusal, correlation: &str) -> Vec<u8> {
    let mut json = serde_json::json!({
        "code": refusal.code,
        "message": refusal.message,
        "correlationId": correlation,
    });
    if let Some((expected, current)) = &refusal.revisions {
        json["expectedRevision"] = expected.as_str().into();
        json["currentRevision"] = current.as_str().into();
    }
    encode(&json)
}

/// The answer to a write.
pub(super) fn accepted(accepted: &Accepted) -> Vec<u8> {
    encode(&serde_json::json!({
        "opId": accepted.op(),
        "status": "queued",
        "targetRevision": accepted.revision(),
        "writeback": { "provider": provider(&accepted.path), "state": "pending" },
    }))
}

/// The body of `PUT fs/file`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutBody {
    content: String,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    content_type: Option<String>,
}

/// The body of `POST fs/bulk-read`.
#[derive(Deserialize)]
pub(super) struct BulkBody {
    pub(super) paths: Vec<String>,
}

impl PutBody {
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

/// Our own values have string keys and no floats, so this can not fail.
fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
