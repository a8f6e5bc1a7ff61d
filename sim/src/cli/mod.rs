//! What the command line can do besides running seeds. Each command is a file of its own.

use clap::Subcommand;

pub mod explore;

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Explore(explore::Args),
}

impl Command {
    /// Does it. Answers the exit code.
    pub fn run(self) -> u8 {
        match self {
            Command::Explore(args) => args.run(),
        }
    }
}
