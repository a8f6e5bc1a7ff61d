#![no_std]
//! The machine.
extern crate alloc;

pub mod canon;
pub mod config;
pub mod decision;
pub mod effect;
pub mod event;
pub mod fault;
pub mod files;
pub mod gate;
pub mod hash;
pub mod id;
mod machine;
pub mod path;
pub mod row;
pub mod status;
pub mod time;
pub mod trace;
pub mod wire;

pub use machine::{Machine, Wake};
