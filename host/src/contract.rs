//! The workflow interface of `wit/workflow` in Rust: its types, and the trait that
//! the engine implements once for every door.
//!
//! **Invariant:** the types are generated from the WIT. The in-process door of the
//! endpoint components and the JSON door speak exactly these, so they cannot drift.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use tokio::time::timeout;

pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/workflow",
        world: "endpoint",
        imports: { default: async | store },
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

use bindings::phasewright::workflow;

pub use workflow::artifacts::Artifact;
pub use workflow::catalog::Phase;
pub use workflow::checkpoints::{
    Checkpoint, CheckpointPosition, CheckpointStatus, Decision, Filter as CheckpointFilter,
    Page as CheckpointPage,
};
pub use workflow::definitions::{
    Change, ChangedNode, Definition, Deprecation, Difference, Page as DefinitionPage, Template,
};
pub use workflow::events::{Event, Page as EventPage};
pub use workflow::executions::{
    Action, Execution, Filter as ExecutionFilter, MigrationPlan, NodeView, Outcome, Outcomes,
    Page as ExecutionPage, RerunPlan, RerunRequest, StartRequest, Started, Summary,
};
pub use workflow::health::Probe;
pub use workflow::types::{
    Caller, Error, ExecutionStatus, Json, NodeStatus, PageRequest, Violation,
};

/// Longest wait for an execution: proxies give up on silent connections soon after.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Ends when whoever waits for the end of an execution does so no longer.
pub type Patience = BoxFuture<'static, ()>;

/// The patience of who waits for so many milliseconds, or until it is all over for another reason.
pub fn patience(wait_ms: u32, over: impl Future<Output = ()> + Send + 'static) -> Patience {
    let wait = Duration::from_millis(wait_ms.into()).min(WAIT_MAX);
    Box::pin(async move {
        // It ends either way.
        let _ = timeout(wait, over).await;
    })
}

/// The workflow interface, function by function; what each one means is written in
/// `wit/workflow/workflow.wit`.
///
/// Every call authenticates its `caller` itself; a door only carries it. A returned
/// future may be dropped at any `await`, because its client went away or the endpoint
/// instance ended: what has been asked of the executor by then happens anyway.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// `executions.start`
    async fn executions_start(
        &self,
        caller: Caller,
        request: StartRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error>;

    /// `executions.get`
    async fn executions_get(&self, caller: Caller, id: String) -> Result<Execution, Error>;

    /// `executions.wait`; `timeout_ms` in milliseconds.
    async fn executions_wait(
        &self,
        caller: Caller,
        id: String,
        timeout_ms: u32,
    ) -> Result<Execution, Error>;

    /// `executions.list`
    async fn executions_list(
        &self,
        caller: Caller,
        filter: ExecutionFilter,
        page: PageRequest,
    ) -> Result<ExecutionPage, Error>;

    /// `executions.cancel`
    async fn executions_cancel(
        &self,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error>;

    /// `executions.pause`
    async fn executions_pause(
        &self,
        caller: Caller,
        id: String,
        reason: String,
    ) -> Result<Summary, Error>;

    /// `executions.resume`
    async fn executions_resume(&self, caller: Caller, id: String) -> Result<Summary, Error>;

    /// `executions.rerun`
    async fn executions_rerun(
        &self,
        caller: Caller,
        id: String,
        request: RerunRequest,
        wait: Option<Patience>,
    ) -> Result<Started, Error>;

    /// `executions.plan-rerun`
    async fn executions_plan_rerun(
        &self,
        caller: Caller,
        id: String,
        request: RerunRequest,
    ) -> Result<RerunPlan, Error>;

    /// `executions.apply`
    async fn executions_apply(
        &self,
        caller: Caller,
        action: Action,
        filter: ExecutionFilter,
        page: PageRequest,
        dry_run: bool,
    ) -> Result<Outcomes, Error>;

    /// `executions.migrate`
    async fn executions_migrate(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Summary, Error>;

    /// `executions.plan-migration`
    async fn executions_plan_migration(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<MigrationPlan, Error>;

    /// `events.list`
    async fn events_list(
        &self,
        caller: Caller,
        execution_id: String,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, Error>;

    /// `events.follow`. Dropping the stream unsubscribes.
    async fn events_follow(
        &self,
        caller: Caller,
        execution_id: String,
        after: u64,
    ) -> Result<BoxStream<'static, Event>, Error>;

    /// `artifacts.list`
    async fn artifacts_list(
        &self,
        caller: Caller,
        execution_id: String,
    ) -> Result<Vec<Artifact>, Error>;

    /// `artifacts.read`
    async fn artifacts_read(
        &self,
        caller: Caller,
        execution_id: String,
        node: String,
        item: Option<u32>,
        name: String,
    ) -> Result<(Artifact, Bytes), Error>;

    /// `checkpoints.get`
    async fn checkpoints_get(&self, caller: Caller, id: String) -> Result<Checkpoint, Error>;

    /// `checkpoints.list`
    async fn checkpoints_list(
        &self,
        caller: Caller,
        filter: CheckpointFilter,
        page: PageRequest,
    ) -> Result<CheckpointPage, Error>;

    /// `checkpoints.resolve`
    async fn checkpoints_resolve(
        &self,
        caller: Caller,
        id: String,
        decision: Decision,
        notes: Option<String>,
    ) -> Result<Checkpoint, Error>;

    /// `definitions.put`
    async fn definitions_put(
        &self,
        caller: Caller,
        id: String,
        document: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error>;

    /// `definitions.validate`
    async fn definitions_validate(&self, caller: Caller, document: Json) -> Result<(), Error>;

    /// `definitions.get`
    async fn definitions_get(
        &self,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<Definition, Error>;

    /// `definitions.list`
    async fn definitions_list(
        &self,
        caller: Caller,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error>;

    /// `definitions.versions`
    async fn definitions_versions(
        &self,
        caller: Caller,
        id: String,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error>;

    /// `definitions.diff`
    async fn definitions_diff(
        &self,
        caller: Caller,
        id: String,
        from_version: Option<u32>,
        to_version: Option<u32>,
    ) -> Result<Difference, Error>;

    /// `definitions.deprecate`
    async fn definitions_deprecate(
        &self,
        caller: Caller,
        id: String,
        version: u32,
        reason: String,
    ) -> Result<Definition, Error>;

    /// `definitions.restore`
    async fn definitions_restore(
        &self,
        caller: Caller,
        id: String,
        version: u32,
    ) -> Result<Definition, Error>;

    /// `definitions.remove`
    async fn definitions_remove(
        &self,
        caller: Caller,
        id: String,
        version: Option<u32>,
    ) -> Result<(), Error>;

    /// `definitions.templates`
    async fn definitions_templates(&self, caller: Caller) -> Result<Vec<Template>, Error>;

    /// `definitions.instantiate`
    async fn definitions_instantiate(
        &self,
        caller: Caller,
        template: String,
        id: String,
        parameters: Json,
        expected_version: Option<u32>,
    ) -> Result<Definition, Error>;

    /// `catalog.list`
    async fn catalog_list(&self, caller: Caller) -> Result<Vec<Phase>, Error>;

    /// `catalog.get`
    async fn catalog_get(&self, caller: Caller, name: String) -> Result<Phase, Error>;

    /// `health.report`
    async fn health_report(&self) -> Probe;

    /// `health.ready`
    async fn health_ready(&self) -> Probe;

    /// `health.live`
    async fn health_live(&self) -> Probe;

    /// `health.startup`
    async fn health_startup(&self) -> Probe;
}
