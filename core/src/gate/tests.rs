use super::*;
use crate::event::Answer;
use crate::id::UnitId;
use alloc::vec::Vec;

fn call(n: u64) -> CallId {
    CallId { run: 1, unit: UnitId(0), n }
}

fn queued() -> Queued {
    Queued { request: Request::Tip, patience: Ms::secs(30), credit: 1 }
}

fn gate(concurrency: u32) -> Gate {
    Gate::new(RemoteId(0), GateConfig { concurrency, per_second: 1000 }, 7)
}

fn ask(gate: &mut Gate, class: Class, calls: core::ops::Range<u64>) {
    calls.for_each(|n| gate.enqueue(call(n), class, queued()));
}

fn granted(gate: &mut Gate, now: Tick) -> Vec<u64> {
    core::iter::from_fn(|| gate.grant(now)).map(|(call, _)| call.n).collect()
}

fn throttled(retry_after: Option<Ms>) -> Outcome {
    Outcome::Failed { blame: Blame::Lane, why: Fault::Throttled, retry_after }
}

fn good() -> Outcome {
    Outcome::Ok(Answer::Tip(None))
}

#[test]
fn nothing_goes_before_retry_after_ended() {
    let mut gate = gate(4);
    ask(&mut gate, Class::Bulk, 1..4);
    assert_eq!(granted(&mut gate, Tick(0)), [1, 2, 3]);
    gate.settle(Tick(10), call(1), &throttled(Some(Ms::secs(7))));
    ask(&mut gate, Class::Feed, 4..5);
    assert_eq!(gate.opens_at(Tick(10)), None, "two under way fill what is left of four");
    gate.settle(Tick(11), call(2), &good());
    assert_eq!(gate.opens_at(Tick(11)), Some(Tick(7_010)));
    assert!(granted(&mut gate, Tick(7_009)).is_empty());
    assert_eq!(granted(&mut gate, Tick(7_010)), [4]);
}

#[test]
fn an_absurd_retry_after_is_clamped() {
    for (asked, wait) in [(0, 1_000), (99_999_000, 60_000)] {
        let mut gate = gate(4);
        ask(&mut gate, Class::Bulk, 1..3);
        granted(&mut gate, Tick(0));
        gate.settle(Tick(0), call(1), &throttled(Some(Ms(asked))));
        assert_eq!(gate.paused_until(Tick(0)), Some(Tick(wait)));
    }
}

#[test]
fn concurrency_halves_on_a_throttle_and_grows_back_by_one_a_round() {
    let mut gate = gate(8);
    ask(&mut gate, Class::Bulk, 1..2);
    granted(&mut gate, Tick(0));
    gate.settle(Tick(0), call(1), &throttled(None));
    assert_eq!(gate.concurrency(), 4);
    for n in 2..6 {
        ask(&mut gate, Class::Bulk, n..n + 1);
        granted(&mut gate, Tick(n * 100_000));
        gate.settle(Tick(n * 100_000), call(n), &good());
    }
    assert_eq!(gate.concurrency(), 5);
}

#[test]
fn a_storm_of_bulk_reads_leaves_a_place_for_the_feed() {
    let mut gate = gate(4);
    ask(&mut gate, Class::Bulk, 1..100);
    assert_eq!(granted(&mut gate, Tick(0)), [1, 2, 3]);
    ask(&mut gate, Class::Feed, 100..101);
    assert_eq!(granted(&mut gate, Tick(0)), [100]);
}

#[test]
fn no_class_starves_another() {
    let mut gate = gate(1);
    ask(&mut gate, Class::Interactive, 0..100);
    ask(&mut gate, Class::Feed, 100..200);
    ask(&mut gate, Class::Bulk, 200..300);
    let mut shares = [0; 3];
    for turn in 0..70 {
        let now = Tick(turn * 1000);
        let (call, _) = gate.grant(now).unwrap();
        gate.settle(now, call, &good());
        shares[(call.n / 100) as usize] += 1;
    }
    assert_eq!(shares, [40, 20, 10]);
}

#[test]
fn whoever_asked_alone_owes_nothing_for_it() {
    let mut gate = gate(1);
    let mut turns = (0..).map(|n| Tick(n * 1000));
    let mut next = |gate: &mut Gate| {
        let now = turns.next().unwrap();
        let (call, _) = gate.grant(now).unwrap();
        gate.settle(now, call, &good());
        call.n
    };
    for n in 0..500 {
        ask(&mut gate, Class::Interactive, n..n + 1);
        assert_eq!(next(&mut gate), n);
    }
    ask(&mut gate, Class::Bulk, 1000..1100);
    ask(&mut gate, Class::Interactive, 500..600);
    let first: Vec<u64> = (0..10).map(|_| next(&mut gate)).collect();
    assert_eq!(first, [1000, 500, 501, 502, 503, 1001, 504, 505, 506, 507]);
}

#[test]
fn a_class_that_might_not_ask_gets_none_of_that_time_back() {
    let mut gate = gate(4);
    ask(&mut gate, Class::Bulk, 1000..1100);
    assert_eq!(granted(&mut gate, Tick(0)), [1000, 1001, 1002]);
    for n in 0..500 {
        ask(&mut gate, Class::Interactive, n..n + 1);
        assert_eq!(granted(&mut gate, Tick(n * 1000)), [n], "the last place is not for bulk");
        gate.settle(Tick(n * 1000), call(n), &good());
    }
    // A throttle leaves one place for all of them.
    let now = Tick(600_000);
    for n in 1000..1003 {
        gate.settle(now, call(n), &throttled(None));
    }
    ask(&mut gate, Class::Interactive, 500..600);
    let mut order = Vec::new();
    for turn in 1..=10 {
        let now = now + Ms::secs(100 * turn);
        let (call, _) = gate.grant(now).unwrap();
        gate.cancel(call);
        order.push(call.n);
    }
    assert_eq!(order.iter().filter(|n| **n >= 1000).count(), 2, "{order:?}");
}

#[test]
fn a_file_that_is_not_there_says_nothing_bad_about_the_server() {
    let mut gate = gate(1);
    let missing =
        Outcome::Failed { blame: Blame::Payload, why: Fault::NotFound, retry_after: None };
    for n in 0..20 {
        ask(&mut gate, Class::Bulk, n..n + 1);
        assert_eq!(granted(&mut gate, Tick(n * 10)), [n]);
        assert_eq!(gate.settle(Tick(n * 10), call(n), &missing), None);
    }
}

#[test]
fn a_request_that_is_cancelled_in_line_is_never_sent() {
    let mut gate = gate(1);
    ask(&mut gate, Class::Bulk, 1..3);
    gate.cancel(call(1));
    assert_eq!(granted(&mut gate, Tick(0)), [2]);
    gate.cancel(call(2));
}

fn unauthorized() -> Outcome {
    Outcome::Failed { blame: Blame::Lane, why: Fault::Unauthorized, retry_after: None }
}

#[test]
fn sixteen_401s_are_one_refusal_and_one_request_finds_the_renewed_token() {
    let mut gate = gate(16);
    ask(&mut gate, Class::Bulk, 1..40);
    let sent = granted(&mut gate, Tick(0));
    assert!(sent.len() > 4, "{sent:?}");
    let told = sent.iter().filter_map(|n| gate.settle(Tick(5), call(*n), &unauthorized())).count();
    assert_eq!(told, 1, "one wave is one decision");
    assert_eq!(gate.credentials().refusals(), 1);
    // One request goes, soon, and no other while it is under way.
    let soon = gate.opens_at(Tick(5)).unwrap();
    assert!(soon <= Tick(1_005), "{soon:?}");
    let trial = granted(&mut gate, soon);
    assert_eq!(trial.len(), 1);
    assert!(granted(&mut gate, Tick(60_000)).is_empty());
    gate.settle(soon + Ms(5), call(trial[0]), &good());
    assert_eq!(gate.credentials().refusals(), 0);
    assert!(granted(&mut gate, soon + Ms(5)).len() > 4, "as many at once as before");
}

#[test]
fn refused_credentials_are_tried_more_and_more_seldom() {
    let mut gate = gate(16);
    let (mut now, mut tries) = (Tick(0), 0);
    while now < Tick(600_000) {
        tries += 1;
        ask(&mut gate, Class::Feed, tries..tries + 1);
        now = gate.opens_at(now).unwrap().max(now);
        assert_eq!(granted(&mut gate, now), [tries]);
        gate.settle(now, call(tries), &unauthorized());
    }
    assert!((10..30).contains(&tries), "{tries} in ten minutes");
}

#[test]
fn a_stream_that_opens_closes_the_breaker_and_says_so() {
    let mut gate = gate(8);
    ask(&mut gate, Class::Bulk, 1..6);
    granted(&mut gate, Tick(0));
    let failed = Outcome::Failed { blame: Blame::Unknown, why: Fault::Link, retry_after: None };
    let said: Vec<_> = (1..6).filter_map(|n| gate.settle(Tick(0), call(n), &failed)).collect();
    assert!(matches!(said[..], [Decision::Breaker { state: BreakerState::Open, .. }]));
    ask(&mut gate, Class::Feed, 6..7);
    assert_eq!(granted(&mut gate, Tick(30_000)), [6]);
    let said = gate.opened(call(6));
    assert!(matches!(said, Some(Decision::Breaker { state: BreakerState::Closed, .. })));
}
