//! Faults are decided at addresses, never from a stream.

use landfall_core::time::Wall;
use landfall_reference::faults::*;
use landfall_reference::script::{Ask, Attempts, Script};
use landfall_reference::server::{BulkWrite, Content, Fate, Identity, IfMatch, Server, hash};

/// Every decision about some things at some attempts.
fn decisions(plan: &FaultPlan) -> Vec<Option<Address>> {
    let mut all = Vec::new();
    for kind in FaultKind::ALL {
        for entity in ["export /", "tree /", "file /a", "file /b", "tip"] {
            for attempt in 0..40 {
                all.push(plan.fires(*kind, entity, attempt));
            }
        }
    }
    all
}

#[test]
fn removing_one_fault_leaves_all_others_in_place() {
    for seed in 0..20 {
        let plan = FaultPlan::from_seed(seed);
        let before = decisions(&plan);
        for gone in before.iter().flatten().step_by(37) {
            let mut less = plan.clone();
            less.remove(*gone);
            for (was, is) in before.iter().zip(decisions(&less)) {
                let expected = was.filter(|address| address != gone);
                assert_eq!(is, expected, "seed {seed}, without {gone}");
            }
            less.restore(*gone);
            assert_eq!(less, plan);
        }
    }
}

#[test]
fn taking_a_kind_out_leaves_all_others_in_place() {
    let plan = FaultPlan::all_on(7);
    let less = plan.clone().without(&[FaultKind::Kill]);
    for (was, is) in decisions(&plan).into_iter().zip(decisions(&less)) {
        assert_eq!(is, was.filter(|address| address.kind != FaultKind::Kill));
    }
    let only = plan.clone().only(&[FaultKind::SlowExport]);
    for (was, is) in decisions(&plan).into_iter().zip(decisions(&only)) {
        assert_eq!(is, was.filter(|a| a.kind == FaultKind::SlowExport));
    }
}

#[test]
fn every_name_and_address_reads_back() {
    for kind in FaultKind::ALL {
        assert_eq!(kind.name().parse(), Ok(*kind));
        assert!(kind.line().ends_with('.'));
        let address = Address::new(1, *kind, "file /a", 3);
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    let unknown = "gremlins".parse::<FaultKind>().unwrap_err();
    assert!(unknown.to_string().contains("slow-export"), "{unknown}");
    assert!("kill@xyz".parse::<Address>().is_err());
}

#[test]
fn intensity_is_the_share_of_chances_that_fire() {
    let mut plan = FaultPlan::clean(3);
    assert!(decisions(&plan).iter().all(Option::is_none));
    for ppm in [1_000, 100_000, 500_000, PPM] {
        plan.set(FaultKind::ServerError, ppm);
        let fired =
            (0..100_000).filter(|n| plan.fires(FaultKind::ServerError, "x", *n).is_some()).count();
        let expected = ppm as usize / 10;
        assert!(fired.abs_diff(expected) < 1_000, "{ppm}: {fired}");
    }
}

#[test]
fn amounts_stay_in_bounds_and_reach_all_of_them() {
    let mut seen = [false; 6];
    for n in 0..1_000 {
        let address = Address::new(n, FaultKind::RateLimited, "x", n);
        seen[address.pick(0, &[0usize, 1, 2, 3, 4, 5])] = true;
        assert!((5..=9).contains(&address.amount(n, 5..=9)));
        assert!((500..=300_000).contains(&address.log_amount(n, 500..=300_000)));
        assert_eq!(address.log_amount(n, 7..=7), 7);
        address.amount(n, 0..=u64::MAX);
    }
    assert_eq!(seen, [true; 6]);
}

#[test]
fn a_swarm_has_some_kinds_and_not_all() {
    let sizes: Vec<_> = (0..50).map(|s| FaultPlan::swarm(s).kinds().count()).collect();
    let all = FaultKind::ALL.len();
    assert!(sizes.iter().all(|size| *size > 0 && *size < all), "{sizes:?}");
    for kind in FaultKind::ALL {
        assert!((0..50).any(|s| FaultPlan::swarm(s).intensity(*kind) > 0));
        assert!((0..50).any(|s| FaultPlan::swarm(s).intensity(*kind) == 0));
    }
    let shown = FaultPlan::swarm(1).to_string();
    assert!(shown.starts_with("faults: seed 1, swarm, "), "{shown}");
}

#[test]
fn every_fault_of_the_network_is_met_by_some_request() {
    let plan = FaultPlan::all_on(11);
    let asks = [
        Ask::Tip,
        Ask::Events(Some("evt_1".into())),
        Ask::Export("/".into()),
        Ask::Tree("/".into(), None),
        Ask::File("/a".into()),
        Ask::Put("/a".into()),
        Ask::Delete("/a".into()),
        Ask::BulkWrite(vec![("/a".into(), None), ("/b".into(), Some(hash(b"b")))]),
        Ask::Merge("/a".into()),
        Ask::Op("op_1".into()),
        Ask::Ops,
    ];
    let mut met = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let plan = FaultPlan::all_on(seed);
        let mut attempts = Attempts::default();
        for _ in 0..60 {
            for ask in &asks {
                let attempt = attempts.next(&ask.entity());
                let script = Script::write(&plan, ask, attempt);
                assert_eq!(script, Script::write(&plan, ask, attempt));
                met.extend(script.fired.iter().map(|address| address.kind));
            }
        }
    }
    let remote = FaultKind::ALL.iter().copied();
    let remote = remote.filter(|kind| kind.place() != Where::Computer);
    assert!(remote.eq(met), "all of {plan}");
}

#[test]
fn a_poisoned_file_fails_at_every_attempt() {
    let mut plan = FaultPlan::clean(5);
    plan.set(FaultKind::PoisonedFile, PPM / 2);
    let fails = |path: &str, attempt| {
        let ask = Ask::File(path.to_owned());
        Script::write(&plan, &ask, attempt).refuse
    };
    let mut poisoned = 0;
    for n in 0..20 {
        let path = format!("/f{n}");
        let first = fails(&path, 0);
        assert!((1..10).all(|attempt| fails(&path, attempt) == first));
        poisoned += usize::from(first.is_some());
    }
    assert!((1..20).contains(&poisoned));
}

#[test]
fn a_write_that_is_refused_or_never_answered_is_not_lost_as_well() {
    let asks = [
        Ask::Put("/a".into()),
        Ask::BulkWrite(vec![("/a".into(), None)]),
        Ask::Delete("/a".into()),
        Ask::Merge("/a".into()),
    ];
    let mut lost = 0;
    for seed in 0..50 {
        let plan = FaultPlan::all_on(seed);
        for ask in &asks {
            for attempt in 0..50 {
                let script = Script::write(&plan, ask, attempt);
                let answered = !script.never && script.refuse.is_none();
                assert!(answered || !script.lost && script.fate.is_none(), "{script:?}");
                lost += usize::from(script.lost);
            }
        }
    }
    assert!(lost > 100, "{lost}");
}

#[test]
fn one_bad_record_refuses_every_bulk_write_that_it_is_in_until_its_content_changes() {
    let mut plan = FaultPlan::clean(3);
    plan.set(FaultKind::BulkRefused, PPM / 10);
    let record = |n: u64, text: &str| (format!("/f{n}"), Some(hash(text.as_bytes())));
    let refused = |files: Vec<_>, attempt| {
        let script = Script::write(&plan, &Ask::BulkWrite(files), attempt);
        script.refuse.map(|refusal| refusal.status)
    };
    let (bad, good): (Vec<u64>, Vec<u64>) =
        (0..40).partition(|n| refused(vec![record(*n, "v1")], 0).is_some());
    assert!(!bad.is_empty() && bad.len() < 20, "{bad:?}");
    let clean: Vec<_> = good.iter().map(|n| record(*n, "v1")).collect();
    let bad = record(bad[0], "v1");
    for attempt in 0..10 {
        assert_eq!(refused(clean.clone(), attempt), None);
        assert_eq!(refused(vec![bad.clone()], attempt), Some(400));
        assert_eq!(refused([clean.clone(), vec![bad.clone()]].concat(), attempt), Some(400));
    }
    let edits = (0..10).filter(|n| {
        let edited = (bad.0.clone(), Some(hash(&[*n])));
        refused(vec![edited], 0).is_none()
    });
    assert!(edits.count() > 5);
}

#[test]
fn an_operation_is_unknown_for_the_first_few_times_and_known_from_then_on() {
    let mut plan = FaultPlan::clean(3);
    plan.set(FaultKind::OpUnknown, PPM / 2);
    let mut unknown_at_first = 0;
    for n in 0..40 {
        let ask = Ask::Op(format!("op_{n}"));
        let statuses: Vec<_> =
            (0..10).map(|attempt| Script::write(&plan, &ask, attempt).refuse).collect();
        let unknown = statuses.iter().take_while(|refusal| refusal.is_some()).count();
        assert!(unknown <= 5 && statuses[unknown..].iter().all(Option::is_none), "{statuses:?}");
        unknown_at_first += usize::from(unknown > 0);
    }
    assert!((10..=30).contains(&unknown_at_first), "{unknown_at_first}");
}

#[test]
fn a_fate_is_that_of_a_new_write_and_never_of_a_repeated_one() {
    let mut server = Server::default();
    let by = "agent".into();
    let write = |paths: &[&str], script: &Script, server: &mut Server| {
        let file = |path: &&str| BulkWrite {
            path: (*path).to_owned(),
            content: Some(Content::new(*b"x")),
            expect: IfMatch::Any,
            identity: Some(Identity::new("k", *path)),
        };
        let files: Vec<_> = paths.iter().map(file).collect();
        let fails = script.one_fails(files.len());
        let answer = server.bulk_write(&by, files, fails, Wall(0)).unwrap();
        script.doom(server, &answer.written);
    };
    write(&["/a"], &Script::default(), &mut server);
    let doomed = Script { fate: Some((7, Fate::Fails)), ..Script::default() };
    write(&["/a"], &doomed, &mut server);
    write(&["/a", "/b"], &doomed, &mut server);
    let one_fails = Script { one_fails: Some(5), ..Script::default() };
    write(&["/c", "/d"], &one_fails, &mut server);
    let fates: Vec<_> =
        server.history().iter().map(|change| (&*change.path, change.origin.fate)).collect();
    let expected = [("/a", Fate::Succeeds), ("/b", Fate::Fails), ("/c", Fate::Succeeds)];
    assert_eq!(fates, expected);
}
