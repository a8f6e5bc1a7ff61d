//! Faults are decided at addresses, never from a stream.

use landfall_reference::faults::*;
use landfall_reference::script::{Ask, Attempts, Script};

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
    ];
    let mut met = std::collections::BTreeSet::new();
    for seed in 0..40 {
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
