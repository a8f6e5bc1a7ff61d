//! What the server says of our credentials.
//!
//! The adapter takes the credentials anew for each request, so one request is enough to learn
//! whether they were renewed. While they are refused, one at a time goes out, more and more
//! seldom. All refusals of one wave, which were under way together, count as one.

use crate::fingerprint::Print;
use crate::policy::Backoff;
use crate::time::{Ms, Tick};

/// Between two tries. The first is soon: whoever renews a token often just has.
const AGAIN: Backoff = Backoff { base: Ms::secs(1), cap: Ms::secs(60) };

/// See the [module](self).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Credentials {
    refusals: u32,
    next: Tick,
}

impl Credentials {
    /// The server answered 401. How long nothing is sent now; `None` if it says nothing new.
    pub fn refused(&mut self, now: Tick, salt: &impl core::hash::Hash) -> Option<Ms> {
        if self.refusals > 0 && now < self.next {
            return None;
        }
        self.refusals = self.refusals.saturating_add(1);
        let wait = AGAIN.delay(self.refusals, salt);
        self.next = now + wait;
        Some(wait)
    }

    /// The server answered anything else.
    pub fn accepted(&mut self) {
        *self = Self::default();
    }

    /// Tries in a row that were refused. From the second on the credentials were taken anew
    /// since the first, and are refused all the same.
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(super) fn print(&self, print: &mut Print) {
        let Self { refusals, next } = self;
        print.plain(refusals);
        print.until(*next);
    }

    /// Whether another request may go while so many are under way.
    pub fn allows(&self, under_way: usize) -> bool {
        self.refusals == 0 || under_way == 0
    }
}
