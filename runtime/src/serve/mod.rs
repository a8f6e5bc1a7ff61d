//! `landfall serve`: the reference server behind HTTP.
//!
//! Every answer comes from [`landfall_reference::server`], and every fault from
//! [`landfall_reference::script`]; what is here only speaks HTTP, keeps time and keeps a log
//! of what was really delivered. Meant for tests, demonstrations and trying things out: the
//! workspace is in memory, and gone with the process unless a [`Database`] keeps it.

mod args;
mod body;
mod database;
mod given;
mod json;
mod load;
mod log;
mod routes;
mod running;
mod state;
mod stream;
mod tar;
mod visit;
mod writes;

pub use args::{ServeArgs, run};
pub use database::{Database, DatabaseError};
pub use load::{LoadError, load_dir};
pub use log::{Delivery, Log, Record, RequestId};
pub use running::{Running, ServeError, start};
pub(crate) use state::wall;
pub use state::{Chaos, Pace, Route, ServerConfig};
