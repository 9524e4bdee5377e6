//! Reading and steering executions.

use std::{sync::Arc, time::Duration};

use super::{Service, library::Library, parameters, views};
use crate::{
    contract::{self, Caller, Error, ExecutionPage, PageRequest, Summary},
    executor::{self, Definitions},
    store::{ExecutionFilter, Store, StoreError},
    workflow::{Command, Execution, ExecutionId, WorkflowId},
};

/// Longest wait for an execution: proxies give up on silent connections soon after.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Longest reason for a cancellation or a pause, in characters.
const REASON_CHARACTERS_MAX: usize = 1000;

impl Service {
    pub(super) async fn execution(&self, id: &str) -> Result<contract::Execution, Error> {
        let id = parameters::id("execution", id)?;
        Ok(views::execution(&self.folded(id).await?))
    }

    /// The execution as soon as it is over, or as it is when the time is up.
    pub(super) async fn wait(
        &self,
        id: &str,
        timeout_ms: u32,
    ) -> Result<contract::Execution, Error> {
        let id = parameters::id("execution", id)?;
        let timeout = WAIT_MAX.min(Duration::from_millis(timeout_ms.into()));
        match tokio::time::timeout(timeout, self.until_over(id)).await {
            Ok(execution) => Ok(views::execution(&*execution?)),
            Err(_) => Ok(views::execution(&self.folded(id).await?)),
        }
    }

    pub(super) async fn executions(
        &self,
        filter: contract::ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        let workflow = filter.workflow_id.as_deref();
        let workflow = workflow
            .map(|id| parameters::parsed::<WorkflowId>("/workflow_id", id))
            .transpose()?;
        let filter = ExecutionFilter {
            workflow,
            status: filter.status.map(views::to_execution_status),
        };
        let mut rows = self
            .store
            .queries()
            .executions(filter, parameters::page(&page)?)
            .await?;
        let next = parameters::cut(&mut rows, &page, |last| last.id.to_string());
        Ok(ExecutionPage {
            items: rows.iter().map(views::summary).collect(),
            next,
        })
    }

    pub(super) async fn cancel(&self, id: &str, reason: String) -> Result<Summary, Error> {
        let id = parameters::id("execution", id)?;
        let reason = checked(reason, "cancelled by a client")?;
        Ok(views::summary(
            &self
                .executor
                .command(id, Command::Cancel { reason })
                .await?,
        ))
    }

    pub(super) async fn pause(
        &self,
        caller: Caller,
        id: &str,
        reason: String,
    ) -> Result<Summary, Error> {
        let id = parameters::id("execution", id)?;
        let command = Command::Pause {
            reason: checked(reason, "paused by a client")?,
            by: Some(caller.address),
        };
        Ok(views::summary(&self.executor.command(id, command).await?))
    }

    pub(super) async fn resume(&self, caller: Caller, id: &str) -> Result<Summary, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        let summary = self
            .store
            .queries()
            .execution(id)
            .await?
            .ok_or_else(|| not_found(id))?;
        let definition = self
            .library
            .definition(&summary.workflow, summary.definition)
            .await?;
        let command = Command::Resume {
            timeout: definition.timeout,
            by: Some(caller.address),
        };
        Ok(views::summary(&self.executor.command(id, command).await?))
    }

    /// The fold of the committed journal.
    pub(super) async fn folded(&self, id: ExecutionId) -> Result<Execution, Error> {
        fold(&*self.store, &self.library, id)
            .await?
            .ok_or_else(|| not_found(id))
    }

    async fn until_over(&self, id: ExecutionId) -> Result<Arc<Execution>, Error> {
        loop {
            if let Some(execution) = self.executor.wait(id).await {
                return Ok(execution);
            }
            // Not in memory: over, waiting for a person, or on another host.
            let mut news = self.events.subscribe(id);
            let summary = self
                .store
                .queries()
                .execution(id)
                .await?
                .ok_or_else(|| not_found(id))?;
            if summary.status.is_over() {
                return Ok(Arc::new(self.folded(id).await?));
            }
            super::news(&mut news, &*self.store, id, summary.version).await?;
        }
    }
}

/// The fold of the committed journal; none when there is no such execution.
pub(super) async fn fold(
    store: &dyn Store,
    library: &Library,
    id: ExecutionId,
) -> Result<Option<Execution>, StoreError> {
    let Some(journal) = store.load(id).await? else {
        return Ok(None);
    };
    executor::fold(library, &journal).await.map(Some)
}

/// A reason that is neither too long nor missing.
fn checked(reason: String, default: &str) -> Result<String, Error> {
    if reason.chars().count() > REASON_CHARACTERS_MAX {
        let message = format!("is longer than {REASON_CHARACTERS_MAX} characters");
        return Err(super::problems::invalid("/reason", message));
    }
    if reason.is_empty() {
        return Ok(default.to_owned());
    }
    Ok(reason)
}

pub(super) fn not_found(id: ExecutionId) -> Error {
    Error::NotFound(format!("there is no execution {id}"))
}
