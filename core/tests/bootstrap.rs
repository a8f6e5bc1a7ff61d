//! The first bootstrap, told as stories.
//!
//! Each snapshot stands beside the sentence that says what it must show, written first, and
//! the assertion of the one decision that matters.

mod lab;

use lab::*;
use landfall_core::config::WorkspaceConfig;
use landfall_core::event::{Answer, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::row::Position;
use landfall_core::time::Ms;

#[test]
fn a_good_export_and_a_quiet_feed() {
    // Must show: position, export, count, one look at the feed, in step. Nothing is read twice.
    let lab = Lab::in_step_with(&[("/a", 1), ("/b/c", 2)]);
    assert_eq!(lab.disk["/b/c"], hash(2));
    assert_eq!((lab.sent("read"), lab.sent("tree")), (0, 1));
    assert!(lab.mirror_row().complete && lab.blobs.is_empty());
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_slow_export_yields_to_the_tree_and_keeps_what_arrived() {
    // Must show: after 45 s the export is cancelled, the listing proves the two files that
    // arrived, and only the third is read.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.export(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(46));
    lab.page(&[listed("/a", 1), listed("/b", 2), listed("/c", 3)], None, Some(3));
    lab.read("/c", 3);
    lab.wait(Ms::secs(3));
    assert!(lab.told("the export yields to the tree: its 45 s are up; 2 files are kept"));
    assert_eq!(lab.sent("read"), 1);
    assert_eq!(lab.sent("export"), 1);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_busy_workspace_sends_the_bootstrap_to_the_tree() {
    // Must show: 429 workspace_busy on the export leads to a listing, after a short pause.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(429, "workspace_busy", ""));
    lab.wait(Ms::secs(1));
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.read("/a", 1);
    assert!(lab.told("the export yields to the tree: 429 workspace_busy"));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_rate_limit_pauses_the_gate_and_the_export_is_asked_for_again() {
    // Must show: nothing is sent before Retry-After ended; then the export again, no tree.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    let outcome = Outcome::Failed {
        blame: Blame::Lane,
        why: Fault::Throttled,
        retry_after: Some(Ms::secs(7)),
    };
    lab.answer("export", outcome);
    lab.wait(Ms(6_999));
    assert_eq!(lab.sent("export"), 1);
    lab.wait(Ms(1));
    assert_eq!((lab.sent("export"), lab.sent("tree")), (2, 0));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn an_empty_first_export_is_not_believed() {
    // Must show: the export yields because it was empty; the empty tree is not believed
    // either; only a second empty listing at the same position is.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[]);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, None);
    assert!(lab.told("the listing is not believed on its own word: it shows nothing"));
    assert!(!lab.mirror_row().believed);
    lab.quiet_feed();
    lab.wait(Ms::secs(61));
    lab.page(&[], None, None);
    assert!(lab.told("a second listing agrees and is believed: 0 files"));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn an_empty_listing_deletes_nothing() {
    // Must show: a known cursor is forgotten, the new listing is empty, and every file stays:
    // doubted, listed again, and found again.
    let files: Vec<(String, u8)> = (0..12).map(|n| (format!("/f{n:02}"), n + 1)).collect();
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::in_step_with(&named);
    lab.story.clear();
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    lab.page(&[], None, None);
    assert!(lab.told("the listing is not believed on its own word: it shows nothing"));
    lab.quiet_feed();
    lab.wait(Ms::secs(61));
    let all: Vec<_> = named.iter().map(|(path, n)| listed(path, *n)).collect();
    lab.page(&all, None, Some(12));
    lab.wait(Ms::secs(3));
    assert_eq!((lab.disk.len(), lab.trash.len()), (12, 0));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_server_that_answers_while_nothing_moves_is_a_stall() {
    // Must show: the same page cursor comes back for ever; after 90 s the watchdog says that
    // the server answers and nothing moves, and the listing goes on more slowly.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/a", 1)], Some("/a"), None);
    lab.read("/a", 1);
    for _ in 0..12 {
        if lab.asked.iter().any(|(_, request)| show(request).starts_with("tree")) {
            lab.page(&[listed("/a", 1)], Some("/a"), None);
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(10));
    }
    assert!(lab.told("although the server answers"), "{}", lab.story);
    assert_eq!(lab.mirror_row().stalls, 1);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_power_cut_before_a_seal_tears_a_file_and_nothing_is_lost() {
    // Must show: the file that was not sealed is not what was placed, so it is kept aside and
    // fetched again.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.export(&[("/a", 1)]);
    assert_eq!(lab.disk["/a"], hash(1));
    lab.cut_power();
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.read("/a", 1);
    lab.wait(Ms::secs(3));
    assert!(lab.told("1 of them not sealed before the power was cut"));
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(0xee))]);
    assert_eq!(lab.disk["/a"], hash(1));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_deadline_that_leaves_no_time_for_the_tree_is_clamped() {
    // Must show: the configured export time of 80 s is clamped below 3/4 of the watchdog.
    let config = WorkspaceConfig { export_timeout: Ms::secs(80), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
    lab.wait(Ms::secs(69));
    assert!(
        lab.told("the export time of 1 min 20 s is clamped to 1 min 7 s because of the watchdog")
    );
    assert!(lab.told("the export yields to the tree"));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_hard_cap_clamps_too() {
    let config = WorkspaceConfig { hard_cap: Ms::secs(30), ..Default::default() };
    assert_eq!(config.export_time(), Ms(22_499));
}

#[test]
fn a_poisoned_file_is_set_aside_and_delays_nothing_else() {
    // Must show: both are asked for in one request, which this server does not have, and then each
    // alone; /bad fails again and again with growing waits; /good arrives at once, and the mirror
    // is complete but not in step.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(404, "", ""));
    lab.page(&[listed("/bad", 1), listed("/good", 2)], None, Some(2));
    lab.answer("read-many /bad /good", refused(404, "", ""));
    for _ in 0..3 {
        lab.answer("read /bad", refused(500, "", "boom"));
        if lab.disk.is_empty() {
            lab.read("/good", 2);
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(9));
    }
    assert!(lab.told("set aside /bad (server error 500, failure 3)"), "{}", lab.story);
    assert!(lab.mirror_row().complete);
    assert!(!lab.status().in_step);
    insta::assert_snapshot!(lab.story);
}

#[test]
fn an_unknown_cursor_costs_a_listing_and_loses_nothing() {
    // Must show: the server begins at its oldest event again; the machine notices that it is
    // older than its cursor, takes a new position, lists, and reads only what changed.
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 2)]);
    lab.story.clear();
    lab.wait(Ms::secs(40));
    let events = vec![updated(1, "/a", 1)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: Some("evt_1".into()) }));
    lab.answer("tip", tip(200));
    lab.page(&[listed("/a", 9), listed("/b", 2)], None, Some(2));
    lab.read("/a", 9);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert!(lab.told("the feed was lost (it began again at an older event)"));
    assert_eq!(lab.sent("read"), 1);
    assert_eq!(
        lab.mirror_row().position,
        Some(Position::After(landfall_core::id::EventId("evt_200".into())))
    );
    assert!(lab.status().in_step, "{}\n{:?}", lab.story, lab.status());
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_snapshot_never_overwrites_what_a_later_event_brought() {
    // The tree says /a is version 1, as of evt_100. Before that page arrives, evt_101 brings
    // version 2. The page must not take it back.
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.wait(Ms::secs(29));
    let call = lab.request("tree");
    lab.wait(Ms::secs(10));
    let events = vec![updated(101, "/a", 2), deleted(102, "/b")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/a", 2);
    lab.part(call, landfall_core::event::Part::Entries(vec![listed("/a", 1), listed("/b", 1)]));
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk.get("/a"), Some(&hash(2)));
    assert_eq!(lab.sent("read /b"), 0, "{}", lab.story);
}

/// The export leaves a file out, and another one is deleted before the server counts: as many files
/// as it counts were shown, and one is missing all the same.
#[test]
fn a_delete_does_not_make_up_for_a_file_that_the_export_left_out() {
    let mut lab = Lab::exactly(WorkspaceConfig::default()).start();
    lab.answer("tip", tip(100));
    let stream = lab.request("stream");
    lab.part(stream, Part::Opened);
    let call = lab.export(&[("/a", 1), ("/b", 2)]);
    lab.done(call, Answer::Exported);
    lab.part(stream, Part::Event { event: deleted(101, "/b"), inline: None });
    lab.page(&[], None, Some(2));
    assert!(!lab.told("believed"), "{}", lab.story);
    assert!(lab.told("yields to the tree"), "{}", lab.story);
}

/// The same, and the feed tells of the delete only after the server counted.
#[test]
fn a_delete_that_is_told_late_does_not_make_up_for_it_either() {
    let mut lab = Lab::exactly(WorkspaceConfig::default()).start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[("/a", 1), ("/b", 2)]);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(2));
    assert!(!lab.told("believed"), "{}", lab.story);
    let events = vec![deleted(101, "/b")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    assert!(!lab.told("believed"), "{}", lab.story);
    assert!(lab.told("yields to the tree"), "{}", lab.story);
}

/// A question to the feed that was under way before the count says nothing of what came after.
#[test]
fn the_feed_is_asked_anew_after_the_count() {
    let mut lab = Lab::exactly(WorkspaceConfig::default()).start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(44));
    let before = lab.request("events");
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(2));
    lab.done(before, Answer::Events { events: Vec::new(), next: None });
    assert!(!lab.told("believed"), "{}", lab.story);
    lab.quiet_feed();
    assert!(lab.told("believed"), "{}", lab.story);
}
