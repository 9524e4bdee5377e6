//! Reading and steering executions.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::sync::oneshot;
use uuid::Builder;

use super::{Asking, Service, library::Library, parameters, views};
use crate::{
    contract::{self, Error, ExecutionPage, PageRequest, Patience, Summary, patience},
    executor::{self, Definitions},
    store::{self, ExecutionFilter, Page, Store, StoreError},
    workflow::{Command, Execution, ExecutionId, Timestamp, Version, WorkflowId},
};

/// Where an execution comes to that is over.
pub(super) type End = oneshot::Receiver<Arc<Execution>>;

/// An id is made before what says when the execution was created, and by another clock: they differ
/// by less than this.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// Longest reason for a cancellation or a pause, in characters.
const REASON_CHARACTERS_MAX: usize = 1000;

impl Service {
    /// The execution as it is now, however large.
    pub(crate) async fn execution(&self, id: &str) -> Result<contract::Execution, Error> {
        let id = parameters::id("execution", id)?;
        Ok(views::execution(&*self.folded(id).await?))
    }

    /// The execution as soon as it is over, or as it is when the time is up.
    pub(super) async fn wait(
        &self,
        id: &str,
        timeout_ms: u32,
    ) -> Result<contract::Execution, Error> {
        let id = parameters::id("execution", id)?;
        let execution = self.awaited(id, None, patience(timeout_ms, pending()));
        Ok(views::execution(&*execution.await?))
    }

    /// The execution as soon as it is over, or as it is when nobody waits any longer.
    pub(super) async fn awaited(
        &self,
        id: ExecutionId,
        end: Option<End>,
        patience: Patience,
    ) -> Result<Arc<Execution>, Error> {
        let over = async {
            if let Some(end) = end
                && let Ok(execution) = end.await
            {
                return Ok(execution);
            }
            self.until_over(id).await
        };
        tokio::select! {
            biased;
            execution = over => execution,
            () = patience => self.folded(id).await,
        }
    }

    pub(super) async fn executions(
        &self,
        filter: contract::ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        let (rows, next) = self.found(filter, &page).await?;
        Ok(ExecutionPage {
            items: rows.iter().map(views::summary).collect(),
            next,
        })
    }

    /// A page of executions, newest first, and the cursor of the next one.
    pub(super) async fn found(
        &self,
        filter: contract::ExecutionFilter,
        page: &PageRequest,
    ) -> Result<(Vec<store::Summary>, Option<String>), Error> {
        let mut asked: Page<ExecutionId> = parameters::page(page)?;
        let filter = to_filter(&filter)?;
        if let Some(before) = filter.created_before {
            // Nothing newer is on any page.
            let newest = roughly_at(before.after(CLOCKS_APART));
            asked.after = Some(asked.after.map_or(newest, |after| after.min(newest)));
        }
        let mut rows = self.store.queries().executions(filter, asked).await?;
        let next = parameters::cut(&mut rows, page, |last| last.id.to_string());
        Ok((rows, next))
    }

    pub(super) async fn cancel(
        &self,
        asking: &Asking,
        id: &str,
        reason: &str,
    ) -> Result<Summary, Error> {
        let id = parameters::id("execution", id)?;
        self.steer(id, cancelling(asking, reason)?).await
    }

    pub(super) async fn pause(
        &self,
        asking: &Asking,
        id: &str,
        reason: &str,
    ) -> Result<Summary, Error> {
        let id = parameters::id("execution", id)?;
        self.steer(id, pausing(asking, reason)?).await
    }

    pub(super) async fn resume(&self, asking: &Asking, id: &str) -> Result<Summary, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        let summary = self.summary(id).await?;
        self.steer(id, self.resuming(asking, &summary).await?).await
    }

    /// What is asked of an execution that is to go on.
    pub(super) async fn resuming(
        &self,
        asking: &Asking,
        summary: &store::Summary,
    ) -> Result<Command, Error> {
        let library = &self.library;
        let definition = library.definition(&summary.workflow, summary.definition);
        Ok(Command::Resume {
            timeout: definition.await?.timeout,
            by: Some(asking.shown()),
        })
    }

    /// Commands an execution; says where it stands then.
    pub(super) async fn steer(&self, id: ExecutionId, command: Command) -> Result<Summary, Error> {
        Ok(views::summary(&self.executor.command(id, command).await?))
    }

    /// The part of it that lists show.
    pub(super) async fn summary(&self, id: ExecutionId) -> Result<store::Summary, Error> {
        let summary = self.store.queries().execution(id).await?;
        summary.ok_or_else(|| not_found(id))
    }

    /// The fold of the committed journal.
    pub(super) async fn folded(&self, id: ExecutionId) -> Result<Arc<Execution>, Error> {
        if let Some(execution) = self.executor.finished(id) {
            return Ok(execution);
        }
        let execution = fold(&*self.store, &self.library, id).await?;
        let execution = Arc::new(execution.ok_or_else(|| not_found(id))?);
        self.executor.keep(execution.clone());
        Ok(execution)
    }

    async fn until_over(&self, id: ExecutionId) -> Result<Arc<Execution>, Error> {
        loop {
            if let Some(execution) = self.executor.wait(id).await {
                return Ok(execution);
            }
            // Not in memory: over, waiting for a person, or on another host.
            let mut news = self.events.subscribe(id);
            let summary = self.summary(id).await?;
            if summary.status.is_over() {
                return self.folded(id).await;
            }
            super::news(&mut news, &*self.store, id, summary.version).await?;
        }
    }
}

/// The execution, unless it is more than an endpoint can show.
pub(super) fn shown(execution: contract::Execution) -> Result<contract::Execution, Error> {
    let outputs = execution.nodes.iter().map(|node| &node.output);
    let outputs = outputs.chain([&execution.output]).flatten();
    let documents = outputs.chain([&execution.input, &execution.context]);
    let bytes: usize = documents.map(String::len).sum();
    if bytes <= views::SHOWN_BYTES_MAX {
        return Ok(execution);
    }
    let Summary { id, status, .. } = execution.summary;
    Err(Error::Conflict(format!(
        "execution {id} ({}) has {} MiB of documents, and {} MiB are shown at once; its events have \
         them one by one",
        views::to_execution_status(status).as_str(),
        bytes.div_ceil(1 << 20),
        views::SHOWN_BYTES_MAX >> 20,
    )))
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

fn to_filter(filter: &contract::ExecutionFilter) -> Result<ExecutionFilter, Error> {
    let workflow = filter.workflow_id.as_deref();
    let created_from = parameters::time("/created_from", filter.created_from.as_deref())?;
    Ok(ExecutionFilter {
        workflow: workflow
            .map(|id| parameters::parsed::<WorkflowId>("/workflow_id", id))
            .transpose()?,
        status: filter.status.map(views::to_execution_status),
        version: filter.version.map(Version),
        created_from,
        created_before: parameters::time("/created_before", filter.created_before.as_deref())?,
        oldest: created_from.map(|from| roughly_at(from.before(CLOCKS_APART))),
    })
}

/// The first id that an execution can have which was created then.
fn roughly_at(time: Timestamp) -> ExecutionId {
    let milliseconds = u64::try_from(time.0).unwrap_or(0);
    ExecutionId(Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid())
}

/// What is asked of an execution that is to end.
pub(super) fn cancelling(asking: &Asking, reason: &str) -> Result<Command, Error> {
    Ok(Command::Cancel {
        reason: checked(reason, "cancelled by a client")?,
        by: Some(asking.shown()),
    })
}

/// What is asked of an execution that is to be held.
pub(super) fn pausing(asking: &Asking, reason: &str) -> Result<Command, Error> {
    Ok(Command::Pause {
        reason: checked(reason, "paused by a client")?,
        by: Some(asking.shown()),
    })
}

/// A reason that is neither too long nor missing.
fn checked(reason: &str, default: &str) -> Result<String, Error> {
    if reason.chars().count() > REASON_CHARACTERS_MAX {
        let message = format!("is longer than {REASON_CHARACTERS_MAX} characters");
        return Err(super::problems::invalid("/reason", message));
    }
    let reason = if reason.is_empty() { default } else { reason };
    Ok(reason.to_owned())
}

pub(super) fn not_found(id: ExecutionId) -> Error {
    Error::NotFound(format!("there is no execution {id}"))
}
