//! What people change here reaches the server, once, and nothing is dropped without a trace.
mod lab;
use lab::*;
use landfall_core::config::WorkspaceConfig;
use landfall_core::effect::{DiskOp, Effect, Exit, Push, Request};
use landfall_core::event::{Answer, Event, Hint, OpState, Order, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Hold, Unsent};
use landfall_core::files::plan::SyncMode;
use landfall_core::id::{CallId, CommandId, OpId, Revision};
use landfall_core::path::RemotePath;
use landfall_core::row::{Row, Value};
use landfall_core::time::Ms;
use landfall_core::wire::FeedEvent;

fn rows(lab: &Lab) -> Vec<Value> {
    let rows = lab.rows.rows();
    rows.iter().map(|row| Row::decode(row).unwrap().value).collect()
}

fn intents(lab: &Lab) -> usize {
    rows(lab).iter().filter(|value| matches!(value, Value::Intent(..))).count()
}

fn letters(lab: &Lab) -> Vec<CommandId> {
    let letter = |value| match value {
        Value::Letter(command, _) => Some(command),
        _ => None,
    };
    rows(lab).into_iter().filter_map(letter).collect()
}

/// The command of the write that waits for its answer.
fn command(lab: &Lab, like: &str) -> CommandId {
    let (_, request) = lab.asked.iter().find(|(_, r)| show(r).starts_with(like)).unwrap();
    match request {
        Request::PushMany { files } => files[0].command.clone(),
        Request::Push(file) => file.command.clone(),
        Request::PushDelete { command, .. } => command.clone(),
        other => panic!("{other:?}"),
    }
}

/// The server writes every file of a bulk write. `revision`: the last one that it gave.
fn take_all(lab: &mut Lab, call: CallId, files: &[Push], revision: &mut u32) {
    for file in files {
        *revision += 1;
        let (path, revision) = (file.path.to_string(), Revision(format!("rev_{revision}").into()));
        lab.part(call, Part::Wrote { path, revision, op: None });
    }
    lab.done(call, Answer::WroteMany);
}

/// The server has another version of /a than the one that was changed.
fn conflict(lab: &mut Lab, like: &str) {
    let call = lab.request(like);
    let (path, blame, why) = ("/a".to_string(), Blame::Payload, Fault::Conflict);
    lab.part(call, Part::Refused { path, blame, why });
    lab.done(call, Answer::WroteMany);
}

fn rejected(status: u16) -> Outcome {
    let why = Fault::Rejected { status, said: "invalid input".into() };
    Outcome::Failed { blame: Blame::Payload, why, retry_after: None }
}

/// It must show: the copy is staged, the intent is durable before anything is sent, it is sent
/// with the revision that it was based on, and the echo in the feed changes nothing.
#[test]
fn an_edit_is_sent_with_the_version_that_it_was_based_on() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    let since = lab.effects.len();
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    assert_eq!(intents(&lab), 1);
    let sent = lab.effects[since..]
        .iter()
        .position(|e| matches!(e, Effect::Ask { request: Request::PushMany { .. }, .. }))
        .expect("it is sent");
    let committed = lab.effects[since..]
        .iter()
        .position(|e| matches!(e, Effect::Commit { .. }))
        .expect("it is stored");
    assert!(committed < sent, "the intent is durable before it is sent");
    lab.wrote("bulk /a v9 if rev_1", &[("/a", "rev_50")]);
    lab.wait(Ms::secs(3));
    assert_eq!(intents(&lab), 0);
    assert!(lab.blobs.is_empty(), "the copy is gone");
    assert!(lab.status().in_step, "{}", lab.story);
    lab.wait(Ms::secs(40));
    let mut echo = updated(101, "/a", 9);
    echo.revision = "rev_50".into();
    lab.answer("events", Outcome::Ok(Answer::Events { events: vec![echo], next: None }));
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("read"), 0, "an echo is no news");
    assert_eq!(lab.disk["/a"], hash(9));
    insta::assert_snapshot!(lab.story);
}

#[test]
fn a_new_file_is_made_only_where_nothing_is() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/new", 7);
    lab.wait(Ms(20));
    lab.wrote("bulk /new v7 if 0", &[("/new", "rev_60")]);
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
}

/// An editor writes in pieces: nothing is sent before it is quiet.
#[test]
fn a_file_that_is_being_written_is_left_alone() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    for n in 10..15 {
        lab.put("/a", hash(n));
        lab.hears(Hint::Written(RemotePath::parse("/a").unwrap()));
        lab.wait(Ms(60));
    }
    assert_eq!(lab.sent("bulk"), 0);
    lab.wait(Ms(60));
    lab.request("bulk /a v14 if rev_1");
}

#[test]
fn what_nobody_heard_of_is_found_by_the_scan() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.put("/a", hash(9));
    lab.put("/d/new", hash(8));
    lab.wait(Ms::mins(5));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(1));
    lab.request("bulk /a v9 if rev_1");
    lab.request("bulk /d/new v8 if 0");
}

#[test]
fn an_answer_that_is_lost_leads_to_the_same_command_again() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let first = command(&lab, "bulk");
    let call = lab.request("bulk");
    lab.step(Event::Done { call, outcome: link_failed() });
    lab.wait(Ms::secs(3));
    assert_eq!(command(&lab, "bulk /a v9 if rev_1"), first);
    // A kill does not change that either, nor does a newer edit.
    lab.put("/a", hash(10));
    lab.kill();
    lab.wait(Ms::secs(3));
    assert_eq!(command(&lab, "bulk /a v9 if rev_1"), first);
    lab.wrote("bulk", &[("/a", "rev_50")]);
    lab.wait(Ms(1));
    lab.wrote("bulk /a v10 if rev_50", &[("/a", "rev_51")]);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
}

/// It must show: one bad file among many is found by halving, is charged alone, and becomes a
/// dead letter after five refusals, while the others go through.
#[test]
fn one_bad_file_of_many_becomes_a_dead_letter_alone() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.hold = Some(is_commit);
    for (path, n) in [("/b", 11), ("/c", 12), ("/d", 13), ("/e", 14)] {
        lab.saves(path, n);
    }
    lab.wait(Ms(20));
    lab.release_commits();
    let mut revision = 100;
    for _ in 0..60 {
        while let Some((call, request)) = lab.asked.pop_front() {
            let Request::PushMany { files } = &request else { continue };
            let paths: Vec<String> = files.iter().map(|file| file.path.to_string()).collect();
            if paths.contains(&"/c".to_string()) {
                lab.say(&format!("← 400 for {}", paths.join(" ")));
                lab.step(Event::Done { call, outcome: rejected(400) });
                continue;
            }
            take_all(&mut lab, call, files, &mut revision);
        }
        lab.wait(Ms(500));
    }
    let letters = letters(&lab);
    assert_eq!(letters.len(), 1, "{}", lab.story);
    assert_eq!(lab.blobs.len(), 1, "its bytes are kept");
    assert_eq!(lab.status().outbox.dead, 1);
    assert_eq!(intents(&lab), 0);
    insta::assert_snapshot!(lab.story);

    // Nothing more is sent by itself, also after a restart.
    let sent = lab.sent("bulk");
    lab.kill();
    lab.wait(Ms::mins(1));
    assert_eq!(lab.sent("bulk"), sent, "{}", lab.story);

    // A person wants it tried again, and it goes through: the letter is over.
    lab.step(Event::Told { unit: UNIT, order: Order::Retry(Some(letters[0].clone())) });
    lab.wait(Ms(1));
    lab.wrote("bulk /c v12 if 0", &[("/c", "rev_200")]);
    assert!(self::letters(&lab).is_empty() && lab.blobs.is_empty(), "{}", lab.story);
}

#[test]
fn a_newer_edit_of_a_dead_letter_is_sent_and_ends_it() {
    let (mut lab, _) = dead();
    lab.saves("/a", 10);
    lab.wait(Ms(20));
    lab.wrote("bulk /a v10 if rev_1", &[("/a", "rev_50")]);
    assert!(letters(&lab).is_empty() && lab.blobs.is_empty(), "{}", lab.story);
}

/// 429s, 5xx and broken links are nobody's fault, however many.
#[test]
fn trouble_of_the_server_never_makes_a_dead_letter() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    let first = {
        lab.wait(Ms(20));
        command(&lab, "bulk")
    };
    let mut failures = 0;
    for n in 0..200 {
        lab.wait(Ms::secs(10));
        lab.quiet_feed_if_asked();
        if lab.asked.iter().any(|(_, r)| show(r).starts_with("bulk")) {
            assert_eq!(command(&lab, "bulk"), first);
            let outcome = [refused(429, "rate_limited", ""), refused(503, "", ""), link_failed()];
            let call = lab.request("bulk");
            lab.step(Event::Done { call, outcome: outcome[n % 3].clone() });
            failures += 1;
        }
    }
    assert!(failures > 20, "it is tried again and again: {failures}");
    assert!(letters(&lab).is_empty());
    assert_eq!(intents(&lab), 1);
}

#[test]
fn a_write_that_is_denied_keeps_the_bytes_and_says_so_once() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk");
    let (path, blame, why) = ("/a".to_string(), Blame::Payload, Fault::Forbidden);
    lab.part(call, Part::Refused { path, blame, why });
    lab.done(call, Answer::WroteMany);
    lab.wait(Ms::mins(1));
    lab.quiet_feed_if_asked();
    assert_eq!(lab.disk["/a"], hash(9));
    assert_eq!((lab.sent("bulk"), lab.status().outbox.unsent), (1, 1), "{}", lab.story);
    // Other bytes are tried at once.
    lab.saves("/a", 10);
    lab.wait(Ms(20));
    lab.wrote("bulk /a v10 if rev_1", &[("/a", "rev_50")]);
    assert_eq!(lab.status().outbox.unsent, 0);
}

/// Both changed it: the server's version is placed, and the bytes of here are kept.
#[test]
fn a_conflict_keeps_both() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    conflict(&mut lab, "bulk");
    lab.wait(Ms(1));
    lab.read("/a", 5);
    lab.wait(Ms::secs(1));
    assert_eq!(lab.disk["/a"], hash(5), "{}", lab.story);
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(9))]);
    assert_eq!(intents(&lab), 0);
}

/// A delete there never wins over an edit here.
#[test]
fn an_edit_wins_over_a_delete() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    conflict(&mut lab, "bulk /a v9 if rev_1");
    lab.wait(Ms(1));
    let events = vec![deleted(101, "/a")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.answer("read /a", refused(404, "not_found", ""));
    lab.wait(Ms::secs(3));
    lab.wrote("bulk /a v9 if 0", &[("/a", "rev_50")]);
    assert_eq!(lab.disk["/a"], hash(9));
    assert!(lab.trash.is_empty() && lab.conflicts.is_empty(), "{}", lab.story);
}

/// A directory that is moved is not forty deletes.
#[test]
fn files_that_moved_do_not_count_as_deleted() {
    let files: Vec<(String, u8)> = names(40);
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::two_way(&named);
    for (path, n) in &files {
        lab.saves(&format!("/moved{path}"), *n);
        lab.deletes(path);
    }
    let mut revision = 100;
    for _ in 0..20 {
        lab.wait(Ms(200));
        while let Some(at) =
            lab.asked.iter().position(|(_, r)| matches!(r, Request::PushMany { .. }))
        {
            let (call, Request::PushMany { files }) = lab.asked.remove(at).unwrap() else {
                panic!()
            };
            take_all(&mut lab, call, &files, &mut revision);
        }
    }
    assert!(lab.status().brakes.is_empty(), "{}", lab.story);
    assert!(lab.sent("delete") > 0);
}

/// A lab in which `/a` was edited, and the server took the edit and works on it as `op_5`.
fn accepted() -> Lab {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk");
    let (path, revision) = ("/a".to_string(), Revision("rev_50".into()));
    lab.part(call, Part::Wrote { path, revision, op: Some(OpId("op_5".into())) });
    lab.done(call, Answer::WroteMany);
    lab
}

/// An accepted write is not delivered before the server says that it was carried out.
#[test]
fn a_receipt_is_collected_and_a_failure_there_is_a_dead_letter() {
    let mut lab = accepted();
    lab.wait(Ms(1));
    assert!(!lab.status().in_step && lab.status().outbox.owed == 1);
    // It does not know it yet, and then it is pending.
    let call = lab.request("op op_5");
    lab.step(Event::Done { call, outcome: refused(404, "not_found", "") });
    lab.wait(Ms::secs(2));
    let call = lab.request("op op_5");
    lab.done(call, Answer::Op(OpState::Pending));
    lab.kill();
    lab.wait(Ms::secs(2));
    let call = lab.request("op op_5");
    lab.done(call, Answer::Op(OpState::Failed("dead_lettered".into())));
    assert_eq!(letters(&lab).len(), 1, "{}", lab.story);
    assert_eq!(lab.blobs.len(), 1, "its bytes are kept");
    // Tried again, it is a new write on top of the one that failed there.
    lab.quiet_feed_if_asked();
    lab.step(Event::Told { unit: UNIT, order: Order::Retry(None) });
    lab.wait(Ms(1));
    lab.wrote("bulk /a v9 if rev_50", &[("/a", "rev_51")]);
    assert!(letters(&lab).is_empty() && lab.blobs.is_empty(), "{}", lab.story);
}

#[test]
fn a_letter_that_is_discarded_is_given_up_and_the_file_stays() {
    let (mut lab, letter) = dead();
    lab.step(Event::Told { unit: UNIT, order: Order::Discard(letter) });
    lab.wait(Ms::mins(1));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(3));
    assert!(letters(&lab).is_empty() && lab.blobs.is_empty());
    assert_eq!((lab.disk["/a"], lab.sent("bulk")), (hash(9), 5));
    assert!(lab.status().in_step, "{}", lab.story);
}

/// What was given up is not sent as a part of something else.
#[test]
fn what_was_given_up_is_not_merged() {
    let (mut lab, letter) = dead();
    lab.merges = Some(hash(14));
    lab.step(Event::Told { unit: UNIT, order: Order::Discard(letter) });
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 5)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/a", 5);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(9))], "{}", lab.story);
    assert_eq!((lab.disk["/a"], lab.sent("bulk")), (hash(5), 5), "{}", lab.story);
}

/// A lab in which `/a` was edited and the edit is a dead letter.
fn dead() -> (Lab, CommandId) {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    refused_for_good(&mut lab);
    let letter = letters(&lab)[0].clone();
    (lab, letter)
}

fn refused_for_good(lab: &mut Lab) {
    for _ in 0..5 {
        lab.wait(Ms::secs(20));
        lab.quiet_feed_if_asked();
        let call = lab.request("bulk /a v9");
        lab.step(Event::Done { call, outcome: rejected(422) });
    }
}

/// An order that waited for the start is carried out as soon as the file was looked at, instead
/// of being answered with "it is something else by now".
#[test]
fn a_retry_before_the_first_look_waits_for_it() {
    let (mut lab, letter) = dead();
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { .. }));
    lab.kill();
    lab.step(Event::Told { unit: UNIT, order: Order::Retry(Some(letter)) });
    let sent = lab.sent("bulk");
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms(1));
    assert_eq!(lab.sent("bulk"), sent + 1, "{}", lab.story);
    lab.wrote("bulk /a v9", &[("/a", "rev_50")]);
    assert!(letters(&lab).is_empty() && lab.blobs.is_empty(), "{}", lab.story);
}

#[test]
fn a_retry_that_is_refused_again_leaves_one_letter() {
    let (mut lab, letter) = dead();
    lab.step(Event::Told { unit: UNIT, order: Order::Retry(Some(letter.clone())) });
    refused_for_good(&mut lab);
    let now = letters(&lab);
    assert_eq!((now.len(), lab.blobs.len()), (1, 1), "{}", lab.story);
    assert_ne!(now[0], letter);
}

/// A try that nobody had an answer to was carried out late, and the feed told of it.
#[test]
fn a_letter_whose_bytes_arrived_after_all_is_over_when_it_is_tried_again() {
    let (mut lab, letter) = dead();
    let (before, events) = (lab.sent("bulk"), vec![updated(101, "/a", 9)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.step(Event::Told { unit: UNIT, order: Order::Retry(Some(letter)) });
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("bulk"), letters(&lab).len()), (before, 0), "{}", lab.story);
    assert!(lab.status().in_step && lab.blobs.is_empty(), "{}", lab.story);
}

/// Somebody else wrote the file since: both are kept, and theirs stays on the server.
#[test]
fn a_retry_does_not_overwrite_what_somebody_else_wrote() {
    for refused_first in [false, true] {
        let (mut lab, letter) = dead();
        let (before, events) = (lab.sent("bulk"), vec![updated(101, "/a", 5)]);
        lab.wait(Ms::secs(40));
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
        if refused_first {
            lab.answer("read /a", link_failed());
        }
        lab.step(Event::Told { unit: UNIT, order: Order::Retry(Some(letter)) });
        for _ in 0..60 {
            if lab.asked.iter().any(|(_, request)| show(request) == "read /a") {
                lab.read("/a", 5);
            }
            lab.quiet_feed_if_asked();
            lab.wait(Ms::secs(1));
        }
        assert_eq!(lab.sent("bulk"), before, "{}", lab.story);
        assert_eq!(lab.disk.get("/a"), Some(&hash(5)), "{}", lab.story);
        assert_eq!((lab.conflicts.len(), letters(&lab).len()), (1, 1), "both are kept");
    }
}

/// A file that the listing may still show is not made before the listing is complete.
#[test]
fn files_that_are_here_first_wait_for_the_listing() {
    let mode = landfall_core::files::plan::SyncMode::Mirror;
    let mut lab = Lab::with(landfall_core::config::WorkspaceConfig { mode, ..Default::default() });
    lab.put("/a", hash(1));
    lab.put("/mine", hash(2));
    let mut lab = lab.start();
    lab.answer("tip", tip(100));
    lab.wait(Ms(500));
    assert_eq!(lab.sent("bulk"), 0);
    let call = lab.export(&[("/a", 1)]);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(1));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    lab.wrote("bulk /mine v2 if 0", &[("/mine", "rev_9")]);
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
    let looks =
        lab.effects.iter().filter(|e| matches!(e, Effect::Disk { op: DiskOp::Stage { .. }, .. }));
    assert_eq!(looks.count(), 1, "what is equal on both sides is not sent");
}

/// The feed was faster than the answer that says that another version is there. What it told is
/// not forgotten, whatever a replica that lags gives.
#[test]
fn a_conflict_that_the_feed_told_of_is_no_question() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk /a v9 if rev_1");
    let events = vec![updated(101, "/a", 5)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let (path, why) = ("/a".to_string(), Fault::Conflict);
    lab.part(call, Part::Refused { path, blame: Blame::Unknown, why });
    lab.done(call, Answer::WroteMany);
    lab.read("/a", 4);
    lab.wait(Ms::secs(3));
    assert!(!lab.status().in_step, "the feed said rev_5\n{}", lab.story);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(15));
    lab.read("/a", 5);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/a"], hash(5), "{}", lab.story);
}

/// The server has another version than the one that was changed, and a replica that lags gives
/// just that one. It is asked again in a while, and nothing is sent before.
#[test]
fn a_conflict_and_a_replica_that_lags_do_not_go_round() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    conflict(&mut lab, "bulk");
    lab.wait(Ms(1));
    lab.read("/a", 1);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(4));
    assert_eq!((lab.sent("bulk"), lab.sent("read")), (1, 1), "{}", lab.story);
    lab.wait(Ms::secs(10));
    lab.quiet_feed_if_asked();
    lab.read("/a", 5);
    lab.wait(Ms::secs(1));
    assert_eq!(lab.disk["/a"], hash(5), "{}", lab.story);
    assert_eq!(lab.conflicts, [("/a".to_string(), hash(9))]);
}

/// The feed was lost, and fails ever since. What is written here is sent all the same, also over
/// what was sent before.
#[test]
fn a_feed_that_fails_holds_up_nothing_that_is_written_here() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    lab.wait(Ms(1));
    lab.answer("events", refused(500, "", ""));
    lab.saves("/a", 9);
    lab.wait(Ms(200));
    lab.wrote("bulk /a v9 if rev_1", &[("/a", "rev_50")]);
    lab.saves("/a", 10);
    lab.wait(Ms(200));
    lab.wrote("bulk /a v10 if rev_50", &[("/a", "rev_51")]);
    lab.deletes("/a");
    lab.wait(Ms::secs(3));
    lab.request("delete /a if rev_51");
}

#[test]
fn a_body_that_goes_out_is_not_cut_off_and_one_that_stops_is() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk /a v9 if rev_1");
    for _ in 0..20 {
        lab.wait(Ms::secs(40));
        lab.quiet_feed_if_asked();
        lab.part(call, Part::Alive);
    }
    assert!(!lab.effects.contains(&Effect::Cancel { call }), "{}", lab.story);
    lab.wait(Ms::secs(61));
    assert!(lab.effects.contains(&Effect::Cancel { call }), "{}", lab.story);
}

#[test]
fn what_was_too_large_is_sent_when_the_limit_was_raised() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.config.workspaces[0].1.max_file = 5;
    lab.kill();
    lab.saves("/a", 9);
    lab.wait(Ms::secs(1));
    assert!(intents(&lab) == 0 && !lab.status().in_step, "{}", lab.story);
    lab.config.workspaces[0].1.max_file = 10;
    lab.kill();
    lab.wait(Ms::secs(1));
    lab.request("bulk /a v9 if rev_1");
}

/// What was sent is in step, and the server failed to carry it out: that is no success.
#[test]
fn once_does_not_succeed_with_a_dead_letter() {
    let mut lab = accepted();
    lab.config.workspaces[0].1.once = true;
    lab.kill();
    lab.wait(Ms::secs(2));
    lab.quiet_feed_if_asked();
    let call = lab.request("op op_5");
    lab.done(call, Answer::Op(OpState::Failed("dead_lettered".into())));
    for _ in 0..5 {
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(letters(&lab).len(), 1, "{}", lab.story);
    assert_eq!(lab.exited, Some(Exit::Partial), "{}", lab.story);
}

/// The server took a write, and failed to carry it out. What somebody else wrote since is not
/// overwritten by a retry, however it is that it was not fetched yet.
#[test]
fn a_retry_of_what_was_accepted_does_not_overwrite_what_somebody_else_wrote() {
    for mode in [SyncMode::Mirror, SyncMode::WriteOnly] {
        let mut lab = accepted();
        lab.wait(Ms(1));
        let call = lab.request("op op_5");
        lab.done(call, Answer::Op(OpState::Failed("dead_lettered".into())));
        lab.config.workspaces[0].1.mode = mode;
        lab.kill();
        lab.wait(Ms::secs(1));
        let events = vec![updated(101, "/a", 50), updated(102, "/a", 51)];
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
        if mode == SyncMode::Mirror {
            lab.wait(Ms(1));
            lab.answer("read /a", link_failed());
        }
        let before = lab.sent("bulk");
        lab.step(Event::Told { unit: UNIT, order: Order::Retry(None) });
        lab.wait(Ms::secs(5));
        assert_eq!((lab.sent("bulk"), letters(&lab).len()), (before, 1), "{}", lab.story);
        assert!(lab.told("is not sent"), "{}", lab.story);
    }
}

/// Where the mirror only writes, an export tells what the server has, and nothing comes of its bytes.
#[test]
fn where_nothing_is_fetched_an_export_places_nothing() {
    let config = WorkspaceConfig { mode: SyncMode::WriteOnly, ..WorkspaceConfig::default() };
    let mut lab = Lab::with(config);
    lab.put("/b", hash(2));
    lab.put("/c", hash(7));
    let mut lab = lab.start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[("/a", 1), ("/b", 2), ("/c", 3)]);
    lab.done(call, Answer::Exported);
    lab.wait(Ms::secs(5));
    assert!(!lab.disk.contains_key("/a") && lab.blobs.is_empty(), "{}", lab.story);
    assert_eq!((lab.disk["/b"], lab.disk["/c"]), (hash(2), hash(7)));
    assert_eq!((lab.sent("read"), lab.sent("bulk")), (0, 0), "{}", lab.story);
}

/// What changed on both sides can not be brought together where nothing is written here. It is not
/// sent, which a person is told; and `--once` has not done all of its work.
#[test]
fn where_nothing_is_written_here_a_conflict_waits_for_a_person() {
    let config =
        WorkspaceConfig { mode: SyncMode::WriteOnly, once: true, ..WorkspaceConfig::default() };
    let mut lab = Lab::with(config);
    lab.put("/b", hash(2));
    lab.put("/c", hash(7));
    let mut lab = lab.start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/b", 2), listed("/c", 3)], None, Some(2));
    while lab.exited.is_none() {
        lab.wait(Ms(100));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(lab.exited, Some(Exit::Partial), "{}", lab.story);
    assert_eq!(lab.disk["/c"], hash(7));
    let held = rows(&lab).into_iter().find_map(|value| match value {
        Value::Entry(path, row) if path.as_str() == "/c" => row.hold,
        _ => None,
    });
    let both = Hold::Unsent { what: Some(hash(7)), why: Unsent::BothMoved };
    assert_eq!(held, Some(both), "{}", lab.story);
}

/// A server that does not let us ask what became of one write does not let us ask about any: one
/// question in a minute is enough to find out that we may.
#[test]
fn who_may_not_ask_what_became_of_its_writes_hardly_does() {
    let mut lab = Lab::two_way(&[("/z", 1)]);
    (0..40).for_each(|n| lab.saves(&format!("/new{n:02}"), 9));
    while lab.status().outbox.owed < 40 {
        lab.wait(Ms(50));
        let find = |request: &Request| match request {
            Request::PushMany { files } => Some(files.clone()),
            _ => None,
        };
        let files = lab.asked.iter().find_map(|(_, request)| find(request)).expect("a write");
        let call = lab.request("bulk");
        for file in files {
            let path = file.path.to_string();
            let (revision, op) = (Revision("rev_9".into()), Some(OpId(format!("op_{path}"))));
            lab.part(call, Part::Wrote { path, revision, op });
        }
        lab.done(call, Answer::WroteMany);
    }
    for _ in 0..15 * 60 {
        lab.quiet_feed_if_asked();
        while lab.asked.iter().any(|(_, request)| show(request).starts_with("op")) {
            lab.answer("op", refused(403, "forbidden", "missing required scope: ops:read"));
        }
        lab.wait(Ms::secs(1));
    }
    assert!((10..=30).contains(&lab.sent("op")), "{} questions", lab.sent("op"));
    assert!(lab.told("does not say what became of"), "{}", lab.story);
    assert!(lab.status().in_step, "{:?}", lab.status());
}

/// A new file is sent, version 9. The feed tells that `made` was made there, and what came `next`,
/// before the write is answered.
fn told_before_our_answer(made: u8, next: FeedEvent) -> Lab {
    let mut lab = Lab::two_way(&[("/z", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk /a v9 if 0");
    lab.wait(Ms::secs(40));
    let mut made = updated(101, "/a", made);
    made.kind = "file.created".into();
    let events = vec![made, next];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let (path, revision) = ("/a".to_string(), Revision("rev_9".into()));
    lab.part(call, Part::Wrote { path, revision, op: None });
    lab.done(call, Answer::WroteMany);
    lab.wait(Ms(20));
    lab
}

/// Somebody else made the same file and deleted it again, which the feed tells before our write is
/// answered. It was written after that, or it would have met something.
#[test]
fn what_was_made_and_deleted_there_before_ours_takes_nothing_away_here() {
    let mut lab = told_before_our_answer(5, deleted(102, "/a"));
    lab.read("/a", 9);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk["/a"], hash(9), "{}", lab.story);
    assert!(!lab.told("to the trash"), "{}", lab.story);
}

/// Somebody wrote over our new file before we heard that it was taken. What the feed told of that
/// is not forgotten with the answer, and a replica that lags does not take it back.
#[test]
fn what_was_written_over_ours_before_we_heard_of_ours_is_fetched() {
    let mut lab = told_before_our_answer(9, updated(102, "/a", 7));
    lab.read("/a", 9);
    lab.wait(Ms::secs(20));
    lab.read("/a", 7);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk["/a"], hash(7), "{}", lab.story);
}

/// Our write was taken, somebody wrote over it, and the feed was lost before we heard of either.
/// What the server answers when the write is sent again is of the past, and no feed tells what came
/// after: the file is read, and not put over theirs.
#[test]
fn an_answer_from_before_the_feed_was_lost_is_no_news() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    lab.request("bulk /a v9 if rev_1");
    lab.kill();
    lab.wait(Ms(20));
    lab.answer("events", refused(410, "gone", ""));
    lab.wait(Ms(20));
    lab.answer("tip", tip(140));
    lab.wait(Ms(20));
    lab.wrote("bulk /a v9 if rev_1", &[("/a", "rev_50")]);
    lab.wait(Ms(20));
    lab.page(&[listed("/a", 7)], None, Some(1));
    lab.quiet_feed();
    lab.wait(Ms::secs(5));
    lab.read("/a", 7);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk["/a"], hash(7), "{}", lab.story);
    assert!(lab.conflicts.is_empty(), "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}
