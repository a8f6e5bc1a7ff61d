//! The brake on deletes counts what belongs together, however it is told.
mod lab;
use lab::*;
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Outcome, Part};
use landfall_core::id::CallId;
use landfall_core::path::RemotePath;
use landfall_core::row::{Of, RowKey};
use landfall_core::time::Ms;

/// 24 files, of which 12 may go without a person, and an open stream.
fn streaming() -> (Lab, CallId) {
    let names: Vec<String> = (0..24).map(|n| format!("/f{n:02}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(String::as_str).zip(1..).collect();
    let mut lab = Lab::streaming_in_step_with(&files);
    let call = lab.request("stream after evt_100");
    lab.part(call, Part::Opened);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    lab.story.clear();
    (lab, call)
}

/// The stream tells that one file after the other was deleted.
fn deletes(lab: &mut Lab, stream: CallId, files: std::ops::Range<u64>, between: Ms) {
    for n in files {
        let event = deleted(101 + n, &format!("/f{n:02}"));
        lab.part(stream, Part::Event { event, inline: None });
        lab.wait(between);
        lab.part(stream, Part::Alive);
    }
}

#[test]
fn deletes_that_a_stream_tells_one_by_one_are_counted_together() {
    let (mut lab, stream) = streaming();
    deletes(&mut lab, stream, 0..13, Ms(100));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.trash.len(), 0, "{}", lab.story);
    assert_eq!(lab.status().brakes.len(), 1, "{}", lab.story);
}

#[test]
fn deletes_of_the_last_minute_count_with_the_next() {
    let (mut lab, stream) = streaming();
    deletes(&mut lab, stream, 0..13, Ms::secs(3));
    assert_eq!(lab.trash.len(), 12, "twelve may go, the next waits\n{}", lab.story);
    assert_eq!(lab.status().brakes.len(), 1, "{}", lab.story);
}

/// They were counted and let go, and the process was killed first. The next one asks the server
/// and counts anew.
#[test]
fn deletes_that_were_let_go_before_a_kill_are_counted_anew() {
    let (mut lab, stream) = streaming();
    lab.hold = Some(|effect| is_remove(effect) || is_seal(effect));
    deletes(&mut lab, stream, 0..3, Ms(100));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.held.iter().filter(|effect| is_remove(effect)).count(), 3, "{}", lab.story);
    lab.hold = None;
    lab.kill();
    lab.wait(Ms::secs(5));
    assert_eq!(lab.trash.len(), 0, "nobody asked the feed yet\n{}", lab.story);
    let events = (0..3).map(|n| deleted(101 + n, &format!("/f{n:02}"))).collect();
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(3));
    assert_eq!(lab.trash.len(), 3, "{}", lab.story);
}

#[test]
fn one_delete_is_carried_out_a_moment_after_it_was_told() {
    let (mut lab, stream) = streaming();
    deletes(&mut lab, stream, 0..1, Ms(500));
    assert_eq!(lab.trash.len(), 0);
    lab.wait(Ms(500));
    assert_eq!(lab.trash.len(), 1, "{}", lab.story);
}

#[test]
fn a_delete_told_by_a_feed_that_is_lost_before_its_tip_is_not_believed() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 2)]);
    // The server forgot the cursor, and begins at its oldest events: /a was deleted once.
    feed(&mut lab, refused(404, "not_found", ""));
    lab.answer("tip", tip(1));
    let events = vec![deleted(2, "/a")];
    feed(&mut lab, Outcome::Ok(Answer::Events { events, next: None }));
    // Before it tells that /a was made again, it forgets the cursor once more; and the listing
    // leaves /a out.
    feed(&mut lab, refused(404, "not_found", ""));
    lab.answer("tip", tip(103));
    lab.page(&[listed("/b", 2)], None, None);
    feed(&mut lab, no_events());
    lab.wait(Ms::secs(20));
    assert_eq!(lab.trash.len(), 0, "{}", lab.story);
}

fn feed(lab: &mut Lab, outcome: Outcome) {
    until(lab, "events");
    lab.answer("events", outcome);
}

#[test]
fn a_file_that_two_listings_leave_out_is_asked_for_until_no_replica_can_lag_so_long() {
    let mut lab = Lab::new().start();
    let no_feed = || refused(404, "not_found", "");
    lab.answer("tip", no_feed());
    let call = lab.export(&[("/a", 1), ("/b", 2)]);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(2));
    for _ in 0..2 {
        until(&mut lab, "tip");
        lab.answer("tip", no_feed());
        lab.page(&[listed("/b", 2)], None, None);
    }
    until(&mut lab, "read /a");
    lab.answer("read /a", refused(404, "not_found", ""));
    lab.wait(Ms::secs(10));
    assert_eq!(lab.trash.len(), 0, "it may be a replica that lags\n{}", lab.story);
    for _ in 0..300 {
        lab.wait(Ms::secs(2));
        for asked in ["read /a", "tip"] {
            if lab.asked.iter().any(|(_, request)| show(request).starts_with(asked)) {
                lab.answer(asked, refused(404, "not_found", ""));
            }
        }
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("tree")) {
            lab.page(&[listed("/b", 2)], None, None);
        }
    }
    assert_eq!(lab.trash, ["/a"], "{}", lab.story);
}

/// A 500 in between says nothing about the file: the time goes on, and it is asked for as often.
#[test]
fn trouble_between_two_404s_does_not_begin_the_time_anew() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let begin = lab.now.tick;
    let mut reads = 0;
    while lab.trash.is_empty() {
        assert!(lab.now.tick - begin < Ms::mins(8), "{}", lab.story);
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("read /a")) {
            reads += 1;
            let status = if reads % 4 == 0 { 500 } else { 404 };
            lab.answer("read /a", refused(status, "", ""));
        }
    }
    assert!(lab.now.tick - begin >= Ms::mins(5), "{}", lab.story);
}

fn until(lab: &mut Lab, asked: &str) {
    while !lab.asked.iter().any(|(_, request)| show(request).starts_with(asked)) {
        lab.wait(Ms::secs(1));
    }
}

#[test]
fn nothing_goes_before_the_row_that_says_why_is_durable() {
    let (mut lab, stream) = streaming();
    lab.hold = Some(|effect| matches!(effect, Effect::Commit { .. }));
    deletes(&mut lab, stream, 0..1, Ms::secs(5));
    assert_eq!(lab.trash.len(), 0, "a kill now would leave a row of a file that is missing");
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms::secs(1));
    assert_eq!(lab.trash.len(), 1, "{}", lab.story);
}

#[test]
fn a_delete_that_a_read_ran_ahead_of_is_a_doubt() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    feed(&mut lab, Outcome::Ok(Answer::Events { events: vec![updated(101, "/a", 2)], next: None }));
    // Meanwhile it was deleted and made again, and the read shows what it is now.
    lab.read("/a", 4);
    feed(&mut lab, Outcome::Ok(Answer::Events { events: vec![deleted(102, "/a")], next: None }));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.trash.len(), 0, "{}", lab.story);
    lab.read("/a", 4);
    lab.wait(Ms::secs(5));
    // A replica that lags might give that too, if that is what was there before.
    assert!(!lab.status().in_step, "{}", lab.story);
    feed(&mut lab, Outcome::Ok(Answer::Events { events: vec![updated(103, "/a", 4)], next: None }));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.trash.len(), 0, "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

#[test]
fn a_directory_where_a_file_was_is_not_trusted_before_a_seal() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/c", 3)]);
    let events = vec![deleted(101, "/a"), updated(102, "/a/b", 2)];
    feed(&mut lab, Outcome::Ok(Answer::Events { events, next: None }));
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Seal, .. }));
    for _ in 0..60 {
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("read")) {
            lab.read("/a/b", 2);
        }
        lab.wait(Ms(100));
    }
    assert_eq!(lab.trash, ["/a"], "{}", lab.story);
    assert!(lab.disk.contains_key("/a/b"), "{}", lab.story);
    lab.kill();
    lab.wait(Ms(10));
    let row = RowKey { unit: UNIT, of: Of::Entry(RemotePath::parse("/a").unwrap()) };
    assert!(lab.rows.get(&row).is_some(), "a power cut may bring it back\n{}", lab.story);
    lab.hold = None;
    for _ in 0..lab.held.len() {
        lab.release();
    }
    lab.wait(Ms::secs(5));
    assert!(lab.rows.get(&row).is_none(), "{}", lab.story);
}
