//! Exhaustive search over a tiny world, with the same [`Machine::step`](landfall_core::Machine).
//!
//! A hunt draws from a large world at random; this lists everything that can happen in a
//! [small one](scene): two files, a few troubles, so many actions deep. States are merged by
//! [fingerprint](landfall_core::fingerprint), the [rules] are judged after each step, and the
//! first violation has the shortest trace, which is told in words. From many of the states the
//! fair future is lived, too: without any more trouble both sides have to become equal.
//!
//! What it does not reach: more than two files, pages of a listing, directories, the stream,
//! and what needs more actions than the depth.

mod actions;
mod answers;
mod print;
mod rules;
pub mod scene;
mod search;
mod words;
mod world;

use std::fmt;

use crate::oracles::Oracle;
use crate::story::Clock;
pub use scene::{SMALL, Scene};
use search::{Found, Search, action, guarded};
use world::Tiny;

/// What is to be searched.
#[derive(Clone, Debug)]
pub struct Explore {
    /// The scenes.
    pub scenes: Vec<Scene>,
    /// How deep, if not as deep as the scene says.
    pub depth: Option<usize>,
    /// No more unique states than this in a scene. Each takes about 25 bytes.
    pub most: usize,
    /// Threads.
    pub threads: usize,
}

/// What was found in one scene.
#[derive(Debug)]
pub struct Outcome {
    /// The scene.
    pub scene: Scene,
    /// States that were reached, merged ones included.
    pub states: u64,
    /// Unique states.
    pub unique: usize,
    /// How deep it went.
    pub depth: usize,
    /// Whether that depth was searched to its end.
    pub whole: bool,
    /// States whose fair future was lived.
    pub futures: u64,
    /// Time it took in seconds.
    pub seconds: f64,
    /// What is broken, and how it comes to that.
    pub violation: Option<(Oracle, String)>,
    /// How many actions the violation needs.
    pub actions: usize,
}

/// The scenes of this name: all of `small`, or one of them.
pub fn scenes(name: &str) -> Option<Vec<Scene>> {
    if name == "small" {
        return Some(SMALL.to_vec());
    }
    SMALL.iter().find(|scene| scene.name == name).map(|scene| vec![*scene])
}

impl Explore {
    /// Searches scene after scene, and stops at the first violation. `progress` hears the
    /// scene, the depth and how many unique states it has.
    pub fn run(&self, mut progress: impl FnMut(&Scene, usize, usize)) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for scene in &self.scenes {
            let search = Search {
                scene: *scene,
                depth: self.depth.unwrap_or(scene.depth),
                most: self.most,
                threads: self.threads,
            };
            let found = search.run(|depth, states| progress(scene, depth, states));
            let outcome = outcome(*scene, found);
            let broken = outcome.violation.is_some();
            outcomes.push(outcome);
            if broken {
                break;
            }
        }
        outcomes
    }
}

fn outcome(scene: Scene, found: Found) -> Outcome {
    let Found { levels, states, futures, whole, seconds, violation } = found;
    let actions = violation.as_ref().map_or(0, |violation| violation.way.len());
    Outcome {
        scene,
        states,
        unique: levels.iter().sum(),
        depth: levels.len() - 1,
        whole,
        futures,
        seconds,
        actions,
        violation: violation.map(|violation| {
            let story = tell(scene, &violation.way, violation.fair);
            let told = format!("{story}{} {}", violation.wrong.oracle, violation.wrong.detail);
            (violation.wrong.oracle, told)
        }),
    }
}

/// The way to a state, in words.
fn tell(scene: Scene, way: &[u8], fair: bool) -> String {
    let begin = match scene.in_step {
        true => "Both files are in step.",
        false => "The process starts for the first time.",
    };
    let mut lines = vec![format!("{}  {begin}", Clock(landfall_core::time::Tick(0)))];
    let Ok(mut world) = Tiny::new(scene) else { return String::new() };
    let zero = world.now;
    world.told = Some(Vec::new());
    for number in way {
        let Some(action) = action(&world, *number) else { break };
        lines.push(format!("{}  {}", at(zero, &world), words::words(&world, action)));
        let acted = guarded(|| world.act(action));
        for decision in world.told.replace(Vec::new()).unwrap_or_default() {
            lines.push(format!("{}      Landfall: {decision}.", at(zero, &world)));
        }
        if acted.is_err() {
            break;
        }
    }
    if fair {
        lines.push(format!("{}  From here on nothing goes wrong any more.", at(zero, &world)));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn at(zero: landfall_core::time::Tick, world: &Tiny) -> Clock {
    Clock(landfall_core::time::Tick((world.now - zero).0))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.states as f64 / self.seconds.max(0.001);
        write!(
            f,
            "{:<10} depth {:>2}{} {:>10} states {:>9} unique {:>7} fair futures {:>6.1} s {:>8.0} states/s",
            self.scene.name,
            self.depth,
            if self.whole { " " } else { "*" },
            self.states,
            self.unique,
            self.futures,
            self.seconds,
            rate,
        )
    }
}
