//! A sandbox over the components that `cargo xtask build` made.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
};

use phasewright::{
    plugin::{
        Artifact, Attempt, AttemptHost, PhaseInfo, PhaseRunner, Sandbox, SandboxConfig,
        SandboxError,
    },
    store::Components,
    wasm::Wasm,
    workflow::{ExecutionId, Level, PhaseName},
};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// A component of the workspace.
pub fn component(name: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let file = target
        .join("wasm32-wasip2/wasm")
        .join(format!("{name}.wasm"));
    assert!(
        file.exists(),
        "{} is missing: run `cargo xtask build` first",
        file.display()
    );
    file
}

/// The engine of all tests.
pub fn wasm() -> Arc<Wasm> {
    static WASM: OnceLock<Arc<Wasm>> = OnceLock::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    WASM.get_or_init(|| Arc::new(Wasm::new(&folder).unwrap()))
        .clone()
}

/// A sandbox with some phases.
pub struct Rig {
    pub sandbox: Sandbox,
    _folder: TempDir,
}

impl Rig {
    /// These phases, with this `phases.toml`.
    pub async fn new(phases: &[&str], grants: &str) -> Self {
        Self::with(phases, grants, |_| ()).await.unwrap()
    }

    /// The same with another configuration.
    pub async fn with(
        phases: &[&str],
        grants: &str,
        configure: impl FnOnce(&mut SandboxConfig),
    ) -> Result<Self, SandboxError> {
        let folder = tempfile::tempdir().unwrap();
        for phase in phases {
            let file = component(phase);
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        fs::write(folder.path().join("phases.toml"), grants).unwrap();
        let folders = vec![folder.path().to_owned()];
        let mut config = SandboxConfig::new(folders, component("expression"));
        configure(&mut config);
        Ok(Self {
            sandbox: Sandbox::new(wasm(), &config, &|_| None).await?,
            _folder: folder,
        })
    }

    /// On this store.
    pub async fn keep(mut self, components: Arc<dyn Components>) -> Self {
        self.sandbox = self.sandbox.keep(components).await.unwrap();
        self
    }

    /// A first attempt.
    pub fn attempt(&self, phase: &str, config: Value, input: Value) -> Attempt {
        let phase: PhaseName = phase.parse().unwrap();
        let PhaseInfo { digest, .. } = self.sandbox.catalog()[&phase];
        Attempt {
            digest,
            phase,
            execution: ExecutionId(Uuid::nil()),
            workflow: "workflow".parse().unwrap(),
            node: "node".parse().unwrap(),
            item: None,
            number: 1,
            idempotency_key: "key".into(),
            config: Arc::new(config),
            input: Arc::new(input),
            review_notes: None,
            timeout: None,
        }
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Listener {
    lines: Mutex<Vec<(Level, String)>>,
    fractions: Mutex<Vec<f32>>,
}

impl Listener {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What was logged.
    pub fn lines(&self) -> Vec<(Level, String)> {
        self.lines.lock().unwrap().clone()
    }

    /// How far it was.
    pub fn fractions(&self) -> Vec<f32> {
        self.fractions.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl AttemptHost for Listener {
    fn log(&self, level: Level, message: String) {
        self.lines.lock().unwrap().push((level, message));
    }

    fn progress(&self, fraction: f32, _message: String) {
        self.fractions.lock().unwrap().push(fraction);
    }

    async fn artifact(&self, node: &str, name: &str) -> Result<Artifact, String> {
        Err(format!("node {node} kept no {name}"))
    }

    async fn effect(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Threads of this process.
pub fn threads() -> u64 {
    status("Threads:")
}

/// Resident memory of this process.
pub fn resident_mib() -> u64 {
    status("VmRSS:") >> 10
}

fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
