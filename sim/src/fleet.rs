//! Many machines and one server: what does it bear when all of them come back at once?
//!
//! Each machine has a world of its own, with its own disk, store, clock and seed. The server is
//! one: it is put into the world in which something happens next. Nothing fails but what the
//! server itself refuses, because it answers only so many requests in a second.

use std::fmt;

use landfall_core::time::{Ms, Tick};

use crate::faults::KINDS;
use crate::options::Options;
use crate::story::Story;
use crate::world::World;
use crate::world::server::{Server, Shape};

/// When the lids are closed.
const CLOSED: Tick = Tick(Ms::mins(15).0);

/// For how long: as long as a world sleeps.
const NIGHT: Ms = Ms::hours(12);

/// How long the fleet has to be in step again.
const PATIENCE: Ms = Ms::mins(30);

/// How the machines spend the night.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Night {
    /// The lid is closed: every connection is dead in the morning.
    Asleep,
    /// Switched off: every process starts anew.
    Off,
}

/// A fleet.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Machines, with the seeds from 0.
    pub machines: u64,
    /// Requests that the server answers in a second; the others get a 429.
    pub per_second: u32,
    /// How they spend the night.
    pub night: Night,
}

/// What the morning cost the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Morning {
    /// Files that changed over night.
    pub changed: u64,
    /// Requests in the busiest second, refused ones included.
    pub busiest: u32,
    /// Requests until everybody was in step.
    pub requests: u32,
    /// Of these, refused.
    pub refused: u32,
    /// How long until the last machine was in step.
    pub in_step_after: Ms,
}

impl Fleet {
    /// Lives through a night.
    ///
    /// # Errors
    ///
    /// Who is not in step in time, or which oracle spoke.
    pub fn run(&self) -> Result<Morning, String> {
        let mut worlds: Vec<World> = (0..self.machines).map(world).collect();
        let empty =
            Server::new(Shape { page: 50, bulk: true, totals: true, hashes: true, receipts: true });
        let first = worlds.first_mut().ok_or("a fleet has a machine")?;
        let mut server = std::mem::replace(&mut first.server, empty);
        live(&mut worlds, &mut server, CLOSED)?;
        let before = server.truth.tip();
        for world in &mut worlds {
            world.now = CLOSED;
            match self.night {
                Night::Asleep => world.sleep(),
                Night::Off => world.switch_off(NIGHT),
            }
        }
        let dawn = CLOSED + NIGHT;
        live(&mut worlds, &mut server, Tick(dawn.0 - 1))?;
        worlds.iter_mut().for_each(World::nobody_edits);
        let mut morning = Morning {
            changed: server.truth.tip() - before,
            busiest: 0,
            requests: 0,
            refused: 0,
            in_step_after: Ms(0),
        };
        server.load = Default::default();
        server.load.per_second = Some(self.per_second);
        let mut now = dawn;
        while !in_step(&mut worlds, &mut server) {
            now = now + Ms(100);
            if now > dawn + PATIENCE {
                return Err(format!("after {PATIENCE} not every machine is in step"));
            }
            live(&mut worlds, &mut server, now)?;
        }
        morning.in_step_after = now - dawn;
        morning.requests = server.load.requests;
        live(&mut worlds, &mut server, dawn + PATIENCE)?;
        morning.busiest = server.load.busiest;
        morning.refused = server.load.refused;
        Ok(morning)
    }
}

/// The world of one machine. Only in the first somebody edits, because the server is one.
fn world(seed: u64) -> World {
    let mut options = Options::derive(seed);
    options.rates = [0; KINDS];
    options.chaos = Ms::hours(24);
    options.edits = seed == 0;
    options.files = if seed == 0 { 40 } else { 0 };
    (options.page, options.bulk, options.totals, options.hashes) = (50, true, true, true);
    (options.concurrency, options.per_second, options.latency) = (16, 2_000, Ms(200));
    options.receipts = true;
    // Each fetches what changed over night.
    options.write_only = false;
    World::new(options, Story::default())
}

/// Everything up to a tick, in the order of time.
fn live(worlds: &mut [World], server: &mut Server, until: Tick) -> Result<(), String> {
    loop {
        let soonest = worlds.iter().enumerate().filter_map(|(i, w)| Some((w.next_at()?, i))).min();
        let Some((at, i)) = soonest.filter(|(at, _)| *at <= until) else { return Ok(()) };
        let tip = server.truth.tip();
        with(&mut worlds[i], server, World::step);
        if let Some(found) = worlds[i].oracles.found() {
            return Err(format!("machine {i}: {}: {}", found.oracle, found.detail));
        }
        if server.truth.tip() == tip {
            continue;
        }
        for (_, other) in worlds.iter_mut().enumerate().filter(|(n, _)| *n != i) {
            other.now = at;
            with(other, server, World::stream_changed);
        }
    }
}

fn in_step(worlds: &mut [World], server: &mut Server) -> bool {
    worlds.iter_mut().all(|world| with(world, server, |world| world.mirrors()))
}

/// Does something in a world that has the server.
fn with<R>(world: &mut World, server: &mut Server, what: impl FnOnce(&mut World) -> R) -> R {
    std::mem::swap(&mut world.server, server);
    let result = what(world);
    std::mem::swap(&mut world.server, server);
    result
}

impl fmt::Display for Morning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} files changed over night; {} requests until all were in step, {} after dawn; {} of all refused, {} in the busiest second",
            self.changed, self.requests, self.in_step_after, self.refused, self.busiest
        )
    }
}
