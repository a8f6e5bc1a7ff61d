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
pub const EVENTS: [&str; 53] = [
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
    "stage",
    "root",
    "push many",
    "push",
    "push delete",
    "op",
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
    "part: wrote",
    "wake: hints",
    "wake: unlink",
    "wake: outbox",
    "heard",
    "told",
];

/// How many of the events are last words about calls.
pub const CALLS: usize = 20;

/// How something ended.
pub const OUTCOMES: [&str; 30] = [
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
    "conflict",
    "rejected",
    "blob lost",
    "root lost",
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
            Fault::Conflict => 26,
            Fault::Rejected { .. } => 27,
            Fault::BlobLost => 28,
            Fault::RootLost => 29,
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
        12 => matches!(outcome, 1 | 18 | 23 | 29),
        13 => matches!(outcome, 1 | 21 | 23),
        14 => matches!(outcome, 1 | 18 | 21 | 23 | 24),
        15 => matches!(outcome, 1 | 23 | 29),
        16 => network || matches!(outcome, 8 | LATE),
        17 => network || matches!(outcome, 10 | 26..=28 | LATE),
        18 => network || matches!(outcome, 10 | 11 | 26 | LATE),
        19 => network || matches!(outcome, 10 | 11 | LATE),
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
        Request::PushMany { .. } => 16,
        Request::Push(_) => 17,
        Request::PushDelete { .. } => 18,
        Request::Op { .. } => 19,
    }
}

/// The number of an operation.
pub fn op(op: &DiskOp) -> usize {
    match op {
        DiskOp::Clean { .. } => 7,
        DiskOp::Look { .. } => 8,
        DiskOp::Place { .. } => 9,
        DiskOp::Remove { .. } => 10,
        DiskOp::Drop { .. } => 11,
        DiskOp::Seal => 12,
        DiskOp::Scan { .. } => 13,
        DiskOp::Stage { .. } => 14,
        DiskOp::Root => 15,
    }
}

/// The number of an event that is no last word, with what the machine wanted to be woken for.
pub fn event(event: &Event, wake: Option<Wake>) -> Option<usize> {
    Some(match event {
        Event::Load(_) => 20,
        Event::Start { .. } => 21,
        Event::Stop(_) => 22,
        Event::Stored { .. } => 23,
        Event::Part { part, .. } => match part {
            Part::File(_) => 24,
            Part::Wrote { .. } => 47,
            Part::Entries(_) => 25,
            Part::Refused { .. } => 26,
            Part::Opened => 27,
            Part::Alive => 28,
            Part::Event { inline: None, .. } => 29,
            Part::Event { inline: Some(_), .. } => 30,
            Part::Bytes(_) => 31,
        },
        Event::Wake => match wake {
            Some(Wake::Deadline(_)) => 32,
            Some(Wake::Gate(_)) => 33,
            Some(Wake::Store(_)) => 34,
            Some(Wake::StopBy) => 35,
            Some(Wake::Unit(_, why)) => match why {
                Why::Feed => 36,
                Why::Stream => 37,
                Why::Page => 38,
                Why::Relist => 39,
                Why::Retry => 40,
                Why::Disk => 41,
                Why::Seal => 42,
                Why::Deletes => 43,
                Why::Hints => 48,
                Why::Unlink => 49,
                Why::Outbox => 50,
                Why::Watchdog => 44,
                Why::Patience => 45,
            },
            None => 46,
        },
        Event::Heard { .. } => 51,
        Event::Told { .. } => 52,
        Event::Done { .. } => return None,
    })
}
