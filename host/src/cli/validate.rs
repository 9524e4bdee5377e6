//! `phasewright validate`

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{PhaseArgs, run, show};
use crate::{
    app,
    service::{self, CheckError},
};

#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The definition, a JSON file; - reads standard input
    definition: PathBuf,
    #[command(flatten)]
    phases: PhaseArgs,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let document = run::read_json(&self.definition)?;
        let wasm = app::open_wasm()?;
        let runner = app::open_sandbox(&wasm, &self.phases.sandbox()).await?;
        let violations = match service::check_definition(&runner, &document, None).await {
            Ok(_) => Vec::new(),
            Err(CheckError::Invalid(violations)) => violations,
            Err(error) => return Err(error.into()),
        };
        let is_valid = violations.is_empty();
        if self.json {
            show::json(&json!({"valid": is_valid, "errors": violations}));
        } else if is_valid {
            println!("{} is valid", self.definition.display());
        } else {
            for violation in &violations {
                println!("{}: {}", violation.pointer, violation.message);
            }
        }
        Ok(if is_valid {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}
