//! The journal and what is read beside it, durable.
//!
//! # The contract
//! - [`Store::commit`] is one transaction over many appends: when it returns, every
//!   accepted append is on disk and survives the loss of the process and of power.
//!   When it fails, none of it happened, or ([`StoreError::is_uncertain`]) nobody knows:
//!   then the truth is what a later [`Store::load`] gives.
//! - An append is all or nothing and is accepted only at the version it expects
//!   (compare-and-set): whoever lost an execution can write no more to it.
//! - Readers see committed data only, and every event of a journal up to the
//!   version they see.
//!
//! Domain types are not storage types: `codec` converts, with a version in each row.

mod append;
mod codec;
mod sqlite;
mod writer;

#[cfg(test)]
mod conformance;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::workflow::{
    CheckpointId, Digest, ExecutionId, ExecutionStatus, Json, NodeId, Recorded, Timestamp, Version,
    WorkflowId,
};

pub use append::JSON_DEPTH_MAX;
pub use sqlite::SqliteStore;
pub use writer::Writer;

/// Opens the database at this URL, creates it when it is not there and brings its
/// schema up to date. The errors are one line each, made for a person at start-up.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if url.starts_with("sqlite:") {
        return Ok(Arc::new(SqliteStore::open(url).await?));
    }
    // The rest of it may hold a password.
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    Err(StoreError::Invalid(format!(
        "database URL with scheme {scheme:?}: use sqlite://FILE"
    )))
}

/// Where executions, definitions and blobs are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits these appends in one transaction. The results are in their order.
    ///
    /// The appends are of different executions (`writer` merges those of one)
    /// and have passed [`Append::check`]. What contradicts the schema all the same is a
    /// defect of the caller and fails all of them with [`StoreError::Invalid`].
    async fn commit(&self, appends: &[Append]) -> Result<Vec<Appended>, StoreError>;

    /// The summary and the whole journal of an execution.
    async fn load(&self, execution: ExecutionId) -> Result<Option<Journal>, StoreError>;

    /// Events after `after`, oldest first, at most `limit`.
    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Executions that are neither over nor waiting: what a host has to go on with
    /// when it starts. By id (so oldest first), after `after`, at most `limit`.
    async fn unfinished(
        &self,
        after: Option<ExecutionId>,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError>;

    /// Waiting executions whose `wake_at` has come, the most overdue first, at most `limit`.
    async fn woken(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>, StoreError>;

    /// Stores a definition as the next version of `workflow`, or gives the latest
    /// version when its document is equal. With `expected`, only if that is the
    /// latest version (0: if there is none).
    async fn put_definition(
        &self,
        new: NewDefinition,
        expected: Option<u32>,
    ) -> Result<PutDefinition, StoreError>;

    /// A blob by its digest.
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError>;

    /// Cheap proof that the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Name of the database for health reports: `SQLite` or `PostgreSQL`.
    fn database(&self) -> &'static str;

    /// The read models.
    fn queries(&self) -> &dyn Queries;
}

/// Read models beside the journal: lists and look-ups, each bounded by a page.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Summary of one execution.
    async fn execution(&self, id: ExecutionId) -> Result<Option<Summary>, StoreError>;
    /// The execution that was started with this key.
    async fn execution_by_key(
        &self,
        workflow: &WorkflowId,
        key: &str,
    ) -> Result<Option<Keyed>, StoreError>;
    /// Executions, newest first.
    async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<Summary>, StoreError>;
    /// One checkpoint.
    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<CheckpointRow>, StoreError>;
    /// Checkpoints, newest first.
    async fn checkpoints(
        &self,
        filter: CheckpointFilter,
        page: Page<(Timestamp, CheckpointId)>,
    ) -> Result<Vec<CheckpointRow>, StoreError>;
    /// One version of a definition, the latest when none is named.
    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Option<StoredDefinition>, StoreError>;
    /// The latest version of each workflow, by id.
    async fn definitions(
        &self,
        page: Page<WorkflowId>,
    ) -> Result<Vec<StoredDefinition>, StoreError>;
    /// All versions of a workflow, newest first.
    async fn versions(
        &self,
        workflow: &WorkflowId,
        page: Page<Version>,
    ) -> Result<Vec<StoredDefinition>, StoreError>;
    /// How many workflows there are.
    async fn workflow_count(&self) -> Result<u64, StoreError>;
}

/// Events to append to one execution, with what changes beside them.
#[derive(Debug, Clone)]
pub struct Append {
    /// Which execution.
    pub execution: ExecutionId,
    /// Its version (number of its last event) before this; 0 creates it.
    pub expected: u64,
    /// What happened, numbered from `expected + 1`. Never empty.
    pub events: Vec<Recorded>,
    /// The summary row after these events; its `version` is the last event's number.
    pub summary: Summary,
    /// When a waiting execution wants to run again; none unless it waits.
    pub wake_at: Option<Timestamp>,
    /// True when it only waits (for a person, for `wake_at`) and needs no host.
    pub waiting: bool,
    /// Set exactly when `expected` is 0 and the start had an idempotency key.
    pub key: Option<StartKey>,
    /// Checkpoints that these events opened or closed.
    pub checkpoints: Vec<CheckpointRow>,
    /// Bytes that these events refer to.
    pub blobs: Vec<(Digest, Bytes)>,
}

/// Idempotency key of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartKey {
    /// The client's key, unique per workflow; without NUL.
    pub key: String,
    /// Digest of the request: the same key with another request is an error.
    pub request: Digest,
}

/// What became of one append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is durable.
    Committed,
    /// The execution is not at the expected version, or already exists; nothing was written.
    Conflict,
    /// Another execution of the workflow was started with this key; nothing was written.
    Duplicate(Keyed),
}

/// An execution that was started with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Which execution.
    pub execution: ExecutionId,
    /// Digest of the request that started it.
    pub request: Digest,
}

/// An execution as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// The summary row.
    pub summary: Summary,
    /// Every event, 1 to `summary.version`.
    pub events: Vec<Recorded>,
}

/// The summary row of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Which execution.
    pub id: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub definition: Version,
    /// Number of the last event.
    pub version: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first node started.
    pub started_at: Option<Timestamp>,
    /// When it ended; none again after a resume.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, was cancelled or timed out. The character NUL, which no
    /// database likes in text, comes back as U+FFFD.
    pub error: Option<String>,
}

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Of this workflow only.
    pub workflow: Option<WorkflowId>,
    /// In this status only.
    pub status: Option<ExecutionStatus>,
}

/// A page of a list: rows after this key, at most `limit`.
#[derive(Debug, Clone)]
pub struct Page<Key> {
    /// Key of the last row of the page before.
    pub after: Option<Key>,
    /// 1 to 1000; the caller sees to it.
    pub limit: u32,
}

/// A checkpoint as the inbox shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointRow {
    /// Which checkpoint.
    pub id: CheckpointId,
    /// Of which execution.
    pub execution: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// After which node.
    pub node: NodeId,
    /// What the reviewer is asked.
    pub title: String,
    /// How to decide.
    pub instructions: Option<String>,
    /// What the phase produced.
    pub proposed: Json,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Open, or how it was closed.
    pub state: CheckpointState,
}

/// Where a checkpoint stands.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckpointState {
    /// Somebody has to decide.
    Pending,
    /// It is decided.
    Closed {
        /// How.
        outcome: CheckpointOutcome,
        /// What the decider wrote.
        notes: Option<String>,
        /// Who decided; none when nobody did.
        by: Option<String>,
        /// When.
        at: Timestamp,
    },
}

/// How a checkpoint was closed.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckpointOutcome {
    /// The output stands.
    Approved,
    /// This output takes its place.
    Edited(Json),
    /// The node fails or runs again.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The execution ended first.
    Cancelled,
}

/// Which checkpoints to list.
#[derive(Debug, Clone, Default)]
pub struct CheckpointFilter {
    /// Of this execution only.
    pub execution: Option<ExecutionId>,
    /// In this status only: `pending`, `approved`, `edited`, `rejected`, `expired` or `cancelled`.
    pub status: Option<CheckpointStatus>,
}

/// [`CheckpointState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names of CheckpointState and CheckpointOutcome"
)]
pub enum CheckpointStatus {
    Pending,
    Approved,
    Edited,
    Rejected,
    Expired,
    Cancelled,
}

/// A definition to store.
#[derive(Debug, Clone)]
pub struct NewDefinition {
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The document as the author wrote it.
    pub document: Json,
    /// Now.
    pub at: Timestamp,
}

/// What [`Store::put_definition`] did.
#[derive(Debug, Clone, PartialEq)]
pub enum PutDefinition {
    /// It is the latest version now (or was before).
    Stored(StoredDefinition),
    /// The latest version is not the expected one but this (0: there is none).
    Stale(u32),
}

/// One version of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDefinition {
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Which version.
    pub version: Version,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The document as the author wrote it.
    pub document: Json,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, is busy or full; nothing was written.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The connection broke while committing; the appends may or may not be there.
    #[error("outcome of the commit unknown: {0}")]
    Uncertain(String),
    /// What is stored is not what this version can read.
    #[error("stored data unreadable: {0}")]
    Corrupt(String),
    /// No store could do it: the caller's mistake. Nothing was written.
    #[error("not storable: {0}")]
    Invalid(String),
    /// The database has migrations that this version does not know.
    #[error("database schema is newer than this version of phasewright: {0}")]
    Newer(String),
}

impl StoreError {
    /// May the same call succeed later?
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Uncertain(_))
    }

    /// Is it unknown whether the commit happened?
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Uncertain(_))
    }
}
