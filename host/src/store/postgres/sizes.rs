//! What takes how much room.

use sqlx::{Connection, query_as, query_scalar};

use super::{error::unavailable, open};
use crate::store::{Sizes, StoreError};

/// Of the database at this URL.
pub(in crate::store) async fn sizes(url: &str) -> Result<Sizes, StoreError> {
    let mut connection = open::connect(&open::options(url)?).await?;
    let bytes = query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(&mut connection)
        .await
        .map_err(unavailable)?;
    let tables = query_as(include_str!("sql/sizes.sql"))
        .bind(open::TABLES.as_slice())
        .fetch_all(&mut connection)
        .await
        .map_err(unavailable)?;
    let executions = query_as(include_str!("sql/executions_by_status.sql"))
        .fetch_all(&mut connection)
        .await
        .map_err(unavailable)?;
    connection.close().await.map_err(unavailable)?;
    Ok(Sizes {
        bytes,
        tables,
        executions,
    })
}
