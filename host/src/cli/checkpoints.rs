//! `phasewright checkpoints`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{client::Client, page::Page, run, show};

#[derive(Debug, Args)]
pub(super) struct Checkpoints {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List checkpoints
    List {
        /// Only in this status: pending, approved, edited, rejected, expired or cancelled
        #[arg(long, default_value = "pending")]
        status: String,
        /// Only of this execution
        #[arg(long, value_name = "ID")]
        execution: Option<String>,
        /// Only of this workflow
        #[arg(long, value_name = "ID")]
        workflow: Option<String>,
        /// Only what this one could decide now; `me` for whoever has the token
        #[arg(long, value_name = "NAME")]
        reviewer: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Show one, with what is proposed
    Show {
        /// Which one
        id: String,
        #[command(flatten)]
        client: Client,
    },
    /// Go on with the output as proposed
    Approve(Decide),
    /// Go on with another output
    Edit {
        /// The output to go on with, as a JSON file; - reads standard input
        #[arg(long, value_name = "FILE")]
        content: PathBuf,
        #[command(flatten)]
        decide: Decide,
    },
    /// Fail the node or run it again, as the definition says
    Reject(Decide),
}

#[derive(Debug, Args)]
struct Decide {
    /// Which checkpoint
    id: String,
    /// What to tell those who read it later, and the phase that runs again
    #[arg(long)]
    notes: Option<String>,
    #[command(flatten)]
    client: Client,
}

impl Checkpoints {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match &self.command {
            Command::List {
                status,
                execution,
                workflow,
                reviewer,
                page,
            } => {
                let filter = [
                    ("status", Some(status.clone())),
                    ("execution_id", execution.clone()),
                    ("workflow_id", workflow.clone()),
                    ("reviewer", reviewer.clone()),
                ];
                let found = page.get(&["api", "checkpoints"], &filter)?;
                let columns = [
                    ("CHECKPOINT", "checkpoint_id"),
                    ("EXECUTION", "execution_id"),
                    ("NODE", "node"),
                    ("STATUS", "status"),
                    ("CREATED", "created_at"),
                    ("TITLE", "title"),
                ];
                show::page(&found, page.client.json, &columns);
            }
            Command::Show { id, client } => {
                show::json(&client.get(&["api", "checkpoints", id], &[])?);
            }
            Command::Approve(decide) => decide.send("approve", None)?,
            Command::Reject(decide) => decide.send("reject", None)?,
            Command::Edit { content, decide } => {
                decide.send("edit", Some(run::read_json(content)?))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Decide {
    fn send(&self, action: &str, content: Option<serde_json::Value>) -> Result<()> {
        let mut body = json!({"action": action});
        if let Some(content) = content {
            body["edited_content"] = content;
        }
        if let Some(notes) = &self.notes {
            body["notes"] = json!(notes);
        }
        let checkpoint = self
            .client
            .post(&["api", "checkpoints", &self.id, "resolve"], &body)?;
        if self.client.json {
            show::json(&checkpoint);
        } else {
            println!(
                "{} is {}",
                self.id,
                checkpoint["status"].as_str().unwrap_or("decided")
            );
        }
        Ok(())
    }
}
