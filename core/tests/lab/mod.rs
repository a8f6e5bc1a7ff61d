//! A laboratory for one machine: disk and store answer honestly and at once, and the test
//! plays the server. What happened is kept as text that a person can read.
#![allow(dead_code, unused_imports)]

mod kinds;
mod show;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write;

use landfall_core::Machine;
use landfall_core::config::{Config, GateConfig, WorkspaceConfig};
use landfall_core::effect::{DiskOp, Effect, Exit, Request};
use landfall_core::event::{Answer, Boot, Event, Fetched, Hint, LastExit, Outcome, Part};
use landfall_core::fault::{Blame, Fault};
use landfall_core::files::entry::{Found, Seen, Stamp};
use landfall_core::hash::ContentHash;
use landfall_core::id::{BlobId, CallId, EventId, RemoteId, Revision, StoreId, UnitId};
use landfall_core::path::RemotePath;
use landfall_core::row::{Loaded, Of, Row, RowKey, RowTable, Value};
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::{Ms, Now, Tick, Wall};
use landfall_core::wire::{FeedEvent, TreeEntry};

pub use kinds::*;
pub use show::*;

pub const UNIT: UnitId = UnitId(0);

/// The hash of version `n` of any file.
pub fn hash(n: u8) -> ContentHash {
    ContentHash([n; 32])
}

/// A file as a listing shows it.
pub fn listed(path: &str, n: u8) -> TreeEntry {
    TreeEntry {
        path: path.into(),
        kind: "file".into(),
        revision: format!("rev_{n}"),
        content_hash: Some(hash(n).to_string()),
        size: Some(10),
    }
}

/// An update in the feed.
pub fn updated(event: u64, path: &str, n: u8) -> FeedEvent {
    FeedEvent {
        event_id: format!("evt_{event}"),
        kind: "file.updated".into(),
        path: path.into(),
        revision: format!("rev_{n}"),
        content_hash: Some(hash(n).to_string()),
    }
}

/// A deletion in the feed.
pub fn deleted(event: u64, path: &str) -> FeedEvent {
    FeedEvent { kind: "file.deleted".into(), content_hash: None, ..updated(event, path, 0) }
}

/// A failure with a status.
pub fn refused(status: u16, code: &str, message: &str) -> Outcome {
    let (blame, why) = Fault::classify(status, code, message);
    Outcome::Failed { blame, why, retry_after: None }
}

/// The answer to `Request::Tip`.
pub fn tip(n: u64) -> Outcome {
    Outcome::Ok(Answer::Tip(Some(EventId(format!("evt_{n}")))))
}

/// The answer to a page of the feed at its tip.
pub fn no_events() -> Outcome {
    Outcome::Ok(Answer::Events { events: vec![], next: None })
}

/// One machine and its world.
pub struct Lab {
    pub machine: Machine,
    pub now: Now,
    pub config: Config,
    pub run: u32,
    /// Files of the mirror.
    pub disk: BTreeMap<String, ContentHash>,
    /// Files that were put at their path and not sealed.
    pub unsealed: BTreeMap<String, Option<ContentHash>>,
    pub blobs: BTreeMap<BlobId, ContentHash>,
    pub conflicts: Vec<(String, ContentHash)>,
    pub trash: Vec<String>,
    pub rows: RowTable,
    /// Requests that wait for the test to answer.
    pub asked: VecDeque<(CallId, Request)>,
    pub exited: Option<Exit>,
    /// Nothing can be looked at.
    pub disk_denies: bool,
    /// Modes do not change on this disk.
    pub without_modes: bool,
    /// What comes of every merge; `None`: both sides changed the same lines.
    pub merges: Option<ContentHash>,
    /// The root is another directory.
    pub root_lost: bool,
    /// The story so far.
    pub story: String,
    /// Every effect, for exact assertions.
    pub effects: Vec<Effect>,
    /// Effects that are to wait, and those that do.
    pub hold: Option<fn(&Effect) -> bool>,
    pub held: VecDeque<Effect>,
    inode: u64,
    pub stamps: BTreeMap<String, Stamp>,
}

impl Lab {
    pub fn new() -> Self {
        Self::with(WorkspaceConfig::default())
    }

    /// Without a stream, so that a story is about one thing.
    pub fn with(workspace: WorkspaceConfig) -> Self {
        Self::exactly(WorkspaceConfig { stream: false, ..workspace })
    }

    /// The same, with the stream if that is configured.
    pub fn exactly(workspace: WorkspaceConfig) -> Self {
        let config = Config {
            seed: 7,
            remotes: vec![(RemoteId(0), GateConfig::default())],
            workspaces: vec![(UNIT, workspace)],
        };
        Self {
            machine: Machine::new(config.clone()),
            now: Now { tick: Tick(0), wall: Wall(1_800_000_000_000) },
            config,
            run: 0,
            disk: BTreeMap::new(),
            unsealed: BTreeMap::new(),
            blobs: BTreeMap::new(),
            conflicts: vec![],
            trash: vec![],
            rows: RowTable::default(),
            asked: VecDeque::new(),
            exited: None,
            disk_denies: false,
            without_modes: false,
            merges: None,
            root_lost: false,
            story: String::new(),
            effects: vec![],
            hold: None,
            held: VecDeque::new(),
            inode: 0,
            stamps: BTreeMap::new(),
        }
    }

    /// The first start.
    pub fn start(mut self) -> Self {
        self.boot(Boot::Other, LastExit::Never);
        self
    }

    pub fn boot(&mut self, boot: Boot, last: LastExit) {
        self.run += 1;
        self.machine = Machine::new(self.config.clone());
        self.asked.clear();
        self.held.clear();
        let rows = self.rows.rows().iter().map(Loaded::from).collect();
        self.step(Event::Load(rows));
        let run = self.run;
        self.step(Event::Start { run, boot, last });
    }

    /// `kill -9`, and the next start in the same boot.
    pub fn kill(&mut self) {
        self.say("* kill -9");
        self.boot(Boot::Same, LastExit::Unclean);
    }

    /// The power is cut: what was not sealed is torn. Then the next start.
    pub fn cut_power(&mut self) {
        self.say("* the power is cut");
        for path in std::mem::take(&mut self.unsealed).into_keys() {
            self.put(&path, ContentHash([0xee; 32]));
        }
        self.blobs.clear();
        self.boot(Boot::Other, LastExit::Unclean);
    }

    /// A person writes a file.
    pub fn put(&mut self, path: &str, hash: ContentHash) -> Stamp {
        self.inode += 1;
        let time = self.now.wall.0 as i64;
        let stamp =
            Stamp { size: 10, mtime_ns: time, ctime_ns: time, inode: self.inode, writable: true };
        self.disk.insert(path.into(), hash);
        self.stamps.insert(path.into(), stamp);
        stamp
    }

    /// A mirror of both ways with these files, in step.
    pub fn two_way(files: &[(&str, u8)]) -> Self {
        let mode = landfall_core::files::plan::SyncMode::Mirror;
        Self::with(WorkspaceConfig { mode, ..WorkspaceConfig::default() })
            .brought_in_step_with(files)
    }

    /// The same, with a stream that is asked for.
    pub fn two_way_streaming(files: &[(&str, u8)]) -> Self {
        let mode = landfall_core::files::plan::SyncMode::Mirror;
        Self::exactly(WorkspaceConfig { mode, ..WorkspaceConfig::default() })
            .brought_in_step_with(files)
    }

    /// A person saves a file, and the watcher hears it.
    pub fn saves(&mut self, path: &str, n: u8) {
        self.put(path, hash(n));
        self.hears(Hint::Closed(RemotePath::parse(path).unwrap()));
    }

    /// A person deletes a file, and the watcher hears it.
    pub fn deletes(&mut self, path: &str) {
        self.disk.remove(path);
        self.stamps.remove(path);
        self.hears(Hint::Left(RemotePath::parse(path).unwrap()));
    }

    pub fn hears(&mut self, hint: Hint) {
        self.step(Event::Heard { unit: UNIT, hint });
    }

    /// The server wrote these files of a bulk write, and takes all that follow.
    pub fn wrote(&mut self, like: &str, revisions: &[(&str, &str)]) {
        let call = self.request(like);
        for (path, revision) in revisions {
            self.say(&format!("← {path} is {revision}"));
            let (path, revision) = (path.to_string(), Revision((*revision).into()));
            self.part(call, Part::Wrote { path, revision, op: None });
        }
        self.done(call, Answer::WroteMany);
    }

    pub fn say(&mut self, line: &str) {
        let ms = self.now.tick.0;
        writeln!(self.story, "{:>4}.{:03}  {line}", ms / 1000, ms % 1000).unwrap();
    }

    /// One step, and everything that disk and store answer to it.
    pub fn step(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut effects = Vec::new();
            self.machine.step(self.now, event, &mut effects);
            for effect in effects {
                self.effects.push(effect.clone());
                if self.hold.is_some_and(|hold| hold(&effect)) {
                    self.held.push_back(effect);
                    continue;
                }
                events.extend(self.carry_out(effect));
            }
        }
    }

    /// Carries out the first effect that was held back.
    pub fn release(&mut self) {
        if let Some(effect) = self.held.pop_front()
            && let Some(event) = self.carry_out(effect)
        {
            self.step(event);
        }
    }

    /// Every commit that was held back becomes durable at once.
    pub fn release_commits(&mut self) {
        let mut last = None;
        for effect in std::mem::take(&mut self.held) {
            match effect {
                Effect::Commit { store, seq, changes } => {
                    self.rows.apply(&changes);
                    last = Some(Event::Stored { store, upto: seq });
                }
                other => self.held.push_back(other),
            }
        }
        self.hold = None;
        last.into_iter().for_each(|stored| self.step(stored));
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Ask { call, request, .. } => {
                self.say(&format!("→ {}", show(&request)));
                self.asked.push_back((call, request));
                None
            }
            Effect::More { .. } => None,
            Effect::Cancel { call } => {
                if let Some((_, request)) = self.asked.iter().find(|(c, _)| *c == call) {
                    let line = format!("✕ {}", show(request));
                    self.say(&line);
                }
                self.asked.retain(|(asked, _)| *asked != call);
                None
            }
            Effect::Disk { call, op: DiskOp::Look { .. }, .. } if self.disk_denies => {
                let (blame, why) = (Blame::Payload, Fault::DiskDenied);
                let outcome = Outcome::Failed { blame, why, retry_after: None };
                Some(Event::Done { call, outcome })
            }
            Effect::Disk { call, op, .. } => {
                let outcome = match op {
                    DiskOp::Root | DiskOp::Seal if self.root_lost => {
                        let (blame, why) = (Blame::Lane, Fault::RootLost);
                        Outcome::Failed { blame, why, retry_after: None }
                    }
                    op => Outcome::Ok(self.disk_op(call, op)),
                };
                Some(Event::Done { call, outcome })
            }
            Effect::Commit { store, seq, changes } => {
                self.rows.apply(&changes);
                Some(Event::Stored { store, upto: seq })
            }
            Effect::Note { decision, .. } => {
                self.say(&decision.to_string());
                None
            }
            Effect::Exit(exit) => {
                self.exited = Some(exit);
                None
            }
        }
    }

    fn found(&self, path: &str) -> Found {
        match self.disk.get(path) {
            Some(hash) => Found::File { hash: *hash, stamp: self.stamps[path] },
            None if self.disk.keys().any(|p| p.starts_with(&format!("{path}/"))) => {
                Found::Odd(landfall_core::files::entry::Odd::Directory)
            }
            None => Found::Absent,
        }
    }

    pub fn scan(&self, dir: Option<&RemotePath>) -> Vec<(RemotePath, Seen)> {
        let dir = dir.map_or("/", RemotePath::as_str);
        let paths = self.disk.keys().map(|path| RemotePath::parse(path).unwrap());
        let names: BTreeSet<RemotePath> =
            paths.filter_map(|path| RemotePath::parse(path.entry_of(dir)?).ok()).collect();
        let seen = |path: &RemotePath| match self.found(path.as_str()) {
            Found::File { stamp, .. } => Seen::File(stamp),
            Found::Odd(odd) => Seen::Odd(odd),
            Found::Absent => unreachable!("it is there"),
        };
        names.into_iter().map(|path| (path.clone(), seen(&path))).collect()
    }

    fn disk_op(&mut self, call: CallId, op: DiskOp) -> Answer {
        match op {
            DiskOp::Clean { keep } => {
                let run = self.run;
                let before = self.blobs.len();
                self.blobs.retain(|blob, _| blob.call.run == run || keep.contains(blob));
                Answer::Cleaned { removed: (before - self.blobs.len()) as u32 }
            }
            DiskOp::Look { path, known, writable } => {
                let writable = writable.filter(|_| !self.without_modes);
                if let (Some((_, known)), Some(stamp)) = (known, self.stamps.get_mut(path.as_str()))
                    && known == *stamp
                {
                    stamp.writable = writable.unwrap_or(stamp.writable);
                }
                Answer::Looked(self.found(path.as_str()))
            }
            DiskOp::Root => Answer::Rooted,
            DiskOp::Stage { path, expect } => match self.disk.get(path.as_str()) {
                Some(hash) if *hash == expect => {
                    let blob = BlobId { call, part: 0 };
                    self.blobs.insert(blob, expect);
                    Answer::Staged { blob, size: 10 }
                }
                _ => Answer::Occupied(self.found(path.as_str())),
            },
            DiskOp::Scan { dir } => Answer::Scanned(self.scan(dir.as_ref())),
            DiskOp::Place { path, blob, expect, keep, base, writable } => {
                let writable = writable || self.without_modes;
                let path = path.as_str();
                let there = self.disk.get(path).copied();
                if there.is_some() != expect.is_some() {
                    return Answer::Occupied(self.found(path));
                }
                let new = self.blobs.remove(&blob).expect("a blob is placed once");
                let merged = self.merges.filter(|_| base.is_some() && there == expect);
                let (new, keep) = (merged.unwrap_or(new), keep && merged.is_none());
                let stamp = Stamp { writable, ..self.put(path, new) };
                self.stamps.insert(path.into(), stamp);
                self.unsealed.insert(path.into(), there);
                let kept = there.filter(|old| *old != new && (keep || Some(*old) != expect));
                if let Some(old) = kept {
                    self.conflicts.push((path.into(), old));
                }
                Answer::Placed { stamp, kept, merged }
            }
            DiskOp::Remove { path, expect, to } => {
                let path = path.as_str();
                if self.disk.get(path) != Some(&expect) {
                    return Answer::Occupied(self.found(path));
                }
                self.disk.remove(path);
                match to {
                    landfall_core::effect::Aside::Trash { .. } => self.trash.push(path.into()),
                    landfall_core::effect::Aside::Conflict => {
                        self.conflicts.push((path.into(), expect));
                    }
                }
                Answer::Removed
            }
            DiskOp::Drop { blob } => {
                self.blobs.remove(&blob).expect("a blob is dropped once");
                Answer::Dropped
            }
            DiskOp::Seal => {
                self.unsealed.clear();
                Answer::Sealed
            }
        }
    }

    /// The first request that waits, which has to look like this.
    pub fn request(&mut self, like: &str) -> CallId {
        let at = self.asked.iter().position(|(_, request)| show(request).starts_with(like));
        let Some(at) = at else {
            let asked: Vec<String> = self.asked.iter().map(|(_, r)| show(r)).collect();
            panic!("nothing like `{like}` was asked, but {asked:?}\n{}", self.story)
        };
        self.asked.remove(at).unwrap().0
    }

    /// Answers the first request like this.
    pub fn answer(&mut self, like: &str, outcome: Outcome) {
        let call = self.request(like);
        let shown = match &outcome {
            Outcome::Ok(answer) => show_answer(answer),
            Outcome::Failed { why, .. } => why.to_string(),
        };
        self.say(&format!("← {shown}"));
        self.step(Event::Done { call, outcome });
    }

    /// A part of an answer that goes on.
    pub fn part(&mut self, call: CallId, part: Part) {
        self.step(Event::Part { call, part });
    }

    /// A file that the adapter has staged.
    pub fn fetched(&mut self, call: CallId, part: u32, path: &str, n: u8) -> Fetched {
        let blob = BlobId { call, part };
        self.blobs.insert(blob, hash(n));
        let revision = Revision(format!("rev_{n}").into());
        Fetched { path: path.into(), revision, hash: hash(n), size: 10, blob }
    }

    /// Sends the first `files` of an export.
    pub fn export(&mut self, files: &[(&str, u8)]) -> CallId {
        let call = self.request("export");
        self.say(&format!("← {} files of the export", files.len()));
        for (part, (path, n)) in files.iter().enumerate() {
            let fetched = self.fetched(call, part as u32, path, *n);
            self.part(call, Part::File(fetched));
        }
        call
    }

    pub fn done(&mut self, call: CallId, answer: Answer) {
        self.say(&format!("← {}", show_answer(&answer)));
        self.step(Event::Done { call, outcome: Outcome::Ok(answer) });
    }

    /// Answers one listing page.
    pub fn page(&mut self, entries: &[TreeEntry], next: Option<&str>, total: Option<u64>) {
        let call = self.request("tree");
        self.say(&format!("← {} entries", entries.len()));
        self.part(call, Part::Entries(entries.to_vec()));
        let next = next.map(String::from);
        let outcome = Outcome::Ok(Answer::Listed { next, total });
        self.step(Event::Done { call, outcome });
    }

    /// Answers the read of one file.
    pub fn read(&mut self, path: &str, n: u8) {
        let call = self.request(&format!("read {path}"));
        let fetched = self.fetched(call, 0, path, n);
        self.say(&format!("← {path}"));
        self.step(Event::Done { call, outcome: Outcome::Ok(Answer::Read(fetched)) });
    }

    /// Lets time pass, with every wake-up on the way, until nothing is due before `until`.
    pub fn wait(&mut self, time: Ms) {
        let until = self.now.tick + time;
        let mut wakes = 0;
        while let Some((at, why)) = self.machine.next_wake().filter(|(at, _)| *at <= until) {
            wakes += 1;
            assert!(wakes < 20_000, "it spins: {at:?} for {why:?} at {:?}", self.now.tick);
            self.pass_to(at.max(self.now.tick));
            self.step(Event::Wake);
        }
        self.pass_to(until);
    }

    fn pass_to(&mut self, tick: Tick) {
        self.now.wall.0 += (tick - self.now.tick).0;
        self.now.tick = tick;
    }

    /// Answers the next look at the feed: nothing new.
    pub fn quiet_feed(&mut self) {
        self.wait(Ms(1));
        self.answer("events", no_events());
    }

    /// Answers a look at the feed, if one waits.
    pub fn quiet_feed_if_asked(&mut self) {
        if self.asked.iter().any(|(_, request)| show(request).starts_with("events")) {
            self.answer("events", no_events());
        }
    }

    pub fn status(&self) -> WorkspaceStatus {
        self.machine.status(self.now).units.remove(0)
    }

    pub fn mirror_row(&self) -> landfall_core::row::MirrorRow {
        let key = RowKey { unit: UNIT, of: Of::Mirror };
        let row = Row::decode(self.rows.get(&key).expect("a mirror row")).unwrap();
        let Value::Mirror(row) = row.value else { unreachable!() };
        row
    }

    /// Whether a decision like this was taken.
    pub fn told(&self, like: &str) -> bool {
        self.story.contains(like)
    }

    /// How many requests like this were sent so far.
    pub fn sent(&self, like: &str) -> usize {
        self.effects
            .iter()
            .filter(|effect| match effect {
                Effect::Ask { request, .. } => show(request).starts_with(like),
                _ => false,
            })
            .count()
    }

    /// Brings a mirror with these files in step, by an export.
    pub fn in_step_with(files: &[(&str, u8)]) -> Self {
        Self::new().brought_in_step_with(files)
    }

    /// The same, with a stream that is asked for.
    pub fn streaming_in_step_with(files: &[(&str, u8)]) -> Self {
        Self::exactly(WorkspaceConfig::default()).brought_in_step_with(files)
    }

    pub fn brought_in_step_with(self, files: &[(&str, u8)]) -> Self {
        let mut lab = self.start();
        lab.answer("tip", tip(100));
        let call = lab.export(files);
        lab.done(call, Answer::Exported);
        lab.page(&[], None, Some(files.len() as u64));
        lab.quiet_feed();
        lab.wait(Ms::secs(3));
        assert!(lab.status().in_step, "{}\n{:?}", lab.story, lab.status());
        lab
    }
}

/// A failure of the link.
pub fn link_failed() -> Outcome {
    Outcome::Failed { blame: Blame::Unknown, why: Fault::Link, retry_after: None }
}

pub const STORE: StoreId = StoreId(0);

/// `n` files, `/f00` and on.
pub fn names(n: u8) -> Vec<(String, u8)> {
    (0..n).map(|n| (format!("/f{n:02}"), n + 1)).collect()
}

/// A mirror of `n` files that is in step.
pub fn mirror_of(config: WorkspaceConfig, n: u8) -> Lab {
    let files = names(n);
    let named: Vec<(&str, u8)> = files.iter().map(|(path, n)| (path.as_str(), *n)).collect();
    let mut lab = Lab::with(config).start();
    lab.answer("tip", tip(100));
    let call = lab.export(&named);
    lab.done(call, Answer::Exported);
    lab.page(&[], None, Some(u64::from(n)));
    lab.quiet_feed();
    lab.wait(Ms::secs(3));
    assert!(lab.status().in_step, "{}", lab.story);
    lab
}
