//! `landfall demo`: a workspace that misbehaves on purpose, a real mirror of it that is really
//! killed, and a proof at the end that both sides are equal.
//!
//! Nothing is acted. The server is that of [`serve`](crate::serve) on the loopback interface,
//! the mirror is a child process running `landfall mount`, and `kill -9` is one. What is printed as
//! said by the mirror are the decisions of the child's trace; the numbers are counted in the
//! server's log.

mod child;
mod compare;
mod stage;
mod story;
mod trace;

use std::path::PathBuf;

use clap::Args;
use thiserror::Error;

use crate::exit;
use crate::serve::ServeError;

/// See a mirror converge although everything goes wrong. Needs no account and no network.
///
/// Serves a made-up workspace on this computer, mirrors it with a real `landfall mount`, and breaks
/// things on purpose: a slow export, a 429, a kill -9, a lost feed and an empty listing. Exits
/// 0 only if both sides are equal at the end, by hash.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Keep the directory with the mirror, its traces and its log
    #[arg(long)]
    pub keep: bool,
    /// Change one byte of the mirror before the proof, to see that it is one
    #[arg(long, hide = true)]
    pub corrupt_one_byte: bool,
}

/// Why the demo did not end well.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The directory can not be made or read.
    #[error("can not use {path}: {why}. Set TMPDIR to a directory that can be written")]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The server does not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The mirror does not start, or can not be told something.
    #[error("can not run `landfall mount`: {0}")]
    Child(std::io::Error),
    /// The mirror ended by itself.
    #[error("the mirror ended by itself ({status}). It said:\n{said}")]
    Ended {
        /// How.
        status: String,
        /// The end of what it wrote on standard error.
        said: String,
    },
    /// Something that had to happen did not.
    #[error("gave up waiting until {until}. The mirror said:\n{said}")]
    Late {
        /// What.
        until: &'static str,
        /// The end of what it wrote on standard error.
        said: String,
    },
    /// The trace can not be read.
    #[error("a line of the trace can not be read: {0}")]
    Trace(serde_json::Error),
    /// The two sides differ at the end.
    #[error("mirror and server differ: {0}")]
    Different(compare::Difference),
}

/// Plays the demo. 0 if both sides are proved equal, else 1 and the reason on standard error.
pub async fn run(args: DemoArgs) -> u8 {
    match stage::play(&args).await {
        Ok(()) => exit::OK,
        Err(error) => {
            eprintln!("landfall demo: {error}");
            exit::FAILED
        }
    }
}
