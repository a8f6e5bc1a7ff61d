//! A server that is running, and what can be done to it meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use landfall_reference::script::Script;
use landfall_reference::server::Server;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::database::DatabaseError;
use super::log::Log;
use super::routes::router;
use super::state::{Chaos, Pace, Route, ServerConfig, Shared, served};

/// How long answers that are under way may take when the server is stopped.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address can not be had.
    #[error(
        "can not listen on {address}: {why}. Choose another with --listen, or 127.0.0.1:0 for any free port"
    )]
    Listen {
        /// What was asked for.
        address: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The log can not be written.
    #[error("can not open the request log {path}: {why}. Choose another with --log")]
    Log {
        /// What was asked for.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The workspace can not be stored.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A server that is running. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// Starts a server. Needs a tokio runtime, and runs on it.
///
/// # Errors
/// If the address or the log file can not be had, or the workspace can not be stored.
pub async fn start(mut config: ServerConfig) -> Result<Running, ServeError> {
    let log = Log::new(config.log.as_deref()).map_err(|why| ServeError::Log {
        path: config.log.as_deref().unwrap_or("".as_ref()).display().to_string(),
        why,
    })?;
    let failed = |why| ServeError::Listen { address: config.listen.clone(), why };
    let listener = TcpListener::bind(&config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    config.chaos.plan = served(config.chaos.plan);
    match &mut config.database {
        Some(database) if database.is_empty() => database.store(&config.server)?,
        Some(database) => config.server = database.load(config.server.settings().clone())?,
        None => {}
    }
    let shared = Arc::new(Shared::new(config, log));
    let app = router(shared.clone());
    let until = shared.clone();
    let task = tokio::spawn(async move {
        let stopped = async move { until.until_stopped().await };
        // Accepting goes on through errors; there is none to report.
        let listener = listener.tap_io(|socket| {
            // Else the last bytes of an answer wait until the client says that it has the others,
            // which takes it 40 ms.
            let _ = socket.set_nodelay(true);
        });
        let _ = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
    });
    Ok(Running { address, shared, task })
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://` and the address.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked and answered.
    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    /// Reads or changes the workspace, as another client would.
    ///
    /// # Panics
    /// If there is a database and it does not take the change.
    pub fn with<R>(&self, act: impl FnOnce(&mut Server) -> R) -> R {
        match self.shared.write(act) {
            Ok(answer) => answer,
            Err(why) => panic!("{why}"),
        }
    }

    /// Changes the faults.
    pub fn set_chaos(&self, mut chaos: Chaos) {
        chaos.plan = served(chaos.plan);
        self.shared.set_chaos(chaos);
    }

    /// Changes the pace.
    pub fn set_pace(&self, pace: Pace) {
        self.shared.set_pace(pace);
    }

    /// The next question to this route meets this, whatever the plan says. Several for the
    /// same route are met one after the other.
    pub fn plan_next(&self, route: Route, script: Script) {
        self.shared.plan_next(route, script);
    }

    /// How many of the requests that were planned did not come yet.
    pub fn planned(&self) -> usize {
        self.shared.planned()
    }

    /// Stops. Answers under way get 2 s.
    pub async fn stop(mut self) {
        self.shared.stop();
        // Aborted on drop if it takes longer.
        let _ = tokio::time::timeout(FAREWELL, &mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop();
        self.task.abort();
    }
}
