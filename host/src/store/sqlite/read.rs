//! Reading: journals and the read models.

use std::{collections::HashMap, future::ready};

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::json;
use sqlx::{Either, Executor, FromRow, SqlitePool, query, query::QueryAs, query_as, query_scalar};
use uuid::Uuid;

use super::{SqliteStore, error::unavailable};
use crate::{
    store::{
        CheckpointFilter, CheckpointLists, CheckpointRow, CheckpointStatus, ExecutionFilter,
        Journal, Keyed, Page, Queries, Startable, StoreError, StoredDefinition, Summary, Wanted,
        codec::{
            CheckpointColumns, DefinitionRow, EventRow, JournalRow, KeyedRow, StartableRow,
            SummaryRow, whole,
        },
    },
    workflow::{CheckpointId, ExecutionId, Recorded, Timestamp, Version, WorkflowId},
};

/// The summary first, then the events up to it: a journal only grows, so no
/// transaction is needed for them to agree. Both statements are one message to the
/// driver's thread.
pub(super) async fn load(
    readers: &SqlitePool,
    execution: ExecutionId,
) -> Result<Option<Journal>, StoreError> {
    let query = query(include_str!("sql/journal.sql")).bind(bytes(execution.0));
    let mut results = readers.fetch_many(query).map_err(unavailable);
    let Some(Either::Right(row)) = results.try_next().await? else {
        return Ok(None);
    };
    let row = JournalRow::from_row(&row).map_err(unavailable)?;
    let last = row.summary.version;
    let rows = results.try_filter_map(async |result| {
        let row = result.right().as_ref().map(EventRow::from_row);
        row.transpose().map_err(unavailable)
    });
    let events = rows.try_take_while(|event| ready(Ok(event.seq <= last)));
    row.decode(whole(events, execution, 0).await?).map(Some)
}

/// Events after `after`, without a gap.
pub(super) async fn events(
    readers: &SqlitePool,
    execution: ExecutionId,
    after: u64,
    limit: u32,
    bytes_max: usize,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = query_as::<_, EventRow>(include_str!("sql/events.sql"))
        .bind(bytes(execution.0))
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(limit)
        .bind(i64::try_from(bytes_max).unwrap_or(i64::MAX))
        .fetch(readers)
        .map_err(unavailable);
    whole(rows, execution, after).await
}

#[async_trait]
impl Queries for SqliteStore {
    async fn execution(&self, id: ExecutionId) -> Result<Option<Summary>, StoreError> {
        summary(&self.readers, id).await
    }

    async fn execution_by_key(
        &self,
        workflow: &WorkflowId,
        key: &str,
    ) -> Result<Option<Keyed>, StoreError> {
        let row: Option<KeyedRow> = query_as(include_str!("sql/execution_by_key.sql"))
            .bind(workflow.as_str())
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        row.map(|row| row.decode()).transpose()
    }

    async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<Summary>, StoreError> {
        // One statement per shape, because each has its own index.
        let sql = match (&filter.workflow, filter.status) {
            (None, None) => include_str!("sql/executions.sql"),
            (Some(_), None) => include_str!("sql/executions_of_workflow.sql"),
            (None, Some(_)) => include_str!("sql/executions_in_status.sql"),
            (Some(_), Some(_)) => include_str!("sql/executions_of_workflow_in_status.sql"),
        };
        let mut query = query_as::<_, SummaryRow>(sql)
            .bind(bytes(page.after.map_or(Uuid::max(), |after| after.0)))
            .bind(page.limit)
            .bind(bytes(filter.oldest.map_or(Uuid::nil(), |oldest| oldest.0)))
            .bind(filter.version.map(|version| version.0))
            .bind(filter.created_from.map_or(i64::MIN, |from| from.0))
            .bind(filter.created_before.map_or(i64::MAX, |before| before.0));
        if let Some(workflow) = &filter.workflow {
            query = query.bind(workflow.as_str());
        }
        if let Some(status) = filter.status {
            query = query.bind(status.as_str());
        }
        let rows = query.fetch_all(&self.readers).await.map_err(unavailable)?;
        rows.into_iter().map(SummaryRow::decode).collect()
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<CheckpointRow>, StoreError> {
        let row: Option<CheckpointColumns> = query_as(include_str!("sql/checkpoint.sql"))
            .bind(bytes(id.0))
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        row.map(CheckpointColumns::decode).transpose()
    }

    async fn checkpoints(
        &self,
        filter: CheckpointFilter,
        page: Page<(Timestamp, CheckpointId)>,
    ) -> Result<Vec<CheckpointRow>, StoreError> {
        let Some(sql) = filter.choose(&lists()) else {
            return Ok(Vec::new());
        };
        let end = (Timestamp(i64::MAX), CheckpointId(Uuid::max()));
        let (at, id) = page.after.unwrap_or(end);
        let mut query = query_as::<_, CheckpointColumns>(sql)
            .bind(at.0)
            .bind(bytes(id.0))
            .bind(page.limit);
        let execution = filter.execution.map(|id| bytes(id.0));
        let workflow = filter.workflow.as_ref().map(WorkflowId::as_str);
        let status = filter.status.map(CheckpointStatus::as_str);
        query = if let Some(decider) = &filter.decider {
            let reviewers = serde_json::json!(CheckpointFilter::reviewers(decider));
            query
                .bind(reviewers.to_string())
                .bind(decider.name.as_str())
                .bind(execution)
                .bind(workflow)
        } else if execution.is_some() {
            query.bind(execution).bind(status).bind(workflow)
        } else {
            // What is left has its number in the order of these two.
            let rest = workflow.into_iter().chain(status);
            rest.fold(query, QueryAs::bind)
        };
        let rows = query.fetch_all(&self.readers).await.map_err(unavailable)?;
        rows.into_iter().map(CheckpointColumns::decode).collect()
    }

    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        let query = match version {
            None => query_as(include_str!("sql/definition_latest.sql")).bind(workflow.as_str()),
            Some(version) => query_as(include_str!("sql/definition.sql"))
                .bind(workflow.as_str())
                .bind(version.0),
        };
        let row: Option<DefinitionRow> = query
            .fetch_optional(&self.readers)
            .await
            .map_err(unavailable)?;
        row.map(DefinitionRow::decode).transpose()
    }

    async fn startable(&self, wanted: &[Wanted]) -> Result<HashMap<Wanted, Startable>, StoreError> {
        let asked: Vec<_> = (1..)
            .zip(wanted)
            .map(|(position, (workflow, version))| {
                json!([
                    position,
                    workflow.as_str(),
                    version.map(|version| version.0)
                ])
            })
            .collect();
        let rows: Vec<StartableRow> = query_as(include_str!("sql/startable.sql"))
            .bind(json!(asked).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        rows.into_iter().map(|row| row.decode(wanted)).collect()
    }

    async fn definitions(
        &self,
        page: Page<WorkflowId>,
    ) -> Result<Vec<StoredDefinition>, StoreError> {
        let rows: Vec<DefinitionRow> = query_as(include_str!("sql/definitions.sql"))
            .bind(page.after.as_ref().map_or("", WorkflowId::as_str))
            .bind(page.limit)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        rows.into_iter().map(DefinitionRow::decode).collect()
    }

    async fn versions(
        &self,
        workflow: &WorkflowId,
        page: Page<Version>,
    ) -> Result<Vec<StoredDefinition>, StoreError> {
        let rows: Vec<DefinitionRow> = query_as(include_str!("sql/versions.sql"))
            .bind(workflow.as_str())
            .bind(page.after.map_or(i64::MAX, |after| after.0.into()))
            .bind(page.limit)
            .fetch_all(&self.readers)
            .await
            .map_err(unavailable)?;
        rows.into_iter().map(DefinitionRow::decode).collect()
    }

    async fn workflow_count(&self) -> Result<u64, StoreError> {
        let count: i64 = query_scalar(include_str!("sql/workflow_count.sql"))
            .fetch_one(&self.readers)
            .await
            .map_err(unavailable)?;
        Ok(count.try_into().unwrap_or(0))
    }
}

async fn summary(readers: &SqlitePool, id: ExecutionId) -> Result<Option<Summary>, StoreError> {
    let row: Option<SummaryRow> = query_as(include_str!("sql/execution.sql"))
        .bind(bytes(id.0))
        .fetch_optional(readers)
        .await
        .map_err(unavailable)?;
    row.map(SummaryRow::decode).transpose()
}

pub(super) fn bytes(id: Uuid) -> Vec<u8> {
    id.into_bytes().to_vec()
}

/// One statement per shape of filter, because each has its own index.
fn lists() -> CheckpointLists<&'static str> {
    CheckpointLists {
        all: include_str!("sql/checkpoints.sql"),
        in_status: include_str!("sql/checkpoints_in_status.sql"),
        of_workflow: include_str!("sql/checkpoints_of_workflow.sql"),
        of_workflow_in_status: include_str!("sql/checkpoints_of_workflow_in_status.sql"),
        of_execution: include_str!("sql/checkpoints_of_execution.sql"),
        of_decider: include_str!("sql/checkpoints_of_decider.sql"),
    }
}
