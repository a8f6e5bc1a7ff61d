//! The contract of the network port, kept over real sockets.

use std::collections::BTreeMap;
use std::io::Write;

use landfall_core::hash::ContentHash;
use landfall_core::id::BlobId;
use landfall_reference::contract::network::{TestNetwork, check, workspace};
use landfall_reference::contract::writes::{self, TestWrites};
use landfall_reference::server::Server;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::disk::Disk;
use crate::serve::{Running, ServerConfig, start};

struct Real {
    http: Http,
    stage: Arc<Stage>,
    events: UnboundedReceiver<Event>,
    _server: Running,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Real {
    fn new(server: Server) -> Self {
        let runtime = Runtime::new().unwrap();
        let config = ServerConfig { server, ..ServerConfig::default() };
        let server = runtime.block_on(start(config)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path(), "/").unwrap();
        let (sender, events) = unbounded_channel();
        let target = Target { base_url: server.base_url(), workspace: "w".into(), token: None };
        let stage = disk.stage;
        let http = Http::new(target, stage.clone(), sender).unwrap();
        Self { http, stage, events, _server: server, runtime, _dir: dir }
    }
}

/// Who waits longer waits for ever.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl TestNetwork for Real {
    fn ask(&mut self, call: CallId, request: Request, credit: u32) {
        let _inside = self.runtime.enter();
        self.http.ask(call, request, credit);
    }

    fn more(&mut self, call: CallId, credit: u32) {
        self.http.more(call, credit);
    }

    fn cancel(&mut self, call: CallId) {
        self.http.cancel(call);
    }

    fn next(&mut self) -> Event {
        let next = async { tokio::time::timeout(PATIENCE, self.events.recv()).await };
        self.runtime.block_on(next).expect("an answer in time").unwrap()
    }

    fn already(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    fn staged(&mut self) -> BTreeMap<BlobId, ContentHash> {
        self.stage.held()
    }
}

#[test]
fn the_real_network_brings_what_the_server_has() {
    check(&mut Real::new(workspace())).unwrap_or_else(|why| panic!("{why}"));
}

impl TestWrites for Real {
    fn stage(&mut self, blob: BlobId, bytes: &[u8]) {
        let mut staged = self.stage.begin(blob).unwrap();
        staged.write_all(bytes).unwrap();
        staged.finish();
    }
}

#[test]
fn the_real_network_takes_writes_and_says_what_became_of_each() {
    for bulk in [true, false] {
        let mut network = Real::new(writes::workspace(bulk));
        writes::check(&mut network, bulk).unwrap_or_else(|why| panic!("{why}"));
    }
}
