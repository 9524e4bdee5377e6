//! The JSON form of the workflow interface: what the link and the engine API make of every function,
//! parameter, field and case that the WIT has.

use anyhow::Result;
use axum::http::StatusCode;
use phasewright::{contract, engine_api::FUNCTIONS};
use serde_json::{Value, json};
use wit_parser::Function;

use crate::{
    stub::{Behaviour, Relay, Stub, TOKEN},
    wit::{Wit, side_by_side, snake},
};

/// The one function that the link answers itself.
const OWN: (&str, &str) = ("health", "live");

#[test]
fn the_engine_api_has_every_function() {
    let wit = Wit::read();
    let written = wit.functions().map(|(interface, function)| {
        let parameters = function.params.iter();
        let names: Vec<_> = parameters.map(|parameter| snake(&parameter.name)).collect();
        format!("{interface}.{}({})", function.name, names.join(", "))
    });
    let known = FUNCTIONS.iter().map(|function| {
        let names = function.parameters.join(", ");
        format!("{}.{}({names})", function.interface, function.name)
    });
    let mut written: Vec<_> = written.collect();
    let mut known: Vec<_> = known.collect();
    written.sort();
    known.sort();
    assert_eq!(known, written);
}

/// Reads a value as the type of that name, and writes it again; none when there is no row for it.
macro_rules! as_type {
    ($name:expr, $value:expr, $($known:literal: $type:ident,)*) => {
        match $name {
            $($known => Some(serde_json::from_value::<contract::$type>($value)
                .and_then(serde_json::to_value)),)*
            _ => None,
        }
    };
}

#[test]
fn the_engine_api_has_every_field_and_case() {
    let wit = Wit::read();
    for (name, kind) in wit.types() {
        for sample in wit.samples(&kind) {
            let written = as_type!(name.as_str(), sample.clone(),
                "types.caller": Caller,
                "types.violation": Violation,
                "types.error": Error,
                "types.execution-status": ExecutionStatus,
                "types.node-status": NodeStatus,
                "types.page-request": PageRequest,
                "executions.start-request": StartRequest,
                "executions.node-view": NodeView,
                "executions.summary": Summary,
                "executions.execution": Execution,
                "executions.started": Started,
                "executions.rerun-request": RerunRequest,
                "executions.rerun-plan": RerunPlan,
                "executions.filter": ExecutionFilter,
                "executions.action": Action,
                "executions.outcome": Outcome,
                "executions.outcomes": Outcomes,
                "executions.migration-plan": MigrationPlan,
                "executions.page": ExecutionPage,
                "events.event": Event,
                "events.page": EventPage,
                "artifacts.artifact": Artifact,
                "checkpoints.checkpoint-status": CheckpointStatus,
                "checkpoints.checkpoint-position": CheckpointPosition,
                "checkpoints.checkpoint": Checkpoint,
                "checkpoints.decision": Decision,
                "checkpoints.filter": CheckpointFilter,
                "checkpoints.page": CheckpointPage,
                "definitions.definition": Definition,
                "definitions.page": DefinitionPage,
                "definitions.change": Change,
                "definitions.changed-node": ChangedNode,
                "definitions.deprecation": Deprecation,
                "definitions.difference": Difference,
                "definitions.template": Template,
                "catalog.phase": Phase,
                "health.probe": Probe,
            );
            let written = written.unwrap_or_else(|| panic!("{name} is in no row of this test"));
            assert_eq!(written.unwrap(), sample, "{name}");
        }
    }
}

#[tokio::test]
async fn the_link_has_every_function_field_and_case() -> Result<()> {
    let wit = Wit::read();
    let stub = Stub::start(Behaviour::Answer(StatusCode::OK, Vec::new())).await?;
    let relay = Relay::start(&format!("http://{}", stub.address))?;
    for (interface, function) in wit.functions() {
        if (interface, function.name.as_str()) == OWN {
            continue;
        }
        let place = format!("{interface}.{}", function.name);
        for case in cases(&wit, function) {
            stub.says(StatusCode::OK, case.answer);
            let reply = relay
                .call(interface, &function.name, &case.positional)
                .await?;
            assert_eq!(reply.status, 200, "{place}: {reply:?}");
            assert_eq!(reply.json(), case.result, "{place}");
            let asked = stub.asked();
            assert_eq!(asked.len(), 1, "{place}");
            let path = format!("/engine/v1/{interface}/{}", function.name);
            assert_eq!(asked[0].path, path);
            assert_eq!(asked[0].body, case.named, "{place}");
            let header = |name: &str| asked[0].headers.get(name).map(|value| value.to_str());
            let token = format!("Bearer {TOKEN}");
            assert_eq!(header("authorization").transpose()?, Some(token.as_str()));
            for (name, field) in [
                ("traceparent", "traceparent"),
                ("x-request-id", "request_id"),
            ] {
                let given = case.named["caller"][field].as_str();
                // What no header can carry is left out.
                let expected = given.filter(|value| !value.contains('\n'));
                assert_eq!(header(name).transpose()?, expected, "{place}: {name}");
            }
        }
    }
    Ok(())
}

/// What to call with, and what has to be seen.
struct Case {
    positional: Value,
    named: Value,
    /// What the host says.
    answer: Vec<u8>,
    /// What the relay says then.
    result: Value,
}

fn cases(wit: &Wit, function: &Function) -> Vec<Case> {
    let parameters: Vec<_> = function
        .params
        .iter()
        .map(|it| wit.samples(&it.ty))
        .collect();
    let results = results(wit, function);
    let parameters: Vec<_> = side_by_side(parameters.iter().map(Vec::as_slice)).collect();
    let count = parameters.len().max(results.len());
    let cases = (0..count).map(|at| {
        let parameters = &parameters[at % parameters.len()];
        let (answer, result) = results[at % results.len()].clone();
        let names = function
            .params
            .iter()
            .map(|parameter| snake(&parameter.name));
        Case {
            positional: json!(parameters),
            named: names.zip(parameters.iter().cloned()).collect(),
            answer,
            result,
        }
    });
    cases.collect()
}

/// What a host may say, and what the relay makes of it.
fn results(wit: &Wit, function: &Function) -> Vec<(Vec<u8>, Value)> {
    let kind = function.result.as_ref().unwrap();
    let with_stream = |result: &Value| match function.name.as_str() {
        "follow" if result.get("Ok").is_some() => {
            let events = wit.types().find(|(name, _)| name == "events.event");
            let events = wit.samples(&events.unwrap().1);
            let lines: Vec<_> = events.iter().map(ToString::to_string).collect();
            let lines = lines.join("\n");
            (format!("\n{lines}\n"), json!({"Ok": &events[..2]}))
        }
        "read" if result.get("Ok").is_some() => {
            let artifact = &result["Ok"][0];
            ("\nab\n".to_owned(), json!({"Ok": [artifact, b"ab\n"]}))
        }
        _ => (String::new(), result.clone()),
    };
    let samples = wit.samples(kind);
    let results = samples.iter().map(|result| {
        let (stream, seen) = with_stream(result);
        (format!("{result}{stream}").into_bytes(), seen)
    });
    results.collect()
}

/// Functions with streams are known by their names above.
#[test]
fn no_other_function_has_a_stream() {
    let wit = Wit::read();
    let streaming: Vec<_> = wit
        .functions()
        .filter(|(_, function)| wit.has_stream(function.result.as_ref().unwrap()))
        .map(|(interface, function)| format!("{interface}.{}", function.name))
        .collect();
    assert_eq!(streaming, ["events.follow", "artifacts.read"]);
}
