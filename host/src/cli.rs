//! The command line: `serve` runs a host, `run` and `validate` an engine of their
//! own, the others ask a host over HTTP.

mod bulk;
mod checkpoints;
mod client;
mod db;
mod executions;
mod page;
mod phases;
mod run;
mod serve;
mod show;
mod token;
mod validate;
mod workflows;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::{
    app,
    plugin::{MEMORY_BYTES_TOTAL, SandboxConfig},
};

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
    /// Run a definition here and now, in an engine of its own
    Run(run::Run),
    /// Check a definition, and name everything that is wrong with it
    Validate(validate::Validate),
    /// List the phases of a host, or show one
    Phases(phases::Phases),
    /// List the workflows of a host, show one, or look after its versions
    Workflows(workflows::Workflows),
    /// List the executions of a host, or show one
    Executions(executions::Executions),
    /// List the checkpoints of a host, show one, or decide on it
    Checkpoints(checkpoints::Checkpoints),
    /// Make a bearer token: it goes to standard error, its entry for the file of `serve --tokens`
    /// or `--engine-tokens` to standard output
    Token(token::Token),
    /// Look into a database
    #[command(subcommand)]
    Db(db::Db),
}

/// Where the state is.
#[derive(Debug, Args)]
struct DatabaseArgs {
    /// Database: `sqlite://FILE` or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`
    #[arg(
        long = "database",
        value_name = "URL",
        env = "DATABASE_URL",
        default_value = "sqlite://phasewright.db",
        hide_env_values = true
    )]
    url: String,
}

/// Where the phases are.
#[derive(Debug, Args)]
struct PhaseArgs {
    /// Folder with phases (*.wasm) and perhaps a phases.toml; may be given several times
    #[arg(
        long = "phases",
        value_name = "FOLDER",
        default_value = "target/phases"
    )]
    folders: Vec<PathBuf>,
    /// The component that evaluates expressions
    #[arg(long, value_name = "FILE", env = "PHASEWRIGHT_EVALUATOR", default_value = app::EVALUATOR)]
    evaluator: PathBuf,
    /// MiB of memory that all phases and expressions which run at a time may have together
    #[arg(
        long,
        value_name = "MIB",
        env = "PHASEWRIGHT_PHASE_MEMORY_MIB",
        default_value_t = MEMORY_BYTES_TOTAL >> 20,
        value_parser = clap::value_parser!(u64).range(64..=1 << 20)
    )]
    phase_memory_mib: u64,
}

impl PhaseArgs {
    fn sandbox(&self) -> SandboxConfig {
        SandboxConfig {
            memory_bytes_total: self.phase_memory_mib << 20,
            ..SandboxConfig::new(self.folders.clone(), self.evaluator.clone())
        }
    }
}

/// Runs the command of this process.
pub async fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Serve(serve) => serve.run().await,
        Command::Run(run) => run.run().await,
        Command::Validate(validate) => validate.run().await,
        Command::Phases(phases) => tokio::task::block_in_place(|| phases.run()),
        Command::Workflows(workflows) => tokio::task::block_in_place(|| workflows.run()),
        Command::Executions(executions) => tokio::task::block_in_place(|| executions.run()),
        Command::Checkpoints(checkpoints) => tokio::task::block_in_place(|| checkpoints.run()),
        Command::Token(token) => token.run(),
        Command::Db(db) => db.run().await,
    }
}
