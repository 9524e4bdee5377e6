//! Builds everything, and lays out what was built for a host to find.

use std::{
    fs, io,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use anyhow::{Context, Result};

use crate::{
    arguments::{Argument, Arguments},
    shell,
    toolchain::{self, WASM_TARGET},
    workspace::{DEPLOYED, Guest, GuestKind, Workspace},
};

/// `cargo xtask build`
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let mut is_deployed = false;
    arguments.parse(|argument, _| {
        is_deployed |= matches!(argument, Argument::Option(DEPLOYED));
        Ok(is_deployed)
    })?;
    all(workspace)?;
    if is_deployed {
        deployed(workspace)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the host as it is deployed, and says where it is.
pub fn deployed(workspace: &Workspace) -> Result<Workspace> {
    let started = Instant::now();
    let mut build = cargo(workspace);
    build.args(["build", "--profile", DEPLOYED, "--package", "phasewright"]);
    shell::run(&mut build)?;
    let workspace = workspace.deployed();
    shell::say(&format!(
        "built {} in {}",
        relative(&workspace.phasewright(), &workspace.root),
        shell::seconds(started.elapsed()),
    ));
    Ok(workspace)
}

/// Builds the components and the host.
pub fn all(workspace: &Workspace) -> Result<()> {
    let started = Instant::now();
    components(workspace)?;
    // All default members, as the tests do, so that both build the same dependencies once.
    shell::run(cargo(workspace).args(["build", "--release"]))?;
    shell::say(&format!(
        "built {}, {} components, {} phases and {} phases for tests in {}",
        relative(&workspace.phasewright(), &workspace.root),
        workspace.packages(&[GuestKind::Component]).len(),
        workspace.packages(&[GuestKind::Phase]).len(),
        workspace.packages(&[GuestKind::TestPhase]).len(),
        shell::seconds(started.elapsed()),
    ));
    Ok(())
}

/// Builds everything that becomes WebAssembly.
pub fn components(workspace: &Workspace) -> Result<()> {
    toolchain::ensure_wasm_target()?;
    // One call for all of them: cargo builds what it can side by side.
    shell::run(cargo_wasm(workspace, "build").args(arguments_for(workspace, BUILT)))?;
    lay_out(workspace)
}

/// The guests that become a file.
const BUILT: &[GuestKind] = &[
    GuestKind::Component,
    GuestKind::Phase,
    GuestKind::TestPhase,
    GuestKind::TestEdition,
    GuestKind::TestEndpoint,
];

/// cargo, in the root of the workspace.
pub fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = shell::cargo();
    cargo.current_dir(&workspace.root);
    cargo
}

/// cargo, for WebAssembly.
pub fn cargo_wasm(workspace: &Workspace, subcommand: &str) -> Command {
    let mut cargo = cargo(workspace);
    cargo.args([subcommand, "--profile", "wasm", "--target", WASM_TARGET]);
    cargo
}

/// `--package` for each guest of these kinds.
pub fn arguments_for<'w>(
    workspace: &'w Workspace,
    kinds: &[GuestKind],
) -> impl Iterator<Item = &'w str> + use<'w> {
    let packages = workspace.packages(kinds).into_iter();
    packages.flat_map(|package| ["--package", package])
}

/// Puts the phases into folders of their own, and everything where `spin.toml` expects it when
/// cargo builds elsewhere.
fn lay_out(workspace: &Workspace) -> Result<()> {
    let built = Path::new(WASM_TARGET).join("wasm");
    let from = workspace.cargo_target.join(&built);
    let here = workspace.target().join(&built);
    let folder_of = |kind| match kind {
        GuestKind::Phase => Some(workspace.phases()),
        GuestKind::TestPhase => Some(workspace.test_phases()),
        GuestKind::Component
        | GuestKind::TestEdition
        | GuestKind::TestEndpoint
        | GuestKind::Library => None,
    };
    for folder in [workspace.phases(), workspace.test_phases(), here.clone()] {
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    }
    for guest in workspace
        .guests
        .iter()
        .filter(|guest| BUILT.contains(&guest.kind))
    {
        let source = from.join(guest.file());
        if from != here {
            link(&source, &here.join(guest.file()))?;
        }
        if let Some(folder) = folder_of(guest.kind) {
            link(&source, &folder.join(format!("{}.wasm", guest.package)))?;
        }
    }
    remove_strangers(workspace, &workspace.phases(), GuestKind::Phase)?;
    remove_strangers(workspace, &workspace.test_phases(), GuestKind::TestPhase)
}

/// Makes `to` the same file as `from`, or a copy where the disk cannot.
fn link(from: &Path, to: &Path) -> Result<()> {
    let place = || format!("put {} to {}", from.display(), to.display());
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(place);
        }
        _ => {}
    }
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).with_context(place)?;
    }
    Ok(())
}

/// Removes phases that the workspace does not have any more.
fn remove_strangers(workspace: &Workspace, folder: &Path, kind: GuestKind) -> Result<()> {
    let known = |guest: &&Guest| guest.kind == kind;
    let names: Vec<_> = workspace
        .guests
        .iter()
        .filter(known)
        .map(|guest| format!("{}.wasm", guest.package))
        .collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !names.iter().any(|name| **name == *entry.file_name()) {
            fs::remove_file(entry.path())
                .with_context(|| format!("remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// The path as a person in the root of the workspace writes it.
fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
