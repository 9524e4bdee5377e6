//! Property tests of a running server, made from its own `OpenAPI` document, by schemathesis.
//!
//! It finds what the tests that were thought of do not: no answer may be a 5xx, have a status or a
//! body that the document does not say, or come to a method that is none.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{
    arguments::{Argument, Arguments},
    build,
    cleanup::TempFolder,
    host::Setup,
    python, shell,
    workspace::Workspace,
};

/// What every answer has to keep. What the document cannot say (which of the ids that it makes up
/// exist) is nobody's mistake, so whether good data is taken is not among them.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method";

/// Random requests to each operation, beside the systematic ones.
const EXAMPLES: u32 = 8;

/// `cargo xtask schemathesis`
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let (mut examples, mut seed) = (100, fastrand::u32(..));
    arguments.parse(|argument, values| {
        match argument {
            Argument::Option("examples") => examples = values.next()?,
            Argument::Option("seed") => seed = values.next()?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    build::all(workspace)?;
    let program = install(workspace)?;
    run(workspace, &program, examples, seed)?;
    Ok(ExitCode::SUCCESS)
}

/// A short run, for the tests; the remark has the seed. Where nothing can be installed, it says so.
pub fn check(workspace: &Workspace) -> Result<String> {
    let program = match install(workspace) {
        Ok(program) => program,
        Err(error) => return Ok(format!("NOT CHECKED: {error:#}")),
    };
    let seed = fastrand::u32(..);
    run(workspace, &program, EXAMPLES, seed)?;
    Ok(format!("--examples {EXAMPLES} --seed {seed}"))
}

fn run(workspace: &Workspace, program: &Path, examples: u32, seed: u32) -> Result<()> {
    let folder = TempFolder::new()?;
    let host = Setup::new(workspace, folder.path().to_owned()).start()?;
    let mut command = Command::new(program);
    command
        // It keeps what it learns, for the next run, where it runs.
        .current_dir(folder.path())
        .args(["run", &format!("{}/api/openapi.json", host.base())])
        .args(["--checks", CHECKS, "--continue-on-failure", "--no-color"])
        .args(["--max-examples", &examples.to_string()])
        .args(["--seed", &seed.to_string()]);
    let result = shell::run(&mut command);
    host.stop()?;
    result.with_context(|| format!("cargo xtask schemathesis --examples {examples} --seed {seed}"))
}

/// The program, installed under `target/` in an environment of its own.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root.join("target/schemathesis");
    python::environment(&folder, &workspace.root.join("xtask/src/schemathesis.txt"))?;
    Ok(folder.join("bin/schemathesis"))
}
