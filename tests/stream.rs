//! The stream, over real sockets: changes are here as they happen, and every gap is closed.

mod support;

use std::time::{Duration, Instant};

use landfall::serve::{Chaos, Route, Running};
use landfall_core::time::Wall;
use landfall_reference::faults::{FaultKind, FaultPlan};
use landfall_reference::script::{Damage, Script};
use landfall_reference::server::{Content, Server};
use support::{Place, remote, serving};

/// The feed is asked so rarely that only a stream can bring what these tests wait for.
const RARELY: &[&str] = &["--interval", "1h"];

fn workspace(files: u64) -> Server {
    let mut server = Server::default();
    server.add_sample(7, files, Wall(1_000));
    server
}

fn put(server: &Running, path: &str, text: &str) {
    server.with(|server| server.put(path, Content::new(text.as_bytes()), Wall(2_000)));
}

/// Waits until both sides are equal; a deadline, not a pause, decides that it never happens.
async fn equal(place: &Place, server: &Running, within: Duration) -> Duration {
    let began = Instant::now();
    loop {
        if place.mirror().is_dir() && place.files() == remote(server) {
            return began.elapsed();
        }
        let late = began.elapsed() > within;
        assert!(!late, "not equal after {within:?}:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn says(place: &Place, what: &str, times: usize) {
    let began = Instant::now();
    while place.log().matches(what).count() < times {
        assert!(began.elapsed() < Duration::from_secs(30), "no `{what}` in:\n{}", place.log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn asked(server: &Running, route: Route) -> usize {
    server.log().records().iter().filter(|record| record.route == route).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_as_they_happen_with_their_bytes() {
    let server = serving(workspace(20)).await;
    let place = Place::new();
    let mut child = place.spawn(&server, RARELY);
    says(&place, "in step", 1).await;
    says(&place, "the stream is open", 1).await;
    let reads = asked(&server, Route::File) + asked(&server, Route::Bulk);
    for n in 0..20 {
        put(&server, "/live.md", &format!("version {n}\n"));
        equal(&place, &server, Duration::from_secs(5)).await;
    }
    server.with(|server| server.delete("/live.md", Wall(3_000)));
    equal(&place, &server, Duration::from_secs(5)).await;
    put(&server, "/large.bin", &"x".repeat(2 * 1024 * 1024));
    equal(&place, &server, Duration::from_secs(5)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    // What is too large to come with its event was read by itself, and a version that came
    // while the one before it was being placed.
    let more = asked(&server, Route::File) + asked(&server, Route::Bulk) - reads;
    assert!((1..=10).contains(&more), "{more} reads for 21 versions\n{}", place.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_or_drops_events_leaves_no_gap() {
    // The link breaks under the third event; the next stream drops its second event and is
    // ended with 1013; the third is opened after a cursor that the server does not know.
    let server = serving(workspace(5)).await;
    let place = Place::new();
    let damaged = |damage, after| Script { damage: Some((damage, after)), ..Script::default() };
    server.plan_next(Route::Stream, damaged(Damage::Cut, 2));
    server.plan_next(Route::Stream, damaged(Damage::Malformed, 1));
    let mut child = place.spawn(&server, RARELY);
    says(&place, "the stream is open", 1).await;
    for opened in 1..=3 {
        for n in 0..4 {
            put(&server, &format!("/d{n}/f.md"), &format!("{opened} {n}\n"));
        }
        equal(&place, &server, Duration::from_secs(10)).await;
        says(&place, "the stream is open", (opened + 1).min(3)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.log().matches("the stream is down").count(), 2, "{}", place.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_stream_is_asked_for_its_feed() {
    let server = serving(workspace(5)).await;
    let place = Place::new();
    let mut child = place.spawn(&server, &["--interval", "1s", "--websocket=false"]);
    says(&place, "in step", 1).await;
    put(&server, "/new.md", "new\n");
    equal(&place, &server, Duration::from_secs(10)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(asked(&server, Route::Stream), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_changes_at_once_are_all_here() {
    let server = serving(workspace(100)).await;
    let place = Place::new();
    let mut child = place.spawn(&server, RARELY);
    says(&place, "the stream is open", 1).await;
    says(&place, "in step", 1).await;
    server.with(|server| {
        for n in 0..500 {
            let text = format!("changed {n}\n");
            server.put(&format!("/many/f{n}.md"), Content::new(text.as_bytes()), Wall(2_000));
        }
    });
    equal(&place, &server, Duration::from_secs(20)).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_converges_through_a_server_that_breaks_everything() {
    let server = serving(workspace(50)).await;
    let place = Place::new();
    // All but the pauses, which have tests of their own and take a minute each.
    let plan = FaultPlan::all_on(11).without(&[
        FaultKind::NoFeed,
        FaultKind::WorkspaceBusy,
        FaultKind::RateLimited,
        FaultKind::QueueFull,
    ]);
    let (lasts, longest_wait) = (Some(Duration::from_secs(6)), Duration::from_millis(300));
    server.set_chaos(Chaos { plan, lasts, longest_wait });
    let mut child = place.spawn(&server, &["--interval", "1s"]);
    for n in 0..40 {
        put(&server, &format!("/live/f{}.md", n % 8), &format!("version {n}\n"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    equal(&place, &server, Duration::from_secs(120)).await;
    child.kill().unwrap();
    child.wait().unwrap();
}
