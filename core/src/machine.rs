//! The machine: routes events to units, and ends each step.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use crate::config::Config;
use crate::decision::{Decision, Port as DecisionPort};
use crate::effect::{Effect, Exit};
use crate::engine::{Cx, Engine, Port};
use crate::event::{Boot, Event, Hint, LastExit, Order, Outcome, Part, Stop};
use crate::fault::{Blame, Fault};
use crate::fingerprint::Print;
use crate::gate::Gate;
use crate::id::{CallId, CommitSeq, RemoteId, StoreId, UnitId};
use crate::journal::STORE_PATIENCE;
use crate::row::{Loaded, Row, RowError, StoredRow};
use crate::status::{Status, WorkspaceStatus};
use crate::time::{Ms, Now, Tick};
use crate::timers::{Wake, Why};
use crate::workspace::Workspace;

/// From SIGTERM to the end: a little less than the 5 s that a supervisor gives.
const STOP_WITHIN: Ms = Ms(4_500);

/// A timer that is so late was slept through: what it waited for was not awake either.
const SLEPT: Ms = Ms::secs(10);

/// Takes every decision. See the [crate documentation](crate).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    engine: Engine,
    units: BTreeMap<UnitId, Unit>,
    places: BTreeMap<UnitId, (RemoteId, StoreId)>,
    started: bool,
    /// How it will end, once everything is sealed and committed.
    ending: Option<Exit>,
    exited: bool,
    /// When it last found that the computer had slept.
    woke_at: Tick,
}

/// Everything that can be kept in step. Adding a kind touches this enum and the
/// `match` below it, as the dummy of the tests proves.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Unit {
    Workspace(Box<Workspace>),
    #[cfg(test)]
    Dummy(tests::Dummy),
}

impl Machine {
    /// A machine that knows nothing yet. It wants rows and a start.
    pub fn new(config: Config) -> Self {
        let reads = |remote| {
            let gate = config.remotes.iter().find(|(id, _)| *id == remote);
            gate.map_or(1, |(_, gate)| gate.concurrency.clamp(1, 64))
        };
        let units = config
            .workspaces
            .iter()
            .map(|(id, workspace)| {
                let reads = reads(workspace.remote) * 2;
                (*id, Unit::Workspace(Box::new(Workspace::new(workspace.clone(), reads))))
            })
            .collect();
        let places = config
            .workspaces
            .iter()
            .map(|(id, workspace)| (*id, (workspace.remote, workspace.store)))
            .collect();
        Self {
            engine: Engine::new(&config),
            units,
            places,
            started: false,
            ending: None,
            exited: false,
            woke_at: Tick(0),
        }
    }

    /// One step. Total: any event in any state. It never blocks and never panics on input.
    ///
    /// The effects are appended to `out`. What happens to them is told by later events.
    pub fn step(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        if self.exited {
            return;
        }
        let due = self.engine.timers.next().map_or(now.tick, |(due, _)| due);
        let slept = now.tick - due.max(self.woke_at);
        if self.started && slept > SLEPT {
            self.woke_at = now.tick;
            self.woke(now, slept, out);
        }
        match event {
            Event::Load(_) if self.started => {}
            Event::Load(rows) => rows.into_iter().for_each(|row| self.load(row, out)),
            Event::Start { run, boot, last } => self.start(now, run, boot, last, out),
            Event::Wake => {
                while let Some((due, wake)) = self.engine.timers.pop_due(now.tick) {
                    self.wake(now, due, wake, out);
                }
            }
            Event::Stop(stop) => self.stop(now, stop, out),
            Event::Heard { unit, hint } => {
                self.with(now, unit, out, |unit, cx| unit.heard(cx, hint));
            }
            Event::Told { unit, order } => {
                self.with(now, unit, out, |unit, cx| unit.told(cx, order));
            }
            Event::Part { call, part } => self.part(now, call, part, out),
            Event::Done { call, outcome } => self.done(now, call, outcome, out),
            Event::Stored { store, upto } => {
                if let Some(journal) = self.engine.journals.get_mut(&store) {
                    journal.stored(upto, now.tick);
                }
                self.each(now, out, |unit, cx| {
                    if cx.store == store {
                        unit.stored(cx);
                    }
                });
            }
        }
        if self.started {
            self.end_step(now, out);
        }
    }

    /// When the machine wants to be woken, and why. `None`: only an event can move it.
    pub fn next_wake(&self) -> Option<(Tick, Wake)> {
        if self.exited { None } else { self.engine.timers.next() }
    }

    /// What a person or a probe may ask.
    pub fn status(&self, now: Now) -> Status {
        let units: Vec<_> = self
            .units
            .iter()
            .filter_map(|(id, unit)| unit.lane_ref().status(*id, now, &self.engine))
            .collect();
        Status { verdict: units.iter().map(|unit| unit.verdict).max().unwrap_or_default(), units }
    }

    /// The gate in front of a server, to be looked at.
    pub fn gate(&self, remote: RemoteId) -> Option<&Gate> {
        self.engine.gates.get(&remote)
    }

    /// A number that is the same for two machines that will do the same, whenever they do it:
    /// see [`fingerprint`](crate::fingerprint). Costs a walk over all that the machine knows.
    pub fn fingerprint(&self, now: Now) -> u64 {
        let mut print = Print::new(now);
        self.print(&mut print);
        print.finish()
    }

    /// Adds this machine to a fingerprint, so that what lies around it can follow.
    pub fn print(&self, print: &mut Print) {
        // When it woke matters only as long as a timer is late.
        let Self { engine, units, places, started, ending, exited, woke_at: _ } = self;
        for (id, unit) in units {
            let store = places.get(id).map(|(_, store)| *store);
            let journal = store.and_then(|store| engine.journals.get(&store));
            let durable = journal.map_or(CommitSeq(0), |journal| journal.durable());
            print.plain(id);
            match unit {
                Unit::Workspace(workspace) => workspace.print(print, durable),
                #[cfg(test)]
                Unit::Dummy(_) => {}
            }
        }
        engine.print(print);
        print.plain(&(places, started, ending, exited));
    }

    fn load(&mut self, loaded: Loaded, out: &mut Vec<Effect>) {
        match loaded {
            Loaded::Row(Row { unit, value }) => {
                if let Some(unit) = self.units.get_mut(&unit) {
                    unit.lane().load(value);
                }
            }
            Loaded::Unreadable { row, why } => {
                let Some(unit) = self.units.get_mut(&row.unit) else { return };
                unit.lane().unreadable(&row, &why);
                let StoredRow { unit, kind, key, .. } = row;
                let decision = Decision::RowUnreadable { kind, key, why: why.to_string() };
                out.push(Effect::Note { unit: Some(unit), decision });
            }
        }
    }

    fn start(&mut self, now: Now, run: u32, boot: Boot, last: LastExit, out: &mut Vec<Effect>) {
        if self.started {
            return;
        }
        self.started = true;
        self.engine.run = run;
        self.each(now, out, |unit, cx| unit.start(cx, boot, last));
    }

    fn stop(&mut self, now: Now, stop: Stop, out: &mut Vec<Effect>) {
        if !self.started {
            return self.exit(Exit::Stopped, out);
        }
        match stop {
            Stop::Now => self.exit(Exit::Stuck, out),
            Stop::Graceful => self.end_with(now, Exit::Stopped, out),
        }
    }

    /// Begins the end: nothing more is taken in, and what is under way lands.
    fn end_with(&mut self, now: Now, exit: Exit, out: &mut Vec<Effect>) {
        if self.engine.stopping {
            return;
        }
        self.engine.stopping = true;
        self.ending = Some(exit);
        self.engine.timers.set(Wake::StopBy, now.tick + STOP_WITHIN);
        let in_flight = self.units.values().map(|unit| unit.lane_ref().in_flight()).sum();
        out.push(Effect::Note { unit: None, decision: Decision::Stopping { in_flight } });
        self.each(now, out, |unit, cx| unit.stop(cx));
    }

    /// The computer slept, and perhaps a whole fleet with it.
    fn woke(&mut self, now: Now, slept: Ms, out: &mut Vec<Effect>) {
        for (remote, gate) in &mut self.engine.gates {
            let (remote, wait) = (*remote, gate.woke(now.tick));
            let decision = Decision::Woke { remote, slept, wait };
            out.push(Effect::Note { unit: None, decision });
        }
        self.units.values_mut().for_each(|unit| unit.lane().woke(slept));
    }

    fn wake(&mut self, now: Now, due: Tick, wake: Wake, out: &mut Vec<Effect>) {
        match wake {
            Wake::Deadline(call) => match self.engine.calls.get(&call).copied() {
                Some(Port::Remote(remote)) if now.tick - due > SLEPT => {
                    // Its connection did not outlive the sleep, and that is nobody's fault.
                    out.push(Effect::Cancel { call });
                    if let Some(gate) = self.engine.gates.get_mut(&remote) {
                        gate.cancel(call);
                    }
                    let (blame, why) = (Blame::Unknown, Fault::Link);
                    let outcome = Outcome::Failed { blame, why, retry_after: None };
                    self.done(now, call, outcome, out);
                }
                Some(Port::Remote(_)) => {
                    out.push(Effect::Cancel { call });
                    let (blame, why) = (Blame::Unknown, Fault::Timeout);
                    let outcome = Outcome::Failed { blame, why, retry_after: None };
                    self.done(now, call, outcome, out);
                }
                Some(Port::Disk(patience)) if now.tick - due > SLEPT => {
                    self.engine.timers.set(wake, now.tick + patience);
                }
                Some(Port::Disk(patience)) => self.stuck(DecisionPort::Disk, patience, out),
                None => {}
            },
            // The gates are looked at after each step.
            Wake::Gate(_) => {}
            Wake::Store(store) if now.tick - due > SLEPT => {
                if let Some(journal) = self.engine.journals.get_mut(&store) {
                    journal.slept(now.tick);
                }
            }
            Wake::Store(_) => self.stuck(DecisionPort::Store, STORE_PATIENCE, out),
            Wake::StopBy => self.exit(Exit::Stuck, out),
            Wake::Unit(id, why) => self.with(now, id, out, |unit, cx| unit.wake(cx, why)),
        }
    }

    fn stuck(&mut self, what: DecisionPort, waited: Ms, out: &mut Vec<Effect>) {
        out.push(Effect::Note { unit: None, decision: Decision::Stuck { what, waited } });
        self.exit(Exit::Stuck, out);
    }

    fn part(&mut self, now: Now, call: CallId, part: Part, out: &mut Vec<Effect>) {
        if let (Some(Port::Disk(patience)), Part::Alive) = (self.engine.calls.get(&call), &part) {
            // A large file takes as long as it takes.
            self.engine.timers.set(Wake::Deadline(call), now.tick + *patience);
            return;
        }
        self.with(now, call.unit, out, |unit, cx| unit.part(cx, call, part));
    }

    fn done(&mut self, now: Now, call: CallId, outcome: Outcome, out: &mut Vec<Effect>) {
        if let Some(Port::Remote(remote)) = self.engine.end(call)
            && let Some(gate) = self.engine.gates.get_mut(&remote)
        {
            let decision = gate.settle(now.tick, call, &outcome);
            if let Some(decision) = &decision {
                self.engine.outages.entry(remote).or_default().saw(decision, now.wall);
            }
            out.extend(decision.map(|decision| Effect::Note { unit: None, decision }));
        }
        self.with(now, call.unit, out, |unit, cx| unit.done(cx, call, outcome));
    }

    /// Every step ends the same way: work is issued, gates let through what may go, and all
    /// rows that changed become one commit per store.
    fn end_step(&mut self, now: Now, out: &mut Vec<Effect>) {
        if self.exited {
            return;
        }
        self.each(now, out, |unit, cx| unit.settle(cx));
        if !self.engine.stopping {
            self.engine.pump(now.tick, out);
        }
        self.engine.flush(now.tick, out);
        let quiet = self.engine.journals.values().all(|journal| journal.is_quiet());
        if self.engine.stopping {
            if quiet && self.units.values().all(|unit| unit.lane_ref().is_quiet()) {
                self.exit(self.ending.unwrap_or(Exit::Stopped), out);
            }
            return;
        }
        // With `--once` the process ends when the last of its units is done.
        let ends: Option<Vec<Exit>> = self
            .units
            .values()
            .map(|unit| unit.lane_ref().once_ends(now.tick, &self.engine))
            .collect();
        match ends.and_then(|ends| ends.into_iter().max()) {
            None => {}
            // A store that has no room may never be done, and is waited for as long as a server.
            Some(exit) if !quiet && exit != Exit::Unavailable => {}
            Some(Exit::InStep) => self.exit(Exit::InStep, out),
            Some(exit) => {
                self.end_with(now, exit, out);
                self.end_step(now, out);
            }
        }
    }

    fn exit(&mut self, exit: Exit, out: &mut Vec<Effect>) {
        if !self.exited {
            self.exited = true;
            out.push(Effect::Note { unit: None, decision: Decision::Exiting(exit) });
            out.push(Effect::Exit(exit));
        }
    }

    fn with(
        &mut self,
        now: Now,
        id: UnitId,
        out: &mut Vec<Effect>,
        act: impl FnOnce(&mut dyn Lane, &mut Cx<'_>),
    ) {
        let (Some(unit), Some((remote, store))) =
            (self.units.get_mut(&id), self.places.get(&id).copied())
        else {
            return;
        };
        let engine = &mut self.engine;
        act(unit.lane(), &mut Cx { now, unit: id, remote, store, engine, out });
    }

    fn each(
        &mut self,
        now: Now,
        out: &mut Vec<Effect>,
        mut act: impl FnMut(&mut dyn Lane, &mut Cx<'_>),
    ) {
        let Self { units, places, engine, .. } = self;
        for (id, unit) in units {
            if let Some((remote, store)) = places.get(id).copied() {
                act(unit.lane(), &mut Cx { now, unit: *id, remote, store, engine, out });
            }
        }
    }
}

/// What the machine needs of a unit, whatever it is.
pub(crate) trait Lane {
    fn load(&mut self, value: crate::row::Value);
    fn unreadable(&mut self, row: &StoredRow, why: &RowError);
    fn start(&mut self, cx: &mut Cx<'_>, boot: Boot, last: LastExit);
    fn part(&mut self, cx: &mut Cx<'_>, call: CallId, part: Part);
    fn done(&mut self, cx: &mut Cx<'_>, call: CallId, outcome: Outcome);
    fn wake(&mut self, cx: &mut Cx<'_>, why: Why);
    fn stored(&mut self, cx: &mut Cx<'_>);
    /// The computer slept for so long: nothing could move meanwhile.
    fn woke(&mut self, _: Ms) {}
    fn heard(&mut self, _: &mut Cx<'_>, _: Hint) {}
    fn told(&mut self, _: &mut Cx<'_>, _: Order) {}
    fn settle(&mut self, cx: &mut Cx<'_>);
    fn stop(&mut self, cx: &mut Cx<'_>);
    fn in_flight(&self) -> u64;
    fn is_quiet(&self) -> bool;
    fn once_ends(&self, now: Tick, engine: &Engine) -> Option<Exit>;
    fn status(&self, unit: UnitId, now: Now, engine: &Engine) -> Option<WorkspaceStatus>;
}

impl Unit {
    fn lane(&mut self) -> &mut dyn Lane {
        match self {
            Unit::Workspace(workspace) => &mut **workspace,
            #[cfg(test)]
            Unit::Dummy(dummy) => dummy,
        }
    }

    fn lane_ref(&self) -> &dyn Lane {
        match self {
            Unit::Workspace(workspace) => &**workspace,
            #[cfg(test)]
            Unit::Dummy(dummy) => dummy,
        }
    }
}

#[cfg(test)]
mod tests;
