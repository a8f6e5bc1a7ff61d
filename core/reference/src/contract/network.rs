//! The contract of the network port: what a server has arrives as these parts and this answer.
//!
//! Faults of the link are not here: the simulator makes its own, and the real ones are tested
//! byte for byte beside the real adapter.

use std::collections::BTreeMap;

use landfall_core::effect::Request;
use landfall_core::event::{Answer, Event, Fetched, Outcome, Part};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, EventId, Revision, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::time::Wall;

use crate::server::{Content, Direction, EventsQuery, File, Refusal, Server, Settings, TreeQuery};

/// A network that is put through the contract. Nothing fails on it, and behind it is the
/// server of [`workspace`].
pub trait TestNetwork {
    /// Sends a request.
    fn ask(&mut self, call: CallId, request: Request, credit: u32);
    /// Grants more parts.
    fn more(&mut self, call: CallId, credit: u32);
    /// Nobody listens any more.
    fn cancel(&mut self, call: CallId);
    /// Waits for the next event.
    fn next(&mut self) -> Event;
    /// An event that is there already, without waiting.
    fn already(&mut self) -> Option<Event>;
    /// The staged blobs that are complete, with the hash of what they really hold.
    fn staged(&mut self) -> BTreeMap<BlobId, ContentHash>;
}

/// The server that the cases ask.
pub fn workspace() -> Server {
    let mut server = Server::new(Settings { page: 3, bulk_read: true, ..Settings::default() });
    for (path, content) in [
        ("/a.md", Content::new(*b"# a\n")),
        ("/empty", Content::new(*b"")),
        ("/docs/b.bin", Content::new(vec![0, 1, 0xff])),
        ("/docs/text as base64", Content::binary(*b"plain")),
        ("/docs/deep/er/c.json", Content::new(*b"{\"quoted\": \"\\u00e9 \\n\"}")),
        ("/docs/\u{e9}\"\n", Content::new("\u{1f600}\u{0}".as_bytes())),
    ] {
        server.put(path, content, Wall(1_000));
    }
    server.put("/a.md", Content::new(*b"# a, again\n"), Wall(2_000));
    server.put("/gone", Content::new(*b"gone"), Wall(2_000));
    server.delete("/gone", Wall(3_000));
    server
}

/// Puts a network through every request, with much credit and with little.
///
/// # Errors
///
/// The request, and the first difference.
pub fn check(network: &mut impl TestNetwork) -> Result<(), String> {
    let server = workspace();
    let mut n = 0;
    for request in requests() {
        for credit in [1, 2, 1_000] {
            n += 1;
            let call = CallId { run: 1, unit: UnitId(0), n };
            answered(network, &server, call, &request, credit)
                .map_err(|why| format!("{request:?} with credit {credit}: {why}"))?;
        }
    }
    cancelled(network, CallId { run: 1, unit: UnitId(0), n: n + 1 })?;
    streamed(network, &server, CallId { run: 1, unit: UnitId(0), n: n + 10 })?;
    credited_late(network, CallId { run: 1, unit: UnitId(0), n: n + 20 })
}

/// The stream is opened and tells what was missed, event by event. The bytes may come with an
/// event if the file is still what the event says.
fn streamed(network: &mut impl TestNetwork, server: &Server, call: CallId) -> Result<(), String> {
    let missed = 3;
    let after = EventId(format!("evt_{}", server.tip() - missed));
    network.ask(call, Request::Stream { after: Some(after) }, 1_000);
    let mut told = Vec::new();
    let mut opened = false;
    while told.len() < missed as usize {
        match next_after(network, call) {
            Event::Part { part: Part::Opened, .. } if !opened => opened = true,
            Event::Part { part: Part::Event { event, inline }, .. } if opened => {
                if let Some(got) = inline {
                    let now = server.now().read(&event.path).map(|file| file.content.hash());
                    if got.path != event.path || now.ok() != Some(got.hash) {
                        return Err(format!("{event:?} came with other bytes: {got:?}"));
                    }
                }
                told.push(event);
            }
            Event::Part { part: Part::Alive, .. } if opened => {}
            other => return Err(format!("a stream told {other:?}")),
        }
    }
    let expected: Vec<_> =
        (server.tip() - missed + 1..=server.tip()).filter_map(|n| server.event(n)).collect();
    network.cancel(call);
    if told != expected {
        return Err(format!("a stream told {told:?}, expected {expected:?}"));
    }
    Ok(())
}

fn requests() -> Vec<Request> {
    let path = |name: &str| RemotePath::parse(name).unwrap_or_else(|why| unreachable!("{why}"));
    let tree = |path: &str, depth, cursor: Option<&str>| Request::Tree {
        path: path.into(),
        depth,
        cursor: cursor.map(str::to_owned),
    };
    let events = |after: Option<&str>, limit| Request::Events {
        after: after.map(|id| EventId(id.into())),
        limit,
    };
    let mut requests = vec![
        Request::Tip,
        events(None, 1_000),
        events(None, 2),
        events(Some("evt_4"), 3),
        events(Some("evt_9"), 3),
        events(None, 0),
        Request::Export { path: "/".into() },
        Request::Export { path: "/docs".into() },
        Request::Export { path: "/nowhere".into() },
        tree("/", 1, None),
        tree("/", 3, None),
        tree("/", 3, Some("/docs")),
        tree("/docs", 100, None),
        tree("/nowhere", 3, None),
        tree("/", 3, Some("/nowhere")),
        tree("/", 101, None),
        Request::ReadMany { paths: vec![path("/gone"), path("/docs/b.bin"), path("/a.md")] },
        Request::ReadMany { paths: Vec::new() },
        Request::Read { path: path("/gone") },
    ];
    let all = workspace();
    let all = all.now();
    requests.extend(all.files().map(|(name, _)| Request::Read { path: path(name) }));
    requests
}

fn answered(
    network: &mut impl TestNetwork,
    server: &Server,
    call: CallId,
    request: &Request,
    credit: u32,
) -> Result<(), String> {
    network.ask(call, request.clone(), credit);
    let (mut parts, mut left) = (Vec::new(), credit);
    let outcome = loop {
        match network.next() {
            Event::Part { call: of, part } if of == call => {
                let Some(less) = left.checked_sub(1) else {
                    return Err(format!("{part:?} comes without credit"));
                };
                left = less;
                parts.push(part);
                if left == 0 {
                    // The last word costs nothing, so it may be there already.
                    match network.already() {
                        Some(Event::Done { call: of, outcome }) if of == call => break outcome,
                        Some(other) => return Err(format!("{other:?} comes without credit")),
                        None => {}
                    }
                    network.more(call, credit);
                    left = credit;
                }
            }
            Event::Done { call: of, outcome } if of == call => break outcome,
            other => return Err(format!("{other:?} has nothing to do with it")),
        }
    };
    let staged = network.staged();
    let fetched = parts.iter().filter_map(|part| match part {
        Part::File(fetched) => Some(fetched),
        _ => None,
    });
    let read = match &outcome {
        Outcome::Ok(Answer::Read(fetched)) => Some(fetched),
        _ => None,
    };
    for fetched in fetched.chain(read) {
        if staged.get(&fetched.blob) != Some(&fetched.hash) {
            return Err(format!("{fetched:?} is not what was staged"));
        }
    }
    let handed = staged.keys().filter(|blob| blob.call == call).count();
    let (wanted, outcome_wanted) = expected(server, call, request);
    let files = wanted.iter().filter(|part| matches!(part, Part::File(_))).count();
    let read = usize::from(matches!(outcome_wanted, Outcome::Ok(Answer::Read(_))));
    if handed != files + read {
        return Err(format!("{handed} blobs are staged for {} files", files + read));
    }
    numbered(&parts)?;
    let any_order = matches!(request, Request::Export { .. });
    let same = flat(&parts, any_order) == flat(&wanted, any_order);
    if !same || outcome != outcome_wanted {
        return Err(format!(
            "it answers {parts:#?} and {outcome:#?}, should answer {wanted:#?} and \
             {outcome_wanted:#?}"
        ));
    }
    Ok(())
}

/// Blobs are counted from 0 in the order in which they are handed over.
fn numbered(parts: &[Part]) -> Result<(), String> {
    let blobs = parts.iter().filter_map(|part| match part {
        Part::File(fetched) => Some(fetched.blob),
        _ => None,
    });
    match blobs.enumerate().find(|(n, blob)| *n != blob.part as usize) {
        None => Ok(()),
        Some((n, blob)) => Err(format!("blob {n} has the name {blob}")),
    }
}

/// Parts without what may differ: how a listing is divided, and the order of an export.
fn flat(parts: &[Part], any_order: bool) -> Vec<Part> {
    let mut flat: Vec<Part> = Vec::new();
    for part in parts {
        match (flat.last_mut(), part.clone()) {
            (Some(Part::Entries(before)), Part::Entries(entries)) => before.extend(entries),
            (_, Part::File(fetched)) => {
                let blob = BlobId { part: 0, ..fetched.blob };
                flat.push(Part::File(Fetched { blob, ..fetched }));
            }
            (_, part) => flat.push(part),
        }
    }
    if any_order {
        flat.sort_by_key(|part| match part {
            Part::File(fetched) => Some(fetched.path.clone()),
            _ => None,
        });
    }
    flat
}

/// After a cancel there is at most one more word, and it is none that anybody wants.
fn cancelled(network: &mut impl TestNetwork, call: CallId) -> Result<(), String> {
    network.ask(call, Request::Export { path: "/".into() }, 1);
    let first = network.next();
    network.cancel(call);
    // Another call still works, and nothing good comes of the first any more.
    let other = CallId { n: call.n + 1, ..call };
    network.ask(other, Request::Tip, 1);
    loop {
        match network.next() {
            Event::Done { call: of, .. } if of == other => break,
            Event::Done { call: of, outcome: Outcome::Failed { .. } } if of == call => {}
            late => return Err(format!("{late:?} comes after the cancel and {first:?}")),
        }
    }
    let staged = network.staged();
    match staged.keys().filter(|blob| blob.call == call).count() {
        1 => Ok(()),
        n => Err(format!("{n} blobs are left of a call that handed over {first:?}")),
    }
}

/// Credit is still good when others were asked and answered meanwhile, long after the last
/// byte of the body may have come.
fn credited_late(network: &mut impl TestNetwork, call: CallId) -> Result<(), String> {
    network.ask(call, Request::Export { path: "/".into() }, 1);
    let first = next_after(network, call);
    for n in 1..10 {
        let other = CallId { n: call.n + n, ..call };
        network.ask(other, Request::Tip, 1);
        match next_after(network, call) {
            Event::Done { call: of, outcome: Outcome::Ok(_) } if of == other => {}
            late => return Err(format!("{late:?} comes after {first:?}, without credit")),
        }
    }
    network.more(call, 1_000);
    loop {
        match next_after(network, call) {
            Event::Part { call: of, .. } if of == call => {}
            Event::Done { call: of, outcome: Outcome::Ok(_) } if of == call => return Ok(()),
            other => return Err(format!("{other:?} comes of an export that got its credit late")),
        }
    }
}

/// The next event but for the last words of calls that were cancelled before this one began.
fn next_after(network: &mut impl TestNetwork, call: CallId) -> Event {
    loop {
        match network.next() {
            Event::Done { call: of, outcome: Outcome::Failed { .. } }
            | Event::Part { call: of, part: Part::Alive }
                if of.n < call.n => {}
            event => return event,
        }
    }
}

/// What a request has to bring about.
fn expected(server: &Server, call: CallId, request: &Request) -> (Vec<Part>, Outcome) {
    match try_expected(server, call, request) {
        Ok((parts, answer)) => (parts, Outcome::Ok(answer)),
        Err(refusal) => {
            let (blame, why) = refusal.classify();
            (Vec::new(), Outcome::Failed { blame, why, retry_after: None })
        }
    }
}

fn try_expected(
    server: &Server,
    call: CallId,
    request: &Request,
) -> Result<(Vec<Part>, Answer), Refusal> {
    let view = server.now();
    let mut part = 0;
    let mut fetched = |path: &str, file: &File| {
        part += 1;
        Fetched {
            path: path.to_owned(),
            revision: Revision(file.revision().into()),
            hash: file.content.hash(),
            size: file.content.bytes().len() as u64,
            blob: BlobId { call, part: part - 1 },
        }
    };
    Ok(match request {
        Request::Tip => {
            let (limit, direction) = (Some(1), Direction::Descending);
            let page =
                server.events(&EventsQuery { limit, direction, ..EventsQuery::default() })?;
            let newest = page.events.into_iter().next();
            (Vec::new(), Answer::Tip(newest.map(|event| EventId(event.event_id))))
        }
        Request::Events { after, limit } => {
            let cursor = after.as_ref().map(|id| id.0.clone());
            let limit = Some(*limit);
            let page = server.events(&EventsQuery { cursor, limit, ..EventsQuery::default() })?;
            (Vec::new(), Answer::Events { events: page.events, next: page.next_cursor })
        }
        // These have their own cases.
        Request::Stream { .. }
        | Request::PushMany { .. }
        | Request::Push(_)
        | Request::PushDelete { .. }
        | Request::Op { .. } => return Err(Refusal::no_route()),
        Request::Export { path } => {
            let files = view.export(path).map(|(path, file)| Part::File(fetched(path, file)));
            (files.collect(), Answer::Exported)
        }
        Request::Tree { path, depth, cursor } => {
            let page = view.tree(&TreeQuery {
                path: path.clone(),
                depth: Some(*depth),
                cursor: cursor.clone(),
                exclude_mount_runtime: true,
            })?;
            let entries = page.entries;
            let parts = if entries.is_empty() { Vec::new() } else { vec![Part::Entries(entries)] };
            (parts, Answer::Listed { next: page.next_cursor, total: page.total_files })
        }
        Request::Read { path } => {
            (Vec::new(), Answer::Read(fetched(path.as_str(), view.read(path.as_str())?)))
        }
        Request::ReadMany { paths } => {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            let files = view.bulk_read(&paths)?;
            let parts = files.into_iter().map(|(path, file)| match file {
                Ok(file) => Part::File(fetched(&path, file)),
                Err(refusal) => {
                    let (blame, why) = refusal.classify();
                    Part::Refused { path, blame, why }
                }
            });
            (parts.collect(), Answer::ReadMany)
        }
    })
}
