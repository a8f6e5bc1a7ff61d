//! A world so small that everything that can happen in it can be listed.
//!
//! Two files, a server with a log of events, a disk, a store, and one process. Time stands
//! still while anything is under way and jumps to the machine's next wake-up when nothing is.
//! A request is answered with the server of any moment between its asking and its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use landfall_core::Machine;
use landfall_core::decision::Decision;
use landfall_core::effect::{Change, DiskOp, Effect, Exit, Request};
use landfall_core::event::{Boot, Event, LastExit, Outcome};
use landfall_core::files::entry::{Found, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, CommitSeq, StoreId};
use landfall_core::path::RemotePath;
use landfall_core::row::{EntryRow, Loaded, MirrorRow, Of, Row, RowKey, Value};
use landfall_core::time::{Now, Tick, Wall};

use super::rules::{Rules, Wrong};
use super::scene::{Budget, Scene};

/// The bytes of a file: the number of the event that made them, or one of these.
pub type Bytes = u8;

/// The first bytes that a person saves.
pub const PERSON: Bytes = 200;
/// What a power cut leaves of a file.
pub const TORN: Bytes = 255;

/// The wall clock at tick 0.
const WALL: u64 = 1_795_219_200_000;

/// A request that was sent and has not had its last word.
#[derive(Clone, Debug)]
pub struct Ask {
    pub call: CallId,
    pub request: Request,
    /// The newest event when it was sent.
    pub sent_at: u8,
    /// The files of an export that are still to come: which, and their bytes.
    pub rest: Option<VecDeque<(usize, Bytes)>>,
}

/// A disk operation that was not carried out.
#[derive(Clone, Debug)]
pub struct Op {
    pub call: CallId,
    pub op: DiskOp,
    /// What a seal makes good.
    pub mark: [Option<Bytes>; 2],
}

/// One commit on its way.
#[derive(Clone, Debug)]
pub struct Commit {
    pub seq: CommitSeq,
    pub changes: Vec<Change>,
}

/// Durable rows.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    pub mirror: Option<MirrorRow>,
    pub entries: [Option<EntryRow>; 2],
    pub others: BTreeMap<RowKey, Row>,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Tiny {
    pub scene: Scene,
    pub machine: Machine,
    pub now: Tick,
    pub run: u32,
    /// What each event did: which file, and its bytes, `None` for a delete.
    pub log: Vec<(usize, Option<Bytes>)>,
    /// When the newest event happened.
    pub changed_at: Tick,
    /// The newest event that anybody was told of.
    pub handed: u8,
    pub here: [Option<Bytes>; 2],
    /// What a power cut leaves for certain.
    pub sealed: [Option<Bytes>; 2],
    pub stage: Vec<(BlobId, Bytes)>,
    /// Kept beside the mirror: conflict copies and trash.
    pub kept: Vec<(usize, Bytes)>,
    pub saved: u8,
    /// The server does not let these be read.
    pub denied: [bool; 2],
    /// No request is answered before this.
    pub out_until: Tick,
    /// Something became durable since the computer was started.
    pub committed: bool,
    pub rows: Arc<Rows>,
    pub commits: VecDeque<Commit>,
    pub asks: Vec<Ask>,
    pub ops: Vec<Op>,
    pub left: Budget,
    pub rules: Rules,
    /// What the machine decided, if somebody listens.
    pub told: Option<Vec<String>>,
}

pub fn hash_of(bytes: Bytes) -> ContentHash {
    ContentHash([bytes; 32])
}

/// Equal bytes have equal stamps here, so that histories merge. Every file is read-only: modes
/// are left to the large world.
pub fn stamp_of(bytes: Bytes) -> Stamp {
    Stamp { size: 1, mtime_ns: bytes.into(), ctime_ns: 0, inode: 1, writable: false }
}

pub fn found(bytes: Option<Bytes>) -> Found {
    match bytes {
        None => Found::Absent,
        Some(bytes) => Found::File { hash: hash_of(bytes), stamp: stamp_of(bytes) },
    }
}

impl Tiny {
    /// The beginning of a scene. It may already be wrong.
    pub fn new(scene: Scene) -> Result<Self, Wrong> {
        let mut world = Self {
            scene,
            machine: Machine::new(scene.config()),
            now: Tick(1_000_000),
            run: 0,
            log: vec![(0, Some(1)), (1, Some(2))],
            changed_at: Tick(0),
            handed: 0,
            here: [None; 2],
            sealed: [None; 2],
            stage: Vec::new(),
            kept: Vec::new(),
            saved: 0,
            denied: [false; 2],
            out_until: Tick(0),
            committed: false,
            rows: Arc::default(),
            commits: VecDeque::new(),
            asks: Vec::new(),
            ops: Vec::new(),
            left: scene.budget,
            rules: Rules::default(),
            told: None,
        };
        world.start(Boot::Same, LastExit::Never)?;
        if scene.in_step {
            let left = std::mem::replace(&mut world.left, Budget { edits: 0, ..scene.budget });
            world.play_fair()?;
            world.left = left;
        }
        Ok(world)
    }

    pub fn clock(&self) -> Now {
        Now { tick: self.now, wall: Wall(WALL + self.now.0) }
    }

    /// The newest event.
    pub fn tip(&self) -> u8 {
        self.log.len() as u8
    }

    /// What a file has after event `n`, and since which event.
    pub fn at(&self, file: usize, n: u8) -> Option<(u8, Option<Bytes>)> {
        let upto = &self.log[..usize::from(n).min(self.log.len())];
        let last = upto.iter().rposition(|(which, _)| *which == file)?;
        Some((last as u8 + 1, upto[last].1))
    }

    /// The newest event that gave these bytes to this file.
    pub fn newest_with(&self, file: usize, bytes: Bytes) -> Option<u8> {
        let n = self.log.iter().rposition(|event| *event == (file, Some(bytes)))?;
        Some(n as u8 + 1)
    }

    pub fn file(&self, name: &str) -> Option<usize> {
        self.scene.names.iter().position(|known| *known == name)
    }

    /// A process begins with what is durable.
    pub fn start(&mut self, boot: Boot, last: LastExit) -> Result<(), Wrong> {
        self.run += 1;
        self.machine = Machine::new(self.scene.config());
        self.asks.clear();
        self.ops.clear();
        self.commits.clear();
        self.rules.started();
        let rows = self.rows.encoded(&self.scene).iter().map(Loaded::from).collect();
        self.tell(Event::Load(rows))?;
        self.tell(Event::Start { run: self.run, boot, last })
    }

    /// One step of the machine, and all that it wants.
    pub fn tell(&mut self, event: Event) -> Result<(), Wrong> {
        self.heard(&event);
        let mut effects = Vec::new();
        self.machine.step(self.clock(), event, &mut effects);
        for effect in effects {
            self.wanted(&effect)?;
            self.take(effect)?;
        }
        Ok(())
    }

    fn take(&mut self, effect: Effect) -> Result<(), Wrong> {
        match effect {
            Effect::Ask { .. } if self.now < self.out_until => {}
            Effect::Ask { call, request, .. } => {
                let sent_at = self.tip();
                self.asks.push(Ask { call, request, sent_at, rest: None });
            }
            Effect::More { .. } => {}
            Effect::Cancel { call } => self.asks.retain(|ask| ask.call != call),
            Effect::Disk { call, op, .. } => self.ops.push(Op { call, op, mark: self.here }),
            Effect::Commit { seq, changes, .. } => self.commits.push_back(Commit { seq, changes }),
            Effect::Note { decision, .. } => {
                if let Some(told) = &mut self.told {
                    told.push(decision.to_string());
                }
                if let Decision::InStep { .. } = decision {
                    self.said_in_step()?;
                }
            }
            Effect::Exit(exit) => return self.exit(exit),
        }
        Ok(())
    }

    fn exit(&mut self, exit: Exit) -> Result<(), Wrong> {
        self.rules.exited(exit)?;
        self.store(usize::MAX)?;
        self.start(Boot::Same, LastExit::Clean)
    }

    /// Makes so many commits durable, without telling the machine.
    pub fn store(&mut self, most: usize) -> Result<Option<CommitSeq>, Wrong> {
        let mut upto = None;
        for _ in 0..most.min(self.commits.len()) {
            let Some(commit) = self.commits.pop_front() else { break };
            let names = self.scene.names;
            let rows = Arc::make_mut(&mut self.rows);
            commit.changes.iter().for_each(|change| rows.apply(&names, change));
            upto = Some(commit.seq);
            self.committed = true;
            self.durable(&commit)?;
        }
        Ok(upto)
    }

    pub fn stored(&mut self, most: usize) -> Result<(), Wrong> {
        match self.store(most)? {
            Some(upto) => self.tell(Event::Stored { store: StoreId(0), upto }),
            None => Ok(()),
        }
    }

    pub fn done(&mut self, call: CallId, outcome: Outcome) -> Result<(), Wrong> {
        self.tell(Event::Done { call, outcome })
    }

    /// What the machine last wanted to be durable of its lane: numbers are relative to it.
    pub fn newest_mirror(&self) -> Option<&MirrorRow> {
        let changes = self.commits.iter().rev().flat_map(|commit| &commit.changes);
        let mut rows = changes.filter_map(|change| match change {
            Change::Put(Row { value: Value::Mirror(row), .. }) => Some(row),
            _ => None,
        });
        rows.next().or(self.rows.mirror.as_ref())
    }
}

impl Rows {
    fn apply(&mut self, names: &[&str; 2], change: &Change) {
        let index = |path: &RemotePath| names.iter().position(|name| *name == path.as_str());
        match change {
            Change::Put(row) => match &row.value {
                Value::Mirror(mirror) => self.mirror = Some(mirror.clone()),
                Value::Entry(path, entry) => {
                    if let Some(file) = index(path) {
                        self.entries[file] = Some(entry.clone());
                    }
                }
                Value::Frontier(..)
                | Value::Refused(..)
                | Value::Intent(..)
                | Value::Receipt(..)
                | Value::Letter(..) => {
                    self.others.insert(row.key(), row.clone());
                }
            },
            Change::Delete(key) => match &key.of {
                Of::Mirror => self.mirror = None,
                Of::Entry(path) => {
                    if let Some(file) = index(path) {
                        self.entries[file] = None;
                    }
                }
                Of::Frontier(_)
                | Of::Refused(_)
                | Of::Intent(_)
                | Of::Receipt(_)
                | Of::Letter(_) => {
                    self.others.remove(key);
                }
            },
        }
    }

    fn encoded(&self, scene: &Scene) -> Vec<landfall_core::row::StoredRow> {
        let unit = crate::world::UNIT;
        let mirror = self.mirror.iter().map(|row| Value::Mirror(row.clone()));
        let entries = self.entries.iter().zip(scene.names).filter_map(|(row, name)| {
            Some(Value::Entry(RemotePath::parse(name).ok()?, row.clone()?))
        });
        let rows = mirror.chain(entries).map(|value| Row { unit, value }.encode());
        rows.chain(self.others.values().map(Row::encode)).collect()
    }
}
