//! What all units share: calls, timers, journals and gates. And the small context through
//! which a unit reaches the world.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::Config;
use crate::decision::Decision;
use crate::effect::{DiskOp, Effect, Request};
use crate::fingerprint::Print;
use crate::gate::{BreakerState, Class, Gate, Queued};
use crate::id::{CallId, CommitSeq, RemoteId, StoreId, UnitId};
use crate::journal::Journal;
use crate::row::{Of, Row, RowKey, Value};
use crate::status::Counters;
use crate::time::{Ms, Now, Tick, Wall};
use crate::timers::{Timers, Wake, Why};

/// How long a disk operation may say nothing before the process gives up: nothing but its end
/// cancels it.
const DISK_PATIENCE: Ms = Ms::secs(60);

/// The same for a seal. It says nothing while a slow disk writes all that the system holds back.
const SEAL_PATIENCE: Ms = Ms::mins(10);

/// A call that was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// To a server. It may stay unanswered; its deadline ends it.
    Remote(RemoteId),
    /// To the disk. It is always answered, and as long as it says nothing it may take so long.
    Disk(Ms),
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Engine {
    pub seed: u64,
    pub run: u32,
    pub stopping: bool,
    pub calls: BTreeMap<CallId, Port>,
    pub timers: Timers,
    pub journals: BTreeMap<StoreId, Journal>,
    pub gates: BTreeMap<RemoteId, Gate>,
    /// What each unit decided in this run.
    pub counters: BTreeMap<UnitId, Counters>,
    /// How often each breaker opened in this run.
    pub outages: BTreeMap<RemoteId, Outages>,
    last_call: u64,
}

impl Engine {
    pub fn new(config: &Config) -> Self {
        let gates = config
            .remotes
            .iter()
            .map(|(id, gate)| (*id, Gate::new(*id, gate.clone(), config.seed)))
            .collect();
        Self {
            seed: config.seed,
            run: 0,
            stopping: false,
            calls: BTreeMap::new(),
            timers: Timers::default(),
            journals: BTreeMap::new(),
            gates,
            counters: BTreeMap::new(),
            outages: BTreeMap::new(),
            last_call: 0,
        }
    }

    /// Lets everything through that may go now, and sets the timers of what may not.
    pub fn pump(&mut self, now: Tick, out: &mut Vec<Effect>) {
        for (id, gate) in &mut self.gates {
            while let Some((call, queued)) = gate.grant(now) {
                let Queued { request, patience, credit } = queued;
                let deadline = now + patience;
                self.calls.insert(call, Port::Remote(*id));
                self.timers.set(Wake::Deadline(call), deadline);
                out.push(Effect::Ask {
                    call,
                    unit: call.unit,
                    remote: *id,
                    request,
                    deadline,
                    credit,
                });
            }
            match gate.opens_at(now) {
                Some(at) => self.timers.set(Wake::Gate(*id), at),
                None => self.timers.clear(Wake::Gate(*id)),
            }
        }
    }

    /// Ends the step: one commit per store that has changes.
    pub fn flush(&mut self, now: Tick, out: &mut Vec<Effect>) {
        for (store, journal) in &mut self.journals {
            out.extend(journal.flush(*store, now));
            match journal.patience_ends() {
                Some(at) => self.timers.set(Wake::Store(*store), at),
                None => self.timers.clear(Wake::Store(*store)),
            }
        }
    }

    /// For the [fingerprint](crate::fingerprint).
    pub fn print(&self, print: &mut Print) {
        let Self {
            seed: _,
            run: _,
            stopping,
            calls,
            timers,
            journals,
            gates,
            counters: _,
            outages: _,
            last_call: _,
        } = self;
        print.plain(stopping);
        gates.values().for_each(|gate| gate.print(print));
        journals.values().for_each(|journal| journal.print(print));
        print.any_order(calls, |print, (call, port)| {
            print.call(*call);
            print.plain(&match port {
                Port::Disk(_) => None,
                Port::Remote(remote) => Some(remote),
            });
        });
        timers.print(print);
    }

    /// A call is over.
    pub fn end(&mut self, call: CallId) -> Option<Port> {
        self.timers.clear(Wake::Deadline(call));
        self.calls.remove(&call)
    }
}

/// Outages of one server, counted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outages {
    pub times: u64,
    pub since: Option<Wall>,
}

impl Outages {
    /// Counts a decision of the gate.
    pub fn saw(&mut self, decision: &Decision, now: Wall) {
        if let Decision::Breaker { state: BreakerState::Open, .. } = decision {
            self.times += 1;
            self.since = Some(now);
        }
    }
}

/// How a unit reaches the world.
#[derive(Debug)]
pub struct Cx<'a> {
    pub now: Now,
    pub unit: UnitId,
    pub remote: RemoteId,
    pub store: StoreId,
    pub engine: &'a mut Engine,
    pub out: &'a mut Vec<Effect>,
}

impl Cx<'_> {
    fn new_call(&mut self) -> CallId {
        self.engine.last_call += 1;
        CallId { run: self.engine.run, unit: self.unit, n: self.engine.last_call }
    }

    /// Puts a request in line at the gate. It is sent when the gate lets it through, and ends
    /// with [`Fault::Timeout`](crate::fault::Fault::Timeout) `patience` after that.
    pub fn ask(&mut self, class: Class, request: Request, patience: Ms, credit: u32) -> CallId {
        let call = self.new_call();
        if let Some(gate) = self.engine.gates.get_mut(&self.remote) {
            gate.enqueue(call, class, Queued { request, patience, credit });
        }
        call
    }

    /// Grants parts, and time: an answer that moves is not cut off.
    pub fn more(&mut self, call: CallId, credit: u32) {
        if credit > 0 && self.engine.calls.contains_key(&call) {
            self.out.push(Effect::More { call, credit });
        }
    }

    /// Moves the deadline of a call that was sent.
    pub fn extend(&mut self, call: CallId, patience: Ms) {
        if self.engine.calls.contains_key(&call) {
            self.engine.timers.set(Wake::Deadline(call), self.now.tick + patience);
        }
    }

    /// A stream is open: it is not a request under way any more.
    pub fn opened(&mut self, call: CallId) {
        let gate = self.engine.gates.get_mut(&self.remote);
        if let Some(decision) = gate.and_then(|gate| gate.opened(call)) {
            // The breaker closed.
            self.out.push(Effect::Note { unit: None, decision });
        }
    }

    /// Stops listening to a request, whether it was sent or not.
    pub fn cancel(&mut self, call: CallId) {
        if let Some(gate) = self.engine.gates.get_mut(&self.remote) {
            gate.cancel(call);
        }
        if self.engine.end(call).is_some() {
            self.out.push(Effect::Cancel { call });
        }
    }

    /// Does something to the disk.
    pub fn disk(&mut self, op: DiskOp) -> CallId {
        let call = self.new_call();
        let patience = if op == DiskOp::Seal { SEAL_PATIENCE } else { DISK_PATIENCE };
        self.engine.calls.insert(call, Port::Disk(patience));
        self.engine.timers.set(Wake::Deadline(call), self.now.tick + patience);
        self.out.push(Effect::Disk { call, unit: self.unit, op });
        call
    }

    /// Adds or replaces a row.
    pub fn put(&mut self, value: Value) {
        let row = Row { unit: self.unit, value };
        self.journal().put(row);
    }

    /// Deletes a row.
    pub fn delete(&mut self, of: Of) {
        let key = RowKey { unit: self.unit, of };
        self.journal().delete(key);
    }

    /// The number by which everything put so far will be acknowledged.
    pub fn mark(&mut self) -> CommitSeq {
        self.journal().mark()
    }

    /// Whether everything up to this number is durable.
    pub fn is_durable(&mut self, mark: CommitSeq) -> bool {
        self.journal().is_durable(mark)
    }

    fn journal(&mut self) -> &mut Journal {
        self.engine.journals.entry(self.store).or_default()
    }

    /// Wakes this unit.
    pub fn wake_at(&mut self, why: Why, at: Tick) {
        self.engine.timers.set(Wake::Unit(self.unit, why), at);
    }

    /// Does not wake this unit for that any more.
    pub fn no_wake(&mut self, why: Why) {
        self.engine.timers.clear(Wake::Unit(self.unit, why));
    }

    /// When this unit is woken for that.
    pub fn wakes_at(&self, why: Why) -> Option<Tick> {
        self.engine.timers.get(Wake::Unit(self.unit, why))
    }

    /// Tells people.
    pub fn note(&mut self, decision: Decision) {
        self.engine.counters.entry(self.unit).or_default().saw(&decision);
        self.out.push(Effect::Note { unit: Some(self.unit), decision });
    }
}
