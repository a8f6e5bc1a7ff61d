//! Small values that every lane uses instead of writing them again.

mod backoff;

pub use backoff::Backoff;
