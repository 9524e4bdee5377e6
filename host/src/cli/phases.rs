//! `phasewright phases`

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{client::Client, show};

#[derive(Debug, Args)]
pub(super) struct Phases {
    /// Show this one, with its schemas
    name: Option<String>,
    #[command(flatten)]
    client: Client,
}

impl Phases {
    pub(super) fn run(&self) -> Result<ExitCode> {
        match &self.name {
            Some(name) => show::json(&self.client.get(&["api", "phases", name], &[])?),
            None => show::page(
                &self.client.get(&["api", "phases"], &[])?,
                self.client.json,
                &[
                    ("NAME", "name"),
                    ("VERSION", "version"),
                    ("DESCRIPTION", "description"),
                ],
            ),
        }
        Ok(ExitCode::SUCCESS)
    }
}
