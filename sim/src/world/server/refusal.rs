//! Refusals that do not depend on what is asked.

use landfall_reference::server::{Refusal, RetryAfter};

use super::{Asked, strikes};
use crate::faults::{Kind, Plan};

/// A refusal that does not depend on what is asked.
pub(super) fn refusal(asked: Asked, plan: &mut Plan) -> Option<Refusal> {
    for kind in
        [Kind::Busy, Kind::RateLimited, Kind::QueueFull, Kind::ServerError, Kind::Overloaded]
    {
        let Some(bits) = strikes(plan, kind, asked) else {
            continue;
        };
        let (status, code, message) = match kind {
            Kind::Busy => (429, "workspace_busy", "workspace is busy"),
            Kind::RateLimited => (429, "rate_limited", "rate limit exceeded"),
            Kind::QueueFull => (429, "queue_full", "queue is full"),
            Kind::Overloaded => ([500, 503][bits as usize & 1], "", "Durable Object is overloaded"),
            _ => ([500, 502, 503][bits as usize % 3], "", "internal error"),
        };
        // From none over sensible ones to absurd ones.
        let after = [
            RetryAfter::Absent,
            RetryAfter::Absent,
            RetryAfter::PastDate,
            RetryAfter::Seconds(0),
            RetryAfter::Seconds(1),
            RetryAfter::Seconds(5),
            RetryAfter::Seconds(60),
            RetryAfter::Seconds(99_999),
        ];
        let after = after[(bits >> 8) as usize % after.len()];
        return Some(Refusal::new(status, code, message).after(after));
    }
    None
}
