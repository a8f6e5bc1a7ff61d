//! Stops asking a server that does not answer, and tries with one request whether it is back.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Print;
use crate::id::CallId;
use crate::time::{Ms, Tick};

/// Failures in a row that open it.
pub const THRESHOLD: u32 = 5;

/// The failures have to lie within this time.
pub const WINDOW: Ms = Ms::secs(60);

/// How long it stays open.
pub const COOLDOWN: Ms = Ms::secs(30);

/// What it lets through.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing before the cool-down ended, then one request.
    Open,
}

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Breaker {
    failures: u32,
    first: Tick,
    open_until: Option<Tick>,
    trial: Option<CallId>,
}

impl Breaker {
    /// Its state.
    pub fn state(&self) -> BreakerState {
        if self.open_until.is_some() { BreakerState::Open } else { BreakerState::Closed }
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// When it lets the next request through; `None` while one is tried.
    pub fn opens_at(&self, now: Tick) -> Option<Tick> {
        match (self.open_until, self.trial) {
            (Some(_), Some(_)) => None,
            (Some(until), None) => Some(until),
            (None, _) => Some(now),
        }
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(super) fn print(&self, print: &mut Print) {
        let Self { failures, first, open_until, trial } = self;
        print.plain(failures);
        if *failures > 0 {
            print.since(*first);
        }
        print.maybe(*open_until, Print::until);
        print.maybe(*trial, Print::call);
    }

    /// A request went out.
    pub fn sent(&mut self, call: CallId) {
        if self.open_until.is_some() {
            self.trial = Some(call);
        }
    }

    /// A request ended without saying anything about the server.
    pub fn forget(&mut self, call: CallId) {
        if self.trial == Some(call) {
            self.trial = None;
        }
    }

    /// The server answered, about whatever it was.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The server did not answer, or not in a useful way.
    pub fn failed(&mut self, call: CallId, now: Tick) {
        if self.failures == 0 || now - self.first > WINDOW {
            self.failures = 0;
            self.first = now;
        }
        self.failures += 1;
        let was_trial = self.trial == Some(call);
        self.forget(call);
        if was_trial || (self.open_until.is_none() && self.failures >= THRESHOLD) {
            self.open_until = Some(now + COOLDOWN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UnitId;

    fn call(n: u64) -> CallId {
        CallId { run: 1, unit: UnitId(0), n }
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_one_trial_closes_it() {
        let mut breaker = Breaker::default();
        for n in 1..=5 {
            assert_eq!(breaker.state(), BreakerState::Closed);
            breaker.failed(call(n), Tick(n));
        }
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.opens_at(Tick(6)), Some(Tick(30_005)));
        breaker.sent(call(6));
        assert_eq!(breaker.opens_at(Tick(30_006)), None, "only one is tried");
        breaker.succeeded();
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn a_trial_that_fails_keeps_it_open() {
        let mut breaker = Breaker::default();
        (1..=5).for_each(|n| breaker.failed(call(n), Tick(0)));
        breaker.sent(call(6));
        breaker.failed(call(6), Tick(31_000));
        assert_eq!(breaker.opens_at(Tick(31_000)), Some(Tick(61_000)));
    }

    #[test]
    fn a_trial_that_says_nothing_lets_another_try() {
        let mut breaker = Breaker::default();
        (1..=5).for_each(|n| breaker.failed(call(n), Tick(0)));
        breaker.sent(call(6));
        breaker.forget(call(6));
        assert_eq!(breaker.opens_at(Tick(31_000)), Some(Tick(30_000)));
    }

    #[test]
    fn failures_far_apart_are_not_an_outage() {
        let mut breaker = Breaker::default();
        (1..=20).for_each(|n| breaker.failed(call(n), Tick(n * 20_000)));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
