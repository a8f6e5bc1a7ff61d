//! What listings, exports and events prove: a feed that is lost, a listing that is short, a read
//! that is older than the feed.
mod lab;
use lab::*;
use landfall_core::config::{MaxDelete, WorkspaceConfig};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::id::Revision;
use landfall_core::time::Ms;
use landfall_core::wire::TreeEntry;

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

/// Both listings show fewer files than the server counts, and by chance one fewer each.
#[test]
fn a_second_listing_that_hides_what_the_first_showed_does_not_confirm_it() {
    let mut lab = Lab::new().start();
    lab.answer("tip", tip(100));
    lab.answer("export", refused(413, "", ""));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(40));
    lab.quiet_feed();
    lab.wait(Ms::secs(41));
    lab.quiet_feed_if_asked();
    lab.page(&[listed("/a", 1), listed("/c", 3)], None, Some(40));
    assert!(!lab.mirror_row().believed, "it hides /b, which is there\n{}", lab.story);
    // One that shows what the second showed, and no less, tells the same story.
    lab.wait(Ms::secs(51));
    lab.quiet_feed_if_asked();
    lab.page(&[listed("/a", 1), listed("/b", 2), listed("/c", 3)], None, Some(41));
    assert!(lab.mirror_row().believed, "{}", lab.story);
}

/// Of a file that listings leave out, a replica that lags gives an old version: nobody told that
/// it changed, so it is asked again and nothing goes back.
#[test]
fn a_file_that_is_asked_for_by_name_does_not_go_back() {
    let mut lab = mirror_of(WorkspaceConfig::default(), 4);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    for wait in [41, 61] {
        lab.page(&[listed("/f00", 1), listed("/f01", 2), listed("/f02", 3)], None, None);
        lab.wait(Ms(1));
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(wait));
        lab.quiet_feed_if_asked();
    }
    lab.read("/f03", 77);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/f03"], hash(4), "it was never told to be another\n{}", lab.story);
    // The replica has caught up.
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(12));
    lab.read("/f03", 4);
    lab.wait(Ms::secs(3));
    assert!(!lab.story.contains("placed /f03: the remote changed"), "{}", lab.story);
}

/// A feed that was lost tells its past again: /old was made, and deleted later. Before the feed
/// reaches its tip, only what the listing shows is fetched.
#[test]
fn a_feed_that_tells_its_past_brings_nothing_back() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    let events = (2..202).map(|n| updated(n, "/old", 7)).collect();
    lab.wait(Ms(1));
    let next = Some("evt_201".to_string());
    lab.answer("events", Outcome::Ok(Answer::Events { events, next }));
    assert_eq!(lab.sent("read /b"), 1, "{}", lab.story);
    assert_eq!(lab.sent("read /old"), 0, "it may be long gone\n{}", lab.story);
    let events = vec![deleted(202, "/old"), updated(203, "/new", 8)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/b", 2);
    lab.read("/new", 8);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("read /old"), 0, "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// The same, and a kill strikes after the tip and before a seal: the next run reads the past
/// again from where the durable position is, and does not follow it step by step either.
#[test]
fn a_kill_at_the_end_of_a_told_past_does_not_make_it_news() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 1)], None, Some(1));
    let past: Vec<_> = (2..202).map(|n| updated(n, "/old", 7)).collect();
    let first = |events| Outcome::Ok(Answer::Events { events, next: Some("evt_201".into()) });
    let last = || Outcome::Ok(Answer::Events { events: vec![deleted(202, "/old")], next: None });
    lab.wait(Ms(1));
    lab.answer("events after evt_1", first(past.clone()));
    lab.answer("events after evt_201", last());
    lab.kill();
    lab.wait(Ms(1));
    lab.answer("events after evt_1", first(past));
    assert_eq!(lab.sent("read /old"), 0, "{}", lab.story);
    lab.answer("events after evt_201", last());
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("read /old"), 0, "{}", lab.story);
    assert_eq!(lab.mirror_row().replay, None, "the next run need not wait\n{}", lab.story);
}

/// What it tells was written here, and is written over since: the feed was faster to tell that than
/// the answer to the write. It is no more news than any other past.
#[test]
fn what_was_written_here_is_no_news_where_the_past_is_told() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    lab.saves("/a", 9);
    lab.wait(Ms(200));
    lab.wrote("bulk /a v9 if rev_1", &[("/a", "rev_9")]);
    lab.saves("/a", 10);
    lab.wait(Ms(200));
    let call = lab.request("bulk /a v10 if rev_9");
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/a", 9), updated(102, "/a", 10)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    let (path, revision) = ("/a".to_string(), Revision("rev_10".into()));
    lab.part(call, Part::Wrote { path, revision, op: None });
    lab.done(call, Answer::WroteMany);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 10)], None, Some(1));
    let events = (2..202).map(|n| updated(n, "/a", 9)).collect();
    let next = Some("evt_201".to_string());
    lab.wait(Ms(1));
    lab.answer("events", Outcome::Ok(Answer::Events { events, next }));
    lab.wait(Ms::secs(1));
    assert_eq!(lab.sent("read"), 0, "{}", lab.story);
    lab.answer(
        "events",
        Outcome::Ok(Answer::Events { events: vec![updated(202, "/a", 10)], next: None }),
    );
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("read"), lab.disk["/a"]), (0, hash(10)), "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// The same, by the stream and with the bytes.
#[test]
fn bytes_of_the_past_are_not_placed() {
    let mut lab = Lab::streaming_in_step_with(&[("/a", 1)]);
    lab.answer("stream after evt_100", link_failed());
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 1)], None, Some(1));
    let call = lab.request("stream after evt_1");
    let event = updated(2, "/old", 7);
    let inline = Some(lab.fetched(call, 0, "/old", 7));
    lab.part(call, Part::Event { event, inline });
    lab.wait(Ms(1));
    assert!(!lab.disk.contains_key("/old"), "it may be long gone\n{}", lab.story);
    let events = vec![updated(3, "/old", 8)];
    lab.answer("events after evt_2", Outcome::Ok(Answer::Events { events, next: None }));
    lab.read("/old", 8);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/old"], hash(8), "{}", lab.story);
}

/// The same, and the feed is lost once more before it was told that the file is gone.
#[test]
fn what_a_feed_told_of_its_past_is_forgotten_with_it() {
    let mut lab = Lab::in_step_with(&[("/a", 1)]);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.wait(Ms::secs(40));
    let events = (2..202).map(|n| updated(n, "/old", 7)).collect();
    let next = Some("evt_201".to_string());
    lab.answer("events", Outcome::Ok(Answer::Events { events, next }));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(203));
    lab.page(&[listed("/a", 1)], None, Some(1));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!(lab.sent("read"), 0, "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// A server that is restored from a backup counts on from there. A number that it had given to what
/// was written here is given again, to other bytes, and that is no news of what it had before.
#[test]
fn a_number_that_a_restored_server_gives_again_is_another_version() {
    let mut lab = Lab::two_way(&[("/a", 1)]);
    for (n, base, revision) in [(9, "rev_1", "rev_2"), (10, "rev_2", "rev_3")] {
        lab.saves("/a", n);
        lab.wait(Ms(200));
        lab.wrote(&format!("bulk /a v{n} if {base}"), &[("/a", revision)]);
        lab.wait(Ms::secs(3));
    }
    let lost_and_listed = |lab: &mut Lab, entry: TreeEntry| {
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(40));
        lab.answer("events", refused(410, "gone", ""));
        lab.answer("tip", tip(40));
        lab.page(&[entry], None, Some(1));
    };
    // A listing that lags tells what was written here before.
    let before = TreeEntry { content_hash: Some(hash(9).to_string()), ..listed("/a", 2) };
    lost_and_listed(&mut lab, before);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!((lab.sent("read"), lab.disk["/a"]), (0, hash(10)), "{}", lab.story);
    lost_and_listed(&mut lab, listed("/a", 2));
    lab.read("/a", 2);
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert_eq!(lab.disk["/a"], hash(2), "{}", lab.story);
    assert!(lab.status().in_step, "{}", lab.story);
}

/// The server hides nearly everything, each time something else, and lets nobody ask. Each second
/// listing shows as much as the one before, and is believed, and leaves out what that showed; so
/// they come more and more seldom.
#[test]
fn a_server_that_hides_nearly_everything_is_listed_more_and_more_seldom() {
    let mut lab = mirror_of(WorkspaceConfig::default(), 30);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    let before = lab.sent("tree");
    let mut shown = [("/f00", 1), ("/f01", 2)].into_iter().cycle();
    for _ in 0..3_600 {
        let asked: Vec<_> = lab.asked.iter().map(|(_, request)| show(request)).collect();
        for request in asked {
            match request.split(' ').next() {
                Some("tree") => {
                    let (path, n) = shown.next().unwrap();
                    lab.page(&[listed(path, n)], None, None);
                }
                Some("read") => lab.answer("read", refused(403, "forbidden", "")),
                _ => {}
            }
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(1));
    }
    let listings = lab.sent("tree") - before;
    assert!((5..20).contains(&listings), "{listings} listings in an hour\n{}", lab.story);
    assert!(lab.trash.is_empty(), "{}", lab.story);
}

/// A run is killed when it has just moved a deleted file away, and the feed is lost before the next
/// one looks at the disk: that it is gone is no reason to ask for it, and if it is there, the delete
/// counts for nothing.
#[test]
fn a_delete_that_a_killed_run_carried_out_is_not_forgotten_with_the_feed() {
    for carried_out in [true, false] {
        let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 2)]);
        lab.wait(Ms::secs(40));
        lab.hold = Some(is_remove);
        let events = vec![deleted(101, "/a")];
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
        lab.wait(Ms::secs(2));
        assert_eq!(lab.held.len(), 1, "{}", lab.story);
        if carried_out {
            lab.disk.remove("/a");
            lab.stamps.remove("/a");
        }
        lab.hold = Some(is_look);
        lab.kill();
        lab.wait(Ms(10));
        lab.answer("events", refused(410, "gone", ""));
        lab.hold = None;
        while !lab.held.is_empty() {
            lab.release();
        }
        lab.wait(Ms::secs(5));
        assert_eq!(lab.sent("read"), 0, "{}", lab.story);
        assert_eq!(lab.disk.contains_key("/a"), !carried_out, "{}", lab.story);
        assert!(lab.trash.is_empty(), "{}", lab.story);
    }
}

/// A person deleted it while nothing ran. The feed tells that it was deleted long ago, before it was
/// made anew, and is lost before the disk is looked at: nobody carried that out, so what is missing
/// is a person's delete.
#[test]
fn a_delete_of_the_past_does_not_hide_that_of_a_person() {
    let mut lab = Lab::two_way(&[("/a", 1), ("/b", 2)]);
    lab.wait(Ms::secs(40));
    lab.hold = Some(is_look);
    lab.disk.remove("/a");
    lab.stamps.remove("/a");
    lab.kill();
    lab.wait(Ms(10));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(1));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    let events = (2..202).map(|n| deleted(n, "/a")).collect();
    lab.wait(Ms(1));
    let next = Some("evt_201".to_string());
    lab.answer("events", Outcome::Ok(Answer::Events { events, next }));
    lab.answer("events", refused(410, "gone", ""));
    lab.hold = None;
    while !lab.held.is_empty() {
        lab.release();
    }
    lab.wait(Ms::secs(3));
    lab.answer("tip", tip(100));
    lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
    lab.wait(Ms(1));
    lab.quiet_feed_if_asked();
    lab.wait(Ms::secs(5));
    assert_eq!(lab.sent("read"), 0, "{}", lab.story);
    lab.request("delete /a if rev_1");
}

/// Many files were deleted while the feed was lost. When the first few that are asked for by name
/// are found to be gone, the others are asked for, and not after another listing each.
#[test]
fn many_deletes_that_nobody_told_do_not_take_a_listing_for_every_few() {
    let mut lab = mirror_of(WorkspaceConfig::default(), 200);
    lab.wait(Ms::secs(40));
    lab.answer("events", refused(410, "gone", ""));
    lab.answer("tip", tip(100));
    let left: Vec<_> = names(120).iter().map(|(path, n)| listed(path, *n)).collect();
    let before = lab.sent("tree");
    for _ in 0..20 * 60 {
        let asked: Vec<_> = lab.asked.iter().map(|(_, request)| show(request)).collect();
        for request in asked {
            match request.split(' ').next() {
                Some("tree") => lab.page(&left, None, Some(120)),
                Some("read") => lab.answer(&request, refused(404, "", "")),
                _ => {}
            }
        }
        lab.quiet_feed_if_asked();
        lab.wait(Ms::secs(1));
    }
    assert_eq!(lab.trash.len(), 80, "{}", lab.story);
    let listings = lab.sent("tree") - before;
    assert!(listings <= 4, "{listings} listings\n{}", lab.story);
}

/// The feed is lost and begins far in the past. There it tells of a delete, and then falls silent,
/// long before it tells that the file was made anew. Silence is the end only where the server has
/// nothing newer.
#[test]
fn a_past_that_breaks_off_deletes_nothing() {
    for goes_on in [true, false] {
        let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 2)]);
        lab.wait(Ms::secs(40));
        lab.answer("events", refused(410, "gone", ""));
        lab.answer("tip", tip(1));
        lab.page(&[listed("/a", 1), listed("/b", 2)], None, Some(2));
        lab.wait(Ms(1));
        let events = vec![deleted(5, "/a")];
        lab.answer("events", Outcome::Ok(Answer::Events { events, next: Some("evt_5".into()) }));
        lab.quiet_feed();
        lab.answer("tip", tip(if goes_on { 100 } else { 5 }));
        lab.wait(Ms::secs(3));
        assert_eq!(lab.disk.contains_key("/a"), goes_on, "{}", lab.story);
    }
}
