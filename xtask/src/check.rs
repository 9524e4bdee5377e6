//! `cargo xtask check`: everything about the sources that can be checked without running them.

mod licences;

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{
    arguments::Arguments,
    build::{arguments_for, cargo, cargo_wasm},
    shell,
    steps::Steps,
    toolchain,
    workspace::{GuestKind, Workspace},
};

/// The programs that `cargo xtask bench peers` measures.
const PEERS: &str = "bench/Cargo.toml";

/// Takes every step, whatever the others say.
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    arguments.none()?;
    toolchain::ensure_wasm_target()?;
    let mut steps = Steps::default();
    steps.take("formatting", || {
        run(cargo(workspace).args(["fmt", "--all", "--check"]))?;
        // A workspace of its own, of which nothing else is checked: it would have to be built.
        run(cargo(workspace).args(["fmt", "--all", "--check", "--manifest-path", PEERS]))
    });
    steps.take("lints, native", || run(&mut clippy_native(workspace)));
    steps.take("lints, WebAssembly", || run(&mut clippy_wasm(workspace)));
    steps.take("documentation", || run(&mut doc(workspace)));
    steps.take("licences", || licences::check(workspace));
    steps.take("advisories", || advisories(workspace));
    steps.take("house rules", || {
        run(cargo(workspace).args(["test", "--release", "--test", "tidy"]))
    });
    Ok(steps.finish())
}

/// All crates and all their tests, as they are built for the machine itself.
fn clippy_native(workspace: &Workspace) -> Command {
    let mut cargo = cargo(workspace);
    cargo
        .args(["clippy", "--release", "--workspace", "--all-targets"])
        .args(["--", "--deny", "warnings"]);
    cargo
}

/// What only exists in WebAssembly: the exports of components.
fn clippy_wasm(workspace: &Workspace) -> Command {
    let guests = [
        GuestKind::Library,
        GuestKind::Component,
        GuestKind::Phase,
        GuestKind::TestPhase,
        GuestKind::TestEdition,
        GuestKind::TestEndpoint,
    ];
    let mut cargo = cargo_wasm(workspace, "clippy");
    cargo
        .args(arguments_for(workspace, &guests))
        .args(["--", "--deny", "warnings"]);
    cargo
}

fn doc(workspace: &Workspace) -> Command {
    let mut cargo = cargo(workspace);
    cargo
        .args(["doc", "--release", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "--deny warnings");
    cargo
}

fn run(command: &mut Command) -> Result<String> {
    shell::run(command).map(|()| String::new())
}

/// Known vulnerabilities; the list of them has to be fetched, which not every machine can.
fn advisories(workspace: &Workspace) -> Result<String> {
    if shell::is_installed("cargo-deny", "--version") {
        return run(cargo(workspace).args(["deny", "check", "advisories"]));
    }
    if shell::is_installed("cargo-audit", "--version") {
        return run(cargo(workspace).arg("audit"));
    }
    Ok("NOT CHECKED: neither cargo-deny nor cargo-audit is installed".to_owned())
}
