//! What a real mount recorded, stepped through fresh machines again, wants the same effects.

mod support;

use std::time::Duration;

use landfall_core::time::Wall;
use landfall_core::trace::{Line, Replay, ReplayError, Replayed};
use landfall_reference::server::Server;
use support::{Place, remote, serving, text};
use tokio::time::timeout;

/// The lines of the trace of a real `landfall mount --once` against a real server.
async fn recorded() -> Vec<String> {
    let mut workspace = Server::default();
    workspace.add_sample(7, 60, Wall(1_000));
    let server = serving(workspace).await;
    let place = Place::new();
    let trace = place.path("trace.jsonl");
    let mut mount = place.mount(&server, &["--once", "--trace", &trace.display().to_string()]);
    let ended = tokio::task::spawn_blocking(move || mount.output().unwrap());
    let output = timeout(Duration::from_secs(60), ended).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(place.files() == remote(&server), "both sides are equal by hash");
    std::fs::read_to_string(trace).unwrap().lines().map(str::to_owned).collect()
}

fn replay(lines: &[String]) -> Result<Replayed, (usize, ReplayError)> {
    let mut replay = Replay::default();
    for (at, line) in lines.iter().enumerate() {
        let line = Line::from_json(line).unwrap();
        replay.line(line).map_err(|why| (at, why))?;
    }
    Ok(replay.done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_mount_replays_to_equal_effects_and_one_changed_byte_is_named() {
    let mut lines = recorded().await;
    let done = replay(&lines).unwrap();
    assert_eq!(done.machines, 1);
    assert_eq!(done.steps as usize + 1, lines.len());
    assert!(done.effects > 120, "60 files were placed: {done:?}");

    // One byte: the number of a commit in the middle.
    let (before, after) = ("\"seq\":1", "\"seq\":9");
    let at = lines.iter().position(|line| line.contains("\"effects\":[") && line.contains(before));
    let at = at.expect("something is committed");
    let (event, effects) = lines[at].split_once("\"effects\":").unwrap();
    lines[at] = format!("{event}\"effects\":{}", effects.replacen(before, after, 1));
    let (found, why) = replay(&lines).unwrap_err();
    assert_eq!(found, at, "{why}");
    let ReplayError::Differs(found) = why else { panic!("{why}") };
    assert_eq!(found.step as usize, at, "the header is line 0");
    assert_ne!(found.expected, found.came);
}
