//! Deciding at checkpoints on the command line.

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::{caller, explain};
use crate::{
    contract::{Checkpoint, Decision, Engine},
    service::Service,
};

/// What to do at a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Ask {
    /// Ask on the terminal
    #[value(name = "ask")]
    Terminal,
    /// Approve
    Approve,
    /// Reject
    Reject,
}

impl Ask {
    pub(super) async fn decide(self, service: &Service, id: &str) -> Result<()> {
        let checkpoint = service.checkpoints_get(caller(), id.to_owned()).await;
        let checkpoint =
            checkpoint.map_err(|error| explain("failed to read the checkpoint", error))?;
        let (decision, notes) = match self {
            Self::Approve => (Decision::Approve, None),
            Self::Reject => (Decision::Reject, None),
            Self::Terminal if io::stdin().is_terminal() => {
                tokio::task::block_in_place(|| ask(&checkpoint))?
            }
            Self::Terminal => bail!(
                "checkpoint {:?} of node {} needs a decision, and there is no terminal to ask on; \
                 use --checkpoints approve or reject",
                checkpoint.title,
                checkpoint.node
            ),
        };
        let resolved = service
            .checkpoints_resolve(caller(), id.to_owned(), decision, notes)
            .await;
        resolved
            .map(|_| ())
            .map_err(|error| explain("failed to decide", error))
    }
}

fn ask(checkpoint: &Checkpoint) -> Result<(Decision, Option<String>)> {
    let proposed: Value = serde_json::from_str(&checkpoint.proposed)?;
    println!("\n{}", checkpoint.title);
    if let Some(instructions) = &checkpoint.instructions {
        println!("{instructions}");
    }
    println!("{proposed:#}");
    loop {
        match prompt("[a]pprove, [e]dit or [r]eject? ")?
            .to_lowercase()
            .as_str()
        {
            "a" | "approve" => return Ok((Decision::Approve, notes()?)),
            "r" | "reject" => return Ok((Decision::Reject, notes()?)),
            "e" | "edit" => {
                let text = prompt("what to go on with, as JSON on one line: ")?;
                match serde_json::from_str::<Value>(&text) {
                    Ok(_) => return Ok((Decision::Edit(text), notes()?)),
                    Err(error) => println!("that is not JSON: {error}"),
                }
            }
            _ => println!("please answer a, e or r"),
        }
    }
}

fn notes() -> Result<Option<String>> {
    Ok(Some(prompt("notes (may be empty): ")?).filter(|notes| !notes.is_empty()))
}

fn prompt(question: &str) -> Result<String> {
    print!("{question}");
    io::stdout().flush()?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        bail!("nobody answered");
    }
    Ok(line.trim().to_owned())
}
