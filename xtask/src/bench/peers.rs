//! `cargo xtask bench peers`: Phasewright beside its peers, on this machine, in one run.
//!
//! `engine` is what all engines have in common, `server` what some have, `catalog` is the list of
//! them; `phasewright`, `restate`, `obelisk` and `program` are the ways in which they are started and
//! driven. `turns` lets them take turns, `usage` reads what a turn has cost, `report` makes the table.
//!
//! **Invariant:** only the engine whose turn it is runs, on fresh data that is synced to the disk.

mod catalog;
mod engine;
mod install;
mod machine;
mod obelisk;
mod options;
mod phasewright;
mod postgres;
mod program;
mod recovery;
mod report;
mod restate;
mod server;
mod turns;
mod usage;
mod workload;

use std::{fs, process::ExitCode};

use anyhow::{Context, Result};

use crate::{arguments::Arguments, shell::say, toolchain, workspace::Workspace};
use options::Options;

/// What follows `bench peers` on the command line.
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let options = Options::read(arguments)?;
    let workspace = &super::measured(workspace, options.builds)?;
    toolchain::ensure_postgres()?;
    let entrants = catalog::prepare(workspace, &options.engines);
    let results = turns::take(&options, &entrants)?;
    let file = workspace.target().join("bench/peers.json");
    let document = serde_json::to_string_pretty(&results.document())?;
    fs::write(&file, document + "\n").with_context(|| format!("write {}", file.display()))?;
    print!("{}", results.table());
    say("all of it, round by round: target/bench/peers.json");
    Ok(ExitCode::SUCCESS)
}
