//! The workspace server as a value, and the plan of everything that goes wrong around it.
//!
//! The simulator steps this server; `landfall serve` puts HTTP in front of the same one. So a
//! fault found in one of them can be replayed in the other, and both tell the same story.
//!
//! - [`server`]: one workspace. Files, an append-only log of events, and the routes of the
//!   API answered as typed values, now or [as of an earlier event](server::Server::as_of).
//! - [`faults`]: which fault fires where. Each is decided at an
//!   [address](faults::Address) of its own, so that taking one away leaves all others.
//! - [`script`]: what a request meets: the two put together.
//! - [`contract`]: what disks and stores promise, for the simulated and the real ones.
//!
//! Nothing here reads a clock, a file or a random number.

pub mod contract;
pub mod faults;
pub mod lines;
pub mod script;
pub mod server;
