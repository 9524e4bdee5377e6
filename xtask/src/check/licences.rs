//! The licences of everything that is linked in.

use anyhow::{Result, bail};
use serde_json::Value;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::{
    toolchain::WASM_TARGET,
    workspace::{self, Workspace},
};

/// Licences that let this project be under MIT or Apache-2.0: they ask for attribution at most.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Data: Mozilla's root certificates.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What machines this is built for, beside WebAssembly.
const NATIVE_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Checks every dependency; the remark says how many there are.
pub fn check(workspace: &Workspace) -> Result<String> {
    let metadata = workspace::metadata(
        &workspace.root.join("Cargo.toml"),
        &[
            "--locked",
            "--filter-platform",
            NATIVE_TARGET,
            "--filter-platform",
            WASM_TARGET,
        ],
    )?;
    let packages: &[Value] = metadata["packages"].as_array().map_or(&[], Vec::as_slice);
    let problems: Vec<_> = packages.iter().filter_map(problem).collect();
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(format!("{} packages", packages.len()))
}

fn problem(package: &Value) -> Option<String> {
    let name = format!(
        "{} {}",
        package["name"].as_str().unwrap_or_default(),
        package["version"].as_str().unwrap_or_default()
    );
    match package["license"].as_str() {
        Some(licence) => why_not(licence).map(|why| format!("{name}: {why}")),
        None => Some(format!("{name} has no licence expression")),
    }
}

/// Why these terms cannot be taken, if they cannot.
fn why_not(licence: &str) -> Option<String> {
    // Older packages write MIT/Apache-2.0 for a choice.
    match Expression::parse_mode(licence, ParseMode::LAX) {
        Err(error) => Some(format!(
            "{licence:?} is no SPDX expression: {}",
            error.reason
        )),
        Ok(expression) if expression.evaluate(is_allowed) => None,
        Ok(_) => Some(format!("{licence} is not among the allowed licences")),
    }
}

/// An exception only takes terms away, so it changes nothing.
fn is_allowed(requirement: &LicenseReq) -> bool {
    let id = requirement.license.id();
    id.is_some_and(|id| ALLOWED.contains(&id.name))
}

#[cfg(test)]
mod tests {
    use super::why_not;

    #[test]
    fn terms_are_weighed() {
        for fine in [
            "MIT",
            "MIT-0",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(why_not(fine), None, "{fine}");
        }
        for bad in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "all mine", ""] {
            assert!(why_not(bad).is_some(), "{bad}");
        }
    }
}
