//! `landfall writeback status`: is everything delivered?

use std::collections::BTreeMap;

use landfall_core::path::Shown;
use serde::Serialize;

use super::SCHEMA;
use super::letter::Letter;
use super::records::Invalid;
use super::view::View;
use crate::exit;
use crate::report::{quoted, rfc3339};

/// The first five keys are those of the client before.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WritebackStatus {
    workspace_id: String,
    /// Changes that are on their way, and those that the server still works on.
    pending: u64,
    /// Of those on their way: refused, and tried again. And what may not be sent.
    failed: u64,
    dead_lettered: Vec<Letter>,
    /// Which provider is behind a path is the server's business.
    last_error_by_provider: BTreeMap<String, String>,
    schema: &'static str,
    local_root: String,
    is_mirror: bool,
    running: bool,
    /// Whether a person has to do something: the exit code is 3.
    needs_person: bool,
    /// Of the pending: the server accepted them and owes its last word.
    owed: u64,
    /// Of the failed: the server does not let us write them, or they are too large.
    unsent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_pending_at: Option<String>,
    invalid_records: Vec<Invalid>,
    unreadable_rows: u64,
    /// Brakes that are on, in words: what they hold is not sent before a person decides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    halts: Vec<String>,
}

impl WritebackStatus {
    /// Judges what was read.
    pub fn new(view: &View) -> Self {
        let (owed, unsent) = (view.receipts.len() as u64, view.unsent.len() as u64);
        let made = view.intents.iter().map(|(_, row)| row.made);
        let accepted = view.receipts.values().map(|row| row.accepted);
        let dead_lettered = view.dead();
        let brakes = view.brakes.iter();
        let halts = brakes.map(|brake| format!("{}: {}", brake.name(), brake.seen())).collect();
        let needs_person = !dead_lettered.is_empty()
            || !view.invalid.is_empty()
            || view.unreadable > 0
            || !view.brakes.is_empty();
        Self {
            schema: SCHEMA,
            workspace_id: view.identity.workspace_id.clone(),
            pending: view.intents.len() as u64 + owed,
            failed: view.refused() + unsent,
            dead_lettered,
            last_error_by_provider: BTreeMap::new(),
            local_root: view.identity.local_root.clone(),
            is_mirror: view.is_mirror,
            running: view.running,
            needs_person,
            owed,
            unsent,
            oldest_pending_at: made.chain(accepted).min().map(rfc3339),
            invalid_records: view.invalid.clone(),
            unreadable_rows: view.unreadable,
            halts,
        }
    }

    /// 3 only while a person has to do something.
    pub fn code(&self) -> u8 {
        if self.needs_person { exit::PARTIAL } else { exit::OK }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let local = if self.is_mirror { self.local_root.as_str() } else { "not configured" };
        let mut text = format!(
            "workspace: {}\nlocal mirror: {local}\npending: {}\nfailed: {}\ndead-lettered: {}\n",
            Shown(&self.workspace_id),
            self.pending,
            self.failed,
            self.dead_lettered.len()
        );
        if !self.running && self.is_mirror {
            text += "running: no, so nothing is sent; `landfall mount` goes on with it\n";
        }
        if let Some(at) = &self.oldest_pending_at {
            text += &format!("oldest pending: {at}\n");
        }
        for (n, what) in [
            (self.owed, "accepted by the server, which still works on them"),
            (self.unsent, "changed here and may not be sent; `landfall why PATH` says why"),
            (self.unreadable_rows, "stored rows can not be read; see `landfall status`"),
        ] {
            if n > 0 {
                text += &format!("{n} {what}\n");
            }
        }
        for halt in &self.halts {
            text += &format!("brake: {halt}; the ways on: landfall status\n");
        }
        for Invalid { name, why } in &self.invalid_records {
            text += &format!("invalid dead-letter record {name}: {}\n", Shown(why));
        }
        if let Some(first) = self.dead_lettered.first() {
            text += "\nop_id\tpath\tlast_status\tts\n";
            for Letter { op_id, path, last_status, ts, .. } in &self.dead_lettered {
                text += &format!("{}\t{}\t{last_status}\t{ts}\n", Shown(op_id), Shown(path));
            }
            let (op, dir) = (quoted(&first.op_id), quoted(&self.local_root));
            text += &format!("\nwhy: landfall writeback show {op} --local-dir {dir}\n");
        } else if self.failed == 0 && self.invalid_records.is_empty() && self.halts.is_empty() {
            text += "no failures\n";
        }
        text
    }
}
