//! Why the server can not be reached, told now and then.
//!
//! The machine knows only that a link broke. A person wants to know that the name is not known, or
//! the certificate not trusted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two words about it. What the system says may be different each time.
const EVERY: Duration = Duration::from_secs(60);

/// When it was told last.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Instant>>);

impl Outage {
    /// A request got no answer. Whether it is time to tell why.
    pub fn is_told(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = last.is_none_or(|last| now.saturating_duration_since(last) >= EVERY);
        if told {
            *last = Some(now);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_broken_links_is_one_line_a_minute() {
        let (outage, begun) = (Outage::default(), Instant::now());
        let told = (0..150).filter(|n| outage.is_told(begun + Duration::from_secs(*n))).count();
        assert_eq!(told, 3);
    }
}
