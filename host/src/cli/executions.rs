//! `phasewright executions`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::{client::Client, show};

#[derive(Debug, Args)]
pub(super) struct Executions {
    /// Show this one, with its nodes
    id: Option<String>,
    /// Only of this workflow
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// Only in this status: pending, running, `awaiting_checkpoint`, completed, failed, cancelled or `timed_out`
    #[arg(long)]
    status: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on where the page before ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    client: Client,
}

impl Executions {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match &self.id {
            Some(id) => self.show(&self.client.get(&["api", "executions", id], &[])?),
            None => self.list()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self) -> Result<()> {
        let mut query = vec![("limit", self.limit.to_string())];
        let optional = [
            ("workflow_id", &self.workflow),
            ("status", &self.status),
            ("cursor", &self.cursor),
        ];
        query.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.clone()?))),
        );
        let page = self.client.get(&["api", "executions"], &query)?;
        let columns = [
            ("EXECUTION", "execution_id"),
            ("WORKFLOW", "workflow_id"),
            ("VERSION", "version"),
            ("STATUS", "status"),
            ("CREATED", "created_at"),
            ("ERROR", "error"),
        ];
        show::page(&page, self.client.json, &columns);
        Ok(())
    }

    fn show(&self, execution: &Value) {
        if self.client.json {
            return show::json(execution);
        }
        for field in [
            "execution_id",
            "workflow_id",
            "version",
            "status",
            "created_at",
            "ended_at",
            "error",
        ] {
            match &execution[field] {
                Value::Null => {}
                Value::String(text) => println!("{field:13} {text}"),
                other => println!("{field:13} {other}"),
            }
        }
        println!();
        let nodes = execution["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let columns = [
            ("NODE", "id"),
            ("ITEM", "item"),
            ("PHASE", "phase"),
            ("STATUS", "status"),
            ("ATTEMPT", "attempt"),
            ("ERROR", "error"),
        ];
        show::table(nodes, &columns);
    }
}
