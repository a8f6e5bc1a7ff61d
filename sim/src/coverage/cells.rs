//! What the machine is told: the event, and how it ended.

use landfall_core::Wake;
use landfall_core::Why;
use landfall_core::effect::{DiskOp, Request};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::Fault;
use landfall_core::status::Phase;

/// The phases, in the order of the columns.
pub const PHASES: [(Phase, &str); 7] = [
    (Phase::Loading, "load"),
    (Phase::Locating, "locate"),
    (Phase::Exporting, "export"),
    (Phase::Counting, "count"),
    (Phase::Walking, "walk"),
    (Phase::Following, "follow"),
    (Phase::Stopping, "stop"),
];

/// What the machine can be told. The first [`CALLS`] are the last words about calls.
pub const EVENTS: [&str; 41] = [
    "tip",
    "events",
    "stream",
    "export",
    "tree",
    "read",
    "bulk-read",
    "clean",
    "look",
    "place",
    "remove",
    "drop",
    "seal",
    "scan",
    "load",
    "start",
    "stop",
    "stored",
    "part: file",
    "part: entries",
    "part: refused",
    "part: opened",
    "part: alive",
    "part: event",
    "part: event and bytes",
    "part: bytes",
    "wake: deadline",
    "wake: gate",
    "wake: store",
    "wake: stop by",
    "wake: feed",
    "wake: stream",
    "wake: page",
    "wake: relist",
    "wake: retry",
    "wake: disk",
    "wake: seal",
    "wake: deletes",
    "wake: watchdog",
    "wake: patience",
    "wake: nothing",
];

/// How many of the events are last words about calls.
pub const CALLS: usize = 14;

/// How something ended.
pub const OUTCOMES: [&str; 26] = [
    "",
    "ok",
    "late or twice",
    "no answer",
    "link",
    "cut",
    "malformed",
    "too large",
    "bad request",
    "401",
    "403",
    "404",
    "410",
    "workspace busy",
    "throttled",
    "overloaded",
    "server error",
    "other status",
    "disk full",
    "read-only",
    "not a directory",
    "disk denied",
    "bad name",
    "disk error",
    "occupied",
    "kept another's",
];

/// What came for a call that nobody waits for.
pub const LATE: usize = 2;

/// The number of an outcome.
pub fn outcome(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Ok(Answer::Occupied(_)) => 24,
        Outcome::Ok(Answer::Placed { kept: Some(_), .. }) => 25,
        Outcome::Ok(_) => 1,
        Outcome::Failed { why, .. } => match why {
            Fault::Timeout => 3,
            Fault::Link => 4,
            Fault::Cut => 5,
            Fault::Malformed => 6,
            Fault::TooLarge => 7,
            Fault::BadRequest => 8,
            Fault::Unauthorized => 9,
            Fault::Forbidden => 10,
            Fault::NotFound => 11,
            Fault::Gone => 12,
            Fault::WorkspaceBusy => 13,
            Fault::Throttled => 14,
            Fault::Overloaded => 15,
            Fault::Server(_) => 16,
            Fault::Status(_) => 17,
            Fault::DiskFull => 18,
            Fault::DiskReadOnly => 19,
            Fault::NotADirectory => 20,
            Fault::DiskDenied => 21,
            Fault::BadName => 22,
            Fault::DiskIo(_) => 23,
        },
    }
}

/// Whether an event can end so, in any phase. The world never says the others: a time that
/// is up, for one, is a wake of the machine itself.
pub fn is_possible(event: usize, outcome: usize) -> bool {
    let network = matches!(outcome, 1 | 4..=6 | 9 | 13..=16);
    match event {
        _ if event >= CALLS => outcome == 0,
        0 => network || matches!(outcome, 10 | 11 | LATE),
        1 => network || matches!(outcome, 10..=12 | LATE),
        // A stream has no good end.
        2 => outcome != 1 && network || matches!(outcome, 10 | 11 | LATE),
        3 => network || matches!(outcome, 7 | 18 | LATE),
        4 => network || matches!(outcome, 8 | 10 | 11 | LATE),
        5 => network || matches!(outcome, 10 | 11 | 17 | 18 | LATE),
        6 => network || matches!(outcome, 11 | 18 | LATE),
        8 => matches!(outcome, 1 | 21 | 23),
        9 => matches!(outcome, 1 | 18 | 20..=25),
        10 => matches!(outcome, 1 | 21 | 23 | 24),
        12 => matches!(outcome, 1 | 18 | 23),
        13 => matches!(outcome, 1 | 21 | 23),
        _ => outcome == 1,
    }
}

/// The number of a request.
pub fn request(request: &Request) -> usize {
    match request {
        Request::Tip => 0,
        Request::Events { .. } => 1,
        Request::Stream { .. } => 2,
        Request::Export { .. } => 3,
        Request::Tree { .. } => 4,
        Request::Read { .. } => 5,
        Request::ReadMany { .. } => 6,
    }
}

/// The number of an operation.
pub fn op(op: &DiskOp) -> usize {
    match op {
        DiskOp::Clean => 7,
        DiskOp::Look { .. } => 8,
        DiskOp::Place { .. } => 9,
        DiskOp::Remove { .. } => 10,
        DiskOp::Drop { .. } => 11,
        DiskOp::Seal => 12,
        DiskOp::Scan { .. } => 13,
    }
}

/// The number of an event that is no last word, with what the machine wanted to be woken for.
pub fn event(event: &Event, wake: Option<Wake>) -> Option<usize> {
    Some(match event {
        Event::Load(_) => 14,
        Event::Start { .. } => 15,
        Event::Stop(_) => 16,
        Event::Stored { .. } => 17,
        Event::Part { part, .. } => match part {
            Part::File(_) => 18,
            Part::Entries(_) => 19,
            Part::Refused { .. } => 20,
            Part::Opened => 21,
            Part::Alive => 22,
            Part::Event { inline: None, .. } => 23,
            Part::Event { inline: Some(_), .. } => 24,
            Part::Bytes(_) => 25,
        },
        Event::Wake => match wake {
            Some(Wake::Deadline(_)) => 26,
            Some(Wake::Gate(_)) => 27,
            Some(Wake::Store(_)) => 28,
            Some(Wake::StopBy) => 29,
            Some(Wake::Unit(_, why)) => match why {
                Why::Feed => 30,
                Why::Stream => 31,
                Why::Page => 32,
                Why::Relist => 33,
                Why::Retry => 34,
                Why::Disk => 35,
                Why::Seal => 36,
                Why::Deletes => 37,
                Why::Watchdog => 38,
                Why::Patience => 39,
            },
            None => 40,
        },
        Event::Done { .. } => return None,
    })
}
