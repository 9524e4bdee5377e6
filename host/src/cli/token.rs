//! `phasewright token`

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::show;
use crate::{
    access::{ME, Scope},
    workflow::{Digest, IdentityName},
};

/// Bytes of chance in a token: more than anybody can try.
const TOKEN_BYTES: usize = 32;

#[derive(Debug, Args)]
pub(super) struct Token {
    /// Who has it: a person or a program
    name: IdentityName,
    /// What it is good for: read, start, control, review, define, engine, group:NAME
    #[arg(long, value_delimiter = ',', required = true)]
    scopes: Vec<Scope>,
    /// Print the token and its entry as JSON
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(super) fn run(&self) -> Result<ExitCode> {
        if self.name.as_str() == ME {
            bail!("{ME} is nobody's name: it is whoever asks");
        }
        let token = token()?;
        let digest = Digest::of(token.as_bytes());
        // Each once, however often it was asked for.
        let scopes: BTreeSet<_> = self.scopes.iter().collect();
        let scopes: Vec<_> = scopes.into_iter().map(ToString::to_string).collect();
        let name = &self.name;
        if self.json {
            show::json(&json!({
                "token": token, "name": name, "sha256": digest, "scopes": scopes,
            }));
            return Ok(ExitCode::SUCCESS);
        }
        // Names, digests and scopes need no escapes.
        println!("[[token]]\nname = \"{name}\"\nsha256 = \"{digest}\"\nscopes = {scopes:?}");
        // Apart from the entry, which may be on its way into the file.
        eprintln!("the token of {name}, which nothing keeps: {token}");
        Ok(ExitCode::SUCCESS)
    }
}

/// Its beginning tells people, and programs that look for leaked secrets, what it is.
fn token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).context("failed to get chance from the system")?;
    let mut token = String::from("phasewright_");
    for byte in bytes {
        token.push_str(&format!("{byte:02x}"));
    }
    Ok(token)
}
