//! The process: it is started, told things, killed, and started again.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use landfall_core::Machine;
use landfall_core::decision::Decision;
use landfall_core::effect::{DiskOp, Effect, Exit};
use landfall_core::event::{Boot, Event, LastExit, Stop};
use landfall_core::id::BlobId;
use landfall_core::time::{Ms, Tick};
use landfall_core::trace::{Line, VERSION};

use super::disk::{Content, Disk, Fate};
use super::server::hash_of;
use super::{Happening, Kill, Planted, REMOTE, World};
use crate::coverage::Mark;
use crate::faults::{Kind, mix};
use crate::oracles::Oracle;

static PLANTED: AtomicU64 = AtomicU64::new(0);

/// More steps than this at one tick are a loop.
const STEPS_PER_TICK: u32 = 20_000;

impl World {
    pub(super) fn start(&mut self) {
        if self.machine.is_some() {
            return;
        }
        self.root_opened();
        let (run, same_boot, last) = self.store.open(self.boot);
        self.run = run;
        self.plan.stage.started();
        self.deaf = self.options.two_way && self.plan.strikes(Kind::LateEars, run, 0).is_some();
        self.counts.starts += 1;
        let last = match last {
            None => LastExit::Never,
            Some(true) => LastExit::Clean,
            Some(false) => LastExit::Unclean,
        };
        let boot = if same_boot { Boot::Same } else { Boot::Other };
        self.story.say(self.now, || format!("The process starts (run {run})."));
        self.command_line();
        if let Some(recorded) = &mut self.recorded {
            let program = concat!("sim ", env!("CARGO_PKG_VERSION")).into();
            recorded.push(Line::Header { version: VERSION, program, config: self.config.clone() });
        }
        self.machine = Some(Machine::new(self.config.clone()));
        self.oracles.started(self.now, run);
        self.record.started(self.now, run);
        self.check_rows();
        let mut rows = self.rows_as_read();
        // In two batches, as an adapter may.
        let rest = rows.split_off(rows.len() / 2);
        self.tell(Event::Load(rows));
        self.tell(Event::Load(rest));
        self.tell(Event::Start { run, boot, last });
    }

    /// One step of the machine, and everything that it wants.
    pub(super) fn tell(&mut self, event: Event) {
        #[cfg(test)]
        if let Some(heard) = &mut self.heard {
            heard.push_back(event);
            return;
        }
        let now = self.both_clocks();
        let Some(machine) = &mut self.machine else {
            return;
        };
        self.counts.steps += 1;
        if self.same_tick.0 == self.now {
            self.same_tick.1 += 1;
        } else {
            self.same_tick = (self.now, 0);
        }
        if self.same_tick.1 > STEPS_PER_TICK {
            self.oracles.fail(
                Oracle::NoLoop,
                "steps",
                "the machine goes round without time passing".into(),
            );
            return;
        }
        (now.tick.0, now.wall.0).hash(&mut self.hash);
        event.hash(&mut self.hash);
        if self.planted == Planted::Leak && self.counts.steps == 100 {
            PLANTED.fetch_add(1, Ordering::Relaxed).hash(&mut self.hash);
        }
        self.oracles.heard(self.now, &event, &self.disk);
        self.record.heard(self.now, &event);
        if let Some(coverage) = &mut self.coverage {
            coverage.heard(&event, machine);
        }
        if self.story.steps {
            self.story.say(self.now, || format!("  > {event:?}"));
        }
        let mut effects = std::mem::take(&mut self.effects);
        let told = self.recorded.is_some().then(|| event.clone());
        machine.step(now, event, &mut effects);
        if self.planted == Planted::Effect
            && self.counts.steps > 100
            && let Some(Effect::Ask { deadline, .. }) =
                effects.iter_mut().find(|effect| matches!(effect, Effect::Ask { .. }))
        {
            deadline.0 += 1;
            self.planted = Planted::Nothing;
        }
        if self.planted == Planted::Canary {
            effects.iter_mut().for_each(|effect| place_over(effect, &self.disk));
        }
        if let (Some(recorded), Some(event)) = (&mut self.recorded, told) {
            let (tick, wall, effects) = (now.tick, now.wall, effects.clone());
            recorded.push(Line::Step { tick, wall, event, effects });
        }
        self.record.wanted(self.now, &effects);
        if let Some(coverage) = &mut self.coverage {
            coverage.wanted(now, &effects, machine, &self.disk);
        }
        if self.record.on
            && let Some(unit) = machine.status(now).units.first()
        {
            self.record.says(self.now, unit);
        }
        if self.story.steps {
            for effect in &effects {
                self.story.say(self.now, || format!("  < {effect:?}"));
            }
        }
        for effect in &effects {
            effect.hash(&mut self.hash);
        }
        if let Some(steps) = &mut self.steps {
            steps.push(self.hash.finish());
        }
        for effect in &effects {
            self.oracles.wanted(self.now, effect, &self.store, &self.server.truth, &self.disk);
        }
        if let Some(gate) = machine.gate(REMOTE) {
            self.oracles.waits(gate.next_of_each());
        }
        let is_of_gate = |effect: &Effect| {
            matches!(
                effect,
                Effect::Note {
                    decision: Decision::GatePaused { .. } | Decision::Breaker { .. },
                    ..
                }
            )
        };
        if effects.iter().any(is_of_gate)
            && let Some(unit) = machine.status(now).units.first()
        {
            self.oracles.said(self.now, unit);
        }
        self.shuffle(&mut effects);
        for effect in effects.drain(..) {
            if self.machine.is_none() {
                break;
            }
            self.carry_out(effect);
        }
        effects.clear();
        self.effects = effects;
        self.plan_wake();
        if self.counts.steps.is_multiple_of(512) {
            self.whole_check();
        }
        if self.counts.steps.is_multiple_of(4_096) {
            self.check_rows();
        }
    }

    /// All effects of a step may be carried out in any order, but commits keep theirs.
    fn shuffle(&mut self, effects: &mut [Effect]) {
        if effects.len() < 2 {
            return;
        }
        let mut bits = self.plan.bits(202, self.counts.steps as u32, 0);
        for i in (1..effects.len()).rev() {
            bits = mix(bits);
            effects.swap(i, (bits % (i as u64 + 1)) as usize);
        }
        let commits: Vec<usize> =
            (0..effects.len()).filter(|i| matches!(effects[*i], Effect::Commit { .. })).collect();
        // Few: put them back in order by exchanging neighbours.
        for pass in 0..commits.len() {
            for i in 1..commits.len() - pass {
                if number(&effects[commits[i - 1]]) > number(&effects[commits[i]]) {
                    effects.swap(commits[i - 1], commits[i]);
                }
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Ask { call, request, credit, .. } => self.ask(call, request, credit),
            Effect::More { call, credit } => self.more(call, credit),
            Effect::Cancel { call } => self.cancel(call),
            Effect::Disk { call, op, .. } => self.disk_begin(call, op),
            Effect::Commit { seq, changes, .. } => self.commit(seq, changes),
            Effect::Note { decision, .. } => {
                if self.healed_at.is_some() && matches!(decision, Decision::InStep { .. }) {
                    self.in_step_at.get_or_insert(self.now);
                    self.oracles.quiet(self.now, true);
                }
                self.story.say(self.now, || format!("Landfall: {decision}."));
            }
            Effect::Exit(exit) => self.exit(exit),
        }
    }

    fn plan_wake(&mut self) {
        let Some(machine) = &self.machine else {
            return;
        };
        let wanted = machine.next_wake().map(|(at, _)| at.max(self.now));
        if wanted == self.wake.map(|(at, _)| at) {
            return;
        }
        self.generation += 1;
        self.wake = wanted.map(|at| (at, self.generation));
        if let Some((at, generation)) = self.wake {
            self.queue.push(at, Happening::Wake { generation });
        }
    }

    /// The process ends by its own will.
    fn exit(&mut self, exit: Exit) {
        self.story.say(self.now, || format!("The process exits: {exit:?}."));
        let pending = self.store.pending() > 0;
        let full = pending && self.now < self.full_until;
        let busy = !self.running.is_empty() || pending && !full;
        self.oracles.exited(self.now, exit, busy, full);
        if Self::exit_is_clean(exit) {
            while self
                .store
                .flush_one(|store, commit| {
                    self.oracles.durable(self.now, commit, store, &self.server.truth, &self.disk);
                })
                .is_some()
            {}
            self.store.close();
        }
        self.record.gone(self.now, || format!("exit: {exit}"));
        self.gone(Ms::secs(5), false);
    }

    /// The process is killed, or the power fails.
    pub(super) fn die(&mut self, kill: Kill, when: &dyn Fn() -> String) {
        self.counts.kills += 1;
        self.story.say(self.now, || {
            let what = if kill.power { "The power fails" } else { "kill -9" };
            format!("{what} {}.", when())
        });
        let what = if kill.power { "the power failed" } else { "kill -9" };
        self.record.gone(self.now, || format!("{what} {}", when()));
        for (call, flow) in &self.flows {
            // A body that was being written leaves a stray file.
            if let Some(part) = flow.half_written() {
                let blob = BlobId { call: *call, part };
                let half = Content { hash: landfall_core::hash::ContentHash([7; 32]), size: 1 };
                self.disk.stage(blob, half, WALL);
            }
        }
        if kill.power {
            self.boot += 1;
            let cut = u64::from(self.boot);
            let bits = mix(kill.bits);
            let (lost, torn) = self.disk.power_cut(bits % 1_300, |place| {
                match mix(bits ^ cut ^ hash_of(&format!("{place:?}"))) % 3 {
                    0 => Fate::Whole,
                    1 => Fate::Empty,
                    _ => Fate::Torn,
                }
            });
            if lost > 0 {
                self.mark(Mark::CutLoses);
            }
            if torn > 0 {
                self.mark(Mark::CutTears);
            }
            self.story.say(self.now, || {
                format!("{lost} changes of the disk are lost and {torn} files are torn.")
            });
        }
        self.disk_moved();
        if kill.power {
            self.oracles.power_cut(&self.store);
        }
        let wait = mix(kill.bits ^ 1) % 4;
        self.gone(Ms([200, 2_000, 20_000, 200_000][wait as usize]), true);
    }

    /// The computer is switched off in good order, and on again after so long.
    pub(crate) fn switch_off(&mut self, wait: Ms) {
        self.boot += 1;
        self.asleep_until = self.now + wait;
        self.gone(wait, false);
    }

    /// The process is gone, and is started again after a while.
    fn gone(&mut self, wait: Ms, killed: bool) {
        self.machine = None;
        self.flows.clear();
        self.streams.clear();
        self.running.clear();
        self.flushing = None;
        self.full_until = Tick(0);
        let lost = self.store.kill();
        if lost > 0 {
            self.story.say(self.now, || format!("{lost} commits were not durable and are lost."));
        }
        if let Some(coverage) = &mut self.coverage {
            coverage.gone(killed, lost);
        }
        self.wake = None;
        self.generation += 1;
        self.oracles.gone(self.now);
        self.queue.push(self.now + wait, Happening::Start);
    }

    pub(super) fn terminate(&mut self) {
        if self.machine.is_none() {
            return;
        }
        self.mark_busy(Mark::StoppedWorking);
        self.story.say(self.now, || "SIGTERM.".into());
        self.oracles.told_to_stop();
        self.stop_due();
        self.tell(Event::Stop(Stop::Graceful));
    }

    /// Has the process gone in five seconds awake?
    pub(super) fn stop_due(&mut self) {
        let (run, slept) = (self.run, self.counts.slept);
        self.queue.push(self.now + Ms(5_001), Happening::StopDue { run, slept });
    }
}

/// Stray bytes have no time that matters.
const WALL: u64 = 0;

/// Makes a placement one that takes whatever is there for its own.
fn place_over(effect: &mut Effect, disk: &Disk) {
    if let Effect::Disk { op: DiskOp::Place { path, expect, keep, base, .. }, .. } = effect {
        (*keep, *base) = (false, None);
        *expect = disk.file(path).map(|file| file.content.hash);
    }
}

fn number(effect: &Effect) -> u64 {
    match effect {
        Effect::Commit { seq, .. } => seq.0,
        _ => 0,
    }
}
