//! What was asked, what was answered, and what really went out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

use super::state::Route;

/// Counts the requests of a server from 0.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RequestId(pub usize);

/// One request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Record {
    /// Its place in the order in which requests arrived.
    pub request: RequestId,
    /// When it arrived, in milliseconds since the server began.
    pub at_ms: u64,
    /// When its answer ended; `None` while it goes on.
    pub end_ms: Option<u64>,
    /// Its route.
    pub route: Route,
    /// What it asked for: a path, or a cursor.
    pub path: String,
    /// The status that was answered; `None` if none was.
    pub status: Option<u16>,
    /// Bytes of the body that were handed to the connection.
    pub bytes: u64,
    /// Whether the connection took the whole body.
    pub complete: bool,
    /// The faults that it met.
    pub faults: Vec<String>,
}

/// One file in one answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Delivery {
    /// The request.
    pub request: RequestId,
    /// When, in milliseconds since the server began.
    pub at_ms: u64,
    /// By which route: file, bulk or export.
    pub route: Route,
    /// The file.
    pub path: String,
    /// Its revision.
    pub revision: String,
    /// Whether the connection took all of it. A client that is killed may still not have read
    /// what lies in the buffers of the connection.
    pub delivered: bool,
}

/// The log of a server. Kept in memory, and written to a file if there is one.
#[derive(Debug)]
pub struct Log {
    began: Instant,
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    records: Vec<Record>,
    deliveries: Vec<Delivery>,
    file: Option<File>,
}

#[derive(Serialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
enum Line<'a> {
    Request(&'a Record),
    File(&'a Delivery),
}

impl Log {
    /// An empty log. With a path, every line is also appended to that file when it is known.
    pub(super) fn new(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| File::options().create(true).append(true).open(path);
        Ok(Self {
            began: Instant::now(),
            inner: Mutex::new(Inner { file: path.map(open).transpose()?, ..Inner::default() }),
            changed: watch::Sender::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long ago the server began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Every request so far.
    pub fn records(&self) -> Vec<Record> {
        self.lock().records.clone()
    }

    /// Every file that was begun so far, in the order in which they ended.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.lock().deliveries.clone()
    }

    /// How many files were delivered.
    pub fn delivered(&self) -> usize {
        let inner = self.lock();
        inner.deliveries.iter().filter(|file| file.delivered).count()
    }

    /// How many requests each route got.
    pub fn by_route(&self) -> BTreeMap<Route, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.lock().records {
            *counts.entry(record.route).or_default() += 1;
        }
        counts
    }

    /// Waits until the log shows something. Looks again after each change.
    pub async fn wait_for(&self, mut shows: impl FnMut(&Log) -> bool) {
        let mut changes = self.changed.subscribe();
        while !shows(self) {
            // The sender lives in `self`.
            let _ = changes.changed().await;
        }
    }

    pub(super) fn begin(&self, route: Route, path: &str) -> RequestId {
        let mut inner = self.lock();
        let request = RequestId(inner.records.len());
        inner.records.push(Record {
            request,
            at_ms: self.now(),
            end_ms: None,
            route,
            path: path.to_owned(),
            status: None,
            bytes: 0,
            complete: false,
            faults: Vec::new(),
        });
        drop(inner);
        self.tell();
        request
    }

    pub(super) fn amend(&self, request: RequestId, change: impl FnOnce(&mut Record)) {
        change(&mut self.lock().records[request.0]);
        self.tell();
    }

    pub(super) fn end(&self, request: RequestId, complete: bool) {
        let now = self.now();
        let mut inner = self.lock();
        let Inner { records, file, .. } = &mut *inner;
        let record = &mut records[request.0];
        record.end_ms = Some(now);
        record.complete = complete;
        write(file, &Line::Request(record));
        drop(inner);
        self.tell();
    }

    pub(super) fn file(&self, mut delivery: Delivery) {
        delivery.at_ms = self.now();
        let mut inner = self.lock();
        write(&mut inner.file, &Line::File(&delivery));
        inner.deliveries.push(delivery);
        drop(inner);
        self.tell();
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn tell(&self) {
        // Whoever begins to wait now looks first, and finds what changed.
        if self.changed.receiver_count() == 0 {
            return;
        }
        self.changed.send_modify(|count| *count += 1);
    }
}

/// A log that can not be written must not stop the server; the one in memory goes on.
fn write(to: &mut Option<File>, line: &Line<'_>) {
    let Some(file) = to else { return };
    let written = serde_json::to_string(line)
        .map_err(io::Error::from)
        .and_then(|json| file.write_all(format!("{json}\n").as_bytes()));
    if let Err(error) = written {
        eprintln!("the request log can not be written any more: {error}");
        *to = None;
    }
}
