//! The disk port: the mirror's directory, through one handle that was opened once.
//!
//! Every path is walked component by component from that handle, without following symbolic
//! links, so neither a hostile name nor a link planted in the tree leads out of it, and a root
//! that is replaced while we run is not touched at all.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use landfall_core::effect::DiskOp;
use landfall_core::event::{Answer, Event, Outcome};
use landfall_core::fault::{Blame, Fault};
use landfall_core::id::{CallId, UnitId};
use landfall_core::path::{CONTROL_DIR, RemotePath};
use rustix::io::Errno;
use tokio::sync::mpsc::UnboundedSender;

mod aside;
mod bases;
mod clean;
mod copy;
mod crew;
mod echoes;
mod fold;
mod ignores;
mod merge;
mod mode;
mod names;
mod place;
mod pulse;
pub mod resolve;
mod root;
mod scan;
mod stage;
pub mod strangers;
mod tree;
pub mod undo;
mod watch;

use bases::Bases;
use crew::Crew;
use echoes::Echoes;
use fold::Folding;
use ignores::Ignores;
pub(crate) use ignores::stays_here;
use place::{Old, Then};
use pulse::Waiting;
use root::Home;
pub use stage::{Stage, Staged};
use strangers::Strangers;
pub use tree::hash_file;
use tree::{SWAP, Tree};
use watch::Later;
pub use watch::Watcher;

/// The disk of one workspace.
#[derive(Clone, Debug)]
pub struct Disk {
    tree: Arc<Tree>,
    home: Arc<Home>,
    bases: Arc<Bases>,
    /// Where bytes wait for their place.
    pub stage: Arc<Stage>,
    crew: Crew,
    waiting: Waiting,
    later: Later,
}

impl Disk {
    /// Opens a root that exists. `base` is the remote directory that it mirrors.
    pub fn open(root: &Path, base: &str) -> io::Result<Self> {
        Self::open_with(root, base, Ignores::none(), Strangers::none())
    }

    /// The same for a mirror that is written here: what is to stay here is left out of scans, and
    /// what both sides change is merged.
    pub fn open_two_way(root: &Path, base: &str) -> io::Result<Self> {
        let mut disk = Self::open_with(root, base, Ignores::built_in(), Strangers::kept())?;
        disk.bases = Arc::new(Bases::below(&disk.tree.control)?);
        Ok(disk)
    }

    fn open_with(
        root: &Path,
        base: &str,
        ignores: Ignores,
        strangers: Strangers,
    ) -> io::Result<Self> {
        let home = Home { path: root.to_owned() };
        let root = Dir::open_ambient_dir(root, ambient_authority())?;
        root.create_dir_all(CONTROL_DIR)?;
        let control = root.open_dir(CONTROL_DIR)?;
        let stage = Arc::new(Stage::open(&control)?);
        let base = base.trim_end_matches('/').to_owned();
        control.create_dir_all(SWAP)?;
        let swap = control.open_dir(SWAP)?;
        let folding = Folding::of(&stage.dir);
        Ok(Self {
            tree: Arc::new(Tree {
                root,
                control,
                swap,
                base,
                ignores,
                strangers,
                echoes: Echoes::default(),
                folding,
            }),
            home: Arc::new(home),
            bases: Arc::new(Bases::none()),
            stage,
            crew: Crew::default(),
            waiting: Waiting::default(),
            later: Later::default(),
        })
    }

    /// Begins to hear what is done to the files. What is done from now on is told.
    pub fn watch(&self, unit: UnitId, events: UnboundedSender<Event>) -> io::Result<Watcher> {
        Watcher::start(&self.home.path, self.tree.clone(), unit, events)
    }

    /// Begins that before anything is done to a file or one is looked at. As long as directories
    /// are read and everything is as it was, nothing is heard.
    pub fn watch_later(&self, unit: UnitId, events: UnboundedSender<Event>) {
        self.later.wait(unit, events);
    }

    /// What stays here for its name. It goes on being kept up to date.
    pub fn strangers(&self) -> Strangers {
        self.tree.strangers.clone()
    }

    /// The name of a remote path's file, below the root.
    pub fn local(&self, path: &RemotePath) -> String {
        self.tree.local(path).into_owned()
    }

    /// Carries out operations on other threads, and reports each.
    pub fn carry_out(&self, ops: Vec<(CallId, DiskOp)>, events: &UnboundedSender<Event>) {
        self.waiting.add(ops.iter().map(|(call, _)| *call));
        for share in crew::shares(ops) {
            let (disk, events) = (self.clone(), events.clone());
            self.crew.give(move || {
                let calls = share.iter().map(|(call, _)| *call).collect();
                disk.waiting.take_up(calls, events.clone());
                for (call, op) in share {
                    let outcome = disk.perform(call, op);
                    let _ = events.send(Event::Done { call, outcome });
                    pulse::done(call);
                }
            });
        }
    }

    /// Carries out an operation now.
    pub fn perform(&self, call: CallId, op: DiskOp) -> Outcome {
        if let Err(why) = self.later.open_for(&op, |unit, events| self.watch(unit, events)) {
            return failed(why);
        }
        let result = match op {
            DiskOp::Clean { keep } => self.clean(call.run, &keep),
            DiskOp::Stage { path, expect } => self.copy_to_stage(call, &path, expect),
            DiskOp::Root => return self.home.check(&self.tree),
            DiskOp::Look { path, known, writable } => {
                self.tree.look(&path, known, writable).map(Answer::Looked)
            }
            DiskOp::Scan { dir } => self.tree.scan(dir.as_ref()).map(Answer::Scanned),
            DiskOp::Place { path, blob, expect: None, writable, .. } => {
                self.place(&path, blob, writable)
            }
            DiskOp::Place { path, blob, expect: Some(expect), keep, base, writable } => {
                let then = if keep { Then::Conflict } else { Then::Remove };
                let old = Old { expect, then };
                match base {
                    Some(base) => self.merge(call, &path, blob, old, base, writable),
                    None => self.replace(call, &path, blob, old, writable),
                }
            }
            DiskOp::Remove { path, expect, to } => self.remove(&path, expect, &to),
            DiskOp::Drop { blob } => self.stage.discard(blob).map(|()| Answer::Dropped),
            DiskOp::Seal => match self.home.check(&self.tree) {
                Outcome::Ok(_) => self.tree.seal().map(|()| Answer::Sealed),
                lost => return lost,
            },
        };
        result.map_or_else(failed, Outcome::Ok)
    }
}

fn failed(why: io::Error) -> Outcome {
    let why = fault(&why);
    let blame = if why.is_whole_disk() { Blame::Lane } else { Blame::Payload };
    Outcome::Failed { blame, why, retry_after: None }
}

/// What an error of the disk means.
pub fn fault(why: &io::Error) -> Fault {
    match why.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Fault::DiskFull,
        Some(Errno::ROFS) => Fault::DiskReadOnly,
        Some(Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NOTEMPTY) => Fault::NotADirectory,
        Some(Errno::ACCESS | Errno::PERM) => Fault::DiskDenied,
        Some(Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL) => Fault::BadName,
        _ => Fault::DiskIo(why.to_string()),
    }
}

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;
