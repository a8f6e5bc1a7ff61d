//! From here to the server, as people and programs deal with it: what is on its way, what could
//! not be delivered, and what a person wants done about that.
//!
//! | module | what |
//! |---|---|
//! | [`command`] | `landfall writeback …` |
//! | [`view`] | what the database says, with a mount running or without |
//! | [`status`], [`list`] | that for people and programs |
//! | [`letter`] | a dead letter as it is shown |
//! | [`records`] | `.relay/dead-letter/*.json`, which follow the rows |
//! | [`tell`] | `retry` and `discard`: gives an order and says what came of it |
//! | [`wait`](mod@wait) | `landfall wait` |
//! | [`orders`] | what commands ask of the mount, as files |
//! | [`desk`] | where the mount takes them in |

pub mod command;
pub mod desk;
pub mod letter;
pub mod list;
pub mod orders;
pub mod records;
mod redact;
pub mod status;
pub mod tell;
pub mod view;
pub mod wait;

pub use command::{Mirror, WritebackCommand};
pub use desk::Desk;
pub use wait::wait;

/// The schema of what is told in JSON.
pub const SCHEMA: &str = "landfall.writeback/1";

#[cfg(test)]
mod tests;
