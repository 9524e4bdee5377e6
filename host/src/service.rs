//! The workflow interface, implemented once for every door: validate, ask the
//! executor or the store, shape the answer.
//!
//! **Invariant:** every function checks its own parameters; a door checks only
//! what belongs to its protocol.
//! **Invariant:** every function of [`Engine`] but the probes begins with who is asking, and
//! with the scope that it needs.

mod artifacts;
mod asking;
mod bulk;
mod checkpoints;
mod definitions;
mod events;
mod executions;
mod health;
mod latest;
mod library;
mod migrate;
mod news;
mod parameters;
mod problems;
mod rerun;
mod start;
mod templates;
mod versions;
mod views;

pub use definitions::{CheckError, check_definition};
pub use library::Library;

use asking::Asking;
use bulk::Manner;
use news::news;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use uuid::Uuid;

use crate::{
    access::{Access, Scope},
    clock::Clock,
    contract::{
        Action, Artifact, Caller, Checkpoint, CheckpointFilter, CheckpointPage, Decision,
        Definition, DefinitionPage, Difference, Engine, Error, Event, EventPage, Execution,
        ExecutionFilter, ExecutionPage, Json, MigrationPlan, Outcomes, PageRequest, Patience,
        Phase, Probe, RerunPlan, RerunRequest, StartRequest, Started, Summary, Template,
    },
    events::Events,
    executor::Executor,
    http::Connections,
    plugin::PhaseRunner,
    store::Store,
    workflow::ExecutionId,
};

/// The engine behind every door.
pub struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) library: Arc<Library>,
    pub(crate) runner: Arc<dyn PhaseRunner>,
    pub(crate) executor: Executor,
    pub(crate) events: Events,
    pub(crate) clock: Arc<dyn Clock>,
    /// Who may call, for what.
    pub(crate) access: Access,
    /// Connections that the listener has open, for the health report.
    pub(crate) connections: Connections,
}

impl Service {
    /// Who may start but not read waits for nothing.
    fn readable(&self, caller: &Caller, wait: Option<Patience>) -> Option<Patience> {
        wait.filter(|_| self.allow(caller, &Scope::Read).is_ok())
    }

    /// A new id. Version 7, so that ids sort by creation.
    fn new_execution_id() -> ExecutionId {
        ExecutionId(Uuid::now_v7())
    }
}

#[async_trait]
impl Engine for Service {
    async fn executions_start(
        &self,
        caller: Caller,
        request: StartRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        let asking = self.allow(&caller, &Scope::Start)?;
        let wait = self.readable(&caller, wait);
        self.start(&asking, request, wait).await
    }

    async fn executions_get(&self, caller: Caller, id: String) -> Result<Execution, Error> {
        self.allow(&caller, &Scope::Read)?;
        executions::shown(self.execution(&id).await?)
    }

    async fn executions_wait(
        &self,
        caller: Caller,
        id: String,
        timeout_ms: u32,
    ) -> Result<Execution, Error> {
        self.allow(&caller, &Scope::Read)?;
        executions::shown(self.wait(&id, timeout_ms).await?)
    }

    async fn executions_list(
        &self,
        caller: Caller,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.executions(filter, page).await
    }

    async fn executions_cancel(
        &self,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        let asking = self.allow(&caller, &Scope::Control)?;
        self.cancel(&asking, &id, &reason).await
    }

    async fn executions_pause(
        &self,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        let asking = self.allow(&caller, &Scope::Control)?;
        self.pause(&asking, &id, &reason).await
    }

    async fn executions_resume(&self, caller: Caller, id: String) -> Result<Summary, Error> {
        let asking = self.allow(&caller, &Scope::Control)?;
        self.resume(&asking, &id).await
    }

    async fn executions_rerun(
        &self,
        caller: Caller,
        id: String,
        request: RerunRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error> {
        let asking = self.allow(&caller, &Scope::Start)?;
        let wait = self.readable(&caller, wait);
        self.rerun(&asking, &id, &request, wait).await
    }

    async fn executions_plan_rerun(
        &self,
        caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<RerunPlan, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.plan_rerun(&id, &request).await
    }

    async fn executions_migrate(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Summary, Error> {
        let asking = self.allow(&caller, &Scope::Control)?;
        self.migrate(&asking, &id, version).await
    }

    async fn executions_plan_migration(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<MigrationPlan, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.plan_migration(&id, version).await
    }

    async fn executions_apply(
        &self,
        caller: Caller,
        action: Action,
        filter: ExecutionFilter,
        page: PageRequest,
        dry_run: bool,
    ) -> Result<Outcomes, Error> {
        let (manner, scope) = match &action {
            _ if dry_run => (Manner::Dry, Scope::Read),
            Action::Rerun(_) => (Manner::Real, Scope::Start),
            _ => (Manner::Real, Scope::Control),
        };
        let asking = self.allow(&caller, &scope)?;
        self.apply(&asking, &action, filter, &page, manner).await
    }

    async fn events_list(
        &self,
        caller: Caller,
        execution_id: String,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.journal(&execution_id, after, limit).await
    }

    async fn events_follow(
        &self,
        caller: Caller,
        execution_id: String,
        after: u64,
    ) -> Result<BoxStream<'static, Event>, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.follow(&execution_id, after).await
    }

    async fn artifacts_list(
        &self,
        caller: Caller,
        execution_id: String,
    ) -> Result<Vec<Artifact>, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.artifacts(&execution_id).await
    }

    async fn artifacts_read(
        &self,
        caller: Caller,
        execution_id: String,
        node: String,
        item: Option<u32>,
        name: String,
    ) -> Result<(Artifact, Bytes), Error> {
        self.allow(&caller, &Scope::Read)?;
        self.artifact(&execution_id, &node, item, &name).await
    }

    async fn checkpoints_get(&self, caller: Caller, id: String) -> Result<Checkpoint, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.checkpoint(&id).await
    }

    async fn checkpoints_list(
        &self,
        caller: Caller,
        filter: CheckpointFilter,
        page: PageRequest,
    ) -> Result<CheckpointPage, Error> {
        let asking = self.allow(&caller, &Scope::Read)?;
        self.checkpoints(&asking, filter, page).await
    }

    async fn checkpoints_resolve(
        &self,
        caller: Caller,
        id: String,
        decision: Decision,
        notes: Option<String>,
    ) -> Result<Checkpoint, Error> {
        let asking = self.allow(&caller, &Scope::Review)?;
        self.resolve(&asking, &id, decision, notes).await
    }

    async fn definitions_put(
        &self,
        caller: Caller,
        id: String,
        document: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.allow(&caller, &Scope::Define)?;
        self.put_definition(&id, &document, expected_version).await
    }

    async fn definitions_validate(&self, caller: Caller, document: Json) -> Result<(), Error> {
        self.allow(&caller, &Scope::Read)?;
        self.validate(&document).await
    }

    async fn definitions_get(
        &self,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.definition(&id, version).await
    }

    async fn definitions_list(
        &self,
        caller: Caller,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.definitions(page).await
    }

    async fn definitions_versions(
        &self,
        caller: Caller,
        id: String,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.versions(&id, page).await
    }

    async fn definitions_diff(
        &self,
        caller: Caller,
        id: String,
        from_version: Option<u32>,
        to_version: Option<u32>,
    ) -> Result<Difference, Error> {
        self.allow(&caller, &Scope::Read)?;
        self.diff(&id, from_version, to_version).await
    }

    async fn definitions_deprecate(
        &self,
        caller: Caller,
        id: String,
        version: u32,
        reason: String,
    ) -> Result<Definition, Error> {
        self.allow(&caller, &Scope::Define)?;
        self.deprecate(&id, version, reason).await
    }

    async fn definitions_restore(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Definition, Error> {
        self.allow(&caller, &Scope::Define)?;
        self.restore(&id, version).await
    }

    async fn definitions_remove(
        &self,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<(), Error> {
        self.allow(&caller, &Scope::Define)?;
        self.remove(&id, version).await
    }

    async fn definitions_templates(&self, caller: Caller) -> Result<Vec<Template>, Error> {
        self.allow(&caller, &Scope::Read)?;
        Ok(Self::templates())
    }

    async fn definitions_instantiate(
        &self,
        caller: Caller,
        template: String,
        id: String,
        parameters: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.allow(&caller, &Scope::Define)?;
        self.instantiate(&template, &id, &parameters, expected_version)
            .await
    }

    async fn catalog_list(&self, caller: Caller) -> Result<Vec<Phase>, Error> {
        self.allow(&caller, &Scope::Read)?;
        Ok(self.runner.catalog().values().map(views::phase).collect())
    }

    async fn catalog_get(&self, caller: Caller, name: String) -> Result<Phase, Error> {
        self.allow(&caller, &Scope::Read)?;
        let phase = name
            .parse()
            .ok()
            .and_then(|name| self.runner.catalog().get(&name).map(views::phase));
        phase.ok_or_else(|| Error::NotFound(format!("there is no phase {name}")))
    }

    async fn health_report(&self) -> Probe {
        self.report().await
    }

    async fn health_ready(&self) -> Probe {
        self.ready().await
    }

    async fn health_live(&self) -> Probe {
        self.live()
    }

    async fn health_startup(&self) -> Probe {
        self.startup().await
    }
}
