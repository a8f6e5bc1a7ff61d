//! The simulator's command line.

mod cli;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use cli::DIFFERS;
use landfall_sim::enumerate::{happy_path, kills};
use landfall_sim::faults::{Address, Kind};
use landfall_sim::fleet::{Fleet, Night};
use landfall_sim::hunt::{Failure, How, Hunt};
use landfall_sim::options::Ways;
use landfall_sim::run::{Recipe, Report, Verdict, run};
use landfall_sim::scenario::{self, Scenario};
use landfall_sim::shrink::shrink;
use landfall_sim::story::brief;
use landfall_sim::world::Planted;

/// A run allocates and frees a few hundred thousand small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A kind never struck, or an oracle never judged.
const BLIND: u8 = 25;

/// What makes no sense where a run is spelled out.
const NOT_SPELLED_OUT: [&str; 9] =
    ["seeds", "fleet", "only", "without", "ways", "clean", "idle", "keep", "drop"];

/// Tries to break the machine of Landfall, and tells what happened.
///
/// Exit codes: 0 in step, 21 safety, 22 liveness, 23 crash, 24 two runs of one seed differ,
/// 25 a kind of fault never struck or an oracle never had anything to judge.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(group(ArgGroup::new("run").args(["seed", "scenario"])))]
struct Args {
    #[command(subcommand)]
    command: Option<cli::Command>,
    /// Tell the run of one seed.
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Hunt through many seeds on all cores.
    #[arg(long, value_name = "A..B", value_parser = cli::range)]
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
    /// Which way bytes go in every run. Else half of the runs only pull, and most others go both
    /// ways.
    #[arg(long, value_name = "WAYS", value_enum)]
    ways: Option<Ways>,
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
    /// Write the run, spelled out, as a scenario; `-` for the output.
    #[arg(long, value_name = "FILE", requires = "run")]
    save: Option<PathBuf>,
    /// Write a test that replays the run, spelled out; `-` for the output.
    #[arg(long, value_name = "FILE", requires = "run")]
    emit_test: Option<PathBuf>,
    /// Run a scenario that `--save` wrote.
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_SPELLED_OUT)]
    scenario: Option<PathBuf>,
    /// Draw the run as a page for a browser; with `--shrink`, the smallest run beside it.
    #[arg(long, value_name = "FILE", requires = "run")]
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
    /// Record every event and effect of one run, for `sim replay`.
    #[arg(long, value_name = "FILE", requires = "run")]
    trace: Option<std::path::PathBuf>,
    /// Print the verdict only.
    #[arg(long)]
    quiet: bool,
    /// Tell every event and effect of the machine, and the faults by their addresses, too.
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    what_if: cli::what_if::WhatIf,
    #[command(flatten)]
    same: cli::same::Same,
    #[command(flatten)]
    scale: cli::scale::Scale,
    /// Plant a defect in the simulator itself: runs differ, and `--twice` has to find it.
    #[arg(long, hide = true)]
    planted: bool,
    /// Plant the canary: a defect that every hunt of some seeds has to find.
    #[arg(long, hide = true)]
    canary: bool,
}

impl Args {
    /// The files that are to be written.
    fn keep_it(&self, recipe: &Recipe) -> Result<(), String> {
        if self.save.is_none() && self.emit_test.is_none() {
            return Ok(());
        }
        let scenario = Scenario::of(recipe).ok_or("the run does not fail; nothing is written")?;
        if let Some(file) = &self.save {
            scenario::write(file, &(scenario.json() + "\n"))?;
        }
        if let Some(file) = &self.emit_test {
            scenario::write(file, &scenario.test())?;
        }
        Ok(())
    }

    /// The line that does this again.
    fn again(&self, seed: u64) -> String {
        let of = |file: &Path| format!("sim --scenario {}{}", file.display(), self.defect());
        let mut line = match &self.scenario {
            Some(file) => of(file),
            None => reproduction(self, seed, self.keep.as_deref()),
        };
        match &self.save {
            Some(file) if *file != *"-" => line = of(file),
            _ if self.shrink => line.push_str(" --shrink"),
            _ => {}
        }
        line
    }

    /// The option that plants a defect, if one is planted.
    fn defect(&self) -> &'static str {
        match (self.canary, self.planted) {
            (true, _) => " --canary",
            (_, true) => " --planted",
            _ => "",
        }
    }

    /// What the run is called.
    fn name(&self, seed: u64) -> String {
        self.scenario.as_ref().map_or(format!("seed {seed}"), |file| file.display().to_string())
    }
}

/// The run that a scenario spells out.
fn spelled_out(file: &Path) -> Result<Recipe, String> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("{} can not be read: {e}", file.display()))?;
    let scenario = Scenario::read(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(scenario.recipe())
}

fn planted(args: &Args) -> Planted {
    match (args.canary, args.planted) {
        (true, _) => Planted::Canary,
        (false, true) => Planted::Leak,
        (false, false) => Planted::Nothing,
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic of the machine is a verdict, told where the run is told.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(command) = args.command {
        return ExitCode::from(command.run());
    }
    if args.same.is_wanted() {
        return ExitCode::from(args.same.run(planted(&args), args.quiet));
    }
    if let Some(machines) = args.fleet {
        return ExitCode::from(fleet(machines));
    }
    if args.enumerate_kills {
        return ExitCode::from(enumerate(args.seed.unwrap_or(7)));
    }
    let code = match (&args.seeds, args.seed, &args.scenario) {
        (Some(seeds), ..) => hunt(&args, seeds.clone()),
        (None, Some(seed), _) => tell(&args, recipe(&args, seed)),
        (None, None, Some(file)) => match spelled_out(file) {
            Ok(recipe) => tell(&args, Recipe { planted: planted(&args), ..recipe }),
            Err(why) => {
                eprintln!("sim: {why}");
                2
            }
        },
        (None, None, None) => {
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
    if let Some(ways) = args.ways {
        recipe.options.go(ways);
    }
    if args.idle {
        recipe.options.idle();
    }
    recipe.removed.clone_from(&args.drop);
    recipe.kept.clone_from(&args.keep);
    recipe.planted = planted(args);
    recipe
}

/// Tells one run, and writes the files about it that are wanted.
fn tell(args: &Args, mut recipe: Recipe) -> u8 {
    let seed = recipe.options.seed;
    let name = args.name(seed);
    if args.what_if.is_wanted() {
        return args.what_if.run(&recipe);
    }
    let found = recipe.clone();
    if args.shrink {
        let Some(shrunk) = shrink(&recipe) else {
            println!("{name} does not fail, so there is nothing to shrink");
            return 0;
        };
        println!(
            "{} of {} faults are needed for {} ({} runs)",
            shrunk.needed.len(),
            shrunk.from,
            shrunk.signature.0,
            shrunk.runs
        );
        if !shrunk.is_minimal {
            println!("patience ran out: some of them may not be needed");
        }
        if shrunk.recipe.options.seed != seed {
            let other = shrunk.recipe.options.seed;
            println!("it takes fewer faults under seed {other}, so that run is told");
        }
        recipe = shrunk.recipe;
    }
    if let Err(why) = args.keep_it(&recipe) {
        eprintln!("sim: {why}");
        return 1;
    }
    recipe.story = !args.quiet;
    recipe.told_steps = args.verbose;
    recipe.trace = args.trace.is_some();
    let report = run(&recipe);
    if let Some(path) = &args.trace
        && let Err(why) = landfall_sim::replay::write(path, &report.recorded)
    {
        eprintln!("sim: the trace can not be written to {}: {why}", path.display());
        return 1;
    }
    print(args, seed, &recipe, &report);
    if let Some(file) = &args.report {
        let line = args.again(seed);
        let runs = [("the smallest run", &recipe), ("as it was found", &found)];
        let runs = if args.shrink { &runs[..] } else { &runs[1..] };
        match landfall_sim::report::write(file, runs, &line) {
            Ok(()) => println!("report: {}", file.display()),
            Err(why) => {
                eprintln!("sim: {} can not be written: {why}", file.display());
                return 1;
            }
        }
    }
    if args.twice && run(&recipe).hash != report.hash {
        let step = landfall_sim::hunt::first_difference(&recipe);
        println!("{name}: two runs differ from step {step} on");
        return DIFFERS;
    }
    report.verdict.exit_code()
}

/// Prints what became of a run.
fn print(args: &Args, seed: u64, recipe: &Recipe, report: &Report) {
    let failed = report.verdict.exit_code() != 0;
    let brief = args.shrink || args.scenario.is_some();
    if brief && failed && !args.verbose && !args.quiet {
        print!("{}", brief::tell(recipe, report));
    } else {
        if !args.quiet {
            print!("{}", recipe.options);
            print!("{}", report.story);
        }
        if args.verbose {
            for address in &report.fired {
                println!("struck: {address}");
            }
        }
        println!("{}: {}", args.name(seed), report.verdict);
        println!(
            "hash {:016x}, {} steps, {} faults, {} starts",
            report.hash,
            report.counts.steps,
            report.fired.len(),
            report.counts.starts
        );
    }
    if failed {
        println!("reproduce: {}", args.again(seed));
    }
}

fn reproduction(args: &Args, seed: u64, kept: Option<&[Address]>) -> String {
    let mut line = format!("sim --seed {seed}");
    if args.clean {
        line.push_str(" --clean");
    }
    if args.idle {
        line.push_str(" --idle");
    }
    match args.ways {
        Some(Ways::One) => line.push_str(" --ways one"),
        Some(Ways::Both) => line.push_str(" --ways both"),
        Some(Ways::Out) => line.push_str(" --ways out"),
        None => {}
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
    line.push_str(args.defect());
    line
}

fn hunt(args: &Args, seeds: Range<u64>) -> u8 {
    let seeds = args.scale.seeds(seeds);
    let hunt = Hunt {
        seeds: seeds.clone(),
        only: args.only.clone(),
        without: without(args).to_vec(),
        twice: args.twice,
        first: args.first,
        idle: args.idle,
        ways: args.ways,
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
        tell(args, recipe(args, first.seed));
    }
    let narrowed = !args.only.is_empty()
        || !without(args).is_empty()
        || args.first
        || args.idle
        || args.ways.is_some();
    let zeros = if narrowed { Vec::new() } else { bag.zeros() };
    let worst = bag.failures.iter().map(code).max();
    let code = worst.unwrap_or(if zeros.is_empty() { 0 } else { BLIND });
    if worst.is_none() {
        zeros.iter().for_each(|zero| println!("{zero}"));
    }
    match args.scale.write(&seeds, &bag, code, |failure| reproduce(args, failure)) {
        true => code,
        false => 1,
    }
}

fn code(failure: &Failure) -> u8 {
    match &failure.how {
        How::Verdict(verdict) => verdict.exit_code(),
        How::Differs { .. } => DIFFERS,
    }
}

fn report(args: &Args, failure: &Failure) {
    let line = reproduce(args, failure);
    match &failure.how {
        How::Verdict(Verdict::InStep(_)) => {}
        How::Verdict(verdict) => println!("{line}  {verdict}"),
        How::Differs { step } => println!("{line}  two runs differ from step {step} on"),
    }
}

/// The command that shows a failure again.
fn reproduce(args: &Args, failure: &Failure) -> String {
    let line = reproduction(args, failure.seed, None);
    match &failure.how {
        How::Verdict(_) => line,
        How::Differs { .. } => line + " --twice",
    }
}
