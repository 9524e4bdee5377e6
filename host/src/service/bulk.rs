//! The same with many executions: with a page of a list, with each by itself.

use std::sync::Arc;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::{
    Asking, Service,
    executions::{cancelling, pausing},
    problems::invalid,
    start::keyed,
    views,
};
use crate::{
    contract::{
        Action, Error, ExecutionFilter, Outcome, Outcomes, PageRequest, RerunRequest, Summary,
    },
    executor::CommandError,
    store,
    workflow::{Command, Digest, Input},
};

/// Executions steered at a time: enough for commits to be shared, and a small part of what a host
/// can take.
const STEERED_AT_A_TIME: usize = 16;

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is done.
    Real,
    /// Only what would become of it is told.
    Dry,
}

/// What is done with each execution.
enum Deed<'a> {
    /// The same for all.
    Steer(Command),
    /// Each has the time again that its definition gives it.
    Resume,
    /// Each has a key of its own.
    Rerun(&'a RerunRequest),
}

impl<'a> Deed<'a> {
    /// What is wrong with one is wrong with all.
    fn of(action: &'a Action, asking: &Asking) -> Result<Self, Error> {
        Ok(match action {
            Action::Cancel(reason) => Self::Steer(cancelling(asking, reason)?),
            Action::Pause(reason) => Self::Steer(pausing(asking, reason)?),
            Action::Resume => Self::Resume,
            Action::Rerun(request) => {
                keyed(request.idempotency_key.as_deref(), Value::Null)?;
                Self::Rerun(request)
            }
        })
    }
}

impl Service {
    pub(super) async fn apply(
        &self,
        asking: &Asking,
        action: &Action,
        filter: ExecutionFilter,
        page: &PageRequest,
        manner: Manner,
    ) -> Result<Outcomes, Error> {
        check_not_empty(&filter)?;
        let deed = Deed::of(action, asking)?;
        let at_a_time = match deed {
            // What each takes over passes through memory.
            Deed::Rerun(_) => 1,
            Deed::Steer(_) | Deed::Resume => STEERED_AT_A_TIME,
        };
        let (found, next) = self.found(filter, page).await?;
        let one = async |summary: store::Summary| Outcome {
            execution_id: summary.id.to_string(),
            result: self.apply_to(asking, &deed, &summary, manner).await,
        };
        let items = stream::iter(found).map(one).buffered(at_a_time);
        Ok(Outcomes {
            items: items.collect().await,
            next,
        })
    }

    async fn apply_to(
        &self,
        asking: &Asking,
        deed: &Deed<'_>,
        summary: &store::Summary,
        manner: Manner,
    ) -> Result<Summary, Error> {
        let command = match deed {
            Deed::Steer(command) => command.clone(),
            Deed::Resume => self.resuming(asking, summary).await?,
            Deed::Rerun(request) => {
                return self.rerun_one(asking, request, summary, manner).await;
            }
        };
        match manner {
            Manner::Real => self.steer(summary.id, command).await,
            Manner::Dry => self.would_take(command, summary).await,
        }
    }

    /// Whether the execution allows it, as it is on disk.
    async fn would_take(
        &self,
        command: Command,
        summary: &store::Summary,
    ) -> Result<Summary, Error> {
        let mut execution = Arc::unwrap_or_clone(self.folded(summary.id).await?);
        execution
            .handle(Input::Command(command), self.clock.now())
            .map_err(CommandError::Refused)?;
        Ok(views::summary(summary))
    }

    async fn rerun_one(
        &self,
        asking: &Asking,
        request: &RerunRequest,
        summary: &store::Summary,
        manner: Manner,
    ) -> Result<Summary, Error> {
        let id = summary.id.to_string();
        let request = RerunRequest {
            idempotency_key: (request.idempotency_key.as_ref())
                .map(|key| Digest::of(format!("{key} {id}").as_bytes()).to_string()),
            ..request.clone()
        };
        match manner {
            Manner::Real => Ok(self.rerun(asking, &id, &request, None).await?.summary),
            Manner::Dry => {
                self.plan_rerun(&id, &request).await?;
                Ok(views::summary(summary))
            }
        }
    }
}

/// Whoever forgets the filter does not mean every execution that there is.
fn check_not_empty(filter: &ExecutionFilter) -> Result<(), Error> {
    if let ExecutionFilter {
        workflow_id: None,
        status: None,
        version: None,
        created_from: None,
        created_before: None,
    } = filter
    {
        let message = "needs at least one of workflow_id, version, status, created_from and \
                       created_before; without a filter it would be about every execution";
        return Err(invalid("/filter", message));
    }
    Ok(())
}
