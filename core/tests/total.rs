//! The machine is total: any event in any state. Whatever it is told, it does not panic, never
//! repeats a call, never has two disk operations in one place, and says nothing after its end.

mod lab;

use std::collections::{BTreeMap, BTreeSet};

use lab::{UNIT, deleted, hash, listed, updated};
use landfall_core::Machine;
use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Boot, Event, Fetched, LastExit, Outcome, Part, Stop};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Found, Odd, Stamp};
use landfall_core::id::{BlobId, CallId, CommitSeq, EventId, RemoteId, Revision, StoreId};
use landfall_core::time::{Ms, Now, Tick, Wall};
use proptest::prelude::*;

const PATHS: [&str; 7] = ["/a", "/b", "/b/c", "/b/c/d", "/../x", "/e", ""];
const STAMP: Stamp = Stamp { size: 1, mtime_ns: 2, ctime_ns: 3, inode: 4, writable: true };

/// One event, made from numbers. `call` picks among the calls made so far, so answers are
/// early, late, doubled and of the wrong kind alike.
fn event(kind: u8, a: u8, b: u8, calls: &[CallId]) -> Event {
    let made = calls.get(usize::from(a) % calls.len().max(1)).copied();
    let call = made.unwrap_or(CallId { run: 9, unit: UNIT, n: u64::from(a) });
    let path = PATHS[usize::from(b) % PATHS.len()];
    let n = b % 5;
    let blob = BlobId { call, part: u32::from(b) };
    let revision = Revision(format!("rev_{n}").into());
    let file = Fetched { path: path.into(), revision, hash: hash(n), size: 9, blob };
    let done = |outcome| Event::Done { call, outcome };
    let ok = |answer| done(Outcome::Ok(answer));
    let found = match b % 3 {
        0 => Found::Absent,
        1 => Found::File { hash: hash(n), stamp: STAMP },
        _ => Found::Odd(Odd::Directory),
    };
    match kind % 20 {
        0 => Event::Wake,
        1 => Event::Stored { store: StoreId(0), upto: CommitSeq(u64::from(a)) },
        2 => Event::Part { call, part: Part::File(file) },
        3 => {
            let dir = landfall_core::wire::TreeEntry { kind: "dir".into(), ..listed(path, n) };
            Event::Part { call, part: Part::Entries(vec![listed(path, n), dir]) }
        }
        4 => {
            let event = updated(u64::from(a), path, n);
            let inline = (b > 99).then_some(file);
            let bytes = Part::Bytes(u64::from(b));
            let parts = [Part::Opened, Part::Alive, Part::Event { event, inline }, bytes];
            Event::Part { call, part: parts[usize::from(b) % 4].clone() }
        }
        5 => {
            let (blame, why) = Fault::classify(400 + u16::from(b), "", "overloaded");
            done(Outcome::Failed { blame, why, retry_after: Some(Ms(u64::from(b) * 999)) })
        }
        6 => {
            let why = [Fault::Cut, Fault::Link, Fault::DiskFull, Fault::NotADirectory];
            let why = why[usize::from(b) % 4].clone();
            done(Outcome::Failed { blame: Blame::Unknown, why, retry_after: None })
        }
        7 => ok(Answer::Tip((b > 9).then(|| EventId(format!("evt_{b}"))))),
        8 => {
            let events = vec![updated(u64::from(a), path, n), deleted(u64::from(b), path)];
            ok(Answer::Events { events, next: (b > 99).then(|| format!("evt_{b}")) })
        }
        9 => ok(Answer::Exported),
        10 => {
            let next = b.is_multiple_of(4).then(|| format!("c{b}"));
            ok(Answer::Listed { next, total: (!b.is_multiple_of(3)).then_some(u64::from(n)) })
        }
        11 => ok(Answer::Read(file)),
        12 => ok(Answer::ReadMany),
        13 => ok(Answer::Looked(found)),
        14 => ok(Answer::Placed {
            stamp: STAMP,
            kept: (b > 200).then_some(hash(n)),
            merged: (b % 8 == 1).then_some(hash(b)),
        }),
        15 => ok(Answer::Removed),
        16 => ok(Answer::Occupied(found)),
        17 => ok(Answer::Sealed),
        18 => ok([Answer::Dropped, Answer::Cleaned { removed: 3 }][usize::from(b % 2)].clone()),
        _ if b == 0 => Event::Stop(Stop::Graceful),
        _ => Event::Wake,
    }
}

fn place(op: &DiskOp) -> Option<&str> {
    match op {
        DiskOp::Look { path, .. } | DiskOp::Place { path, .. } | DiskOp::Remove { path, .. } => {
            Some(path.as_str())
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn whatever_it_is_told(
        once: bool,
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), 0u64..40_000), 1..300),
    ) {
        let workspace = WorkspaceConfig { once, ..Default::default() };
        let remotes = vec![(RemoteId(0), GateConfig::default())];
        let mut machine = Machine::new(Config { seed: 3, remotes, workspaces: vec![(UNIT, workspace)] });
        let mut now = Now { tick: Tick(1), wall: Wall(1) };
        let mut calls = Vec::new();
        let mut busy: BTreeMap<CallId, String> = BTreeMap::new();
        let mut ever = BTreeSet::new();
        let mut ended = false;
        let start = Event::Start { run: 1, boot: Boot::Same, last: LastExit::Never };
        let events = steps.iter().map(Some);
        for step in std::iter::once(None).chain(events) {
            let event = match step {
                None => start.clone(),
                Some((kind, a, b, wait)) => {
                    now.tick.0 += if wait % 3 == 0 { *wait } else { wait % 50 };
                    // Wall time jumps both ways.
                    now.wall.0 = u64::from(*a) * 100_000;
                    event(*kind, *a, *b, &calls)
                }
            };
            if let Event::Done { call, .. } = &event {
                busy.remove(call);
            }
            let mut effects = Vec::new();
            machine.step(now, event, &mut effects);
            prop_assert!(!ended || effects.is_empty());
            for effect in effects {
                match effect {
                    Effect::Ask { call, .. } => {
                        prop_assert!(ever.insert(call));
                        calls.push(call);
                    }
                    Effect::Disk { call, op, .. } => {
                        prop_assert!(ever.insert(call));
                        calls.push(call);
                        if let Some(path) = place(&op) {
                            for other in busy.values() {
                                let above = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|r| r.starts_with('/'));
                                prop_assert!(
                                    other != path && !above(other, path) && !above(path, other),
                                    "{path} while {other} is busy"
                                );
                            }
                            busy.insert(call, path.into());
                        }
                    }
                    Effect::Exit(_) => ended = true,
                    _ => {}
                }
            }
            machine.status(now);
            if let Some((at, _)) = machine.next_wake() {
                prop_assert!(at > now.tick || !ended);
            }
        }
    }
}
