//! Removing what has been kept long enough.

use sqlx::{Connection, FromRow, PgConnection, query, query_as};

use super::error::unavailable;
use crate::{
    store::{Keep, StoreError},
    workflow::Timestamp,
};

#[derive(FromRow)]
struct Expired(i64, Vec<Vec<u8>>);

/// In one transaction: executions with all they have, then blobs that nobody refers to.
pub(super) async fn expire(
    connection: &mut PgConnection,
    now: Timestamp,
    keep: Keep,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    let Expired(count, blobs) = query_as(include_str!("sql/expire.sql"))
        .bind(now.0)
        .bind(keep.ended_before(now).map(|time| time.0))
        .bind(i64::from(limit))
        .fetch_one(&mut *transaction)
        .await
        .map_err(unavailable)?;
    if !blobs.is_empty() {
        for sql in [
            include_str!("sql/lock_blobs.sql"),
            include_str!("sql/remove_blobs.sql"),
        ] {
            query(sql)
                .bind(&blobs)
                .execute(&mut *transaction)
                .await
                .map_err(unavailable)?;
        }
    }
    query(include_str!("sql/remove_signals.sql"))
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    transaction.commit().await.map_err(unavailable)?;
    Ok(count.try_into().unwrap_or(0))
}
