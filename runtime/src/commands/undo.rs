//! `landfall undo`.

use std::path::Path;

use super::{fail, say};
use crate::disk::undo;
use crate::exit;

/// Brings a batch of the trash back, or lists all.
pub fn undo(dir: &Path, list: bool, cycle: Option<u64>) -> u8 {
    let batches = match undo::batches(dir) {
        Ok(batches) => batches,
        Err(why) => return fail(exit::FAILED, &why),
    };
    if list {
        let lines = batches.iter().map(|batch| {
            let at = humantime::format_rfc3339_seconds(batch.at);
            format!("{}  {} files, the last at {at}\n", batch.cycle, batch.files)
        });
        let text: String = lines.collect();
        return say(if text.is_empty() { "the trash is empty\n" } else { &text }, exit::OK);
    }
    let batch = match cycle {
        None => batches.last(),
        Some(cycle) => batches.iter().find(|batch| batch.cycle == cycle),
    };
    let Some(batch) = batch else {
        let text = "there is nothing to bring back; --list shows the batches of the trash\n";
        return say(text, exit::OK);
    };
    match undo::undo(dir, batch) {
        Ok(undone) if undone.taken.is_empty() => say(&undone.to_string(), exit::OK),
        Ok(undone) => say(&undone.to_string(), exit::PARTIAL),
        Err(why) => fail(exit::FAILED, &why),
    }
}
