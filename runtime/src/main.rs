//! The command line of Landfall.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use landfall::commands::{fail, real, say, status, undo};
use landfall::conflicts::ConflictsCommand;
use landfall::demo::{self, DemoArgs};
use landfall::mount::{MountArgs, duration, log, mount};
use landfall::report::why;
use landfall::serve::{self, ServeArgs};
use landfall::writeback::{Mirror, WritebackCommand, wait};
use landfall::{exit, parity, roots};
use landfall_core::time::Ms;

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
    /// See to the changes that are not delivered: status, list, show, retry, discard
    #[command(subcommand)]
    Writeback(WritebackCommand),
    /// See to files that were changed on both sides: list, show, resolve
    #[command(subcommand)]
    Conflicts(ConflictsCommand),
    /// Wait until everything is in step, or say what keeps it; exit code 75 if it is not in time
    Wait {
        /// Only for this remote path, or file of the mirror
        #[arg(long)]
        path: Option<String>,
        /// At most so long
        #[arg(long, default_value = "60s", value_parser = duration)]
        timeout: Ms,
        #[command(flatten)]
        mirror: Mirror,
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
                Err(why) => fail(why.code(), &why),
            }
        }
        Command::Writeback(command) => command.run().await,
        Command::Conflicts(command) => command.run(),
        Command::Wait { path, timeout, mirror } => match real(mirror.local_dir) {
            Ok(dir) => match wait(&dir, path.as_deref(), timeout).await {
                Ok((text, code)) => say(&text, code),
                Err(why) => fail(why.code(), &why),
            },
            Err(why) => fail(why.code(), &why),
        },
        Command::Undo { local_dir, list, cycle } => match real(local_dir) {
            Ok(dir) => undo(&dir, list, cycle),
            Err(why) => fail(why.code(), &why),
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
