//! Each status that the document has for an operation happens.

use std::collections::BTreeSet;

use serde_json::json;

use super::examples::{filter, good_body, path_to_nothing, reported};
use crate::{
    access::guarded,
    api::{Api, excerpt, text},
    contract::{Operation, contract},
    host::{Place, shared},
    large::bulky,
};

/// What answers without the database, so that it says 503 only while the host is overloaded; that
/// `http/abuse.rs` shows of the listener, which does not look at the operation.
const WITHOUT_DATABASE: [&str; 8] = [
    "GET /api/openapi.json",
    "GET /api/phases",
    "GET /api/phases/{name}",
    "GET /api/templates",
    "GET /api/templates/{name}",
    "GET /health",
    "GET /health/live",
    "POST /api/workflows/validate",
];

/// A workflow of a template.
const INSTANCE: &str = r#"{"id": "documented-template"}"#;

/// One more byte than a body may have.
const BODY_BYTES: usize = (8 << 20) + 1;

/// Operation and status.
type Seen = BTreeSet<(String, u16)>;

#[tokio::test]
async fn every_documented_status_happens() {
    let api = shared();
    let contract = contract().await;
    let mut seen = Seen::new();
    for operation in &contract.operations {
        refusals(api, operation, &mut seen).await;
    }
    access(&mut seen).await;
    definitions(api, &mut seen).await;
    executions(api, &mut seen).await;
    checkpoints(api, &mut seen).await;
    artifacts(api, &mut seen).await;
    for path in [
        "/api/openapi.json",
        "/api/phases",
        "/api/phases/delay",
        "/api/templates",
        "/api/templates/delay_triage",
        "/health",
        "/health/live",
        "/health/ready",
        "/health/startup",
    ] {
        gives(api, "GET", path, "", "", 200, &mut seen).await;
    }
    gives(
        api,
        "GET",
        "/api/openapi.json",
        "if-none-match: *\r\n",
        "",
        304,
        &mut seen,
    )
    .await;

    let documented = contract.operations.iter().flat_map(|operation| {
        let statuses = operation.answers.keys();
        statuses.map(|status| (operation.shown(), *status))
    });
    // Whoever takes the database away shows the rest: `while_the_database_is_away`.
    let missing: Vec<_> = documented
        .filter(|(_, status)| *status != 503)
        .filter(|it| !seen.contains(it))
        .collect();
    assert!(
        missing.is_empty(),
        "documented, but no row here: {missing:?}"
    );
}

/// All that needs the database says 503, and nothing else does.
pub async fn while_the_database_is_away(api: Api) {
    let asked = contract().await.operations.iter().map(async |operation| {
        let shown = operation.shown();
        let path = operation.path_with(|parameter| text(&parameter["example"])) + filter(operation);
        let body = good_body(operation).map_or_else(String::new, ToString::to_string);
        let reply = api
            .send(&operation.method, &path, "", body.as_bytes())
            .await;
        let needs_it = !WITHOUT_DATABASE.contains(&&*shown);
        assert_eq!(reply.status == 503, needs_it, "{shown}: {}", reply.status);
    });
    // At once, as each waits for a while.
    futures::future::join_all(asked).await;
}

/// What can be wrong with a request in itself, or with what it is about.
async fn refusals(api: Api, operation: &Operation, seen: &mut Seen) {
    let Operation {
        method, answers, ..
    } = operation;
    let path = path_to_nothing(operation);
    let good = good_body(operation).map_or_else(String::new, ToString::to_string);
    let has = |status: u16| answers.contains_key(&status);
    if has(400) {
        gives(
            api,
            method,
            &format!("{path}?nonsense=1"),
            "",
            &good,
            400,
            seen,
        )
        .await;
    }
    if has(404) {
        gives(api, method, &path, "", &good, 404, seen).await;
    }
    if has(413) {
        let head = format!("content-length: {BODY_BYTES}\r\n\r\n");
        let reply = api.send_pieces(method, &path, &[head.as_bytes()]).await;
        assert_eq!(reply.status, 413, "{}", operation.shown());
        seen.insert((operation.shown(), 413));
    }
    if has(415) {
        let plain = "content-type: text/plain\r\n";
        gives(api, method, &path, plain, &good, 415, seen).await;
    }
    if has(422) && operation.body.is_some() {
        gives(api, method, &path, "", "[]", 422, seen).await;
    } else if has(422) {
        gives(
            api,
            method,
            &format!("{path}?cursor=1.2"),
            "",
            "",
            422,
            seen,
        )
        .await;
    }
}

/// Where tokens are needed, without one and with one that is good for something else.
async fn access(seen: &mut Seen) {
    let place = Place::new();
    let host = guarded(&place);
    for operation in &contract().await.operations {
        let path = path_to_nothing(operation);
        let good = good_body(operation).map_or_else(String::new, ToString::to_string);
        let Operation { method, .. } = operation;
        if operation.answers.contains_key(&401) {
            gives(host.api, method, &path, "", &good, 401, seen).await;
            let api = host.api.with_token("robot-token");
            gives(api, method, &path, "", &good, 403, seen).await;
        } else {
            let reply = host.api.send(method, &path, "", good.as_bytes()).await;
            assert!(reply.status < 400, "{}: {reply:?}", operation.shown());
        }
    }
}

async fn definitions(api: Api, seen: &mut Seen) {
    let document = json!({"id": "documented", "nodes": [
        {"id": "wait", "phase": "delay", "config": {"ms": 0}},
    ]});
    let document = document.to_string();
    let path = "/api/workflows/documented";
    let gone = document.replace("documented", "documented-gone");
    let removed = "/api/workflows/documented-gone";
    let removed_version = format!("{removed}/versions/1");
    let instantiate = "/api/templates/sdlc_linear/instantiate";
    let versions = format!("{path}/versions");
    let diff = format!("{path}/diff?from=1&to=1");
    let deprecate = format!("{versions}/1/deprecate");
    let restore = format!("{versions}/1/restore");
    for (method, path, headers, body, status) in [
        ("POST", "/api/workflows/validate", "", &*document, 200),
        ("PUT", path, "", &*document, 200),
        ("PUT", path, "if-none-match: *\r\n", &*document, 412),
        ("POST", instantiate, "", INSTANCE, 200),
        ("POST", instantiate, "if-none-match: *\r\n", INSTANCE, 412),
        ("GET", path, "", "", 200),
        ("GET", path, "if-none-match: \"1\"\r\n", "", 304),
        ("GET", &*versions, "", "", 200),
        ("GET", &*diff, "", "", 200),
        ("POST", &*deprecate, "", r#"{"reason": "old"}"#, 200),
        ("POST", &*restore, "", "", 200),
        ("GET", "/api/workflows", "", "", 200),
        ("PUT", removed, "", &*gone, 200),
        ("DELETE", &*removed_version, "", "", 204),
        ("PUT", removed, "", &*gone, 200),
        ("DELETE", removed, "", "", 204),
    ] {
        gives(api, method, path, headers, body, status, seen).await;
    }
}

async fn executions(api: Api, seen: &mut Seen) {
    let slow = json!({"id": "documented-slow", "nodes": [
        {"id": "wait", "phase": "delay", "config": {"ms": 60_000}},
    ]});
    let id = api.launch(&slow, &json!({})).await;
    let mut newer = slow;
    newer["name"] = json!("Newer");
    api.put(&newer).await;
    let done = api.start("documented", &json!({})).await;
    api.end(&done).await;
    let heavy = bulky("documented-heavy", 2, 15_000_000);
    let heavy = api.launch(&heavy, &json!({})).await;
    api.follow(&heavy, 0, |_| false).await;
    let heavy = format!("/api/executions/{heavy}");
    let cancel_done = format!("/api/executions/{done}/cancel");
    let one = format!("/api/executions/{id}");
    let (cancel, resume) = (format!("{one}/cancel"), format!("{one}/resume"));
    let events = format!("{one}/events");
    let (pause, rerun) = (format!("{one}/pause"), format!("{one}/rerun"));
    let migrate = format!("{one}/migrate");
    let plan_migration = format!("{migrate}?dry_run=true");
    let (pause_done, rerun_done) = (
        format!("/api/executions/{done}/pause"),
        format!("/api/executions/{done}/rerun"),
    );
    let plan = format!("{rerun_done}?dry_run=true");
    let key = "idempotency-key: documented\r\n";
    let deprecate = "/api/workflows/documented/versions/1/deprecate";
    let restore = "/api/workflows/documented/versions/1/restore";
    for (method, path, headers, body, status) in [
        ("POST", "/api/workflows/documented/execute", key, "{}", 202),
        ("POST", "/api/workflows/documented/execute", key, "{}", 200),
        ("DELETE", "/api/workflows/documented", "", "", 409),
        ("POST", deprecate, "", r#"{"reason": "old"}"#, 200),
        ("POST", "/api/workflows/documented/execute", "", "{}", 409),
        ("POST", restore, "", "", 200),
        (
            "DELETE",
            "/api/workflows/documented/versions/1",
            "",
            "",
            409,
        ),
        ("GET", "/api/executions", "", "", 200),
        ("GET", &*one, "", "", 200),
        ("GET", &*heavy, "", "", 409),
        ("GET", &*events, "", "", 200),
        ("POST", &*resume, "", "", 409),
        ("POST", &*pause, "", "", 202),
        ("POST", &*resume, "", "", 202),
        ("POST", &*pause_done, "", "", 409),
        ("POST", &*rerun, "", "", 409),
        ("POST", &*migrate, "", r#"{"version": 2}"#, 409),
        ("POST", &*plan_migration, "", r#"{"version": 1}"#, 200),
        ("POST", &*migrate, "", r#"{"version": 1}"#, 202),
        ("POST", &*plan, "", "", 200),
        ("POST", &*rerun_done, "", "", 202),
        ("POST", &*cancel, "", "", 202),
        ("POST", &*cancel_done, "", "", 409),
        ("POST", &*resume, "", "", 202),
        ("POST", &*cancel, "", "", 202),
    ] {
        gives(api, method, path, headers, body, status, seen).await;
    }
    for verb in ["cancel", "pause", "resume", "rerun"] {
        let path = format!("/api/executions/all/{verb}?created_before=2020-01-01T00:00:00Z");
        gives(api, "POST", &path, "", "", 200, seen).await;
    }
}

async fn checkpoints(api: Api, seen: &mut Seen) {
    let reviewed = json!({"id": "documented-review", "nodes": [
        {"id": "draft", "phase": "delay", "config": {"ms": 0}, "checkpoint": {"title": "Good?"}},
    ]});
    let id = api.launch(&reviewed, &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    let one = format!("/api/checkpoints/{}", text(&open["checkpoint_id"]));
    let resolve = format!("{one}/resolve");
    for (method, path, body, status) in [
        ("GET", "/api/checkpoints", "", 200),
        ("GET", &*one, "", 200),
        ("POST", &*resolve, r#"{"action": "approve"}"#, 200),
        ("POST", &*resolve, r#"{"action": "reject"}"#, 409),
    ] {
        gives(api, method, path, "", body, status, seen).await;
    }
}

async fn artifacts(api: Api, seen: &mut Seen) {
    let all = format!("/api/executions/{}/artifacts", reported(api).await);
    let one = format!("{all}/report/report.md");
    gives(api, "GET", &all, "", "", 200, seen).await;
    gives(api, "GET", &one, "", "", 200, seen).await;
    gives(api, "GET", &one, "if-none-match: *\r\n", "", 304, seen).await;
}

/// Sends, expects the status, and notes that it has been seen.
async fn gives(
    api: Api,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
    status: u16,
    seen: &mut Seen,
) {
    let reply = api.send(method, path, headers, body.as_bytes()).await;
    assert_eq!(
        reply.status,
        status,
        "{method} {path}: {}",
        excerpt(&reply.body)
    );
    let operation = contract().await.operation(method, path);
    let operation = operation.unwrap_or_else(|| panic!("{method} {path} is not in the document"));
    seen.insert((operation.shown(), status));
}
