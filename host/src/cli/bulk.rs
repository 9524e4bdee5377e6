//! `phasewright executions all`: the same with many.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{client::Client, show};

/// Executions that are asked about at once, as many as the host takes.
const PAGE: u32 = 200;

#[derive(Debug, Subcommand)]
pub(super) enum Many {
    /// Hold them: nothing begins any more, what runs goes on to its end
    Pause(Stop),
    /// Let those go on that are paused, failed, cancelled or timed out
    Resume(Which),
    /// End them
    Cancel(Stop),
    /// Start anew those that are over, with the outputs of nodes that need not run again
    Rerun(Rerun),
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Only of this workflow
    #[arg(long, value_name = "ID")]
    workflow: Option<String>,
    /// Only of this version
    #[arg(long = "of-version", value_name = "VERSION")]
    version: Option<u32>,
    /// Only in this status
    #[arg(long)]
    status: Option<String>,
    /// Only those created then or later, such as 2026-11-20T08:15:00Z
    #[arg(long, value_name = "TIME")]
    created_from: Option<String>,
    /// Only those created earlier
    #[arg(long, value_name = "TIME")]
    created_before: Option<String>,
    /// Only say what would become of each
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    client: Client,
}

#[derive(Debug, Args)]
pub(super) struct Stop {
    /// Why, for those who read it later
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub(super) struct Rerun {
    /// Run this node again, with all that depends on it (may be repeated) [default: what did not complete]
    #[arg(long, value_name = "NODE")]
    from: Vec<String>,
    /// Run this version [default: that of the old one]
    #[arg(long)]
    version: Option<u32>,
    #[command(flatten)]
    which: Which,
}

impl Many {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match self {
            Self::Pause(stop) => stop.which.apply("pause", &json!({"reason": stop.reason})),
            Self::Cancel(stop) => stop.which.apply("cancel", &json!({"reason": stop.reason})),
            Self::Resume(which) => which.apply("resume", &json!({})),
            Self::Rerun(rerun) => {
                let body = json!({"from": rerun.from, "version": rerun.version});
                rerun.which.apply("rerun", &body)
            }
        }
    }
}

impl Which {
    /// Page after page, to the end: newest first, so that what a rerun starts is not among what is
    /// run again. Fails when it was not possible for some.
    fn apply(&self, verb: &str, body: &Value) -> Result<ExitCode> {
        let mut cursor = None;
        let (mut done, mut refused) = (0, 0);
        loop {
            let query = self.query(cursor);
            let page =
                (self.client).post_with(&["api", "executions", "all", verb], &query, body)?;
            if self.client.json {
                show::json(&page);
            }
            for item in page["items"].as_array().into_iter().flatten() {
                let id = item["execution_id"].as_str().unwrap_or_default();
                if let Some(detail) = item["problem"]["detail"].as_str() {
                    refused += 1;
                    eprintln!("{id}: {detail}");
                    continue;
                }
                done += 1;
                if !self.client.json {
                    println!("{}", became(id, &item["execution"]));
                }
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let what = if self.dry_run { "possible" } else { "done" };
        eprintln!("{done} {what}, {refused} not");
        Ok(ExitCode::from(u8::from(refused > 0)))
    }

    fn query(&self, cursor: Option<String>) -> [(&'static str, Option<String>); 8] {
        [
            ("workflow_id", self.workflow.clone()),
            ("version", self.version.map(|version| version.to_string())),
            ("status", self.status.clone()),
            ("created_from", self.created_from.clone()),
            ("created_before", self.created_before.clone()),
            ("dry_run", self.dry_run.then(|| "true".to_owned())),
            ("limit", Some(PAGE.to_string())),
            ("cursor", cursor),
        ]
    }
}

/// Where an execution stands, or which one a rerun started.
fn became(id: &str, execution: &Value) -> String {
    let status = execution["status"].as_str().unwrap_or_default();
    match execution["execution_id"].as_str() {
        Some(new) if new != id => format!("{id} runs again as {new}"),
        _ => format!("{id} is {status}"),
    }
}
