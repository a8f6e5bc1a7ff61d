//! The contracts of disk, store and network, kept by the simulated ones.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use landfall_core::effect::{Change, DiskOp, Request};
use landfall_core::event::{Boot, Event, LastExit, Outcome};
use landfall_core::files::entry::{Found, Odd};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, CommitSeq};
use landfall_core::path::RemotePath;
use landfall_core::row::Loaded;
use landfall_reference::contract::disk::{self, Holds, Puts, TestDisk};
use landfall_reference::contract::network::{self, TestNetwork};
use landfall_reference::contract::store::{self, Opened, TestStore};
use landfall_reference::server;

use super::World;
use super::disk::{Content, Disk, Node, Place, Running, Step};
use super::queue::Queue;
use super::store::Store;
use crate::faults::KINDS;
use crate::options::Options;
use crate::story::Story;

const WALL: u64 = 1_000;

fn content(bytes: &[u8]) -> Content {
    Content { hash: server::Content::new(bytes).hash(), size: bytes.len() as u64 }
}

impl TestDisk for Disk {
    fn person(&mut self, path: &RemotePath, puts: Puts<'_>) {
        let is_blocked = path.ancestors().any(|dir| {
            let dir = RemotePath::parse(dir).unwrap();
            self.node(&Place::At(dir)).is_some()
        });
        if is_blocked || self.look(path) == Found::Odd(Odd::Directory) {
            return;
        }
        match puts {
            Puts::File(bytes) => {
                self.person_writes(path, content(bytes), WALL);
            }
            Puts::Link => self.person_sets(path, Some(Odd::Symlink)),
            Puts::Nothing => self.person_sets(path, None),
        }
    }

    fn stage(&mut self, blob: BlobId, bytes: &[u8]) {
        Disk::stage(self, blob, content(bytes), WALL);
    }

    fn perform(&mut self, call: CallId, op: DiskOp) -> Outcome {
        let mut running = Running::new(call, op, None);
        loop {
            self.advance(&mut running);
            if let Step::Answer(outcome) = running.step {
                return outcome;
            }
        }
    }

    fn holds(&self) -> Holds {
        let mut holds = Holds {
            files: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            trash: Vec::new(),
            staged: self.staged().collect(),
        };
        for (place, node) in self.nodes() {
            let Node::File(file) = node else { continue };
            let hash = file.content.hash;
            match place {
                Place::At(path) => {
                    holds.files.insert(path.clone(), hash);
                }
                Place::Conflict(path, name) => {
                    assert_eq!(*name, hash);
                    holds.conflicts.insert((path.clone(), hash));
                }
                Place::Trash(batch, path, _) => holds.trash.push((*batch, path.clone(), hash)),
                Place::Stage(_) => {}
                Place::Swap(..) => panic!("nothing is under way"),
            }
        }
        holds.trash.sort();
        holds
    }
}

#[test]
fn the_simulated_disk_keeps_the_named_cases() {
    disk::check_cases(Disk::default).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn the_simulated_disk_walks_like_the_model() {
    for seed in 0..1000 {
        let walked = disk::check_walk(seed, &mut Disk::default());
        walked.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

impl TestStore for Store {
    fn open(&mut self, boot: u32) -> Opened {
        let (run, same, last) = Store::open(self, boot);
        let last = match last {
            None => LastExit::Never,
            Some(true) => LastExit::Clean,
            Some(false) => LastExit::Unclean,
        };
        let boot = if same { Boot::Same } else { Boot::Other };
        let stored = |row| match row {
            Loaded::Row(row) => row.encode(),
            Loaded::Unreadable { row, .. } => row,
        };
        Opened { run, boot, last, rows: self.rows().into_iter().map(stored).collect() }
    }

    fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>) {
        Store::commit(self, seq, changes);
    }

    fn acknowledged(&mut self, upto: CommitSeq) -> Vec<CommitSeq> {
        let mut told = Vec::new();
        while told.last().is_none_or(|last| *last < upto) {
            told.push(self.flush_one(|_, _| {}).unwrap());
        }
        told
    }

    fn kill(&mut self) {
        Store::kill(self);
    }

    fn exit(&mut self) {
        self.close();
    }
}

#[test]
fn the_simulated_store_keeps_what_it_acknowledged_through_any_run() {
    for seed in 0..1000 {
        let walked = store::check_walk(seed, &mut Store::default());
        walked.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

/// A world without faults, people and a machine, around the server of the contract.
fn quiet_world() -> World {
    let options = Options {
        files: 0,
        page: 3,
        bulk: true,
        totals: true,
        hashes: true,
        rates: [0; KINDS],
        ..Options::derive(1)
    };
    let mut world = World::new(options, Story::default());
    world.queue = Queue::new();
    world.heard = Some(VecDeque::new());
    for change in network::workspace().history() {
        let path = RemotePath::parse(&change.path).unwrap();
        let content = change.after.as_ref().map(|file| file.content.clone());
        world.server.change(&path, content, world.now, change.at.0);
    }
    world
}

impl TestNetwork for World {
    fn ask(&mut self, call: CallId, request: Request, credit: u32) {
        World::ask(self, call, request, credit);
    }

    fn more(&mut self, call: CallId, credit: u32) {
        World::more(self, call, credit);
    }

    fn cancel(&mut self, call: CallId) {
        World::cancel(self, call);
    }

    fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.heard.as_mut().unwrap().pop_front() {
                return event;
            }
            let (at, what) = self.queue.pop().expect("something is to come");
            self.now = at;
            self.happen(what);
        }
    }

    fn already(&mut self) -> Option<Event> {
        // What does not come by itself now never comes.
        while let Some((at, what)) = self.queue.pop() {
            self.now = at;
            self.happen(what);
        }
        self.heard.as_mut().unwrap().pop_front()
    }

    fn staged(&mut self) -> BTreeMap<BlobId, ContentHash> {
        let staged = self.disk.nodes().filter_map(|(place, node)| match (place, node) {
            (Place::Stage(blob), Node::File(file)) => Some((*blob, file.content.hash)),
            _ => None,
        });
        staged.collect()
    }
}

#[test]
fn the_simulated_network_brings_what_the_server_has() {
    network::check(&mut quiet_world()).unwrap_or_else(|why| panic!("{why}"));
}
