//! `landfall writeback list` and `show`: each change that is not delivered.

use std::path::Path;

use clap::ValueEnum;
use landfall_core::files::entry::{Local, Unsent};
use landfall_core::hash::ContentHash;
use landfall_core::path::{RemotePath, Shown};
use landfall_core::row::Staged;
use landfall_core::time::Wall;
use serde::Serialize;

use super::SCHEMA;
use super::letter::Letter;
use super::view::View;
use crate::report::{look, quoted, rfc3339};

/// How far a change is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// On its way, or accepted by the server, which still works on it
    Pending,
    /// Refused and tried again, or not to be sent
    Failed,
    /// Given up until a person decides
    Dead,
}

/// A change. The names are those that scripts know; `command`, `hash` and `size` are ours.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The server's name for it, else ours; empty for what was never to be sent.
    pub id: String,
    workspace_id: String,
    /// The remote path.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
    /// How far it is.
    pub state: State,
    /// The first name of the path.
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_status: Option<u16>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

impl Item {
    fn new(view: &View, path: &RemotePath, state: State, at: Option<Wall>) -> Self {
        let provider = path.relative().split('/').next().unwrap_or_default();
        Self {
            id: String::new(),
            workspace_id: view.identity.workspace_id.clone(),
            path: path.to_string(),
            revision: None,
            state,
            provider: provider.to_owned(),
            ts: at.map(rfc3339),
            message: String::new(),
            provider_status: None,
            attempts: 0,
            command: None,
            hash: None,
            size: None,
            kept: None,
        }
    }

    fn named(self, id: &str, command: &str, bytes: Option<Staged>) -> Self {
        let (id, command) = (id.to_owned(), Some(command.to_owned()));
        let hash = bytes.map(|bytes| bytes.hash.to_string());
        Self { id, command, hash, size: bytes.map(|bytes| bytes.size), ..self }
    }

    fn dead(view: &View, letter: Letter) -> Self {
        let provider = letter.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        Self {
            workspace_id: view.identity.workspace_id.clone(),
            state: State::Dead,
            revision: None,
            provider: provider.to_owned(),
            id: letter.op_id,
            path: letter.path,
            ts: Some(letter.ts),
            message: letter.last_body,
            provider_status: Some(letter.last_status),
            attempts: letter.attempts,
            command: Some(letter.command.0),
            hash: letter.hash,
            size: letter.size,
            kept: letter.kept,
        }
    }
}

/// Every change that is not delivered, in the order: on its way, not to be sent, dead. Those
/// that are refused and tried again are on their way, too, so `pending` has them.
pub fn items(view: &View, state: Option<State>) -> Vec<Item> {
    let mut items = Vec::new();
    for (path, row) in &view.intents {
        let state = if row.failures > 0 { State::Failed } else { State::Pending };
        let item = Item::new(view, path, state, Some(row.made));
        items.push(Item {
            revision: row.base.as_ref().map(|revision| revision.to_string()),
            attempts: row.failures,
            message: match row.failures {
                0 => String::from("on its way"),
                n => format!("refused {n} times, tried again"),
            },
            ..item.named(&row.command.0, &row.command.0, row.bytes)
        });
    }
    for (command, row) in &view.receipts {
        let item = Item::new(view, &row.path, State::Pending, Some(row.accepted));
        let message = String::from("accepted by the server, which still works on it");
        items.push(Item { message, ..item.named(&row.op.0, &command.0, row.bytes) });
    }
    let on_way = items.len();
    for (path, why) in &view.unsent {
        let message = match why {
            Unsent::TooLarge => format!("{why}; make it smaller"),
            Unsent::BothMoved => format!("{why}; mount it to be mirrored, and both are kept"),
            why => format!("{why}; tried again now and then, and when it changes"),
        };
        items.push(Item { message, ..Item::new(view, path, State::Failed, None) });
    }
    items.extend(view.dead().into_iter().map(|letter| Item::dead(view, letter)));
    let mut n = 0;
    items.retain(|item| {
        n += 1;
        match state {
            Some(State::Pending) => n <= on_way,
            Some(state) => item.state == state,
            None => true,
        }
    });
    items
}

/// A table for a person.
pub fn text(items: &[Item]) -> String {
    let mut text = String::from("op_id\tpath\tstate\tts\tprovider\n");
    for Item { id, path, state, ts, provider, .. } in items {
        let id = if id.is_empty() { "-" } else { id };
        let ts = ts.as_deref().unwrap_or("-");
        let (id, path, provider) = (Shown(id), Shown(path), Shown(provider));
        text += &format!("{id}\t{path}\t{}\t{ts}\t{provider}\n", word(*state));
    }
    text
}

fn word(state: State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Failed => "failed",
        State::Dead => "dead",
    }
}

/// The answer of `show --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shows {
    schema: &'static str,
    #[serde(flatten)]
    item: Item,
    /// How what is at the path here relates to what was to be sent: `same`, `changed`,
    /// `missing`, or `unknown`.
    here: &'static str,
}

/// One change, by any of its names.
pub fn show(root: &Path, view: &View, op: &str) -> Option<Shows> {
    let of_letter = view.letter(op).map(|letter| Item::dead(view, letter));
    let item = of_letter.or_else(|| {
        let named = |item: &Item| item.id == op || item.command.as_deref() == Some(op);
        items(view, None).into_iter().find(named)
    })?;
    let path = RemotePath::parse(&item.path).ok();
    let here = path.map(|path| look(root, &view.identity.remote_root, &path, None));
    let here = match (here, item.hash.as_deref().and_then(ContentHash::parse)) {
        (Some(Local::File { hash, .. }), Some(sent)) if hash == sent => "same",
        (Some(Local::Absent), None) => "same",
        (Some(Local::Absent), Some(_)) => "missing",
        (Some(Local::File { .. } | Local::Odd(_)), _) => "changed",
        (Some(Local::Unknown) | None, _) => "unknown",
    };
    Some(Shows { schema: SCHEMA, item, here })
}

impl Shows {
    /// For a person.
    pub fn text(&self, root: &Path) -> String {
        let item = &self.item;
        let mut text = format!("op: {}\n", Shown(&item.id));
        if let Some(command) = item.command.as_ref().filter(|command| **command != item.id) {
            text += &format!("command: {command}\n");
        }
        text += &format!("path: {}\nstate: {}\n", Shown(&item.path), word(item.state));
        text += &format!("attempts: {}\n", item.attempts);
        match item.provider_status {
            None => {}
            // One file of many has a code and no status of its own.
            Some(0) if item.command.as_ref() == Some(&item.id) => {}
            Some(0) => text += "last status: none, the server failed after it had accepted it\n",
            Some(status) => text += &format!("last status: {status}\n"),
        }
        if !item.message.is_empty() {
            let what = if item.state == State::Dead { "the server said" } else { "now" };
            text += &format!("{what}: {}\n", Shown(&item.message));
        }
        if let Some(ts) = &item.ts {
            text += &format!("ts: {ts}\n");
        }
        match (&item.hash, item.size) {
            (Some(hash), Some(size)) => text += &format!("content: {size} bytes, sha256 {hash}\n"),
            _ => text += "content: none, it deletes the file\n",
        }
        let dir = quoted(&root.display().to_string());
        if let Some(kept) = &item.kept {
            text += &format!("kept in: {dir}/{kept}\n");
        }
        text += match self.here {
            "same" => "here: still what was to be sent\n",
            "changed" => "here: something else by now, so there is nothing to retry\n",
            "missing" => "here: missing by now, so there is nothing to retry\n",
            _ => "here: not known\n",
        };
        if item.state == State::Dead {
            let op = quoted(&item.id);
            text +=
                &format!("\nretry:   landfall writeback retry --op-id {op} --local-dir {dir}\n");
            text += &format!("give up: landfall writeback discard {op} --local-dir {dir}\n");
        }
        text
    }
}
