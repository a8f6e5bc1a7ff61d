//! A bootstrap that is killed again and again gets there all the same, and fetches again only
//! what was in flight.
//!
//! Five mirrors, each bootstrapped from a server that paces 3,000 files to 30 s, each killed
//! with a real SIGKILL once during the export and three times during the tree, at twenty
//! different points of progress.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use landfall::serve::{Delivery, Pace, Route};
use landfall_core::time::Wall;
use landfall_reference::server::Server;
use support::{Place, remote, serving};
use tokio::time::timeout;

const FILES: u64 = 3_000;
const PER_SECOND: u32 = 100;

/// More than this can not be in flight: the credit of an export, or the reads under way with
/// what waits for the disk and the store behind them.
const IN_FLIGHT_MAX: usize = 256;

/// When to kill: after so many files were delivered.
const KILLS: [[usize; 4]; 5] = [
    [100, 900, 1_500, 2_700],
    [300, 1_100, 1_900, 2_500],
    [500, 700, 1_300, 2_100],
    [800, 1_000, 1_700, 2_900],
    [1_200, 1_400, 2_000, 2_300],
];

/// What a kill left behind: requests that had begun, and paths that were durably placed.
struct Killed {
    requests: usize,
    placed: BTreeSet<String>,
}

impl Killed {
    /// Whether the bytes of this delivery died with the process.
    fn lost(&self, file: &Delivery) -> bool {
        file.request.0 < self.requests && !self.placed.contains(&file.path)
    }
}

async fn round(kills: [usize; 4]) {
    let place = Place::new();
    let mut workspace = Server::default();
    workspace.add_sample(42, FILES, Wall(1_000));
    let server = serving(workspace).await;
    server.set_pace(Pace { files: PER_SECOND, bytes: 0 });
    let mut killed = Vec::new();
    let mut child = place.spawn(&server, &["--once"]);
    for (n, at) in kills.into_iter().enumerate() {
        let reached = server.log().wait_for(|log| log.delivered() >= at);
        timeout(Duration::from_secs(60), reached)
            .await
            .unwrap_or_else(|_| panic!("{}", place.log()));
        child.kill().unwrap();
        child.wait().unwrap();
        let during_export = !server.log().by_route().contains_key(&Route::File);
        assert_eq!(during_export, n == 0, "the first kill is in the export, the others are not");
        let placed: BTreeSet<String> = place.placed().into_iter().collect();
        assert!((placed.len() as u64) < FILES, "the kill came too late to be inside");
        killed.push(Killed { requests: server.log().records().len(), placed });
        child = place.spawn(&server, &["--once"]);
    }
    // The last run goes on by itself and ends when it is in step.
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(ended.success(), "{}", place.log());

    assert!(place.files() == remote(&server), "both sides are equal by hash");
    assert_eq!(place.strays(), Vec::<std::path::PathBuf>::new());
    let deliveries: Vec<Delivery> =
        server.log().deliveries().into_iter().filter(|file| file.delivered).collect();
    for kill in &killed {
        let lost = deliveries.iter().filter(|file| kill.lost(file)).count();
        assert!(lost <= IN_FLIGHT_MAX, "{lost} files were in flight at one kill");
    }
    let mut seen: BTreeMap<&str, &Delivery> = BTreeMap::new();
    for file in &deliveries {
        if let Some(before) = seen.insert(&file.path, file) {
            let lost = killed.iter().any(|kill| kill.lost(before));
            assert!(lost, "{} was fetched again without need", file.path);
        }
    }
    let exports = server.log().by_route()[&Route::Export];
    assert_eq!(exports, 1, "an export that was killed is not begun again");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_inside_a_bootstrap() {
    let rounds = KILLS.map(|kills| tokio::spawn(round(kills)));
    for round in rounds {
        round.await.unwrap();
    }
}
