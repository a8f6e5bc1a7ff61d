//! `sim replay`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use landfall_sim::replay::{Bench, ReplayError, replay};

/// Step a recorded trace through fresh machines and require the same effects.
///
/// A trace comes from `landfall mount --trace FILE` or `sim --seed N --trace FILE`. The first
/// step that differs is named by its line, its time, what was recorded and what came.
///
/// Exit codes: 0 every effect is the same, 24 a step differs, 1 the file can not be read or is
/// no trace of this version.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The trace.
    #[arg(required_unless_present = "bench")]
    file: Option<PathBuf>,
    /// Replay the events of the first N seeds of the standard scenario instead, and measure steps
    /// per CPU second.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    bench: Option<u64>,
}

impl Args {
    /// Replays, and answers the exit code.
    pub fn run(self) -> u8 {
        if let Some(seeds) = self.bench {
            println!("{}", Bench::run(0..seeds));
            return 0;
        }
        let Some(path) = self.file else { return 2 };
        let opened = File::open(&path).map_err(ReplayError::from);
        match opened.and_then(|file| replay(BufReader::new(file))) {
            Ok((done, torn)) => {
                let torn = if torn { "; its last line is torn, as a kill leaves it" } else { "" };
                println!(
                    "{}: {} machines, {} steps, {} effects, all the same{torn}",
                    path.display(),
                    done.machines,
                    done.steps,
                    done.effects
                );
                0
            }
            Err(why) if why.differs() => {
                println!("{}: {why}", path.display());
                super::DIFFERS
            }
            Err(why) => {
                eprintln!("sim replay: {}: {why}", path.display());
                1
            }
        }
    }
}
