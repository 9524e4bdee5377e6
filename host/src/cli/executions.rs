//! `phasewright executions`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{bulk::Many, client::Client, page::Page, run, show};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Executions {
    #[command(subcommand)]
    command: Option<Command>,
    /// Show this one, with its nodes
    id: Option<String>,
    /// Only of this workflow
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// Only in this status: pending, running, `awaiting_checkpoint`, paused, completed, failed, cancelled or `timed_out`
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold one: nothing begins any more, what runs goes on to its end
    Pause(Stop),
    /// Let one go on that is paused, failed, cancelled or timed out
    Resume {
        /// Which one
        id: String,
        #[command(flatten)]
        client: Client,
    },
    /// End one
    Cancel(Stop),
    /// Let one that waits go on by a newer version of its definition
    Migrate(Migrate),
    /// Start one anew, with the outputs of those nodes that need not run again
    Rerun(Rerun),
    /// Do the same with many
    #[command(subcommand)]
    All(Many),
}

#[derive(Debug, Args)]
struct Rerun {
    /// Which one
    id: String,
    /// Run this node again, with all that depends on it (may be repeated) [default: what did not complete]
    #[arg(long, value_name = "NODE")]
    from: Vec<String>,
    /// Run this version [default: that of the old one]
    #[arg(long)]
    version: Option<u32>,
    /// The input, a JSON file with an object; - reads standard input [default: that of the old one]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Only show what would run
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    client: Client,
}

impl Rerun {
    fn send(&self) -> Result<()> {
        let mut body = json!({"from": self.from, "version": self.version});
        if let Some(input) = &self.input {
            body["input"] = run::read_json(input)?;
        }
        let query = [("dry_run", Some(self.dry_run.to_string()))];
        let path = ["api", "executions", &self.id, "rerun"];
        let answer = self.client.post_with(&path, &query, &body)?;
        if self.client.json {
            show::json(&answer);
        } else if self.dry_run {
            for (title, nodes) in [("runs", &answer["run"]), ("takes over", &answer["taken"])] {
                println!("{title:10} {}", words(nodes));
            }
        } else {
            println!("{}", answer["execution_id"].as_str().unwrap_or_default());
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
struct Migrate {
    /// Which one
    id: String,
    /// To this version
    #[arg(long)]
    version: u32,
    /// Only show what would change, or what is in the way
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    client: Client,
}

impl Migrate {
    fn send(&self) -> Result<()> {
        let body = json!({"version": self.version});
        let query = [("dry_run", Some(self.dry_run.to_string()))];
        let path = ["api", "executions", &self.id, "migrate"];
        let answer = self.client.post_with(&path, &query, &body)?;
        if self.client.json {
            show::json(&answer);
        } else if self.dry_run {
            for title in ["kept", "added", "removed", "phases"] {
                println!("{title:10} {}", words(&answer[title]));
            }
        } else {
            let status = answer["status"].as_str().unwrap_or_default();
            println!("{} is {status}, by version {}", self.id, answer["version"]);
        }
        Ok(())
    }
}

/// The texts of an array in one line.
fn words(texts: &Value) -> String {
    let texts = texts.as_array().into_iter().flatten();
    let texts: Vec<_> = texts.filter_map(Value::as_str).collect();
    texts.join(" ")
}

#[derive(Debug, Args)]
struct Stop {
    /// Which one
    id: String,
    /// Why, for those who read it later
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    client: Client,
}

impl Stop {
    fn send(&self, verb: &str) -> Result<()> {
        let body = match &self.reason {
            Some(reason) => json!({ "reason": reason }),
            None => json!({}),
        };
        steer(&self.client, &self.id, verb, &body)
    }
}

/// Asks for a change of an execution and says where it stands then.
fn steer(client: &Client, id: &str, verb: &str, body: &Value) -> Result<()> {
    let summary = client.post(&["api", "executions", id, verb], body)?;
    if client.json {
        show::json(&summary);
    } else {
        println!("{id} is {}", summary["status"].as_str().unwrap_or(verb));
    }
    Ok(())
}

impl Executions {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match (&self.command, &self.id) {
            (Some(Command::Pause(stop)), _) => stop.send("pause")?,
            (Some(Command::Cancel(stop)), _) => stop.send("cancel")?,
            (Some(Command::Resume { id, client }), _) => steer(client, id, "resume", &json!({}))?,
            (Some(Command::Migrate(migrate)), _) => migrate.send()?,
            (Some(Command::Rerun(rerun)), _) => rerun.send()?,
            (Some(Command::All(many)), _) => return many.run(),
            (None, Some(id)) => {
                self.show(&self.page.client.get(&["api", "executions", id], &[])?);
            }
            (None, None) => self.list()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self) -> Result<()> {
        let filter = [
            ("workflow_id", self.workflow.clone()),
            ("status", self.status.clone()),
        ];
        let page = self.page.get(&["api", "executions"], &filter)?;
        let columns = [
            ("EXECUTION", "execution_id"),
            ("WORKFLOW", "workflow_id"),
            ("VERSION", "version"),
            ("STATUS", "status"),
            ("CREATED", "created_at"),
            ("ERROR", "error"),
        ];
        show::page(&page, self.page.client.json, &columns);
        Ok(())
    }

    fn show(&self, execution: &Value) {
        if self.page.client.json {
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
