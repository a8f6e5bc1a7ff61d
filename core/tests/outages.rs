//! Outages, lids that were closed, and tokens: what a machine says and does while the server does
//! not answer, and how `--once` ends then.
mod lab;
use lab::*;
use landfall_core::config::WorkspaceConfig;
use landfall_core::effect::Exit;
use landfall_core::event::Event;
use landfall_core::id::CommitSeq;
use landfall_core::status::Verdict;
use landfall_core::time::{Ms, Tick};

#[test]
fn an_outage_is_not_complete() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    for _ in 0..3 {
        while lab.asked.iter().any(|(_, r)| show(r).starts_with("read")) {
            lab.answer("read", link_failed());
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(9));
    }
    assert!(lab.disk.is_empty());
    assert!(!lab.mirror_row().complete, "complete, and nothing is there\n{}", lab.story);
}

#[test]
fn an_outage_is_said_although_everything_was_in_step() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let in_step_at = lab.status().in_step_at;
    for _ in 0..60 {
        if lab.asked.iter().any(|(_, r)| show(r).starts_with("events")) {
            lab.answer("events", link_failed());
        }
        lab.wait(Ms::secs(3));
    }
    let status = lab.status();
    assert_eq!((status.verdict, status.in_step), (Verdict::Degraded, false), "{}", lab.story);
    assert!(status.reason.starts_with("the server does not answer the feed"), "{}", status.reason);
    assert!(status.in_step_at.unwrap().0 < in_step_at.unwrap().0 + 60_000);

    for _ in 0..30 {
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(3));
    }
    let status = lab.status();
    assert_eq!((status.verdict, status.in_step), (Verdict::Ok, true), "{}", lab.story);
}

#[test]
fn once_ends_as_unavailable_in_an_outage() {
    let config = WorkspaceConfig { once: true, ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.quiet_feed();
    for _ in 0..40 {
        while lab.asked.iter().any(|(_, r)| show(r).starts_with("read")) {
            lab.answer("read", link_failed());
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(5));
        if lab.exited.is_some() {
            break;
        }
    }
    assert_ne!(lab.exited, Some(landfall_core::effect::Exit::Partial), "{}", lab.story);
}

#[test]
fn a_stall_that_is_over_is_over() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/a", 1)], Some("/a"), None);
    lab.read("/a", 1);
    for _ in 0..30 {
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("tree")) {
            let done = lab.mirror_row().stalls > 0;
            lab.page(&[listed("/a", 1)], (!done).then_some("/a"), None);
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(10));
    }
    let status = lab.status();
    assert!(status.in_step, "{}", lab.story);
    assert_eq!(status.verdict, Verdict::Ok, "{}", status.reason);
}

#[test]
fn a_refused_token_that_was_renewed_is_forgotten() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(401, "unauthorized", ""));
    lab.wait(Ms::secs(70));
    lab.answer("events", no_events());
    lab.wait(Ms::secs(3));
    let status = lab.status();
    assert!(status.in_step);
    assert_eq!(status.verdict, Verdict::Ok, "{}", status.reason);
}

/// A laptop that was closed for a night has not waited ten minutes in vain.
#[test]
fn once_does_not_count_the_time_asleep() {
    let config = WorkspaceConfig { once: true, patience: Ms::mins(10), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.wait(Ms::mins(1));
    lab.now.tick = lab.now.tick + Ms::hours(12);
    lab.step(Event::Wake);
    assert!(lab.told("the computer slept"), "{}", lab.story);
    lab.wait(Ms::mins(8));
    assert_eq!(lab.exited, None, "{}", lab.story);
    lab.wait(Ms::mins(2));
    assert_eq!(lab.exited, Some(landfall_core::effect::Exit::Unavailable), "{}", lab.story);
}

#[test]
fn once_does_not_spin_while_the_store_is_slow() {
    let config = WorkspaceConfig { once: true, patience: Ms::secs(20), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.hold = Some(is_commit);
    lab.answer("tip", tip(100));
    lab.wait(Ms::secs(20));
    let (at, why) = lab.machine.next_wake().unwrap();
    assert!(at > lab.now.tick, "woken at {at:?} for {why:?} while it is {:?}", lab.now.tick);
}

#[test]
fn a_token_that_may_not_read_the_feed_still_gets_its_files() {
    let mut lab = Lab::new().start();
    for _ in 0..60 {
        if lab.asked.iter().any(|(_, r)| show(r) == "tip") {
            lab.answer("tip", refused(403, "forbidden", "missing required scope"));
        }
        lab.wait(Ms::mins(1));
    }
    assert!(
        lab.sent("export") + lab.sent("tree") > 0,
        "an hour of asking for the tip, and nothing listed"
    );
}

#[test]
fn an_interval_without_bound_does_not_overflow() {
    let config = WorkspaceConfig { interval: Ms(u64::MAX), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
}

#[test]
fn a_sleep_is_not_five_failures_of_the_server() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    let all: Vec<_> = names(20).iter().map(|(path, n)| listed(path, *n)).collect();
    lab.page(&all, None, Some(20));
    let before = lab.sent("read");
    // The lid is closed for an hour.
    lab.now.tick = lab.now.tick + Ms::hours(1);
    lab.now.wall.0 += 3_600_000;
    lab.step(Event::Wake);
    assert_eq!(lab.sent("read"), before, "a fleet that wakes does not ask together");
    lab.wait(Ms::secs(6));
    assert!(
        lab.sent("read") > before,
        "{}",
        lab.story.lines().rev().take(12).collect::<Vec<_>>().join("\n")
    );
}

/// A disk that is full lets nothing through, and says so. With `--once` that ends, too.
#[test]
fn once_does_not_wait_for_ever_for_a_store_that_has_no_room() {
    let config = WorkspaceConfig { once: true, patience: Ms::mins(10), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.hold = Some(is_commit);
    lab.answer("tip", tip(100));
    for _ in 0..90 {
        lab.wait(Ms::secs(10));
        lab.step(Event::Stored { store: STORE, upto: CommitSeq(0) });
        if lab.exited.is_some() {
            break;
        }
        let status = lab.status();
        assert!(lab.now.tick < Tick(20_000) || status.verdict == Verdict::Degraded, "{status:?}");
    }
    // Not everything is durable, and it is told so.
    assert_eq!(lab.exited, Some(Exit::Stuck), "{}", lab.story);
    assert!(lab.now.tick < Tick(Ms::mins(11).0), "{:?}", lab.now.tick);
}
