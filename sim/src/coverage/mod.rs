//! How much of what can be tried is tried: which event with which outcome was heard in which
//! phase, which two faults struck within one recovery, and which marks were reached. Nothing is
//! counted unless asked.

use std::collections::BTreeMap;

use landfall_core::Machine;
use landfall_core::effect::{Change, Effect};
use landfall_core::event::{Answer, Event, Outcome, Part};
use landfall_core::files::entry::{Entry, Found, Local};
use landfall_core::files::plan::{SyncMode, plan};
use landfall_core::id::CallId;
use landfall_core::row::Value;
use landfall_core::time::{Ms, Now, Tick};

use crate::faults::{Address, KINDS};
use crate::world::disk::Disk;
use cells::{CALLS, EVENTS, LATE, OUTCOMES, PHASES};
pub use marks::{MARKS, Mark};

mod cells;
mod marks;
mod show;

/// A recovery is over when the machine is in step, or after so long.
const RECOVERY: Ms = Ms::mins(10);

/// What was tried.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// By phase, event and outcome.
    cells: Vec<u64>,
    /// By two kinds, the smaller first.
    pairs: Vec<u64>,
    marks: [u64; MARKS],
    /// What each call that is not answered asks for, by the number of the event.
    calls: BTreeMap<CallId, usize>,
    /// The phase before the next event.
    phase: usize,
    /// When each kind last struck in this recovery.
    struck: Vec<Option<Tick>>,
    seen: usize,
    /// Killed since it was last in step.
    killed: bool,
    /// Which way bytes go.
    pub mode: SyncMode,
}

impl Default for Coverage {
    fn default() -> Self {
        Self {
            cells: vec![0; PHASES.len() * EVENTS.len() * OUTCOMES.len()],
            pairs: vec![0; KINDS * KINDS],
            marks: [0; MARKS],
            calls: BTreeMap::new(),
            phase: 0,
            struck: vec![None; KINDS],
            seen: 0,
            killed: false,
            mode: SyncMode::PullOnly,
        }
    }
}

impl Coverage {
    /// A mark is reached.
    pub fn mark(&mut self, mark: Mark) {
        self.marks[mark as usize] += 1;
    }

    /// Whether requests or operations are under way.
    pub fn is_busy(&self) -> bool {
        // The stream nearly always is.
        self.calls.values().filter(|kind| **kind < CALLS).count() > 1
    }

    /// The machine is about to be told something.
    pub fn heard(&mut self, event: &Event, machine: &Machine) {
        let (event, outcome) = match event {
            Event::Done { call, outcome } => {
                match outcome {
                    Outcome::Ok(Answer::Occupied(_)) => self.mark(Mark::Occupied),
                    Outcome::Ok(Answer::Placed { kept: Some(_), .. }) => {
                        self.mark(Mark::ExchangeKept);
                    }
                    Outcome::Ok(Answer::Looked(Found::Odd(_))) => self.mark(Mark::FoundOdd),
                    _ => {}
                }
                match self.calls.get_mut(call) {
                    Some(kind) if *kind < CALLS => {
                        let was = *kind;
                        *kind += CALLS;
                        (was, cells::outcome(outcome))
                    }
                    Some(kind) => {
                        let was = *kind - CALLS;
                        self.mark(Mark::LateAnswer);
                        (was, LATE)
                    }
                    None => return,
                }
            }
            Event::Part { part: Part::Event { inline: Some(_), .. }, .. } => {
                self.mark(Mark::Inline);
                (23, 0)
            }
            event => {
                let wake = machine.next_wake().map(|(_, wake)| wake);
                let Some(event) = cells::event(event, wake) else { return };
                (event, 0)
            }
        };
        self.cells[cell(self.phase, event, outcome)] += 1;
    }

    /// What the machine wants, and how it is now.
    pub fn wanted(&mut self, now: Now, effects: &[Effect], machine: &Machine, disk: &Disk) {
        for effect in effects {
            match effect {
                Effect::Ask { call, request, .. } => {
                    self.calls.insert(*call, cells::request(request));
                }
                Effect::Disk { call, op, .. } => {
                    self.calls.insert(*call, cells::op(op));
                }
                Effect::Cancel { call } => {
                    if let Some(kind) = self.calls.get_mut(call).filter(|kind| **kind < CALLS) {
                        *kind += CALLS;
                    }
                }
                Effect::Note { decision, .. } => {
                    let mark = Mark::of(decision);
                    self.mark(mark);
                    if let landfall_core::decision::Decision::Did { rule, .. } = decision {
                        self.mark(Mark::of_rule(*rule));
                    }
                    if mark == Mark::InStep {
                        self.recovered();
                    }
                }
                Effect::Commit { changes, .. } => self.rules(changes, disk),
                Effect::More { .. } | Effect::Exit(_) => {}
            }
        }
        if let Some(unit) = machine.status(now).units.first() {
            let phase = PHASES.iter().position(|(phase, _)| *phase == unit.phase);
            self.phase = phase.unwrap_or(0);
        }
    }

    /// Which rules hold for the rows of a commit, as the disk stands now.
    fn rules(&mut self, changes: &[Change], disk: &Disk) {
        for change in changes {
            let Change::Put(row) = change else { continue };
            let Value::Entry(path, row) = &row.value else { continue };
            let mut entry = Entry {
                base: row.base.clone(),
                local: Local::Unknown,
                proof: row.proof.clone(),
                placing: row.placing.clone(),
                remote: row.remote.clone(),
                doing: None,
                hold: row.hold.clone(),
                seen: row.seen,
                missed: row.missed,
                lineage: row.lineage.clone(),
                astray: row.astray,
            };
            self.mark(Mark::of_rule(plan(&entry, self.mode).1));
            entry.local = match disk.look(path) {
                Found::Absent => Local::Absent,
                Found::File { hash, stamp } => Local::File { hash, stamp, suspect: false },
                Found::Odd(odd) => Local::Odd(odd),
            };
            self.mark(Mark::of_rule(plan(&entry, self.mode).1));
        }
    }

    /// What struck so far. Those that were not seen before struck just now.
    pub fn struck(&mut self, now: Tick, fired: &[Address]) {
        for address in &fired[self.seen.min(fired.len())..] {
            let new = address.kind as usize;
            for old in 0..KINDS {
                if self.struck[old].is_some_and(|at| now - at <= RECOVERY) {
                    self.pairs[old.min(new) * KINDS + old.max(new)] += 1;
                }
            }
            self.struck[new] = Some(now);
        }
        self.seen = fired.len();
    }

    /// It is in step: what strikes next strikes another recovery.
    fn recovered(&mut self) {
        self.struck.fill(None);
        self.killed = false;
    }

    /// The process is gone.
    pub fn gone(&mut self, killed: bool, lost: usize) {
        self.calls.clear();
        self.phase = 0;
        if lost > 0 {
            self.mark(Mark::CommitsLost);
        }
        if killed && std::mem::replace(&mut self.killed, true) {
            self.mark(Mark::KilledAgain);
        }
    }

    /// Adds what another run tried.
    pub fn add(&mut self, other: &Coverage) {
        let all = |mine: &mut [u64], others: &[u64]| {
            mine.iter_mut().zip(others).for_each(|(sum, n)| *sum += n);
        };
        all(&mut self.cells, &other.cells);
        all(&mut self.pairs, &other.pairs);
        all(&mut self.marks, &other.marks);
    }
}

fn cell(phase: usize, event: usize, outcome: usize) -> usize {
    (phase * EVENTS.len() + event) * OUTCOMES.len() + outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Kind;

    #[test]
    fn two_faults_make_a_pair_only_within_one_recovery() {
        let all = [Kind::Busy, Kind::CutBody, Kind::Term, Kind::Busy, Kind::Sleep];
        let fired = all.map(|kind| Address { kind, entity: 0, attempt: 0 });
        let mut coverage = Coverage::default();
        let mut strike = |n: usize, mins| {
            let before: u64 = coverage.pairs.iter().sum();
            coverage.struck(Tick(Ms::mins(mins).0), &fired[..n]);
            let pairs = coverage.pairs.iter().sum::<u64>() - before;
            if n == 4 {
                coverage.recovered();
            }
            pairs
        };
        assert_eq!(strike(1, 0), 0, "one alone");
        assert_eq!(strike(2, 9), 1, "with the one before");
        assert_eq!(strike(3, 15), 1, "the first is too long ago");
        assert_eq!(strike(4, 16), 2, "with the two before");
        assert_eq!(strike(5, 17), 0, "it was in step between");
        let at = |a: Kind, b: Kind| coverage.pairs[a as usize * KINDS + b as usize];
        assert_eq!(at(Kind::CutBody, Kind::Busy), 2);
        assert_eq!(at(Kind::CutBody, Kind::Term), 1);
    }
}
