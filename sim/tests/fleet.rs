//! A fleet that comes back at the same instant is borne by one server.

use landfall_core::time::Ms;
use landfall_sim::fleet::{Fleet, Morning, Night};

const MACHINES: u64 = 40;

fn morning(night: Night, per_second: u32) -> Morning {
    let morning = Fleet { machines: MACHINES, per_second, night }.run();
    let morning = morning.unwrap_or_else(|why| panic!("{night:?}: {why}"));
    println!("{night:?}, {per_second} requests a second: {morning}");
    assert!(morning.changed > 20, "something happened over night");
    morning
}

#[test]
fn a_server_that_answers_everybody_sees_a_handful_of_requests_from_each() {
    for night in [Night::Asleep, Night::Off] {
        let morning = morning(night, u32::MAX);
        // The feed, the stream, and what changed: some of it in one read, some alone. Who slept
        // waits up to five seconds; who was started is wanted at once.
        let in_a_second = if night == Night::Asleep { 5 } else { 16 };
        assert!(morning.busiest <= in_a_second * MACHINES as u32, "{morning}");
        assert!(morning.requests <= 16 * MACHINES as u32, "{morning}");
        assert!(morning.in_step_after <= Ms::secs(10), "{morning}");
    }
}

#[test]
fn a_server_that_answers_one_request_of_each_in_a_second_sees_the_fleet_spread_out() {
    for night in [Night::Asleep, Night::Off] {
        let morning = morning(night, MACHINES as u32);
        assert!(morning.refused > 0, "it was too much: {morning}");
        assert!(morning.busiest <= 6 * MACHINES as u32, "{morning}");
        // What is refused is asked for again about once.
        assert!(morning.requests <= 32 * MACHINES as u32, "{morning}");
        assert!(morning.in_step_after <= Ms::mins(1), "{morning}");
    }
}
