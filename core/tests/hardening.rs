//! Sequences that once broke the machine, each told as a story: an outage, a lost feed, a torn row,
//! a lid that was closed, a server that lags.
mod lab;
use lab::*;
use landfall_core::config::{MaxDelete, WorkspaceConfig};
use landfall_core::effect::{DiskOp, Effect};
use landfall_core::event::{Answer, Boot, Event, LastExit, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::row::{Of, RowKey, StoredRow};
use landfall_core::status::Verdict;
use landfall_core::time::Ms;

fn is_look(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { op: DiskOp::Look { .. }, .. })
}
fn is_disk(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { .. })
}
fn is_commit(effect: &Effect) -> bool {
    matches!(effect, Effect::Commit { .. })
}
fn is_remove(effect: &Effect) -> bool {
    matches!(effect, Effect::Disk { op: DiskOp::Remove { .. }, .. })
}
fn names(n: u8) -> Vec<(String, u8)> {
    (0..n).map(|n| (format!("/f{n:02}"), n + 1)).collect()
}
fn mirror_of(config: WorkspaceConfig, n: u8) -> Lab {
    let files = names(n);
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
    let call = lab.export(&named);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(u64::from(n)));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
    lab
}

#[test]
fn the_brake_on_deletes_holds_after_a_restart() {
    let config = WorkspaceConfig { max_delete: MaxDelete::Files(5), ..Default::default() };
    let mut lab = mirror_of(config, 40);
    lab.hold = Some(is_look);
    lab.kill();
    lab.wait(Ms(1));
    let events = (0..40).map(|n| deleted(101 + n, &format!("/f{n:02}"))).collect();
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms::secs(2));
    assert_eq!(lab.disk.len(), 40, "{} files were trashed past a limit of 5", lab.trash.len());
}

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

#[test]
fn a_hold_ends_when_the_file_is_back() {
    let config = WorkspaceConfig { max_delete: MaxDelete::Files(1), ..Default::default() };
    let mut lab = mirror_of(config, 4);
    lab.wait(Ms::secs(40));
    let events = (0..2).map(|n| deleted(101 + n, &format!("/f{n:02}"))).collect();
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(2));
    assert_eq!(lab.status().brakes.len(), 1);
    // The server takes it back.
    lab.wait(Ms::secs(40));
    let events = vec![updated(103, "/f00", 1), updated(104, "/f01", 2)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms::secs(40));
    assert!(lab.status().in_step);
    // Later one of them is deleted, which needs no person.
    lab.answer(
        "events",
        Outcome::Ok(Answer::Events { events: vec![deleted(105, "/f00")], next: None }),
    );
    lab.wait(Ms::secs(3));
    assert_eq!(lab.trash, ["/f00"], "held: {:?}", lab.status().brakes);
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
fn a_feed_that_is_lost_again_and_again_does_not_spin() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    let (began, trees) = (lab.now.tick, lab.sent("tree"));
    for _ in 0..50 {
        if !lab.asked.iter().any(|(_, r)| show(r).starts_with("events")) {
            break;
        }
        lab.answer("events", refused(410, "gone", ""));
        if lab.asked.iter().any(|(_, r)| show(r) == "tip") {
            lab.answer("tip", tip(100));
        }
        lab.page(&[listed("/a", 1)], None, Some(1));
        lab.wait(Ms(1));
    }
    let walks = lab.sent("tree") - trees;
    assert!(walks < 5, "{walks} traversals in {}", lab.now.tick - began);
}

#[test]
fn a_feed_that_is_lost_does_not_keep_a_long_walk_from_its_end() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    // Ten pages of 10 s each.
    let mut page = 0;
    for _ in 0..200 {
        lab.wait(Ms::secs(10));
        if lab.asked.iter().any(|(_, r)| show(r).starts_with("events")) {
            lab.answer("events", refused(410, "gone", ""));
            page = 0;
        }
        if lab.asked.iter().any(|(_, r)| show(r) == "tip") {
            lab.answer("tip", tip(100));
        }
        if lab.asked.iter().any(|(_, r)| show(r).starts_with("tree")) {
            page += 1;
            let next = format!("c{page}");
            lab.page(&[listed("/a", 1)], (page < 10).then_some(next.as_str()), Some(1));
        }
        if lab.asked.iter().any(|(_, r)| show(r).starts_with("read")) {
            lab.read("/a", 1);
        }
    }
    assert!(lab.mirror_row().believed, "no traversal ended in 2000 s");
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
fn a_read_that_is_older_than_the_feed_is_not_in_step() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer(
        "events",
        Outcome::Ok(Answer::Events { events: vec![updated(101, "/a", 2)], next: None }),
    );
    // A replica that lags by ten seconds answers with the version before.
    lab.read("/a", 1);
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(15));
    lab.read("/a", 1);
    lab.wait(Ms::secs(4));
    assert!(!lab.status().in_step, "the feed says rev_2, the disk has rev_1\n{}", lab.story);
}

#[test]
fn a_bad_name_that_is_deleted_is_no_trouble() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer(
        "events",
        Outcome::Ok(Answer::Events { events: vec![deleted(101, "/../x")], next: None }),
    );
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{:?}", lab.status().reason);
}

#[test]
fn an_export_that_repeats_a_file_is_not_complete() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    let call = lab.export(&[("/a", 1), ("/a", 1)]);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(2));
    lab.wait(Ms(1));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(3));
    assert!(!lab.mirror_row().complete, "one file of two\n{}", lab.story);
}

#[test]
fn two_empty_listings_do_not_download_everything_again() {
    let files = names(40);
    let mut lab = mirror_of(WorkspaceConfig::default(), 40);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    lab.page(&[], None, None);
    lab.wait(Ms(1));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(61));
    lab.quiet_feed_if_asked();
    lab.page(&[], None, None);
    let mut read = 0;
    for _ in 0..50 {
        let Some(at) = lab.asked.iter().position(|(_, r)| show(r).starts_with("read")) else {
            break;
        };
        let (call, request) = lab.asked.remove(at).unwrap();
        let paths: Vec<String> = match request {
            landfall_core::effect::Request::ReadMany { paths } => {
                paths.iter().map(|p| p.to_string()).collect()
            }
            landfall_core::effect::Request::Read { path } => vec![path.to_string()],
            _ => vec![],
        };
        let single = paths.len() == 1;
        for (i, path) in paths.iter().enumerate() {
            read += 1;
            let n = files.iter().find(|(p, _)| p == path).unwrap().1;
            let got = lab.fetched(call, i as u32, path, n);
            if single {
                lab.done(call, Answer::Read(got));
            } else {
                lab.part(call, Part::File(got));
            }
        }
        if !single {
            lab.done(call, Answer::ReadMany);
        }
    }
    assert!(read <= 8, "{read} of 40 files that are durably here were read in full");
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

#[test]
fn a_look_that_fails_with_the_whole_disk_waits() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.hold = Some(is_look);
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
fn a_broken_link_does_not_split_every_bulk_read_for_ever() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    let files = names(120);
    let all: Vec<_> = files.iter().map(|(path, n)| listed(path, *n)).collect();
    lab.page(&all, None, Some(120));
    let mut split = vec![];
    let (mut singles, mut many) = (0, 0);
    for _ in 0..400 {
        lab.wait(Ms(50));
        lab.quiet_feed_if_asked();
        let Some(at) = lab.asked.iter().position(|(_, r)| show(r).starts_with("read")) else {
            continue;
        };
        let (call, request) = lab.asked.remove(at).unwrap();
        match request {
            landfall_core::effect::Request::Read { path } => {
                singles += usize::from(split.contains(&path.to_string()));
                let n = files.iter().find(|(p, _)| *p == path.to_string()).unwrap().1;
                let got = lab.fetched(call, 0, path.as_str(), n);
                lab.done(call, Answer::Read(got));
            }
            landfall_core::effect::Request::ReadMany { paths } => {
                many += 1;
                split.extend(paths.iter().map(|p| p.to_string()));
                lab.step(Event::Done { call, outcome: link_failed() });
            }
            _ => {}
        }
    }
    assert!(singles == 0, "{many} broken links made {singles} single reads");
}

#[test]
fn deletes_while_it_is_listed_do_not_make_a_listing_short() {
    let config = WorkspaceConfig { interval: Ms::secs(1), ..Default::default() };
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    let mut event = 101;
    let settle = |lab: &mut Lab| {
        for _ in 0..40 {
            lab.wait(Ms(100));
            lab.quiet_feed_if_asked();
            while lab.asked.iter().any(|(_, r)| show(r).starts_with("read /a")) {
                lab.read("/a", 1);
            }
            for n in 0..9 {
                while lab.asked.iter().any(|(_, r)| show(r) == format!("read /f{n}")) {
                    lab.read(&format!("/f{n}"), 2);
                }
            }
        }
    };
    for round in 0..6u64 {
        // The first page of the listing counts 10; before the last page some are deleted.
        lab.page(&[listed("/a", 1)], Some("/a"), Some(10));
        let call = lab.request("tree");
        let gone = round % 3 + 1;
        let rest: Vec<_> = (0..9 - gone).map(|n| listed(&format!("/f{n}"), 2)).collect();
        let events: Vec<_> =
            (0..gone).map(|n| deleted(event + n, &format!("/f{}", 8 - n))).collect();
        event += gone;
        lab.wait(Ms::secs(2));
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
        lab.part(call, Part::Entries(rest));
        lab.done(call, Answer::Listed { next: None, total: None });
        settle(&mut lab);
        if lab.mirror_row().believed {
            break;
        }
        for _ in 0..700 {
            if lab.asked.iter().any(|(_, r)| show(r).starts_with("tree")) {
                break;
            }
            lab.wait(Ms::secs(1));
            lab.quiet_feed_if_asked();
        }
    }
    assert!(
        lab.mirror_row().believed,
        "{}",
        lab.story.lines().filter(|l| !l.contains("events")).collect::<Vec<_>>().join("\n")
    );
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
fn a_frontier_brake_does_not_collect_tombstones() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    for start in [0, 30_000] {
        let dirs: Vec<_> = (start..start + 30_000)
            .map(|n| landfall_core::wire::TreeEntry {
                kind: "dir".into(),
                ..listed(&format!("/a/b/d{n}"), 1)
            })
            .collect();
        let call = lab.request("tree");
        lab.part(call, Part::Entries(dirs));
        let next = (start == 0).then(|| "c".into());
        lab.done(call, Answer::Listed { next, total: None });
    }
    assert_eq!(lab.status().brakes.len(), 1);
    lab.kill();
    lab.wait(Ms(1));
    lab.page(&[], None, None);
    assert!(
        lab.status().brakes.is_empty(),
        "the brake is on again: {:?} {}",
        lab.status().brakes,
        lab.status().reason
    );
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
