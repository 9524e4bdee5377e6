//! The examples that the README walks through, built and run as it says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    cleanup::TempFolder, client::Client, host::Setup, shell, toolchain::WASM_TARGET,
    workspace::Workspace,
};

/// Workflows of one's own: `workflow.json`, `input.json` and the `output.json` to expect.
const WORKFLOWS: &[&str] = &["hello", "phase-rust"];

/// A phase of one's own, outside of this workspace.
const PHASE: &str = "phase-rust";

/// Builds and runs all of them; the remark names them.
pub fn check(workspace: &Workspace) -> Result<String> {
    let phases = build_phase(workspace)?;
    let folder = TempFolder::new()?;
    let mut setup = Setup::new(workspace, folder.path().to_owned());
    setup.phases.push(phases);
    let host = setup.start()?;
    let client = host.client();
    for name in WORKFLOWS {
        let folder = workspace.root.join("examples").join(name);
        run(&client, &folder)
            .with_context(|| format!("example {name}"))
            .with_context(|| setup.log())?;
    }
    host.stop()?;
    Ok(WORKFLOWS.join(", "))
}

/// Tests and builds the phase; gives the folder that it is in then.
fn build_phase(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root.join("examples").join(PHASE);
    let target = folder.join("target");
    let cargo = |subcommand: &str| {
        let mut cargo = shell::cargo();
        // Where the README says that it is, whatever else this machine is told.
        cargo.current_dir(&folder).env("CARGO_TARGET_DIR", &target);
        cargo.args([subcommand, "--release"]);
        cargo
    };
    shell::run(&mut cargo("test"))?;
    shell::run(cargo("build").args(["--target", WASM_TARGET]))?;
    Ok(target.join(WASM_TARGET).join("release"))
}

fn run(client: &Client, folder: &Path) -> Result<()> {
    let definition = read(&folder.join("workflow.json"))?;
    let id = definition["id"]
        .as_str()
        .context("the workflow has no id")?;
    client.put(&format!("/api/workflows/{id}"), &definition)?;
    let execution = client.post(
        &format!("/api/workflows/{id}/execute"),
        &[("prefer", "wait=60")],
        &json!({"input": read(&folder.join("input.json"))?}),
    )?;
    let expected = read(&folder.join("output.json"))?;
    if execution["status"] != "completed" || execution["output"] != expected {
        bail!(
            "expected completed with {expected}, not {} with {}; error: {}",
            execution["status"],
            execution["output"],
            execution["error"]
        );
    }
    Ok(())
}

fn read(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("read {}", file.display()))
}
