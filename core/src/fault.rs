//! What can go wrong, as far as the machine treats it differently, and whose fault it is.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::path::Shown;

/// Whose fault it was. Only a fault of the payload ever spends a budget that ends in a dead
/// letter; a fault of the lane pauses the gate; after an unknown one the request is repeated,
/// because nobody can tell whether it was carried out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Blame {
    /// This item. Others would have gone through.
    Payload,
    /// The server, the link, the disk: whatever was asked would have failed.
    Lane,
    /// The answer did not arrive.
    Unknown,
}

/// Why a call failed. The variants are what the machine treats differently, no more.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Fault {
    // --- the network ---
    /// No answer in the time that the call had.
    Timeout,
    /// No connection, or it broke before the answer began.
    Link,
    /// The body ended before it was complete.
    Cut,
    /// The body is not what the API promises.
    Malformed,
    /// The body is larger than the adapter will read, or the server said 413.
    TooLarge,
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 409, 412: the server has another version than the one that was to be changed.
    Conflict,
    /// A write was refused for what is in it: 400, 413, 422 and other 4xx.
    Rejected {
        /// The status; 0 where one file of many was refused without one.
        status: u16,
        /// What the server said, at most 1,024 bytes and without secrets.
        said: String,
    },
    /// 404: this thing is not there, or this route is not.
    NotFound,
    /// 410: the thing was there once; for a cursor, the server forgot it.
    Gone,
    /// 429 `workspace_busy`: this workspace is too busy for *this* request.
    WorkspaceBusy,
    /// 429 `rate_limited`, `queue_full` or any other: this client asks too much.
    Throttled,
    /// A 5xx that says the server is overloaded.
    Overloaded,
    /// Another 5xx.
    Server(u16),
    /// Another status. Nothing known follows from it.
    Status(u16),

    // --- the disk ---
    /// What was staged is not there any more, or was torn.
    BlobLost,
    /// The root is gone, or is another directory.
    RootLost,
    /// ENOSPC or EDQUOT.
    DiskFull,
    /// EROFS.
    DiskReadOnly,
    /// A component of the path is a file, or the path is a directory.
    NotADirectory,
    /// EACCES, EPERM.
    DiskDenied,
    /// ENAMETOOLONG, EILSEQ, EINVAL.
    BadName,
    /// Another error of the disk.
    DiskIo(String),
}

impl Fault {
    /// Classifies an HTTP answer that is not a 2xx. It reads the answer alone.
    ///
    /// `code` and `message` come from the error body; both are empty when a proxy answered.
    #[expect(clippy::match_overlapping_arm, reason = "single statuses first, then their class")]
    pub fn classify(status: u16, code: &str, message: &str) -> (Blame, Fault) {
        match status {
            400 => (Blame::Payload, Fault::BadRequest),
            401 => (Blame::Lane, Fault::Unauthorized),
            403 => (Blame::Payload, Fault::Forbidden),
            404 => (Blame::Payload, Fault::NotFound),
            408 | 425 => (Blame::Lane, Fault::Status(status)),
            410 => (Blame::Payload, Fault::Gone),
            413 => (Blame::Payload, Fault::TooLarge),
            429 if code == "workspace_busy" => (Blame::Lane, Fault::WorkspaceBusy),
            429 => (Blame::Lane, Fault::Throttled),
            500..=599 if says_overloaded(message) => (Blame::Lane, Fault::Overloaded),
            500..=599 => (Blame::Lane, Fault::Server(status)),
            400..=499 => (Blame::Payload, Fault::Status(status)),
            _ => (Blame::Lane, Fault::Status(status)),
        }
    }

    /// The same for a write. What is in the payload may be refused, and the server may have
    /// another version than was expected.
    pub fn classify_write(status: u16, code: &str, message: &str) -> (Blame, Fault) {
        match status {
            409 | 412 => (Blame::Payload, Fault::Conflict),
            400 | 402 | 405..=407 | 411 | 413..=424 | 426..=428 | 430..=499 => {
                let said = bounded(if message.is_empty() { code } else { message });
                (Blame::Payload, Fault::Rejected { status, said })
            }
            _ => Self::classify(status, code, message),
        }
    }

    /// Whether the server itself spoke, so that the link to it stands.
    pub fn was_answered(&self) -> bool {
        !matches!(self, Fault::Timeout | Fault::Link) && !self.is_disk()
    }

    /// Whether the disk failed, not the network.
    pub fn is_disk(&self) -> bool {
        matches!(
            self,
            Fault::DiskFull
                | Fault::DiskReadOnly
                | Fault::NotADirectory
                | Fault::DiskDenied
                | Fault::BadName
                | Fault::BlobLost
                | Fault::RootLost
                | Fault::DiskIo(_)
        )
    }

    /// Whether the whole disk is in trouble and not one path on it.
    pub fn is_whole_disk(&self) -> bool {
        matches!(self, Fault::DiskFull | Fault::DiskReadOnly)
    }
}

/// Most bytes that are kept of what a server says.
const SAID: usize = 1024;

fn bounded(said: &str) -> String {
    let mut end = said.len().min(SAID);
    while !said.is_char_boundary(end) {
        end -= 1;
    }
    String::from(&said[..end])
}

fn says_overloaded(message: &str) -> bool {
    message.as_bytes().windows(10).any(|w| w.eq_ignore_ascii_case(b"overloaded"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Timeout => f.write_str("no answer in time"),
            Fault::Link => f.write_str("the link broke"),
            Fault::Cut => f.write_str("the body was cut off"),
            Fault::Malformed => f.write_str("the body was malformed"),
            Fault::TooLarge => f.write_str("413 too large"),
            Fault::BadRequest => f.write_str("400 bad request"),
            Fault::Unauthorized => f.write_str("401 unauthorized"),
            Fault::Forbidden => f.write_str("403 forbidden"),
            Fault::Conflict => f.write_str("the server has another version"),
            Fault::Rejected { status: 0, said } => {
                f.write_str("refused: ")?;
                Shown(said).fmt(f)
            }
            Fault::Rejected { status, said } => {
                write!(f, "refused with {status}: ")?;
                Shown(said).fmt(f)
            }
            Fault::BlobLost => f.write_str("the staged copy is gone"),
            Fault::RootLost => f.write_str("the root is gone or is another directory"),
            Fault::NotFound => f.write_str("404 not found"),
            Fault::Gone => f.write_str("410 gone"),
            Fault::WorkspaceBusy => f.write_str("429 workspace_busy"),
            Fault::Throttled => f.write_str("429 rate_limited"),
            Fault::Overloaded => f.write_str("5xx overloaded"),
            Fault::Server(status) => write!(f, "server error {status}"),
            Fault::Status(status) => write!(f, "status {status}"),
            Fault::DiskFull => f.write_str("the disk is full"),
            Fault::DiskReadOnly => f.write_str("the disk is read-only"),
            Fault::NotADirectory => f.write_str("a file and a directory want the same name"),
            Fault::DiskDenied => f.write_str("the disk denied it"),
            Fault::BadName => f.write_str("the disk can not store the name"),
            Fault::DiskIo(what) => write!(f, "disk error: {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_workspace_is_told_from_a_rate_limit() {
        assert_eq!(Fault::classify(429, "workspace_busy", ""), (Blame::Lane, Fault::WorkspaceBusy));
        for code in ["rate_limited", "queue_full", "", "anything_else"] {
            assert_eq!(Fault::classify(429, code, ""), (Blame::Lane, Fault::Throttled), "{code}");
        }
    }

    #[test]
    fn an_overloaded_server_is_told_from_a_broken_one() {
        let said = "Durable Object is Overloaded. Try later";
        assert_eq!(Fault::classify(500, "", said), (Blame::Lane, Fault::Overloaded));
        assert_eq!(Fault::classify(503, "", "oops"), (Blame::Lane, Fault::Server(503)));
    }

    #[test]
    fn every_status_has_a_class() {
        for status in 0..=u16::MAX {
            let _ = Fault::classify(status, "", "");
            let _ = Fault::classify_write(status, "", "");
        }
    }
}
