//! What each port promises, as cases that every adapter of it is put through.
//!
//! The simulator is worth something only as far as its disk, store and network behave like
//! the real ones. So both run the same cases, and walk the same random walks beside a model
//! that is small enough to be read as the specification.
//!
//! Nothing here panics: each check answers with a sentence about the first difference.

pub mod disk;
mod disk_cases;
mod disk_model;
pub mod network;
pub mod store;
pub mod writes;

pub use disk_model::ModelDisk;

use landfall_core::canon::Canon;

/// Choices of a random walk: each follows from the seed and its number alone.
#[derive(Clone, Debug)]
struct Choices {
    seed: u64,
    n: u64,
}

impl Choices {
    fn new(seed: u64) -> Self {
        Self { seed, n: 0 }
    }

    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.n += 1;
        (Canon::of(&(self.seed, self.n)) % n as u64) as usize
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}
