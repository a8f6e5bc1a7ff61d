//! What is told now and then, however often there is reason to.

use std::time::{Duration, Instant};

/// When something was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// As if it had just been told.
    pub fn told(now: Instant) -> Self {
        Self(Some(now))
    }

    /// Whether it is told now: for the first time, or after at least `every`.
    pub fn tells(&mut self, every: Duration, now: Instant) -> bool {
        let tells = self.0.is_none_or(|last| now.saturating_duration_since(last) >= every);
        if tells {
            self.0 = Some(now);
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_reasons_is_one_word_a_minute() {
        let (every, begun) = (Duration::from_secs(60), Instant::now());
        let told = |mut seldom: Seldom| {
            let tells = |n: &u64| seldom.tells(every, begun + Duration::from_secs(*n));
            (0..150).filter(tells).collect::<Vec<_>>()
        };
        assert_eq!(told(Seldom::default()), [0, 60, 120]);
        assert_eq!(told(Seldom::told(begun)), [60, 120]);
    }
}
