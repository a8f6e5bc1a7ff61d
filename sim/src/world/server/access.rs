//! Whom the server knows, what it lets this client read, and how much it can bear.

use std::collections::BTreeMap;

use landfall_core::path::RemotePath;
use landfall_core::time::{Ms, Tick};
use landfall_reference::server::{Refusal, RetryAfter};

/// What is denied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Every file.
    All,
    /// Every file below a directory.
    Below(String),
    /// One file.
    File(RemotePath),
}

/// Files that this client may not read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// Which.
    pub scope: Scope,
    /// Listings leave out those that the client has durable rows of. Without a row a file that
    /// is hidden now and shown later, without an event, can only be found by an audit.
    pub hidden: bool,
}

/// Tokens and permissions.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Denials by their numbers.
    pub denials: BTreeMap<u32, Denial>,
    /// The token that expired, if one did.
    pub expired: Option<u32>,
    /// What arrives before this tick still has the token from before the change.
    pub rotating_until: Tick,
}

impl Access {
    /// Whether this client may read a path.
    pub fn may_read(&self, path: &str) -> bool {
        self.denials.values().all(|denial| !denial.scope.has(path))
    }

    /// Whether listings show a path.
    pub fn lists(&self, path: &str, known: &dyn Fn(&RemotePath) -> bool) -> bool {
        let hides = |denial: &Denial| denial.hidden && denial.scope.has(path);
        !self.denials.values().any(hides) || !RemotePath::parse(path).is_ok_and(|p| known(&p))
    }

    /// 401, if the token is not known.
    pub fn knows(&self, at: Tick) -> Result<(), Refusal> {
        if self.expired.is_some() || at < self.rotating_until {
            return Err(Refusal::new(401, "unauthorized", "token is expired"));
        }
        Ok(())
    }
}

impl Scope {
    fn has(&self, path: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Below(dir) => {
                path.strip_prefix(dir.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            Scope::File(file) => file.as_str() == path,
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scope::All => f.write_str("any file"),
            Scope::Below(dir) => write!(f, "what is below {dir}"),
            Scope::File(path) => write!(f, "{path}"),
        }
    }
}

/// 403 of a file.
pub(super) fn forbidden() -> Refusal {
    Refusal::new(403, "forbidden", "not allowed to read this file")
}

/// How many requests arrive, and how many a server answers in a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Requests that are answered in a second, if that is bounded.
    pub per_second: Option<u32>,
    second: u64,
    lately: u32,
    /// The busiest second since this was last set to 0, refused requests included.
    pub busiest: u32,
    /// Requests that were refused since then.
    pub refused: u32,
    /// Requests since then.
    pub requests: u32,
}

impl Load {
    /// A request arrives. 429 if it is one too many.
    pub(super) fn arrives(&mut self, at: Tick) -> Result<(), Refusal> {
        let second = at.0 / Ms::secs(1).0;
        if second != self.second {
            (self.second, self.lately) = (second, 0);
        }
        self.lately += 1;
        self.requests += 1;
        self.busiest = self.busiest.max(self.lately);
        if self.per_second.is_some_and(|most| self.lately > most) {
            self.refused += 1;
            let refusal = Refusal::new(429, "rate_limited", "rate limit exceeded");
            return Err(refusal.after(RetryAfter::Seconds(1)));
        }
        Ok(())
    }
}
