//! The ports of the disk and the store.

use landfall_core::effect::{Change, DiskOp};
use landfall_core::event::{Event, Outcome};
use landfall_core::fault::Fault;
use landfall_core::id::{CallId, CommitSeq, StoreId};
use landfall_core::path::RemotePath;
use landfall_core::time::Ms;

use super::disk::{Content, Node, Place, Running, Step};
use super::server::hash_of;
use super::{Happening, Kill, Phase, World};
use crate::faults::Kind;

/// Between two signs of life of a store that has no room.
const BEAT: Ms = Ms::secs(10);

/// The entity of all commits.
const COMMITS: u32 = 0xc0;

impl World {
    pub(super) fn disk_begin(&mut self, call: CallId, op: DiskOp) {
        self.open_ears(&op);
        let entity = entity(&op);
        let attempt = self.attempt(entity);
        let kill = self.kill_address(entity, attempt);
        if let Some(kill) = kill.filter(|kill| kill.phase == Phase::Before) {
            self.die(kill, &|| format!("before it can {}", name(&op)));
            return;
        }
        let fault = self.disk_fault(&op, entity, attempt);
        let mut wait = 1 + self.plan.bits(203, entity, attempt) % 3;
        if let Some(bits) = self.plan.strikes(Kind::DiskSlow, entity, attempt) {
            // Most are a nuisance, one in eight looks like a dead disk.
            wait += if bits.is_multiple_of(8) { 70_000 } else { bits % 20_000 };
            self.story.say(self.now, || format!("The disk takes {} to {}.", Ms(wait), name(&op)));
        }
        self.queue.push(self.now + Ms(wait), Happening::Disk(call));
        let merge = self.merge(&op, entity, attempt);
        let running = Running { merge, ..Running::new(call, op, fault) };
        self.running.insert(call, Box::new((running, kill)));
    }

    /// What comes of a placement if what is there is merged with it. Half of what both sides changed
    /// goes together; of the rest there is no copy of the base, or both changed the same lines.
    fn merge(&mut self, op: &DiskOp, entity: u32, attempt: u32) -> Option<Content> {
        let DiskOp::Place { path, blob, expect: Some(mine), base: Some(base), .. } = op else {
            return None;
        };
        let theirs = match self.disk.node(&Place::Stage(*blob))? {
            Node::File(file) => file.content.hash,
            Node::Odd(_) => return None,
        };
        let of = [*base, *mine, theirs];
        self.oracles.merges(self.now, path, of, &self.store, &self.server.truth);
        if theirs == *mine || self.plan.bits(207, entity, attempt) & 1 == 0 {
            return None;
        }
        let text = format!("{} merged with {}\n", mine.short(), theirs.short());
        let content = landfall_reference::server::Content::new(text.into_bytes());
        self.ever_saved.insert(content.hash(), content.clone());
        self.oracles.merged(path, theirs, content.hash());
        Some(Content::of(&content))
    }

    fn disk_fault(&mut self, op: &DiskOp, entity: u32, attempt: u32) -> Option<Fault> {
        let can_fill = matches!(op, DiskOp::Place { .. });
        let can_deny = can_fill
            || matches!(op, DiskOp::Remove { .. } | DiskOp::Look { .. } | DiskOp::Scan { .. });
        let fault = if can_fill && self.plan.strikes(Kind::DiskFull, entity, attempt).is_some() {
            Fault::DiskFull
        } else if can_deny && let Some(bits) = self.plan.strikes(Kind::DiskDenied, entity, attempt)
        {
            if bits & 1 == 0 { Fault::DiskDenied } else { Fault::DiskIo("EIO".into()) }
        } else if *op == DiskOp::Seal
            && let Some(bits) = self.plan.strikes(Kind::SealFails, entity, attempt)
        {
            if bits & 1 == 0 { Fault::DiskFull } else { Fault::DiskIo("EIO".into()) }
        } else {
            return None;
        };
        self.story.say(self.now, || format!("The disk refuses to {}: {fault}.", name(op)));
        Some(fault)
    }

    /// The next step of an operation.
    pub(super) fn disk_step(&mut self, call: CallId) {
        let Some(mut under_way) = self.running.remove(&call) else {
            return;
        };
        let (running, kill) = &mut *under_way;
        let kill = *kill;
        self.oracles.operates(call.run);
        let begun = matches!(running.step, Step::Check);
        let during = kill.filter(|kill| kill.phase == Phase::During);
        self.disk.advance(running);
        self.disk_moved();
        let ended = matches!(running.step, Step::Answer(_));
        if let Some(kill) = during
            && (!begun || ended)
        {
            self.die(kill, &|| format!("while it is about to {}", name(&running.op)));
            return;
        }
        if ended {
            if let Some(kill) = kill {
                self.die(kill, &|| format!("when it has tried to {}", name(&running.op)));
                return;
            }
            if let Step::Answer(outcome) = under_way.0.step {
                self.answered(call, outcome);
            }
            return;
        }
        self.window(&running.op);
        self.queue.push(self.now + Ms(1), Happening::Disk(call));
        self.running.insert(call, under_way);
    }

    fn answered(&mut self, call: CallId, outcome: Outcome) {
        self.tell(Event::Done { call, outcome });
    }

    pub(super) fn commit(&mut self, seq: CommitSeq, changes: Vec<Change>) {
        let attempt = self.attempt(COMMITS);
        let kill = self.kill_address(COMMITS, attempt);
        if let Some(kill) = kill.filter(|kill| kill.phase == Phase::Before) {
            self.die(kill, &|| format!("before commit {} reaches the store", seq.0));
            return;
        }
        self.store.commit(seq, changes);
        if let Some(waiting) = &mut self.flushing {
            *waiting = waiting.or(kill);
            return;
        }
        let mut wait = 1 + self.plan.bits(204, COMMITS, attempt) % 6;
        if let Some(bits) = self.plan.strikes(Kind::StoreSlow, COMMITS, attempt) {
            wait += if bits.is_multiple_of(8) { 70_000 } else { bits % 20_000 };
            self.story.say(self.now, || format!("The store takes {} for a commit.", Ms(wait)));
        }
        if let Some(bits) = self.plan.strikes(Kind::StoreFull, COMMITS, attempt) {
            // It says so again and again. Everything before is durable.
            let beats = 1 + bits % 60;
            for beat in 0..beats {
                let upto = CommitSeq(seq.0 - 1);
                self.say_later(Ms(1 + beat * BEAT.0), Event::Stored { store: StoreId(0), upto });
            }
            let full = Ms(beats * BEAT.0);
            wait += full.0;
            self.full_until = self.now + full;
            self.story.say(self.now, || format!("For {full} the store has no room."));
        }
        self.flushing = Some(kill);
        let run = self.run;
        self.queue.push(self.now + Ms(wait), Happening::Flush { run });
    }

    /// The store makes everything durable that it has, in order.
    pub(super) fn flush(&mut self) {
        let Some(kill) = self.flushing.take() else {
            return;
        };
        let waiting = self.store.pending();
        let until = match kill {
            Some(Kill { phase: Phase::During, bits, .. }) => bits as usize % (waiting + 1),
            _ => waiting,
        };
        let mut upto = None;
        for _ in 0..until {
            let made = self.store.flush_one(|store, commit| {
                self.oracles.durable(self.now, commit, store, &self.server.truth, &self.disk);
            });
            upto = made.or(upto);
        }
        if let Some(kill) = kill {
            self.die(kill, &|| format!("when {until} of {waiting} commits are durable"));
            return;
        }
        if let Some(upto) = upto {
            self.tell(Event::Stored { store: StoreId(0), upto });
        }
    }
}

/// What an operation works on.
pub fn path(op: &DiskOp) -> Option<&RemotePath> {
    match op {
        DiskOp::Look { path, .. }
        | DiskOp::Place { path, .. }
        | DiskOp::Stage { path, .. }
        | DiskOp::Remove { path, .. } => Some(path),
        // A scan changes nothing and keeps nobody from anything.
        DiskOp::Scan { .. }
        | DiskOp::Root
        | DiskOp::Clean { .. }
        | DiskOp::Drop { .. }
        | DiskOp::Seal => None,
    }
}

fn entity(op: &DiskOp) -> u32 {
    let what = match op {
        DiskOp::Clean { .. } => 11u64,
        DiskOp::Root => 18,
        DiskOp::Stage { .. } => 19,
        DiskOp::Look { .. } => 12,
        DiskOp::Place { .. } => 13,
        DiskOp::Remove { .. } => 14,
        DiskOp::Drop { .. } => 15,
        DiskOp::Seal => 16,
        DiskOp::Scan { .. } => 17,
    };
    let about = match op {
        DiskOp::Scan { dir } => dir.as_ref(),
        op => path(op),
    };
    let key = about.map_or(0, |path| hash_of(path.as_str()));
    landfall_core::canon::Canon::of(&(what, key)) as u32
}

/// What an operation is called in a story.
pub(crate) fn name(op: &DiskOp) -> String {
    match op {
        DiskOp::Root => "look at the root".into(),
        DiskOp::Stage { path, .. } => format!("copy {path} to the stage"),
        DiskOp::Clean { .. } => "clean the stage".into(),
        DiskOp::Look { path, .. } => format!("look at {path}"),
        DiskOp::Scan { dir: Some(dir) } => format!("read the directory {dir}"),
        DiskOp::Scan { dir: None } => "read the root".into(),
        DiskOp::Place { path, .. } => format!("place {path}"),
        DiskOp::Remove { path, .. } => format!("move {path} away"),
        DiskOp::Drop { .. } => "drop a blob".into(),
        DiskOp::Seal => "seal".into(),
    }
}
