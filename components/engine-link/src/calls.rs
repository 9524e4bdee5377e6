//! Every function of the workflow interface. A function that is missing here does not compile.
//!
//! A row ends with how it is answered, and how often it may be sent. A call that a host may have begun
//! goes to another host only when doing it twice is the same as doing it once; [`ONCE`] is for the
//! rest. One that reached no host at all goes to the next one in any case.

use serde::Serialize;
use spin_sdk::wit_bindgen::StreamReader;

use crate::{
    answer::{events, file, value},
    bindings::{
        artifacts::{self, Artifact},
        catalog::{self, Phase},
        checkpoints::{self, Checkpoint, Decision},
        definitions::{self, Definition, Difference, Template},
        events::{self, Event},
        executions::{
            self, Action, Execution, MigrationPlan, Outcomes, RerunPlan, RerunRequest,
            StartRequest, Started, Summary,
        },
        health::{self, Probe},
        types::{Caller, Error, PageRequest},
    },
    probes,
    send::{AGAIN, Function, ONCE, send},
};

/// What is exported.
pub struct Link;

/// A JSON document, as the interface has it.
type Json = String;

/// One `impl` for each interface: a function passes its parameters on by name.
macro_rules! interface {
    ($interface:ident: $(
        $function:ident($caller:ident $(, $parameter:ident: $type:ty)*) -> $result:ty = $answer:ident($how:expr);
    )*) => {
        impl $interface::Guest for Link {
            $(async fn $function($caller: Caller $(, $parameter: $type)*) -> Result<$result, Error> {
                #[derive(Serialize)]
                struct Parameters<'p> {
                    $caller: &'p Caller,
                    $($parameter: &'p $type,)*
                }
                let function = Function {
                    interface: stringify!($interface),
                    name: stringify!($function),
                    how: $how,
                };
                let parameters = Parameters { $caller: &$caller $(, $parameter: &$parameter)* };
                $answer(send(&function, Some(&$caller), &parameters).await?).await
            })*
        }
    };
}

interface! { executions:
    // With a key the second start is the first one.
    start(caller, request: StartRequest, wait_ms: Option<u32>) -> Started = value(AGAIN.only_if(request.idempotency_key.is_some()).longer_by(wait_ms.unwrap_or(0)));
    get(caller, id: String) -> Execution = value(AGAIN);
    wait(caller, id: String, timeout_ms: u32) -> Execution = value(AGAIN.longer_by(timeout_ms));
    list(caller, filter: executions::Filter, page: PageRequest) -> executions::Page = value(AGAIN);
    // Cancelling or pausing twice changes nothing.
    cancel(caller, id: String, reason: String) -> Summary = value(AGAIN);
    pause(caller, id: String, reason: String) -> Summary = value(AGAIN);
    // The second time it would be a conflict.
    resume(caller, id: String) -> Summary = value(ONCE);
    rerun(caller, id: String, request: RerunRequest, wait_ms: Option<u32>) -> Started = value(AGAIN.only_if(request.idempotency_key.is_some()).longer_by(wait_ms.unwrap_or(0)));
    plan_rerun(caller, id: String, request: RerunRequest) -> RerunPlan = value(AGAIN);
    apply(caller, action: Action, filter: executions::Filter, page: PageRequest, dry_run: bool) -> Outcomes = value(AGAIN.only_if(dry_run || is_repeatable(&action)));
    // To the version that it executes already changes nothing.
    migrate(caller, id: String, version: u32) -> Summary = value(AGAIN);
    plan_migration(caller, id: String, version: u32) -> MigrationPlan = value(AGAIN);
}

interface! { events:
    list(caller, execution_id: String, after: u64, limit: u32) -> events::Page = value(AGAIN);
    follow(caller, execution_id: String, after: u64) -> StreamReader<Event> = events(AGAIN);
}

interface! { artifacts:
    list(caller, execution_id: String) -> Vec<Artifact> = value(AGAIN);
    read(caller, execution_id: String, node: String, item: Option<u32>, name: String) -> (Artifact, StreamReader<u8>) = file(AGAIN);
}

interface! { checkpoints:
    get(caller, id: String) -> Checkpoint = value(AGAIN);
    list(caller, filter: checkpoints::Filter, page: PageRequest) -> checkpoints::Page = value(AGAIN);
    // The same decision again is the same checkpoint.
    resolve(caller, id: String, decision: Decision, notes: Option<String>) -> Checkpoint = value(AGAIN);
}

interface! { definitions:
    // What is equal to the latest version is that version; but the version that was expected is not the
    // latest any more.
    put(caller, id: String, document: Json, expected_version: Option<u32>) -> Definition = value(AGAIN.only_if(expected_version.is_none()));
    validate(caller, document: Json) -> () = value(AGAIN);
    get(caller, id: String, version: Option<u32>) -> Definition = value(AGAIN);
    list(caller, page: PageRequest) -> definitions::Page = value(AGAIN);
    versions(caller, id: String, page: PageRequest) -> definitions::Page = value(AGAIN);
    diff(caller, id: String, from_version: Option<u32>, to_version: Option<u32>) -> Difference = value(AGAIN);
    deprecate(caller, id: String, version: u32, reason: String) -> Definition = value(AGAIN);
    restore(caller, id: String, version: u32) -> Definition = value(AGAIN);
    // The second time there is nothing to remove.
    remove(caller, id: String, version: Option<u32>) -> () = value(ONCE);
    templates(caller) -> Vec<Template> = value(AGAIN);
    // As `put`.
    instantiate(caller, template: String, id: String, parameters: Json, expected_version: Option<u32>) -> Definition = value(AGAIN.only_if(expected_version.is_none()));
}

interface! { catalog:
    list(caller) -> Vec<Phase> = value(AGAIN);
    get(caller, name: String) -> Phase = value(AGAIN);
}

impl health::Guest for Link {
    async fn report() -> Probe {
        probes::ask("report", probes::report).await
    }

    async fn ready() -> Probe {
        probes::ask("ready", probes::ready).await
    }

    /// Whether this component lives, which is no engine's business.
    async fn live() -> Probe {
        probes::live()
    }

    async fn startup() -> Probe {
        probes::ask("startup", probes::startup).await
    }
}

/// As of the functions with one execution.
fn is_repeatable(action: &Action) -> bool {
    match action {
        Action::Cancel(_) | Action::Pause(_) => true,
        Action::Resume => false,
        Action::Rerun(request) => request.idempotency_key.is_some(),
    }
}
