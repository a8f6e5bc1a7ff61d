//! The program around the machine: it carries out effects and reports what came of them.
//!
//! Nothing here decides anything. [`driver`] is the loop; each port of the machine has one
//! adapter: [`http`] asks servers, [`disk`] touches the mirror's directory, [`store`] keeps
//! rows in SQLite. [`serve`] is the reference server behind HTTP, with its faults. Everything
//! else is how a person starts it and what it shows.

pub mod adopt;
pub mod clock;
pub mod commands;
pub mod conflicts;
pub mod demo;
pub mod disk;
pub mod driver;
pub mod exit;
pub mod expiry;
pub mod http;
pub mod lock;
pub mod mount;
pub mod parity;
pub mod report;
pub mod roots;
mod seldom;
pub mod serve;
pub mod show;
pub mod store;
pub mod token;
pub mod trace;
pub mod writeback;
