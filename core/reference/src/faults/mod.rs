//! What goes wrong, where, and how badly.
//!
//! Every fault is decided at an [`Address`]: a hash of the seed, the kind of fault, the thing
//! that it would hit and how often that thing was tried. There is no shared stream of random
//! numbers, so a fault that is taken away, or a request that is added, changes no decision
//! about anything else. That is what makes it possible to shrink a failing run.

mod address;
mod kind;
mod plan;

pub use address::{Address, AddressError, spread};
pub use kind::{FaultKind, UnknownKind, Where};
pub use plan::{FaultPlan, Mode, PPM};
