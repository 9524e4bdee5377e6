//! The real [`PhaseRunner`]: every attempt in an instance of its own.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{sync::Semaphore, task::spawn_blocking};
use wasmtime::Store;

use super::{
    Artifact, Attempt, AttemptHost, CatalogError, PhaseInfo, PhaseRunner, Produced,
    bindings::phase::{
        exports::phasewright::phase::phase::Request, phasewright::phase::host::Artifact as Kept,
    },
    catalog::{Catalog, Loader, Phase},
    expressions::Expressions,
    failure::{failure, reported},
    guest::{Grant, Guest, call, linker},
    limits::Exceeded,
    memory::MemoryPool,
    schema::Schema,
};
use crate::{
    wasm::{ATTEMPTS_MAX, Wasm},
    workflow::{ArtifactRef, Digest, Failure, FailureKind, Json, PhaseName},
};

/// From this many bytes on, checking, parsing and hashing leaves the asynchronous threads:
/// it would hold one of them for more than about a millisecond.
const HEAVY_BYTES: usize = 256 * 1024;

/// Violations of a schema that a failure lists.
const VIOLATIONS_LISTED_MAX: usize = 5;

/// Memory of all guests together unless configured: eight phases at their default limit,
/// or hundreds of usual ones.
const MEMORY_BYTES_TOTAL: u64 = 2 << 30;

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
}

/// Runs phases and expressions on wasmtime.
pub struct Sandbox {
    wasm: Arc<Wasm>,
    catalog: Catalog,
    expressions: Expressions,
    memory: Arc<MemoryPool>,
    places: Semaphore,
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
            wasm: &wasm,
            linker: &linker,
            memory: &memory,
            env,
        };
        let (catalog, expressions) = tokio::join!(
            Catalog::load(&loader, &config.phase_folders),
            Expressions::load(wasm.clone(), &linker, memory.clone(), &config.evaluator),
        );
        Ok(Self {
            catalog: catalog?,
            expressions: expressions.map_err(|reason| SandboxError::Evaluator {
                file: config.evaluator.clone(),
                reason,
            })?,
            wasm,
            memory,
            places: Semaphore::new(ATTEMPTS_MAX as usize),
        })
    }

    fn check(
        &self,
        name: &PhaseName,
        value: &Value,
        schema: impl FnOnce(&Phase) -> &Schema,
    ) -> Vec<(String, String)> {
        match self.catalog.named(name) {
            Some(phase) => schema(phase).violations(value),
            None => vec![(
                String::new(),
                format!("there is no phase {name:?}", name = name.as_str()),
            )],
        }
    }
}

#[async_trait]
impl PhaseRunner for Sandbox {
    fn catalog(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>> {
        self.catalog.infos()
    }

    async fn run(&self, attempt: Attempt, host: Arc<dyn AttemptHost>) -> Result<Produced, Failure> {
        let phase = self.catalog.pinned(attempt.digest).ok_or_else(|| {
            let (name, digest) = (&attempt.phase, &attempt.digest);
            let message = format!("phase {name} with digest {digest} is not in the catalog");
            failure(FailureKind::Unavailable, message)
        })?;
        let grant = Grant {
            limits: phase.grant.limits,
            variables: phase.grant.variables.clone(),
            outbound: Some((phase.info.name.clone(), phase.grant.hosts.clone())),
            timeout: attempt.timeout,
            memory: self.memory.clone(),
        };
        let request = request(phase, attempt).await?;
        let work = async |store: &mut Store<Guest>| {
            let plugin = phase.component.instantiate_async(&mut *store).await?;
            plugin
                .phasewright_phase_phase()
                .call_run(store, &request)
                .await
        };
        let _place = self.places.acquire().await;
        let (result, guest) = call(&self.wasm, grant, host, work).await?;
        let output = result.map_err(reported)?;
        produced(phase, output, guest.host.into_artifacts()).await
    }

    fn check_config(&self, phase: &PhaseName, config: &Value) -> Vec<(String, String)> {
        self.check(phase, config, |phase| &phase.config)
    }

    fn check_input(&self, phase: &PhaseName, input: &Value) -> Vec<(String, String)> {
        self.check(phase, input, |phase| &phase.input)
    }

    fn check_output(&self, phase: &PhaseName, output: &Value) -> Vec<(String, String)> {
        self.check(phase, output, |phase| &phase.output)
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
