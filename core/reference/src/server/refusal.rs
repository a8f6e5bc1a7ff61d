//! Answers that are not a 2xx.

use landfall_core::fault::{Blame, Fault};
use landfall_core::time::Ms;
use thiserror::Error;

/// The server refuses a request.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("the server answered {status} {code}: {message}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The `code` of the body.
    pub code: &'static str,
    /// The `message` of the body.
    pub message: String,
    /// The `Retry-After` header.
    pub retry_after: RetryAfter,
    /// For a 409: the revision that the writer expected, and the one that is there.
    pub revisions: Option<(String, String)>,
}

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RetryAfter {
    /// No header.
    Absent,
    /// Whole seconds.
    Seconds(u64),
    /// An HTTP date that has passed.
    PastDate,
}

impl RetryAfter {
    /// As a client understands it, before any clamp: no header is `None`, a date in the past
    /// is zero.
    pub fn as_ms(self) -> Option<Ms> {
        match self {
            Self::Absent => None,
            Self::Seconds(n) => Some(Ms::secs(n)),
            Self::PastDate => Some(Ms(0)),
        }
    }

    /// The value of the header.
    pub fn header(self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds(n) => Some(n.to_string()),
            Self::PastDate => Some("Thu, 01 Jan 2015 00:00:00 GMT".to_owned()),
        }
    }
}

impl Refusal {
    /// A refusal without `Retry-After`.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: RetryAfter::Absent,
            revisions: None,
        }
    }

    /// With a `Retry-After`.
    pub fn after(mut self, retry_after: RetryAfter) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// 404 of a file.
    pub fn not_found() -> Self {
        Self::new(404, "not_found", "not found")
    }

    /// 404 of a route that this server does not have.
    pub fn no_route() -> Self {
        Self::new(404, "not_found", "route not found")
    }

    /// 413 of a request with more bytes than that.
    pub fn too_large(max: u64) -> Self {
        Self::new(413, "payload_too_large", format!("the body is over {max} bytes"))
    }

    /// 409.
    pub fn conflict(expected: &str, current: &str) -> Self {
        let message = format!("expected revision {expected:?} but current revision is {current:?}");
        let mut refusal = Self::new(409, "revision_conflict", message);
        refusal.revisions = Some((expected.to_owned(), current.to_owned()));
        refusal
    }

    /// How a client classifies it.
    pub fn classify(&self) -> (Blame, Fault) {
        Fault::classify(self.status, self.code, &self.message)
    }
}
