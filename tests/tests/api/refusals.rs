//! Requests that are wrong in themselves: each gets an answer that says what and where, and does no
//! harm to anybody else.

use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt},
    client::{Client, Reply},
    host::shared,
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

#[tokio::test]
async fn bodies_that_are_no_json() {
    let api = shared();
    picky(api).await;
    let deep = |levels: usize| [b"{\"input\":".to_vec(), vec![b'['; levels]].concat();
    let nul = b"{\"requirement\": \"a\\u0000b\"}";
    let rows: &[(&[u8], u16, &str)] = &[
        (b"{", 400, "line 1 column 1"),
        (b"{\"input\": {}", 400, "line 1 column 12"),
        (b"{\"input\": {},}", 400, "line 1 column 14"),
        (b"{'input': {}}", 400, "line 1 column 2"),
        (b"{\"input\" {}}", 400, "line 1 column"),
        (b"{} {}", 400, "line 1 column"),
        (b"{\n\n  // no\n}", 400, "line 3 column"),
        (b"NaN", 400, "not JSON"),
        (b"\xef\xbb\xbf{}", 400, "line 1 column 1"),
        (b"{\"input\": \"\\ud800\"}", 400, "line 1 column"),
        (b"{\"input\": {\"n\": 1e400}}", 400, "number out of range"),
        (b"{\"input\": {\"n\": 01}}", 400, "line 1 column"),
        (b"{\"input\": \"a\nb\"}", 400, "line 2 column 0"),
        (b"{\"input\": \"\xff\"}", 400, "not UTF-8 from byte 11 on"),
        (
            b"{\"input\": {\"n\": 1}, \"input\": {\"n\": 2}}",
            422,
            "/input: is given twice",
        ),
        (
            b"{\"input\": {\"a\": [{\"x/y\": 1, \"x/y\": 1}]}}",
            422,
            "/input/a/0/x~1y: is given twice",
        ),
        (&deep(101), 422, "nested deeper than 100 levels"),
        (&deep(1_000_000), 422, "nested deeper than 100 levels"),
        (nul, 422, "/requirement: must not contain U+0000"),
        (b"[]", 422, ": must be an object"),
        (b"null", 422, ": must be an object"),
        (b"\"{}\"", 422, ": must be an object"),
    ];
    for (body, status, says) in rows {
        let what = excerpt(&String::from_utf8_lossy(&body[..body.len().min(60)]));
        is_refusal(
            &api.send("POST", EXECUTE, "", body).await,
            *status,
            says,
            &what,
        );
    }
    for path in [VALIDATE, PUT] {
        let method = if path == PUT { "PUT" } else { "POST" };
        for (body, status, says) in [
            (&b""[..], 422, ": is missing: the body must be a definition"),
            (b"[]", 422, ": must be an object, not an array"),
            (b"{\"id\":", 400, "line 1 column 6"),
            (
                b"{\"id\": \"a\", \"id\": \"b\"}",
                422,
                "/id: is given twice",
            ),
            (b"\xc3\x28", 400, "not UTF-8 from byte 0 on"),
        ] {
            is_refusal(&api.send(method, path, "", body).await, status, says, path);
        }
    }
    api.is_well().await;
}

#[tokio::test]
async fn bodies_with_the_wrong_things_in_them() {
    let api = shared();
    picky(api).await;
    let cancel = format!("{NOBODY}/cancel");
    let resume = format!("{NOBODY}/resume");
    let rows = [
        (
            EXECUTE,
            json!({"inputs": {}}),
            422,
            "/inputs: is not a known field",
        ),
        (
            EXECUTE,
            json!({"a/b~": 1}),
            422,
            "/a~1b~0: is not a known field",
        ),
        (
            EXECUTE,
            json!({"input": []}),
            422,
            "/input: must be an object",
        ),
        (
            EXECUTE,
            json!({"input": "x"}),
            422,
            "/input: must be an object",
        ),
        (
            EXECUTE,
            json!({"input": {}}),
            422,
            "/input: \"n\" is a required property",
        ),
        (
            EXECUTE,
            json!({}),
            422,
            "/input: \"n\" is a required property",
        ),
        (EXECUTE, json!({"input": {"n": "x"}}), 422, "/input/n: "),
        (EXECUTE, json!({"input": {"n": 1.5}}), 422, "/input/n: "),
        (
            EXECUTE,
            json!({"requirement": 7}),
            422,
            "/requirement: must be a string",
        ),
        (
            EXECUTE,
            json!({"requirement": "a", "input": {"requirement": "b"}}),
            422,
            "/requirement: is given as /input/requirement, too",
        ),
        (
            EXECUTE,
            json!({"version": 0}),
            422,
            "/version: must be a whole number from 1 to 4294967295",
        ),
        (
            EXECUTE,
            json!({"version": 1.5}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": "1"}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": u64::MAX}),
            422,
            "/version: must be a whole number",
        ),
        (
            EXECUTE,
            json!({"version": 99, "input": {"n": 1}}),
            404,
            "there is no version 99 of workflow picky",
        ),
        (
            EXECUTE,
            json!({"initial_context": []}),
            422,
            "/initial_context: must be an object",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": 0}}),
            422,
            "/initial_context/timeout_seconds: must be a number above 0",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": "soon"}}),
            422,
            "/initial_context/timeout_seconds",
        ),
        (
            EXECUTE,
            json!({"initial_context": {"timeout_seconds": 1e9}}),
            422,
            "at most 31536000",
        ),
        (
            RESOLVE,
            json!({}),
            422,
            "/action: must be one of approve, edit, reject",
        ),
        (
            RESOLVE,
            json!({"action": "maybe"}),
            422,
            "/action: must be one of",
        ),
        (
            RESOLVE,
            json!({"action": ["approve"]}),
            422,
            "/action: must be one of",
        ),
        (
            RESOLVE,
            json!({"action": "edit"}),
            422,
            "/edited_content: is required with the action `edit`",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "edited_content": 1}),
            422,
            "/edited_content: is allowed with the action `edit` only",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "notes": "x".repeat(10_001)}),
            422,
            "/notes: must be at most 10000 characters",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "notes": 1}),
            422,
            "/notes: must be a string",
        ),
        (
            RESOLVE,
            json!({"action": "approve", "by": "me"}),
            422,
            "/by: is not a known field",
        ),
        (
            RESOLVE,
            json!({"action": "approve"}),
            404,
            "there is no checkpoint 01890000",
        ),
        (
            &cancel,
            json!({"reason": 7}),
            422,
            "/reason: must be a string",
        ),
        (
            &cancel,
            json!({"reason": "x".repeat(1_001)}),
            422,
            "/reason: must be at most 1000 characters",
        ),
        (
            &cancel,
            json!({"force": true}),
            422,
            "/force: is not a known field",
        ),
        (&cancel, json!({}), 404, "there is no execution 01890000"),
        (
            &resume,
            json!({"from": "a"}),
            422,
            "/from: is not a known field",
        ),
        (&resume, json!({}), 404, "there is no execution 01890000"),
    ];
    for (path, body, status, says) in rows {
        is_refusal(
            &api.post(path, &body).await,
            status,
            says,
            &excerpt(&body.to_string()),
        );
    }
    api.put(&json!({"id": "future", "nodes": [{"id": "a", "phase": "not-yet-there"}]}))
        .await;
    let reply = api.post("/api/workflows/future/execute", &json!({})).await;
    is_refusal(
        &reply,
        422,
        "/nodes/0/phase: phase not-yet-there is not in the catalog",
        "unknown phase",
    );
    api.is_well().await;
}

#[tokio::test]
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
            "`offset` is not known; there are workflow_id, status, limit, cursor",
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
        ("DELETE", "/api/workflows/picky", "GET, HEAD, PUT"),
        ("POST", "/api/workflows/picky", "GET, HEAD, PUT"),
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

#[tokio::test]
async fn bodies_that_are_too_large() {
    const MAX: usize = 8 << 20;
    let api = shared();
    picky(api).await;
    let head = |path: &str, length: &str| {
        format!("POST {path} HTTP/1.1\r\nhost: test\r\n{length}\r\n\r\n")
    };
    for path in [EXECUTE, VALIDATE, RESOLVE] {
        // As it says itself: refused before any of it is sent.
        let mut client = Client::connect(api.address).await.unwrap();
        client
            .send(head(path, &format!("content-length: {}", MAX + 1)).as_bytes())
            .await
            .unwrap();
        let reply = client.reply(false).await.unwrap();
        is_refusal(&reply, 413, "body must be at most 8388608 bytes", path);
        // As it turns out.
        let mut client = Client::connect(api.address).await.unwrap();
        client
            .send(head(path, "transfer-encoding: chunked").as_bytes())
            .await
            .unwrap();
        let chunk = [
            b"100000\r\n".to_vec(),
            vec![b' '; 1 << 20],
            b"\r\n".to_vec(),
        ]
        .concat();
        for _ in 0..8 {
            client.send(&chunk).await.unwrap();
        }
        client.send(b"1\r\n \r\n").await.unwrap();
        let reply = client.reply(false).await.unwrap();
        is_refusal(&reply, 413, "body must be at most 8388608 bytes", path);
    }
    // As large as it may be.
    let start = br#"{"input": {"n": 1, "s": ""#;
    let end = br#""}}"#;
    let filling = vec![b'x'; MAX - start.len() - end.len()];
    let reply = api
        .send("POST", EXECUTE, "", &[&start[..], &filling, end].concat())
        .await;
    assert_eq!(reply.status, 202, "{}", excerpt(&reply.body));
    api.is_well().await;
}
