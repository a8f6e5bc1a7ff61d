//! The JSON of answers, where it has more than the machine reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_core::time::Wall;
use landfall_core::wire::{Events, FeedEvent, Tree, TreeEntry};
use landfall_reference::server::{
    Accepted, BulkError, BulkWritten, Content, Encoding, File, Merged, Op, OpStatus, Refusal,
    Server, View,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    encode(&json!({
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FullTree<'a> {
    path: &'a str,
    entries: Vec<FullEntry<'a>>,
    next_cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_files: Option<u64>,
}

/// A listing page, with what the machine does not read.
pub(super) fn tree<'p>(page: &'p Tree, view: &View<'_>) -> Vec<u8> {
    let full = |entry: &'p TreeEntry| {
        let TreeEntry { path, kind, .. } = entry;
        let file = view.read(path).ok().filter(|_| kind == "file");
        FullEntry {
            entry,
            provider: file.map(|_| provider(path)),
            updated_at: file.map(|file| time(file.at)),
        }
    };
    encode(&FullTree {
        path: &page.path,
        entries: page.entries.iter().map(full).collect(),
        next_cursor: page.next_cursor.as_deref(),
        total_files: page.total_files,
    })
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
    encode(&json!({ "events": events, "nextCursor": page.next_cursor }))
}

/// The body of an error.
pub(super) fn refusal(refusal: &Refusal, correlation: &str) -> Vec<u8> {
    let mut json = json!({
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
    encode(&json!({
        "opId": accepted.op(),
        "status": "queued",
        "targetRevision": accepted.revision(),
        "writeback": { "provider": provider(&accepted.path), "state": "pending" },
    }))
}

/// The answer to a bulk write.
pub(super) fn bulk_written(answer: &BulkWritten, server: &Server, correlation: &str) -> Vec<u8> {
    let errors: Vec<Value> = answer.errors.iter().map(bulk_error).collect();
    let mut body = json!({
        "written": answer.written.len(),
        "errorCount": errors.len(),
        "correlationId": correlation,
        "errors": errors,
    });
    if let Some(results) = answer.results() {
        body["results"] = results.iter().map(|accepted| bulk_result(accepted, server)).collect();
    }
    encode(&body)
}

fn bulk_result(accepted: &Accepted, server: &Server) -> Value {
    let after = server.change(accepted.number).and_then(|change| change.after.as_ref());
    json!({
        "path": &*accepted.path,
        "revision": accepted.revision(),
        "contentType": after.map(|file| content_type(&accepted.path, &file.content)),
        "opId": accepted.op(),
        "writeback": { "provider": provider(&accepted.path), "state": "pending" },
    })
}

fn bulk_error(error: &BulkError) -> Value {
    let mut body = json!({ "path": &*error.path, "code": error.code, "message": error.message });
    if let Some((expected, current)) = &error.revisions {
        body["expectedRevision"] = expected.as_str().into();
        body["currentRevision"] = current.as_str().into();
    }
    body
}

/// The answer to a merge.
pub(super) fn merged(merged: &Merged) -> Vec<u8> {
    encode(&json!({
        "targetRevision": merged.accepted.revision(),
        "strategy": merged.strategy,
        "baseRevision": merged.base_revision,
        "mergedAgainstRevision": merged.against,
    }))
}

/// An operation as `ops/{opId}` answers it.
pub(super) fn op(op: &Op) -> Vec<u8> {
    encode(&op_value(op))
}

/// Operations as `ops` answers them: all in one page.
pub(super) fn ops(ops: &[Op]) -> Vec<u8> {
    let items: Vec<Value> = ops.iter().map(op_value).collect();
    encode(&json!({ "items": items, "nextCursor": null }))
}

fn op_value(op: &Op) -> Value {
    let mut body = json!({
        "opId": op.id(),
        "path": &*op.path,
        "revision": op.revision(),
        "action": op.action(),
        "provider": provider(&op.path),
        "status": op.status.name(),
        "attemptCount": op.attempts,
        "correlationId": format!("corr_{}", op.number),
        "createdAt": time(op.created),
        "updatedAt": time(op.updated),
    });
    if matches!(op.status, OpStatus::Failed | OpStatus::DeadLettered) {
        body["lastError"] = "the provider refused the write".into();
    }
    body
}

/// The body of `POST fs/bulk-read`.
#[derive(Deserialize)]
pub(super) struct BulkBody {
    pub(super) paths: Vec<String>,
}

/// Our own values have string keys and no floats, so this can not fail.
fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}
