//! `landfall mount`: builds a machine and its ports, and runs them.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::BoolishValueParser;
use landfall_core::Machine;
use landfall_core::canon::Canon;
use landfall_core::config::{Bootstrap, Config, GateConfig, MaxDelete, WorkspaceConfig};
use landfall_core::event::Event;
use landfall_core::files::plan::SyncMode;
use landfall_core::id::{RemoteId, StoreId, UnitId};
use landfall_core::path::CONTROL_DIR;
use landfall_core::roots::Judgement;
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::Ms;
use thiserror::Error;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

use crate::adopt::{NpmLease, Taken};
use crate::disk::Disk;
use crate::driver::{Driver, Ended, Ports};
use crate::expiry::{Bearer, Credentials};
use crate::http::{Http, HttpError, Target, Token};
use crate::lock::Lock;
use crate::parity::Others;
use crate::report::file::{Identity, Writer};
use crate::roots::{Root, advice, state_dir};
use crate::show::Show;
use crate::store::{self, Opened, Store, StoreError};
use crate::trace::Trace;
use crate::writeback::Desk;
use crate::{adopt, clock, exit};

/// What a mount is told on the command line or in the environment.
#[derive(clap::Args, Clone, Debug)]
pub struct MountArgs {
    /// Address of the server, for example https://relay.example
    #[arg(long, env = "RELAYFILE_BASE_URL", alias = "server")]
    pub base_url: String,
    /// Workspace id
    #[arg(long, env = "RELAYFILE_WORKSPACE")]
    pub workspace: String,
    /// Directory that becomes the mirror; made if it does not exist
    #[arg(long, env = "RELAYFILE_LOCAL_DIR")]
    pub local_dir: PathBuf,
    /// Bearer token. Other users can see the arguments of a process: prefer the variable or
    /// --token-file
    #[arg(long, env = "RELAYFILE_TOKEN", hide_env_values = true)]
    pub token: Option<Bearer>,
    /// File with the bearer token; read again for each request
    #[arg(long, conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// File of a login, with the bearer token in the JSON key `token`, `accessToken` or
    /// `relayfileToken`; read again for each request, so whoever renews it there need not tell.
    /// Wins over --token, and --token-file over it
    #[arg(long, env = "RELAYFILE_MOUNT_CREDS_FILE")]
    pub creds_file: Option<PathBuf>,
    /// Remote directory to mirror
    #[arg(long, env = "RELAYFILE_REMOTE_PATH", default_value = "/")]
    pub remote_path: String,
    /// Exit when the mirror is in step
    #[arg(long)]
    pub once: bool,
    /// Send what changed here and exit, without fetching anything: --once with --sync-mode
    /// write-only
    #[arg(long)]
    pub push_local_once: bool,
    /// The same as --push-local-once: what waits in the outbox goes first
    #[arg(long)]
    pub flush_outbox_once: bool,
    /// With --once: give up after this long without progress
    #[arg(long, default_value = "10m", value_parser = duration)]
    pub timeout: Ms,
    /// Follow changes as they happen, where the server has a stream: --websocket=false to only
    /// ask every --interval
    #[arg(long, env = "RELAYFILE_MOUNT_WEBSOCKET", default_value_t = true,
        action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub websocket: bool,
    /// Time between two looks at the feed, without a stream
    #[arg(long, env = "RELAYFILE_MOUNT_INTERVAL", default_value = "30s", value_parser = duration)]
    pub interval: Ms,
    /// Time for the export of a first bootstrap, before the tree takes over
    #[arg(long, env = "RELAYFILE_EXPORT_TIMEOUT", default_value = "45s", value_parser = duration)]
    pub export_timeout: Ms,
    /// Upper bound for the export and its fallback together; 0 for none
    #[arg(long, env = "RELAYFILE_BOOTSTRAP_TIMEOUT", default_value = "0", value_parser = duration)]
    pub bootstrap_timeout: Ms,
    /// Requests at once, 1 to 64
    #[arg(long, env = "RELAYFILE_BOOTSTRAP_READ_CONCURRENCY", default_value_t = 16)]
    pub read_concurrency: u32,
    /// Requests in a second, 1 to 100000
    #[arg(long, default_value_t = GateConfig::default().per_second)]
    pub requests_per_second: u32,
    /// Deletes of one cycle that need no person: a number, or a percentage such as 50%
    #[arg(long, default_value = "50%", value_parser = max_delete)]
    pub max_delete: MaxDelete,
    /// Which way changes go
    #[arg(long, env = "RELAYFILE_MOUNT_SYNC_MODE", value_enum, default_value_t = Mode::Mirror)]
    pub sync_mode: Mode,
    /// A larger file is not sent, in bytes; 0 for no limit
    #[arg(long, env = "RELAYFILE_MAX_WRITEBACK_BYTES", default_value = "8388608",
        allow_negative_numbers = true, value_parser = limit)]
    pub max_writeback_bytes: u64,
    /// Files are sent together in requests of up to so many bytes; 0 for no limit
    #[arg(long, env = "RELAYFILE_MAX_WRITEBACK_BATCH_BYTES", default_value = "8388608",
        allow_negative_numbers = true, value_parser = limit)]
    pub max_writeback_batch_bytes: u64,
    /// Record what the machine is told and what it wants, as JSON Lines
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Time between two lines of progress where there is no terminal
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub progress_interval: Ms,
    /// Settings of the client before.
    #[command(flatten)]
    pub others: Others,
}

/// Which way changes go, as it is said on the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Mode {
    /// Both ways
    Mirror,
    /// Only from the remote; files are read-only here
    PullOnly,
    /// Only to the remote
    WriteOnly,
}

impl From<Mode> for SyncMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Mirror => SyncMode::Mirror,
            Mode::PullOnly => SyncMode::PullOnly,
            Mode::WriteOnly => SyncMode::WriteOnly,
        }
    }
}

impl MountArgs {
    /// What the flags of one word stand for.
    fn spelled_out(mut self) -> Result<Self, MountError> {
        let sends = match (self.push_local_once, self.flush_outbox_once) {
            (true, _) => "--push-local-once",
            (_, true) => "--flush-outbox-once",
            _ => return Ok(self),
        };
        if self.sync_mode == Mode::PullOnly {
            return Err(MountError::Setting(format!(
                "{sends} sends what changed here, and --sync-mode pull-only sends nothing: leave \
                 one of them out"
            )));
        }
        self.once = true;
        self.sync_mode = Mode::WriteOnly;
        Ok(self)
    }
}

/// Why a mount could not begin.
#[derive(Debug, Error)]
pub enum MountError {
    /// The root may not be used.
    #[error("{}", advice(*.0, .1))]
    Root(Judgement, PathBuf),
    /// Another process holds the lock.
    #[error(
        "another landfall keeps {0}. Stop it first, or look at it with `landfall status --local-dir {0}`"
    )]
    Locked(PathBuf),
    /// The npm client that we replace is running there.
    #[error(
        "another client, relayfile-mount, keeps {0}. Stop it first: two would undo each other's work"
    )]
    NpmClient(PathBuf),
    /// A file or directory could not be used.
    #[error("{what} {path}: {why}. Check that it exists and that you may write there")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which path.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client could not be made.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A setting of the client before that can not be had here.
    #[error("{0}")]
    Setting(String),
    /// The remote path is not one.
    #[error("--remote-path `{0}` has to begin with / and may not end with one")]
    RemotePath(String),
}

impl MountError {
    /// The documented exit code.
    pub fn code(&self) -> u8 {
        match self {
            MountError::Root(Judgement::Missing, _) => exit::HALTED,
            MountError::Root(..) => exit::IDENTITY,
            MountError::Locked(_) | MountError::NpmClient(_) => exit::LOCKED,
            MountError::Http(HttpError::BaseUrl(_))
            | MountError::RemotePath(_)
            | MountError::Setting(_) => exit::USAGE,
            _ => exit::FAILED,
        }
    }
}

/// The only workspace of a mount.
const UNIT: UnitId = UnitId(0);
const REMOTE: RemoteId = RemoteId(0);
const STORE: StoreId = StoreId(0);

/// Runs until the machine exits, and answers the exit code.
pub async fn mount(args: MountArgs) -> Result<u8, MountError> {
    let args = args.spelled_out()?;
    let warnings = args.others.judge().map_err(MountError::Setting)?;
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let base = args.remote_path.clone();
    if !base.starts_with('/') || (base.len() > 1 && base.ends_with('/')) {
        return Err(MountError::RemotePath(base));
    }
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |why| MountError::Io { what, path, why }
    };
    let judged = || -> Result<Root, MountError> {
        let root = Root::look(&args.local_dir, &state_dir())
            .map_err(io("can not look at", &args.local_dir))?;
        match root.judge(&args.workspace, &base) {
            judgement if judgement.is_good() => Ok(root),
            judgement => Err(MountError::Root(judgement, root.path)),
        }
    };
    let path = judged()?.path;
    let control = path.join(CONTROL_DIR);
    std::fs::create_dir_all(&control).map_err(io("can not make", &control))?;
    let lock = Lock::take(&control).map_err(io("can not lock", &control))?;
    let Some(_lock) = lock else { return Err(MountError::Locked(path)) };
    // Held to the end, so that neither of the two starts where the other one runs.
    let lease = match adopt::cache_dir() {
        Some(caches) => NpmLease::take(&caches, &args.base_url, &args.workspace, &path)
            .map_err(io("can not look for the lease of another client in", &caches))?,
        None => Taken::None,
    };
    let _lease = match lease {
        Taken::Theirs => return Err(MountError::NpmClient(path)),
        Taken::Ours(lease) => Some(lease),
        Taken::None => None,
    };
    // Looked at again: only now nobody else can be making the marker.
    let mut root = judged()?;
    let marker = root.settle(&args.workspace, &base).map_err(io("can not prepare", &path))?;

    let config = args.config(&marker, &base, adopt::bootstrap(&path));
    let (sender, events) = unbounded_channel();
    let mode = SyncMode::from(args.sync_mode);
    let disk = match mode.is_written_here() {
        true => Disk::open_two_way(&path, &base),
        false => Disk::open(&path, &base),
    };
    let disk = disk.map_err(io("can not open", &path))?;
    let http = Http::new(args.target(), disk.stage.clone(), sender.clone())?;
    let trace = match &args.trace {
        Some(file) => Some(Trace::begin(file, &config).map_err(io("can not write", file))?),
        None => None,
    };
    let identity = Identity {
        workspace_id: args.workspace.clone(),
        remote_root: base,
        local_root: path.display().to_string(),
        sync_mode: mode,
        interval_ms: args.interval.0,
    };
    let mut file = Writer::new(&path, identity, args.credentials(), disk.strangers());
    // Rows may take a while, and what the last run told is not true any more.
    let starting = WorkspaceStatus { reason: "starting".into(), ..WorkspaceStatus::default() };
    file.tell(&starting, Instant::now());
    let database = control.join(store::FILE);
    let opened = Store::open(&database, clock::boot_id().as_deref(), STORE, sender.clone())?;
    // While the store reads its rows, and before anything is looked at, so that nothing is missed in
    // between.
    let _watcher = if !mode.is_written_here() {
        None
    } else if args.once {
        disk.watch_later(UNIT, sender);
        None
    } else {
        Some(disk.watch(UNIT, sender).map_err(io("can not watch", &path))?)
    };
    let every = Duration::from_millis(args.progress_interval.0.max(100));
    let show = Show::new(file, every);
    let Opened { store, rows, run, boot, last } = opened;
    let desk = Desk::new(&path, UNIT, &store::read_kind(&database, "letter")?, last);
    let ports = Ports { http, disk, store };
    let mut driver = Driver::new(Machine::new(config), ports, events, trace, show, desk);
    for some in rows {
        driver.load(some?);
    }
    let ended = driver
        .run(Event::Start { run, boot, last })
        .await
        .map_err(io("can not listen for signals in", &path))?;
    let Ended { exit, signal, in_step, files } = ended;
    root.remember(files).map_err(io("can not remember", &path))?;
    Ok(exit::of_mount(exit, signal, in_step))
}

impl MountArgs {
    fn config(&self, marker: &str, base: &str, bootstrap: Bootstrap) -> Config {
        let gate =
            GateConfig { concurrency: self.read_concurrency, per_second: self.requests_per_second };
        let workspace = WorkspaceConfig {
            remote: REMOTE,
            store: STORE,
            base: base.to_owned(),
            mode: self.sync_mode.into(),
            bootstrap,
            once: self.once,
            patience: self.timeout,
            export_timeout: self.export_timeout,
            hard_cap: self.bootstrap_timeout,
            stream: self.websocket,
            interval: self.interval,
            max_delete: self.max_delete,
            max_file: self.max_writeback_bytes,
            // What is encoded is up to twice as long, but for what is all quotes and line ends.
            max_batch: self.max_writeback_batch_bytes / 2,
            ..WorkspaceConfig::default()
        };
        let seed = Canon::of(&marker);
        Config { seed, remotes: vec![(REMOTE, gate)], workspaces: vec![(UNIT, workspace)] }
    }

    fn credentials(&self) -> Credentials {
        match (self.token_in(), &self.token) {
            (Some(path), _) => Credentials::File { path: path.clone(), seen: None },
            (None, token) => Credentials::Given(token.as_ref().and_then(|token| token.expiry)),
        }
    }

    /// The file that has the token.
    fn token_in(&self) -> Option<&PathBuf> {
        self.token_file.as_ref().or(self.creds_file.as_ref())
    }

    fn target(&self) -> Target {
        let token = match (self.token_in(), &self.token) {
            (Some(file), _) => Some(Token::File(file.clone())),
            (None, Some(token)) => Some(Token::Value(token.secret.clone())),
            (None, None) => None,
        };
        Target { base_url: self.base_url.clone(), workspace: self.workspace.clone(), token }
    }
}

/// `45s`, `2m`, `500ms`, or plain seconds.
pub fn duration(text: &str) -> Result<Ms, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Ms::secs(seconds.into()));
    }
    match humantime::parse_duration(text) {
        Ok(time) => Ok(Ms(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
        Err(why) => Err(format!("{why}; write for example 45s, 2m or plain seconds")),
    }
}

/// A number of bytes. None, or fewer, mean that there is no limit.
pub fn limit(text: &str) -> Result<u64, String> {
    match text.parse::<i64>() {
        Ok(bytes) => Ok(u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).unwrap_or(u64::MAX)),
        Err(_) => Err("write a number of bytes such as 8388608, or 0 for no limit".into()),
    }
}

/// `200` or `50%`.
pub fn max_delete(text: &str) -> Result<MaxDelete, String> {
    let wrong = || String::from("write a number of files such as 200, or a percentage such as 50%");
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse() {
            Ok(percent) if percent <= 100 => Ok(MaxDelete::Percent(percent)),
            _ => Err(wrong()),
        },
        None => text.parse().map(MaxDelete::Files).map_err(|_| wrong()),
    }
}

/// Sets up logging on standard error.
pub fn log(json: bool) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("LANDFALL_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,landfall=info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match json {
        true => builder.json().init(),
        false => builder.with_ansi(colour).init(),
    }
}
