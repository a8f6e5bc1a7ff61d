//! How soon what is written here is on the server, on loopback, and beside the npm client in the
//! same run: `cargo bench -p landfall --bench writeback`.
//!
//! The server runs in this process and each mount in one of its own. Where `LANDFALL_NPM_CLIENT`
//! names the directory in which `.ci/npm-client` installed it, the npm client does the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall::serve::{Running, ServerConfig, start};
use landfall_core::time::Wall;
use landfall_reference::server::{Content, Server, Settings, WriteSettings};
use process::{TOKEN, cpu, resident};

mod process;

/// Changes of each kind.
const CHANGES: usize = 60;

/// New files that are pushed at once.
const MANY: usize = 10_000;

/// Files that are edited within a second.
const BUSY: usize = 1_000;

/// The npm client sends larger bodies than the 1 MiB that the server takes by default, and then
/// one file at a time.
const BODY_MAX: u64 = 64 * 1024 * 1024;

/// Over so long an idle mount is watched.
const IDLE: Duration = Duration::from_secs(60);

/// Whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(600);

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible<()> {
    // `cargo test --benches` and `cargo bench` both call it; only the second measures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    println!("| what | by | measured |");
    println!("|---|---|---|");
    measure(None).await?;
    match std::env::var_os("LANDFALL_NPM_CLIENT") {
        Some(dir) => measure(Some(Path::new(&dir))).await,
        None => Ok(()),
    }
}

async fn measure(npm: Option<&Path>) -> Fallible<()> {
    let by = if npm.is_some() { "npm client 0.10.69" } else { "landfall" };
    let row = |what: &str, measured: String| println!("| {what} | {by} | {measured} |");
    let mount = Mount::start(npm).await?;
    let mut took = Vec::new();
    for n in 0..CHANGES {
        let path = mount.dir().join(format!("f{}.md", n % 50));
        let text = format!("saved in place {n}\n");
        let begun = Instant::now();
        fs::File::options().write(true).truncate(true).open(path)?.write_all(text.as_bytes())?;
        mount.has(&format!("/f{}.md", n % 50), Some(&text)).await?;
        took.push(begun.elapsed());
    }
    row("a save in place is on the server", spread(took));
    let mut took = Vec::new();
    for n in 0..CHANGES {
        let (path, new) = (mount.dir().join(format!("f{}.md", n % 50)), mount.dir().join("f.tmp"));
        let text = format!("saved by a rename {n}\n");
        fs::write(&new, &text)?;
        let begun = Instant::now();
        fs::rename(new, path)?;
        mount.has(&format!("/f{}.md", n % 50), Some(&text)).await?;
        took.push(begun.elapsed());
    }
    row("an atomic save", spread(took));
    let begun = Instant::now();
    for n in 0..MANY {
        let dir = mount.dir().join(format!("new{}", n % 100));
        if n < 100 {
            fs::create_dir(&dir)?;
        }
        fs::write(dir.join(format!("file{n}.md")), format!("file {n}\n").repeat(300))?;
    }
    mount.has_all("/new", MANY).await?;
    row("10,000 new files are on the server", format!("{:.2} s", begun.elapsed().as_secs_f64()));
    if npm.is_some() {
        return Ok(());
    }
    let begun = Instant::now();
    for n in 0..BUSY {
        let path = mount.dir().join(format!("new{}/file{n}.md", n % 100));
        fs::write(path, format!("edited {n}\n"))?;
        let due = Duration::from_millis(n as u64 * 1_000 / BUSY as u64);
        tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
    }
    let written = Instant::now();
    for n in 0..BUSY {
        mount.has(&format!("/new{}/file{n}.md", n % 100), Some(&format!("edited {n}\n"))).await?;
    }
    let late = written.elapsed().as_secs_f64() * 1_000.0;
    let peak = resident(mount.child.id(), "VmHWM")? / 1024;
    let what = "1,000 files are edited within a second: the last is on the server";
    row(what, format!("{late:.0} ms after it; at most {peak} MiB"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (requests, before) = (mount.server.log().records().len(), cpu(mount.child.id())?);
    tokio::time::sleep(IDLE).await;
    let requests = mount.server.log().records().len() - requests;
    let share = (cpu(mount.child.id())? - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    row(
        "idle for a minute at 10,000 files",
        format!("{requests} requests, {share:.2} % of a core"),
    );
    Ok(())
}

/// A mount that runs, and its server.
struct Mount {
    child: Child,
    place: tempfile::TempDir,
    server: Running,
}

impl Mount {
    /// Ours, or that of the npm client that is installed in `npm`, when it has 100 files.
    async fn start(npm: Option<&Path>) -> Fallible<Self> {
        let writes = WriteSettings { body_max: BODY_MAX, ..WriteSettings::default() };
        let mut workspace = Server::new(Settings { writes, ..Settings::default() });
        for n in 0..100 {
            let content = Content::new(format!("file {n}\n").into_bytes());
            workspace.put(&format!("/f{n}.md"), content, Wall(1_000));
        }
        let server = start(ServerConfig { server: workspace, ..ServerConfig::default() }).await?;
        let place = tempfile::tempdir()?;
        let mut command = match npm {
            None => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
                command.args(["mount", "--base-url", &server.base_url(), "--workspace", "w"]);
                command.arg("--local-dir").arg(place.path().join("mirror"));
                command
            }
            Some(npm) => {
                let program = npm.join("node_modules/mount-tree/bin/relayfile-mount");
                let mut command = Command::new(program);
                command.args(["-base-url", &server.base_url(), "-workspace", "w"]);
                command.arg("-local-dir").arg(place.path().join("mirror"));
                command.arg("-state-dir").arg(place.path().join("state"));
                command
            }
        };
        let child = command
            .env_clear()
            .env("HOME", place.path())
            .env("RELAYFILE_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mount = Self { child, place, server };
        let begun = Instant::now();
        while (0..100).any(|n| !mount.dir().join(format!("f{n}.md")).exists()) {
            late(begun, "the first 100 files")?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Until what it does at its start is over.
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(mount)
    }

    fn dir(&self) -> PathBuf {
        self.place.path().join("mirror")
    }

    /// Waits until the server has this text at a path, or nothing.
    async fn has(&self, path: &str, text: Option<&str>) -> Fallible<()> {
        let begun = Instant::now();
        let is_there = |server: &mut Server| {
            let there = server.now().read(path).ok().map(|file| file.content.hash());
            there == text.map(|text| Content::new(text.as_bytes()).hash())
        };
        while !self.server.with(is_there) {
            late(begun, path)?;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Ok(())
    }

    /// Waits until the server has so many files below directories that begin so.
    async fn has_all(&self, below: &str, files: usize) -> Fallible<()> {
        let begun = Instant::now();
        while self.server.with(|server| {
            server.now().files().filter(|(path, _)| path.starts_with(below)).count() < files
        }) {
            late(begun, below)?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn late(begun: Instant, what: &str) -> Fallible<()> {
    match begun.elapsed() > PATIENCE {
        true => Err(format!("{what} did not arrive").into()),
        false => Ok(()),
    }
}

/// The median and the longest.
fn spread(mut took: Vec<Duration>) -> String {
    took.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let (half, most) = (took[took.len() / 2], took[took.len() - 1]);
    format!("{:.1} ms, at most {:.0} ms", millis(half), millis(most))
}
