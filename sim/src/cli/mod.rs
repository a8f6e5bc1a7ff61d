//! What the command line can do besides running seeds. Each command is a file of its own.

use std::ops::Range;

use clap::Subcommand;

pub mod explore;
pub mod replay;
pub mod same;
pub mod scale;
pub mod what_if;

/// Two runs, or a run and its trace, differ.
pub const DIFFERS: u8 = 24;

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Explore(explore::Args),
    Replay(replay::Args),
}

impl Command {
    /// Does it. Answers the exit code.
    pub fn run(self) -> u8 {
        match self {
            Command::Explore(args) => args.run(),
            Command::Replay(args) => args.run(),
        }
    }
}

/// Reads a range of seeds.
pub fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    parse()
        .filter(|range: &Range<u64>| !range.is_empty())
        .ok_or_else(|| format!("`{text}` is no range of seeds; write for example 0..1000"))
}
