//! Landfall: a sync agent that always converges.

pub mod serve;
