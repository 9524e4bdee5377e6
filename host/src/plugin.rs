//! Phases: third-party components, each attempt in a sandbox of its own.
//!
//! **Invariant:** nothing a phase does ends the host or holds one of its threads;
//! every limit has a name, and exceeding it fails the attempt saying which.

mod bindings;
mod catalog;
mod component;
mod expansion;
mod expressions;
mod failure;
mod grants;
mod guest;
mod limits;
mod log;
mod memory;
mod outbound;
mod phase_host;
mod pinned;
mod sandbox;
mod schema;
mod text;

pub use catalog::CatalogError;
pub use grants::GrantsError;
pub use limits::Limits;
pub use pinned::PinnedError;
pub use sandbox::{MEMORY_BYTES_TOTAL, Sandbox, SandboxConfig, SandboxError};
pub use schema::Schema;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use crate::workflow::{
    ArtifactRef, Digest, ExecutionId, Failure, Json, Level, NodeId, PhaseName, Position, WorkflowId,
};

/// Runs phases and evaluates expressions. The real one is `Sandbox`; tests have another.
#[async_trait]
pub trait PhaseRunner: Send + Sync + 'static {
    /// The phases that there are now, by name.
    fn catalog(&self) -> Arc<BTreeMap<PhaseName, PhaseInfo>>;

    /// Calls that there is room for at a time. Whoever calls keeps to it: more may fail.
    fn attempts_max(&self) -> usize;

    /// Calls a phase once. Dropping the future ends the call at once.
    async fn run(&self, attempt: Attempt, host: Arc<dyn AttemptHost>) -> Result<Produced, Failure>;

    /// Validates a config against the config schema of a phase in the catalog;
    /// the strings are JSON Pointers and messages. Empty when it is valid.
    fn check_config(&self, phase: &PhaseName, config: &Value) -> Vec<(String, String)>;

    /// Validates what a reviewer puts in the place of an input or output, by the schema of the
    /// phase that an execution pinned, likewise.
    async fn check_edit(
        &self,
        phase: &PhaseName,
        pinned: Digest,
        position: Position,
        content: &Value,
    ) -> Result<Vec<(String, String)>, PinnedError>;

    /// For each CEL expression: nothing when it compiles, else the reason.
    async fn check_expressions(&self, sources: Vec<String>)
    -> Result<Vec<Option<String>>, Failure>;

    /// The values of these CEL expressions in one scope of named values. The
    /// failure names the expression that failed.
    async fn evaluate(
        &self,
        sources: Vec<String>,
        scope: Vec<(String, Json)>,
    ) -> Result<Vec<Json>, Failure>;
}

/// A phase in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseInfo {
    /// Its name.
    pub name: PhaseName,
    /// Semantic version.
    pub version: String,
    /// For people.
    pub description: String,
    /// JSON Schema of a node's `config`.
    pub config_schema: Json,
    /// JSON Schema of a node's `input`.
    pub input_schema: Json,
    /// JSON Schema of the output.
    pub output_schema: Json,
    /// SHA-256 of the component.
    pub digest: Digest,
}

/// One call of a phase.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The component, as the execution pinned it when it was created.
    pub digest: Digest,
    /// Its name, for messages.
    pub phase: PhaseName,
    /// For which execution.
    pub execution: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// For which node.
    pub node: NodeId,
    /// Position in the fan-out.
    pub item: Option<u32>,
    /// 1 for the first attempt.
    pub number: u32,
    /// The same for every attempt of this node (and item) in this execution.
    pub idempotency_key: String,
    /// Checked against the config schema by the runner.
    pub config: Json,
    /// Checked against the input schema by the runner.
    pub input: Json,
    /// What the reviewer wrote.
    pub review_notes: Option<String>,
    /// The node's `timeout_seconds`; the phase's own limit when none or when that is shorter.
    pub timeout: Option<Duration>,
}

/// What a successful attempt produced. Nothing of it has left the engine yet.
#[derive(Debug, Clone)]
pub struct Produced {
    /// Checked against the output schema.
    pub output: Json,
    /// Files to keep.
    pub artifacts: Vec<Artifact>,
}

/// A file with its bytes.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Name, type, size and digest.
    pub reference: ArtifactRef,
    /// The bytes.
    pub data: Bytes,
}

/// What an attempt may tell and ask while it runs.
#[async_trait]
pub trait AttemptHost: Send + Sync + 'static {
    /// A log line. Already within the attempt's log limits; never blocks.
    fn log(&self, level: Level, message: String);
    /// Fraction done (0.0 to 1.0) and what is going on; never blocks.
    fn progress(&self, fraction: f32, message: String);
    /// An artifact that an upstream node of the same execution kept; an error message when there is none.
    async fn artifact(&self, node: &str, name: &str) -> Result<Artifact, String>;
    /// Waits until everything that this attempt depends on is durable, so that it may have an
    /// effect outside the engine. An error says why it must not have one: the execution has
    /// left this host.
    async fn effect(&self) -> Result<(), String>;
}
