//! How a person starts the mount: mostly it goes on for ever and sends what there is. Sometimes it
//! is to end when it is in step, or may send only what is small.

use std::collections::BTreeSet;

use landfall_core::config::WorkspaceConfig;
use landfall_core::event::{Event, Stop};
use landfall_core::row::{Loaded, Row, SCHEMA, StoredRow, Value};
use landfall_core::time::Ms;

use super::World;
use super::deeds::Deed;
use crate::faults::{Kind, mix};

/// Bytes; about half of the files that people save here are larger.
const SMALL: u64 = 64;

impl World {
    /// What a person asks of the process that begins.
    pub(super) fn command_line(&mut self) {
        let (run, usual) = (self.run, WorkspaceConfig::default());
        let once = self.plan.strikes(Kind::Once, run, 0).is_some();
        let small = self.options.two_way && self.plan.strikes(Kind::SmallLimit, run, 0).is_some();
        let (_, config) = &mut self.config.workspaces[0];
        config.once = once;
        config.max_file = if small { SMALL } else { usual.max_file };
        self.oracles.asked(self.now, once, config.max_file);
        if once {
            self.story.say(self.now, || "It is to end when it is in step.".into());
        }
        if small {
            self.story.say(self.now, || format!("It may send no file above {SMALL} bytes."));
        }
    }

    /// All durable rows, as this process reads them. One of them may be of a version that it does not
    /// know, until a person starts the newer one again.
    pub(super) fn rows_as_read(&mut self) -> Vec<Loaded> {
        let mut rows = self.store.rows();
        let strikes = self.plan.strikes(Kind::RowUnread, self.run, 0);
        let mut hidden = None;
        if let Some(bits) = strikes.filter(|_| !rows.is_empty()) {
            // Each kind of row as often as any other.
            let kinds: BTreeSet<&str> = rows.iter().map(kind).collect();
            let of = kinds.iter().nth(bits as usize % kinds.len()).copied().unwrap_or_default();
            let of: Vec<usize> = (0..rows.len()).filter(|n| kind(&rows[*n]) == of).collect();
            let vivid: Vec<usize> =
                of.iter().copied().filter(|n| self.is_vivid(&rows[*n])).collect();
            let of = if bits & 64 == 0 || vivid.is_empty() { of } else { vivid };
            let n = of[mix(bits) as usize % of.len()];
            if let Loaded::Row(row) = &rows[n] {
                let (key, newer) = (row.key(), SCHEMA + 1);
                self.story.say(self.now, || {
                    format!("The row {} {} is of a newer version.", key.kind(), key.key())
                });
                let row = StoredRow { schema: newer, ..row.encode() };
                rows[n] = Loaded::from(&row);
                hidden = Some(key);
                self.later(Ms::mins(1 + (bits >> 20) % 20), Deed::NewerVersion(self.run));
            }
        }
        self.oracles.hidden(hidden);
        rows
    }

    /// A file that is on its way to the server, or not sealed: where it matters most to know it.
    fn is_vivid(&self, row: &Loaded) -> bool {
        let Loaded::Row(Row { value: Value::Entry(path, row), .. }) = row else { return false };
        let view = self.store.view();
        let sealed = view.mirror.as_ref().map_or(0, |mirror| mirror.sealed);
        view.intents.contains_key(path)
            || row.proof.as_ref().is_some_and(|proof| proof.seal > sealed)
    }

    /// A person starts the newer version again, unless that has happened.
    pub(super) fn newer_version(&mut self, run: u32) {
        if run == self.run {
            self.start_again();
        }
    }

    /// A person starts it again, if it runs.
    pub(super) fn start_again(&mut self) {
        if self.machine.is_none() {
            return;
        }
        self.story.say(self.now, || "A person starts the mount again.".into());
        self.oracles.told_to_stop();
        self.stop_due();
        self.tell(Event::Stop(Stop::Graceful));
    }

    /// The world is healed: what is asked of the process from now on is the usual.
    pub(super) fn usual_again(&mut self) {
        let (_, config) = &self.config.workspaces[0];
        if config.once || config.max_file == SMALL {
            self.start_again();
        }
    }
}

fn kind(row: &Loaded) -> &'static str {
    match row {
        Loaded::Row(row) => row.key().kind(),
        Loaded::Unreadable { .. } => "",
    }
}
