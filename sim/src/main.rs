//! The simulator's command line.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use landfall_sim::enumerate::{happy_path, kills};
use landfall_sim::faults::{Address, Kind};
use landfall_sim::fleet::{Fleet, Night};
use landfall_sim::hunt::{Failure, How, Hunt};
use landfall_sim::run::{Recipe, Verdict, run};
use landfall_sim::shrink::shrink;
use landfall_sim::world::Planted;

/// Two runs of one seed differ.
const DIFFERS: u8 = 24;
/// A kind never struck, or an oracle never judged.
const BLIND: u8 = 25;

/// Tries to break the machine of Landfall, and tells what happened.
///
/// Exit codes: 0 in step, 21 safety, 22 liveness, 23 crash, 24 two runs of one seed differ,
/// 25 a kind of fault never struck or an oracle never had anything to judge.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Args {
    /// Tell the run of one seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Hunt through many seeds on all cores.
    #[arg(long, value_name = "A..B", value_parser = range)]
    seeds: Option<Range<u64>>,
    /// So many machines and one server, after a night: what does it cost the server?
    #[arg(long, value_name = "N", conflicts_with_all = ["seed", "seeds"])]
    fleet: Option<u64>,
    /// Kill a short run without faults before, during and after every effect in turn.
    #[arg(long, conflicts_with_all = ["seeds", "fleet"])]
    enumerate_kills: bool,
    /// Only these kinds of faults.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Without these kinds.
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    without: Vec<Kind>,
    /// Without any fault: what fails here fails for everybody.
    #[arg(long)]
    clean: bool,
    /// Three quiet days: how little is done when there is nothing to do.
    #[arg(long)]
    idle: bool,
    /// Only the faults at these addresses, as `--shrink` prints them.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    keep: Option<Vec<Address>>,
    /// Without the faults at these addresses.
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    drop: Vec<Address>,
    /// Take faults away until each that is left is needed, and tell that run.
    #[arg(long)]
    shrink: bool,
    /// Draw the run as a page for a browser; with `--shrink`, the smallest run beside it.
    #[arg(long, value_name = "FILE", requires = "seed")]
    report: Option<PathBuf>,
    /// Run every seed twice and compare.
    #[arg(long)]
    twice: bool,
    /// Print what a hunt tried, and what it never did.
    #[arg(long, requires = "seeds")]
    coverage: bool,
    /// Stop a hunt at the first failure.
    #[arg(long)]
    first: bool,
    /// Print the verdict only.
    #[arg(long)]
    quiet: bool,
    /// Tell every event and effect of the machine, and the faults by their addresses, too.
    #[arg(long)]
    verbose: bool,
    /// Plant a defect in the simulator itself: runs differ, and `--twice` has to find it.
    #[arg(long, hide = true)]
    planted: bool,
    /// Plant the canary: a defect that every hunt of some seeds has to find.
    #[arg(long, hide = true)]
    canary: bool,
}

fn planted(args: &Args) -> Planted {
    match (args.canary, args.planted) {
        (true, _) => Planted::Canary,
        (false, true) => Planted::Leak,
        (false, false) => Planted::Nothing,
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let parse = || {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    parse()
        .filter(|range: &Range<u64>| !range.is_empty())
        .ok_or_else(|| format!("`{text}` is no range of seeds; write for example 0..1000"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic of the machine is a verdict, told where the run is told.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(machines) = args.fleet {
        return ExitCode::from(fleet(machines));
    }
    if args.enumerate_kills {
        return ExitCode::from(enumerate(args.seed.unwrap_or(7)));
    }
    let code = match (&args.seeds, args.seed) {
        (Some(seeds), _) => hunt(&args, seeds.clone()),
        (None, Some(seed)) => tell(&args, seed),
        (None, None) => {
            eprintln!("sim: say what to do: --seed N, or --seeds A..B (see --help)");
            2
        }
    };
    ExitCode::from(code)
}

fn enumerate(seed: u64) -> u8 {
    let kills = kills(&happy_path(seed));
    print!("{kills}");
    kills.failures.iter().map(|(_, verdict)| verdict.exit_code()).max().unwrap_or(0)
}

fn fleet(machines: u64) -> u8 {
    let mut code = 0;
    for night in [Night::Asleep, Night::Off] {
        for per_second in [u32::MAX, machines as u32] {
            match (Fleet { machines, per_second, night }).run() {
                Ok(morning) => println!("{night:?}, {per_second} requests a second: {morning}"),
                Err(why) => {
                    println!("{night:?}, {per_second} requests a second: {why}");
                    code = 22;
                }
            }
        }
    }
    code
}

/// The kinds that are switched off.
fn without(args: &Args) -> &[Kind] {
    if args.clean { Kind::ALL } else { &args.without }
}

fn recipe(args: &Args, seed: u64) -> Recipe {
    let mut recipe = Recipe::of(seed);
    if !args.only.is_empty() {
        recipe.options.only(&args.only);
    }
    recipe.options.without(without(args));
    if args.idle {
        recipe.options.idle();
    }
    recipe.removed.clone_from(&args.drop);
    recipe.kept.clone_from(&args.keep);
    recipe.planted = planted(args);
    recipe
}

fn tell(args: &Args, seed: u64) -> u8 {
    let mut recipe = recipe(args, seed);
    let found = recipe.clone();
    if args.shrink {
        let Some(shrunk) = shrink(&recipe) else {
            println!("seed {seed} does not fail, so there is nothing to shrink");
            return 0;
        };
        println!(
            "{} of {} faults are needed for {} ({} runs)",
            shrunk.needed.len(),
            shrunk.from,
            shrunk.signature.0,
            shrunk.runs
        );
        recipe = shrunk.recipe;
    }
    recipe.story = !args.quiet;
    recipe.told_steps = args.verbose;
    let report = run(&recipe);
    if !args.quiet {
        print!("{}", recipe.options);
        print!("{}", report.story);
    }
    if args.verbose {
        for address in &report.fired {
            println!("struck: {address}");
        }
    }
    println!("seed {seed}: {}", report.verdict);
    println!(
        "hash {:016x}, {} steps, {} faults, {} starts",
        report.hash,
        report.counts.steps,
        report.fired.len(),
        report.counts.starts
    );
    if report.verdict.exit_code() != 0 {
        println!("reproduce: {}", reproduction(args, seed, recipe.kept.as_deref()));
    }
    if let Some(file) = &args.report {
        let line = reproduction(args, seed, recipe.kept.as_deref());
        let runs = [("the smallest run", &recipe), ("as it was found", &found)];
        let runs = if args.shrink { &runs[..] } else { &runs[1..] };
        match landfall_sim::report::write(file, runs, &line) {
            Ok(()) => println!("report: {}", file.display()),
            Err(why) => {
                eprintln!("sim: {} can not be written: {why}", file.display());
                return 2;
            }
        }
    }
    if args.twice && run(&recipe).hash != report.hash {
        let step = landfall_sim::hunt::first_difference(&recipe);
        println!("seed {seed}: two runs differ from step {step} on");
        return DIFFERS;
    }
    report.verdict.exit_code()
}

fn reproduction(args: &Args, seed: u64, kept: Option<&[Address]>) -> String {
    let mut line = format!("sim --seed {seed}");
    if args.clean {
        line.push_str(" --clean");
    }
    if args.idle {
        line.push_str(" --idle");
    }
    let mut list = |flag: &str, items: Vec<String>| {
        if !items.is_empty() {
            line.push_str(&format!(" --{flag} {}", items.join(",")));
        }
    };
    list("only", args.only.iter().map(Kind::to_string).collect());
    list("without", args.without.iter().map(Kind::to_string).collect());
    list("drop", args.drop.iter().map(Address::to_string).collect());
    if let Some(kept) = kept {
        list("keep", kept.iter().map(Address::to_string).collect());
    }
    line
}

fn hunt(args: &Args, seeds: Range<u64>) -> u8 {
    let hunt = Hunt {
        seeds,
        only: args.only.clone(),
        without: without(args).to_vec(),
        twice: args.twice,
        first: args.first,
        idle: args.idle,
        coverage: args.coverage,
        planted: planted(args),
    };
    let bag = hunt.go(|failure| report(args, failure));
    if !args.quiet {
        print!("{bag}");
    }
    if let Some(coverage) = &bag.coverage {
        print!("{coverage}");
    }
    if args.shrink
        && let Some(first) = bag.failures.first()
    {
        tell(args, first.seed);
    }
    if let Some(worst) = bag.failures.iter().map(code).max() {
        return worst;
    }
    let narrowed = !args.only.is_empty() || !without(args).is_empty() || args.first || args.idle;
    let zeros = bag.zeros();
    if narrowed || zeros.is_empty() {
        return 0;
    }
    for zero in &zeros {
        println!("{zero}");
    }
    BLIND
}

fn code(failure: &Failure) -> u8 {
    match &failure.how {
        How::Verdict(verdict) => verdict.exit_code(),
        How::Differs { .. } => DIFFERS,
    }
}

fn report(args: &Args, failure: &Failure) {
    let seed = failure.seed;
    match &failure.how {
        How::Verdict(Verdict::InStep(_)) => {}
        How::Verdict(verdict) => println!("{}  {verdict}", reproduction(args, seed, None)),
        How::Differs { step } => {
            println!("sim --seed {seed} --twice  two runs differ from step {step} on")
        }
    }
}
