//! Calls never repeat, and the machine never has two operations of the disk under way whose
//! paths are the same or lie above one another.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::effect::Effect;
use landfall_core::event::Event;
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;

use super::Ruling;
use crate::world::op_path;

/// The calls of this run.
#[derive(Debug, Default)]
pub(super) struct Calls {
    run: u32,
    used: BTreeSet<u64>,
    paths: BTreeMap<CallId, RemotePath>,
}

impl Calls {
    pub(super) fn started(&mut self, run: u32) {
        self.run = run;
        self.used.clear();
        self.paths.clear();
    }

    pub(super) fn gone(&mut self) {
        self.paths.clear();
    }

    pub(super) fn heard(&mut self, event: &Event) {
        if let Event::Done { call, .. } = event {
            self.paths.remove(call);
        }
    }

    pub(super) fn wanted(&mut self, effect: &Effect) -> Ruling {
        let call = match effect {
            Effect::Ask { call, .. } | Effect::Disk { call, .. } => *call,
            _ => return Ok(0),
        };
        if call.run != self.run || !self.used.insert(call.n) {
            return Err((
                "repeated".into(),
                format!("call {call} of run {} was used before", self.run),
            ));
        }
        let Effect::Disk { op, .. } = effect else {
            return Ok(1);
        };
        let Some(path) = op_path(op) else {
            return Ok(1);
        };
        let clash = self.paths.values().find(|other| {
            *other == path || path.is_below(other.as_str()) || other.is_below(path.as_str())
        });
        if let Some(other) = clash {
            return Err((
                path.to_string(),
                format!("an operation on {path} begins while one on {other} is under way"),
            ));
        }
        self.paths.insert(call, path.clone());
        Ok(1)
    }
}
