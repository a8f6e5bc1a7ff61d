//! Coverage as a table.

use std::fmt;

use super::cells::{EVENTS, OUTCOMES, PHASES, is_possible};
use super::{Coverage, Mark, cell};
use crate::faults::{KINDS, Kind};

/// In a table of pairs: the number of digits, or a point for never.
fn digits(n: u64) -> char {
    match n {
        0 => '.',
        n => char::from_digit(n.ilog10() + 1, 10).unwrap_or('9'),
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show_cells(f)?;
        self.show_pairs(f)?;
        self.show_marks(f)
    }
}

impl Coverage {
    fn row(&self, event: usize, outcome: usize) -> [u64; PHASES.len()] {
        std::array::from_fn(|phase| self.cells[cell(phase, event, outcome)])
    }

    fn show_cells(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:40}", "phase x event x outcome")?;
        for (_, phase) in PHASES {
            write!(f, "{phase:>10}")?;
        }
        writeln!(f)?;
        let (mut hit, mut all, mut never) = (0, 0, Vec::new());
        for (event, name) in EVENTS.iter().enumerate() {
            for (outcome, how) in OUTCOMES.iter().enumerate() {
                let row = self.row(event, outcome);
                let any = row.iter().any(|n| *n > 0);
                let label = if how.is_empty() { (*name).into() } else { format!("{name}: {how}") };
                if !is_possible(event, outcome) {
                    if any {
                        writeln!(f, "  {label} was called impossible, and was heard")?;
                    }
                    continue;
                }
                all += PHASES.len();
                hit += row.iter().filter(|n| **n > 0).count();
                if !any {
                    never.push(label);
                    continue;
                }
                write!(f, "  {label:38}")?;
                for n in row {
                    match n {
                        0 => write!(f, "{:>10}", ".")?,
                        n => write!(f, "{n:>10}")?,
                    }
                }
                writeln!(f)?;
            }
        }
        writeln!(f, "{hit} of {all} cells were hit; never in any phase: {}", list(&never))
    }

    fn pair(&self, a: usize, b: usize) -> u64 {
        self.pairs[a.min(b) * KINDS + a.max(b)]
    }

    fn show_pairs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ntwo faults within one recovery: how many digits the count has")?;
        let (mut hit, mut all) = (0, 0);
        for (a, kind) in Kind::ALL.iter().enumerate() {
            let row: Vec<u64> = (0..=a).map(|b| self.pair(a, b)).collect();
            all += row.len();
            hit += row.iter().filter(|n| **n > 0).count();
            let line: String = row.into_iter().map(digits).collect();
            writeln!(f, "  {:24}{line}", kind.word())?;
        }
        writeln!(f, "{hit} of {all} pairs were hit; never:")?;
        for (a, kind) in Kind::ALL.iter().enumerate() {
            let never: Vec<String> = (0..=a)
                .filter(|b| self.pair(a, *b) == 0)
                .map(|b| Kind::ALL[b].word().to_owned())
                .collect();
            if !never.is_empty() {
                writeln!(f, "  {kind} with {}", list(&never))?;
            }
        }
        Ok(())
    }

    fn show_marks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nmarks:")?;
        for mark in Mark::ALL {
            let n = self.marks[*mark as usize];
            if n > 0 {
                writeln!(f, "  {n:>10}  {}", mark.word())?;
            }
        }
        let never = self.unreached();
        let words: Vec<String> = never.iter().map(|mark| mark.word().to_owned()).collect();
        let hit = Mark::ALL.len() - never.len();
        writeln!(f, "{hit} of {} marks were reached; never: {}", Mark::ALL.len(), list(&words))
    }

    /// The marks that no run reached.
    pub fn unreached(&self) -> Vec<Mark> {
        Mark::ALL.iter().copied().filter(|mark| self.marks[*mark as usize] == 0).collect()
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".into() } else { words.join(", ") }
}
