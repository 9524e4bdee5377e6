//! Storing definitions.

use sqlx::{Connection, PgConnection, query, query_as, query_scalar};

use super::error::{unavailable, uncertain};
use crate::{
    store::{
        Deprecated, NewDefinition, PutDefinition, Removal, StoreError, StoredDefinition,
        USES_COUNTED_MAX,
        codec::{DefinitionRow, encode_document, plain},
    },
    workflow::{Version, WorkflowId},
};

/// In one transaction: looks at the latest version, and adds the next one. Whoever puts
/// the same workflow at the same time waits.
pub(super) async fn put(
    connection: &mut PgConnection,
    new: NewDefinition,
    expected: Option<u32>,
) -> Result<PutDefinition, StoreError> {
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    query(include_str!("sql/lock_workflow.sql"))
        .bind(new.workflow.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let latest: Option<DefinitionRow> = query_as(include_str!("sql/definition_latest.sql"))
        .bind(new.workflow.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let latest = latest.map(DefinitionRow::decode).transpose()?;
    let last: Option<i64> = query_scalar(include_str!("sql/last_version.sql"))
        .bind(new.workflow.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let stored = match new.after(latest, last, expected) {
        Ok(stored) => stored,
        Err(answer) => {
            transaction.rollback().await.map_err(unavailable)?;
            return Ok(answer);
        }
    };
    query(include_str!("sql/put_definition.sql"))
        .bind(stored.workflow.as_str())
        .bind(i64::from(stored.version.0))
        .bind(&stored.name)
        .bind(&stored.description)
        .bind(encode_document(&stored.document)?)
        .bind(stored.created_at.0)
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    query(include_str!("sql/set_last_version.sql"))
        .bind(stored.workflow.as_str())
        .bind(i64::from(stored.version.0))
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    transaction.commit().await.map_err(uncertain)?;
    Ok(PutDefinition::Stored(stored))
}

/// Deprecates a version, or does so no more.
pub(super) async fn deprecate(
    connection: &mut PgConnection,
    workflow: &WorkflowId,
    version: Version,
    deprecated: Option<Deprecated>,
) -> Result<Option<StoredDefinition>, StoreError> {
    let (reason, at) = deprecated.map(|it| (plain(&it.reason), it.at.0)).unzip();
    let row: Option<DefinitionRow> = query_as(include_str!("sql/deprecate.sql"))
        .bind(workflow.as_str())
        .bind(i64::from(version.0))
        .bind(reason)
        .bind(at)
        .fetch_optional(connection)
        .await
        .map_err(uncertain)?;
    row.map(DefinitionRow::decode).transpose()
}

/// In one transaction: counts who needs them, and removes them if nobody does. Who starts an
/// execution by them at the same time is waited for by the check of the foreign key.
pub(super) async fn remove(
    connection: &mut PgConnection,
    workflow: &WorkflowId,
    version: Option<Version>,
) -> Result<Removal, StoreError> {
    let number = version.map(|version| i64::from(version.0));
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    query(include_str!("sql/lock_workflow.sql"))
        .bind(workflow.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(unavailable)?;
    let uses: i64 = query_scalar(include_str!("sql/definition_uses.sql"))
        .bind(workflow.as_str())
        .bind(number)
        .bind(i64::from(USES_COUNTED_MAX))
        .fetch_one(&mut *transaction)
        .await
        .map_err(unavailable)?;
    if uses > 0 {
        transaction.rollback().await.map_err(unavailable)?;
        return Ok(Removal::Used(u32::try_from(uses).unwrap_or(u32::MAX)));
    }
    let removed = query(include_str!("sql/remove_definitions.sql"))
        .bind(workflow.as_str())
        .bind(number)
        .execute(&mut *transaction)
        .await;
    let removed = match removed.map_err(unavailable) {
        Ok(removed) => removed.rows_affected(),
        // Somebody was quicker.
        Err(StoreError::Invalid(_)) => return Ok(Removal::Used(1)),
        Err(error) => return Err(error),
    };
    transaction.commit().await.map_err(uncertain)?;
    Ok(if removed == 0 {
        Removal::Absent
    } else {
        Removal::Removed
    })
}
