//! Who runs what. A file has one host at a time, but an execution that is released is
//! nobody's here as well, and what an earlier process had is found by that.

use sqlx::{SqliteConnection, SqlitePool, query, query_scalar};

use super::{error::unavailable, read::bytes};
use crate::{
    store::{HostId, StoreError, codec::decode_executions},
    workflow::{ExecutionId, Timestamp},
};

/// Is there anything to claim?
pub(super) async fn is_work_due(readers: &SqlitePool, now: Timestamp) -> Result<bool, StoreError> {
    query_scalar(include_str!("sql/work_due.sql"))
        .bind(now.0)
        .fetch_one(readers)
        .await
        .map_err(unavailable)
}

pub(super) async fn claim(
    connection: &mut SqliteConnection,
    host: HostId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<ExecutionId>, StoreError> {
    let ids: Vec<Vec<u8>> = query_scalar(include_str!("sql/claim.sql"))
        .bind(owner(host))
        .bind(now.0)
        .bind(limit)
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    decode_executions(&ids)
}

pub(super) async fn take(
    connection: &mut SqliteConnection,
    host: HostId,
    execution: ExecutionId,
) -> Result<bool, StoreError> {
    let taken: Option<i64> = query_scalar(include_str!("sql/take.sql"))
        .bind(owner(host))
        .bind(bytes(execution.0))
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    Ok(taken.is_some())
}

pub(super) async fn release(
    connection: &mut SqliteConnection,
    host: HostId,
    execution: ExecutionId,
) -> Result<(), StoreError> {
    query(include_str!("sql/release.sql"))
        .bind(owner(host))
        .bind(bytes(execution.0))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

pub(super) async fn leave(
    connection: &mut SqliteConnection,
    host: HostId,
) -> Result<(), StoreError> {
    query(include_str!("sql/leave.sql"))
        .bind(owner(host))
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

/// As the column has it: 32 hexadecimal digits.
pub(super) fn owner(host: HostId) -> String {
    host.0.simple().to_string()
}
