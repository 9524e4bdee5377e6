//! `cargo xtask serve`: a host to try things with.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::{
    arguments::Arguments, build, cleanup::ChildGuard, host::wait, shell, workspace::Workspace,
};

/// Builds, then serves with the arguments that follow.
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    build::all(workspace)?;
    let given = arguments.into_vec();
    let is_given = |name: &str| {
        let mut given = given.iter().filter_map(|argument| argument.to_str());
        given.any(|argument| argument.split('=').next() == Some(name))
    };
    let mut serve = Command::new(workspace.phasewright());
    serve.arg("serve");
    // It runs where the command was given, so that paths mean there what they say; what nobody names
    // is in the workspace.
    for (name, path) in [
        ("--app", workspace.root.join("spin.toml")),
        ("--phases", workspace.phases()),
        ("--evaluator", workspace.evaluator()),
    ] {
        if !is_given(name) {
            serve.arg(name).arg(path);
        }
    }
    serve.args(&given);
    shell::announce(&serve);
    let child = ChildGuard::spawn(&mut serve).context("start phasewright")?;
    let status = wait(&child, std::time::Duration::MAX)?;
    Ok(ExitCode::from(u8::from(!status.success())))
}
