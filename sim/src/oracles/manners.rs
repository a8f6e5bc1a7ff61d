//! Manners: no request while the server asked for a pause, and never too many at once or in
//! a second.

use std::collections::{BTreeSet, VecDeque};

use landfall_core::effect::{Effect, Request};
use landfall_core::event::{Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::id::CallId;
use landfall_core::time::{Ms, Tick};

use super::Ruling;

/// What was asked lately.
#[derive(Debug)]
pub(super) struct Manners {
    concurrency: u32,
    per_second: u32,
    under_way: BTreeSet<CallId>,
    lately: VecDeque<Tick>,
    pause: Tick,
    listings: VecDeque<Tick>,
}

/// So often may the root be listed in ten minutes, failed attempts included.
const LISTINGS: usize = 60;

impl Manners {
    pub(super) fn new(concurrency: u32, per_second: u32) -> Self {
        Self {
            concurrency,
            per_second,
            under_way: BTreeSet::new(),
            lately: VecDeque::new(),
            pause: Tick(0),
            listings: VecDeque::new(),
        }
    }

    /// A new process does not know what the last one was told.
    pub(super) fn started(&mut self) {
        self.under_way.clear();
        self.lately.clear();
        self.pause = Tick(0);
        self.listings.clear();
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event) {
        if let Event::Part { call, part: Part::Opened } = event {
            // It stands, and is no request under way any more.
            self.under_way.remove(call);
        }
        let Event::Done { call, outcome } = event else {
            return;
        };
        if !self.under_way.remove(call) {
            return;
        }
        if let Outcome::Failed { why: Fault::Throttled, retry_after: Some(after), .. } = outcome {
            let after = Ms(after.0.clamp(1_000, 60_000));
            self.pause = self.pause.max(now + after);
        }
    }

    /// Listing everything again and again is a storm too, however slowly each page is asked.
    fn listing(&mut self, now: Tick, request: &Request) -> Ruling {
        if !matches!(request, Request::Tree { path, cursor: None, .. } if path == "/") {
            return Ok(0);
        }
        while self.listings.front().is_some_and(|at| *at + Ms::mins(10) <= now) {
            self.listings.pop_front();
        }
        self.listings.push_back(now);
        match self.listings.len() {
            n if n > LISTINGS => {
                Err(("listings".into(), format!("the root is listed {n} times in ten minutes")))
            }
            _ => Ok(1),
        }
    }

    pub(super) fn wanted(&mut self, now: Tick, effect: &Effect) -> Ruling {
        let call = match effect {
            Effect::Ask { call, request, .. } => {
                self.listing(now, request)?;
                *call
            }
            Effect::Cancel { call } => {
                self.under_way.remove(call);
                return Ok(0);
            }
            _ => return Ok(0),
        };
        if now < self.pause {
            return Err((
                "Retry-After".into(),
                format!("call {call} is {} early", self.pause - now),
            ));
        }
        self.under_way.insert(call);
        if self.under_way.len() > self.concurrency as usize {
            return Err((
                "concurrency".into(),
                format!(
                    "{} requests at once, {} are allowed",
                    self.under_way.len(),
                    self.concurrency
                ),
            ));
        }
        while self.lately.front().is_some_and(|at| *at + Ms(1_000) <= now) {
            self.lately.pop_front();
        }
        self.lately.push_back(now);
        if self.lately.len() > self.per_second as usize {
            return Err((
                "rate".into(),
                format!(
                    "{} requests within a second, {} are allowed",
                    self.lately.len(),
                    self.per_second
                ),
            ));
        }
        Ok(1)
    }
}
