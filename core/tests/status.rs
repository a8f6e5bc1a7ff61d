//! What a workspace tells about itself, in each state.

mod lab;

use lab::*;
use landfall_core::decision::Brake;
use landfall_core::effect::Exit;
use landfall_core::event::{Boot, Event, LastExit, Part, Stop};
use landfall_core::fault::Fault;
use landfall_core::status::{Listening, Phase, Verdict};
use landfall_core::time::{Ms, Wall};
use landfall_core::wire::TreeEntry;

#[test]
fn a_bootstrap_tells_how_far_it_is() {
    // Must show: two directories met, one left, the server's own count, one file of it done.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    let began = lab.now.wall;
    lab.wait(Ms(100));
    let dir = TreeEntry { path: "/a/b/c".into(), kind: "dir".into(), ..listed("", 0) };
    lab.page(&[dir, listed("/f", 1)], None, Some(7));
    lab.read("/f", 1);
    let status = lab.status();
    assert_eq!((status.phase, status.verdict), (Phase::Walking, Verdict::Ok));
    let bootstrap = status.bootstrap.unwrap();
    assert_eq!((bootstrap.files, bootstrap.total), (1, Some(7)));
    assert_eq!((bootstrap.directories_left, bootstrap.directories_found), (1, 2));
    assert_eq!(bootstrap.dir.as_deref(), Some("/a/b/c"));
    assert!(bootstrap.since.unwrap() <= began, "it began with the start");
}

#[test]
fn in_step_there_is_no_bootstrap_and_no_trouble() {
    // Must show: a failure while in step is told, and the next good answer ends it.
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let status = lab.status();
    assert!(status.bootstrap.is_none() && status.heard.trouble.is_none());
    assert_eq!(status.last_applied.unwrap().as_str(), "rev_1");
    assert_eq!(status.listener.state, Listening::Polling);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(503, "", "oops"));
    let trouble = lab.status().heard.trouble.unwrap();
    assert_eq!((trouble.why, trouble.at), (Fault::Server(503), lab.now.wall));
    assert_eq!(lab.status().circuit.failures, 1);
    lab.wait(Ms::secs(40));
    lab.answer("events", no_events());
    assert_eq!(lab.status().heard.trouble, None);
    assert_eq!(lab.status().heard.answered_at, Some(lab.now.wall));
}

#[test]
fn the_listener_tells_how_changes_are_learnt_of() {
    // Must show: opening, open with a sign of life, and reopening with a time to come.
    let mut lab = Lab::streaming_in_step_with(&[("/a", 1)]);
    assert_eq!(lab.status().listener.state, Listening::Opening);
    let call = lab.request("stream");
    lab.part(call, Part::Opened);
    lab.wait(Ms::secs(1));
    lab.part(call, Part::Alive);
    let listener = lab.status().listener;
    assert_eq!(listener.state, Listening::Open);
    assert_eq!(listener.alive_at, Some(lab.now.wall));
    assert!(listener.asked_at.unwrap() < listener.opened_at.unwrap());
    let event = Part::Event { event: updated(101, "/a", 2), inline: None };
    lab.part(call, event);
    assert_eq!(lab.status().heard.event_at, Some(lab.now.wall));
    lab.step(Event::Done { call, outcome: link_failed() });
    let listener = lab.status().listener;
    assert_eq!(listener.state, Listening::Reopening);
    assert!(listener.again_at.unwrap() > lab.now.wall);
}

#[test]
fn five_failures_open_the_circuit() {
    // Must show: open, since when, when one request is tried, and that it happened once.
    let mut lab = Lab::new().start();
    for _ in 0..5 {
        lab.wait(Ms::secs(10));
        lab.answer("tip", refused(500, "", "oops"));
    }
    lab.wait(Ms::secs(20));
    let circuit = lab.status().circuit;
    assert!(circuit.open);
    assert_eq!((circuit.failures, circuit.times), (5, 1));
    assert_eq!(circuit.opened_at, Some(Wall(lab.now.wall.0 - 20_000)));
    assert_eq!(circuit.retry_at, Some(Wall(lab.now.wall.0 + 10_000)));
}

#[test]
fn a_brake_halts_and_the_doubt_before_it_is_counted() {
    // Must show: eleven of twelve deletes are held, and the verdict says so.
    let names: Vec<String> = (0..12).map(|n| format!("/f{n}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut lab = Lab::in_step_with(&files);
    lab.wait(Ms::secs(40));
    let events = (1..=11).map(|n| deleted(100 + n, &names[n as usize])).collect();
    let answer = landfall_core::event::Answer::Events { events, next: None };
    lab.answer("events", landfall_core::event::Outcome::Ok(answer));
    lab.wait(Ms::secs(2));
    let status = lab.status();
    assert_eq!(status.verdict, Verdict::Halted);
    let brake = Brake::MaxDelete { deletes: 11, allowed: 10, known: 12 };
    assert_eq!(status.brakes, std::slice::from_ref(&brake));
    assert_eq!(status.counters.trashed, 0);
    assert!(brake.ways().iter().any(|way| way.command.ends_with("--max-delete 11")));
}

#[test]
fn a_brake_outlives_the_stop() {
    // Must show: a mount that a brake stopped ends, and its last word still is that brake.
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let mut row = lab.rows.rows().remove(0);
    row.kind = "lease".into();
    lab.rows.put(row);
    lab.boot(Boot::Same, LastExit::Clean);
    assert_eq!(lab.status().brakes.len(), 1);
    lab.step(Event::Stop(Stop::Graceful));
    assert_eq!(lab.exited, Some(Exit::Stopped));
    let status = lab.status();
    assert_eq!((status.verdict, status.brakes[0].name()), (Verdict::Halted, "unreadable"));
}
