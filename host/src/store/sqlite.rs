//! The store in a `SQLite` file, owned by one host.
//!
//! One connection writes, a few read; each is a thread of the driver. **Invariant:**
//! the writing connection is never in a transaction while nobody uses it: who takes it
//! out of its place puts it back only when its transaction is over, and a connection
//! that is not put back (error, panic, dropped future) closes, which rolls back.
//!
//! A parameter as a limit is written `LIMIT +?1`: with a bare one `SQLite` plans the
//! statement anew each time it is bound, which takes longer than a short read.

mod commit;
mod components;
mod definitions;
mod error;
mod open;
mod owners;
mod read;
mod retention;
mod sizes;

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool, query_scalar, sqlite::SqliteConnectOptions,
};
use tokio::sync::Mutex;

use super::{
    Append, Appended, Cluster, Deprecated, HostId, Journal, Keep, NewDefinition, PutDefinition,
    Queries, Removal, Store, StoreError, StoredDefinition,
};
use crate::workflow::{Digest, ExecutionId, Recorded, Timestamp, Version, WorkflowId};
use error::unavailable;

pub(super) use sizes::sizes;

/// A `SQLite` database file and the right to be the only one who writes to it.
#[derive(Debug)]
pub struct SqliteStore {
    /// How the writing connection is opened.
    options: SqliteConnectOptions,
    /// The writing connection, unless it broke.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// Locked as long as the store is open; after the connections, as fields drop in order.
    _lock: open::Lock,
}

impl SqliteStore {
    /// Opens the database file of a URL like `sqlite://phasewright.db` or
    /// `sqlite:///var/lib/phasewright/phasewright.db`; creates it when it is not there.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        open::open(url).await
    }

    /// Does something on the writing connection, which is closed if that fails.
    async fn writing<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut place = self.writer.lock().await;
        let mut connection = self.connection(&mut place).await?;
        let result = work(&mut connection).await?;
        *place = Some(connection);
        Ok(result)
    }

    /// The writing connection, or a new one in its place.
    async fn connection(
        &self,
        place: &mut Option<SqliteConnection>,
    ) -> Result<SqliteConnection, StoreError> {
        match place.take() {
            Some(connection) => Ok(connection),
            None => self.options.connect().await.map_err(unavailable),
        }
    }

    /// The bytes that a statement finds by their digest.
    async fn bytes(&self, sql: &'static str, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        let data: Option<Vec<u8>> = query_scalar(sql)
            .bind(digest.0.to_vec())
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(data.map(Bytes::from))
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, appends: &[Append]) -> Result<Vec<Appended>, StoreError> {
        self.writing(async |connection| commit::commit(connection, appends).await)
            .await
    }

    async fn load(&self, execution: ExecutionId) -> Result<Option<Journal>, StoreError> {
        read::load(&self.readers, execution).await
    }

    async fn events(
        &self,
        execution: ExecutionId,
        after: u64,
        limit: u32,
        bytes_max: usize,
    ) -> Result<Vec<Recorded>, StoreError> {
        read::events(&self.readers, execution, after, limit, bytes_max).await
    }

    async fn claim(
        &self,
        host: HostId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<ExecutionId>, StoreError> {
        // Most of the time there is nothing, and looking is cheaper than writing.
        if !owners::is_work_due(&self.readers, now).await? {
            return Ok(Vec::new());
        }
        self.writing(async |connection| owners::claim(connection, host, now, limit).await)
            .await
    }

    async fn take(&self, host: HostId, execution: ExecutionId) -> Result<bool, StoreError> {
        self.writing(async |connection| owners::take(connection, host, execution).await)
            .await
    }

    async fn release(&self, host: HostId, execution: ExecutionId) -> Result<(), StoreError> {
        self.writing(async |connection| owners::release(connection, host, execution).await)
            .await
    }

    async fn leave(&self, host: HostId) -> Result<(), StoreError> {
        self.writing(async |connection| owners::leave(connection, host).await)
            .await
    }

    async fn put_definition(
        &self,
        new: NewDefinition,
        expected: Option<u32>,
    ) -> Result<PutDefinition, StoreError> {
        self.writing(async |connection| definitions::put(connection, new, expected).await)
            .await
    }

    async fn deprecate(
        &self,
        workflow: &WorkflowId,
        version: Version,
        deprecated: Option<Deprecated>,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        self.writing(async |connection| {
            definitions::deprecate(connection, workflow, version, deprecated).await
        })
        .await
    }

    async fn remove_definitions(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Removal, StoreError> {
        self.writing(async |connection| definitions::remove(connection, workflow, version).await)
            .await
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.bytes(include_str!("sqlite/sql/blob.sql"), digest)
            .await
    }

    async fn expire(&self, now: Timestamp, keep: Keep, limit: u32) -> Result<u64, StoreError> {
        self.writing(async |connection| retention::expire(connection, now, keep, limit).await)
            .await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // Reads the schema, and so the file.
        let _: i64 = query_scalar("PRAGMA schema_version")
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    fn database(&self) -> &'static str {
        "SQLite"
    }

    fn queries(&self) -> &dyn Queries {
        self
    }

    /// The file is locked: there is no other host.
    fn cluster(&self) -> Option<&dyn Cluster> {
        None
    }
}

#[cfg(test)]
mod tests;
