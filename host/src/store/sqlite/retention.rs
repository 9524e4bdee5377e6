//! Removing what has been kept long enough.

use sqlx::{Connection, SqliteConnection, query, query_scalar};

use super::error::unavailable;
use crate::{
    store::{Keep, StoreError},
    workflow::Timestamp,
};

/// In one transaction: executions with all they have, then blobs that nobody refers to.
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    now: Timestamp,
    keep: Keep,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(unavailable)?;
    let due: Vec<String> = query_scalar(include_str!("sql/due_to_expire.sql"))
        .bind(now.0)
        .bind(keep.ended_before(now).map(|time| time.0))
        .bind(limit)
        .fetch_all(&mut *transaction)
        .await
        .map_err(unavailable)?;
    if due.is_empty() {
        transaction.rollback().await.map_err(unavailable)?;
        return Ok(0);
    }
    let executions = serde_json::json!(due).to_string();
    let blobs: Vec<String> = query_scalar(include_str!("sql/blobs_used.sql"))
        .bind(&executions)
        .fetch_all(&mut *transaction)
        .await
        .map_err(unavailable)?;
    for (sql, ids) in [
        (include_str!("sql/remove_executions.sql"), executions),
        (
            include_str!("sql/remove_blobs.sql"),
            serde_json::json!(blobs).to_string(),
        ),
    ] {
        query(sql)
            .bind(ids)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
    }
    transaction.commit().await.map_err(unavailable)?;
    Ok(due.len() as u64)
}
