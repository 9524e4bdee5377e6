//! Reading: journals and the read models.

use std::collections::HashMap;

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::{PgConnection, query::QueryAs, query_as, query_scalar};
use uuid::Uuid;

use super::{PostgresStore, error::unavailable};
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
/// transaction is needed for them to agree.
pub(super) async fn load(
    connection: &mut PgConnection,
    execution: ExecutionId,
) -> Result<Option<Journal>, StoreError> {
    let row: Option<JournalRow> = query_as(include_str!("sql/journal.sql"))
        .bind(execution.0)
        .fetch_optional(&mut *connection)
        .await
        .map_err(unavailable)?;
    let Some(row) = row else {
        return Ok(None);
    };
    let last = row.summary.version;
    let rows = query_as::<_, EventRow>(include_str!("sql/journal_events.sql"))
        .bind(execution.0)
        .bind(last)
        .fetch(connection)
        .map_err(unavailable);
    row.decode(whole(rows, execution, 0).await?).map(Some)
}

/// Events after `after`, without a gap.
pub(super) async fn events(
    connection: &mut PgConnection,
    execution: ExecutionId,
    after: u64,
    limit: u32,
    bytes_max: usize,
) -> Result<Vec<Recorded>, StoreError> {
    let rows = query_as::<_, EventRow>(include_str!("sql/events.sql"))
        .bind(execution.0)
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .bind(i64::try_from(bytes_max).unwrap_or(i64::MAX))
        .fetch(connection)
        .map_err(unavailable);
    whole(rows, execution, after).await
}

#[async_trait]
impl Queries for PostgresStore {
    async fn execution(&self, id: ExecutionId) -> Result<Option<Summary>, StoreError> {
        self.with(&self.readers, async |connection| {
            let row: Option<SummaryRow> = query_as(include_str!("sql/execution.sql"))
                .bind(id.0)
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            row.map(SummaryRow::decode).transpose()
        })
        .await
    }

    async fn execution_by_key(
        &self,
        workflow: &WorkflowId,
        key: &str,
    ) -> Result<Option<Keyed>, StoreError> {
        self.with(&self.readers, async |connection| {
            let row: Option<KeyedRow> = query_as(include_str!("sql/execution_by_key.sql"))
                .bind(workflow.as_str())
                .bind(key)
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            row.map(|row| row.decode()).transpose()
        })
        .await
    }

    async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<Summary>, StoreError> {
        let (sql, is_whole) = list(&filter);
        self.with(&self.readers, async |connection| {
            let mut query = query_as::<_, SummaryRow>(sql)
                .bind(page.after.map_or(Uuid::max(), |after| after.0))
                .bind(i64::from(page.limit));
            if !is_whole {
                // How many of the rows it leaves depends on its values: planned for these.
                query = query
                    .persistent(false)
                    .bind(filter.oldest.map_or(Uuid::nil(), |oldest| oldest.0))
                    .bind(filter.version.map(|version| i64::from(version.0)))
                    .bind(filter.created_from.map_or(i64::MIN, |from| from.0))
                    .bind(filter.created_before.map_or(i64::MAX, |before| before.0));
            }
            if let Some(workflow) = &filter.workflow {
                query = query.bind(workflow.as_str());
            }
            if let Some(status) = filter.status {
                query = query.bind(status.as_str());
            }
            let rows = query.fetch_all(connection).await.map_err(unavailable)?;
            rows.into_iter().map(SummaryRow::decode).collect()
        })
        .await
    }

    async fn checkpoint(&self, id: CheckpointId) -> Result<Option<CheckpointRow>, StoreError> {
        self.with(&self.readers, async |connection| {
            let row: Option<CheckpointColumns> = query_as(include_str!("sql/checkpoint.sql"))
                .bind(id.0)
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            row.map(CheckpointColumns::decode).transpose()
        })
        .await
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
        self.with(&self.readers, async |connection| {
            let mut query = query_as::<_, CheckpointColumns>(sql)
                .bind(at.0)
                .bind(id.0)
                .bind(i64::from(page.limit));
            let execution = filter.execution.map(|id| id.0);
            let workflow = filter.workflow.as_ref().map(WorkflowId::as_str);
            let status = filter.status.map(CheckpointStatus::as_str);
            query = if let Some(decider) = &filter.decider {
                query
                    .bind(CheckpointFilter::reviewers(decider))
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
            let rows = query.fetch_all(connection).await.map_err(unavailable)?;
            rows.into_iter().map(CheckpointColumns::decode).collect()
        })
        .await
    }

    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<Option<StoredDefinition>, StoreError> {
        self.with(&self.readers, async |connection| {
            let query = match version {
                None => query_as(include_str!("sql/definition_latest.sql")).bind(workflow.as_str()),
                Some(version) => query_as(include_str!("sql/definition.sql"))
                    .bind(workflow.as_str())
                    .bind(i64::from(version.0)),
            };
            let row: Option<DefinitionRow> = query
                .fetch_optional(connection)
                .await
                .map_err(unavailable)?;
            row.map(DefinitionRow::decode).transpose()
        })
        .await
    }

    async fn startable(&self, wanted: &[Wanted]) -> Result<HashMap<Wanted, Startable>, StoreError> {
        let workflows = wanted.iter().map(|(workflow, _)| workflow.as_str());
        let workflows: Vec<_> = workflows.collect();
        let version = |(_, version): &Wanted| version.map(|version| i64::from(version.0));
        let versions: Vec<_> = wanted.iter().map(version).collect();
        let rows: Vec<StartableRow> = self
            .with(&self.readers, async |connection| {
                query_as(include_str!("sql/startable.sql"))
                    .bind(workflows)
                    .bind(versions)
                    .fetch_all(connection)
                    .await
                    .map_err(unavailable)
            })
            .await?;
        rows.into_iter().map(|row| row.decode(wanted)).collect()
    }

    async fn definitions(
        &self,
        page: Page<WorkflowId>,
    ) -> Result<Vec<StoredDefinition>, StoreError> {
        self.with(&self.readers, async |connection| {
            let rows: Vec<DefinitionRow> = query_as(include_str!("sql/definitions.sql"))
                .bind(page.after.as_ref().map_or("", WorkflowId::as_str))
                .bind(i64::from(page.limit))
                .fetch_all(connection)
                .await
                .map_err(unavailable)?;
            rows.into_iter().map(DefinitionRow::decode).collect()
        })
        .await
    }

    async fn versions(
        &self,
        workflow: &WorkflowId,
        page: Page<Version>,
    ) -> Result<Vec<StoredDefinition>, StoreError> {
        self.with(&self.readers, async |connection| {
            let rows: Vec<DefinitionRow> = query_as(include_str!("sql/versions.sql"))
                .bind(workflow.as_str())
                .bind(page.after.map_or(i64::MAX, |after| after.0.into()))
                .bind(i64::from(page.limit))
                .fetch_all(connection)
                .await
                .map_err(unavailable)?;
            rows.into_iter().map(DefinitionRow::decode).collect()
        })
        .await
    }

    async fn workflow_count(&self) -> Result<u64, StoreError> {
        self.with(&self.readers, async |connection| {
            let count: i64 = query_scalar(include_str!("sql/workflow_count.sql"))
                .fetch_one(connection)
                .await
                .map_err(unavailable)?;
            Ok(count.try_into().unwrap_or(0))
        })
        .await
    }
}

/// The statement for a filter, and whether it lists all of a workflow and in a status. One per shape,
/// because each has its own index.
pub(super) fn list(filter: &ExecutionFilter) -> (&'static str, bool) {
    let ExecutionFilter {
        workflow,
        status,
        version,
        created_from,
        created_before,
        oldest,
    } = filter;
    let is_whole =
        version.is_none() && created_from.is_none() && created_before.is_none() && oldest.is_none();
    let sql = match (workflow, status, is_whole) {
        (None, None, true) => include_str!("sql/executions.sql"),
        (Some(_), None, true) => include_str!("sql/executions_of_workflow.sql"),
        (None, Some(_), true) => include_str!("sql/executions_in_status.sql"),
        (Some(_), Some(_), true) => include_str!("sql/executions_of_workflow_in_status.sql"),
        (None, None, false) => include_str!("sql/executions_filtered.sql"),
        (Some(_), None, false) => include_str!("sql/executions_of_workflow_filtered.sql"),
        (None, Some(_), false) => include_str!("sql/executions_in_status_filtered.sql"),
        (Some(_), Some(_), false) => {
            include_str!("sql/executions_of_workflow_in_status_filtered.sql")
        }
    };
    (sql, is_whole)
}

/// One statement per shape of filter, because each has its own index.
pub(super) fn lists() -> CheckpointLists<&'static str> {
    CheckpointLists {
        all: include_str!("sql/checkpoints.sql"),
        in_status: include_str!("sql/checkpoints_in_status.sql"),
        of_workflow: include_str!("sql/checkpoints_of_workflow.sql"),
        of_workflow_in_status: include_str!("sql/checkpoints_of_workflow_in_status.sql"),
        of_execution: include_str!("sql/checkpoints_of_execution.sql"),
        of_decider: include_str!("sql/checkpoints_of_decider.sql"),
    }
}
