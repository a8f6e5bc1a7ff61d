//! The stream, told as stories.
//!
//! Each snapshot stands beside the sentence that says what it must show, written first, and
//! the assertion of the one decision that matters.

mod lab;

use lab::{Lab, UNIT, deleted, hash, no_events, refused, updated};
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::Version;
use landfall_core::id::{CallId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::row::{Of, Row, RowKey, Value};
use landfall_core::time::Ms;
use landfall_core::wire::FeedEvent;

/// A mirror that is in step, with its stream open and nothing that waits.
fn streaming(files: &[(&str, u8)]) -> (Lab, CallId) {
    let mut lab = Lab::streaming_in_step_with(files);
    let call = lab.request("stream after evt_100");
    lab.part(call, Part::Opened);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    lab.story.clear();
    (lab, call)
}

fn event(lab: &mut Lab, call: CallId, event: FeedEvent, inline: Option<(u32, u8)>) {
    let inline = inline.map(|(part, n)| lab.fetched(call, part, &event.path, n));
    lab.say(&format!("← {} {}", event.event_id, event.path));
    lab.part(call, Part::Event { event, inline });
}

#[test]
fn an_event_with_its_bytes_is_placed_at_once() {
    // Must show: evt_101 brings /a with its bytes, which are placed in the same step, without
    // a request; evt_102 deletes it, and a second later the file goes to the
    // trash. The feed is not asked.
    let (mut lab, call) = streaming(&[("/a", 1), ("/b", 1)]);
    event(&mut lab, call, updated(101, "/a", 2), Some((0, 2)));
    assert_eq!(lab.disk.get("/a"), Some(&hash(2)));
    event(&mut lab, call, deleted(102, "/a"), None);
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("read"), lab.asked.len()), (0, 0), "{}", lab.story);
    assert_eq!(lab.trash, ["/a"]);
    assert!(lab.status().in_step, "{}", lab.story);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn an_event_that_is_not_the_next_one_makes_the_machine_ask_the_feed() {
    // Must show: evt_103 arrives after evt_100. Nothing is taken from it, its bytes are let
    // go, and the feed is asked for what comes after evt_100; it tells all three.
    let (mut lab, call) = streaming(&[("/a", 1)]);
    event(&mut lab, call, updated(103, "/a", 4), Some((0, 4)));
    assert_eq!(lab.disk.get("/a"), Some(&hash(1)), "{}", lab.story);
    assert!(lab.blobs.is_empty());
    lab.wait(Ms(1));
    let events = vec![updated(101, "/b", 2), updated(102, "/c", 3), updated(103, "/a", 4)];
    lab.answer("events after evt_100", Outcome::Ok(Answer::Events { events, next: None }));
    lab.request("read-many /a /b /c");
    insta::assert_snapshot!(lab.story);
}

#[test]
fn the_stream_may_be_faster_than_a_page_of_the_feed() {
    // The page that was asked for before evt_101 came tells it again: that is not a feed that
    // started again, and the event is not taken in twice.
    let (mut lab, call) = streaming(&[("/a", 1)]);
    event(&mut lab, call, updated(103, "/c", 9), None);
    lab.wait(Ms(1));
    let page = lab.request("events after evt_100");
    event(&mut lab, call, updated(101, "/a", 2), Some((0, 2)));
    event(&mut lab, call, updated(102, "/a", 3), Some((1, 3)));
    let events = vec![updated(101, "/a", 2)];
    lab.done(page, Answer::Events { events, next: Some("evt_101".into()) });
    lab.wait(Ms::secs(3));
    assert!(!lab.told("the feed was lost"), "{}", lab.story);
    assert_eq!(lab.disk.get("/a"), Some(&hash(3)));
}

#[test]
fn a_stream_of_which_one_half_is_gone_is_found_by_its_silence() {
    // Must show: pongs keep it open; after 25 s without one it is let go, the feed is asked at
    // once for what was missed, and the stream is opened again after the last event taken in.
    let (mut lab, call) = streaming(&[("/a", 1)]);
    for _ in 0..3 {
        lab.wait(Ms::secs(10));
        lab.part(call, Part::Alive);
    }
    lab.wait(Ms(25_001));
    assert!(lab.told("the stream is down: no answer in time"), "{}", lab.story);
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events after evt_100", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/a", 2);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("stream after evt_101"), 1, "{}", lab.story);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn an_overflow_is_a_gap_and_the_feed_closes_it() {
    // Must show: 1013 after evt_101; the feed is asked for what comes after evt_101, and the
    // stream is opened again a second later, after what the feed told.
    let (mut lab, call) = streaming(&[("/a", 1)]);
    event(&mut lab, call, updated(101, "/a", 2), Some((0, 2)));
    let why = Fault::Overloaded;
    let outcome = Outcome::Failed { blame: Blame::Lane, why, retry_after: None };
    lab.step(Event::Done { call, outcome });
    lab.wait(Ms(1));
    let events = vec![updated(102, "/a", 3)];
    lab.answer("events after evt_101", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/a", 3);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("stream after evt_102"), 1, "{}", lab.story);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_server_without_a_stream_is_asked_for_one_again_after_ten_minutes() {
    let mut lab = Lab::streaming_in_step_with(&[("/a", 1)]);
    lab.answer("stream", refused(404, "not_found", "route not found"));
    lab.story.clear();
    let (before, streams) = (lab.sent("events"), lab.sent("stream"));
    for _ in 0..20 {
        lab.wait(Ms::secs(29));
        lab.quiet_feed_if_asked();
    }
    assert!(lab.sent("events") - before > 9, "the feed is asked as without a stream");
    assert_eq!(lab.sent("stream") - streams, 0, "{}", lab.story);
    lab.wait(Ms::secs(25));
    assert_eq!(lab.sent("stream") - streams, 1, "{}", lab.story);
}

#[test]
fn beside_an_open_stream_the_feed_is_asked_rarely() {
    let (mut lab, call) = streaming(&[("/a", 1)]);
    let before = lab.sent("events");
    for _ in 0..360 {
        lab.wait(Ms::secs(10));
        lab.part(call, Part::Alive);
        if lab.asked.iter().any(|(_, request)| lab::show(request).starts_with("events")) {
            lab.answer("events", no_events());
        }
    }
    let asked = lab.sent("events") - before;
    assert!((10..=16).contains(&asked), "{asked} in an hour");
    assert_eq!(lab.sent("tree"), 1, "no listing but the one that counted the export");
}

#[test]
fn bytes_that_come_before_the_path_was_looked_at_do_not_make_us_forget_a_placement() {
    // A run was killed while it placed version 2 over version 1. Nobody knows which of them is
    // there. The next run can not look at once, and the stream brings version 2 again: the
    // durable row goes on saying that version 2 may be there, until somebody has looked.
    let (mut lab, call) = streaming(&[("/a", 1)]);
    let mut effects = Vec::new();
    let inline = Some(lab.fetched(call, 0, "/a", 2));
    let part = Part::Event { event: updated(101, "/a", 2), inline };
    lab.machine.step(lab.now, Event::Part { call, part }, &mut effects);
    for effect in effects {
        if let Effect::Commit { changes, .. } = effect {
            lab.rows.apply(&changes);
        }
    }
    let path = RemotePath::parse("/a").unwrap();
    let placing = |lab: &Lab| {
        let key = RowKey { unit: UNIT, of: Of::Entry(path.clone()) };
        match Row::decode(lab.rows.get(&key).unwrap()).unwrap().value {
            Value::Entry(_, row) => row.placing,
            _ => None,
        }
    };
    let two = Some(Version { revision: Revision("rev_2".into()), hash: hash(2) });
    assert_eq!(placing(&lab), two);
    lab.disk_denies = true;
    lab.kill();
    let call = lab.request("stream");
    lab.part(call, Part::Opened);
    event(&mut lab, call, updated(101, "/a", 2), Some((0, 2)));
    assert_eq!(placing(&lab), two, "{}", lab.story);
    let looked = |effect: &&Effect| matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. });
    assert!(lab.effects.iter().any(|effect| looked(&effect)));
}
