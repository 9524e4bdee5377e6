//! The workflow interface, implemented once for every door: validate, ask the
//! executor or the store, shape the answer.
//!
//! **Invariant:** every function checks its own parameters; a door checks only
//! what belongs to its protocol.

mod artifacts;
mod checkpoints;
mod definitions;
mod executions;
mod follow;
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

use news::news;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use uuid::Uuid;

use crate::{
    clock::Clock,
    contract::{
        Artifact, Caller, Checkpoint, CheckpointFilter, CheckpointPage, Decision, Definition,
        DefinitionPage, Difference, Engine, Error, Event, Execution, ExecutionFilter,
        ExecutionPage, Json, MigrationPlan, PageRequest, Phase, Probe, RerunPlan, RerunRequest,
        StartRequest, Summary, Template,
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
    store: Arc<dyn Store>,
    library: Arc<Library>,
    runner: Arc<dyn PhaseRunner>,
    executor: Executor,
    events: Events,
    clock: Arc<dyn Clock>,
    /// Connections that the listener has open, for the health report.
    connections: Connections,
}

impl Service {
    /// A service over these parts.
    pub fn new(
        store: Arc<dyn Store>,
        library: Arc<Library>,
        runner: Arc<dyn PhaseRunner>,
        executor: Executor,
        events: Events,
        clock: Arc<dyn Clock>,
        connections: Connections,
    ) -> Self {
        Self {
            store,
            library,
            runner,
            executor,
            events,
            clock,
            connections,
        }
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
        _caller: Caller,
        request: StartRequest,
    ) -> Result<(Summary, bool), Error> {
        self.start(request).await
    }

    async fn executions_get(&self, _caller: Caller, id: String) -> Result<Execution, Error> {
        self.execution(&id).await
    }

    async fn executions_wait(
        &self,
        _caller: Caller,
        id: String,
        timeout_ms: u32,
    ) -> Result<Execution, Error> {
        self.wait(&id, timeout_ms).await
    }

    async fn executions_list(
        &self,
        _caller: Caller,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error> {
        self.executions(filter, page).await
    }

    async fn executions_cancel(
        &self,
        _caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        self.cancel(&id, reason).await
    }

    async fn executions_pause(
        &self,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error> {
        self.pause(caller, &id, reason).await
    }

    async fn executions_resume(&self, caller: Caller, id: String) -> Result<Summary, Error> {
        self.resume(caller, &id).await
    }

    async fn executions_rerun(
        &self,
        _caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<(Summary, bool), Error> {
        self.rerun(&id, &request).await
    }

    async fn executions_plan_rerun(
        &self,
        _caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<RerunPlan, Error> {
        self.plan_rerun(&id, &request).await
    }

    async fn executions_migrate(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Summary, Error> {
        self.migrate(caller, &id, version).await
    }

    async fn executions_plan_migration(
        &self,
        _caller: Caller,
        id: String,
        version: u32,
    ) -> Result<MigrationPlan, Error> {
        self.plan_migration(&id, version).await
    }

    async fn events_follow(
        &self,
        _caller: Caller,
        execution_id: String,
        after: u64,
    ) -> Result<BoxStream<'static, Event>, Error> {
        self.follow(&execution_id, after).await
    }

    async fn artifacts_list(
        &self,
        _caller: Caller,
        execution_id: String,
    ) -> Result<Vec<Artifact>, Error> {
        self.artifacts(&execution_id).await
    }

    async fn artifacts_read(
        &self,
        _caller: Caller,
        execution_id: String,
        node: String,
        item: Option<u32>,
        name: String,
    ) -> Result<(Artifact, Bytes), Error> {
        self.artifact(&execution_id, &node, item, &name).await
    }

    async fn checkpoints_get(&self, _caller: Caller, id: String) -> Result<Checkpoint, Error> {
        self.checkpoint(&id).await
    }

    async fn checkpoints_list(
        &self,
        _caller: Caller,
        filter: CheckpointFilter,
        page: PageRequest,
    ) -> Result<CheckpointPage, Error> {
        self.checkpoints(filter, page).await
    }

    async fn checkpoints_resolve(
        &self,
        caller: Caller,
        id: String,
        decision: Decision,
        notes: Option<String>,
    ) -> Result<Checkpoint, Error> {
        self.resolve(caller, &id, decision, notes).await
    }

    async fn definitions_put(
        &self,
        _caller: Caller,
        id: String,
        document: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.put_definition(&id, &document, expected_version).await
    }

    async fn definitions_validate(&self, _caller: Caller, document: Json) -> Result<(), Error> {
        self.validate(&document).await
    }

    async fn definitions_get(
        &self,
        _caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.definition(&id, version).await
    }

    async fn definitions_list(
        &self,
        _caller: Caller,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        self.definitions(page).await
    }

    async fn definitions_versions(
        &self,
        _caller: Caller,
        id: String,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        self.versions(&id, page).await
    }

    async fn definitions_diff(
        &self,
        _caller: Caller,
        id: String,
        from_version: Option<u32>,
        to_version: Option<u32>,
    ) -> Result<Difference, Error> {
        self.diff(&id, from_version, to_version).await
    }

    async fn definitions_deprecate(
        &self,
        _caller: Caller,
        id: String,
        version: u32,
        reason: String,
    ) -> Result<Definition, Error> {
        self.deprecate(&id, version, reason).await
    }

    async fn definitions_restore(
        &self,
        _caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Definition, Error> {
        self.restore(&id, version).await
    }

    async fn definitions_remove(
        &self,
        _caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<(), Error> {
        self.remove(&id, version).await
    }

    async fn definitions_templates(&self, _caller: Caller) -> Result<Vec<Template>, Error> {
        Ok(Self::templates())
    }

    async fn definitions_instantiate(
        &self,
        _caller: Caller,
        template: String,
        id: String,
        parameters: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error> {
        self.instantiate(&template, &id, &parameters, expected_version)
            .await
    }

    async fn catalog_list(&self, _caller: Caller) -> Result<Vec<Phase>, Error> {
        Ok(self.runner.catalog().values().map(views::phase).collect())
    }

    async fn catalog_get(&self, _caller: Caller, name: String) -> Result<Phase, Error> {
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
