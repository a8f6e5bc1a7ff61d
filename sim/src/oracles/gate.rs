//! The gate keeps its table. A throttle halves what may be under way at once, and no more; an
//! undisturbed round adds one. After a 429 that does not say how long, nothing is sent for longer
//! each time. What moves bytes never takes the last place. Five failures in a row open the
//! breaker, and nothing else does. What the status says of all that is so.
//!
//! It is no second gate. It knows neither what waits nor any fraction, so it only says what no
//! gate of that table does.

use std::collections::BTreeMap;

use landfall_core::decision::Decision;
use landfall_core::effect::{Effect, Request};
use landfall_core::event::{Event, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::gate::BreakerState;
use landfall_core::gate::breaker::{COOLDOWN, THRESHOLD, WINDOW};
use landfall_core::id::CallId;
use landfall_core::status::{Verdict, WorkspaceStatus};
use landfall_core::time::{Ms, Tick};

use super::Ruling;

/// So many failures in a row are an outage wherever the window of the breaker began.
const OUTAGE: usize = 2 * THRESHOLD as usize - 1;

/// Nothing is sent for at least so long after the n-th 429 in a row that does not say how long.
fn pause(times: u32) -> Ms {
    Ms(1_000 << (times - 1).min(5)).min(Ms::secs(30))
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    at: Tick,
    /// The machine gave a request up. That was a failure if its time was up.
    given_up: bool,
}

/// What the gate was told, and what it did since.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Requests at once, as configured.
    concurrency: u32,
    /// What is under way, and whether it moves bytes.
    under_way: BTreeMap<CallId, bool>,
    /// 429s in a row, and until when nothing may be sent because of the last.
    throttled: (u32, Tick),
    /// So many were let through at once since the last throttle, or could be after it.
    most: u32,
    /// What the last throttle left, and the answers since.
    left: Option<(u32, u32)>,
    /// Failures in a row, of which no file was the reason.
    failures: Vec<Failure>,
    open: bool,
    /// The last request of an outage.
    tried: Option<Tick>,
    closed_until: Tick,
    /// The last that the server said, if it said anything, was that it refuses the credentials.
    refused: bool,
}

impl Gate {
    pub(super) fn new(concurrency: u32) -> Self {
        Self { concurrency, ..Self::default() }
    }

    pub(super) fn started(&mut self) {
        *self = Self::new(self.concurrency);
    }

    pub(super) fn heard(&mut self, now: Tick, event: &Event) {
        match event {
            Event::Part { call, part: Part::Opened } if self.under_way.remove(call).is_some() => {
                self.failures.clear();
                self.throttled.0 = 0;
                self.refused = false;
            }
            Event::Done { call, outcome } if self.under_way.remove(call).is_some() => {
                self.answered(now, outcome);
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: Tick, outcome: &Outcome) {
        match outcome {
            Outcome::Failed { why: Fault::Unauthorized, .. } => self.refused = true,
            Outcome::Failed { why, .. } if !why.was_answered() => {}
            _ => self.refused = false,
        }
        let spoke = match outcome {
            Outcome::Ok(_) => {
                self.throttled.0 = 0;
                true
            }
            Outcome::Failed { why: Fault::Unauthorized, .. } => false,
            Outcome::Failed { why: Fault::Throttled, retry_after, .. } => {
                self.throttled.0 += 1;
                if retry_after.is_none() {
                    self.throttled.1 = now + pause(self.throttled.0);
                }
                false
            }
            Outcome::Failed { why: Fault::WorkspaceBusy, .. } => false,
            Outcome::Failed { why, .. } if why.is_disk() => false,
            Outcome::Failed { blame, .. } => {
                if *blame != Blame::Payload {
                    self.failures.push(Failure { at: now, given_up: false });
                    return;
                }
                true
            }
        };
        // The request that was tried said nothing of the server's health, or good news.
        self.tried = None;
        if spoke {
            self.failures.clear();
            if let Some((_, answers)) = &mut self.left {
                *answers += 1;
            }
        }
    }

    /// Failures in a row that there were, and those that there may have been.
    fn failed(&self) -> (usize, usize) {
        let sure = self.failures.iter().filter(|failure| !failure.given_up).count();
        (sure, self.failures.len())
    }

    /// Whether the last so many failures lie within the window of the breaker.
    fn are_close(failures: impl DoubleEndedIterator<Item = Failure>, times: usize) -> bool {
        let last: Vec<Tick> = failures.rev().take(times).map(|failure| failure.at).collect();
        match (last.first(), last.last()) {
            (Some(last_one), Some(first)) => last.len() == times && *last_one - *first <= WINDOW,
            _ => false,
        }
    }

    pub(super) fn wanted(&mut self, now: Tick, effect: &Effect) -> Ruling {
        match effect {
            Effect::Ask { call, request, .. } => self.asked(now, *call, request),
            Effect::Cancel { call } => {
                if self.under_way.remove(call).is_some() {
                    self.tried = None;
                    self.failures.push(Failure { at: now, given_up: true });
                }
                Ok(0)
            }
            Effect::Note { decision: Decision::Breaker { state, .. }, .. } => {
                self.open = *state == BreakerState::Open;
                let all = self.failures.iter().copied();
                if self.open && !Self::are_close(all, THRESHOLD as usize) {
                    let (_, failures) = self.failed();
                    let detail = format!("the breaker opens after {failures} failures in a row");
                    return Err(("breaker".into(), detail));
                }
                Ok(1)
            }
            Effect::Note {
                decision: Decision::GatePaused { why, wait, concurrency, .. }, ..
            } => {
                self.closed_until = self.closed_until.max(now + *wait);
                if *why == Fault::Unauthorized {
                    return Ok(0);
                }
                let (most, left) = (self.most, *concurrency);
                (self.most, self.left) = (left, Some((left, 0)));
                if left < (most / 2).max(1) {
                    let detail = format!("a throttle leaves {left} of {most} requests at once");
                    return Err(("throttle".into(), detail));
                }
                Ok(1)
            }
            _ => Ok(0),
        }
    }

    fn asked(&mut self, now: Tick, call: CallId, request: &Request) -> Ruling {
        let (times, until) = self.throttled;
        if now < until {
            let wait = until - now;
            let detail =
                format!("{request:?} is sent {wait} too early after {times} 429s in a row");
            return Err(("429".into(), detail));
        }
        let is_bulk = !matches!(
            request,
            Request::Events { .. }
                | Request::Tip
                | Request::Stream { .. }
                | Request::Push(_)
                | Request::PushMany { .. }
                | Request::PushDelete { .. }
        );
        self.under_way.insert(call, is_bulk);
        let bulk = self.under_way.values().filter(|is_bulk| **is_bulk).count() as u32;
        if is_bulk && bulk > (self.concurrency - 1).max(1) {
            let detail = format!("{bulk} of {} places move bytes: {request:?}", self.concurrency);
            return Err(("last place".into(), detail));
        }
        let at_once = self.under_way.len() as u32;
        self.most = self.most.max(at_once);
        if let Some((left, answers)) = self.left
            && at_once > left + 1 + answers / left
        {
            let detail = format!(
                "{at_once} requests at once, {answers} answers after a throttle that left {left}"
            );
            return Err(("growth".into(), detail));
        }
        let sure = self.failures.iter().copied().filter(|failure| !failure.given_up);
        if !Self::are_close(sure, OUTAGE) {
            self.tried = None;
            return Ok(0);
        }
        match self.tried.replace(now) {
            Some(tried) if now < tried + COOLDOWN => {
                let ((failures, _), ago) = (self.failed(), now - tried);
                let detail = format!(
                    "after {failures} failures in a row the server is asked again within {ago}: {request:?}"
                );
                Err(("outage".into(), detail))
            }
            _ => Ok(1),
        }
    }

    /// What a person would read now.
    pub(super) fn said(&self, now: Tick, unit: &WorkspaceStatus) -> Ruling {
        let wrong = |detail: String| Err((String::from("status"), detail));
        if unit.circuit.open != self.open {
            return wrong(format!("the status says that the breaker is open: {}", !self.open));
        }
        let (said, (sure, all)) = (unit.circuit.failures as usize, self.failed());
        if said > all || (said == 0 && sure > 0) {
            return wrong(format!("the status says {said} failures in a row of {sure} to {all}"));
        }
        let is_told = || unit.waits.iter().any(|wait| wait.contains("the gate to the server"));
        let says_refused = unit.reason.contains("refuses the credentials");
        if self.refused && unit.verdict == Verdict::Ok || says_refused && !self.refused {
            let last = if self.refused { "a 401" } else { "no 401" };
            let detail =
                format!("the status says `{}`, and the last answer was {last}", unit.reason);
            return wrong(detail);
        }
        if now < self.closed_until && !unit.in_step && !is_told() {
            let wait = self.closed_until - now;
            return wrong(format!("the status does not say that the gate is closed for {wait}"));
        }
        Ok(1)
    }
}
