#![no_std]
//! The machine.
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod canon;
pub mod config;
pub mod decision;
pub mod effect;
mod engine;
pub mod event;
pub mod fault;
pub mod files;
pub mod gate;
pub mod hash;
pub mod id;
mod journal;
mod machine;
mod mirror;
pub mod path;
pub mod policy;
pub mod row;
pub mod status;
pub mod time;
mod timers;
pub mod trace;
pub mod wire;
mod workspace;

pub use machine::Machine;
pub use timers::{Wake, Why};
