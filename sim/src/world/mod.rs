//! The simulated world: everything that the machine can not be sure of.
//!
//! Virtual time jumps from one happening to the next. The parts are the [server](server), the
//! [network](network), the [disk](disk), the [store](store), the [process](process) with its
//! kills, and [people](people). What can go wrong, and where it stops, is in
//! [`faults`](crate::faults).

#[cfg(test)]
mod contract;
mod deeds;
pub mod disk;
mod excuses;
mod network;
mod people;
mod ports;
mod process;
pub mod queue;
mod root;
pub mod server;
mod start;
pub mod store;
mod stream;
pub mod truth;
mod works;

pub(crate) use network::name as request_name;
pub(crate) use ports::name as op_name;
pub use ports::path as op_path;

use std::collections::BTreeMap;

use landfall_core::Machine;
use landfall_core::canon::Canon;
use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
use landfall_core::effect::{Effect, Exit};
use landfall_core::event::Event;
use landfall_core::files::plan::SyncMode;
use landfall_core::hash::ContentHash;
use landfall_core::id::{CallId, RemoteId, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Now, Tick, Wall};
use landfall_core::trace::Line;

use crate::coverage::{Coverage, Mark};
use crate::faults::{Kind, Plan, Stage};
use crate::options::Options;
use crate::oracles::{Oracle, Oracles};
use crate::report::record::Record;
use crate::story::Story;
use crate::what_if::{End, Fork};
use disk::{Disk, Moved, Running};
use network::Flow;
use queue::Queue;
use server::{Server, Shape};
use store::Store;

/// The one workspace of a simulation.
pub const UNIT: UnitId = UnitId(0);

/// Its server.
pub const REMOTE: RemoteId = RemoteId(0);

/// The wall clock at the start: 2026-11-21 00:00 UTC.
const WALL_START: u64 = 1_795_219_200_000;

/// What can happen next.
#[derive(Clone, Debug)]
enum Happening {
    /// A request goes on.
    Net(CallId),
    /// An operation of the disk goes on.
    Disk(CallId),
    /// The store makes durable what it has.
    Flush { run: u32 },
    /// The machine wanted to be woken.
    Wake { generation: u64 },
    /// The machine is told something that was on its way to this run.
    Hear { run: u32, event: Box<Event> },
    /// The process is started.
    Start,
    /// The server may have something for a stream.
    Stream(CallId),
    /// A stream is pinged.
    Ping(CallId),
    /// It was told to stop five seconds ago.
    StopDue { run: u32, slept: Ms },
    /// The other client edits.
    Edit,
    /// A person may work.
    Work,
    /// A person thinks better of a file that was just saved.
    Regret(RemotePath),
    /// A person tries dead letters again, or gives them up.
    Tidy { last: bool },
    /// A minute is over: what people and computers do seldom.
    Minute,
    /// A person takes away what was in the way.
    Unblock(RemotePath),
    /// Something is taken back.
    Later(u32),
    /// A person looks at the status.
    Look,
    /// The faults end.
    Heal,
}

/// Where in an effect a process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Before,
    During,
    After,
}

/// A death that waits for its moment.
#[derive(Clone, Copy, Debug)]
struct Kill {
    phase: Phase,
    power: bool,
    bits: u64,
}

/// A defect that is planted to prove that the hash tells.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Planted {
    /// None.
    #[default]
    Nothing,
    /// Something that outlives a run leaks into it.
    Leak,
    /// One effect, a deadline after step 100, is a millisecond off.
    Effect,
    /// The lock refuses nobody.
    NoLock,
    /// The canary: what a person saved is placed over, as if the machine had asked for it. A
    /// harness in which it lives sees nothing at all.
    Canary,
}

/// The simulated world.
#[derive(Debug)]
pub struct World {
    /// What the seed stands for.
    pub options: Options,
    /// Where faults strike.
    pub plan: Plan,
    /// The present.
    pub now: Tick,
    /// The server.
    pub server: Server,
    /// The disk.
    pub disk: Disk,
    /// The store.
    pub store: Store,
    /// The oracles.
    pub oracles: Oracles,
    /// The story, if somebody wants to hear it.
    pub story: Story,
    /// The record, if somebody wants to see it.
    pub record: Record,
    /// What was tried, if somebody wants to know.
    pub coverage: Option<Box<Coverage>>,
    /// What was counted.
    pub counts: Counts,
    /// Hashes of all steps, if two runs are to be compared.
    pub steps: Option<Vec<u64>>,
    /// What changes from some moment on, before it has.
    pub fork: Option<Fork>,
    /// Faults that struck before that.
    pub fired_at_fork: usize,
    /// The trace, if it is to be recorded.
    pub recorded: Option<Vec<Line>>,
    /// A planted defect of the simulator itself.
    pub planted: Planted,
    machine: Option<Machine>,
    config: Config,
    run: u32,
    boot: u32,
    queue: Queue<Happening>,
    flows: BTreeMap<CallId, Box<Flow>>,
    streams: BTreeMap<CallId, stream::Live>,
    running: BTreeMap<CallId, Box<(Running, Option<Kill>)>>,
    flushing: Option<Option<Kill>>,
    /// Until then the store says that it has no room.
    full_until: Tick,
    attempts: BTreeMap<u32, u32>,
    wake: Option<(Tick, u64)>,
    generation: u64,
    asleep_until: Tick,
    wall_offset: i64,
    healed_at: Option<Tick>,
    in_step_at: Option<Tick>,
    people: people::People,
    /// All bytes that anybody ever saved.
    ever_saved: BTreeMap<ContentHash, landfall_reference::server::Content>,
    hints: u32,
    /// Nothing is heard yet.
    deaf: bool,
    /// What is to be taken back, in the order in which it was done.
    pending: BTreeMap<u32, deeds::Deed>,
    deeds: u32,
    /// A person looks at the status from time to time.
    watching: bool,
    /// The person saw the brake on deletes at the last look.
    braked: bool,
    hash: Canon,
    effects: Vec<Effect>,
    moved: Vec<Moved>,
    same_tick: (Tick, u32),
    /// What would have been told to a machine, for tests that have none.
    #[cfg(test)]
    heard: Option<std::collections::VecDeque<Event>>,
}

/// What a run counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Steps of the machine.
    pub steps: u64,
    /// Starts of the process.
    pub starts: u32,
    /// Kills and power cuts.
    pub kills: u32,
    /// Time that was slept through.
    pub slept: Ms,
    /// Files that were read or exported.
    pub downloads: u64,
    /// Requests that reached the server.
    pub requests: u64,
}

impl World {
    /// A world before its first moment.
    pub fn new(options: Options, story: Story) -> Self {
        let plan = Plan::new(options.seed, options.rates);
        Self::planned(options, plan, story)
    }

    /// A world before its first moment, with faults at these addresses. Some strike already
    /// while it is populated.
    pub fn planned(options: Options, mut plan: Plan, story: Story) -> Self {
        plan.stage = Stage::new(options.scenes());
        let mode = options.sync_mode();
        let config = Config {
            seed: options.seed,
            remotes: vec![(
                REMOTE,
                GateConfig { concurrency: options.concurrency, per_second: options.per_second },
            )],
            workspaces: vec![(UNIT, WorkspaceConfig { mode, ..WorkspaceConfig::default() })],
        };
        let server = Server::new(Shape {
            page: options.page as usize,
            bulk: options.bulk,
            totals: options.totals,
            hashes: options.hashes,
            receipts: options.receipts,
        });
        let mut world = Self {
            oracles: Oracles::new(&options),
            plan,
            now: Tick(1_000),
            server,
            disk: Disk::folding(options.folding),
            store: Store::default(),
            story,
            record: Record::default(),
            coverage: None,
            counts: Counts::default(),
            steps: None,
            fork: None,
            fired_at_fork: 0,
            recorded: None,
            planted: Planted::Nothing,
            machine: None,
            config,
            run: 0,
            boot: 1,
            queue: Queue::new(),
            flows: BTreeMap::new(),
            streams: BTreeMap::new(),
            running: BTreeMap::new(),
            flushing: None,
            full_until: Tick(0),
            attempts: BTreeMap::new(),
            wake: None,
            generation: 0,
            asleep_until: Tick(0),
            wall_offset: 0,
            healed_at: None,
            in_step_at: None,
            people: people::People::default(),
            ever_saved: BTreeMap::new(),
            hints: 0,
            deaf: false,
            pending: BTreeMap::new(),
            deeds: 0,
            watching: false,
            braked: false,
            hash: Canon::new(),
            effects: Vec::new(),
            moved: Vec::new(),
            same_tick: (Tick(0), 0),
            #[cfg(test)]
            heard: None,
            options,
        };
        world.populate();
        world.queue.push(world.now, Happening::Start);
        if world.options.edits {
            world.queue.push(world.now + Ms(500), Happening::Edit);
        }
        if world.options.two_way {
            world.queue.push(world.now + Ms::secs(10), Happening::Work);
        }
        world.queue.push(world.now + Ms::mins(1), Happening::Minute);
        world.queue.push(world.now + world.options.chaos, Happening::Heal);
        world
    }

    /// Lives on until the healed world has had its time, is in step, or an oracle speaks.
    pub fn live(&mut self) {
        self.record.world(self.now, "faults strike");
        while !self.oracles.spoke() && self.next_at().is_some_and(|at| !self.over(at)) {
            if let Some(fork) = self.fork.take_if(|fork| self.queue.next_at() >= Some(fork.at)) {
                self.go_another_way(fork);
            }
            self.step();
        }
    }

    fn go_another_way(&mut self, fork: Fork) {
        self.fired_at_fork = self.plan.fired().len();
        self.now = self.now.max(fork.at);
        self.plan.remove(fork.dropped);
        if let Some(salt) = fork.salt {
            self.plan.decide_anew(salt, self.options.rates);
        }
        let Some(end) = fork.end.filter(|_| self.machine.is_some()) else { return };
        let kill = Kill { phase: Phase::Before, power: end == End::PowerCut, bits: 0 };
        self.die(kill, &|| "because somebody asked what then".into());
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Tick> {
        self.queue.next_at()
    }

    /// The next thing happens.
    pub fn step(&mut self) {
        let Some((at, what)) = self.queue.pop() else {
            return;
        };
        if at < self.asleep_until && !matches!(what, Happening::Edit) {
            return self.sleep_through(at, what);
        }
        self.now = at;
        self.plan.stage.at(at);
        self.happen(what);
        self.record.struck(at, self.plan.fired());
        if let Some(coverage) = &mut self.coverage {
            coverage.struck(at, self.plan.fired());
        }
    }

    /// Whether every file of the server is here, and no other.
    pub fn mirrors(&self) -> bool {
        let here = self.disk.files().map(|(path, file)| (path, file.content.hash));
        let there = self.server.truth.files().map(|(path, _, content)| (path, content.hash));
        here.eq(there)
    }

    /// Which way bytes go.
    pub fn mode(&self) -> SyncMode {
        self.options.sync_mode()
    }

    /// The rolling hash of all steps.
    pub fn hash(&self) -> u64 {
        use std::hash::Hasher;
        self.hash.finish()
    }

    /// When the world healed.
    pub fn healed_at(&self) -> Option<Tick> {
        self.healed_at
    }

    /// How long after the healing the machine first said that it is in step.
    pub fn in_step_after(&self) -> Ms {
        match (self.in_step_at, self.healed_at) {
            (Some(at), Some(healed)) => at - healed,
            _ => Ms(0),
        }
    }

    /// The machine, if its process lives.
    pub fn machine(&self) -> Option<&Machine> {
        self.machine.as_ref()
    }

    /// The present on both clocks.
    pub fn both_clocks(&self) -> Now {
        Now { tick: self.now, wall: Wall(self.wall()) }
    }

    fn over(&self, at: Tick) -> bool {
        self.healed_at.is_some_and(|healed| at > healed + self.options.healed)
    }

    fn sleep_through(&mut self, at: Tick, what: Happening) {
        // What was to happen during the sleep happens at its end; the faults that were
        // still to come come after it.
        let at = match what {
            Happening::Heal => self.asleep_until + (at - self.now),
            _ => self.asleep_until,
        };
        self.queue.push(at, what);
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Net(call) => self.net(call),
            Happening::Stream(call) => self.stream_send(call),
            Happening::Ping(call) => self.stream_ping(call),
            Happening::Disk(call) => self.disk_step(call),
            Happening::Flush { run } if run == self.run => self.flush(),
            Happening::Wake { generation } if generation == self.generation => {
                self.wake = None;
                let why = self.machine.as_ref().and_then(Machine::next_wake);
                self.plan.stage.woken(why.map(|(_, wake)| wake));
                self.tell(Event::Wake);
                self.plan.stage.woken(None);
            }
            Happening::Hear { run, event } if run == self.run => self.tell(*event),
            Happening::Start => self.start(),
            Happening::StopDue { run, slept } if run == self.run && self.machine.is_some() => {
                if slept != self.counts.slept {
                    return self.stop_due();
                }
                self.oracles.fail(
                    Oracle::StopInTime,
                    "SIGTERM",
                    "the process is still there 5 s after SIGTERM".into(),
                );
            }
            Happening::Edit => self.other_client(),
            Happening::Work => self.work(),
            Happening::Regret(path) => self.person_deletes(&path),
            Happening::Tidy { last } => self.tidy(last),
            Happening::Minute => self.minute(),
            Happening::Unblock(path) => self.unblock(&path),
            Happening::Later(n) => self.take_back(n),
            Happening::Look => self.person_looks(),
            Happening::Heal => self.heal(),
            Happening::Flush { .. }
            | Happening::Wake { .. }
            | Happening::Hear { .. }
            | Happening::StopDue { .. } => {}
        }
    }

    fn heal(&mut self) {
        self.plan.heal();
        self.record.world(self.now, "healed");
        self.healed_at = Some(self.now);
        self.story.say(self.now, || "The world is healed: nothing fails any more.".into());
        self.deeds_heal();
        self.people_rest();
        self.works_heal();
        self.usual_again();
        match &self.machine {
            None => self.queue.push(self.now + Ms::secs(1), Happening::Start),
            Some(machine) => {
                let status = machine.status(self.both_clocks());
                let in_step = status.units.iter().all(|unit| unit.in_step);
                self.in_step_at = in_step.then_some(self.now);
                self.oracles.quiet(self.now, in_step);
            }
        }
        // Requests that would never be answered stay so: the machine has to give them up.
    }

    /// The wall clock in milliseconds.
    fn wall(&self) -> u64 {
        (WALL_START + self.now.0).saturating_add_signed(self.wall_offset)
    }

    /// A mark is reached.
    fn mark(&mut self, mark: Mark) {
        if let Some(coverage) = &mut self.coverage {
            coverage.mark(mark);
        }
    }

    /// A mark is reached if something is under way.
    fn mark_busy(&mut self, mark: Mark) {
        if self.coverage.as_ref().is_some_and(|coverage| coverage.is_busy()) {
            self.mark(mark);
        }
    }

    /// Counts the attempts of one entity over all runs.
    fn attempt(&mut self, entity: u32) -> u32 {
        let next = self.attempts.entry(entity).or_default();
        let this = *next;
        *next += 1;
        this
    }

    fn kill_address(&mut self, entity: u32, attempt: u32) -> Option<Kill> {
        if let Some(asked) = &mut self.plan.asked
            && self.healed_at.is_none()
        {
            asked.push((entity, attempt));
        }
        for (kind, phase) in [
            (Kind::KillBefore, Phase::Before),
            (Kind::KillDuring, Phase::During),
            (Kind::KillAfter, Phase::After),
        ] {
            if let Some(bits) = self.plan.strikes(kind, entity, attempt) {
                return Some(Kill { phase, power: false, bits });
            }
        }
        let bits = self.plan.strikes(Kind::PowerCut, entity, attempt)?;
        let phase = [Phase::Before, Phase::During, Phase::After][bits as usize % 3];
        Some(Kill { phase, power: true, bits: bits / 3 })
    }

    /// Tells the machine something a little later, if its process still lives then.
    fn say_later(&mut self, after: Ms, event: Event) {
        let event = Box::new(event);
        self.queue.push(self.now + after, Happening::Hear { run: self.run, event });
    }

    /// Shows the oracles what moved on the disk.
    fn disk_moved(&mut self) {
        self.disk.take_moved(&mut self.moved);
        let moved = std::mem::take(&mut self.moved);
        for moved in &moved {
            let (store, truth) = (&self.store, &self.server.truth);
            self.oracles.moved(self.now, moved, store, truth, &self.disk);
        }
        if self.options.two_way {
            moved.iter().for_each(|moved| self.hint(moved));
        }
        self.moved = moved;
        self.moved.clear();
    }

    /// What the oracles can only judge as a whole.
    pub fn whole_check(&mut self) {
        self.oracles.whole(self.now, &self.disk, &self.server.truth);
    }

    /// Whether the rows read back as they were written.
    pub fn check_rows(&mut self) {
        let misread = self.store.misread();
        self.oracles.read_back(self.now, misread);
    }

    fn exit_is_clean(exit: Exit) -> bool {
        !matches!(exit, Exit::Stuck)
    }
}
