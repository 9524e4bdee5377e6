//! The store in a PostgreSQL database, shared by any number of hosts.
//!
//! One connection commits, so that group commit has one queue; a pool reads; a small
//! pool of its own keeps the lease, so that no load can take it away; one connection
//! listens. **Invariant:** a connection whose answer did not come in time is closed,
//! never used again.

mod commit;
mod components;
mod definitions;
mod error;
mod hosts;
mod notices;
mod open;
mod read;
mod retention;
mod sizes;
mod trust;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{
    ConnectOptions, Error, PgConnection, PgPool, Postgres,
    postgres::{PgArguments, PgConnectOptions},
    query,
    query::Query,
    query_scalar,
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    Append, Appended, Cluster, Deprecated, HostId, Journal, Keep, NewDefinition, PutDefinition,
    Queries, Removal, Store, StoreError, StoredDefinition, codec::decode_executions,
};
use crate::workflow::{Digest, ExecutionId, Recorded, Timestamp, Version, WorkflowId};
use error::{unavailable, uncertain};

pub(super) use sizes::sizes;
use trust::Trust;

/// Longest wait for an answer. The server gives up on a statement by itself somewhat
/// earlier; beyond that the connection is taken for broken.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

/// Longest statement, told to the server.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    /// How the writing connection is opened.
    options: PgConnectOptions,
    /// The writing connection, unless it broke.
    writer: Mutex<Option<PgConnection>>,
    readers: PgPool,
    /// For leases, claims and commands.
    control: PgPool,
    /// The `application_name` of all connections of this process.
    application: String,
    trust: Trust,
}

impl PostgresStore {
    /// Opens the database of a URL like `postgres://user:password@host:5432/database`,
    /// with libpq's parameters (`sslmode`, `sslrootcert`, …).
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        open::open(url).await
    }

    /// Does something on a connection of this pool; closes it when the answer does not come.
    async fn with<T>(
        &self,
        pool: &PgPool,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let result = async {
            let mut connection = pool.acquire().await.map_err(unavailable)?;
            if let Ok(result) = timeout(ANSWER_TIMEOUT, work(&mut connection)).await {
                return result;
            }
            drop(connection.detach());
            Err(silent(ANSWER_TIMEOUT))
        };
        self.trust.watch(result.await)
    }

    /// The bytes that a statement finds by their digest.
    async fn bytes(&self, sql: &'static str, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.with(&self.readers, async |connection| {
            let data: Option<Vec<u8>> = query_scalar(sql)
                .bind(digest.0.to_vec())
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            Ok(data.map(Bytes::from))
        })
        .await
    }

    /// The writing connection, or a new one in its place.
    async fn connection(
        &self,
        place: &mut Option<PgConnection>,
    ) -> Result<PgConnection, StoreError> {
        if let Some(connection) = place.take() {
            return Ok(connection);
        }
        let connecting = async {
            match self.options.connect().await {
                // It ended while it was being opened, as it does where something between the host
                // and the server moves. Nothing has been asked yet.
                Err(Error::Io(_) | Error::Protocol(_)) => self.options.connect().await,
                result => result,
            }
        };
        timeout(open::CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| silent(open::CONNECT_TIMEOUT))?
            .map_err(unavailable)
    }
}

fn silent(after: Duration) -> StoreError {
    StoreError::Unavailable(format!("no answer within {} s", after.as_secs()))
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, appends: &[Append]) -> Result<Vec<Appended>, StoreError> {
        let mut place = self.writer.lock().await;
        let mut connection = self.connection(&mut place).await?;
        let commit = commit::commit(&mut connection, appends);
        let result = timeout(ANSWER_TIMEOUT, commit)
            .await
            .unwrap_or_else(|_| Err(StoreError::Uncertain(silent(ANSWER_TIMEOUT).to_string())));
        if !matches!(
            result,
            Err(StoreError::Uncertain(_) | StoreError::Unavailable(_))
        ) {
            *place = Some(connection);
        }
        self.trust.watch(result)
    }

    async fn load(&self, execution: ExecutionId) -> Result<Option<Journal>, StoreError> {
        self.with(&self.readers, async |connection| {
            read::load(connection, execution).await
        })
        .await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        self.with(&self.readers, async |connection| {
            read::events(connection, execution, after, limit, bytes_max).await
        })
        .await
    }

    async fn claim(
        &self,
        host: HostId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        self.with(&self.control, async |connection| {
            let ids: Vec<Vec<u8>> = query_scalar(include_str!("postgres/sql/claim.sql"))
                .bind(host.0)
                .bind(now.0)
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await
                .map_err(unavailable)?;
            decode_executions(&ids)
        })
        .await
    }

    async fn take(&self, host: HostId, execution: ExecutionId) -> Result<bool, StoreError> {
        self.with(&self.control, async |connection| {
            let taken: Option<bool> = query_scalar(include_str!("postgres/sql/take.sql"))
                .bind(host.0)
                .bind(execution.0)
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            Ok(taken.is_some())
        })
        .await
    }

    async fn release(&self, host: HostId, execution: ExecutionId) -> Result<(), StoreError> {
        self.control(
            query(include_str!("postgres/sql/release.sql"))
                .bind(host.0)
                .bind(execution.0),
        )
        .await
    }

    async fn leave(&self, host: HostId) -> Result<(), StoreError> {
        self.control(query(include_str!("postgres/sql/leave.sql")).bind(host.0))
            .await
    }

    async fn put_definition(
        &self,
        new: NewDefinition,
        expected: Option<u32>,
    ) -> Result<PutDefinition, StoreError> {
        self.with(&self.control, async |connection| {
            definitions::put(connection, new, expected).await
        })
        .await
    }

    async fn deprecate(
        &self,
        workflow: &WorkflowId,
        version: Version,
        deprecated: Option<Deprecated>,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        self.with(&self.control, async |connection| {
            definitions::deprecate(connection, workflow, version, deprecated).await
        })
        .await
    }

    async fn remove_definitions(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Removal, StoreError> {
        self.with(&self.control, async |connection| {
            definitions::remove(connection, workflow, version).await
        })
        .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.bytes(include_str!("postgres/sql/blob.sql"), digest)
            .await
    }

    async fn expire(&self, now: Timestamp, keep: Keep, limit: u32) -> Result<u64, StoreError> {
        self.with(&self.control, async |connection| {
            retention::expire(connection, now, keep, limit).await
        })
        .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.control(query("SELECT 1")).await
    }

    fn database(&self) -> &'static str {
        "PostgreSQL"
    }

    fn queries(&self) -> &dyn Queries {
        self
    }

    fn cluster(&self) -> Option<&dyn Cluster> {
        Some(self)
    }
}

impl PostgresStore {
    /// Executes a statement whose rows are of no interest.
    async fn control(&self, statement: Query<'_, Postgres, PgArguments>) -> Result<(), StoreError> {
        self.with(&self.control, async |connection| {
            statement.execute(connection).await.map_err(uncertain)?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests;
