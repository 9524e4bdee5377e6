//! What takes how much room. Looks at a database beside whoever uses it, and changes nothing.

use sqlx::FromRow;

use super::{StoreError, postgres, sqlite};

/// What a database holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// All of it, with what is free for reuse.
    pub bytes: i64,
    /// Each table, the largest first.
    pub tables: Vec<TableSize>,
    /// How many executions there are, by status.
    pub executions: Vec<(String, i64)>,
}

/// A table with its indexes.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Rows; on PostgreSQL as last estimated.
    pub rows: i64,
    /// Bytes, indexes included.
    pub bytes: i64,
}

/// What the database at this URL holds.
pub async fn sizes(url: &str) -> Result<Sizes, StoreError> {
    if url.starts_with("sqlite:") {
        sqlite::sizes(url).await
    } else {
        postgres::sizes(url).await
    }
}
