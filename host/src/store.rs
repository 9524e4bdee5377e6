//! The journal and what is read beside it, durable.
//!
//! # The contract
//! - [`Store::commit`] is one transaction over many appends: when it returns, every
//!   accepted append is on disk and survives the loss of the process and of power.
//!   When it fails, none of it happened, or ([`StoreError::is_uncertain`]) nobody knows:
//!   then the truth is what a later [`Store::load`] gives.
//! - An append is all or nothing and is accepted only at the version and from the owner
//!   that it expects (compare-and-set): whoever lost an execution can write no more to it.
//! - An execution has one owner at most. It changes by [`Store::claim`] and
//!   [`Store::take`], which give away only what nobody owns, and by what the owner
//!   itself writes; what a host owned that ended without letting go is freed, and
//!   counted as a crash.
//! - Readers see committed data only, and every event of a journal up to the
//!   version they see.
//!
//! Domain types are not storage types: `codec` converts, with a version in each row.

mod append;
mod cluster;
mod codec;
mod components;
mod postgres;
mod rows;
mod sizes;
mod sqlite;
mod writer;

#[cfg(test)]
mod conformance;
#[cfg(test)]
pub(crate) mod gate;

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use uuid::Uuid;

use crate::workflow::{
    CheckpointId, Digest, ExecutionId, Recorded, Timestamp, Version, WorkflowId,
};

pub use append::JSON_DEPTH_MAX;
pub use cluster::{Answer, Cluster, Notice, Peers, Signal, SignalId};
pub use components::{Components, NewComponent};
pub use postgres::PostgresStore;
pub use rows::{
    CheckpointFilter, CheckpointOutcome, CheckpointRow, CheckpointState, CheckpointStatus,
    Deprecated, ExecutionFilter, NewDefinition, Page, PutDefinition, Removal, Startable,
    StoredDefinition, Summary, USES_COUNTED_MAX, Wanted,
};
pub use sizes::{Sizes, TableSize, sizes};
pub use sqlite::SqliteStore;
pub use writer::Writer;

use rows::CheckpointLists;

/// Opens the database at this URL, creates it when it is not there and brings its
/// schema up to date. The errors are one line each, made for a person at start-up.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, StoreError> {
    if url.starts_with("sqlite:") {
        return Ok(Arc::new(SqliteStore::open(url).await?));
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return Ok(Arc::new(PostgresStore::open(url).await?));
    }
    // The rest of it may hold a password.
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    Err(StoreError::Invalid(format!(
        "database URL with scheme {scheme:?}: use sqlite://FILE or postgres://USER@HOST/DATABASE"
    )))
}

/// Where executions, definitions, blobs and components are kept.
#[async_trait]
pub trait Store: Components + 'static {
    /// Commits these appends in one transaction. The results are in their order.
    ///
    /// The appends are of different executions (`writer` merges those of one)
    /// and have passed [`Append::check`]. What contradicts the schema all the same is a
    /// defect of the caller and fails all of them with [`StoreError::Invalid`].
    async fn commit(&self, appends: &[Append]) -> Result<Vec<Appended>, StoreError>;

    /// The summary and the whole journal of an execution.
    async fn load(&self, execution: ExecutionId) -> Result<Option<Journal>, StoreError>;

    /// Events after `after`, oldest first: at most `limit`, and none after those that have
    /// `bytes_max` bytes together.
    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Recorded>, StoreError>;

    /// Makes `host` the owner of executions that need one and have none: those that are
    /// neither over nor waiting, those whose `wake_at` has come, and those that another
    /// host has a command for. At most `limit`.
    async fn claim(
        &self,
        host: HostId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError>;

    /// Makes `host` the owner of this execution, unless another host owns it.
    async fn take(&self, host: HostId, execution: ExecutionId) -> Result<bool, StoreError>;

    /// Lets go of this execution, if `host` owns it.
    async fn release(&self, host: HostId, execution: ExecutionId) -> Result<(), StoreError>;

    /// Lets go of everything that `host` owns; it ends in order and is no crash.
    async fn leave(&self, host: HostId) -> Result<(), StoreError>;

    /// Stores a definition as the next version of `workflow`, or gives the latest
    /// version when its document is equal. With `expected`, only if that is the
    /// latest version (0: if there is none).
    async fn put_definition(
        &self,
        new: NewDefinition,
        expected: Option<u32>,
    ) -> Result<PutDefinition, StoreError>;

    /// Deprecates a version of a definition, or does so no more; none when there is no such
    /// version.
    async fn deprecate(
        &self,
        workflow: &WorkflowId,
        version: Version,
        deprecated: Option<Deprecated>,
    ) -> Result<Option<StoredDefinition>, StoreError>;

    /// Removes a version of a definition, or all versions of a workflow, unless an execution
    /// needs them. Their numbers are not used again.
    async fn remove_definitions(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Removal, StoreError>;

    /// A blob by its digest.
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError>;

    /// Removes executions that have been over for long enough, with their journals and
    /// checkpoints and the blobs that nobody else refers to; at most `limit`. Says how many.
    async fn expire(&self, now: Timestamp, keep: Keep, limit: u32) -> Result<u64, StoreError>;

    /// Cheap proof that the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Name of the database for health reports: `SQLite` or `PostgreSQL`.
    fn database(&self) -> &'static str;

    /// The read models.
    fn queries(&self) -> &dyn Queries;

    /// What hosts that share the database need of each other; none when only one host
    /// can have it.
    fn cluster(&self) -> Option<&dyn Cluster>;
}

/// How long executions are kept after their end, unless their definitions say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For good.
    Forever,
    /// So many days.
    Days(u32),
}

impl Keep {
    /// What ended before this has been kept long enough.
    fn ended_before(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::Days(days) => Some(Timestamp(now.0 - i64::from(days) * 86_400_000)),
        }
    }
}

/// One life of a host: a process, or the time between two lapses of its lease. Whatever
/// a host owned in an earlier life it has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub Uuid);

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
    /// The versions that starts would take, of those of these that exist.
    async fn startable(&self, wanted: &[Wanted]) -> Result<HashMap<Wanted, Startable>, StoreError>;
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
    /// Who owns it before this; none: nobody.
    pub holder: Option<HostId>,
    /// Who owns it after this; none: whoever claims it first.
    pub owner: Option<HostId>,
    /// How often in a row a host ended while it ran this and nothing came of it.
    pub crashes: u32,
    /// What happened, numbered from `expected + 1`. Never empty.
    pub events: Vec<Recorded>,
    /// The summary row after these events; its `version` is the last event's number. The
    /// version of the definition may be another one than before: a migration.
    pub summary: Summary,
    /// When a waiting execution wants to run again; none unless it waits.
    pub wake_at: Option<Timestamp>,
    /// True when it only waits (for a person, for `wake_at`) and needs no host.
    pub waiting: bool,
    /// Days to keep it after its end; none: as long as the operator says.
    pub keep_days: Option<u32>,
    /// Set exactly when `expected` is 0 and the start had an idempotency key.
    pub key: Option<StartKey>,
    /// Checkpoints that these events opened or closed.
    pub checkpoints: Vec<CheckpointRow>,
    /// Bytes that these events refer to.
    pub blobs: Vec<(Digest, Bytes)>,
    /// Answers to the commands of other hosts that these events follow from.
    pub answers: Vec<(SignalId, Answer)>,
    /// Versions of the definition that the execution goes by no more: its journal is read with
    /// them.
    pub left: Vec<Version>,
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
    /// The execution is not at the expected version, belongs to another host, or already
    /// exists; nothing was written.
    Conflict,
    /// Another execution of the workflow was started with this key; nothing was written.
    Duplicate(Keyed),
    /// There is no such version of the definition any more; nothing was written. `writer` finds
    /// this out.
    Undefined,
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
    /// Who owns it.
    pub owner: Option<HostId>,
    /// How often in a row a host ended while it ran this and nothing came of it.
    pub crashes: u32,
    /// Every event, 1 to `summary.version`.
    pub events: Vec<Recorded>,
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
