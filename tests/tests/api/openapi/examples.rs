//! The examples of the document: each is sent, and gives what the document says.

use serde_json::{Value, json};

use super::NOTHING;
use crate::{
    api::{Api, excerpt, text},
    client::Reply,
    contract::{Operation, contract},
    host::shared,
};

/// What the examples are about.
const WORKFLOW: &str = "late_flights";

#[tokio::test]
async fn every_example_gives_what_it_says() {
    let api = shared();
    let operations = &contract().await.operations;
    let put = find(operations, "PUT /api/workflows/{id}");
    api.put(good_body(put).unwrap()).await;
    for operation in operations {
        let shown = operation.shown();
        let body = good_body(operation).map_or_else(String::new, Value::to_string);
        let mut sent = 0;
        for parameter in &operation.parameters {
            let Some((path, headers)) = with(api, operation, parameter).await else {
                continue;
            };
            let reply = api
                .send(&operation.method, &path, &headers, body.as_bytes())
                .await;
            let what = format!("{shown}, example of {}", parameter["name"]);
            gives(&reply, parameter["x-status"].as_u64(), &what);
            sent += 1;
        }
        for example in operation.body.iter().flat_map(|body| &body.examples) {
            let path = scene(api, operation).await;
            let body = example.value.to_string();
            let reply = api
                .send(&operation.method, &path, "", body.as_bytes())
                .await;
            let what = format!("{shown}, example {}", example.name);
            gives(&reply, Some(example.status.into()), &what);
            sent += 1;
        }
        if sent == 0 {
            let path = scene(api, operation).await;
            let reply = api.send(&operation.method, &path, "", b"").await;
            gives(&reply, None, &shown);
        }
    }
}

/// It has this status, or any that is a success.
fn gives(reply: &Reply, status: Option<u64>, what: &str) {
    let is_right = match status {
        Some(status) => u64::from(reply.status) == status,
        None => reply.status < 300,
    };
    let shown = excerpt(&reply.body);
    assert!(is_right, "{what}: {} {shown}", reply.status);
}

/// A request with the example of one parameter in the query or the headers, if it is one.
async fn with(api: Api, operation: &Operation, parameter: &Value) -> Option<(String, String)> {
    let name = parameter["name"].as_str()?;
    let value = match parameter.get("example")? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match parameter["in"].as_str()? {
        "query" => {
            let path = scene(api, operation).await;
            let path = match path.split_once('?') {
                // Already there.
                Some((_, query)) if query.starts_with(&format!("{name}=")) => path,
                Some(_) => format!("{path}&{name}={value}"),
                None => format!("{path}?{name}={value}"),
            };
            Some((path, String::new()))
        }
        "header" => Some((scene(api, operation).await, format!("{name}: {value}\r\n"))),
        _ => None,
    }
}

/// The path of an operation on something of which it makes sense.
async fn scene(api: Api, operation: &Operation) -> String {
    if operation.method == "DELETE" {
        return unneeded(api, operation).await;
    }
    let id = match &*operation.path {
        "/api/executions/{id}/resume" | "/api/executions/{id}/rerun" => Some(cancelled(api).await),
        "/api/executions/{id}/artifacts/{node}/{name}" => Some(reported(api).await),
        path if path.starts_with("/api/executions/{id}") => Some(started(api).await),
        path if path.starts_with("/api/checkpoints/{id}") => {
            let open = api.checkpoint(&started(api).await, "late", 1).await;
            Some(text(&open["checkpoint_id"]))
        }
        _ => None,
    };
    let path = operation.path_with(|parameter| match &id {
        Some(id) if parameter["name"] == "id" => id.clone(),
        _ => text(&parameter["example"]),
    });
    path + filter(operation)
}

/// What selects nothing, for an operation that needs a filter: others share the host.
pub fn filter(operation: &Operation) -> &'static str {
    if operation.path.starts_with("/api/executions/all/") {
        "?created_before=2020-01-01T00:00:00Z"
    } else {
        ""
    }
}

/// An execution of the workflow of the examples, which waits at a checkpoint sooner or later.
async fn started(api: Api) -> String {
    let input = json!({"flights_csv": "flight,dep_delay\nUA1545,75\nB6725,-1\n"});
    api.start(WORKFLOW, &json!({"input": input})).await
}

/// A version that no execution needs.
async fn unneeded(api: Api, operation: &Operation) -> String {
    let nodes = json!([{"id": "wait", "phase": "delay", "config": {"ms": 0}}]);
    let stored = api
        .put(&json!({"id": "unneeded", "nodes": nodes}))
        .await
        .json();
    operation.path_with(|parameter| match parameter["name"].as_str() {
        Some("version") => stored["version"].to_string(),
        _ => text(&stored["id"]),
    })
}

async fn cancelled(api: Api) -> String {
    let id = started(api).await;
    let reply = api
        .post(&format!("/api/executions/{id}/cancel"), &json!({}))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    id
}

/// An execution that has kept `report.md` with its node `report`.
pub async fn reported(api: Api) -> String {
    let artifact = json!({"name": "report.md", "content_type": "text/markdown"});
    let definition = json!({"id": "reporting", "nodes": [
        {"id": "report", "phase": "template-render", "config": {"template": "# Late", "artifact": artifact}},
    ]});
    text(&api.run(&definition, &json!({})).await["execution_id"])
}

/// The first example of a body that is taken.
pub fn good_body(operation: &Operation) -> Option<&Value> {
    let mut examples = operation.body.as_ref()?.examples.iter();
    Some(&examples.find(|example| example.status < 300)?.value)
}

fn find<'o>(operations: &'o [Operation], shown: &str) -> &'o Operation {
    let found = operations
        .iter()
        .find(|operation| operation.shown() == shown);
    found.unwrap_or_else(|| panic!("no {shown} in the document"))
}

/// A path on which there is nothing.
pub fn path_to_nothing(operation: &Operation) -> String {
    operation.path_with(|parameter| match parameter["name"].as_str() {
        Some("version") => text(&parameter["example"]),
        _ => NOTHING.to_owned(),
    })
}
