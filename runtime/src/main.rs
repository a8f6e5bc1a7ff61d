//! The command line of Landfall.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use landfall::demo::{self, DemoArgs};
use landfall::disk::undo;
use landfall::mount::{MountArgs, MountError, log, mount};
use landfall::report::paths::{self, FileState};
use landfall::report::{Report, ReportError, report, why};
use landfall::roots::Root;
use landfall::serve::{self, ServeArgs};
use landfall::{exit, parity, roots};
use landfall_core::roots::Judgement;
use serde::Serialize;

/// Keeps a directory in step with a remote workspace, whatever the server does.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, about, max_term_width = 100)]
struct Cli {
    /// How to log on standard error
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mirror a remote workspace, and follow it
    Mount(MountArgs),
    /// See a mirror converge although everything goes wrong
    Demo(DemoArgs),
    /// Serve a sample workspace over the workspace HTTP API, with faults if wanted
    Serve(ServeArgs),
    /// Say how a mirror is; works while it runs and while it does not
    Status {
        /// The mirror
        #[arg(long, env = "RELAYFILE_LOCAL_DIR", default_value = ".")]
        local_dir: PathBuf,
        /// Machine-readable, under the schema landfall.status/1
        #[arg(long)]
        json: bool,
        /// With --json: what is known of each file, too
        #[arg(long, requires = "json")]
        files: bool,
    },
    /// Say what is known of a path, and what will happen to it and why
    Why {
        /// A remote path, or a file of the mirror
        path: String,
        /// The mirror
        #[arg(long, env = "RELAYFILE_LOCAL_DIR", default_value = ".")]
        local_dir: PathBuf,
    },
    /// Bring back what the remote deleted: the newest batch, or one of --list
    Undo {
        /// The mirror
        #[arg(long, env = "RELAYFILE_LOCAL_DIR", default_value = ".")]
        local_dir: PathBuf,
        /// List the batches of the trash
        #[arg(long)]
        list: bool,
        /// Bring this batch back
        #[arg(long, value_name = "N", conflicts_with = "list")]
        cycle: Option<u64>,
    },
    /// Forget what is recorded about a directory that is no mirror any more
    Forget {
        /// The directory
        local_dir: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = parity::without_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|why| why.exit());
    log(matches!(cli.log_format, LogFormat::Json));
    let code = match cli.command {
        Command::Mount(args) => mount(args).await.unwrap_or_else(|why| fail(why.code(), &why)),
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Status { local_dir, json, files } => status(local_dir, json, files),
        Command::Why { path, local_dir } => {
            match real(local_dir).and_then(|dir| why(&dir, &path)) {
                Ok(text) => say(&text, exit::OK),
                Err(why) => fail(code(&why), &why),
            }
        }
        Command::Undo { local_dir, list, cycle } => match real(local_dir) {
            Ok(dir) => undo(&dir, list, cycle),
            Err(why) => fail(code(&why), &why),
        },
        Command::Forget { local_dir } => match roots::forget(&local_dir, &roots::state_dir()) {
            Ok(true) => say(&format!("forgot {}\n", local_dir.display()), exit::OK),
            Ok(false) => say(&format!("{} was not known\n", local_dir.display()), exit::OK),
            Err(why) => fail(exit::FAILED, &why),
        },
    };
    // A disk operation that hangs would keep an ordinary return from ending the process.
    std::process::exit(code.into())
}

fn status(local_dir: PathBuf, json: bool, files: bool) -> u8 {
    if !local_dir.exists()
        && let Ok(root) = Root::look(&local_dir, &roots::state_dir())
        && root.is_known()
    {
        return fail(exit::HALTED, &MountError::Root(Judgement::Missing, root.path));
    }
    let answer = real(local_dir).and_then(|dir| {
        let report = report(&dir)?;
        let files = if files { Some(paths::files(&dir)?) } else { None };
        let text = match json {
            true => serde_json::to_string_pretty(&Answer { report: &report, files }),
            false => Ok(report.text()),
        };
        Ok((text.unwrap_or_default(), report.verdict))
    });
    match answer {
        Ok((text, verdict)) => say(&format!("{}\n", text.trim_end()), exit::of_verdict(verdict)),
        Err(why) => fail(code(&why), &why),
    }
}

/// The answer of `landfall status --json`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, FileState>>,
}

fn undo(dir: &Path, list: bool, cycle: Option<u64>) -> u8 {
    let batches = match undo::batches(dir) {
        Ok(batches) => batches,
        Err(why) => return fail(exit::FAILED, &why),
    };
    if list {
        let lines = batches.iter().map(|batch| {
            let at = humantime::format_rfc3339_seconds(batch.at);
            format!("{}  {} files, the last at {at}\n", batch.cycle, batch.files)
        });
        let text: String = lines.collect();
        return say(if text.is_empty() { "the trash is empty\n" } else { &text }, exit::OK);
    }
    let batch = match cycle {
        None => batches.last(),
        Some(cycle) => batches.iter().find(|batch| batch.cycle == cycle),
    };
    let Some(batch) = batch else {
        let text = "there is nothing to bring back; --list shows the batches of the trash\n";
        return say(text, exit::OK);
    };
    match undo::undo(dir, batch) {
        Ok(undone) if undone.taken.is_empty() => say(&undone.to_string(), exit::OK),
        Ok(undone) => say(&undone.to_string(), exit::PARTIAL),
        Err(why) => fail(exit::FAILED, &why),
    }
}

fn real(dir: PathBuf) -> Result<PathBuf, ReportError> {
    std::fs::canonicalize(&dir).map_err(|_| ReportError::NoMirror(dir))
}

fn code(why: &ReportError) -> u8 {
    match why {
        ReportError::NoMirror(_) => exit::NOT_INITIALISED,
        ReportError::Path(..) => exit::USAGE,
        _ => exit::FAILED,
    }
}

fn say(text: &str, code: u8) -> u8 {
    // Whoever closed the pipe does not want the rest.
    let _ = std::io::stdout().write_all(text.as_bytes());
    code
}

fn fail(code: u8, why: &dyn std::error::Error) -> u8 {
    eprintln!("error: {why}");
    code
}
