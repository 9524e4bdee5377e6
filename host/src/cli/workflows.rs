//! `phasewright workflows`

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{client::Client, page::Page, show};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Workflows {
    #[command(subcommand)]
    command: Option<Command>,
    /// Show this one, with its document
    id: Option<String>,
    /// This version of it [default: the latest]
    #[arg(long, requires = "id")]
    version: Option<u32>,
    #[command(flatten)]
    page: Page,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the versions of one
    Versions {
        /// Which one
        id: String,
        #[command(flatten)]
        page: Page,
    },
    /// Show what a version has otherwise than another
    Diff {
        /// Which workflow
        id: String,
        /// The earlier version [default: the one before the later]
        #[arg(long)]
        from: Option<u32>,
        /// The later version [default: the latest]
        #[arg(long)]
        to: Option<u32>,
        #[command(flatten)]
        client: Client,
    },
    /// Let a version start nothing any more; what runs goes on
    Deprecate {
        #[command(flatten)]
        which: Which,
        /// Why, for whoever wants to start it
        #[arg(long)]
        reason: String,
    },
    /// Remove a version that no execution needs, or all of them
    Remove {
        /// Which workflow
        id: String,
        /// Only this version of it
        #[arg(long)]
        version: Option<u32>,
        #[command(flatten)]
        client: Client,
    },
    /// Let a deprecated version start executions again
    Restore {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    /// Which workflow
    id: String,
    /// Which version of it
    #[arg(long)]
    version: u32,
    #[command(flatten)]
    client: Client,
}

impl Which {
    fn set(&self, verb: &str, body: &Value) -> Result<()> {
        let version = self.version.to_string();
        let path = ["api", "workflows", &self.id, "versions", &version, verb];
        let stored = self.client.post(&path, body)?;
        if self.client.json {
            show::json(&stored);
        } else {
            println!("{} version {version}: {verb}d", self.id);
        }
        Ok(())
    }
}

/// A line for each change: + is new, - is gone.
fn show_difference(found: &Value) {
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes = &found["nodes"];
    for (sign, ids) in [("+", &nodes["added"]), ("-", &nodes["removed"])] {
        for id in each(ids) {
            println!("{sign} node {}", id.as_str().unwrap_or_default());
        }
    }
    let changes = |place: &str, changes: &Value| {
        for change in each(changes) {
            println!("{place}{}", change["pointer"].as_str().unwrap_or_default());
            for (sign, value) in [("-", change.get("before")), ("+", change.get("after"))] {
                if let Some(value) = value {
                    println!("  {sign} {value}");
                }
            }
        }
    };
    for node in each(&nodes["changed"]) {
        let place = format!("node {} ", node["id"].as_str().unwrap_or_default());
        changes(&place, &node["changes"]);
    }
    changes("", &found["document"]);
}

fn list(page: &Page, path: &[&str]) -> Result<()> {
    let mut found = page.get(path, &[])?;
    if !page.client.json {
        for item in found["items"].as_array_mut().into_iter().flatten() {
            item["deprecated"] = item["deprecated"]["reason"].take();
        }
    }
    let columns = [
        ("WORKFLOW", "id"),
        ("VERSION", "version"),
        ("NAME", "name"),
        ("CREATED", "created_at"),
        ("DEPRECATED", "deprecated"),
    ];
    show::page(&found, page.client.json, &columns);
    Ok(())
}

impl Workflows {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match (&self.command, &self.id) {
            (Some(Command::Versions { id, page }), _) => {
                list(page, &["api", "workflows", id, "versions"])?;
            }
            (
                Some(Command::Diff {
                    id,
                    from,
                    to,
                    client,
                }),
                _,
            ) => {
                let query = [("from", from), ("to", to)];
                let query = query.map(|(name, version)| (name, version.map(|it| it.to_string())));
                let found = client.get(&["api", "workflows", id, "diff"], &query)?;
                if client.json {
                    show::json(&found);
                } else {
                    show_difference(&found);
                }
            }
            (Some(Command::Deprecate { which, reason }), _) => {
                which.set("deprecate", &json!({ "reason": reason }))?;
            }
            (
                Some(Command::Remove {
                    id,
                    version,
                    client,
                }),
                _,
            ) => {
                let version = version.map(|version| version.to_string());
                match &version {
                    Some(version) => {
                        client.delete(&["api", "workflows", id, "versions", version])?;
                    }
                    None => client.delete(&["api", "workflows", id])?,
                }
            }
            (Some(Command::Restore { which }), _) => which.set("restore", &json!({}))?,
            (None, Some(id)) => {
                let query = [("version", self.version.map(|version| version.to_string()))];
                show::json(&self.page.client.get(&["api", "workflows", id], &query)?);
            }
            (None, None) => list(&self.page, &["api", "workflows"])?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
