//! What happens in the demo, in order.

use std::collections::BTreeMap;
use std::fs;

use landfall_core::decision::{Decision, Did, Doubtful};
use landfall_core::time::{Ms, Wall};
use landfall_reference::script::{FeedFault, Script, Sight};
use landfall_reference::server::{Content, Forgot, Refusal, RetryAfter, Server, sample_file};

use super::stage::Stage;
use super::{DemoError, compare};
use crate::serve::{Pace, Route};

/// The token of the demo's own server.
pub(super) const TOKEN: &str = "demo";

/// How long the mirror lets an export take.
pub(super) const EXPORT_TIME: &str = "2s";

/// Files of the workspace.
const FILES: u64 = 600;

/// Seed of the files.
const SEED: u64 = 42;

/// Files a second. Slow enough for a kill to hit something.
const PACE: u32 = 150;

/// What the slow export takes for each file: 600 of them would take 12 s.
const PER_FILE: Ms = Ms(20);

/// The mirror is killed when so many files were delivered.
const KILL_AT: usize = 300;

/// Fills the workspace.
pub(super) fn fill(server: &mut Server) {
    server.add_sample(SEED, FILES, Wall(0));
}

/// Plays it. Ends well only if both sides are equal.
pub(super) async fn play(stage: &mut Stage, corrupt: bool) -> Result<(), DemoError> {
    println!(
        "landfall demo: {FILES} files on {}, mirrored to {}",
        stage.server.base_url(),
        stage.local_dir().display()
    );
    bootstrap(stage).await?;
    kill(stage).await?;
    follow(stage).await?;
    blind(stage).await?;
    stage.stop_mirror().await?;
    if corrupt {
        corrupt_one_byte(stage)?;
    }
    prove(stage)
}

/// An export that is too slow, and a server that asks for less.
async fn bootstrap(stage: &mut Stage) -> Result<(), DemoError> {
    stage.server.set_pace(Pace { files: PACE, bytes: 0 });
    stage.server.plan_next(Route::Export, Script { per_file: PER_FILE, ..Script::default() });
    let throttle = Refusal::new(429, "rate_limited", "rate limit exceeded");
    stage.server.plan_next(
        Route::Tree,
        Script { refuse: Some(throttle.after(RetryAfter::Seconds(1))), ..Script::default() },
    );
    stage.tell(
        "demo",
        "the export is made slow (20 ms a file), and the first listing is answered with 429",
    );
    stage.start_mirror()?;
    stage
        .until("half of the files were delivered", |stage| {
            Ok(stage.server.log().delivered() >= KILL_AT)
        })
        .await
}

/// A real `kill -9` in the middle of it.
async fn kill(stage: &mut Stage) -> Result<(), DemoError> {
    let pid = stage.kill_mirror().await?;
    let delivered = stage.server.log().delivered();
    stage.tell("demo", &format!("kill -9 {pid}"));
    stage.tell("server", &format!("{delivered} files delivered so far"));
    stage.start_mirror()?;
    stage
        .until("the mirror was in step", |stage| {
            let in_step = |decision: &Decision| matches!(decision, Decision::InStep { .. });
            Ok(stage.decided.iter().any(in_step))
        })
        .await?;
    let sent = count(stage);
    stage.tell(
        "server",
        &format!("{} files delivered, {} of them twice", sent.delivered, sent.twice),
    );
    Ok(())
}

/// What another client does arrives.
async fn follow(stage: &mut Stage) -> Result<(), DemoError> {
    stage.tell("demo", "another client changes 5 files, adds 3 and deletes 2");
    change(stage, 5);
    stage.server.with(|server| {
        let now = crate::serve::wall();
        for n in 0..3 {
            let path = format!("/notes/new-{n}.md");
            server.put(&path, Content::new(*b"new\n"), now);
        }
        for n in 0..2 {
            let (path, _) = sample_file(SEED, n * 100 + 50);
            server.delete(&path, now);
        }
    });
    equal(stage).await?;
    let trashed =
        |decision: &&Decision| matches!(decision, Decision::Did { did: Did::Trashed, .. });
    // The trace is written after the disk.
    stage
        .until("the trace told of both deletions", |stage| {
            Ok(stage.decided.iter().filter(trashed).count() == 2)
        })
        .await?;
    stage.tell("demo", "both sides are equal again, and the 2 deleted files are in the trash");
    Ok(())
}

/// The feed is lost, and the listing that is to replace it shows nothing.
async fn blind(stage: &mut Stage) -> Result<(), DemoError> {
    let before = stage.decided.len();
    stage.server.plan_next(
        Route::Events,
        Script { feed: Some(FeedFault::Forgot(Forgot::Gone)), ..Script::default() },
    );
    stage.server.plan_next(Route::Tree, Script { sight: Sight::Empty, ..Script::default() });
    stage.tell("demo", "the feed forgets where the mirror stood, and the next listing is empty");
    stage
        .until("the empty listing was doubted", |stage| {
            let doubted = |decision: &Decision| {
                matches!(decision, Decision::ListingDoubted { why: Doubtful::Empty, .. })
            };
            Ok(stage.decided[before..].iter().any(doubted))
        })
        .await?;
    let (local, _) = stage.sides()?;
    stage.tell("demo", &format!("the mirror still has {} files", local.len()));

    stage.tell("demo", "another client changes 5 files more");
    change(stage, 5);
    equal(stage).await
}

/// Another client changes files; each time they become different.
fn change(stage: &Stage, files: u64) {
    stage.server.with(|server| {
        for n in 0..files {
            let (path, _) = sample_file(SEED, n * 100);
            let text = format!("changed after event {}\n", server.tip());
            server.put(&path, Content::new(text.into_bytes()), crate::serve::wall());
        }
    });
}

async fn equal(stage: &mut Stage) -> Result<(), DemoError> {
    stage
        .until("both sides were equal", |stage| {
            let (local, remote) = stage.sides()?;
            Ok(local == remote)
        })
        .await
}

fn corrupt_one_byte(stage: &Stage) -> Result<(), DemoError> {
    let (local, _) = stage.sides()?;
    let Some(name) = local.keys().next() else {
        return Ok(());
    };
    let path = stage.local_dir().join(name.trim_start_matches('/'));
    let change = || {
        let mut bytes = fs::read(&path)?;
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        fs::write(&path, bytes)
    };
    change().map_err(|why| DemoError::Directory { path: path.clone(), why })?;
    stage.tell("demo", "one byte of the mirror is changed behind its back");
    Ok(())
}

/// Reads and hashes both sides, now that nothing runs any more.
fn prove(stage: &Stage) -> Result<(), DemoError> {
    let (local, remote) = stage.sides()?;
    if let Some(difference) = compare::difference(&local, &remote) {
        return Err(DemoError::Different(difference));
    }
    let sent = count(stage);
    let routes = stage.server.log().by_route();
    let asked = |route| routes.get(&route).copied().unwrap_or(0);
    stage.tell(
        "server",
        &format!(
            "{} export, {} listings, {} file reads, {} looks at the feed; \
             {} files delivered, {} twice",
            asked(Route::Export),
            asked(Route::Tree),
            asked(Route::File),
            asked(Route::Events) + asked(Route::Tip),
            sent.delivered,
            sent.twice,
        ),
    );
    println!(
        "\nEqual: {} files on both sides, sha256 {} over all of them, after {:.1} s.",
        local.len(),
        compare::digest(&local).short(),
        stage.elapsed().as_secs_f32()
    );
    Ok(())
}

struct Sent {
    delivered: usize,
    twice: usize,
}

/// What the server's log says was delivered, and how much of it more than once.
fn count(stage: &Stage) -> Sent {
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    for file in stage.server.log().deliveries() {
        if file.delivered {
            *times.entry((file.path, file.revision)).or_default() += 1;
        }
    }
    Sent {
        delivered: times.values().sum(),
        twice: times.values().filter(|times| **times > 1).count(),
    }
}
