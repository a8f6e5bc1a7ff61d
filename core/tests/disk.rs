//! Disk and store in trouble: a torn row, a torn file, a look that fails, a disk that is busy.
mod lab;
use lab::*;
use landfall_core::effect::{DiskOp, Effect, Exit};
use landfall_core::event::{Answer, Boot, Event, LastExit, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::CommitSeq;
use landfall_core::row::{Loaded, Of, RowKey, StoredRow};
use landfall_core::time::Ms;

#[test]
fn a_file_that_became_a_directory_is_forgotten_after_a_kill() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![deleted(101, "/a"), updated(102, "/a/b", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/a/b", 2);
    lab.wait(Ms(500));
    lab.kill();
    for _ in 0..20 {
        lab.wait(Ms::secs(30));
        lab.quiet_feed_if_asked();
        while lab.asked.iter().any(|(_, r)| show(r).starts_with("read")) {
            lab.read("/a/b", 2);
        }
    }
    assert!(lab.status().in_step, "{:?}\n{}", lab.status(), lab.story);
}

#[test]
fn an_unreadable_mirror_row_is_not_read_as_absent() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!(lab.mirror_row().epoch, 1);
    let key = RowKey { unit: UNIT, of: Of::Mirror };
    let bad = StoredRow { json: "{torn".into(), ..lab.rows.get(&key).unwrap().clone() };
    lab.rows.put(bad.clone());
    lab.kill();
    lab.wait(Ms::hours(1));
    assert!(lab.asked.is_empty(), "nothing is done: {}", lab.story);
    assert_eq!(lab.rows.get(&key), Some(&bad), "the row is kept");
    let status = lab.status();
    assert_eq!(status.verdict, landfall_core::status::Verdict::Halted);
    assert!(!status.in_step && status.reason.contains("can not be read"), "{}", status.reason);
    // SIGTERM still ends it.
    lab.step(Event::Stop(landfall_core::event::Stop::Graceful));
    assert_eq!(lab.exited, Some(landfall_core::effect::Exit::Stopped));
}

#[test]
fn the_export_waits_for_the_disk() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.hold = Some(|effect| is_disk(effect) || is_commit(effect));
    let call = lab.request("export");
    let mut credit: i64 = 64;
    let mut part = 0;
    while credit > 0 && part < 5_000 {
        credit -= 1;
        let before = lab.effects.len();
        let got = lab.fetched(call, part, &format!("/f{part}"), 1);
        lab.part(call, Part::File(got));
        part += 1;
        for effect in &lab.effects[before..] {
            if let Effect::More { credit: more, .. } = effect {
                credit += i64::from(*more);
            }
        }
    }
    assert!(part <= 64 + 32, "{part} blobs are staged and none could be placed");
}

#[test]
fn a_row_that_comes_twice_is_one_row() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    let rows = lab.rows.rows();
    lab.run += 1;
    lab.machine = landfall_core::Machine::new(lab.config.clone());
    lab.asked.clear();
    let rows: Vec<Loaded> = rows.iter().map(Loaded::from).collect();
    lab.step(Event::Load(rows.clone()));
    lab.step(Event::Load(rows));
    let run = lab.run;
    lab.step(Event::Start { run, boot: Boot::Same, last: LastExit::Unclean });
    lab.quiet_feed();
    lab.wait(Ms::secs(5));
    assert!(lab.status().in_step, "{:?}", lab.status());
}

#[test]
fn a_torn_file_stays_suspect_over_a_kill() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    // The row that says that it was placed is not durable when the power is cut.
    lab.export(&[]);
    lab.kill();
    lab.page(&[listed("/a", 1)], Some("c"), None);
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Seal, .. }));
    let call = lab.request("read /a");
    let got = lab.fetched(call, 0, "/a", 1);
    // Placed; and from here on nothing becomes durable.
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. }));
    lab.done(call, Answer::Read(got));
    lab.hold = Some(is_commit);
    lab.release();
    lab.hold = Some(is_remove);
    lab.cut_power();
    // It was looked at and is suspect; the kill comes before it was moved away.
    assert!(lab.told("not sealed before the power was cut"));
    assert_eq!(lab.held.len(), 1, "{}", lab.story);
    lab.hold = None;
    lab.kill();
    lab.wait(Ms::secs(5));
    // Meanwhile the remote deleted it.
    lab.answer(
        "events",
        Outcome::Ok(Answer::Events { events: vec![deleted(101, "/a")], next: None }),
    );
    if lab.asked.iter().any(|(_, r)| show(r).starts_with("read")) {
        lab.answer("read", refused(404, "", ""));
    }
    lab.page(&[], None, None);
    for _ in 0..6 {
        lab.wait(Ms::secs(10));
        lab.quiet_feed_if_asked();
    }
    assert!(
        !lab.disk.contains_key("/a"),
        "a torn file is taken for an edit: {:?} {:?}\n{}",
        lab.disk,
        lab.status().local_only,
        lab.story
    );
}

/// It was moved away, no seal followed, and the power was cut once more: it is there again, and
/// still nobody's edit.
#[test]
fn a_torn_file_that_comes_back_is_torn() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.export(&[]);
    lab.kill();
    lab.page(&[listed("/a", 1)], Some("c"), None);
    let call = lab.request("read /a");
    let got = lab.fetched(call, 0, "/a", 1);
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. }));
    lab.done(call, Answer::Read(got));
    lab.hold = Some(is_commit);
    lab.release();
    lab.hold = Some(is_seal);
    lab.cut_power();
    lab.wait(Ms::secs(3));
    assert_eq!(lab.conflicts.len(), 1, "{}", lab.story);
    lab.unsealed.insert("/a".into(), None);
    lab.cut_power();
    lab.wait(Ms::secs(3));
    assert_eq!(lab.conflicts.len(), 2, "it is kept aside again\n{}", lab.story);
    assert_eq!(lab.status().local_only, 0, "{}", lab.story);
}

/// The power cut took the third version. A replica that lags gives the second, which was never
/// here, and would take the file back.
#[test]
fn after_a_power_cut_a_replica_that_lags_takes_nothing_back() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2), updated(102, "/a", 3)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    // Placed; and from here on nothing becomes durable.
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. }));
    lab.read("/a", 3);
    lab.hold = Some(is_commit);
    lab.release();
    assert_eq!(lab.disk["/a"], hash(3), "{}", lab.story);
    lab.hold = None;
    lab.cut_power();
    lab.wait(Ms(10));
    assert_eq!(lab.conflicts.len(), 1, "{}", lab.story);
    lab.read("/a", 2);
    lab.wait(Ms(10));
    assert_eq!(lab.disk.get("/a"), None, "{}", lab.story);
    lab.quiet_feed();
    lab.wait(Ms::secs(25));
    lab.read("/a", 3);
    lab.wait(Ms(10));
    assert_eq!(lab.disk["/a"], hash(3), "{}", lab.story);
}

#[test]
fn a_look_that_fails_with_the_whole_disk_waits() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. }));
    lab.kill();
    let mut looks = 0;
    while let Some(Effect::Disk { call, .. }) = lab.held.pop_front() {
        looks += 1;
        if looks == 100 {
            break;
        }
        let outcome =
            Outcome::Failed { blame: Blame::Lane, why: Fault::DiskReadOnly, retry_after: None };
        lab.step(Event::Done { call, outcome });
    }
    assert!(looks < 3, "{looks} looks in no time");
}

#[test]
fn a_large_file_takes_as_long_as_it_takes_and_a_disk_that_hangs_does_not() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. }));
    lab.saves("/large", 2);
    lab.wait(Ms::secs(1));
    let Some(Effect::Disk { call, .. }) = lab.held.front().cloned() else { panic!("no look") };
    for _ in 0..20 {
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(50));
        lab.part(call, Part::Alive);
    }
    assert_eq!(lab.exited, None, "{}", lab.story);
    lab.wait(Ms::secs(61));
    assert_eq!(lab.exited, Some(landfall_core::effect::Exit::Stuck), "{}", lab.story);
}

#[test]
fn a_store_that_says_that_it_has_no_room_is_waited_for_and_a_silent_one_is_not() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.hold = Some(is_commit);
    let events = vec![updated(101, "/a", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let Some(Effect::Commit { store, seq, .. }) = lab.held.front().cloned() else {
        panic!("{}", lab.story);
    };
    for _ in 0..30 {
        lab.wait(Ms::secs(20));
        lab.step(Event::Stored { store, upto: CommitSeq(seq.0 - 1) });
    }
    assert_eq!(lab.exited, None, "{}", lab.story);
    lab.wait(Ms::secs(61));
    assert_eq!(lab.exited, Some(Exit::Stuck), "{}", lab.story);
}

/// Told to stop while two files are about to be placed. The disk is full for the one, and a person
/// took the other's place away: nobody waits until the disk has room again.
#[test]
fn a_stop_does_not_wait_for_a_disk_that_is_full() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 2), updated(102, "/b", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Place { .. }, .. }));
    let call = lab.request("read-many /a /b");
    for (part, path) in [(0, "/a"), (1, "/b")] {
        let got = lab.fetched(call, part, path, 2);
        lab.part(call, Part::File(got));
    }
    lab.done(call, Answer::ReadMany);
    lab.wait(Ms::secs(1));
    lab.hold = None;
    assert_eq!(lab.held.len(), 2, "{}", lab.story);
    lab.step(Event::Stop(landfall_core::event::Stop::Graceful));
    let Some(Effect::Disk { call, .. }) = lab.held.pop_front() else { panic!("{}", lab.story) };
    let full = Outcome::Failed { blame: Blame::Lane, why: Fault::DiskFull, retry_after: None };
    lab.step(Event::Done { call, outcome: full });
    lab.disk.remove("/b");
    lab.stamps.remove("/b");
    lab.release();
    assert_eq!(lab.exited, Some(Exit::Stopped), "{}", lab.story);
}

#[test]
fn a_power_cut_undoes_no_delete_that_was_known_before_it() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 1)]);
    lab.wait(Ms::secs(40));
    // A person deletes both. It is seen, and waits a little before it is sent.
    lab.deletes("/a");
    lab.deletes("/b");
    lab.wait(Ms(500));
    assert_eq!(lab.sent("delete"), 0, "{}", lab.story);
    // The cut brings /a back, and /b stays gone. It is cut again before anything was looked at.
    lab.put("/a", hash(1));
    lab.hold = Some(|effect| matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. }));
    lab.cut_power();
    lab.hold = None;
    lab.cut_power();
    lab.wait(Ms::secs(3));
    assert_eq!((lab.disk.get("/a"), lab.disk.get("/b")), (Some(&hash(1)), None), "{}", lab.story);
    lab.request("delete /b if rev_1");
    assert_eq!(lab.sent("delete /a"), 0, "{}", lab.story);
}

/// The directory of the mirror was gone for a moment, and so was a file that nothing had made durable
/// yet. The power cut brings the directory back, without the file.
#[test]
fn what_was_missing_before_it_was_sealed_is_no_delete_after_a_power_cut() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/b", 5)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(1));
    lab.read("/b", 5);
    assert_eq!(lab.disk.get("/b"), Some(&hash(5)), "{}", lab.story);
    lab.deletes("/b");
    lab.wait(Ms(200));
    lab.unsealed.remove("/b");
    lab.cut_power();
    lab.wait(Ms::secs(5));
    lab.read("/b", 5);
    assert_eq!(lab.disk.get("/b"), Some(&hash(5)), "{}", lab.story);
    assert_eq!(lab.sent("delete"), 0, "{}", lab.story);
}
