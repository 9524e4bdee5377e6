//! An engine that answers from a script, and knows who still listens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use phasewright::contract::{
    Action, Artifact, Caller, Checkpoint, CheckpointFilter, CheckpointPage, CheckpointStatus,
    Decision, Definition, DefinitionPage, Difference, Engine, Error, Event, EventPage, Execution,
    ExecutionFilter, ExecutionPage, Json, MigrationPlan, Outcomes, PageRequest, Patience, Phase,
    Probe, RerunPlan, RerunRequest, StartRequest, Started, Summary, Template,
};
use tokio::time::sleep;

use crate::{
    examples::{
        artifact, checkpoint, definition, definitions, event, events, execution, found, phase,
        started, summary, template, well,
    },
    present::Present,
};

/// Time between two events of an execution that runs.
pub const EVENT_INTERVAL: Duration = Duration::from_millis(100);

/// Ids mean something here: `missing` is not there, `quiet` runs without events, everything
/// else runs with one event after the other.
#[derive(Default)]
pub struct Script {
    listeners: Arc<AtomicUsize>,
    waiters: Arc<AtomicUsize>,
}

impl Script {
    /// Event streams that somebody holds.
    pub fn listeners(&self) -> usize {
        self.listeners.load(SeqCst)
    }

    /// Calls that wait for an execution and have not ended.
    pub fn waiters(&self) -> usize {
        self.waiters.load(SeqCst)
    }

    /// An execution that is never over.
    async fn started(&self, id: &str, wait: Option<Patience>) -> Result<Started, Error> {
        let mut started = started(id);
        if let Some(patience) = wait {
            let _present = Present::in_(&self.waiters);
            patience.await;
            started.execution = Some(execution(id)?);
        }
        Ok(started)
    }
}

#[async_trait]
impl Engine for Script {
    async fn executions_start(
        &self,
        _caller: Caller,
        request: StartRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        found(&request.workflow_id)?;
        self.started("e", wait).await
    }

    async fn executions_get(&self, _caller: Caller, id: String) -> Result<Execution, Error> {
        execution(&id)
    }

    async fn executions_wait(
        &self,
        _caller: Caller,
        id: String,
        timeout_ms: u32,
    ) -> Result<Execution, Error> {
        let _present = Present::in_(&self.waiters);
        sleep(Duration::from_millis(timeout_ms.into())).await;
        execution(&id)
    }

    async fn executions_list(
        &self,
        _caller: Caller,
        _filter: ExecutionFilter,
        _page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        Ok(ExecutionPage {
            items: vec![summary("e")],
            next: None,
        })
    }

    async fn executions_cancel(
        &self,
        _caller: Caller,
        id: String,
        _reason: String,
    ) -> Result<Summary, Error> {
        found(&id)?;
        Ok(summary(&id))
    }

    async fn executions_pause(
        &self,
        _caller: Caller,
        id: String,
        _reason: String,
    ) -> Result<Summary, Error> {
        found(&id)?;
        Ok(summary(&id))
    }

    async fn executions_resume(&self, _caller: Caller, id: String) -> Result<Summary, Error> {
        found(&id)?;
        Ok(summary(&id))
    }

    async fn executions_rerun(
        &self,
        _caller: Caller,
        id: String,
        _request: RerunRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        found(&id)?;
        self.started(&id, wait).await
    }

    async fn executions_apply(
        &self,
        _caller: Caller,
        _action: Action,
        _filter: ExecutionFilter,
        _page: PageRequest,
        _dry_run: bool,
    ) -> Result<Outcomes, Error> {
        Ok(Outcomes {
            items: Vec::new(),
            next: None,
        })
    }

    async fn executions_plan_rerun(
        &self,
        _caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<RerunPlan, Error> {
        found(&id)?;
        Ok(RerunPlan {
            workflow_id: "w".into(),
            version: 1,
            run: request.from_nodes,
            taken: Vec::new(),
        })
    }

    async fn executions_migrate(
        &self,
        _caller: Caller,
        id: String,
        _version: u32,
    ) -> Result<Summary, Error> {
        found(&id)?;
        Ok(summary(&id))
    }

    async fn executions_plan_migration(
        &self,
        _caller: Caller,
        id: String,
        version: u32,
    ) -> Result<MigrationPlan, Error> {
        found(&id)?;
        Ok(MigrationPlan {
            workflow_id: "w".into(),
            from_version: 1,
            version,
            kept: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            phases: Vec::new(),
        })
    }

    async fn events_list(
        &self,
        _caller: Caller,
        execution_id: String,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, Error> {
        found(&execution_id)?;
        Ok(events(&execution_id, after, limit))
    }

    async fn events_follow(
        &self,
        _caller: Caller,
        execution_id: String,
        after: u64,
    ) -> Result<BoxStream<'static, Event>, Error> {
        found(&execution_id)?;
        let present = Present::in_(&self.listeners);
        if execution_id == "quiet" {
            let never = stream::pending().map(move |event| {
                let _present = &present;
                event
            });
            return Ok(never.boxed());
        }
        let events = stream::unfold((present, after), move |(present, last)| {
            let event = event(&execution_id, last + 1);
            async move {
                sleep(EVENT_INTERVAL).await;
                Some((event, (present, last + 1)))
            }
        });
        Ok(events.boxed())
    }

    async fn artifacts_list(
        &self,
        _caller: Caller,
        execution_id: String,
    ) -> Result<Vec<Artifact>, Error> {
        found(&execution_id)?;
        Ok(vec![artifact()])
    }

    async fn artifacts_read(
        &self,
        _caller: Caller,
        execution_id: String,
        _node: String,
        _item: Option<u32>,
        _name: String,
    ) -> Result<(Artifact, Bytes), Error> {
        found(&execution_id)?;
        Ok((artifact(), Bytes::from(vec![b'#'; 300_000])))
    }

    async fn checkpoints_get(&self, _caller: Caller, id: String) -> Result<Checkpoint, Error> {
        found(&id)?;
        Ok(checkpoint(&id, CheckpointStatus::Pending))
    }

    async fn checkpoints_list(
        &self,
        _caller: Caller,
        _filter: CheckpointFilter,
        _page: PageRequest,
    ) -> Result<CheckpointPage, Error> {
        Ok(CheckpointPage {
            items: vec![checkpoint("c", CheckpointStatus::Pending)],
            next: None,
        })
    }

    async fn checkpoints_resolve(
        &self,
        _caller: Caller,
        id: String,
        _decision: Decision,
        _notes: Option<String>,
    ) -> Result<Checkpoint, Error> {
        found(&id)?;
        Ok(checkpoint(&id, CheckpointStatus::Approved))
    }

    async fn definitions_put(
        &self,
        _caller: Caller,
        id: String,
        _document: Json,
        _expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        Ok(definition(&id))
    }

    async fn definitions_validate(&self, _caller: Caller, _document: Json) -> Result<(), Error> {
        Ok(())
    }

    async fn definitions_get(
        &self,
        _caller: Caller,
        id: String,
        _version: Option<u32>,
    ) -> Result<Definition, Error> {
        found(&id)?;
        Ok(definition(&id))
    }

    async fn definitions_list(
        &self,
        _caller: Caller,
        _page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        Ok(definitions())
    }

    async fn definitions_versions(
        &self,
        _caller: Caller,
        id: String,
        _page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        found(&id)?;
        Ok(definitions())
    }

    async fn definitions_diff(
        &self,
        _caller: Caller,
        id: String,
        from_version: Option<u32>,
        to_version: Option<u32>,
    ) -> Result<Difference, Error> {
        found(&id)?;
        Ok(Difference {
            from_version: from_version.unwrap_or(1),
            to_version: to_version.unwrap_or(1),
            document: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
        })
    }

    async fn definitions_deprecate(
        &self,
        _caller: Caller,
        id: String,
        _version: u32,
        _reason: String,
    ) -> Result<Definition, Error> {
        found(&id)?;
        Ok(definition(&id))
    }

    async fn definitions_restore(
        &self,
        _caller: Caller,
        id: String,
        _version: u32,
    ) -> Result<Definition, Error> {
        found(&id)?;
        Ok(definition(&id))
    }

    async fn definitions_remove(
        &self,
        _caller: Caller,
        id: String,
        _version: Option<u32>,
    ) -> Result<(), Error> {
        found(&id)
    }

    async fn definitions_templates(&self, _caller: Caller) -> Result<Vec<Template>, Error> {
        Ok(vec![template()])
    }

    async fn definitions_instantiate(
        &self,
        _caller: Caller,
        template: String,
        id: String,
        _parameters: Json,
        _expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        found(&template)?;
        Ok(definition(&id))
    }

    async fn catalog_list(&self, _caller: Caller) -> Result<Vec<Phase>, Error> {
        Ok(vec![phase("p")])
    }

    async fn catalog_get(&self, _caller: Caller, name: String) -> Result<Phase, Error> {
        found(&name)?;
        Ok(phase(&name))
    }

    async fn health_report(&self) -> Probe {
        well(r#"{"status":"healthy"}"#)
    }

    async fn health_ready(&self) -> Probe {
        Probe {
            ok: false,
            errors: vec!["database_unavailable".into()],
            detail: r#"{"ready":false}"#.into(),
        }
    }

    async fn health_live(&self) -> Probe {
        well(r#"{"alive":true}"#)
    }

    async fn health_startup(&self) -> Probe {
        well(r#"{"started":true}"#)
    }
}
