//! The gate.
use serde::{Deserialize, Serialize};

/// State of a breaker.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// None does.
    Open,
    /// One may try.
    HalfOpen,
}
