//! Does it leak, and does it still converge, after an hour of trouble?
//!
//! `cargo bench -p landfall --bench soak -- --minutes 60`
//!
//! `landfall mount` runs as a process of its own against a server in this one that does
//! everything wrong that a server can, while somebody edits the workspace at a steady rate. The
//! resident set of the mount is sampled every second. At the end the server is well again, and
//! both sides have to become equal by hash. It fails if they do not, if the mount ended, or if
//! the mean of the last third of the samples is more than 5 % above that of the second; the
//! first third holds the bootstrap.

use std::process::Child;
use std::time::{Duration, Instant};

use clap::Parser;
use landfall::serve::{Chaos, Running};
use landfall_core::canon::Canon;
use landfall_core::time::Wall;
use landfall_reference::faults::FaultPlan;
use landfall_reference::server::{Content, Server};
use support::{Place, remote, serving};

mod process;
#[path = "../../tests/support/mod.rs"]
mod support;

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// The last third may be so much larger than the second, in percent.
const GROWTH_MAX: f64 = 5.0;

/// The workspace stays near this size, so that a process that grows does so for another reason.
const FILES: usize = 600;

/// New files take one of so many names in each of [`DIRS`]: the mount remembers what was deleted
/// until it is sure of it, and that must have a bound that is not the length of the run.
const NAMES: usize = 30;

/// See [`NAMES`].
const DIRS: usize = 10;

/// How often it is looked whether an edit is due.
const TICK: Duration = Duration::from_millis(100);

#[derive(Parser)]
struct Args {
    /// How long the trouble lasts
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Seed of the edits and of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Edits in a second, 1 to 10
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10))]
    rate: u64,
    /// A server without faults, to tell what comes of them from what does not
    #[arg(long)]
    calm: bool,
    /// No fault makes the mount wait longer than this many seconds
    #[arg(long, default_value_t = 10)]
    chaos_wait: u64,
    /// Both sides have to be equal so many minutes after the trouble ended. The longest waits
    /// of the mount itself are 10 min for a file that failed and as much for a doubted listing
    #[arg(long, default_value_t = 25.0)]
    settle: f64,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> Fallible<()> {
    // `cargo test --benches` and `cargo bench` both call it; only the second measures.
    if !std::env::args().any(|arg| arg == "--bench") {
        return Ok(());
    }
    let args = Args::parse();
    let mut workspace = Server::default();
    workspace.add_sample(args.seed, FILES as u64, Wall(1_000));
    let server = serving(workspace).await;
    let plan = match args.calm {
        true => FaultPlan::clean(args.seed),
        false => FaultPlan::all_on(args.seed),
    };
    println!("{plan}");
    let longest_wait = Duration::from_secs(args.chaos_wait);
    server.set_chaos(Chaos { plan, lasts: None, longest_wait });
    let place = Place::new();
    // While a server is too broken to be believed, deletes wait; then they may be most of all
    // files, and the brake on those has tests of its own.
    let mut child = place.spawn(&server, &["--interval", "5s", "--max-delete", "100%"]);
    let ended = soak(&args, &server, &place, &mut child).await;
    child.kill()?;
    child.wait()?;
    if ended.is_err() {
        let log = place.log();
        let tail: Vec<&str> = log.lines().rev().take(40).collect();
        tail.iter().rev().for_each(|line| println!("  {line}"));
    }
    ended
}

async fn soak(args: &Args, server: &Running, place: &Place, child: &mut Child) -> Fallible<()> {
    let mut edits = Edits { seed: args.seed, n: 0 };
    let mut samples = Vec::new();
    let began = Instant::now();
    let lasts = Duration::from_secs_f64(args.minutes * 60.0);
    let mut tick = tokio::time::interval(TICK);
    let mut due = 0;
    let mut next_line = Duration::from_secs(60);
    while began.elapsed() < lasts {
        tick.tick().await;
        due += args.rate;
        if due >= 10 {
            due -= 10;
            server.with(|server| edits.one(server));
        }
        if began.elapsed().as_secs() >= samples.len() as u64 {
            samples.push(resident(child)?);
        }
        if began.elapsed() >= next_line {
            next_line += Duration::from_secs(60);
            line(began, &edits, server, samples.last());
        }
    }
    line(began, &edits, server, samples.last());
    server.set_chaos(Chaos::default());
    let healed = Instant::now();
    let bound = Duration::from_secs_f64(args.settle * 60.0);
    while place.files() != remote(server) {
        resident(child)?;
        if healed.elapsed() > bound {
            return Err(format!("the two sides are not equal {bound:?} after the trouble").into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let files = remote(server).len();
    println!("equal: {files} files on both sides, {:.0?} after the trouble", healed.elapsed());
    judge(&samples)
}

/// The resident set of a process, in KiB; an error if there is none any more.
fn resident(child: &mut Child) -> Fallible<u64> {
    if let Some(ended) = child.try_wait()? {
        return Err(format!("the mount ended with {ended}").into());
    }
    process::resident(child.id(), "VmRSS")
}

fn line(began: Instant, edits: &Edits, server: &Running, rss: Option<&u64>) {
    let requests = server.log().by_route().values().sum::<usize>();
    let files = server.with(|server| server.now().len());
    println!(
        "{:>5.1} min: {} edits, {files} files there, {requests} requests, {} KiB resident",
        began.elapsed().as_secs_f64() / 60.0,
        edits.n,
        rss.copied().unwrap_or(0)
    );
}

fn judge(samples: &[u64]) -> Fallible<()> {
    let third = samples.len() / 3;
    if third == 0 {
        return Err("too short to say anything: give it more --minutes".into());
    }
    let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len() as f64;
    let [first, second, last] =
        [&samples[..third], &samples[third..2 * third], &samples[2 * third..]].map(mean);
    let growth = (last / second - 1.0) * 100.0;
    println!("resident, mean of each third: {first:.0}, {second:.0}, {last:.0} KiB");
    println!("the last third is {growth:+.1} % of the second; {GROWTH_MAX} % may be");
    if growth > GROWTH_MAX { Err("the mount grows".into()) } else { Ok(()) }
}

/// What somebody does to the workspace, by a seed.
struct Edits {
    seed: u64,
    n: u64,
}

impl Edits {
    fn draw(&self, what: &str, below: usize) -> usize {
        (Canon::of(&(self.seed, self.n, what)) % below.max(1) as u64) as usize
    }

    fn one(&mut self, server: &mut Server) {
        self.n += 1;
        let now = Wall(1_000 + self.n);
        let paths: Vec<String> = server.now().files().map(|(path, _)| path.to_string()).collect();
        let Some(path) = paths.get(self.draw("path", paths.len())).cloned() else { return };
        // More is made than deleted below the size, and the other way round above it.
        let full = paths.len() > FILES;
        match self.draw("kind", 10) {
            0..=3 => {
                server.put(&path, self.content(), now);
            }
            4 | 5 => {
                let Ok(file) = server.now().read(&path).map(|file| file.content.clone()) else {
                    return;
                };
                server.delete(&path, now);
                server.put(&self.fresh("renamed"), file, now);
            }
            6 if !full => {
                // A new tree at once, as an unpacked archive makes it.
                let root = format!("/tree{}", self.draw("dir", DIRS));
                for (n, below) in ["a.md", "b/c.md", "b/d/e.md", "b/d/f/g.md"].iter().enumerate() {
                    let text = format!("{n} of {root}\n");
                    server.put(&format!("{root}/{below}"), Content::new(text.as_bytes()), now);
                }
            }
            7 | 8 if full => {
                server.delete(&path, now);
            }
            9 if full => {
                // A whole directory goes.
                let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
                let below = format!("{dir}/");
                let doomed = paths.iter().filter(|path| path.starts_with(&below)).take(20);
                for path in doomed.filter(|_| !dir.is_empty()) {
                    server.delete(path, now);
                }
            }
            _ => {
                server.put(&self.fresh("new"), self.content(), now);
            }
        }
    }

    fn fresh(&self, what: &str) -> String {
        format!("/{what}{}/{}", self.draw("dir", DIRS), self.draw("name", NAMES))
    }

    /// From a few bytes to 16 KiB.
    fn content(&self) -> Content {
        let line = format!("edit {} of seed {}\n", self.n, self.seed);
        let times = 1 + self.draw("size", 16 * 1024 / line.len());
        Content::new(line.repeat(times).as_bytes())
    }
}
