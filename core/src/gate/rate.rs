//! A ceiling in requests per second, in integers.

use crate::fingerprint::Print;
use crate::time::Tick;

/// A token bucket in thousandths of a request.
///
/// It fills at nine tenths of the ceiling and holds one tenth, so that no second, wherever it
/// begins, sees more than the ceiling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rate {
    fill_per_ms: u64,
    size: u64,
    level: u64,
    at: Tick,
}

const ONE: u64 = 1000;

impl Rate {
    /// At most `per_second` requests in any second.
    pub fn new(per_second: u32) -> Self {
        let ceiling = u64::from(per_second);
        let burst = (ceiling / 10).max(1);
        let size = burst * ONE;
        Self { fill_per_ms: (ceiling - burst).max(1), size, level: size, at: Tick(0) }
    }

    /// When the next request may go: `now`, or later.
    pub fn ready_at(&self, now: Tick) -> Tick {
        let level = self.level_at(now);
        let wait = ONE.saturating_sub(level).div_ceil(self.fill_per_ms);
        Tick(now.0 + wait)
    }

    /// One request goes.
    pub fn take(&mut self, now: Tick) {
        self.level = self.level_at(now).saturating_sub(ONE);
        self.at = now;
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(super) fn print(&self, print: &mut Print) {
        let Self { fill_per_ms: _, size: _, level: _, at: _ } = self;
        let now = print.now();
        print.plain(&self.level_at(now));
    }

    fn level_at(&self, now: Tick) -> u64 {
        let gained = (now - self.at).0.saturating_mul(self.fill_per_ms);
        self.level.saturating_add(gained).min(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_second_sees_more_than_the_ceiling(ceiling in 2u32..500) {
            let mut rate = Rate::new(ceiling);
            let mut now = Tick(5);
            let mut sent: Vec<u64> = Vec::new();
            while now.0 < 3_000 {
                now = rate.ready_at(now);
                rate.take(now);
                sent.push(now.0);
            }
            for (i, first) in sent.iter().enumerate() {
                let within = sent[i..].iter().take_while(|t| **t < first + 1000).count();
                prop_assert!(within <= ceiling as usize, "{within} from {first}");
            }
        }
    }
}
