//! `sim explore`.

use landfall_sim::explore::{Explore, SMALL, scenes};
use landfall_sim::oracles::Oracle;

/// Search a tiny world exhaustively, breadth first: the first violation has the shortest trace.
///
/// Exit codes: 0 nothing is broken, 21 safety, 22 liveness, 23 crash, 2 there is no such scope.
#[derive(Debug, clap::Args)]
#[command(after_help = names())]
pub struct Args {
    /// `small` for all scenes, or the name of one.
    #[arg(long, value_name = "SCOPE", default_value = "small")]
    scope: String,
    /// So many actions deep, instead of what each scene says.
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// At most so many unique states in a scene. Each takes about 25 bytes.
    #[arg(long, value_name = "N", default_value_t = 40_000_000)]
    states: usize,
    /// Threads. The outcome does not depend on them. Default: all cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print the totals and a violation only.
    #[arg(long)]
    quiet: bool,
}

fn names() -> String {
    let lines = SMALL.iter().map(|scene| {
        format!("  {:<10} {} ({} actions deep)\n", scene.name, scene.about, scene.depth)
    });
    format!("Scenes:\n{}", lines.collect::<String>())
}

impl Args {
    /// Searches, and answers the exit code.
    pub fn run(self) -> u8 {
        let Some(scenes) = scenes(&self.scope) else {
            eprintln!("sim explore: there is no scope `{}`.\n{}", self.scope, names());
            return 2;
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores);
        let explore = Explore { scenes, depth: self.depth, most: self.states, threads };
        let outcomes = explore.run(|scene, depth, unique| {
            if !self.quiet {
                eprintln!("{:<10} depth {depth:>2}: {unique} new states", scene.name);
            }
        });
        for outcome in &outcomes {
            println!("{outcome}");
        }
        let (states, unique) = outcomes
            .iter()
            .fold((0, 0), |(states, unique), one| (states + one.states, unique + one.unique));
        let seconds: f64 = outcomes.iter().map(|one| one.seconds).sum();
        let rate = states as f64 / seconds.max(0.001);
        println!(
            "{states} states, {unique} unique, in {seconds:.1} s on {threads} threads: {rate:.0} states per second"
        );
        if outcomes.iter().any(|one| !one.whole) {
            println!("* stopped at --states, so its last depth is not searched to the end");
        }
        let Some(broken) = outcomes.iter().find(|one| one.violation.is_some()) else {
            return 0;
        };
        let (oracle, told) = broken
            .violation
            .as_ref()
            .map_or((None, ""), |(oracle, told)| (Some(*oracle), told.as_str()));
        println!("\nBROKEN in `{}` after {} actions:\n{told}", broken.scene.name, broken.actions);
        match oracle {
            Some(Oracle::Converges) => 22,
            Some(Oracle::NeverPanics) => 23,
            _ => 21,
        }
    }
}
