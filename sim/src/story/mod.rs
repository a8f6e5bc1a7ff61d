//! What happened, in plain sentences with virtual times. Nothing is put into words unless
//! somebody listens.

pub mod brief;

use std::fmt;

use landfall_core::time::Tick;

/// The sentences of a run.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Whether somebody listens.
    pub on: bool,
    /// Whether somebody wants to see every step of the machine, too.
    pub steps: bool,
    lines: Vec<(Tick, String)>,
}

impl Story {
    /// A story that is told.
    pub fn told() -> Self {
        Self { on: true, steps: false, lines: Vec::new() }
    }

    /// Adds a sentence.
    #[inline]
    pub fn say(&mut self, at: Tick, sentence: impl FnOnce() -> String) {
        if self.on {
            self.lines.push((at, sentence()));
        }
    }

    /// All sentences.
    pub fn lines(&self) -> &[(Tick, String)] {
        &self.lines
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, sentence) in &self.lines {
            writeln!(f, "{}  {sentence}", Clock(*at))?;
        }
        Ok(())
    }
}

/// A virtual time as hours, minutes, seconds and milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock(pub Tick);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.0;
        write!(
            f,
            "{:02}:{:02}:{:02}.{:03}",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }
}
