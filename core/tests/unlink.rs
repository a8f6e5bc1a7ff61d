//! What people delete here is deleted there, once it is sure, and does not come back.
mod lab;
use lab::*;
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Hint, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::EventId;
use landfall_core::path::RemotePath;
use landfall_core::row::Position;
use landfall_core::time::Ms;

#[test]
fn a_delete_is_sent_after_two_looks() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.deletes("/a");
    lab.wait(Ms(900));
    assert_eq!(lab.sent("delete"), 0);
    lab.wait(Ms(200));
    let call = lab.request("delete /a if rev_1");
    lab.done(call, Answer::Deleted { op: None });
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
    // Its echo is no news, and then nothing is left of it.
    lab.wait(Ms::secs(40));
    let events = vec![deleted(101, "/a")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(3));
    assert_eq!(lab.status().files_total, 1, "{}", lab.story);
}

/// Whatever happens between the looks, the second one counts.
#[test]
fn a_delete_is_sent_while_much_else_happens() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.deletes("/a");
    lab.wait(Ms(10));
    lab.hold = Some(is_look);
    lab.wait(Ms(1_100));
    assert_eq!(lab.held.len(), 1, "the second look is under way");
    for n in 0..5 {
        lab.saves("/b", 20 + n);
        lab.hears(Hint::Lost);
    }
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms(50));
    lab.request("delete /a if rev_1");
}

/// An editor that saves by deleting first deletes nothing.
#[test]
fn a_file_that_comes_back_was_not_deleted() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.deletes("/a");
    lab.wait(Ms(500));
    lab.saves("/a", 9);
    lab.wait(Ms::secs(2));
    lab.request("bulk /a v9 if rev_1");
    assert_eq!(lab.sent("delete"), 0);
}

#[test]
fn a_root_that_was_replaced_deletes_nothing() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.root_lost = true;
    lab.deletes("/a");
    lab.deletes("/b");
    lab.wait(Ms::secs(30));
    lab.quiet_feed_if_asked();
    assert_eq!(lab.sent("delete"), 0);
    assert_eq!(lab.status().brakes[0].name(), "root-lost", "{}", lab.story);
}

/// The directory of the mirror went, and a file was deleted on the server meanwhile. That neither
/// side has it is forgotten only if the root is still the root. Else the file comes back with the
/// directory, counts as new, and is sent again.
#[test]
fn what_was_deleted_there_while_the_root_was_gone_is_not_sent_again() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.root_lost = true;
    for path in ["/a", "/b"] {
        lab.deletes(path);
    }
    let events = vec![deleted(101, "/a"), updated(102, "/b", 3)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    for _ in 0..4 {
        lab.wait(Ms::secs(30));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(lab.status().brakes[0].name(), "root-lost", "{}", lab.story);
    assert!(!lab.status().in_step, "{}", lab.story);
    // A person mounts it again.
    lab.root_lost = false;
    lab.put("/a", hash(1));
    lab.put("/b", hash(2));
    lab.kill();
    lab.wait(Ms::secs(3));
    let events = vec![deleted(101, "/a"), updated(102, "/b", 3)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/b", 3);
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("bulk"), lab.sent("delete")), (0, 0), "{}", lab.story);
    assert_eq!(lab.trash, ["/a"], "{}", lab.story);
    assert_eq!(lab.disk["/b"], hash(3), "{}", lab.story);
}

/// The directory of the mirror went before what was placed in it was sealed. A power cut may still
/// take that, so the mirror is neither complete nor in step.
#[test]
fn what_was_not_sealed_when_the_root_went_is_not_complete() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    // It takes two tries, and the position of the feed is durable before the second.
    lab.answer("read /a", refused(422, "", ""));
    lab.wait(Ms::secs(3));
    let (sealed, in_step_at) = (lab.mirror_row().sealed, lab.mirror_row().in_step_at);
    lab.read("/a", 2);
    lab.wait(Ms(1));
    lab.root_lost = true;
    for _ in 0..3 {
        lab.wait(Ms::secs(30));
        lab.quiet_feed_if_asked();
    }
    assert_eq!(lab.mirror_row().sealed, sealed, "{}", lab.story);
    assert_eq!(lab.mirror_row().in_step_at, in_step_at, "{}", lab.story);
    assert!(!lab.status().in_step, "{}", lab.story);
    assert_eq!(lab.status().brakes[0].name(), "root-lost", "{}", lab.story);
}

#[test]
fn too_many_deletes_at_once_wait_for_a_person() {
    let files: Vec<(String, u8)> = names(40);
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::two_way(&named);
    for (path, _) in &files[..30] {
        lab.deletes(path);
    }
    lab.wait(Ms::secs(20));
    assert_eq!(lab.sent("delete"), 0);
    assert_eq!(lab.status().brakes[0].name(), "max-local-delete", "{}", lab.story);
}

/// A kill between a row and the position of the feed: the delete that an edit won over is told
/// once more after the edit was sent.
#[test]
fn a_delete_that_is_told_again_does_not_undo_what_won_over_it() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let gone = |lab: &mut Lab| {
        let events = vec![deleted(101, "/a")];
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    };
    lab.hold = Some(is_seal);
    lab.put("/a", hash(9));
    gone(&mut lab);
    lab.hears(Hint::Closed(RemotePath::parse("/a").unwrap()));
    lab.wait(Ms(20));
    lab.hold = None;
    lab.kill();
    let before = Some(Position::After(EventId("evt_100".into())));
    assert_eq!(lab.mirror_row().position, before, "{}", lab.story);
    lab.wait(Ms(1));
    lab.wrote("bulk /a v9 if 0", &[("/a", "rev_50")]);
    gone(&mut lab);
    lab.wait(Ms::secs(5));
    assert_eq!(lab.disk.get("/a"), Some(&hash(9)), "{}", lab.story);
}

/// A person deleted it, and the second look waits for a busy disk. The stream repeats the write
/// that came before, with its bytes: they are no reason to make the file again.
#[test]
fn an_echo_with_bytes_does_not_bring_back_what_was_deleted() {
    let files = names(40);
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::two_way_streaming(&named);
    lab.quiet_feed_if_asked();
    let call = lab.request("stream");
    lab.part(call, Part::Opened);
    lab.deletes("/f39");
    lab.wait(Ms(500));
    lab.hold = Some(is_look);
    for (path, _) in &files[..32] {
        lab.hears(Hint::Arrived(RemotePath::parse(path).unwrap()));
    }
    lab.wait(Ms(600));
    assert_eq!(lab.held.len(), 32, "the disk is busy");
    let inline = Some(lab.fetched(call, 1, "/f39", 40));
    lab.part(call, Part::Event { event: updated(101, "/f39", 40), inline });
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk.get("/f39"), None, "{}", lab.story);
    lab.request("delete /f39 if rev_40");
}

/// It was deleted there and saved here, so it is made there again. A later delete of here is one.
#[test]
fn what_was_made_again_can_be_deleted() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.saves("/a", 9);
    lab.wait(Ms(20));
    let call = lab.request("bulk /a v9 if rev_1");
    let events = vec![deleted(101, "/a")];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let (path, blame, why) = ("/a".to_string(), Blame::Payload, Fault::NotFound);
    lab.part(call, Part::Refused { path, blame, why });
    lab.done(call, Answer::WroteMany);
    lab.wait(Ms::secs(3));
    lab.wrote("bulk /a v9 if 0", &[("/a", "rev_50")]);
    lab.wait(Ms::secs(3));
    lab.deletes("/a");
    lab.wait(Ms::secs(5));
    assert_eq!(lab.sent("read /a"), 0, "{}", lab.story);
    lab.request("delete /a if rev_50");
}

/// A file was deleted here while somebody wrote the same bytes again: theirs is another version.
#[test]
fn the_same_bytes_written_again_are_not_what_was_deleted() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.deletes("/a");
    lab.wait(Ms(500));
    let mut again = updated(101, "/a", 1);
    again.revision = "rev_7".into();
    lab.answer("events", Outcome::Ok(Answer::Events { events: vec![again], next: None }));
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("delete"), 0, "{}", lab.story);
    lab.request("read /a");
}

/// The feed tells its past: an old version, a delete of long ago, and the file that was made after
/// it. A person deletes that meanwhile. Nothing follows from the past, and the delete is told.
#[test]
fn the_past_of_the_feed_makes_nobody_forget_a_delete() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    lab.wait(Ms(1));
    let events = (2..202).map(|n| updated(n, "/a", 9)).collect();
    let next = Some("evt_201".to_string());
    lab.answer("events", Outcome::Ok(Answer::Events { events, next }));
    lab.deletes("/a");
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("delete") + lab.sent("read"), 0, "{}", lab.story);
    let events = vec![deleted(202, "/a"), updated(203, "/a", 1)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(5));
    assert_eq!(lab.sent("read"), 0, "{}", lab.story);
    lab.request("delete /a if rev_1");
}

/// The watcher was deaf when a file was moved: the scan that takes its place shows the new name
/// last. Until that was looked at, the old name is no delete.
#[test]
fn what_a_scan_shows_last_may_be_where_a_missing_file_went() {
    let mut lab = Lab::two_way(&[("/d/a", 1), ("/d/b", 2)]);
    lab.disk.remove("/d/a");
    lab.put("/e/a", hash(1));
    lab.hold = Some(|effect| match effect {
        Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } => dir.as_str() == "/e",
        _ => false,
    });
    lab.hears(Hint::Left(RemotePath::parse("/d/a").unwrap()));
    lab.hears(Hint::Lost);
    lab.wait(Ms::secs(3));
    lab.hold = None;
    let since = lab.effects.len();
    lab.release();
    lab.wait(Ms(50));
    let ops = lab.effects[since..].iter().filter_map(|effect| match effect {
        Effect::Disk { op: DiskOp::Look { path, .. }, .. } => Some(format!("look at {path}")),
        Effect::Disk { op: DiskOp::Root, .. } => Some("look at the root".into()),
        _ => None,
    });
    let ops: Vec<String> = ops.collect();
    assert_eq!(ops[0], "look at /e/a", "{}", lab.story);
}

/// Both sides deleted it. After a kill the feed is told again from its durable position, which lies
/// before that: what was changed there and then deleted is not fetched on the way.
#[test]
fn a_kill_does_not_forget_what_is_gone_before_the_feed_does() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.hold = Some(is_seal);
    let told = |events| Outcome::Ok(Answer::Events { events, next: None });
    lab.answer("events", told(vec![updated(101, "/a", 2)]));
    lab.read("/a", 2);
    lab.deletes("/a");
    lab.wait(Ms::secs(2));
    let call = lab.request("delete /a");
    lab.wait(Ms::secs(40));
    lab.answer("events", told(vec![deleted(102, "/a")]));
    lab.done(call, Answer::Deleted { op: None });
    lab.wait(Ms::secs(1));
    lab.kill();
    lab.wait(Ms::secs(1));
    let events = vec![updated(101, "/a", 2)];
    let next = Some("evt_101".to_string());
    lab.answer("events after evt_100", Outcome::Ok(Answer::Events { events, next }));
    lab.wait(Ms::secs(1));
    assert_eq!(lab.sent("read /a"), 1, "it was read once, before it was deleted\n{}", lab.story);
}

/// Our delete was carried out, and the feed was lost before it told that. The new one tells its
/// past: a change, a delete of long ago, and the version that we deleted. Then it says that this was
/// all, which is not true, and a replica that lags still has the file. Nothing is placed.
#[test]
fn the_past_of_the_feed_makes_nobody_forget_that_a_delete_was_carried_out() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.deletes("/a");
    lab.wait(Ms::secs(3));
    lab.answer("delete /a if rev_1", Outcome::Ok(Answer::Deleted { op: None }));
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/b", 2)], None, Some(1));
    lab.wait(Ms(1));
    let mut events: Vec<_> = (2..200).map(|n| updated(n, "/b", 2)).collect();
    events.extend([updated(200, "/a", 9), deleted(201, "/a")]);
    let told = |events, next: Option<&str>| {
        Outcome::Ok(Answer::Events { events, next: next.map(Into::into) })
    };
    lab.answer("events", told(events, Some("evt_201")));
    lab.answer("events", told(vec![updated(202, "/a", 1)], None));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(5));
    assert_eq!(lab.sent("read /a"), 0, "{}", lab.story);
    lab.wait(Ms::secs(40));
    lab.answer("events", told(vec![deleted(203, "/a")], None));
    lab.wait(Ms::secs(5));
    assert!(!lab.disk.contains_key("/a"), "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// Our delete is under way when the feed is lost, and a replica that lags lists what was there before
/// the version that is deleted. The delete is answered, and a read gives the version that it was
/// of: that was there once, and is not put back.
#[test]
fn a_listing_that_is_behind_does_not_bring_back_what_is_being_deleted() {
    let mut lab = Lab::two_way(&[("/a", 5), ("/b", 2)]);
    lab.deletes("/a");
    lab.wait(Ms::secs(3));
    let call = lab.request("delete /a if rev_5");
    lab.wait(Ms::secs(37));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(140));
    lab.page(&[listed("/a", 4), listed("/b", 2)], None, Some(2));
    lab.wait(Ms(1));
    lab.done(call, Answer::Deleted { op: None });
    lab.quiet_feed();
    lab.wait(Ms(20));
    lab.read("/a", 5);
    lab.wait(Ms::secs(20));
    assert!(!lab.disk.contains_key("/a"), "{}", lab.story);
    lab.answer("read /a", refused(404, "", ""));
    lab.wait(Ms(1));
    assert!(!lab.disk.contains_key("/a"), "{}", lab.story);
}
