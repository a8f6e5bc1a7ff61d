//! What all requests share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landfall_core::time::Wall;
use landfall_reference::faults::{FaultKind, FaultPlan};
use landfall_reference::script::{Ask, Attempts, Script};
use landfall_reference::server::Server;
use tokio::sync::watch;
use tokio::time::Instant;

use super::database::{Database, DatabaseError};
use super::log::Log;

/// How a server is set up.
#[derive(Debug)]
pub struct ServerConfig {
    /// Where to listen, for example `127.0.0.1:0`.
    pub listen: String,
    /// The only workspace it knows; with `None` every name leads to the same workspace.
    pub workspace: Option<String>,
    /// The bearer token that requests must carry; with `None` any or none will do.
    pub token: Option<String>,
    /// The workspace at the start, unless the database has one.
    pub server: Server,
    /// Where each change is stored before it is told to anybody; with `None` nowhere.
    pub database: Option<Database>,
    /// The faults at the start.
    pub chaos: Chaos,
    /// How fast files are handed out.
    pub pace: Pace,
    /// Where to write the log as JSON Lines, besides keeping it in memory.
    pub log: Option<std::path::PathBuf>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            workspace: None,
            token: None,
            server: Server::default(),
            database: None,
            chaos: Chaos::default(),
            pace: Pace::default(),
            log: None,
        }
    }
}

/// Which faults a server makes.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// Decides them. [`FaultPlan::clean`] makes none.
    pub plan: FaultPlan,
    /// After this long the server is healthy again; with `None` it never is.
    pub lasts: Option<Duration>,
    /// No fault makes anybody wait longer than this.
    pub longest_wait: Duration,
}

impl Default for Chaos {
    fn default() -> Self {
        Self { plan: FaultPlan::clean(0), lasts: None, longest_wait: Duration::from_secs(60) }
    }
}

/// How fast files are handed out, over all connections together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// Files in a second, if positive.
    pub files: u32,
    /// Bytes of bodies in a second, if positive.
    pub bytes: u64,
}

/// A route, as the log names it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// `GET fs/tree`.
    Tree,
    /// `GET fs/file`.
    File,
    /// `PUT fs/file`.
    Put,
    /// `DELETE fs/file`.
    Delete,
    /// `POST fs/bulk-read`.
    Bulk,
    /// `GET fs/export`.
    Export,
    /// `GET fs/events`.
    Events,
    /// `GET fs/events` for the newest event alone.
    Tip,
    /// `GET fs/ws`.
    Stream,
    /// `POST fs/bulk`.
    BulkWrite,
    /// `POST fs/merge`.
    Merge,
    /// `GET ops/{opId}`.
    Op,
    /// `GET ops`.
    Ops,
    /// Anything else.
    Other,
}

impl Route {
    /// The route that a question goes to.
    pub fn of(ask: &Ask) -> Self {
        match ask {
            Ask::Tip => Self::Tip,
            Ask::Stream(_) => Self::Stream,
            Ask::Events(_) => Self::Events,
            Ask::Export(_) => Self::Export,
            Ask::Tree(..) => Self::Tree,
            Ask::File(_) => Self::File,
            Ask::Bulk(_) => Self::Bulk,
            Ask::Put(_) => Self::Put,
            Ask::Delete(_) => Self::Delete,
            Ask::BulkWrite(_) => Self::BulkWrite,
            Ask::Merge(_) => Self::Merge,
            Ask::Op(_) => Self::Op,
            Ask::Ops => Self::Ops,
        }
    }
}

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) workspace: Option<String>,
    pub(super) token: Option<String>,
    pub(super) log: Log,
    inner: Mutex<Inner>,
    stopped: watch::Sender<bool>,
    /// The newest event.
    tips: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    server: Server,
    database: Option<Database>,
    chaos: Chaos,
    chaos_until: Option<Instant>,
    attempts: Attempts,
    /// Scripts for the next requests of a route, ahead of the plan.
    planned: VecDeque<(Route, Script)>,
    pace: Pace,
    /// When the next file may go out.
    next_file: Instant,
}

impl Shared {
    pub(super) fn new(config: ServerConfig, log: Log) -> Self {
        let now = Instant::now();
        Self {
            workspace: config.workspace,
            token: config.token,
            log,
            inner: Mutex::new(Inner {
                server: config.server,
                database: config.database,
                chaos_until: config.chaos.lasts.map(|lasts| now + lasts),
                chaos: config.chaos,
                attempts: Attempts::default(),
                planned: VecDeque::new(),
                pace: config.pace,
                next_file: now,
            }),
            stopped: watch::Sender::new(false),
            tips: watch::Sender::new(0),
        }
    }

    /// A panic of another request leaves nothing half done in here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the workspace.
    pub(super) fn read<R>(&self, act: impl FnOnce(&Server) -> R) -> R {
        act(&self.lock().server)
    }

    /// Changes the workspace. Nobody sees a change that is not stored.
    ///
    /// # Errors
    /// If the database does not take it; then the workspace is as it was.
    pub(super) fn write<R>(&self, act: impl FnOnce(&mut Server) -> R) -> Result<R, DatabaseError> {
        let mut inner = self.lock();
        let Inner { server, database, .. } = &mut *inner;
        let before = server.tip();
        let answer = act(server);
        if let Some(database) = database
            && let Err(why) = database.store(server)
        {
            server.rewind(before);
            return Err(why);
        }
        let tip = server.tip();
        self.tips.send_if_modified(|told| core::mem::replace(told, tip) != tip);
        Ok(answer)
    }

    /// Tells of each change of the newest event.
    pub(super) fn tips(&self) -> watch::Receiver<u64> {
        self.tips.subscribe()
    }

    pub(super) fn set_chaos(&self, chaos: Chaos) {
        let mut inner = self.lock();
        inner.chaos_until = chaos.lasts.map(|lasts| Instant::now() + lasts);
        inner.chaos = chaos;
    }

    pub(super) fn set_pace(&self, pace: Pace) {
        self.lock().pace = pace;
    }

    pub(super) fn plan_next(&self, route: Route, script: Script) {
        self.lock().planned.push_back((route, script));
    }

    pub(super) fn planned(&self) -> usize {
        self.lock().planned.len()
    }

    /// What a request meets, and the longest that any fault may make it wait.
    pub(super) fn script(&self, ask: &Ask) -> (Script, Duration) {
        let mut inner = self.lock();
        let attempt = inner.attempts.next(&ask.entity());
        let longest = inner.chaos.longest_wait;
        let planned = inner.planned.iter().position(|(route, _)| *route == Route::of(ask));
        if let Some((_, script)) = planned.and_then(|at| inner.planned.remove(at)) {
            return (script, longest);
        }
        if inner.chaos_until.is_some_and(|end| Instant::now() >= end) {
            inner.chaos.plan = FaultPlan::clean(0);
        }
        (Script::write(&inner.chaos.plan, ask, attempt), longest)
    }

    /// The faults that are on now.
    pub(super) fn plan(&self) -> FaultPlan {
        self.lock().chaos.plan.clone()
    }

    /// When a file of this many bytes may go out. Every call takes a place in the queue.
    pub(super) fn slot(&self, bytes: usize) -> Instant {
        let mut inner = self.lock();
        let now = Instant::now();
        let mut costs = Duration::ZERO;
        if inner.pace.files > 0 {
            costs = Duration::from_secs(1) / inner.pace.files;
        }
        if inner.pace.bytes > 0 {
            let nanos = (bytes as u128 * 1_000_000_000) / u128::from(inner.pace.bytes);
            costs = costs.max(Duration::from_nanos(nanos.min(u64::MAX.into()) as u64));
        }
        let slot = inner.next_file.max(now);
        inner.next_file = slot + costs;
        slot
    }

    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Waits; `false` if the server was stopped meanwhile.
    pub(super) async fn sleep_until(&self, until: Instant) -> bool {
        if until <= Instant::now() {
            return true;
        }
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            () = tokio::time::sleep_until(until) => true,
            _ = stopped.wait_for(|stopped| *stopped) => false,
        }
    }

    /// Waits until the server is stopped.
    pub(super) async fn until_stopped(&self) {
        let mut stopped = self.stopped.subscribe();
        // An error means that the sender is gone, and with it the server.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }
}

/// The wall clock.
pub(crate) fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Wall(since.unwrap_or_default().as_millis() as u64)
}

/// Kinds of faults that a server can make: those of the link and the computer are simulated.
pub(super) fn served(plan: FaultPlan) -> FaultPlan {
    let others: Vec<FaultKind> = FaultKind::ALL
        .iter()
        .copied()
        .filter(|kind| !FaultKind::network().any(|served| served == *kind))
        .collect();
    plan.without(&others)
}
