//! Landfall: a sync agent that always converges.

pub mod demo;
pub mod serve;
