//! Each state: verdict, exit code, what a person and a program are told.

use super::*;

#[test]
fn bootstrapping_is_ok_and_says_how_far_it_is() {
    // Must show: verdict ok, 512 of 700 known files, what it waits for; for scripts
    // `bootstrapping` with the server's own count of 10,000 and the directory being listed.
    let case = Case::told(bootstrapping());
    assert_eq!(case.decided(), (Verdict::Ok, 0, "bootstrapping".into()));
    insta::assert_snapshot!("bootstrapping", case.text());
    insta::assert_snapshot!("bootstrapping_json", pretty(&case.json()));
}

#[test]
fn a_bootstrap_that_stalls_says_so_to_scripts() {
    // Must show: degraded, exit code 3; for scripts `stalled`, whatever else is true.
    let mut status = bootstrapping();
    status.bootstrap.as_mut().unwrap().stalls = 2;
    status.verdict = Verdict::Degraded;
    status.reason = "the server answers, but nothing moves (2 times)".into();
    status.heard = trouble(Fault::Server(503));
    let case = Case::told(status);
    assert_eq!(case.decided(), (Verdict::Degraded, 3, "stalled".into()));
    assert_eq!(case.json()["lastError"]["kind"], "bootstrap_stalled");
    assert_eq!(case.json()["stallReason"], "the server answers, but nothing moves (2 times)");
    insta::assert_snapshot!("bootstrap_stalled", case.text());
}

#[test]
fn following_is_ok_and_ready() {
    // Must show: verdict ok, all in step, the stream listening, no error and no stall.
    let case = Case::told(in_step());
    assert_eq!(case.decided(), (Verdict::Ok, 0, "ready".into()));
    insta::assert_snapshot!("following", case.text());
    insta::assert_snapshot!("following_json", pretty(&case.json()));
}

#[test]
fn work_that_is_left_is_ok_and_syncing() {
    // Must show: verdict ok, and what it waits for.
    let waits = vec!["2 files, /a first (2 reads and 0 disk operations under way)".into()];
    let case = Case::told(WorkspaceStatus {
        in_step: false,
        files_done: 18,
        reason: String::clone(&waits[0]),
        waits,
        ..in_step()
    });
    assert_eq!(case.decided(), (Verdict::Ok, 0, "syncing".into()));
    insta::assert_snapshot!("syncing", case.text());
}

#[test]
fn a_file_that_fails_degrades() {
    // Must show: degraded, exit code 3, the path and why; each refused name with its reason; for
    // scripts the error with its code.
    let case = Case::told(WorkspaceStatus {
        verdict: Verdict::Degraded,
        reason: "1 file is set aside and tried again".into(),
        in_step: false,
        files_done: 19,
        set_aside: vec![("/bad.md".into(), "server error 500, tried 4 times".into())],
        set_aside_count: 1,
        heard: trouble(Fault::Server(500)),
        refused_names: 2,
        refused: vec![
            ("/../x".into(), "it has a `..` component".into()),
            ("/a//b".into(), "it has an empty component".into()),
        ],
        denied: 3,
        local_only: 1,
        ..in_step()
    })
    .with(|case| case.conflicts = 4);
    assert_eq!(case.decided(), (Verdict::Degraded, 3, "conflict".into()));
    let json = case.json();
    assert_eq!(json["lastError"]["statusCode"], 500);
    assert_eq!((&json["deniedPaths"], &json["pendingConflicts"]), (&3.into(), &4.into()));
    assert!(case.text().contains("refused: `/a//b`: it has an empty component"));
    insta::assert_snapshot!("degraded", case.text());
    insta::assert_snapshot!("degraded_json", pretty(&json));
}

#[test]
fn what_goes_to_the_server_is_counted_and_has_its_words() {
    // Must show: degraded, exit code 3, one dead letter and three changes on their way, of which
    // the server still works on one. For scripts: attention comes before a conflict, that before
    // what is pending, and a server that is gone before all of them.
    let outbox = Outbox { pending: 2, oldest: ago(9), owed: 1, dead: 1, unsent: 2 };
    let mut status = WorkspaceStatus {
        verdict: Verdict::Degraded,
        reason: "1 write could not be delivered".into(),
        in_step: false,
        outbox,
        counters: Counters { sent: 7, ..Counters::default() },
        ..in_step()
    };
    let case = Case::told(status.clone()).with(|case| case.conflicts = 1);
    let word = String::from("writeback-needs-attention");
    assert_eq!(case.decided(), (Verdict::Degraded, 3, word));
    let json = case.json();
    assert_eq!((&json["pendingWriteback"], &json["failedWritebacks"]), (&3.into(), &2.into()));
    assert_eq!(json["states"]["hasPendingWriteback"], true);
    insta::assert_snapshot!("outbox", case.text());
    insta::assert_snapshot!("outbox_json", pretty(&json["outbox"]));
    status.outbox.dead = 0;
    let case = Case::told(status.clone()).with(|case| case.conflicts = 1);
    assert_eq!(case.decided().2, "conflict");
    assert_eq!(Case::told(status.clone()).decided().2, "writeback-pending");
    status.circuit.open = true;
    assert_eq!(Case::told(status).decided().2, "offline");
}

#[test]
fn a_server_that_is_gone_is_offline_to_scripts() {
    // Must show: the circuit open since 20 s, one try in 10 s; `offline`, and the bootstrap
    // hides that for those that only know that word.
    let circuit =
        Circuit { open: true, opened_at: ago(20), retry_at: soon(10), failures: 5, times: 1 };
    let gone = WorkspaceStatus { heard: trouble(Fault::Link), circuit, ..in_step() };
    let case = Case::told(gone.clone());
    assert_eq!(case.decided().2, "offline");
    let json = case.json();
    assert_eq!(json["circuit"]["nextRetry"], "2026-09-01T12:00:10Z");
    assert_eq!(json["lastError"]["kind"], "offline");
    insta::assert_snapshot!("circuit_json", pretty(&json["circuit"]));
    let bootstrap = Some(Bootstrap::default());
    assert_eq!(Case::told(WorkspaceStatus { bootstrap, ..gone }).decided().2, "bootstrapping");
}

#[test]
fn one_failure_is_no_outage() {
    let mut status = WorkspaceStatus { heard: trouble(Fault::Timeout), ..in_step() };
    status.circuit.failures = 1;
    assert_eq!(Case::told(status.clone()).decided().2, "ready");
    status.circuit.failures = 2;
    assert_eq!(Case::told(status).decided().2, "offline");
}

#[test]
fn a_mirror_that_nobody_heard_of_for_two_rounds_is_stale() {
    let mut status = in_step();
    status.in_step_at = ago(60);
    assert_eq!(Case::told(status.clone()).decided().2, "ready");
    status.in_step_at = ago(61);
    assert_eq!(Case::told(status.clone()).decided().2, "stale");
    assert_eq!(Case::told(status).json()["reconcileAgeSecs"], 61);
}

#[test]
fn every_brake_halts_and_says_how_to_go_on() {
    // Must show, for each brake: halted and exit code 20; what was seen, what would have
    // happened, and at least two ways on, of which the first is not the one past the brake.
    // Running or not makes no difference.
    for brake in brakes() {
        let case = Case::told(halted(brake.clone()));
        assert_eq!(case.decided(), (Verdict::Halted, 20, "stalled".into()));
        let report = case.report();
        let [halt] = &report.halts[..] else { panic!("one brake is on") };
        assert!(halt.ways.len() >= 2 && !halt.ways[0].command.contains("--max-delete"));
        for way in &halt.ways {
            assert!(!way.command.contains("DIR"), "{}", way.command);
        }
        insta::assert_snapshot!(format!("halted_{}", brake.name()), case.text());
        let halts = pretty(&case.json()["halts"]);
        insta::assert_snapshot!(format!("halted_{}_json", brake.name()), halts);
        let dead = case.dead();
        assert_eq!((dead.decided().0, dead.decided().1), (Verdict::Halted, 20));
        assert_eq!(dead.report().halts.len(), 1);
    }
}

#[test]
fn credentials_are_worth_a_word_when_they_expire() {
    // Must show: nothing while there is time, a line in the last five minutes, and degraded
    // once they are over; a mount that does not run may be given others.
    let case = |secs| Case::told(in_step()).expires(secs);
    assert_eq!(case(301).report().credentials, None);
    assert_eq!(case(301).json()["credExpiresInSecs"], 301);
    assert_eq!(case(299).decided(), (Verdict::Ok, 0, "ready".into()));
    insta::assert_snapshot!("credentials_soon", case(299).text());
    assert_eq!(case(-61).decided().1, 3);
    assert_eq!(case(-61).json()["credExpiresInSecs"], -61);
    insta::assert_snapshot!("credentials_over", case(-61).text());
    assert_eq!(case(-61).dead().decided().0, Verdict::Ok);
    // A brake is more than that.
    let brake = Case::told(halted(brakes().next().unwrap()));
    assert_eq!(brake.expires(-1).decided().0, Verdict::Halted);
}

#[test]
fn a_mount_that_ended_in_step_is_ok_and_nothing_listens() {
    // Must show: ok, not running, no process and no listener.
    let case = Case::told(in_step()).dead();
    assert_eq!(case.decided(), (Verdict::Ok, 0, "ready".into()));
    let json = case.json();
    assert_eq!(json["eventListener"]["status"], "disabled");
    assert_eq!(json.get("daemon"), None);
    insta::assert_snapshot!("dead_in_step", case.text());
}

#[test]
fn a_mount_that_was_killed_is_degraded() {
    let case = Case::told(in_step()).killed();
    assert_eq!(case.decided().0, Verdict::Degraded);
    assert!(case.text().contains("process 4711 kept it and is gone"), "{}", case.text());
}

#[test]
fn a_mount_that_ended_with_work_left_is_degraded() {
    let case = Case::told(bootstrapping()).dead();
    assert_eq!(case.decided(), (Verdict::Degraded, 3, "bootstrapping".into()));
    insta::assert_snapshot!("dead_with_work", case.text());
}

#[test]
fn without_a_status_file_the_database_and_the_marker_say_what_they_know() {
    // Must show: the workspace from the marker, degraded while nothing runs, starting while
    // something does; and a brake that holds deletes is not forgotten with the file.
    let stored = Stored { complete: true, in_step_at: ago(60), held: 0, files: 20 };
    let lost = |stored| Case { file: None, stored, conflicts: 0, running: false };
    let case = lost(stored);
    assert_eq!((case.decided().0, case.decided().1), (Verdict::Degraded, 3));
    insta::assert_snapshot!("file_missing", case.text());
    let case = case.with(|case| case.running = true);
    assert_eq!((case.decided().0, case.report().reason.as_str()), (Verdict::Ok, "starting"));
    for running in [true, false] {
        let case = lost(Stored { held: 12, ..stored }).with(|case| case.running = running);
        assert_eq!((case.decided().0, case.decided().1), (Verdict::Halted, 20));
        assert!(case.report().reason.contains("`max-delete`"));
    }
}

#[test]
fn names_here_that_the_server_can_not_have() {
    // Must show: all is well otherwise, exit code 0; how many names there are, each with what is
    // wrong with it, and what to do.
    let stranger = |path: &str, why: &str| Stranger { path: path.into(), why: why.into() };
    let case = Case::told(in_step()).with(|case| {
        case.file.as_mut().unwrap().strangers = Told {
            count: 2,
            first: vec![
                stranger("docs/a\\b.md", "it has a backslash"),
                stranger("caf\u{fffd}.txt", "it is not UTF-8"),
            ],
        };
    });
    assert_eq!(case.decided(), (Verdict::Ok, 0, "ready".into()));
    assert_eq!(case.json()["strangers"]["count"], 2);
    insta::assert_snapshot!("strangers", case.text());
}
