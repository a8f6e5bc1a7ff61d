//! A unit that is no workspace, to prove that the machine does not care; and total input.

use super::*;
use crate::config::GateConfig;
use crate::effect::Request;
use crate::gate::Class;
use crate::row::Value;
use alloc::vec;

/// Asks once, counts answers, and is done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Dummy {
    answers: u32,
}

impl Lane for Dummy {
    fn load(&mut self, _: Value) {}
    fn unreadable(&mut self, _: &StoredRow, _: &RowError) {}
    fn start(&mut self, cx: &mut Cx<'_>, _: Boot, _: LastExit) {
        cx.ask(Class::Interactive, Request::Tip, Ms::secs(1), 1);
    }
    fn part(&mut self, _: &mut Cx<'_>, _: CallId, _: Part) {}
    fn done(&mut self, _: &mut Cx<'_>, _: CallId, _: Outcome) {
        self.answers += 1;
    }
    fn wake(&mut self, _: &mut Cx<'_>, _: Why) {}
    fn stored(&mut self, _: &mut Cx<'_>) {}
    fn settle(&mut self, _: &mut Cx<'_>) {}
    fn stop(&mut self, _: &mut Cx<'_>) {}
    fn in_flight(&self) -> u64 {
        0
    }
    fn is_quiet(&self) -> bool {
        true
    }
    fn once_ends(&self, _: Tick, _: &Engine) -> Option<Exit> {
        (self.answers > 0).then_some(Exit::InStep)
    }
    fn status(&self, _: UnitId, _: Now, _: &Engine) -> Option<WorkspaceStatus> {
        None
    }
}

#[test]
fn another_kind_of_unit_needs_one_variant_and_one_arm() {
    let remotes = vec![(RemoteId(0), GateConfig::default())];
    let mut machine = Machine::new(Config { seed: 1, remotes, workspaces: vec![] });
    machine.units.insert(UnitId(3), Unit::Dummy(Dummy::default()));
    machine.places.insert(UnitId(3), (RemoteId(0), StoreId(0)));
    let mut out = Vec::new();
    let start = Event::Start { run: 1, boot: Boot::Same, last: LastExit::Never };
    machine.step(Now::default(), start, &mut out);
    let call = CallId { run: 1, unit: UnitId(3), n: 1 };
    assert_eq!(
        out,
        [Effect::Ask {
            call,
            unit: UnitId(3),
            remote: RemoteId(0),
            request: Request::Tip,
            deadline: Tick(1000),
            credit: 1,
        }]
    );
    out.clear();
    let outcome = Outcome::Ok(crate::event::Answer::Tip(None));
    machine.step(Now::default(), Event::Done { call, outcome }, &mut out);
    assert_eq!(out.last(), Some(&Effect::Exit(Exit::InStep)));
    assert_eq!(machine.next_wake(), None);
}
