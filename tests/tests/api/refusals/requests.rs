//! Headers, queries, paths and methods.

use serde_json::json;

use super::{EXECUTE, NOBODY, PUT, RESOLVE, is_refusal, picky};
use crate::host::shared;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn headers() {
    let api = shared();
    picky(api).await;
    let good = br#"{"input": {"n": 1}}"#;
    let long = format!("idempotency-key: {}\r\n", "x".repeat(129));
    for (headers, status, says) in [
        (
            "idempotency-key: \r\n",
            400,
            "`idempotency-key` must be 1 to 128 visible ASCII",
        ),
        (
            long.as_str(),
            400,
            "`idempotency-key` must be 1 to 128 visible ASCII",
        ),
        (
            "idempotency-key: a b\r\n",
            400,
            "`idempotency-key` must be 1 to 128 visible ASCII",
        ),
        (
            "idempotency-key: ä\r\n",
            400,
            "`idempotency-key` is not visible ASCII",
        ),
        (
            "idempotency-key: a\r\nidempotency-key: b\r\n",
            400,
            "`idempotency-key` is given twice",
        ),
        (
            "prefer: wait=soon\r\n",
            400,
            "`prefer` must give `wait` a whole number of seconds",
        ),
        (
            "prefer: wait=-1\r\n",
            400,
            "`prefer` must give `wait` a whole number of seconds",
        ),
        (
            "prefer: wait=1.5\r\n",
            400,
            "`prefer` must give `wait` a whole number of seconds",
        ),
        (
            "prefer: wait\r\n",
            400,
            "`prefer` must give `wait` a whole number of seconds",
        ),
        (
            "prefer: wait=\"5\r\n",
            400,
            "`prefer` has a quote that is not closed",
        ),
        (
            "content-type: text/plain\r\n",
            415,
            "`content-type` must be application/json",
        ),
        (
            "content-type: application/xml\r\n",
            415,
            "`content-type` must be application/json",
        ),
        (
            "content-type: multipart/form-data; boundary=x\r\n",
            415,
            "`content-type` must be application/json",
        ),
    ] {
        is_refusal(
            &api.send("POST", EXECUTE, headers, good).await,
            status,
            says,
            headers,
        );
    }
    let definition =
        json!({"id": "picky", "nodes": [{"id": "a", "phase": "delay", "config": {"ms": 1}}]});
    for (headers, status, says) in [
        (
            "if-match: 1\r\n",
            400,
            "`if-match` must be one version in quotes",
        ),
        (
            "if-match: \"one\"\r\n",
            400,
            "`if-match` must be one version in quotes",
        ),
        (
            "if-match: \"0\"\r\n",
            400,
            "`if-match` must be one version in quotes",
        ),
        (
            "if-match: \"1\", \"2\"\r\n",
            400,
            "`if-match` must be one version in quotes",
        ),
        (
            "if-match: \"99999999999\"\r\n",
            400,
            "`if-match` must be one version in quotes",
        ),
        (
            "if-match: *\r\n",
            400,
            "`if-match` does not support `*` here",
        ),
        (
            "if-none-match: \"1\"\r\n",
            400,
            "`if-none-match` must be `*` here",
        ),
        (
            "if-match: \"1\"\r\nif-none-match: *\r\n",
            400,
            "exclude each other",
        ),
        (
            "if-match: \"77\"\r\n",
            412,
            "the latest version of workflow picky is",
        ),
    ] {
        let reply = api
            .send("PUT", PUT, headers, definition.to_string().as_bytes())
            .await;
        is_refusal(&reply, status, says, headers);
    }
    let execution = api.start("picky", &json!({"input": {"n": 1}})).await;
    let path = format!("/api/executions/{execution}/events");
    for id in [
        "x",
        "-1",
        "1.5",
        "+1",
        "18446744073709551616",
        "1\r\nlast-event-id: 2",
    ] {
        let headers = format!("accept: text/event-stream\r\nlast-event-id: {id}\r\n");
        is_refusal(
            &api.send("GET", &path, &headers, b"").await,
            400,
            "`last-event-id`",
            id,
        );
    }
    api.is_well().await;
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn queries() {
    let api = shared();
    picky(api).await;
    let execution = api.start("picky", &json!({"input": {"n": 1}})).await;
    let below = |rest: &str| format!("/api/executions/{execution}/{rest}");
    let long = format!("/api/executions?cursor={}", "x".repeat(513));
    for (path, status, says) in [
        (
            "/api/executions?limit=0",
            400,
            "`limit` must be a whole number from 1 to 200",
        ),
        (
            "/api/executions?limit=201",
            400,
            "`limit` must be a whole number from 1 to 200",
        ),
        (
            "/api/executions?limit=ten",
            400,
            "`limit` must be a whole number from 1 to 200",
        ),
        (
            "/api/executions?limit=",
            400,
            "`limit` must be a whole number from 1 to 200",
        ),
        (
            "/api/executions?limit=1&limit=2",
            400,
            "`limit` is given twice",
        ),
        (
            "/api/executions?offset=1",
            400,
            "`offset` is not known; there are workflow_id, status, version, created_from, created_before, limit, cursor",
        ),
        (
            "/api/executions?status=done",
            400,
            "`status` must be one of pending, running",
        ),
        (
            "/api/executions?workflow_id=a/b",
            400,
            "`workflow_id` must match",
        ),
        (
            "/api/executions?cursor=",
            400,
            "`cursor` must be the `next` of another page",
        ),
        (
            "/api/executions?cursor=a%00b",
            400,
            "`cursor` must be the `next` of another page",
        ),
        (&long, 400, "at most 512 characters"),
        (
            "/api/executions?cursor=nonsense",
            422,
            "/cursor: is not a cursor that this list gave out",
        ),
        (
            "/api/executions?status=%zz",
            400,
            "has a `%` that two hexadecimal digits do not follow",
        ),
        ("/api/executions?status=%ff", 400, "`status` is not UTF-8"),
        (
            "/api/checkpoints?status=open",
            400,
            "`status` must be one of pending, approved",
        ),
        (
            "/api/checkpoints?execution_id=zz",
            422,
            "/execution_id: \"zz\" is not a UUID",
        ),
        (
            "/api/checkpoints?cursor=1.2",
            422,
            "/cursor: is not a cursor",
        ),
        (
            "/api/workflows?limit=-1",
            400,
            "`limit` must be a whole number from 1 to 200",
        ),
        (
            "/api/workflows?cursor=a%20b",
            400,
            "`cursor` must be the `next` of another page",
        ),
        (
            "/api/workflows/picky?version=0",
            400,
            "`version` must be a whole number from 1",
        ),
        (
            "/api/workflows/picky?version=4294967296",
            400,
            "`version` must be a whole number from 1 to 4294967295",
        ),
        (
            "/api/workflows/picky/versions?cursor=x",
            422,
            "/cursor: is not a cursor",
        ),
        (
            "/api/phases?x=1",
            400,
            "`x` is not known; there is none here",
        ),
        (
            &below("events?after=-1"),
            400,
            "`after` must be a whole number from 0",
        ),
        (
            &below("events?limit=1001"),
            400,
            "`limit` must be a whole number from 1 to 1000",
        ),
        (
            &below("artifacts/a/f.txt?item=x"),
            400,
            "`item` must be a whole number from 0",
        ),
        (&below("artifacts/a/f.txt"), 404, "f.txt"),
    ] {
        is_refusal(&api.get(path).await, status, says, path);
    }
    is_refusal(
        &api.send("POST", &format!("{EXECUTE}?wait=5"), "", b"{}")
            .await,
        400,
        "`wait` is not known",
        "wait",
    );
    api.is_well().await;
}

#[tokio::test]
async fn paths_and_methods() {
    let api = shared();
    picky(api).await;
    let long = format!("/api/workflows/{}", "x".repeat(65));
    for (path, status, says) in [
        ("/", 404, "nothing is at this path"),
        ("/api/nothing", 404, "nothing is at this path"),
        ("/api/executions/x/y/z", 404, "nothing is at this path"),
        ("/api/../etc/passwd", 400, "has a dot segment"),
        ("/api/%2e%2e/health", 400, "has a dot segment"),
        ("/api//executions", 400, "has an empty segment"),
        (
            "/api/executions/%",
            400,
            "has a `%` without two hexadecimal digits",
        ),
        ("/api/executions/%ff", 400, "is not UTF-8"),
        ("/api/executions/%00", 400, "control character"),
        (
            "/api/executions/a%20b",
            400,
            "`id` must match ^[A-Za-z0-9_-]{1,64}$",
        ),
        (&long, 400, "`id` must match"),
        (
            "/api/executions/not-a-uuid",
            404,
            "there is no execution not-a-uuid",
        ),
        (NOBODY, 404, "there is no execution 01890000"),
        (
            &format!("{NOBODY}/events"),
            404,
            "there is no execution 01890000",
        ),
        (
            &format!("{NOBODY}/artifacts"),
            404,
            "there is no execution 01890000",
        ),
        ("/api/checkpoints/nope", 404, "there is no checkpoint nope"),
        (
            "/api/workflows/missing",
            404,
            "there is no workflow missing",
        ),
        (
            "/api/workflows/missing/versions",
            404,
            "there is no workflow missing",
        ),
        ("/api/templates/nope", 404, "there is no template `nope`"),
        ("/api/phases/nope", 404, "there is no phase nope"),
        (
            "/api/phases/No_pe",
            400,
            "`name` must match ^[a-z0-9-]{1,64}$",
        ),
    ] {
        is_refusal(&api.get(path).await, status, says, path);
    }
    for (method, path, allowed) in [
        ("DELETE", "/api/executions", "GET, HEAD"),
        ("PATCH", NOBODY, "GET, HEAD"),
        ("GET", EXECUTE, "POST"),
        ("PUT", &format!("{NOBODY}/cancel"), "POST"),
        ("GET", &format!("{NOBODY}/pause"), "POST"),
        ("GET", &format!("{NOBODY}/rerun"), "POST"),
        ("GET", &format!("{NOBODY}/migrate"), "POST"),
        ("PATCH", "/api/workflows/picky", "DELETE, GET, HEAD, PUT"),
        ("POST", "/api/workflows/picky", "DELETE, GET, HEAD, PUT"),
        ("POST", "/api/phases", "GET, HEAD"),
        ("GET", RESOLVE, "POST"),
        ("POST", "/health", "GET, HEAD"),
    ] {
        let reply = api.send(method, path, "", b"").await;
        is_refusal(
            &reply,
            405,
            &format!("{method} is not allowed here; allowed: {allowed}"),
            path,
        );
        assert_eq!(reply.header("allow"), Some(allowed));
    }
    let reply = api.post("/api/workflows/missing/execute", &json!({})).await;
    is_refusal(&reply, 404, "there is no workflow missing", "execute");
    api.is_well().await;
}
