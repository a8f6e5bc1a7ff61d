//! The gate in front of one server. Every request goes through it, whichever lane it is of.
//!
//! It decides *when* a request may go, and nothing else:
//!
//! | rule | bound |
//! |---|---|
//! | requests at once | from 1 to the configured number; grows by one per round, halves on a throttle |
//! | requests in a second | the configured ceiling, bursts included |
//! | after a 429 | none before `Retry-After` (clamped to 1 to 60 s) or a back-off ended |
//! | after a 401 | one request at a time, 1 to 60 s apart, until one is not refused, see [`credentials`] |
//! | after five failures in a row within 60 s | none for 30 s, then one at a time, see [`breaker`] |
//! | between classes | interactive, feed and bulk share 4 : 2 : 1 when all of them wait, and bulk never takes the last place |
//!
//! The adapter makes one attempt and never waits, so these bounds hold for all that the
//! process sends.

use alloc::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::canon::Canon;
use crate::config::GateConfig;
use crate::decision::Decision;
use crate::effect::Request;
use crate::event::Outcome;
use crate::fault::{Blame, Fault};
use crate::fingerprint::Print;
use crate::id::{CallId, RemoteId};
use crate::policy::Backoff;
use crate::time::{Ms, Tick};

pub mod breaker;
pub mod credentials;
mod rate;

use breaker::Breaker;
pub use breaker::BreakerState;
use credentials::Credentials;
use rate::Rate;

/// Shortest and longest pause after a 429.
pub const PAUSE_BOUNDS: (Ms, Ms) = (Ms::secs(1), Ms::secs(60));

/// Pause after a 429 without `Retry-After`.
const PAUSE: Backoff = Backoff { base: Ms::secs(2), cap: Ms::secs(60) };

/// Requests at once before anything is known about the server.
const FIRST_CONCURRENCY: u32 = 8;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Class {
    /// A person waits for it.
    Interactive,
    /// It tells what changed.
    Feed,
    /// It moves bytes.
    Bulk,
}

/// So long is the morning of a fleet.
const SPREAD: Ms = Ms::secs(5);

/// A request that waits for its turn.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Queued {
    /// What is asked.
    pub request: Request,
    /// How long an answer may take once it was sent.
    pub patience: Ms,
    /// How many parts of an answer may be sent at first.
    pub credit: u32,
}

/// See the [module](self).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gate {
    id: RemoteId,
    config: GateConfig,
    seed: u64,
    queues: [VecDeque<CallId>; 3],
    /// Stride scheduling: the class with the smallest pass goes first. A class that had nothing to
    /// ask, or might not, gets none of that time back, and whoever asked alone owes nothing for it:
    /// no pass counts for less than `turn`, and none is ahead of it by more than one turn costs.
    passes: [u64; 3],
    /// The pass of the request that went last.
    turn: u64,
    waiting: BTreeMap<CallId, Queued>,
    in_flight: BTreeMap<CallId, Class>,
    /// Requests at once, in sixteenths.
    limit16: u32,
    closed_until: Tick,
    throttles: u32,
    rate: Rate,
    breaker: Breaker,
    credentials: Credentials,
}

impl Gate {
    /// A gate to a server of which nothing is known.
    pub fn new(id: RemoteId, config: GateConfig, seed: u64) -> Self {
        let config = GateConfig {
            concurrency: config.concurrency.clamp(1, 64),
            per_second: config.per_second.clamp(1, 100_000),
        };
        Self {
            id,
            seed,
            queues: Default::default(),
            passes: [0; 3],
            turn: 0,
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            limit16: config.concurrency.min(FIRST_CONCURRENCY) * 16,
            closed_until: Tick(0),
            throttles: 0,
            rate: Rate::new(config.per_second),
            breaker: Breaker::default(),
            credentials: Credentials::default(),
            config,
        }
    }

    /// Requests that may be under way at once now.
    pub fn concurrency(&self) -> u32 {
        self.limit16 / 16
    }

    /// Puts a request in line.
    pub fn enqueue(&mut self, call: CallId, class: Class, queued: Queued) {
        self.queues[class as usize].push_back(call);
        self.waiting.insert(call, queued);
    }

    /// A stream was opened. It stays, and takes no other request's place.
    pub fn opened(&mut self, call: CallId) -> Option<Decision> {
        self.in_flight.remove(&call)?;
        self.throttles = 0;
        self.credentials.accepted();
        self.breaker_says(|b| b.succeeded())
    }

    /// Forgets a request.
    pub fn cancel(&mut self, call: CallId) {
        if self.waiting.remove(&call).is_some() {
            for queue in &mut self.queues {
                queue.retain(|waiting| *waiting != call);
            }
        }
        self.breaker.forget(call);
        self.in_flight.remove(&call);
    }

    /// The next request that may be sent now.
    pub fn grant(&mut self, now: Tick) -> Option<(CallId, Queued)> {
        if self.opens_at(now)? > now {
            return None;
        }
        let class = self.next_class()?;
        let queue = class as usize;
        let call = self.queues[queue].pop_front()?;
        let queued = self.waiting.remove(&call)?;
        self.turn = self.pass(class);
        self.passes[queue] = self.turn + STRIDES[queue];
        self.rate.take(now);
        self.breaker.sent(call);
        self.in_flight.insert(call, class);
        Some((call, queued))
    }

    /// When the gate has to be asked again; `None` if an answer or a new request comes first.
    pub fn opens_at(&self, now: Tick) -> Option<Tick> {
        self.next_class()?;
        let breaker = self.breaker.opens_at(now)?;
        Some(self.closed_until.max(breaker).max(self.rate.ready_at(now)))
    }

    /// What an answer says about the server.
    pub fn settle(&mut self, now: Tick, call: CallId, outcome: &Outcome) -> Option<Decision> {
        self.in_flight.remove(&call)?;
        let Outcome::Failed { blame, why, retry_after } = outcome else {
            self.throttles = 0;
            self.credentials.accepted();
            self.grow();
            return self.breaker_says(|b| b.succeeded());
        };
        if why.was_answered() && *why != Fault::Unauthorized {
            self.credentials.accepted();
        }
        match why {
            Fault::Unauthorized => {
                self.breaker.forget(call);
                let wait = self.credentials.refused(now, &(self.seed, self.id))?;
                self.closed_until = self.closed_until.max(now + wait);
                Some(Decision::GatePaused {
                    remote: self.id,
                    why: why.clone(),
                    wait,
                    concurrency: 1,
                })
            }
            Fault::WorkspaceBusy | Fault::Throttled => {
                self.breaker.forget(call);
                self.throttles = self.throttles.saturating_add(1);
                let (least, most) = PAUSE_BOUNDS;
                let wait = match retry_after {
                    Some(asked) => (*asked).clamp(least, most),
                    // The workspace is too busy for this one request, not for any.
                    None if *why == Fault::WorkspaceBusy => least,
                    None => PAUSE.delay(self.throttles, &(self.seed, self.id)).max(least),
                };
                self.limit16 = (self.limit16 / 2).max(16);
                self.closed_until = self.closed_until.max(now + wait);
                Some(Decision::GatePaused {
                    remote: self.id,
                    why: why.clone(),
                    wait,
                    concurrency: self.concurrency(),
                })
            }
            _ if why.is_disk() => {
                self.breaker.forget(call);
                None
            }
            // The server answered about this one thing: the server is well.
            _ if *blame == Blame::Payload => {
                self.grow();
                self.breaker_says(|b| b.succeeded())
            }
            _ => {
                if let Some(asked) = retry_after {
                    let (least, most) = PAUSE_BOUNDS;
                    self.closed_until = self.closed_until.max(now + (*asked).clamp(least, most));
                }
                self.breaker_says(|b| b.failed(call, now))
            }
        }
    }

    /// The computer slept. Those that slept with it do not ask together: nothing is sent for
    /// up to [`SPREAD`]. Answers how long.
    pub fn woke(&mut self, now: Tick) -> Ms {
        let wait = Ms(Canon::of(&(self.seed, self.id, now)) % SPREAD.0);
        self.closed_until = self.closed_until.max(now + wait);
        wait
    }

    /// Whether requests are held back now, and until when.
    pub fn paused_until(&self, now: Tick) -> Option<Tick> {
        let until = self.closed_until.max(self.breaker.opens_at(now).unwrap_or(now));
        (until > now).then_some(until)
    }

    /// The request of each class that goes next, the most urgent class first.
    pub fn next_of_each(&self) -> [Option<CallId>; 3] {
        [0, 1, 2].map(|queue| self.queues[queue].front().copied())
    }

    /// What the server says of our credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The breaker, to be looked at.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// For the [fingerprint](crate::fingerprint).
    pub(crate) fn print(&self, print: &mut Print) {
        let Self {
            id,
            config,
            seed: _,
            queues,
            passes,
            turn,
            waiting,
            in_flight,
            limit16,
            closed_until,
            throttles,
            rate,
            breaker,
            credentials,
        } = self;
        print.plain(&(id, config, limit16, throttles));
        for (queue, pass) in queues.iter().zip(passes) {
            print.plain(&(queue.len(), pass.saturating_sub(*turn)));
            for call in queue {
                print.call(*call);
            }
        }
        print.any_order(waiting, |print, (call, queued)| {
            print.call(*call);
            print.plain(&(&queued.request, queued.patience, queued.credit));
        });
        print.any_order(in_flight, |print, (call, class)| {
            print.call(*call);
            print.plain(class);
        });
        print.until(*closed_until);
        rate.print(print);
        breaker.print(print);
        credentials.print(print);
    }

    fn breaker_says(&mut self, change: impl FnOnce(&mut Breaker)) -> Option<Decision> {
        let before = self.breaker.state();
        change(&mut self.breaker);
        let state = self.breaker.state();
        (state != before).then_some(Decision::Breaker { remote: self.id, state })
    }

    fn grow(&mut self) {
        let step = (16 / self.concurrency()).max(1);
        self.limit16 = (self.limit16 + step).min(self.config.concurrency * 16);
    }

    fn next_class(&self) -> Option<Class> {
        if self.waiting.is_empty() {
            return None;
        }
        let limit = self.concurrency() as usize;
        let under_way = self.in_flight.len();
        if under_way >= limit || !self.credentials.allows(under_way) {
            return None;
        }
        let bulk = self.in_flight.values().filter(|class| **class == Class::Bulk).count();
        [Class::Interactive, Class::Feed, Class::Bulk]
            .into_iter()
            .filter(|class| !self.queues[*class as usize].is_empty())
            .filter(|class| *class != Class::Bulk || bulk < (limit - 1).max(1))
            .min_by_key(|class| self.pass(*class))
    }

    fn pass(&self, class: Class) -> u64 {
        self.passes[class as usize].max(self.turn)
    }
}

/// What a turn costs each class: a share is the inverse.
const STRIDES: [u64; 3] = [1, 2, 4];

#[cfg(test)]
mod tests;
