//! How fast the mirror is, as ratios in one run on loopback: `cargo bench -p landfall --bench mirror`.
//!
//! The server runs in this process and the mirror in a process of its own, so both share the
//! machine. The yardstick is the simplest thing that could work: fetch the whole export and
//! write the files plainly, without a row, a seal or a check. Where `LANDFALL_NPM_CLIENT` names
//! the directory in which `.ci/npm-client` installed it, the npm client brings the same files by
//! the tree.
//!
//! Nothing is removed before the end. ext4 looks at each inode that was freed in the last minutes
//! before it hands it out again, which makes the next thousands of files three times as slow, and
//! that would be measured.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use landfall::serve::{Route, Running, ServerConfig, start};
use landfall_core::time::Wall;
use landfall_reference::script::Script;
use landfall_reference::server::{Content, Refusal, Server, Settings};
use process::{TOKEN, cpu, resident};

mod process;

/// Bootstraps that are measured of each kind. The rows tell the one in the middle.
const RUNS: usize = 3;

/// Runs without changes that are measured.
const PASSES: usize = 9;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    // `cargo test --benches` and `cargo bench` both call it; only the second measures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    println!("| what | measured | in relation |");
    println!("|---|---|---|");
    let base = tempfile::tempdir()?;
    BASE.get_or_init(|| base.path().to_owned());
    let ten = bootstrap(10_000, 200).await?;
    for (files, dirs) in [(50_000, 1), (50_000, 1_000)] {
        let many = by_tree(files, dirs, Settings::default()).await?;
        let per_file = |took: Duration, files: u32| took.as_secs_f64() / f64::from(files);
        let ratio = per_file(many.took, 50_000) / per_file(ten, 10_000);
        row(
            &format!("50,000 files in {dirs} directories, by the tree"),
            &format!("{}, at most {} MiB", secs(many.took), many.peak),
            &format!("{ratio:.2}x the time per file of 10,000"),
        );
    }
    restart().await?;
    memory("20 files of 8 MiB", 20, 8).await?;
    memory("one file of 200 MiB", 1, 200).await?;
    live().await
}

static BASE: OnceLock<PathBuf> = OnceLock::new();

/// A directory of its own, which stays until the end. What was written before is on the disk, so
/// that nobody pays for the one before.
fn fresh() -> Fallible<PathBuf> {
    rustix::fs::sync();
    static MADE: AtomicU32 = AtomicU32::new(0);
    let base = BASE.get().ok_or("there is no directory to measure in")?;
    let dir = base.join(MADE.fetch_add(1, Ordering::Relaxed).to_string()).join("mirror");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Both ways of a first bootstrap, and a pass without changes. Answers the time by the tree.
async fn bootstrap(files: u64, dirs: u64) -> Fallible<Duration> {
    let server = serving(workspace(files, dirs, Settings::default())).await?;
    let (mut plain, mut export) = (Vec::new(), Vec::new());
    let mut dir = fresh()?;
    for _ in 0..RUNS {
        plain.push(plainly(&server).await?);
        dir = fresh()?;
        export.push(once(&server, &dir).await?);
    }
    plain.sort();
    let (plain, export) = (plain[RUNS / 2], median(export));
    row(
        &format!("{files} files of 2 to 4 KB in {dirs} directories, by export"),
        &format!("{}, at most {} MiB", secs(export.took), export.peak),
        &format!("{:.2}x writing them plainly ({})", ratio(export.took, plain), secs(plain)),
    );
    again("`mount --once` again, without changes", &server, &dir).await?;
    let tree = by_tree(files, dirs, Settings::default()).await?;
    row(
        "the same files by the tree",
        &format!("{}, at most {} MiB", secs(tree.took), tree.peak),
        &format!("{:.2}x the export", ratio(tree.took, export.took)),
    );
    let bulk = by_tree(files, dirs, hosted()).await?;
    row(
        "the same of a hosted server, which has fs/bulk-read",
        &format!("{}, at most {} MiB", secs(bulk.took), bulk.peak),
        &format!("{:.2}x the export", ratio(bulk.took, export.took)),
    );
    if let Some(client) = std::env::var_os("LANDFALL_NPM_CLIENT") {
        for (what, settings, ours) in [
            ("the npm client 0.10.69 by the tree", Settings::default(), tree.took),
            ("the same of a hosted server", hosted(), bulk.took),
        ] {
            let server = serving(workspace(files, dirs, settings)).await?;
            let theirs = npm_by_tree(&server, Path::new(&client)).await?;
            row(what, &secs(theirs), &format!("{:.1}x as long as ours", ratio(theirs, ours)));
        }
    }
    Ok(tree.took)
}

/// Runs without changes, from the start of the process to its end.
async fn again(what: &str, server: &Running, dir: &Path) -> Fallible<()> {
    let mut passes = Vec::new();
    let before = server.log().records().len();
    for _ in 0..PASSES {
        passes.push(once(server, dir).await?.took);
    }
    let requests = server.log().records().len() - before;
    passes.sort();
    row(
        what,
        &format!("{} in the median of {PASSES}", millis(passes[PASSES / 2])),
        &format!("{} request each", requests as f64 / PASSES as f64),
    );
    Ok(())
}

/// What a start costs where there is much: rows are loaded, the feed is followed, all is in step.
async fn restart() -> Fallible<()> {
    let server = serving(workspace(100_000, 1_000, Settings::default())).await?;
    let dir = fresh()?;
    once(&server, &dir).await?;
    again("the same at 100,000 files", &server, &dir).await
}

/// The npm client, once, into an empty directory.
async fn npm_by_tree(server: &Running, client: &Path) -> Fallible<Duration> {
    let dir = fresh()?;
    let mut command = Command::new(client.join("node_modules/mount-tree/bin/relayfile-mount"));
    command
        .env_clear()
        .env("HOME", &dir)
        .env("RELAYFILE_TOKEN", TOKEN)
        .args(["-once", "-base-url", &server.base_url(), "-workspace", "w"])
        .arg("-local-dir")
        .arg(dir.join("mirror"))
        .arg("-state-dir")
        .arg(dir.join("state"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let child = command.spawn()?;
    Ok(tokio::task::spawn_blocking(move || watch(child, began)).await??.took)
}

/// The median of some bootstraps by the tree.
async fn by_tree(files: u64, dirs: u64, settings: Settings) -> Fallible<Ran> {
    let server = serving(workspace(files, dirs, settings)).await?;
    let mut ran = Vec::new();
    for _ in 0..RUNS {
        let refuse = Some(Refusal::new(413, "payload_too_large", "export too large"));
        server.plan_next(Route::Export, Script { refuse, ..Script::default() });
        ran.push(once(&server, &fresh()?).await?);
    }
    Ok(median(ran))
}

async fn memory(what: &str, files: u64, mib: usize) -> Fallible<()> {
    let mut workspace = Server::default();
    for n in 0..files {
        let bytes: Vec<u8> =
            (0..mib << 20).map(|i| b'a' + ((i as u64 * 31 + n) % 23) as u8).collect();
        workspace.put(&format!("/large/f{n}.txt"), Content::new(bytes), Wall(1_000));
    }
    let server = serving(workspace).await?;
    let ran = once(&server, &fresh()?).await?;
    row(what, &format!("at most {} MiB", ran.peak), &secs(ran.took));
    Ok(())
}

/// A mount that goes on: how soon changes are here, and what it costs when there are none.
async fn live() -> Fallible<()> {
    let server = serving(workspace(10_000, 200, Settings::default())).await?;
    let dir = fresh()?;
    once(&server, &dir).await?;
    let mut child = mount(&server, &dir, &["--interval", "30s"]).spawn()?;
    // Until it follows the stream.
    let began = Instant::now();
    while !server.log().by_route().contains_key(&Route::Stream) {
        if began.elapsed() > Duration::from_secs(30) {
            return Err("the mount does not open the stream".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut took = Vec::new();
    for n in 0..200 {
        let path = dir.join(format!("live{n}.md"));
        let began = Instant::now();
        put(&server, &format!("/live{n}.md"), "new\n");
        while !path.exists() {
            std::hint::spin_loop();
        }
        took.push(began.elapsed());
    }
    took.sort();
    let (half, most) = (took[took.len() / 2], took[took.len() - 1]);
    row(
        "a remote change is here, by the stream",
        &millis(half),
        &format!("{} at most", millis(most)),
    );
    let began = Instant::now();
    server.with(|server| {
        for n in 0..500 {
            let text = format!("many {n}\n");
            server.put(&format!("/many/f{n}.md"), Content::new(text.as_bytes()), Wall(2_000));
        }
    });
    while std::fs::read_dir(dir.join("many")).map_or(0, Iterator::count) < 500 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    row("500 remote changes at once are here", &millis(began.elapsed()), "");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle = Duration::from_secs(20);
    let before = cpu(child.id())?;
    tokio::time::sleep(idle).await;
    let used = cpu(child.id())? - before;
    let share = used.as_secs_f64() / idle.as_secs_f64() * 100.0;
    row(
        "idle at 10,000 files",
        &format!("{share:.2} % of a core"),
        &format!("over {}", secs(idle)),
    );
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn workspace(files: u64, dirs: u64, settings: Settings) -> Server {
    let mut server = Server::new(settings);
    for n in 0..files {
        let size = 2048 + (n * 7919) % 2048;
        let line = format!("line of file {n}, which is neither long nor short\n");
        let text: String = line.chars().cycle().take(size as usize).collect();
        let path = format!("/dir{}/file{n}.md", n % dirs);
        server.put(&path, Content::new(text.as_bytes()), Wall(1_000));
    }
    server
}

/// What hosted servers have and the reference server has not.
fn hosted() -> Settings {
    Settings { bulk_read: true, ..Settings::default() }
}

fn put(server: &Running, path: &str, text: &str) {
    server.with(|server| server.put(path, Content::new(text.as_bytes()), Wall(2_000)));
}

async fn serving(server: Server) -> Fallible<Running> {
    Ok(start(ServerConfig { server, ..ServerConfig::default() }).await?)
}

/// Fetches the export as a whole and writes its files.
async fn plainly(server: &Running) -> Fallible<Duration> {
    let dir = fresh()?;
    let url = format!("{}/v1/workspaces/w/fs/export?format=json&path=/", server.base_url());
    let began = Instant::now();
    let response = reqwest::Client::new().get(url).header("X-Correlation-Id", "bench").send();
    let body = response.await?.bytes().await?;
    let files: Vec<serde_json::Value> = serde_json::from_slice(&body)?;
    for file in files {
        let (Some(path), Some(content)) = (file["path"].as_str(), file["content"].as_str()) else {
            return Err("the export is not what it should be".into());
        };
        let path = dir.join(&path[1..]);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    Ok(began.elapsed())
}

/// The one in the middle, with the largest memory of all.
fn median(mut ran: Vec<Ran>) -> Ran {
    ran.sort_by_key(|ran| ran.took);
    let peak = ran.iter().map(|ran| ran.peak).max().unwrap_or(0);
    Ran { peak, ..ran.swap_remove(RUNS / 2) }
}

/// A process that ran to its end.
struct Ran {
    took: Duration,
    /// Its largest resident set, in MiB.
    peak: u64,
}

fn mount(server: &Running, dir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    let (url, dir) = (server.base_url(), dir.display().to_string());
    command
        .args(["mount", "--base-url", &url, "--workspace", "w", "--local-dir", &dir])
        .args(more)
        .env("XDG_STATE_HOME", &dir[..dir.rfind('/').unwrap_or(0)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

async fn once(server: &Running, dir: &Path) -> Fallible<Ran> {
    let began = Instant::now();
    let child = mount(server, dir, &["--once"]).spawn()?;
    Ok(tokio::task::spawn_blocking(move || watch(child, began)).await??)
}

fn watch(mut child: Child, began: Instant) -> std::io::Result<Ran> {
    let mut peak = 0;
    loop {
        if let Some(ended) = child.try_wait()? {
            let took = began.elapsed();
            return match ended.success() {
                true => Ok(Ran { took, peak: peak / 1024 }),
                false => Err(std::io::Error::other(format!("landfall ended with {ended}"))),
            };
        }
        peak = peak.max(resident(child.id(), "VmHWM").unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

fn secs(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn row(what: &str, measured: &str, relation: &str) {
    println!("| {what} | {measured} | {relation} |");
}
