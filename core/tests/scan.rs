//! A restart reads directories. It looks only at what a directory does not show as it was.
mod lab;
use lab::*;
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Event, Hint, Outcome};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::Seen;
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;

const FILES: [(&str, u8); 4] = [("/a", 1), ("/d/b", 2), ("/d/c", 3), ("/e/f", 4)];

/// What the disk was asked since some moment, in words.
fn asked(lab: &Lab, since: usize) -> Vec<String> {
    let words = |effect: &Effect| match effect {
        Effect::Disk { op: DiskOp::Scan { dir: None }, .. } => Some("read the root".into()),
        Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } => Some(format!("read {dir}")),
        Effect::Disk { op: DiskOp::Look { path, .. }, .. } => Some(format!("look at {path}")),
        _ => None,
    };
    lab.effects[since..].iter().filter_map(words).collect()
}

fn in_step() -> Lab {
    let mut lab = Lab::in_step_with(&FILES);
    lab.wait(Ms::secs(5));
    lab
}

#[test]
fn a_restart_without_changes_looks_at_no_file() {
    let mut lab = in_step();
    let since = lab.effects.len();
    lab.kill();
    assert_eq!(asked(&lab, since), ["read the root", "read /d", "read /e"]);
    lab.quiet_feed();
    assert!(lab.status().in_step, "{}", lab.story);
}

#[test]
fn a_directory_whose_name_is_shown_escaped_is_read_too() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/\u{202e}d/b", 2)]);
    lab.wait(Ms::secs(5));
    let since = lab.effects.len();
    lab.kill();
    assert_eq!(asked(&lab, since), ["read the root", "read /\\u{202e}d"]);
}

#[test]
fn what_changed_or_went_meanwhile_is_looked_at() {
    let mut lab = in_step();
    lab.put("/d/b", hash(9));
    lab.disk.remove("/e/f");
    let since = lab.effects.len();
    lab.kill();
    let reads = ["read the root", "read /d"];
    // Nothing is left of /e, so nothing in it is read, and what is missing is looked at last.
    assert_eq!(asked(&lab, since)[..2], reads);
    assert_eq!(asked(&lab, since)[2..], ["look at /d/b", "look at /e/f"]);
    lab.read("/e/f", 4);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/e/f"], hash(4), "what is missing is fetched again");
    assert_eq!(lab.disk["/d/b"], hash(9), "an edit stays");
}

#[test]
fn what_the_feed_tells_of_is_looked_at_before_the_scan_is_over() {
    let mut lab = in_step();
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { .. }, .. }));
    let since = lab.effects.len();
    lab.kill();
    assert_eq!(asked(&lab, since), ["read the root"]);
    lab.wait(Ms(1));
    let events = vec![updated(101, "/d/c", 7)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    assert_eq!(asked(&lab, since), ["read the root", "look at /d/c"]);
    lab.read("/d/c", 7);
    lab.wait(Ms(1));
    assert_eq!(lab.disk["/d/c"], hash(7), "{}", lab.story);
    assert!(!lab.status().in_step, "nobody knows of the others yet");
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
}

#[test]
fn a_directory_that_can_not_be_read_costs_a_look_at_each_of_its_files() {
    let mut lab = in_step();
    lab.hold = Some(
        |effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } if dir.as_str() == "/d"),
    );
    let since = lab.effects.len();
    lab.kill();
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!() };
    let why = Fault::DiskDenied;
    lab.step(Event::Done {
        call,
        outcome: Outcome::Failed { blame: Blame::Payload, why, retry_after: None },
    });
    assert_eq!(asked(&lab, since)[3..], ["look at /d/b", "look at /d/c"]);
}

/// A restart whose scan saw these names in the root, beside the files that are in step. Then the
/// feed tells of a new file.
fn a_new_file_is_told_of_after_the_scan_saw(more: &[(&str, Seen)]) -> (Lab, usize) {
    let mut lab = in_step();
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { dir: None }, .. }));
    lab.kill();
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("no scan") };
    let mut entries = lab.scan(None);
    entries.extend(more.iter().map(|(name, seen)| (RemotePath::parse(name).unwrap(), *seen)));
    lab.step(Event::Done { call, outcome: Outcome::Ok(Answer::Scanned(entries)) });
    let since = lab.effects.len();
    lab.wait(Ms(1));
    let events = vec![updated(101, "/new", 7)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    (lab, since)
}

#[test]
fn where_a_scan_saw_everything_a_new_file_is_fetched_without_a_look() {
    let (mut lab, since) = a_new_file_is_told_of_after_the_scan_saw(&[]);
    lab.read("/new", 7);
    lab.wait(Ms::secs(3));
    assert_eq!(asked(&lab, since), [""; 0]);
    assert_eq!(lab.disk["/new"], hash(7), "{}", lab.story);
}

#[test]
fn where_something_stays_that_a_scan_can_not_tell_a_new_file_is_looked_at_first() {
    // An ignored file, or one whose name is shortened on the disk: any path may be it.
    let (mut lab, since) = a_new_file_is_told_of_after_the_scan_saw(&[("/ignored", Seen::Kept)]);
    assert_eq!(asked(&lab, since), ["look at /new"]);
    lab.read("/new", 7);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/new"], hash(7), "{}", lab.story);
}

/// What was read before it shows what was there before, too.
#[test]
fn a_directory_that_was_read_before_the_scan_began_anew_proves_nothing() {
    let mut lab = Lab::two_way(&[("/d/a", 1), ("/d/b", 2)]);
    lab.wait(Ms::secs(5));
    lab.hold = Some(
        |effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } if dir.as_str() == "/d"),
    );
    lab.hears(Hint::Lost);
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("no scan") };
    let before = lab.scan(Some(&RemotePath::parse("/d").unwrap()));
    lab.hold = None;
    lab.disk.remove("/d/a");
    lab.hears(Hint::Lost);
    let since = lab.effects.len();
    lab.step(Event::Done { call, outcome: Outcome::Ok(Answer::Scanned(before)) });
    lab.wait(Ms(50));
    assert!(asked(&lab, since).contains(&"look at /d/a".into()), "{}", lab.story);
}

/// A directory that somebody made unreadable hides what is saved in it. A person is told, nothing is
/// called in step meanwhile, and it is tried again long before the next scan of everything.
#[test]
fn a_directory_that_can_not_be_read_is_told_and_tried_again() {
    let mut lab = Lab::two_way(&FILES);
    lab.wait(Ms::secs(5));
    lab.put("/d/new", hash(9));
    let of_d = |effect: &Effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } if dir.as_str() == "/d");
    lab.hold = Some(of_d);
    lab.kill();
    for _ in 0..2 {
        let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("{}", lab.story) };
        let (blame, why) = (Blame::Payload, Fault::DiskDenied);
        let outcome = Outcome::Failed { blame, why, retry_after: None };
        lab.step(Event::Done { call, outcome });
        lab.quiet_feed_if_asked();
        lab.wait(Ms(1));
        lab.quiet_feed_if_asked();
        let status = lab.status();
        assert!(!status.in_step, "{}", lab.story);
        assert_eq!((status.set_aside_count, status.set_aside[0].0.as_str()), (1, "/d/"));
        lab.wait(Ms::secs(5));
    }
    assert!(lab.told("the directory /d here can not be read"), "{}", lab.story);
    lab.hold = None;
    lab.release();
    lab.wait(Ms::secs(1));
    assert_eq!((lab.status().set_aside_count, lab.sent("bulk")), (0, 1), "{}", lab.story);
}

/// The try is answered while everything is read anew, and then the directory is gone. Nobody comes
/// by it again, and it is told no more all the same.
#[test]
fn a_directory_that_could_not_be_read_and_went_is_told_no_more() {
    let mut lab = Lab::two_way(&FILES);
    lab.wait(Ms::secs(5));
    let of_d = |effect: &Effect| matches!(effect, Effect::Disk { op: DiskOp::Scan { dir: Some(dir) }, .. } if dir.as_str() == "/d");
    lab.hold = Some(of_d);
    lab.kill();
    let denied =
        || Outcome::Failed { blame: Blame::Payload, why: Fault::DiskDenied, retry_after: None };
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("{}", lab.story) };
    lab.step(Event::Done { call, outcome: denied() });
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(5));
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("{}", lab.story) };
    lab.hold = None;
    lab.disk.remove("/d/b");
    lab.disk.remove("/d/c");
    lab.hears(Hint::Lost);
    assert_eq!(lab.status().set_aside_count, 1, "{}", lab.story);
    lab.step(Event::Done { call, outcome: denied() });
    lab.wait(Ms::secs(5));
    assert_eq!(lab.status().set_aside_count, 0, "{}", lab.story);
}
