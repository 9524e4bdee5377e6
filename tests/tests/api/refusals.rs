//! Requests that are wrong in themselves: each gets an answer that says what and where, and does no
//! harm to anybody else.

mod bodies;
mod contents;
mod requests;

use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt},
    client::Reply,
};

const VALIDATE: &str = "/api/workflows/validate";
const EXECUTE: &str = "/api/workflows/picky/execute";
const RESOLVE: &str = "/api/checkpoints/01890000-0000-8000-8000-000000000000/resolve";
const NOBODY: &str = "/api/executions/01890000-0000-7000-8000-000000000000";
/// What a workflow may not be put as without a good body.
const PUT: &str = "/api/workflows/picky";

/// Takes `{"n": integer}`.
async fn picky(api: Api) {
    let schema =
        json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
    let nodes = json!([{"id": "a", "phase": "delay", "config": {"ms": 0}}]);
    api.put(&json!({"id": "picky", "input_schema": schema, "nodes": nodes}))
        .await;
}

/// It is a problem with this status that says this: in `detail`, or at a pointer (`/a/b: message`).
fn is_refusal(reply: &Reply, status: u16, says: &str, what: &str) {
    let shown = excerpt(&reply.body);
    assert_eq!(reply.status, status, "{what}: {shown}");
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{what}: {shown}"
    );
    let problem = reply.json();
    let errors = problem["errors"].as_array().into_iter().flatten();
    let places =
        errors.map(|error| format!("{}: {}", text(&error["pointer"]), text(&error["message"])));
    let detail = text(&problem["detail"]).to_owned();
    let is_said = places.chain([detail]).any(|said| said.contains(says));
    assert!(is_said, "{what} does not say {says:?}: {shown}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
