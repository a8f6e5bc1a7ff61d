#![no_std]
//! The machine that takes every decision of Landfall.
//!
//! Landfall keeps a directory in step with a remote workspace, whatever the server, the
//! network, the disk and the operating system do meanwhile. All of its decisions are taken by
//! one value, [`Machine`]. It has no clock, no socket, no file and no thread. It is told what
//! happened and answers with what it wants done:
//!
//! ```text
//!                    Event                                   Effect
//!   feed page, file received, 429,              ask the server, grant credit, cancel,
//!   disk answer, rows stored, SIGTERM,          place a file, commit rows, seal,
//!   a timer                                     note a decision, exit
//!        │                                                        ▲
//!        ▼                                                        │
//!   ┌─ Machine ───────────────────────────────────────────────────┴──────────┐
//!   │                                                                        │
//!   │  mirror lane ──observe──▶ ┌─────────────────────┐ ──plan──▶  reads,    │
//!   │  (position, export,       │  one table of files │            looks,    │
//!   │   tree, feed, doubt)      │  base·local·remote  │            places,   │
//!   │  hints, scans ──look────▶ └─────────────────────┘            removals, │
//!   │  writeback lane ◀──plan── (intents, receipts, dead letters)  writes    │
//!   │                                                                        │
//!   │  gate: when a request may go   journal: one commit per step            │
//!   │  timers: the only wake-ups     seals: what survives a power cut        │
//!   └────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The same machine runs in three places. The program `landfall` carries its effects out with
//! real sockets and files. The simulator `sim` plays a world against it that is much worse than
//! any real one, from a seed, and checks after every step that nothing is lost. And a recorded
//! [trace](trace) can be stepped through again.
//!
//! # The idea, in five sentences
//!
//! Rows store what was *observed* on both sides of a path, never what is to be done about it.
//! [`plan`](files::plan::plan) looks at one path and says what to do now; it is a table, it is
//! pure, and nothing else may choose to overwrite or delete. So nothing is ever resumed:
//! after a `kill -9` the rows are loaded, what was in flight is unknown, and the plan says what
//! is left. Everything that waits has a bound and a name, and every decision is a
//! [`Decision`](decision::Decision) whose text says why. What a server says is doubted where
//! believing it could cost a file.
//!
//! # Driving it
//!
//! [`Machine::step`] with [`Event::Load`](event::Event::Load) for the stored rows, then
//! [`Event::Start`](event::Event::Start), then whatever happens; and
//! [`Event::Wake`](event::Event::Wake) at the tick that [`Machine::next_wake`] names. Each
//! [`Effect`](effect::Effect) says how it is answered. Answers may be late, doubled or for
//! nobody; they are ordinary input.
//!
//! ```
//! use landfall_core::Machine;
//! use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
//! use landfall_core::effect::{Effect, Request};
//! use landfall_core::event::{Boot, Event, LastExit};
//! use landfall_core::id::{RemoteId, UnitId};
//! use landfall_core::time::Now;
//!
//! let mut machine = Machine::new(Config {
//!     seed: 1,
//!     remotes: vec![(RemoteId(0), GateConfig::default())],
//!     workspaces: vec![(UnitId(0), WorkspaceConfig::default())],
//! });
//! let mut effects = Vec::new();
//! let start = Event::Start { run: 1, boot: Boot::Same, last: LastExit::Never };
//! machine.step(Now::default(), start, &mut effects);
//!
//! // Before anything is listed, it wants to know where the feed stands.
//! let asks = |e: &Effect| matches!(e, Effect::Ask { request: Request::Tip, .. });
//! assert!(effects.iter().any(asks));
//! ```
//!
//! # Where to read on
//!
//! [`files`] is the heart: the table, the [plan](files::plan) and the [seals](files::seal).
//! The lanes (`mirror/mod.rs`, `writeback/mod.rs`) open with their state charts. [`gate`] is every rule about
//! manners. [`row`] is all that is durable.

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod brake;
pub mod canon;
pub mod config;
pub mod decision;
pub mod effect;
mod engine;
pub mod event;
pub mod fault;
pub mod files;
pub mod fingerprint;
pub mod gate;
pub mod hash;
pub mod id;
mod journal;
mod machine;
mod mirror;
pub mod path;
pub mod policy;
pub mod roots;
pub mod row;
pub mod status;
pub mod time;
mod timers;
pub mod trace;
pub mod wire;
mod workspace;
mod writeback;

pub use machine::Machine;
pub use timers::{Wake, Why};
