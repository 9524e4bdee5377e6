//! What has to be installed: the wasm32-wasip2 target, without which no component can be built,
//! PostgreSQL, which tests start on their own, Python for one of them, and protoc for a peer.

use std::process::Command;

use anyhow::{Result, bail};
use phasewright_test_postgres::Programs;

use crate::shell;

/// What components are compiled for.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// Adds the target when rustup does not have it.
pub fn ensure_wasm_target() -> Result<()> {
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let installed = match installed {
        Ok(output) if output.status.success() => output.stdout,
        // A Rust without rustup may well have the target.
        _ if has_standard_library() => return Ok(()),
        Ok(output) => bail!(advice(&String::from_utf8_lossy(&output.stderr))),
        Err(error) => bail!(advice(&format!("rustup does not run: {error}"))),
    };
    let installed = String::from_utf8_lossy(&installed);
    if installed.lines().any(|target| target.trim() == WASM_TARGET) {
        return Ok(());
    }
    shell::say(&format!("adding the target {WASM_TARGET} with rustup"));
    let added = Command::new("rustup")
        .args(["target", "add", WASM_TARGET])
        .output()?;
    if !added.status.success() {
        bail!(advice(&String::from_utf8_lossy(&added.stderr)));
    }
    Ok(())
}

/// Installs the Debian package when there is no PostgreSQL.
pub fn ensure_postgres() -> Result<()> {
    let Err(missing) = Programs::find() else {
        return Ok(());
    };
    if !shell::is_installed("apt-get", "--version") {
        bail!(missing);
    }
    shell::say("installing PostgreSQL");
    install(&["postgresql"])?;
    Programs::find()?;
    Ok(())
}

/// Installs the Debian packages when there is no Python that can make an environment.
pub fn ensure_python() -> Result<()> {
    let can = Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .output();
    if can.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    if !shell::is_installed("apt-get", "--version") {
        bail!("there is no python3 with the modules venv and ensurepip");
    }
    shell::say("installing Python");
    install(&["python3-venv"])
}

/// Installs the Debian packages when there is no compiler of protocol buffers.
pub fn ensure_protoc() -> Result<()> {
    if shell::is_installed("protoc", "--version") {
        return Ok(());
    }
    if !shell::is_installed("apt-get", "--version") {
        bail!("there is no protoc");
    }
    shell::say("installing protoc");
    install(&["protobuf-compiler", "libprotobuf-dev"])
}

fn install(packages: &[&str]) -> Result<()> {
    shell::run(apt_get()?.arg("update"))?;
    let install = ["install", "--yes", "--no-install-recommends"];
    shell::run(apt_get()?.args(install).args(packages))
}

/// As root, who alone may install.
fn apt_get() -> Result<Command> {
    let id = Command::new("id").arg("-u").output()?;
    let mut command = if id.stdout.trim_ascii() == b"0" {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("env");
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
    Ok(command)
}

/// Asks the compiler itself.
fn has_standard_library() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output();
    folder.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success() && std::path::Path::new(&folder).is_dir()
    })
}

fn advice(why: &str) -> String {
    format!(
        "the target {WASM_TARGET} is missing and cannot be added: {}\n\n\
         With rustup (https://rustup.rs) it is:  rustup target add {WASM_TARGET}\n\
         Where rustup cannot download, Debian has the same from source:\n\n  \
         apt-get update && apt-get install -y rustc-web cargo-web rust-web-src wasi-libc lld\n  \
         RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=\"-L native=/usr/lib/wasm32-wasi\" \\\n    \
         /usr/bin/cargo build --profile wasm -Zbuild-std=std,panic_abort --target {WASM_TARGET} -p PACKAGE …",
        why.trim()
    )
}
