//! What the server lets us read, and what is written here.
mod lab;
use lab::*;
use landfall_core::brake::Brake;
use landfall_core::effect::{DiskOp, Effect, Exit, Request};
use landfall_core::event::{Answer, Boot, Event, LastExit, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::status::Verdict;
use landfall_core::time::Ms;

const FILES: u8 = 24;

/// 24 files that all changed on the remote, and none may be read any more.
fn denied() -> Lab {
    let names: Vec<String> = (0..FILES).map(|n| format!("/f{n:02}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(String::as_str).zip(1..).collect();
    let mut lab = Lab::in_step_with(&files);
    lab.story.clear();
    lab.wait(Ms::secs(40));
    let changed = |(n, path): (u64, &String)| updated(101 + n, path, 100 + n as u8);
    let events = (0..).zip(&names).map(changed).collect();
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    lab.wait(Ms(10));
    lab
}

/// Answers every read that is asked for. Answers how many files were asked for.
fn reads(lab: &mut Lab, may: bool) -> usize {
    let mut asked = 0;
    let wanted = |r: &Request| matches!(r, Request::Read { .. } | Request::ReadMany { .. });
    while let Some(at) = lab.asked.iter().position(|(_, request)| wanted(request)) {
        let Some((call, request)) = lab.asked.remove(at) else { break };
        let (paths, alone) = match request {
            Request::ReadMany { paths } => (paths, false),
            Request::Read { path } => (vec![path], true),
            _ => unreachable!(),
        };
        asked += paths.len();
        for (n, path) in (0..).zip(&paths) {
            let number: u8 = path.as_str()[2..].parse().unwrap();
            let file = may.then(|| lab.fetched(call, n, path.as_str(), 100 + number));
            match (file, alone) {
                (Some(file), true) => lab.done(call, Answer::Read(file)),
                (Some(file), false) => lab.part(call, Part::File(file)),
                (None, true) => {
                    let outcome = refused(403, "forbidden", "");
                    lab.step(Event::Done { call, outcome });
                }
                (None, false) => {
                    let (blame, why) = (Blame::Payload, Fault::Forbidden);
                    lab.part(call, Part::Refused { path: path.to_string(), blame, why });
                }
            }
        }
        if !alone {
            lab.done(call, Answer::ReadMany);
        }
    }
    asked
}

#[test]
fn a_wave_of_403s_is_a_brake_and_one_file_is_asked_for_on_behalf_of_all() {
    let mut lab = denied();
    assert_eq!(reads(&mut lab, false), usize::from(FILES));
    let status = lab.status();
    assert_eq!(status.verdict, Verdict::Halted, "{}", lab.story);
    assert_eq!(status.brakes, [Brake::Forbidden { files: 24, known: 24 }]);
    assert_eq!((status.denied, status.set_aside_count), (24, 24));
    assert_eq!(lab.disk.len(), usize::from(FILES), "what is here stays");
    let mut asked = 0;
    for _ in 0..60 {
        lab.wait(Ms::mins(1));
        lab.quiet_feed_if_asked();
        asked += reads(&mut lab, false);
    }
    assert!((6..=12).contains(&asked), "{asked} files were asked for in an hour");
}

#[test]
fn a_right_that_comes_back_brings_everything_back() {
    let mut lab = denied();
    reads(&mut lab, false);
    let mut waves = Vec::new();
    while lab.status().denied > 0 {
        lab.wait(Ms::secs(20));
        lab.quiet_feed_if_asked();
        waves.push(reads(&mut lab, true));
        assert!(waves.len() < 40, "{waves:?}\n{}", lab.story);
    }
    // One, two, four; then they are fewer than half, and no wave any more. What is read is
    // placed, which the next probes do not wait for.
    waves.retain(|n| *n > 0);
    assert_eq!(waves.iter().sum::<usize>(), usize::from(FILES), "{waves:?}");
    assert_eq!(lab.status().verdict, Verdict::Ok, "{}", lab.story);
}

#[test]
fn a_wave_is_still_one_after_a_restart_and_one_file_is_asked_for_at_once() {
    let mut lab = denied();
    reads(&mut lab, false);
    lab.boot(Boot::Same, LastExit::Unclean);
    lab.wait(Ms::secs(1));
    lab.quiet_feed_if_asked();
    assert_eq!(lab.status().brakes, [Brake::Forbidden { files: 24, known: 24 }]);
    assert_eq!(reads(&mut lab, false), 1, "{}", lab.story);
}

#[test]
fn once_tries_what_was_refused_before_it_gives_up() {
    let mut lab = denied();
    reads(&mut lab, false);
    lab.config.workspaces[0].1.once = true;
    lab.boot(Boot::Same, LastExit::Clean);
    lab.wait(Ms::secs(1));
    lab.quiet_feed_if_asked();
    assert_eq!(lab.exited, None, "nothing was tried with these credentials");
    assert!(reads(&mut lab, false) >= 1);
    lab.wait(Ms::secs(3));
    assert_eq!(lab.exited, Some(Exit::Halted), "{}", lab.story);

    lab.exited = None;
    lab.boot(Boot::Same, LastExit::Clean);
    for _ in 0..20 {
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
        reads(&mut lab, true);
    }
    assert_eq!(lab.exited, Some(Exit::InStep), "{}", lab.story);
}

#[test]
fn once_does_not_count_the_tries_of_an_earlier_run() {
    let mut lab = Lab::in_step_with(&[("/f00", 1)]);
    lab.wait(Ms::secs(40));
    let events = vec![updated(101, "/f00", 100)];
    lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
    for _ in 0..8 {
        lab.wait(Ms::mins(1));
        lab.quiet_feed_if_asked();
        reads(&mut lab, false);
    }
    lab.config.workspaces[0].1.once = true;
    lab.boot(Boot::Same, LastExit::Clean);
    for _ in 0..10 {
        lab.wait(Ms::secs(1));
        lab.quiet_feed_if_asked();
        reads(&mut lab, true);
    }
    assert_eq!(lab.exited, Some(Exit::InStep), "{}", lab.story);
}

#[test]
fn each_file_that_waits_is_listed_once() {
    let mut lab = denied();
    // A probe comes before the file's own time, and its answer, too.
    for _ in 0..60 {
        reads(&mut lab, false);
        lab.wait(Ms::secs(5));
        lab.quiet_feed_if_asked();
        let listed: Vec<_> = lab.status().set_aside.into_iter().map(|(path, _)| path).collect();
        let mut once = listed.clone();
        once.dedup();
        assert_eq!(listed, once);
    }
}

#[test]
fn what_the_feed_tells_of_a_probe_is_not_taken_for_a_right() {
    let mut lab = denied();
    reads(&mut lab, false);
    let mut asked = 0;
    for n in 0..30 {
        lab.wait(Ms::mins(1));
        // The file that is asked for is changed while it is.
        let probe = lab.asked.iter().find_map(|(_, request)| match request {
            Request::Read { path } => Some(path.to_string()),
            _ => None,
        });
        if let Some(path) = probe
            && lab.asked.iter().any(|(_, request)| show(request).starts_with("events"))
        {
            let events = vec![updated(200 + n, &path, 200)];
            lab.answer("events", Outcome::Ok(Answer::Events { events, next: None }));
        }
        lab.quiet_feed_if_asked();
        asked += reads(&mut lab, false);
    }
    assert!(asked <= 30, "{asked} files were asked for in half an hour\n{}", lab.story);
}

fn modes(effects: &[Effect]) -> Vec<bool> {
    let writable = |effect: &Effect| match effect {
        Effect::Disk { op: DiskOp::Look { writable, .. }, .. } => *writable,
        _ => None,
    };
    effects.iter().filter_map(writable).collect()
}

#[test]
fn a_disk_without_modes_is_no_trouble() {
    let mut lab = Lab::new();
    lab.without_modes = true;
    let mut lab = lab.brought_in_step_with(&[("/a", 1), ("/b", 2), ("/c", 3)]);
    let told = |lab: &Lab| lab.story.matches("keeps no modes").count();
    assert_eq!((told(&lab), modes(&lab.effects).len()), (1, 3), "{}", lab.story);
    lab.effects.clear();
    lab.wait(Ms::mins(5));
    assert_eq!(modes(&lab.effects).len(), 0, "it is tried once");
}

#[test]
fn a_file_that_a_person_made_writable_is_read_only_after_the_next_start() {
    let mut lab = Lab::in_step_with(&[("/a", 1), ("/b", 2)]);
    assert!(lab.stamps.values().all(|stamp| !stamp.writable), "{:?}", lab.stamps);
    let stamp = lab.stamps.get_mut("/a").unwrap();
    (stamp.writable, stamp.ctime_ns) = (true, stamp.ctime_ns + 1);
    lab.effects.clear();
    lab.kill();
    lab.wait(Ms::secs(1));
    assert_eq!(modes(&lab.effects), [false], "one file is made read-only again");
    assert!(lab.stamps.values().all(|stamp| !stamp.writable), "{:?}", lab.stamps);
}
