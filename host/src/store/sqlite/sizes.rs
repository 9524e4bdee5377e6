//! What takes how much room.

use sqlx::{ConnectOptions, Connection, query_as, query_scalar, sqlite::SqliteConnectOptions};

use super::{error::unavailable, open};
use crate::store::{Sizes, StoreError};

/// Of the file that a URL names; a host may have it.
pub(in crate::store) async fn sizes(url: &str) -> Result<Sizes, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(open::path(url)?)
        .create_if_missing(false)
        .read_only(true);
    let mut connection = options.connect().await.map_err(unavailable)?;
    let bytes =
        query_scalar("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut connection)
            .await
            .map_err(unavailable)?;
    let tables = query_as(include_str!("sql/sizes.sql"))
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
