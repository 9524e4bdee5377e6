//! `phasewright db`

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{DatabaseArgs, show};
use crate::store;

#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Show what takes how much room, also while hosts run on it
    Stats(Stats),
}

#[derive(Debug, Args)]
pub(super) struct Stats {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Db {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let Self::Stats(Stats { database, json }) = self;
        let sizes = store::sizes(&database.url).await;
        let sizes = sizes.context("failed to look into the database")?;
        let tables: Vec<_> = (sizes.tables.iter())
            .map(|table| json!({"table": table.name, "rows": table.rows, "bytes": table.bytes}))
            .collect();
        let executions: Vec<_> = (sizes.executions.iter())
            .map(|(status, count)| json!({"status": status, "executions": count}))
            .collect();
        if json {
            show::json(&json!({
                "bytes": sizes.bytes, "tables": tables, "executions": executions,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        let columns = [("TABLE", "table"), ("ROWS", "rows"), ("BYTES", "bytes")];
        show::table(&tables, &columns);
        println!();
        show::table(
            &executions,
            &[("STATUS", "status"), ("EXECUTIONS", "executions")],
        );
        println!("\n{} bytes in all", sizes.bytes);
        println!("components of phases are kept for good: executions run what they pinned");
        Ok(ExitCode::SUCCESS)
    }
}
