//! What the workspace consists of, from `cargo metadata`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// The profile of what is deployed: optimised across crates, which takes minutes more.
pub const DEPLOYED: &str = "dist";

/// The package with the micro-benchmarks. It is no default member, so that builds and tests do without
/// criterion.
pub const MICRO: &str = "phasewright-micro";

/// The packages and folders of this workspace.
#[derive(Clone)]
pub struct Workspace {
    /// Where `Cargo.toml` is.
    pub root: PathBuf,
    /// Where cargo builds: `target`, unless `CARGO_TARGET_DIR` says otherwise.
    pub cargo_target: PathBuf,
    /// All members that become, or help to become, WebAssembly.
    pub guests: Vec<Guest>,
    /// The folder of the profile that the host is built with.
    host: &'static str,
}

/// A member that is built for WebAssembly.
#[derive(Clone)]
pub struct Guest {
    /// Name of the package; a phase has the name of its package.
    pub package: String,
    /// Name of the library in it.
    library: String,
    /// What it is.
    pub kind: GuestKind,
}

/// What a guest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestKind {
    /// A library that components are made of.
    Library,
    /// A component of the engine: an endpoint, the expression evaluator.
    Component,
    /// A phase that ships.
    Phase,
    /// A phase that only tests use.
    TestPhase,
    /// A version of a phase that tests deploy themselves; others have the same name.
    TestEdition,
    /// An endpoint for tests.
    TestEndpoint,
}

impl Workspace {
    /// Asks cargo.
    pub fn read() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let metadata = metadata(&manifest, &["--no-deps"])?;
        let folder = |field: &str| {
            let folder = metadata[field].as_str().map(PathBuf::from);
            folder.with_context(|| format!("cargo metadata says no {field}"))
        };
        let root = folder("workspace_root")?;
        let packages = metadata["packages"].as_array();
        let packages = packages.context("cargo metadata says no packages")?;
        let mut guests: Vec<_> = packages
            .iter()
            .filter_map(|package| Guest::read(package, &root))
            .collect();
        guests.sort_by(|left, right| left.package.cmp(&right.package));
        Ok(Self {
            cargo_target: folder("target_directory")?,
            root,
            guests,
            host: "release",
        })
    }

    /// The names of the packages of these kinds.
    pub fn packages(&self, kinds: &[GuestKind]) -> Vec<&str> {
        let wanted = self
            .guests
            .iter()
            .filter(|guest| kinds.contains(&guest.kind));
        wanted.map(|guest| guest.package.as_str()).collect()
    }

    /// The folder of built things that everything but cargo uses, wherever cargo builds.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The phases that ship, each named `<phase>.wasm`.
    pub fn phases(&self) -> PathBuf {
        self.target().join("phases")
    }

    /// The phases for tests, each named `<phase>.wasm`.
    pub fn test_phases(&self) -> PathBuf {
        self.target().join("test-phases")
    }

    /// The component that evaluates expressions.
    pub fn evaluator(&self) -> PathBuf {
        self.component("expression")
    }

    /// A component, by the name of its library.
    pub fn component(&self, library: &str) -> PathBuf {
        let file = format!("wasm32-wasip2/wasm/{library}.wasm");
        self.target().join(file)
    }

    /// The same with the host as it is deployed.
    pub fn deployed(&self) -> Self {
        Self {
            host: DEPLOYED,
            ..self.clone()
        }
    }

    /// The program.
    pub fn phasewright(&self) -> PathBuf {
        self.built(self.host, "phasewright")
    }

    /// A program that is built with it.
    pub fn program(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    /// The micro-benchmarks, of the host as it is deployed.
    pub fn micro(&self) -> PathBuf {
        self.built(DEPLOYED, MICRO)
    }

    fn built(&self, profile: &str, name: &str) -> PathBuf {
        let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        self.cargo_target.join(profile).join(name)
    }
}

impl Guest {
    /// None for what is not built for WebAssembly.
    fn read(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let place = manifest.strip_prefix(root).ok()?;
        let targets = package["targets"].as_array()?;
        let has_kind = |target: &&Value, kind: &str| {
            let mut kinds = target["kind"].as_array().into_iter().flatten();
            kinds.any(|other| other == kind)
        };
        let component = targets.iter().find(|target| has_kind(target, "cdylib"));
        let library = component.or(targets.iter().find(|target| has_kind(target, "lib")))?;
        let kind = match (component.is_some(), place) {
            (true, place) if place.starts_with("components") => GuestKind::Component,
            (true, place) if place.starts_with("phases") => GuestKind::Phase,
            (true, place) if place.starts_with("tests/phases") => GuestKind::TestPhase,
            (true, place) if place.starts_with("tests/editions") => GuestKind::TestEdition,
            (true, place) if place.starts_with("tests/endpoints") => GuestKind::TestEndpoint,
            (false, place) if place.starts_with("components") || place.starts_with("sdk") => {
                GuestKind::Library
            }
            _ => return None,
        };
        Some(Self {
            package: package["name"].as_str()?.to_owned(),
            library: library["name"].as_str()?.replace('-', "_"),
            kind,
        })
    }

    /// The file that cargo makes of it.
    pub fn file(&self) -> String {
        format!("{}.wasm", self.library)
    }
}

/// What cargo says about a workspace.
pub fn metadata(manifest: &Path, arguments: &[&str]) -> Result<Value> {
    let output = shell::cargo()
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .args(arguments)
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    serde_json::from_slice(&output.stdout).context("read what cargo metadata says")
}
