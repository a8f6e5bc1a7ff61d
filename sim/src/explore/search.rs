//! The search: breadth first, so that the first violation has the shortest trace.
//!
//! A state is kept as its fingerprint, its parent and the number of the action that led to it:
//! 13 bytes and a place in a hash set. Where a state is needed again it is derived again, by
//! walking over the tree of parents in order; neighbours share most of their way, so that
//! costs about one step each.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use super::actions::Action;
use super::rules::Wrong;
use super::scene::Scene;
use super::world::Tiny;
use crate::oracles::Oracle;

/// What is to be searched, and how far.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    pub scene: Scene,
    pub depth: usize,
    /// No more unique states than this, because each takes memory.
    pub most: usize,
    pub threads: usize,
}

/// How a search ended.
#[derive(Debug)]
pub struct Found {
    /// The unique states of each depth.
    pub levels: Vec<usize>,
    /// Transitions that were taken: states, as far as they were not known already.
    pub states: u64,
    /// States from which the fair future was lived.
    pub futures: u64,
    /// Whether all states of the depth were looked at.
    pub whole: bool,
    pub seconds: f64,
    pub violation: Option<Violation>,
}

/// A rule that is broken, and the shortest way there.
#[derive(Debug)]
pub struct Violation {
    pub wrong: Wrong,
    pub way: Vec<u8>,
    /// It is seen only when nothing more goes wrong for an hour.
    pub fair: bool,
}

/// The fair future of so many of the first states is lived, and of one in `RARELY` others.
const FIRST: usize = 20_000;
const RARELY: u64 = 256;

/// States that are expanded before what they led to is merged.
const AT_ONCE: usize = 100_000;

/// A fingerprint is a hash already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

type Seen = HashSet<u64, BuildHasherDefault<AsIs>>;

/// All unique states, in the order in which they were found.
#[derive(Default)]
struct Tree {
    parents: Vec<u32>,
    actions: Vec<u8>,
}

impl Tree {
    fn way(&self, mut state: u32) -> Vec<u8> {
        let mut way = Vec::new();
        while state != 0 {
            way.push(self.actions[state as usize]);
            state = self.parents[state as usize];
        }
        way.reverse();
        way
    }
}

/// What one worker found in its share.
#[derive(Default)]
struct Share {
    /// Fingerprint, parent, action.
    next: Vec<(u64, u32, u8)>,
    states: u64,
    futures: u64,
    /// The first violation: its state, and the action that led to it, if one did.
    violation: Option<(u32, Option<u8>, Wrong)>,
}

impl Search {
    pub fn run(&self, mut progress: impl FnMut(usize, usize)) -> Found {
        let began = Instant::now();
        let mut found = Found {
            levels: vec![1],
            states: 1,
            futures: 0,
            whole: true,
            seconds: 0.0,
            violation: None,
        };
        let root = match guarded(|| Tiny::new(self.scene)) {
            Ok(root) => root,
            Err(wrong) => {
                found.violation = Some(Violation { wrong, way: Vec::new(), fair: false });
                return found;
            }
        };
        let mut tree = Tree { parents: vec![0], actions: vec![0] };
        let mut seen = Seen::default();
        seen.insert(root.fingerprint());
        let mut level = 0..1u32;
        // The last depth is only judged: nothing follows from it.
        while found.levels.len() <= self.depth && found.violation.is_none() && !level.is_empty() {
            let first = tree.parents.len() as u32;
            let mut from = level.start;
            while from < level.end && found.violation.is_none() {
                let upto = level.end.min(from + AT_ONCE as u32);
                let shares = self.expand(&root, &tree, &seen, from..upto);
                from = upto;
                for share in shares {
                    found.states += share.states;
                    found.futures += share.futures;
                    if let Some((state, action, wrong)) = share.violation
                        && found.violation.is_none()
                    {
                        let mut way = tree.way(state);
                        way.extend(action);
                        found.violation = Some(Violation { wrong, way, fair: action.is_none() });
                    }
                    for (print, parent, action) in share.next {
                        if seen.insert(print) {
                            tree.parents.push(parent);
                            tree.actions.push(action);
                        }
                    }
                }
                if tree.parents.len() > self.most {
                    found.whole = false;
                    break;
                }
            }
            level = first..tree.parents.len() as u32;
            found.levels.push(level.len());
            progress(found.levels.len() - 1, level.len());
            if !found.whole {
                break;
            }
        }
        found.seconds = began.elapsed().as_secs_f64();
        found
    }

    /// Shares a range of states among the threads. The shares come back in order, so that the
    /// outcome does not depend on how many threads there are.
    fn expand(
        &self,
        root: &Tiny,
        tree: &Tree,
        seen: &Seen,
        range: std::ops::Range<u32>,
    ) -> Vec<Share> {
        let each = (range.len() / self.threads.max(1) + 1).max(64) as u32;
        thread::scope(|scope| {
            let workers: Vec<_> = range
                .clone()
                .step_by(each as usize)
                .map(|from| {
                    let share = from..range.end.min(from + each);
                    scope.spawn(move || walk(root, tree, seen, share))
                })
                .collect();
            let join = |worker: thread::ScopedJoinHandle<'_, Share>| worker.join();
            workers.into_iter().map(join).map(Result::unwrap_or_default).collect()
        })
    }
}

/// Expands some states that follow one another in the tree.
fn walk(root: &Tiny, tree: &Tree, seen: &Seen, range: std::ops::Range<u32>) -> Share {
    let mut share = Share::default();
    let mut stack: Vec<(u32, Tiny)> = vec![(0, root.clone())];
    let mut actions = Vec::new();
    let mut way = Vec::new();
    for state in range {
        // Down from the nearest state that both this one and the last come from.
        way.clear();
        let mut up = state;
        while !stack.iter().any(|(known, _)| *known == up) {
            way.push(up);
            up = tree.parents[up as usize];
        }
        while stack.last().is_some_and(|(top, _)| *top != up) {
            stack.pop();
        }
        for step in way.iter().rev() {
            let Some((_, top)) = stack.last() else { return share };
            let mut world = top.clone();
            world.actions(&mut actions);
            let action = actions[usize::from(tree.actions[*step as usize])];
            // It was right when it was found.
            let _ = world.act(action);
            stack.push((*step, world));
        }
        let Some((_, world)) = stack.last() else { return share };
        if (state as usize) < FIRST || u64::from(state) % RARELY == 0 {
            share.futures += 1;
            let mut future = world.clone();
            if let Err(wrong) = guarded(|| future.play_fair()) {
                share.violation.get_or_insert((state, None, wrong));
                return share;
            }
        }
        world.actions(&mut actions);
        for (number, action) in actions.iter().enumerate() {
            let mut next = world.clone();
            share.states += 1;
            match guarded(|| next.act(*action)) {
                Ok(()) => {
                    let print = next.fingerprint();
                    if !seen.contains(&print) {
                        share.next.push((print, state, number as u8));
                    }
                }
                Err(wrong) => {
                    share.violation.get_or_insert((state, Some(number as u8), wrong));
                    return share;
                }
            }
        }
    }
    share
}

/// A panic of the machine is a violation like any other.
pub fn guarded<T>(act: impl FnOnce() -> Result<T, Wrong>) -> Result<T, Wrong> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => done,
        Err(panic) => {
            Err(Wrong { oracle: Oracle::NeverPanics, detail: crate::run::message(&*panic) })
        }
    }
}

/// The action of this number.
pub fn action(world: &Tiny, number: u8) -> Option<Action> {
    let mut actions = Vec::new();
    world.actions(&mut actions);
    actions.get(usize::from(number)).copied()
}
