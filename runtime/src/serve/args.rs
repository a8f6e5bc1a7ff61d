//! The command line of `landfall serve`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use landfall_core::time::Ms;
use landfall_reference::faults::{FaultKind, FaultPlan};
use landfall_reference::server::{Server, Settings, WriteSettings};

use super::database::Database;
use super::load::load_dir;
use super::running::start;
use super::state::{Chaos, Pace, ServerConfig, served, wall};

/// Serve a sample workspace, or a directory, over the workspace HTTP API.
///
/// The workspace is in memory and gone with the process, unless --db keeps it. Meant for tests
/// and for trying things out; with --chaos it misbehaves on purpose.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: String,
    /// The only workspace it knows; without it, every name leads to the same workspace
    #[arg(long, value_name = "NAME")]
    pub workspace: Option<String>,
    /// The bearer token that requests must carry
    #[arg(long, env = "LANDFALL_SERVE_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Load the files of this directory
    #[arg(long, value_name = "DIR", conflicts_with = "sample")]
    pub load: Option<PathBuf>,
    /// Make up this many files
    #[arg(long, value_name = "FILES", default_value_t = 40)]
    pub sample: u64,
    /// Seed of the made-up files
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Keep the workspace in this SQLite file: it is there again at the next start, also after
    /// a kill or a power cut. --load and --sample fill it only as long as it is empty
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,
    /// Entries of a listing page
    #[arg(long, value_name = "ENTRIES", default_value_t = 1000)]
    pub page: usize,
    /// Have the route fs/bulk-read, as hosted servers do
    #[arg(long)]
    pub bulk_read: bool,
    /// Have no route fs/bulk, as the oldest servers do
    #[arg(long)]
    pub no_bulk: bool,
    /// Leave out the results of fs/bulk, as older servers do
    #[arg(long)]
    pub no_results: bool,
    /// Refuse a request with a larger body than this
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub body_max: u64,
    /// Let nobody write at or below this path; may be given more than once
    #[arg(long, value_name = "PATH")]
    pub deny_writes: Vec<String>,
    /// Take only JSON objects at or below this path; may be given more than once
    #[arg(long, value_name = "PATH")]
    pub strict: Vec<String>,
    /// Have the operation of every write pending for this long
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub op_delay: u64,
    /// Hand out at most this many files a second
    #[arg(long, value_name = "FILES", default_value_t = 0)]
    pub pace: u32,
    /// Hand out at most this many bytes of files a second
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub pace_bytes: u64,
    /// Misbehave: `all`, `swarm`, or a list of faults such as slow-export,empty-listing
    #[arg(long, value_name = "FAULTS", value_parser = parse_chaos)]
    pub chaos: Option<ChaosChoice>,
    /// Seed of the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub chaos_seed: u64,
    /// Be healthy again after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub chaos_for: Option<u64>,
    /// No fault makes a client wait longer than this, but for one that never answers
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub chaos_wait: u64,
    /// Append what was asked and answered to this file, as JSON Lines
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// Which faults `--chaos` asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ChaosChoice {
    /// Every kind that a server can do.
    All,
    /// A random subset of them at random intensities.
    Swarm,
    /// These.
    Only(Vec<FaultKind>),
}

fn parse_chaos(text: &str) -> Result<ChaosChoice, String> {
    match text {
        "all" => return Ok(ChaosChoice::All),
        "swarm" => return Ok(ChaosChoice::Swarm),
        _ => {}
    }
    let served: Vec<FaultKind> = FaultKind::network().collect();
    let one = |name: &str| match name.trim().parse() {
        Ok(kind) if served.contains(&kind) => Ok(kind),
        _ => {
            let names: Vec<_> = served.iter().map(|kind| kind.name()).collect();
            Err(format!("a server has no fault `{name}`; it has all, swarm, {}", names.join(", ")))
        }
    };
    let kinds: Result<Vec<_>, _> = text.split(',').map(one).collect();
    kinds.map(ChaosChoice::Only)
}

impl ServeArgs {
    fn settings(&self) -> Settings {
        let writes = WriteSettings {
            bulk: !self.no_bulk,
            results: !self.no_results,
            body_max: self.body_max,
            op_delay: Ms(self.op_delay),
            denied: self.deny_writes.clone(),
            strict: self.strict.clone(),
            ..WriteSettings::default()
        };
        Settings { page: self.page, bulk_read: self.bulk_read, writes, ..Settings::default() }
    }

    fn chaos(&self) -> Chaos {
        let seed = self.chaos_seed;
        let plan = match &self.chaos {
            None => FaultPlan::clean(seed),
            Some(ChaosChoice::All) => FaultPlan::all_on(seed),
            Some(ChaosChoice::Swarm) => FaultPlan::swarm(seed),
            Some(ChaosChoice::Only(kinds)) => FaultPlan::clean(seed).only(kinds),
        };
        Chaos {
            plan: served(plan),
            lasts: self.chaos_for.map(Duration::from_secs),
            longest_wait: Duration::from_secs(self.chaos_wait),
        }
    }
}

/// Serves until it is interrupted. Says on standard output where, and on standard error why
/// not.
pub async fn run(args: ServeArgs) -> u8 {
    match serve(args).await {
        Ok(()) => crate::exit::OK,
        Err(error) => {
            eprintln!("landfall serve: {error}");
            crate::exit::FAILED
        }
    }
}

async fn serve(args: ServeArgs) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::new(args.settings());
    let database = args.db.as_deref().map(Database::open).transpose()?;
    match &args.load {
        _ if database.as_ref().is_some_and(|database| !database.is_empty()) => {}
        Some(directory) => {
            load_dir(&mut server, directory, wall())?;
        }
        None => server.add_sample(args.seed, args.sample, wall()),
    }
    let chaos = args.chaos();
    let plan = args.chaos.is_some().then(|| chaos.plan.to_string());
    let running = start(ServerConfig {
        listen: args.listen,
        workspace: args.workspace,
        token: args.token,
        server,
        database,
        chaos,
        pace: Pace { files: args.pace, bytes: args.pace_bytes },
        log: args.log,
    })
    .await?;
    let files = running.with(|server| server.now().len());
    // Scripts wait for this line, and read the port from it.
    let mut out = std::io::stdout();
    writeln!(out, "serving {files} files on {}", running.base_url())?;
    if let Some(plan) = plan {
        writeln!(out, "{plan}")?;
    }
    out.flush()?;
    until_told().await?;
    running.stop().await;
    Ok(())
}

#[cfg(unix)]
async fn until_told() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn until_told() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
