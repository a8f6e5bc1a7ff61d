//! Storylines: named patterns of faults that strike at chosen moments, because what breaks a
//! machine is seldom one fault and often the wrong one at the wrong time.
//!
//! A storyline adds no kind of fault. It is a list of scenes: this kind strikes only now. What
//! strikes then is decided by the address as ever, so that a storyline is replayed and shrunk
//! like any other run.

use std::fmt;

use landfall_core::time::{Ms, Tick};
use landfall_core::{Wake, Why};
use serde::{Deserialize, Serialize};

use super::{KINDS, Kind, mix};

/// A named pattern.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storyline {
    /// What the mirror lives on is taken away, one after the other, and comes back in another
    /// order.
    Swizzle,
    /// The link breaks at the very moment at which the machine has waited long enough.
    FlapAtBackoff,
    /// The first listings after a start are empty or short, and the cursor is not known.
    EmptyAfterStart,
    /// Who was killed is killed again before it has recovered.
    KillWhileRecovering,
}

impl Storyline {
    /// All of them.
    pub const ALL: &'static [Storyline] = &[
        Storyline::Swizzle,
        Storyline::FlapAtBackoff,
        Storyline::EmptyAfterStart,
        Storyline::KillWhileRecovering,
    ];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Storyline::Swizzle => "swizzle",
            Storyline::FlapAtBackoff => "flap-at-backoff",
            Storyline::EmptyAfterStart => "empty-after-start",
            Storyline::KillWhileRecovering => "kill-while-recovering",
        }
    }

    /// The scenes, in a run of this seed in which faults strike for so long.
    pub fn scenes(self, seed: u64, chaos: Ms) -> Vec<Scene> {
        let scene = |(kind, rate), when| Scene { kind, rate, when };
        match self {
            Storyline::Swizzle => swizzle(seed, chaos),
            Storyline::FlapAtBackoff => [
                scene((Kind::LinkBroken, 500_000), When::AfterWait),
                scene((Kind::NeverAnswered, 100_000), When::AfterWait),
            ]
            .into(),
            Storyline::EmptyAfterStart => {
                let soon = When::AfterStart(Ms::mins(2));
                let at_once = When::AfterStart(Ms::secs(20));
                [
                    scene((Kind::EmptyListing, 500_000), soon),
                    scene((Kind::ShortListing, 500_000), soon),
                    scene((Kind::EmptyExport, 700_000), soon),
                    scene((Kind::CursorUnknown, 500_000), at_once),
                ]
                .into()
            }
            Storyline::KillWhileRecovering => {
                let soon = When::AfterStart(Ms::secs(10 + mix(seed) % 50));
                let rate = 2_000 << (mix(seed ^ 1) % 4);
                [Kind::KillBefore, Kind::KillDuring, Kind::KillAfter, Kind::PowerCut]
                    .map(|kind| scene((kind, rate), soon))
                    .into()
            }
        }
    }

    /// What strikes at any time, and so brings about the moments of the scenes.
    pub fn background(self) -> &'static [(Kind, u32)] {
        match self {
            Storyline::Swizzle => &[],
            Storyline::FlapAtBackoff => &[
                (Kind::Busy, 60_000),
                (Kind::RateLimited, 40_000),
                (Kind::ServerError, 60_000),
                (Kind::StreamEnds, 30_000),
                (Kind::CutBody, 60_000),
                (Kind::FeedRestarts, 10_000),
            ],
            Storyline::EmptyAfterStart => {
                &[(Kind::Term, 40_000), (Kind::SecondStart, 8_000), (Kind::PersonEdit, 60_000)]
            }
            Storyline::KillWhileRecovering => &[(Kind::Term, 60_000), (Kind::PersonEdit, 60_000)],
        }
    }
}

impl fmt::Display for Storyline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A kind of fault, and when it may strike.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scene {
    /// What strikes.
    pub kind: Kind,
    /// How often, in parts per million of its addresses.
    pub rate: u32,
    /// When.
    pub when: When,
}

/// A moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// From the first to before the second.
    Between(Tick, Tick),
    /// So long after each start of the process.
    AfterStart(Ms),
    /// In the step in which a wait of the machine ends.
    AfterWait,
}

/// What the mirror lives on, and the kind that takes it away.
const SOURCES: [(Kind, u32); 8] = [
    (Kind::NoFeed, 1_000_000),
    (Kind::NoStream, 1_000_000),
    (Kind::Poisoned, 600_000),
    (Kind::EmptyListing, 500_000),
    (Kind::CursorUnknown, 300_000),
    (Kind::DiskFull, 500_000),
    (Kind::StoreSlow, 200_000),
    (Kind::LinkBroken, 700_000),
];

fn swizzle(seed: u64, chaos: Ms) -> Vec<Scene> {
    let mut scenes = Vec::new();
    let mut begin = 30_000;
    for round in 0.. {
        let bits = mix(seed ^ (round << 32));
        let order = |salt: u64| {
            let mut sources: Vec<usize> = (0..SOURCES.len()).collect();
            sources.sort_by_key(|source| mix(bits ^ salt ^ *source as u64));
            sources
        };
        let chosen: Vec<usize> = order(0x10).into_iter().take(3 + bits as usize % 3).collect();
        let gap = 1_000 * (5 + mix(bits) % 90);
        let hold = 1_000 * (10 + mix(bits ^ 1) % 300);
        let back = begin + gap * chosen.len() as u64 + hold;
        let returns: Vec<usize> =
            order(0x20).into_iter().filter(|source| chosen.contains(source)).collect();
        for (n, source) in chosen.iter().enumerate() {
            let place = returns.iter().position(|other| other == source).unwrap_or(n);
            let from = Tick(begin + gap * n as u64);
            let to = Tick(back + gap * place as u64);
            let (kind, rate) = SOURCES[*source];
            scenes.push(Scene { kind, rate, when: When::Between(from, to) });
        }
        begin = back + gap * chosen.len() as u64 + 1_000 * (60 + mix(bits ^ 2) % 900);
        if begin >= chaos.0 {
            break;
        }
    }
    scenes
}

/// Says whether it is the moment of a kind.
#[derive(Clone, Debug)]
pub struct Stage {
    scenes: Vec<Scene>,
    staged: [bool; KINDS],
    now: Tick,
    started: Tick,
    waited: bool,
}

impl Stage {
    /// A stage for these scenes. Kinds of which there is none may always strike.
    pub fn new(scenes: Vec<Scene>) -> Self {
        let mut staged = [false; KINDS];
        scenes.iter().for_each(|scene| staged[scene.kind as usize] = true);
        Self { scenes, staged, now: Tick(0), started: Tick(0), waited: false }
    }

    /// It is now.
    #[inline]
    pub fn at(&mut self, now: Tick) {
        self.now = now;
    }

    /// The process starts.
    pub fn started(&mut self) {
        self.started = self.now;
    }

    /// The machine is about to be woken for this, or (`None`) that step is over.
    pub fn woken(&mut self, wake: Option<Wake>) {
        self.waited = match wake {
            Some(Wake::Gate(_)) => true,
            Some(Wake::Unit(_, why)) => {
                matches!(why, Why::Stream | Why::Page | Why::Relist | Why::Retry | Why::Disk)
            }
            _ => false,
        };
    }

    /// Whether this kind may strike now.
    #[inline]
    pub fn allows(&self, kind: Kind) -> bool {
        !self.staged[kind as usize] || self.has_scene(kind)
    }

    fn has_scene(&self, kind: Kind) -> bool {
        let is_now = |when| match when {
            When::Between(from, to) => (from..to).contains(&self.now),
            When::AfterStart(long) => self.now - self.started < long,
            When::AfterWait => self.waited,
        };
        self.scenes.iter().any(|scene| scene.kind == kind && is_now(scene.when))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_come_back_in_another_order_than_they_went() {
        let mut reordered = 0;
        for seed in 0..50 {
            let scenes = Storyline::Swizzle.scenes(seed, Ms::hours(2));
            assert!(scenes.len() >= 3, "seed {seed}");
            let span = |scene: &Scene| match scene.when {
                When::Between(from, to) => (from, to),
                _ => unreachable!("a swizzle goes by the clock"),
            };
            assert!(scenes.iter().map(span).all(|(from, to)| from < to));
            let out_of_order = |pair: &[Scene]| span(&pair[0]).1 > span(&pair[1]).1;
            reordered += usize::from(scenes.windows(2).any(out_of_order));
        }
        assert!(reordered > 45, "{reordered} of 50");
    }

    #[test]
    fn a_kind_strikes_in_its_scene_alone() {
        let when = When::Between(Tick(10), Tick(20));
        let mut stage = Stage::new(vec![Scene { kind: Kind::CutBody, rate: 1, when }]);
        let mut allowed = |at| {
            stage.at(Tick(at));
            (stage.allows(Kind::CutBody), stage.allows(Kind::Busy))
        };
        assert_eq!(
            [allowed(9), allowed(10), allowed(20)],
            [(false, true), (true, true), (false, true)]
        );
    }

    #[test]
    fn the_end_of_a_wait_is_told_from_the_usual_look_at_the_feed() {
        let unit = landfall_core::id::UnitId(0);
        let mut stage = Stage::new(Storyline::FlapAtBackoff.scenes(1, Ms::hours(2)));
        let mut allowed = |wake| {
            stage.woken(wake);
            stage.allows(Kind::LinkBroken)
        };
        assert!(allowed(Some(Wake::Unit(unit, Why::Page))));
        assert!(!allowed(Some(Wake::Unit(unit, Why::Feed))));
        assert!(!allowed(None));
    }
}
