//! Exponential delays with jitter that needs no random numbers.

use core::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::canon::Canon;
use crate::time::Ms;

/// A delay that doubles from `base` to `cap`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Backoff {
    /// The delay after the first failure.
    pub base: Ms,
    /// The longest delay.
    pub cap: Ms,
}

impl Backoff {
    /// The delay after the `tries`-th failure, counted from 1: between half and all of the
    /// doubled base, so that a fleet that failed together does not come back together.
    ///
    /// `salt` names who waits: a seed and a path, a call, an attempt.
    pub fn delay(self, tries: u32, salt: &impl Hash) -> Ms {
        // Past 32 doublings any base is over any cap, and a longer shift would wrap.
        let doubled = self.base.0.saturating_mul(1 << tries.saturating_sub(1).min(32));
        let full = doubled.min(self.cap.0);
        let half = full / 2;
        Ms(half + Canon::of(&(salt, tries)) % half.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { base: Ms(500), cap: Ms::secs(60) };

    proptest! {
        #[test]
        fn a_delay_is_never_zero_and_never_over_the_cap(tries in 0u32.., salt: u64) {
            let delay = BACKOFF.delay(tries, &salt);
            prop_assert!(Ms(250) <= delay && delay <= BACKOFF.cap);
        }
    }

    #[test]
    fn it_grows_until_the_cap() {
        for tries in 1..20 {
            assert!(BACKOFF.delay(tries + 2, &7) > BACKOFF.delay(tries, &7) || tries > 6);
        }
        assert!(BACKOFF.delay(30, &7) >= Ms::secs(30));
    }

    #[test]
    fn two_agents_wait_differently() {
        let delays = |salt: u64| (1..8).map(move |n| BACKOFF.delay(n, &salt));
        assert!(!delays(1).eq(delays(2)));
    }
}
