//! The command line.

mod serve;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::app;

/// Durable DAG workflows on WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "phasewright", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API and run executions
    Serve(serve::Serve),
}

/// Where the phases are.
#[derive(Debug, Args)]
struct PhaseArgs {
    /// Folder with phases (*.wasm) and perhaps a phases.toml; may be given several times
    #[arg(long = "phases", value_name = "FOLDER", default_value = "target/phases")]
    folders: Vec<PathBuf>,
    /// The component that evaluates expressions
    #[arg(long, value_name = "FILE", env = "PHASEWRIGHT_EVALUATOR", default_value = app::EVALUATOR)]
    evaluator: PathBuf,
}

/// Runs the command of this process.
pub async fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(serve) => serve.run().await,
    }
}
