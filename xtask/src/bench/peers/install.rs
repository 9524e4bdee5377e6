//! Installs and builds the peers under `target/bench/`, each version as the files in `bench/` pin it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    build, python, shell,
    toolchain::{self, WASM_TARGET},
    workspace::Workspace,
};

/// Builds a program of the workspace in `bench/`.
pub fn cargo_program(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    let built = cargo_build(workspace, package, &[])?;
    Ok(built.join("release").join(package))
}

/// Builds a component of it.
pub fn cargo_component(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    toolchain::ensure_wasm_target()?;
    let built = cargo_build(workspace, package, &["--target", WASM_TARGET])?;
    let file = package.replace('-', "_") + ".wasm";
    Ok(built.join(WASM_TARGET).join("release").join(file))
}

fn cargo_build(workspace: &Workspace, package: &str, arguments: &[&str]) -> Result<PathBuf> {
    let target = folder(workspace).join("cargo");
    shell::run(
        build::cargo(workspace)
            .args(["build", "--release", "--locked", "--package", package])
            .args(arguments)
            .arg("--manifest-path")
            .arg(workspace.root.join("bench/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target),
    )?;
    Ok(target)
}

/// Builds a server from crates.io, once; what it was compiled in goes, as it has gigabytes.
pub fn cargo_server(workspace: &Workspace, package: &str, version: &str) -> Result<PathBuf> {
    let to = folder(workspace).join(package);
    let installed = fs::read_to_string(to.join(".crates.toml")).unwrap_or_default();
    if !installed.contains(&format!("\"{package} {version} ")) {
        toolchain::ensure_protoc()?;
        let build = to.join("build");
        shell::run(
            build::cargo(workspace)
                .args(["install", package, "--locked", "--force"])
                .args(["--version", &format!("={version}")])
                .arg("--root")
                .arg(&to)
                .arg("--target-dir")
                .arg(&build),
        )?;
        fs::remove_dir_all(build)?;
    }
    Ok(to.join("bin").join(package))
}

/// The version of a crate that the programs are built with.
pub fn cargo_version(workspace: &Workspace, package: &str) -> Result<String> {
    let lock = read(&workspace.root.join("bench/Cargo.lock"))?;
    let version = locked(&lock, package).with_context(|| format!("{package} is not locked"))?;
    Ok(version.to_owned())
}

fn locked<'l>(lock: &'l str, package: &str) -> Option<&'l str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&entry)?.1.split('"').next()
}

/// Installs the server of Restate; gives the program itself, not the script that starts it.
pub fn npm_server(workspace: &Workspace) -> Result<PathBuf> {
    let to = folder(workspace).join("restate");
    let from = workspace.root.join("bench/restate");
    let files = ["package.json", "package-lock.json"];
    let is_there = |file: &&str| {
        let [wanted, installed] = [&from, &to].map(|folder| fs::read(folder.join(file)).ok());
        wanted == installed
    };
    if !(files.iter().all(is_there) && to.join("node_modules").is_dir()) {
        fs::create_dir_all(&to)?;
        for file in files {
            fs::copy(from.join(file), to.join(file)).with_context(|| format!("copy {file}"))?;
        }
        shell::say("installing the Restate server");
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        shell::run(Command::new("npm").args(install).current_dir(&to))?;
    }
    let packages = fs::read_dir(to.join("node_modules/@restatedev"))?;
    let mut programs = packages
        .filter_map(|package| Some(package.ok()?.path().join("bin/restate-server")))
        .filter(|program| program.is_file());
    programs
        .next()
        .context("npm has no Restate server for this machine")
}

/// The version of a package that npm installs.
pub fn npm_version(workspace: &Workspace, package: &str) -> Result<String> {
    let manifest = read(&workspace.root.join("bench/restate/package.json"))?;
    let manifest: Value = serde_json::from_str(&manifest)?;
    let version = manifest["dependencies"][package].as_str();
    Ok(version
        .with_context(|| format!("{package} is not pinned"))?
        .to_owned())
}

/// A Python that has what `bench/<name>/requirements.txt` lists.
pub fn python(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let packages = requirements(workspace, name);
    let environment = folder(workspace).join(name);
    python::environment(&environment, &packages)?;
    Ok(environment.join("bin/python"))
}

/// The version of a package in it.
pub fn python_version(workspace: &Workspace, name: &str, package: &str) -> Result<String> {
    let packages = read(&requirements(workspace, name))?;
    let mut lines = packages.lines();
    let version = lines.find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    let version = version.with_context(|| format!("{package} is not pinned"))?;
    ensure!(!version.is_empty(), "{package} has no version");
    Ok(version.to_owned())
}

fn requirements(workspace: &Workspace, name: &str) -> PathBuf {
    let folder = workspace.root.join("bench").join(name);
    folder.join("requirements.txt")
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("bench")
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::locked;

    #[test]
    fn versions_are_found_in_a_lock() {
        let lock = "[[package]]\nname = \"dbos-macros\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"dbos\"\nversion = \"0.5.0\"\n";
        assert_eq!(locked(lock, "dbos"), Some("0.5.0"));
        assert_eq!(locked(lock, "restate-sdk"), None);
    }
}
