//! The program `landfall`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use landfall::{demo, serve};

/// A sync agent that always converges.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(Box<serve::ServeArgs>),
    Demo(demo::DemoArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().verb {
        Verb::Serve(args) => serve::run(*args).await,
        Verb::Demo(args) => demo::run(args).await,
    }
}
