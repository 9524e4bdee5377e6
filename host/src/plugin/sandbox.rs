//! The real [`PhaseRunner`]: every attempt in an instance of its own.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use wasmtime::Store;

use super::{
    Artifact, Attempt, AttemptHost, CatalogError, PhaseInfo, PhaseRunner, PinnedError, Produced,
    bindings::phase::{
        exports::phasewright::phase::phase::Request, phasewright::phase::host::Artifact as Kept,
    },
    catalog::Catalog,
    component::{Loader, Phase},
    expressions::Expressions,
    failure::{failure, reported},
    guest::{Grant, Guest, call, linker},
    limits::Exceeded,
    memory::MemoryPool,
    pinned::Pinned,
    schema::Schema,
};
use crate::{
    store::Components,
    wasm::{ATTEMPTS_MAX, Wasm},
    workflow::{ArtifactRef, Digest, Failure, FailureKind, Json, PhaseName, Position},
};

/// From this many bytes on, checking, parsing and hashing leaves the asynchronous threads:
/// it would hold one of them for more than about a millisecond.
const HEAVY_BYTES: usize = 256 * 1024;

/// Violations of a schema that a failure lists.
const VIOLATIONS_LISTED_MAX: usize = 5;

/// Memory of all guests together unless configured, in bytes: eight phases at their default
/// limit, or hundreds of usual ones.
pub const MEMORY_BYTES_TOTAL: u64 = 2 << 30;

/// Longest time to put the components of the catalog into the store: a first start with some
/// hundred megabytes over a slow line. Those that are there take one question.
const KEEP_TIMEOUT: Duration = Duration::from_mins(2);

/// How long an attempt waits for its component while the store does not answer, and how often
/// it asks: as long as an attempt may take itself unless the operator says otherwise.
const STORE_PATIENCE: Duration = Duration::from_mins(5);
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// What the sandbox is made of.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Folders with phases, `*.wasm`, and perhaps a `phases.toml`.
    pub phase_folders: Vec<PathBuf>,
    /// The component that evaluates expressions.
    pub evaluator: PathBuf,
    /// Linear memory of all guests together, in bytes.
    pub memory_bytes_total: u64,
}

impl SandboxConfig {
    /// With the default for the rest.
    pub fn new(phase_folders: Vec<PathBuf>, evaluator: PathBuf) -> Self {
        Self {
            phase_folders,
            evaluator,
            memory_bytes_total: MEMORY_BYTES_TOTAL,
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The phases.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The evaluator of expressions.
    #[error("load expression evaluator {}: {reason}", file.display())]
    Evaluator {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The host functions.
    #[error("link the host functions: {0:#}")]
    Linker(wasmtime::Error),
    /// The components did not reach the store.
    #[error("the database did not take the phases within {} s", KEEP_TIMEOUT.as_secs())]
    Keep,
}

/// Runs phases and expressions on wasmtime.
pub struct Sandbox {
    loader: Loader,
    catalog: Arc<Catalog>,
    /// What comes from a store; none without one.
    pinned: Option<Pinned>,
    expressions: Expressions,
}

impl Sandbox {
    /// Loads all phases and the evaluator. `env` gives the variables of the host's
    /// environment that `phases.toml` may pass on.
    pub async fn new(
        wasm: Arc<Wasm>,
        config: &SandboxConfig,
        env: &(dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<Self, SandboxError> {
        let linker = linker(&wasm).map_err(SandboxError::Linker)?;
        let memory = MemoryPool::new(config.memory_bytes_total);
        let loader = Loader {
            wasm: wasm.clone(),
            linker,
            memory: memory.clone(),
        };
        let (catalog, expressions) = tokio::join!(
            Catalog::load(&loader, &config.phase_folders, env),
            Expressions::load(wasm, &loader.linker, memory, &config.evaluator),
        );
        Ok(Self {
            catalog: Arc::new(catalog?),
            pinned: None,
            expressions: expressions.map_err(|reason| SandboxError::Evaluator {
                file: config.evaluator.clone(),
                reason,
            })?,
            loader,
        })
    }

    /// Keeps the components of the catalog in a store, for when it does not have them any
    /// more, and runs from there what executions have pinned.
    pub async fn keep(mut self, components: Arc<dyn Components>) -> Result<Self, SandboxError> {
        timeout(KEEP_TIMEOUT, self.catalog.keep(&*components))
            .await
            .map_err(|_| SandboxError::Keep)??;
        let (loader, catalog) = (self.loader.clone(), self.catalog.clone());
        self.pinned = Some(Pinned::new(loader, catalog, components));
        Ok(self)
    }

    /// The phase that an execution pinned.
    async fn pinned(&self, name: &PhaseName, digest: Digest) -> Result<Arc<Phase>, PinnedError> {
        if let Some(phase) = self.catalog.pinned(digest) {
            return Ok(phase.clone());
        }
        match &self.pinned {
            Some(pinned) => pinned.phase(name, digest).await,
            None => Err(PinnedError::Absent {
                phase: name.clone(),
                digest,
            }),
        }
    }

    /// The same, patiently: while the store is away an attempt waits, as appends do.
    async fn pinned_for(&self, attempt: &Attempt) -> Result<Arc<Phase>, PinnedError> {
        let begin = Instant::now();
        loop {
            match self.pinned(&attempt.phase, attempt.digest).await {
                Err(error) if error.is_retryable() && begin.elapsed() < STORE_PATIENCE => {
                    sleep(STORE_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// One attempt, in an instance of its own.
    async fn call(
        &self,
        phase: &Arc<Phase>,
        attempt: Attempt,
        host: Arc<dyn AttemptHost>,
    ) -> Result<Produced, Failure> {
        let timeout = attempt.timeout;
        // Before there is room for it: what is refused needs none.
        let request = request(phase, attempt).await?;
        let grant = Grant {
            limits: phase.grant.limits,
            variables: phase.grant.variables.clone(),
            outbound: Some((phase.info.name.clone(), phase.grant.hosts.clone())),
            timeout,
            memory: self.loader.memory.room(&phase.appetite).await,
        };
        let work = async |store: &mut Store<Guest>| {
            let plugin = phase.component.instantiate_async(&mut *store).await?;
            plugin
                .phasewright_phase_phase()
                .call_run(store, &request)
                .await
        };
        let (result, guest) = call(&self.loader.wasm, grant, host, work).await?;
        let output = result.map_err(reported)?;
        produced(phase, output, guest.host.into_artifacts()).await
    }
}

#[async_trait]
impl PhaseRunner for Sandbox {
    fn catalog(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>> {
        self.catalog.infos()
    }

    fn attempts_max(&self) -> usize {
        ATTEMPTS_MAX as usize
    }

    async fn run(&self, attempt: Attempt, host: Arc<dyn AttemptHost>) -> Result<Produced, Failure> {
        let phase = self.pinned_for(&attempt).await?;
        self.call(&phase, attempt, host).await
    }

    fn check_config(&self, phase: &PhaseName, config: &Value) -> Vec<(String, String)> {
        match self.catalog.named(phase) {
            Some(phase) => phase.config.violations(config),
            None => vec![(String::new(), format!("there is no phase {phase}"))],
        }
    }

    async fn check_edit(
        &self,
        phase: &PhaseName,
        pinned: Digest,
        position: Position,
        content: &Value,
    ) -> Result<Vec<(String, String)>, PinnedError> {
        let phase = self.pinned(phase, pinned).await?;
        let schema = match position {
            Position::Before => &phase.input,
            Position::After => &phase.output,
        };
        Ok(schema.violations(content))
    }

    async fn check_expressions(
        &self,
        sources: Vec<String>,
    ) -> Result<Vec<Option<String>>, Failure> {
        self.expressions.check(sources).await
    }

    async fn evaluate(
        &self,
        sources: Vec<String>,
        scope: Vec<(String, Json)>,
    ) -> Result<Vec<Json>, Failure> {
        self.expressions.evaluate(sources, scope).await
    }
}

/// What the phase is called with, once config and input are what its schemas say.
async fn request(phase: &Arc<Phase>, attempt: Attempt) -> Result<Request, Failure> {
    let config = attempt.config.to_string();
    let input = attempt.input.to_string();
    let checked = phase.clone();
    apart(config.len() + input.len(), move || {
        conforms(&checked, "config", &checked.config, &attempt.config)?;
        conforms(&checked, "input", &checked.input, &attempt.input)
    })
    .await?;
    Ok(Request {
        execution_id: attempt.execution.to_string(),
        workflow_id: attempt.workflow.into(),
        node: attempt.node.into(),
        attempt: attempt.number,
        idempotency_key: attempt.idempotency_key,
        config,
        input,
        review_notes: attempt.review_notes,
    })
}

/// What a phase gave, once it is within its limit, JSON and what its schema says.
async fn produced(
    phase: &Arc<Phase>,
    output: String,
    artifacts: Vec<Kept>,
) -> Result<Produced, Failure> {
    let output_bytes = phase.grant.limits.output_bytes;
    if output.len() as u64 > output_bytes {
        return Err(Exceeded::Output(output_bytes).into());
    }
    let bytes = artifacts.iter().map(|kept| kept.data.len()).sum::<usize>();
    let phase = phase.clone();
    apart(output.len() + bytes, move || {
        let value: Json = serde_json::from_str(&output)
            .map(Arc::new)
            .map_err(|error| {
                failure(FailureKind::Invalid, format!("output is not JSON: {error}"))
            })?;
        drop(output);
        conforms(&phase, "output", &phase.output, &value)?;
        Ok(Produced {
            output: value,
            artifacts: artifacts.into_iter().map(artifact).collect(),
        })
    })
    .await
}

fn artifact(kept: Kept) -> Artifact {
    Artifact {
        reference: ArtifactRef {
            name: kept.name,
            content_type: kept.content_type,
            size: kept.data.len() as u64,
            digest: Digest::of(&kept.data),
        },
        data: kept.data.into(),
    }
}

fn conforms(phase: &Phase, what: &str, schema: &Schema, value: &Value) -> Result<(), Failure> {
    let violations = schema.violations(value);
    if violations.is_empty() {
        return Ok(());
    }
    let listed = violations.iter().take(VIOLATIONS_LISTED_MAX);
    let mut list: Vec<_> = listed
        .map(|(pointer, message)| format!("at {pointer:?}: {message}"))
        .collect();
    if violations.len() > VIOLATIONS_LISTED_MAX {
        list.push("…".into());
    }
    let name = &phase.info.name;
    Err(failure(
        FailureKind::Invalid,
        format!(
            "{what} does not match the schema of phase {name}: {}",
            list.join("; ")
        ),
    ))
}

/// Does work on so many bytes, elsewhere when it would hold this thread for long.
async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    if bytes < HEAVY_BYTES {
        return work();
    }
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(failure(
            FailureKind::Permanent,
            format!("checking it failed: {error}"),
        ))
    })
}
