//! All functions of the workflow interface: how each is called, and what is answered with.
//!
//! A row says the name in the WIT, the method of [`Engine`](crate::contract::Engine), the
//! parameters in their order, and what makes an answer of the result. `tests/http/doors.rs` holds
//! the table against the WIT.

use futures::{FutureExt, future::BoxFuture};
use http::Response;
use serde::Deserialize;
use tokio::sync::watch;
use wasmtime_wasi_http::WasiBody;

use super::{
    Call,
    answer::{events, file, value},
};
use crate::contract::{
    Action, Caller, CheckpointFilter, Decision, ExecutionFilter, Json, PageRequest, RerunRequest,
    StartRequest, patience,
};

/// A function of the workflow interface.
pub struct Function {
    /// Name of its interface.
    pub interface: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Names of its parameters, in order, in `snake_case`.
    pub parameters: &'static [&'static str],
    pub(super) call: fn(Call) -> Answer,
}

/// What comes of a call; an error says what is wrong with the parameters.
type Answer = BoxFuture<'static, Result<Response<WasiBody>, serde_json::Error>>;

impl Function {
    /// Whether it may take as long as the caller likes.
    pub(super) fn waits(&self) -> bool {
        self.name == "wait"
    }
}

/// Comes when the host stops.
async fn stopped(mut stopping: watch::Receiver<bool>) {
    // It has stopped as well when nobody can say so any more.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// A function that can wait for the end of what it starts has the name of that parameter after a
/// semicolon.
macro_rules! functions {
    ($($interface:literal {$(
        $name:literal = $method:ident($($parameter:ident: $type:ty),* $(; $wait:ident)?) => $answer:ident;
    )*})*) => {
        /// One entry for each.
        pub static FUNCTIONS: &[Function] = &[$($(Function {
            interface: $interface,
            name: $name,
            parameters: &[$(stringify!($parameter),)* $(stringify!($wait))?],
            call: |call| async move {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Parameters {
                    $($parameter: $type,)*
                    $($wait: Option<u32>,)?
                }
                let Parameters { $($parameter,)* $($wait)? } = serde_json::from_slice(&call.parameters)?;
                let result = call.engine.$method(
                    $($parameter,)*
                    $($wait.map(|wait_ms| patience(wait_ms, stopped(call.stopping.clone()))))?
                ).await;
                Ok($answer(result, call.stopping))
            }.boxed(),
        },)*)*];
    };
}

functions! {
    "executions" {
        "start" = executions_start(caller: Caller, request: StartRequest; wait_ms) => value;
        "get" = executions_get(caller: Caller, id: String) => value;
        "wait" = executions_wait(caller: Caller, id: String, timeout_ms: u32) => value;
        "list" = executions_list(caller: Caller, filter: ExecutionFilter, page: PageRequest) => value;
        "cancel" = executions_cancel(caller: Caller, id: String, reason: String) => value;
        "pause" = executions_pause(caller: Caller, id: String, reason: String) => value;
        "resume" = executions_resume(caller: Caller, id: String) => value;
        "rerun" = executions_rerun(caller: Caller, id: String, request: RerunRequest; wait_ms) => value;
        "plan-rerun" = executions_plan_rerun(caller: Caller, id: String, request: RerunRequest) => value;
        "apply" = executions_apply(caller: Caller, action: Action, filter: ExecutionFilter, page: PageRequest, dry_run: bool) => value;
        "migrate" = executions_migrate(caller: Caller, id: String, version: u32) => value;
        "plan-migration" = executions_plan_migration(caller: Caller, id: String, version: u32) => value;
    }
    "events" {
        "list" = events_list(caller: Caller, execution_id: String, after: u64, limit: u32) => value;
        "follow" = events_follow(caller: Caller, execution_id: String, after: u64) => events;
    }
    "artifacts" {
        "list" = artifacts_list(caller: Caller, execution_id: String) => value;
        "read" = artifacts_read(caller: Caller, execution_id: String, node: String, item: Option<u32>, name: String) => file;
    }
    "checkpoints" {
        "get" = checkpoints_get(caller: Caller, id: String) => value;
        "list" = checkpoints_list(caller: Caller, filter: CheckpointFilter, page: PageRequest) => value;
        "resolve" = checkpoints_resolve(caller: Caller, id: String, decision: Decision, notes: Option<String>) => value;
    }
    "definitions" {
        "put" = definitions_put(caller: Caller, id: String, document: Json, expected_version: Option<u32>) => value;
        "validate" = definitions_validate(caller: Caller, document: Json) => value;
        "get" = definitions_get(caller: Caller, id: String, version: Option<u32>) => value;
        "list" = definitions_list(caller: Caller, page: PageRequest) => value;
        "versions" = definitions_versions(caller: Caller, id: String, page: PageRequest) => value;
        "diff" = definitions_diff(caller: Caller, id: String, from_version: Option<u32>, to_version: Option<u32>) => value;
        "deprecate" = definitions_deprecate(caller: Caller, id: String, version: u32, reason: String) => value;
        "restore" = definitions_restore(caller: Caller, id: String, version: u32) => value;
        "remove" = definitions_remove(caller: Caller, id: String, version: Option<u32>) => value;
        "templates" = definitions_templates(caller: Caller) => value;
        "instantiate" = definitions_instantiate(caller: Caller, template: String, id: String, parameters: Json, expected_version: Option<u32>) => value;
    }
    "catalog" {
        "list" = catalog_list(caller: Caller) => value;
        "get" = catalog_get(caller: Caller, name: String) => value;
    }
    "health" {
        "report" = health_report() => value;
        "ready" = health_ready() => value;
        "live" = health_live() => value;
        "startup" = health_startup() => value;
    }
}
