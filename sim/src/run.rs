//! One run: a seed, two hours of faults, and a healed world that has to converge.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use landfall_core::files::entry::Remote;
use landfall_core::path::RemotePath;
use landfall_core::row::EntryRow;
use landfall_core::status::WorkspaceStatus;
use landfall_core::time::{Ms, Tick};
use landfall_core::trace::Line;

use crate::coverage::Coverage;
use crate::faults::{Address, KINDS, Kind, Plan};
use crate::options::Options;
use crate::oracles::{ORACLES, Oracle, Violation};
use crate::report::record::Record;
use crate::story::{Clock, Story};
use crate::what_if::Fork;
use crate::workload::Workload;
use crate::world::{Counts, Planted, World};

/// How a run is to be done.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// What the seed stands for.
    pub options: Options,
    /// Fault addresses that do not strike.
    pub removed: Vec<Address>,
    /// If there is such a list, only its addresses strike.
    pub kept: Option<Vec<Address>>,
    /// Kinds that strike on in the healed world: a planted failure.
    pub unhealed: Vec<Kind>,
    /// Whether the story is told.
    pub story: bool,
    /// Whether the effects are counted at which a kill could have struck.
    pub asked: bool,
    /// Whether what is tried is counted.
    pub coverage: bool,
    /// Whether what happens is recorded, to be drawn.
    pub record: bool,
    /// Whether the story shows every event and effect.
    pub told_steps: bool,
    /// What changes from some moment on.
    pub fork: Option<Fork>,
    /// Whether the hash of each step is kept.
    pub steps: bool,
    /// Whether every step is recorded, as a trace.
    pub trace: bool,
    /// The planted defect of the simulator.
    pub planted: Planted,
}

impl Recipe {
    /// The run of a seed as it is.
    pub fn of(seed: u64) -> Self {
        Self {
            options: Options::derive(seed),
            removed: Vec::new(),
            kept: None,
            unhealed: Vec::new(),
            story: false,
            asked: false,
            record: false,
            coverage: false,
            told_steps: false,
            fork: None,
            steps: false,
            trace: false,
            planted: Planted::Nothing,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// In step, so long after the world healed.
    InStep(Ms),
    /// Something must not be.
    Unsafe(Violation),
    /// Not in step in time. The item is what is stuck first.
    Stuck {
        /// What is stuck.
        item: String,
        /// What it waits for, as the machine says.
        why: String,
    },
    /// The machine panicked.
    Crashed(String),
}

impl Verdict {
    /// Two failures with the same signature are the same failure.
    pub fn signature(&self) -> Option<(Oracle, String)> {
        match self {
            Verdict::InStep(_) => None,
            Verdict::Unsafe(violation) => Some((violation.oracle, violation.item.clone())),
            Verdict::Stuck { item, .. } => Some((Oracle::Converges, item.clone())),
            Verdict::Crashed(what) => Some((Oracle::NeverPanics, what.clone())),
        }
    }

    /// The exit code of a command that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::InStep(_) => 0,
            Verdict::Unsafe(_) => 21,
            Verdict::Stuck { .. } => 22,
            Verdict::Crashed(_) => 23,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::InStep(after) => write!(f, "in step {after} after the world healed"),
            Verdict::Unsafe(v) => {
                write!(f, "SAFETY {} at {}: {}", v.oracle, Clock(v.at), v.detail)
            }
            Verdict::Stuck { item, why } => write!(f, "LIVENESS {item} is stuck: {why}"),
            Verdict::Crashed(what) => write!(f, "CRASH {what}"),
        }
    }
}

/// What is left of a run.
#[derive(Debug)]
pub struct Report {
    /// How it ended.
    pub verdict: Verdict,
    /// The hash of all steps.
    pub hash: u64,
    /// What was counted.
    pub counts: Counts,
    /// When it ended.
    pub end: Tick,
    /// The faults that struck, in order.
    pub fired: Vec<Address>,
    /// How many of them struck before the moment of the fork.
    pub fired_at_fork: usize,
    /// How often each kind struck.
    pub kinds: [u64; KINDS],
    /// How often each oracle had something to judge.
    pub judged: [u64; ORACLES],
    /// What the other client did, spelled out.
    pub workload: Workload,
    /// The story, if it was to be told.
    pub story: Story,
    /// The effects at which a kill could have struck, by entity and attempt.
    pub asked: Vec<(u32, u32)>,
    /// What was tried, if it was to be counted.
    pub coverage: Option<Box<Coverage>>,
    /// What happened, if it was to be recorded.
    pub record: Record,
    /// The hash of each step, if it was to be kept.
    pub steps: Vec<u64>,
    /// The trace, if it was to be recorded.
    pub recorded: Vec<Line>,
}

impl Report {
    /// Simulated time in which the computer was awake.
    pub fn awake(&self) -> Ms {
        Ms(self.end.0.saturating_sub(self.counts.slept.0))
    }
}

/// Does one run.
pub fn run(recipe: &Recipe) -> Report {
    let mut story = if recipe.story { Story::told() } else { Story::default() };
    story.steps = recipe.told_steps;
    let mut plan = Plan::new(recipe.options.seed, recipe.options.rates);
    plan.remove(recipe.removed.iter().copied());
    if let Some(kept) = &recipe.kept {
        plan.keep(kept.iter().copied());
    }
    plan.never_heal(&recipe.unhealed);
    let mut world = World::planned(recipe.options.clone(), plan, story);
    world.steps = recipe.steps.then(Vec::new);
    world.fork.clone_from(&recipe.fork);
    world.recorded = recipe.trace.then(Vec::new);
    world.planted = recipe.planted;
    world.plan.asked = recipe.asked.then(Vec::new);
    if recipe.coverage {
        let mut coverage = Box::<Coverage>::default();
        coverage.mode = world.mode();
        world.coverage = Some(coverage);
    }
    if recipe.record {
        world.record = Record::kept();
    }
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let verdict = match lived {
        Err(panic) => Verdict::Crashed(message(&*panic)),
        Ok(()) => judge(&mut world),
    };
    Report {
        verdict,
        hash: world.hash(),
        counts: world.counts,
        end: world.now,
        fired: world.plan.fired().to_vec(),
        fired_at_fork: world.fired_at_fork,
        kinds: *world.plan.counts(),
        judged: *world.oracles.judged(),
        workload: world.workload(),
        story: std::mem::take(&mut world.story),
        asked: world.plan.asked.take().unwrap_or_default(),
        coverage: world.coverage.take(),
        record: std::mem::take(&mut world.record),
        steps: world.steps.take().unwrap_or_default(),
        recorded: world.recorded.take().unwrap_or_default(),
    }
}

pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "a panic without words".into())
}

fn judge(world: &mut World) -> Verdict {
    if !world.oracles.spoke() {
        world.whole_check();
        world.check_rows();
    }
    if !world.oracles.spoke() {
        if let Some((item, why)) = stuck(world) {
            return Verdict::Stuck { item, why };
        }
        world.oracles.end(world.now, &world.disk, &world.server.truth);
        world.oracles.pass(Oracle::Converges);
        world.oracles.pass(Oracle::NeverPanics);
        world.oracles.pass(Oracle::NoLoop);
    }
    match world.oracles.found() {
        Some(violation) => Verdict::Unsafe(violation.clone()),
        None => Verdict::InStep(world.in_step_after()),
    }
}

/// What is not in step, if anything, and what it waits for.
fn stuck(world: &World) -> Option<(String, String)> {
    let Some(machine) = world.machine() else {
        return Some(("the process".into(), "it is not running".into()));
    };
    let status = machine.status(world.both_clocks());
    let unit = status.units.first()?;
    let wait = || describe(unit);
    if let Some(path) = differing(world) {
        return Some((path.to_string(), wait()));
    }
    // Whether the server still has what it once had is asked for, and not left open.
    let excused = world.excused();
    let rows = &world.store.view().entries;
    let truth = &world.server.truth;
    let is_there = |path: &RemotePath| truth.now(path).is_some_and(|last| last.content.is_some());
    let open = |(path, row): &(&RemotePath, &EntryRow)| {
        matches!(row.remote, Remote::Unknown(_))
            && !world.is_denied(path)
            && !(is_there(path) && excused.contains(*path))
    };
    if let Some((path, _)) = rows.iter().find(open) {
        let why = format!("nobody knows whether the server has it; {}", wait());
        return Some((path.to_string(), why));
    }
    // Names that nobody can place have to be counted, all of them.
    let refused = world.unplaceable();
    if !refused.contains(&unit.refused_names) {
        let why = format!("{} are counted, {refused:?} are there", unit.refused_names);
        return Some(("refused names".into(), why));
    }
    // What can not be placed or read for good is set aside, and hinders nothing else.
    let aside = unit.set_aside.iter().find(|(path, _)| !excused.contains(path.as_str()));
    if unit.set_aside_count > excused.len() as u64 || aside.is_some() {
        let item = aside.map_or("set aside", |(path, _)| path.as_str());
        return Some((item.to_owned(), wait()));
    }
    if !unit.complete {
        return Some(("complete".into(), wait()));
    }
    // One of those may be tried again just now.
    if !unit.in_step && unit.refused_names == 0 && excused.is_empty() {
        return Some(("in_step".into(), wait()));
    }
    None
}

fn describe(unit: &WorkspaceStatus) -> String {
    format!(
        "{:?}, {}; it waits for: {}",
        unit.phase,
        unit.reason,
        if unit.waits.is_empty() {
            "nothing that it knows".to_owned()
        } else {
            unit.waits.join(", ")
        }
    )
}

/// The first path whose two sides differ without an excuse.
///
/// Where the mirror only pulls, what a person saved or deleted here stays, unless the server
/// changed the path afterwards.
fn differing(world: &World) -> Option<RemotePath> {
    let truth = &world.server.truth;
    let apart = world.excused();
    let excused = |path: &RemotePath| {
        if apart.contains(path) {
            return true;
        }
        // What others wrote last stays there, if nothing comes from there; and so does what the
        // mirror can not know to be its own, because no answer came.
        if world.options.write_only {
            let row = world.store.view().entries.get(path);
            let theirs = row.is_some_and(|row| match (&row.base, &row.remote) {
                (Some(base), Remote::File { revision, .. }) => base.revision != *revision,
                (None, Remote::File { .. }) => true,
                _ => false,
            });
            return truth.now(path).is_some_and(|last| !last.ours || theirs);
        }
        // Where both ways go, nothing stays apart.
        if world.options.two_way {
            return false;
        }
        let Some(touch) = world.touched(path) else {
            return false;
        };
        let local = world.disk.file(path).map(|file| file.content.hash);
        // Of two saves in one instant, the check-then-place window may bring the first back.
        (local == touch.left || local.is_some() && touch.saved.contains(&local))
            && truth.now(path).is_none_or(|v| match v.content {
                // An edit here wins over a delete there.
                None => true,
                // To bytes that the person had replaced already, nothing changed.
                Some(content) => {
                    let rows = &world.store.view().entries;
                    let base = rows.get(path).and_then(|row| row.base.as_ref());
                    v.at <= touch.at
                        || Some(content.hash) == touch.over
                        || base.is_some_and(|base| base.hash == content.hash)
                }
            })
    };
    for (path, _, content) in truth.files() {
        let same = world.disk.file(path).is_some_and(|file| file.content.hash == content.hash);
        if !same && !excused(path) {
            return Some(path.clone());
        }
    }
    for (path, _) in world.disk.files() {
        let there = truth.now(path).is_some_and(|v| v.content.is_some());
        if !there && !excused(path) {
            return Some(path.clone());
        }
    }
    None
}
