//! What the command line can do besides running seeds. Each command is a file of its own.

use clap::Subcommand;

pub mod explore;
pub mod replay;

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
