//! The network port: one attempt per request, streamed.
//!
//! The adapter never retries, redirects, paces or sleeps: the machine does all that. A body is
//! parsed while it arrives, on a thread that may block, and content goes straight to the stage:
//! of bodies and files of any size, some KiB are in memory, and of a listing no more than a page
//! of 1 MiB. A small file that is here as a whole is parsed on the spot. What is sent comes from the stage in the same way, encoded on its way
//! out. When the machine has no credit left to give, the parser waits, the channel behind it
//! fills, and the socket is not read any more.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_core::effect::Request;
use landfall_core::event::{Event, Outcome};
use landfall_core::id::CallId;
use reqwest::{Client, Url, redirect};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use crate::disk::Stage;
use crate::seldom::Seldom;

mod answer;
mod body;
mod content;
mod file;
mod push;
mod request;
mod stream;
mod written;

/// A connection that is not there after this will not be.
const CONNECT: Duration = Duration::from_secs(10);

/// How the server is reached, and as whom.
#[derive(Clone)]
pub struct Target {
    /// For example `https://relay.example`. No trailing slash.
    pub base_url: String,
    /// The workspace id.
    pub workspace: String,
    /// The bearer token, if there is one.
    pub token: Option<Token>,
}

/// Where the bearer token comes from.
#[derive(Clone, Debug)]
pub enum Token {
    /// As given.
    Value(Secret),
    /// Read again for each request, so that it can be renewed while we run.
    File(PathBuf),
}

/// A text that is never shown, not even by accident.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({} {})", self.base_url, self.workspace)
    }
}

/// Why no client could be made.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The address is not one.
    #[error(
        "--base-url `{0}` is not an http or https address; write for example https://relay.example"
    )]
    BaseUrl(String),
    /// TLS could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// The network port of one workspace.
#[derive(Debug)]
pub struct Http {
    client: Client,
    target: Arc<Target>,
    /// What the addresses of all requests begin with.
    root: Arc<Url>,
    stage: Arc<Stage>,
    events: UnboundedSender<Event>,
    /// Why there was no answer.
    outage: Arc<Mutex<Seldom>>,
    flights: HashMap<CallId, Flight>,
}

/// A request under way.
#[derive(Debug)]
struct Flight {
    credit: Arc<Semaphore>,
    task: AbortHandle,
}

impl Flight {
    /// In this order, so that a task that waits for credit does not take the end for an answer.
    fn end(&self) {
        self.task.abort();
        self.credit.close();
    }
}

impl Http {
    /// A client for one workspace.
    pub fn new(
        target: Target,
        stage: Arc<Stage>,
        events: UnboundedSender<Event>,
    ) -> Result<Self, HttpError> {
        let root = target.root().filter(|root| matches!(root.scheme(), "http" | "https"));
        let Some(root) = root else { return Err(HttpError::BaseUrl(target.base_url)) };
        // A second install finds the first; both are the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT);
        if root.scheme() == "http" && !has_https_proxy() {
            // The certificates of the system are hundreds of files, or there are none.
            client = client.tls_certs_only([]);
        }
        let client = client.build()?;
        let (target, root) = (Arc::new(target), Arc::new(root));
        let outage = Arc::default();
        Ok(Self { client, target, root, stage, events, outage, flights: HashMap::new() })
    }

    /// Where answers go.
    pub fn events(&self) -> UnboundedSender<Event> {
        self.events.clone()
    }

    /// Sends a request. Answered by parts and one `Done`.
    pub fn ask(&mut self, call: CallId, request: Request, credit: u32) {
        self.flights.retain(|_, flight| !flight.task.is_finished());
        let credit = Arc::new(Semaphore::new(credit as usize));
        let attempt = Attempt {
            client: self.client.clone(),
            target: self.target.clone(),
            root: self.root.clone(),
            stage: self.stage.clone(),
            events: self.events.clone(),
            outage: self.outage.clone(),
            credit: credit.clone(),
            call,
        };
        let task = tokio::spawn(async move {
            let (events, credit) = (attempt.events.clone(), attempt.credit.clone());
            if let Err(failed) = attempt.run(request).await
                && !credit.is_closed()
            {
                let _ = events.send(Event::Done { call, outcome: failed.into() });
            }
        });
        self.flights.insert(call, Flight { credit, task: task.abort_handle() });
    }

    /// Grants more parts.
    pub fn more(&mut self, call: CallId, credit: u32) {
        if let Some(flight) = self.flights.get(&call) {
            flight.credit.add_permits(credit as usize);
        }
    }

    /// Stops. Whatever was being staged is removed by the parser when its input ends.
    pub fn cancel(&mut self, call: CallId) {
        if let Some(flight) = self.flights.remove(&call) {
            flight.end();
        }
    }
}

/// Whether a proxy for plain requests is reached by TLS.
fn has_https_proxy() -> bool {
    ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|proxy| proxy.starts_with("https")))
}

impl Drop for Http {
    /// A parser that waits for credit would wait for ever.
    fn drop(&mut self) {
        self.flights.values().for_each(Flight::end);
    }
}

/// Everything that one attempt needs.
#[derive(Clone, Debug)]
struct Attempt {
    client: Client,
    target: Arc<Target>,
    /// What the addresses of all requests begin with.
    root: Arc<Url>,
    stage: Arc<Stage>,
    events: UnboundedSender<Event>,
    outage: Arc<Mutex<Seldom>>,
    credit: Arc<Semaphore>,
    call: CallId,
}

impl From<answer::Failed> for Outcome {
    fn from(failed: answer::Failed) -> Self {
        let answer::Failed { blame, why, retry_after } = failed;
        Outcome::Failed { blame, why, retry_after }
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
