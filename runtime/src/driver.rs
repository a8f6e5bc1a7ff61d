//! The loop. It carries out effects and feeds back events, and decides nothing.

use std::io;
use std::time::Duration;

use landfall_core::Machine;
use landfall_core::effect::{DiskOp, Effect, Exit};
use landfall_core::event::{Event, Stop};
use landfall_core::id::CallId;
use landfall_core::row::Loaded;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::clock;
use crate::disk::Disk;
use crate::http::Http;
use crate::show::Show;
use crate::store::Store;
use crate::trace::Trace;
use crate::writeback::Desk;

/// Everything that carries out effects.
#[derive(Debug)]
pub struct Ports {
    /// Requests.
    pub http: Http,
    /// Files.
    pub disk: Disk,
    /// Rows.
    pub store: Store,
}

/// A machine and its world.
#[derive(Debug)]
pub struct Driver {
    machine: Machine,
    ports: Ports,
    events: UnboundedReceiver<Event>,
    trace: Option<Trace>,
    show: Show,
    desk: Desk,
    effects: Vec<Effect>,
    /// Disk operations of the steps since the last wait.
    disk_ops: Vec<(CallId, DiskOp)>,
}

/// How it ended, and whether a signal asked for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// What the machine said.
    pub exit: Exit,
    /// The last signal that was received.
    pub signal: Option<i32>,
    /// Whether everything was in step.
    pub in_step: bool,
    /// Files that are known.
    pub files: u64,
}

/// Events that are taken in before signals and timers are looked at again.
const AT_ONCE: usize = 1024;

const SIGINT: i32 = 2;
/// A sleep of the computer is noticed within this time.
const LOOK_UP: Duration = Duration::from_secs(5);

const SIGTERM: i32 = 15;

impl Driver {
    /// A driver for a machine that has not started.
    pub fn new(
        machine: Machine,
        ports: Ports,
        events: UnboundedReceiver<Event>,
        trace: Option<Trace>,
        show: Show,
        desk: Desk,
    ) -> Self {
        let (effects, disk_ops) = (Vec::new(), Vec::new());
        Self { machine, ports, events, trace, show, desk, effects, disk_ops }
    }

    /// Gives the machine rows of an earlier run. Before [`run`](Self::run), any number of times.
    pub fn load(&mut self, rows: Vec<Loaded>) {
        // It only takes them in.
        let exit = self.step(Event::Load(rows));
        debug_assert_eq!(exit, None);
    }

    /// Runs from the start, which is the first event, until the machine exits.
    pub async fn run(mut self, start: Event) -> io::Result<Ended> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let mut signalled = None;
        let mut exit = self.step(start);
        let exit = loop {
            if let Some(exit) = exit {
                break exit;
            }
            let ops = std::mem::take(&mut self.disk_ops);
            self.ports.disk.carry_out(ops, &self.ports.http.events());
            let event = tokio::select! {
                biased;
                number = either(&mut term, &mut int) => {
                    let again = signalled.replace(number).is_some();
                    Event::Stop(if again { Stop::Now } else { Stop::Graceful })
                }
                () = self.desk.wait() => {
                    exit = self.take_orders();
                    continue;
                }
                event = next(&mut self.events, &self.machine) => event,
                () = self.show.wait() => {
                    self.show.status(&self.machine.status(clock::now()));
                    continue;
                }
            };
            exit = self.step(event);
            // What has already arrived is taken in before anybody sleeps, but a flood of it
            // must not drown a signal.
            for _ in 0..AT_ONCE {
                let (None, Ok(event)) = (exit, self.events.try_recv()) else { break };
                exit = self.step(event);
            }
        };
        let status = self.machine.status(clock::now());
        self.show.end(&status, exit);
        self.desk.end();
        if let Some(trace) = &mut self.trace {
            trace.end();
        }
        self.ports.store.close(exit != Exit::Stuck);
        let in_step = status.units.iter().all(|unit| unit.in_step);
        let files = status.units.iter().map(|unit| unit.files_total).sum();
        // The process ends, and takes what is known of 100,000 files with it faster.
        std::mem::forget(self.machine);
        Ok(Ended { exit, signal: signalled, in_step, files })
    }

    /// Hands over what people ordered.
    fn take_orders(&mut self) -> Option<Exit> {
        let now = clock::now();
        // Who waits has to hear of what was not delivered, although its file may be gone.
        let in_step = || {
            let units = self.machine.status(now).units;
            units.iter().all(|unit| unit.in_step && unit.outbox.dead == 0)
        };
        let told = self.desk.look(now.wall, in_step);
        told.into_iter().fold(None, |exit, event| exit.or_else(|| self.step(event)))
    }

    fn step(&mut self, event: Event) -> Option<Exit> {
        let now = clock::now();
        if let Event::Stored { upto, .. } = &event {
            self.desk.stored(*upto);
        }
        let traced = self.trace.as_ref().map(|_| event.clone());
        self.machine.step(now, event, &mut self.effects);
        let mut effects = std::mem::take(&mut self.effects);
        if let (Some(trace), Some(event)) = (&mut self.trace, traced) {
            trace.step(now, event, &effects);
        }
        let mut exit = None;
        for effect in effects.drain(..) {
            exit = exit.or(self.carry_out(effect));
        }
        self.effects = effects;
        exit
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Exit> {
        let Ports { http, store, .. } = &mut self.ports;
        match effect {
            Effect::Ask { call, request, credit, .. } => http.ask(call, request, credit),
            Effect::More { call, credit } => http.more(call, credit),
            Effect::Cancel { call } => http.cancel(call),
            Effect::Disk { call, op, .. } => self.disk_ops.push((call, op)),
            Effect::Commit { seq, changes, .. } => {
                self.desk.commit(seq, &changes);
                store.commit(seq, changes);
            }
            Effect::Note { decision, .. } => {
                self.desk.saw(&decision);
                self.show.decision(&decision);
            }
            Effect::Exit(exit) => return Some(exit),
        }
        None
    }
}

/// The next answer, or the moment at which the machine wants to be woken.
async fn next(events: &mut UnboundedReceiver<Event>, machine: &Machine) -> Event {
    let wake = async {
        match machine.next_wake() {
            // The clock that tokio sleeps by stands still while the computer sleeps, and ours
            // does not: it is looked at again and again.
            Some((tick, _)) => loop {
                let rest = clock::until(tick);
                if rest.is_zero() {
                    break;
                }
                tokio::time::sleep(rest.min(LOOK_UP)).await;
            },
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        Some(event) = events.recv() => event,
        () = wake => Event::Wake,
    }
}

async fn either(term: &mut Signal, int: &mut Signal) -> i32 {
    tokio::select! {
        _ = term.recv() => SIGTERM,
        _ = int.recv() => SIGINT,
    }
}
