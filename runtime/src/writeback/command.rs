//! The command line of all this.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::list::{self, State};
use super::status::WritebackStatus;
use super::tell::{TellError, Want, op_name, tell};
use super::view::View;
use crate::commands::{fail, real, say};
use crate::exit;

/// What is asked of the way to the server.
#[derive(Clone, Debug, Subcommand)]
pub enum WritebackCommand {
    /// Say whether everything is delivered; exits 3 only while a person has to do something
    Status {
        #[command(flatten)]
        mirror: Mirror,
        /// Machine-readable, under the schema landfall.writeback/1
        #[arg(long)]
        json: bool,
    },
    /// List the changes that are not delivered
    List {
        #[command(flatten)]
        mirror: Mirror,
        /// Only these
        #[arg(long, value_enum)]
        state: Option<State>,
        /// Machine-readable, an array
        #[arg(long)]
        json: bool,
    },
    /// Show one change: what was sent, what the server said, where its content is kept
    Show {
        /// A name that `list` or `status` tells
        op: String,
        #[command(flatten)]
        mirror: Mirror,
        /// Machine-readable, under the schema landfall.writeback/1
        #[arg(long)]
        json: bool,
    },
    /// Send a dead letter again, or all of them
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Retry {
        /// The dead letter
        #[arg(long, value_name = "OP", alias = "opId", group = "which")]
        op_id: Option<String>,
        /// All dead letters
        #[arg(long, group = "which")]
        all: bool,
        #[command(flatten)]
        mirror: Mirror,
    },
    /// Give a dead letter up; what is at its path here stays, unsent
    Discard {
        /// The dead letter
        op: String,
        #[command(flatten)]
        mirror: Mirror,
    },
}

/// Which mirror.
#[derive(Args, Clone, Debug)]
pub struct Mirror {
    /// The mirror
    #[arg(long, env = "RELAYFILE_LOCAL_DIR", default_value = ".")]
    pub local_dir: PathBuf,
}

impl WritebackCommand {
    /// Does it, and answers the exit code.
    pub async fn run(self) -> u8 {
        let (Self::Status { mirror, .. }
        | Self::List { mirror, .. }
        | Self::Show { mirror, .. }
        | Self::Retry { mirror, .. }
        | Self::Discard { mirror, .. }) = &self;
        let root = match real(mirror.local_dir.clone()) {
            Ok(root) => root,
            Err(why) => return fail(why.code(), &why),
        };
        let answer = match self {
            Self::Status { json, .. } => status(&root, json),
            Self::List { state, json, .. } => list(&root, state, json),
            Self::Show { op, json, .. } => show(&root, &op, json),
            Self::Retry { op_id, .. } => tell(&root, op_id.as_deref(), Want::Retry).await,
            Self::Discard { op, .. } => tell(&root, Some(&op), Want::Discard).await,
        };
        match answer {
            Ok((text, code)) => say(&text, code),
            Err(why) => fail(why.code(), &why),
        }
    }
}

fn status(root: &Path, json: bool) -> Result<(String, u8), TellError> {
    let status = WritebackStatus::new(&View::read(root)?);
    Ok((if json { pretty(&status) } else { status.text() }, status.code()))
}

fn list(root: &Path, state: Option<State>, json: bool) -> Result<(String, u8), TellError> {
    let items = list::items(&View::read(root)?, state);
    Ok((if json { pretty(&items) } else { list::text(&items) }, exit::OK))
}

fn show(root: &Path, op: &str, json: bool) -> Result<(String, u8), TellError> {
    let view = View::read(root)?;
    let shows = list::show(root, &view, op_name(op)?);
    let shows = shows.ok_or_else(|| TellError::NotThere(op.to_owned()))?;
    Ok((if json { pretty(&shows) } else { shows.text(root) }, exit::OK))
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
