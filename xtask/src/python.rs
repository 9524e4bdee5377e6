//! Python packages, each set in an environment of its own under `target/`.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{shell, toolchain};

/// Makes an environment in `folder` with the `packages` of a requirements file, unless it is there.
pub fn environment(folder: &Path, packages: &Path) -> Result<()> {
    let wanted =
        fs::read_to_string(packages).with_context(|| format!("read {}", packages.display()))?;
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|packages| packages == wanted) {
        return Ok(());
    }
    toolchain::ensure_python()?;
    shell::say("installing Python packages");
    shell::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(folder),
    )?;
    let install = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ];
    let mut pip = Command::new(folder.join("bin/pip"));
    shell::run(pip.args(install).arg(packages))?;
    fs::write(installed, wanted)?;
    Ok(())
}
