//! A seeded simulator that tries to break the machine.
//!
//! One seed is one [run](run): a [world](world) with a server, a network, a disk, a store, a
//! process and people, in which [faults](faults) strike for two hours of virtual time and
//! then stop. [Oracles](oracles) watch every step; after the healing the mirror has to
//! converge within 45 minutes, or the run names what is stuck.
//!
//! ```text
//!            seed ──► options ──► plan of faults
//!                                      │ hash(seed, kind, entity, attempt)
//!   other client ─► server ─► network ─┤
//!         person ─► disk ──────────────┼─► event ─► machine ─► effects, shuffled ─┐
//!                  store ── process ───┘      │                                   │
//!                    ▲                        └────► oracles, rolling hash ◄──────┤
//!                    └────────────────────────────────────────────────────────────┘
//! ```
//!
//! - `sim --seed N` [tells](story) one run in sentences.
//! - `sim --seeds A..B` [hunts](hunt) on all cores.
//! - `sim --idle --seeds A..B` lives through three quiet days: how little is done in them?
//! - `sim --fleet N` lets [N machines](fleet) come back to one server at the same instant.
//! - `--report FILE` [draws](report) the run of one seed as a page for a browser.
//! - `sim --seeds A..B --coverage` prints [what was tried](coverage), and what never was.
//! - `sim --enumerate-kills` [kills](enumerate) a short run at every effect in turn.
//! - `--shrink` [takes faults away](shrink) until each that is left is needed.
//! - `--save FILE` and `--emit-test FILE` write what is left as a [scenario](scenario) and as a test;
//!   `sim --scenario FILE` runs a scenario.
//! - `sim explore` [searches](explore) a tiny world to its end, breadth first.
//! - `sim replay FILE` [steps a recorded trace](replay) through fresh machines again.
//! - `--until`, `--then` and `--futures` ask [what if](what_if).
//! - `--hashes A..B --against SIM` [compares](same) two processes, and two builds.
//!
//! Exit codes: 0 in step; 21 safety; 22 liveness; 23 crash; 24 two runs of one seed differ;
//! 25 a fault kind never struck or an oracle never had anything to judge; 2 usage.

pub mod coverage;
pub mod enumerate;
pub mod explore;
pub mod faults;
pub mod fleet;
pub mod hunt;
pub mod map;
pub mod options;
pub mod oracles;
pub mod replay;
pub mod report;
pub mod run;
pub mod same;
pub mod scenario;
pub mod shrink;
pub mod story;
pub mod what_if;
pub mod workload;
pub mod world;
