//! Storing definitions.

use sqlx::{Connection, SqliteConnection, query, query_as};

use super::error::unavailable;
use crate::{
    store::{
        Deprecated, NewDefinition, PutDefinition, StoreError, StoredDefinition,
        codec::{DefinitionRow, encode_document, plain},
    },
    workflow::{Version, WorkflowId},
};

/// In one transaction: looks at the latest version, and adds the next one.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    new: NewDefinition,
    expected: Option<u32>,
) -> Result<PutDefinition, StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(unavailable)?;
    let latest: Option<DefinitionRow> = query_as(include_str!("sql/definition_latest.sql"))
        .bind(new.workflow.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let latest = latest.map(DefinitionRow::decode).transpose()?;
    let stored = match new.after(latest, expected) {
        Ok(stored) => stored,
        Err(answer) => {
            transaction.rollback().await.map_err(unavailable)?;
            return Ok(answer);
        }
    };
    query(include_str!("sql/put_definition.sql"))
        .bind(stored.workflow.as_str())
        .bind(stored.version.0)
        .bind(&stored.name)
        .bind(&stored.description)
        .bind(encode_document(&stored.document)?)
        .bind(stored.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    transaction
        .commit()
        .await
        .map_err(|error| StoreError::Uncertain(super::error::message(&error)))?;
    Ok(PutDefinition::Stored(stored))
}

/// Deprecates a version, or does so no more.
pub(super) async fn deprecate(
    connection: &mut SqliteConnection,
    workflow: &WorkflowId,
    version: Version,
    deprecated: Option<Deprecated>,
) -> Result<Option<StoredDefinition>, StoreError> {
    let (reason, at) = deprecated.map(|it| (plain(&it.reason), it.at.0)).unzip();
    let row: Option<DefinitionRow> = query_as(include_str!("sql/deprecate.sql"))
        .bind(workflow.as_str())
        .bind(version.0)
        .bind(reason)
        .bind(at)
        .fetch_optional(connection)
        .await
        .map_err(|error| StoreError::Uncertain(super::error::message(&error)))?;
    row.map(DefinitionRow::decode).transpose()
}
