//! A feed that does not say all, or says it oddly.
mod lab;
use lab::*;
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::id::EventId;
use landfall_core::time::Ms;
use landfall_core::wire::FeedEvent;

fn events(events: Vec<FeedEvent>, next: Option<&str>) -> Outcome {
    Outcome::Ok(Answer::Events { events, next: next.map(String::from) })
}

/// Answers every look at the feed with an empty page, until it is asked for its newest event or
/// the time is up.
fn silent_until_compared(lab: &mut Lab, time: Ms) -> bool {
    for _ in 0..time.0 / 1000 {
        if lab.asked.iter().any(|(_, request)| show(request) == "tip") {
            return true;
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(1));
    }
    false
}

#[test]
fn a_quiet_feed_is_compared_with_its_newest_event_now_and_then() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let looks = lab.sent("events");
    assert!(silent_until_compared(&mut lab, Ms::mins(12)), "{}", lab.story);
    assert!(lab.sent("events") > looks + 10, "in place of a look, not with each");
    lab.answer("tip", tip(100));
    lab.wait(Ms::mins(1));
    assert!(lab.status().in_step && !lab.told("the feed was lost"), "{}", lab.story);
}

#[test]
fn a_feed_that_keeps_silent_about_news_is_lost() {
    // The server was restored, or compacted its history: nothing follows our cursor for ever.
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    assert!(silent_until_compared(&mut lab, Ms::mins(12)));
    lab.answer("tip", tip(140));
    lab.wait(Ms(1));
    assert!(silent_until_compared(&mut lab, Ms::mins(3)), "{}", lab.story);
    assert!(lab.told("it tells nothing after our cursor, and there is more"), "{}", lab.story);
    lab.answer("tip", tip(140));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    lab.read("/b", 2);
    lab.quiet_feed();
    lab.wait(Ms::secs(5));
    assert!(lab.status().in_step && lab.disk.contains_key("/b"), "{}", lab.story);
}

#[test]
fn an_event_of_the_stream_that_the_feed_does_not_tell_is_found_out() {
    let mut lab = Lab::streaming_in_step_with(&[("/a", 1)]);
    let call = lab.request("stream");
    lab.part(call, Part::Opened);
    lab.quiet_feed();
    lab.part(call, Part::Event { event: updated(105, "/a", 2), inline: None });
    for _ in 0..120 {
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(1));
    }
    assert!(lab.told("it tells nothing after our cursor, and there is more"), "{}", lab.story);
}

#[test]
fn a_history_that_is_shorter_now_is_another() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    assert!(silent_until_compared(&mut lab, Ms::mins(12)));
    lab.answer("tip", tip(40));
    lab.wait(Ms(1));
    lab.answer("events after evt_40", no_events());
    lab.wait(Ms(1));
    assert!(lab.told("it began again at an older event"), "{}", lab.story);
}

#[test]
fn a_server_that_answers_with_its_oldest_event_is_believed_to_have_a_newer_one() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    assert!(silent_until_compared(&mut lab, Ms::mins(12)));
    lab.answer("tip", tip(1));
    lab.wait(Ms(1));
    lab.answer("events after evt_1", events(vec![updated(2, "/x", 3)], Some("evt_2")));
    lab.quiet_feed();
    lab.wait(Ms::mins(1));
    assert!(lab.status().in_step && !lab.told("the feed was lost"), "{}", lab.story);
    assert_eq!(lab.status().files_total, 1, "what was asked for to compare is not taken in");
}

#[test]
fn a_server_that_can_not_tell_its_newest_event_is_not_asked_again_at_once() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    assert!(silent_until_compared(&mut lab, Ms::mins(12)));
    lab.answer("tip", refused(400, "bad_request", "unknown parameter: direction"));
    assert!(!silent_until_compared(&mut lab, Ms::mins(9)), "{}", lab.story);
    assert!(lab.status().in_step && !lab.told("the feed was lost"), "{}", lab.story);
}

#[test]
fn a_short_page_is_not_the_tip_where_the_newest_event_is_known() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    assert!(silent_until_compared(&mut lab, Ms::mins(12)));
    lab.answer("tip", tip(102));
    lab.wait(Ms(1));
    lab.answer("events after evt_100", events(vec![updated(101, "/b", 2)], Some("evt_101")));
    lab.wait(Ms(1));
    lab.answer("events after evt_101", events(vec![updated(102, "/c", 3)], Some("evt_102")));
    lab.read("/b", 2);
    lab.read("/c", 3);
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
}

#[test]
fn an_event_that_lacks_everything_holds_up_nothing() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let nameless = FeedEvent { path: String::new(), ..updated(101, "/b", 2) };
    let torn = FeedEvent { event_id: String::new(), ..nameless.clone() };
    let all = vec![torn.clone(), nameless, updated(102, "/c", 3)];
    lab.answer("events after evt_100", events(all, None));
    lab.read("/c", 3);
    lab.wait(Ms::secs(3));
    assert_eq!((lab.status().files_done, lab.status().refused_names), (2, 1), "{}", lab.story);
    // One that nobody can go on from is not asked for in a storm.
    lab.wait(Ms::secs(40));
    let before = lab.sent("events");
    for _ in 0..60 {
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("events")) {
            lab.answer("events", events(vec![torn.clone()], Some("evt_102")));
        }
        lab.wait(Ms::secs(1));
    }
    assert!(lab.sent("events") < before + 12, "{}", lab.story);
    let last = EventId("evt_102".into());
    assert_eq!(lab.mirror_row().position, Some(landfall_core::row::Position::After(last)));
}

/// There is no event to compare with, and nothing to lose.
#[test]
fn an_empty_workspace_is_left_in_peace() {
    let mut lab = Lab::new().start();
    lab.answer("tip", Outcome::Ok(Answer::Tip(None)));
    for _ in 0..1800 {
        lab.quiet_feed_if_asked();
        match lab.asked.front().map(|(_, request)| show(request)) {
            Some(request) if request.starts_with("tree") => lab.page(&[], None, Some(0)),
            Some(request) if request.starts_with("export") => {
                let call = lab.export(&[]);
                lab.done(call, Answer::Exported);
            }
            _ => {}
        }
        lab.wait(Ms::secs(1));
    }
    assert!(lab.status().in_step && !lab.told("the feed was lost"), "{}", lab.story);
}

/// Each of them has the feed asked at once, and a replica that lags has none of them yet.
#[test]
fn a_feed_that_lags_for_a_second_behind_many_events_is_not_lost() {
    let mut lab = Lab::streaming_in_step_with(&[("/a", 1)]);
    let call = lab.request("stream");
    lab.part(call, Part::Opened);
    lab.quiet_feed();
    let looks = lab.sent("events");
    for n in 102..112 {
        lab.part(call, Part::Event { event: updated(n, "/a", 2), inline: None });
        lab.wait(Ms(100));
        lab.quiet_feed_if_asked();
    }
    assert!(lab.sent("events") >= looks + 6, "{}", lab.story);
    assert!(!lab.told("the feed was lost"), "{}", lab.story);
}

/// A replica that lagged behind the change lags behind the delete too: what it gives then is what was
/// deleted, and nobody would ever tell of that again.
#[test]
fn a_replica_that_lags_does_not_bring_back_what_was_deleted() {
    goes_to_the_trash_whatever_is_read_after_its_delete(2);
}

/// The same where it has not heard of the change either.
#[test]
fn a_replica_that_lags_far_behind_does_not_bring_back_what_was_before() {
    goes_to_the_trash_whatever_is_read_after_its_delete(1);
}

fn goes_to_the_trash_whatever_is_read_after_its_delete(version: u8) {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    // A replica still has the first version.
    for _ in 0..2 {
        lab.read("/a", 1);
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(25));
    }
    lab.quiet_feed_if_asked();
    lab.read("/a", 1);
    lab.wait(Ms::secs(1));
    let events = vec![deleted(102, "/a")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/a", version);
    lab.wait(Ms::secs(1));
    assert_eq!(lab.disk["/a"], hash(1), "{}", lab.story);
    for _ in 0..30 {
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(20));
        if lab.asked.iter().any(|(_, request)| show(request) == "read /a") {
            lab.answer("read /a", refused(404, "", ""));
        }
    }
    lab.quiet_feed_if_asked();
    assert_eq!(lab.trash, ["/a"], "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// The export showed what was changed after the position that was taken. It breaks off, and a
/// replica that lags lists what was there before. What the feed tells of that position on decides.
#[test]
fn of_two_snapshots_that_disagree_the_feed_says_which_is_older() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[("/a", 2), ("/b", 1)]);
    lab.wait(Ms(1));
    lab.step(Event::Done { call, outcome: link_failed() });
    while !lab.asked.iter().any(|(_, request)| show(request).starts_with("tree")) {
        lab.wait(Ms::secs(1));
        for (path, n) in [("/a", 2), ("/b", 1)] {
            assert_eq!(lab.disk[path], hash(n), "{}", lab.story);
        }
    }
    lab.page(&[listed("/a", 1), listed("/b", 1)], None, Some(2));
    lab.wait(Ms(1));
    if lab.asked.iter().any(|(_, request)| show(request).starts_with("read /a")) {
        lab.read("/a", 1);
        lab.wait(Ms(1));
    }
    assert_eq!(lab.disk["/a"], hash(2), "{}", lab.story);
    lab.answer("events", events(vec![updated(101, "/a", 2)], None));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk["/a"], hash(2), "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// A feed that tells its past says nothing for once, and a replica that lags calls an older event the
/// newest. One time is not enough to take that for the end.
#[test]
fn an_older_event_that_is_called_the_newest_once_ends_no_past() {
    let mut lab = Lab::in_step_with(&[("/a", 5)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 5)], None, Some(1));
    lab.wait(Ms(1));
    lab.answer("events", events(vec![updated(2, "/a", 4)], Some("evt_2")));
    for _ in 0..2 {
        lab.wait(Ms::secs(5));
        lab.answer("events", events(vec![], Some("evt_2")));
        lab.wait(Ms(1));
        assert_eq!(lab.sent("read"), 0, "{}", lab.story);
        lab.answer("tip", tip(1));
    }
    // It goes on doing so: nobody can know more, and the file is asked for.
    lab.wait(Ms(1));
    lab.request("read /a");
}
