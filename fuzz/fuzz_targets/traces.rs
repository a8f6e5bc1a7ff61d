//! A machine that is told the events of any trace does not panic.
#![no_main]

use landfall_core::Machine;
use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
use landfall_core::id::{RemoteId, UnitId};
use landfall_core::time::Now;
use landfall_core::trace::Line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let remotes = vec![(RemoteId(0), GateConfig::default())];
    let workspaces = vec![(UnitId(0), WorkspaceConfig::default())];
    let mut machine = Machine::new(Config { seed: 1, remotes, workspaces });
    let mut effects = Vec::new();
    for line in text.lines() {
        if let Ok(Line::Step { tick, wall, event, .. }) = Line::from_json(line) {
            machine.step(Now { tick, wall }, event, &mut effects);
        }
    }
    machine.status(Now::default());
});
