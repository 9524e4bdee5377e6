//! Definitions: what is wrong with one is refused with its place, what is right is kept in versions.

use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt},
    host::shared,
};

/// Two nodes with nothing wrong; each row breaks it in one place.
fn base() -> Value {
    json!({
        "id": "base",
        "nodes": [
            {"id": "a", "phase": "delay", "config": {"ms": 0}},
            {"id": "b", "phase": "delay", "config": {"ms": 0}, "needs": ["a"],
             "input": {"x": "{{ nodes.a.output }}"}},
        ],
    })
}

/// Where a value is put (`-` before the pointer takes it away), the value, and the refusal: its
/// pointer and part of its message.
type Row = (&'static str, Value, &'static str, &'static str);

fn of_the_document() -> Vec<Row> {
    vec![
        ("-/id", json!(0), "/id", "is missing"),
        ("/id", json!(7), "/id", "must be a string, not a number"),
        ("/id", json!(null), "/id", "must be a string, not null"),
        ("/id", json!("a b"), "/id", "is not an id"),
        ("/id", json!("a\u{0}"), "/id", "is not an id"),
        ("/id", json!("x".repeat(65)), "/id", "use 1 to 64 letters"),
        (
            "/name",
            json!("x".repeat(201)),
            "/name",
            "longer than 200 characters",
        ),
        (
            "/description",
            json!("ä".repeat(10_001)),
            "/description",
            "longer than 10000 characters",
        ),
        (
            "/input_schema",
            json!({"type": "nonsense"}),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/input_schema",
            json!(7),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/input_schema",
            json!({"$ref": "http://example.com/s"}),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/input_schema",
            json!({"pattern": "("}),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/timeout_seconds",
            json!(0),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/timeout_seconds",
            json!("1"),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/timeout_seconds",
            json!(1e300),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/max_parallel",
            json!(0),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/max_parallel",
            json!(1.5),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/max_parallel",
            json!(u64::MAX),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/on_failure",
            json!("explode"),
            "/on_failure",
            r#"must be "stop" or "continue""#,
        ),
        (
            "/surprise",
            json!(1),
            "/surprise",
            "is not a field here; the fields are id",
        ),
        ("/a~1b~0c", json!(1), "/a~1b~0c", "is not a field here"),
        ("-/nodes", json!(0), "/nodes", "is missing"),
        (
            "/nodes",
            json!({}),
            "/nodes",
            "must be an array, not an object",
        ),
        ("/nodes", json!([]), "/nodes", "1 to 10000 nodes, not 0"),
        (
            "/output",
            json!({"x": "{{ nodes.zz.output }}"}),
            "/output/x",
            "there is no node zz",
        ),
        (
            "/output",
            json!(["{{ item }}"]),
            "/output/0",
            "there is an item only in the input",
        ),
        (
            "/output",
            json!({"a": [{"b": "{{ f( }}"}]}),
            "/output/a/0/b",
            "",
        ),
    ]
}

fn of_a_node() -> Vec<Row> {
    vec![
        (
            "/nodes/0",
            json!("a"),
            "/nodes/0",
            "must be an object, not a string",
        ),
        ("-/nodes/0/id", json!(0), "/nodes/0/id", "is missing"),
        (
            "/nodes/1/id",
            json!("a"),
            "/nodes/1/id",
            "is the id of /nodes/0 as well",
        ),
        ("-/nodes/0/phase", json!(0), "/nodes/0/phase", "is missing"),
        (
            "/nodes/0/phase",
            json!("Delay!"),
            "/nodes/0/phase",
            "is not a phase name",
        ),
        (
            "/nodes/0/config",
            json!({"ms": "soon"}),
            "/nodes/0/config/ms",
            "integer",
        ),
        (
            "/nodes/0/config",
            json!({"ms": 0, "x": 1}),
            "/nodes/0/config",
            "x",
        ),
        ("/nodes/0/config", json!({}), "/nodes/0/config", "ms"),
        (
            "/nodes/1/needs",
            json!("a"),
            "/nodes/1/needs",
            "must be an array, not a string",
        ),
        (
            "/nodes/1/needs",
            json!([1]),
            "/nodes/1/needs/0",
            "must be the id of a node",
        ),
        (
            "/nodes/1/needs",
            json!(["a", "zz"]),
            "/nodes/1/needs/1",
            "there is no node zz",
        ),
        (
            "/nodes/1/needs",
            json!(["a", "a"]),
            "/nodes/1/needs/1",
            "a is named twice",
        ),
        (
            "/nodes/1/needs",
            json!(["b"]),
            "/nodes/1/needs",
            "needs go in a circle: b needs b",
        ),
        (
            "/nodes/0/needs",
            json!(["b"]),
            "/nodes/0/needs",
            "needs go in a circle",
        ),
        (
            "/nodes/1/join",
            json!("some"),
            "/nodes/1/join",
            r#"must be "all" or "any" or "settled""#,
        ),
        (
            "/nodes/1/when",
            json!(true),
            "/nodes/1/when",
            "must be a string, not a boolean",
        ),
        ("/nodes/1/when", json!("1 +"), "/nodes/1/when", ""),
        (
            "/nodes/1/when",
            json!(""),
            "/nodes/1/when",
            "expression is empty",
        ),
        (
            "/nodes/1/when",
            json!("nodes.zz.status == 'x'"),
            "/nodes/1/when",
            "there is no node zz",
        ),
        (
            "/nodes/0/when",
            json!("nodes.b.status == 'x'"),
            "/nodes/0/when",
            "a does not need b",
        ),
        (
            "/nodes/1/for_each",
            json!(3),
            "/nodes/1/for_each",
            "must be an expression or an array",
        ),
        (
            "/nodes/1/for_each",
            json!("input.rows["),
            "/nodes/1/for_each",
            "",
        ),
        (
            "/nodes/1/for_each",
            json!(["{{ item }}"]),
            "/nodes/1/for_each/0",
            "there is an item only",
        ),
        (
            "/nodes/1/input",
            json!({"x": "{{ item.y }}"}),
            "/nodes/1/input/x",
            "there is an item only",
        ),
        (
            "/nodes/1/input",
            json!({"x": "{{ 1 + }}"}),
            "/nodes/1/input/x",
            "",
        ),
        (
            "/nodes/1/input",
            json!({"x": "{{ nope + 1 }}"}),
            "/nodes/1/input/x",
            "nope",
        ),
        (
            "/nodes/1/input",
            json!(["{{ open"]),
            "/nodes/1/input/0",
            "has no \"}}\"",
        ),
        (
            "/nodes/1/input",
            json!({"x": ["{{ nodes.a.result }}"]}),
            "/nodes/1/input/x/0",
            "output, status and error",
        ),
        (
            "/nodes/1/input",
            json!({"x": format!("{{{{ {}1 }}}}", "1+".repeat(2048))}),
            "/nodes/1/input/x",
            "4096 bytes",
        ),
        (
            "/nodes/0/timeout_seconds",
            json!(-1),
            "/nodes/0/timeout_seconds",
            "from 0.001 to",
        ),
        (
            "/nodes/0/retries",
            json!(3),
            "/nodes/0/retries",
            "is not a field here",
        ),
        (
            "/nodes/0/retry",
            json!(3),
            "/nodes/0/retry",
            "must be an object",
        ),
        (
            "/nodes/0/retry",
            json!({"max_attempts": 0}),
            "/nodes/0/retry/max_attempts",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"max_attempts": 101}),
            "/nodes/0/retry/max_attempts",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"initial_delay_ms": -1}),
            "/nodes/0/retry/initial_delay_ms",
            "from 0 to 86400000",
        ),
        (
            "/nodes/0/retry",
            json!({"max_delay_ms": 1e12}),
            "/nodes/0/retry/max_delay_ms",
            "from 0 to 86400000",
        ),
        (
            "/nodes/0/retry",
            json!({"backoff": 0.5}),
            "/nodes/0/retry/backoff",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"jitter": "yes"}),
            "/nodes/0/retry/jitter",
            "must be true or false",
        ),
        (
            "/nodes/0/retry",
            json!({"tries": 3}),
            "/nodes/0/retry/tries",
            "the fields are max_attempts",
        ),
        (
            "/nodes/0/checkpoint",
            json!(true),
            "/nodes/0/checkpoint",
            "must be an object, not a boolean",
        ),
        (
            "/nodes/0/checkpoint",
            json!({}),
            "/nodes/0/checkpoint/title",
            "is missing",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "x".repeat(201)}),
            "/nodes/0/checkpoint/title",
            "longer than 200",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "instructions": "x".repeat(10_001)}),
            "/nodes/0/checkpoint/instructions",
            "longer than 10000",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "on_reject": "shrug"}),
            "/nodes/0/checkpoint/on_reject",
            r#""fail" or "rerun""#,
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "expires_after_seconds": 0}),
            "/nodes/0/checkpoint/expires_after_seconds",
            "from 0.001",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "on_expiry": "extend"}),
            "/nodes/0/checkpoint/on_expiry",
            r#""approve" or "reject" or "fail""#,
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "who": "me"}),
            "/nodes/0/checkpoint/who",
            "is not a field here",
        ),
    ]
}

#[tokio::test]
async fn each_mistake_is_refused_with_its_place() {
    let api = shared();
    let valid = api.post("/api/workflows/validate", &base()).await;
    assert_eq!((valid.status, valid.json()), (200, json!({"valid": true})));
    for (change, value, pointer, message) in of_the_document().into_iter().chain(of_a_node()) {
        let broken = changed(change, value.clone());
        refused(
            api,
            &broken,
            pointer,
            message,
            &format!("{change} = {}", excerpt(&value.to_string())),
        )
        .await;
    }
    api.is_well().await;
}

#[tokio::test]
async fn definitions_have_a_size() {
    let api = shared();
    let node = |at: usize| json!({"id": format!("n{at}"), "phase": "delay", "config": {"ms": 0}});
    let too_many = json!({"id": "big", "nodes": (0..10_001).map(node).collect::<Vec<_>>()});
    refused(
        api,
        &too_many,
        "/nodes",
        "1 to 10000 nodes, not 10001",
        "too many nodes",
    )
    .await;

    // 447 nodes that each need all before them: 99,681 needs; one more node makes 100,128.
    let dense = |count: usize| {
        let needs = |at: usize| (0..at).map(|need| format!("n{need}")).collect::<Vec<_>>();
        let with_needs = |at: usize| json!({"id": format!("n{at}"), "phase": "delay", "config": {"ms": 0}, "needs": needs(at)});
        json!({"id": "dense", "nodes": (0..count).map(with_needs).collect::<Vec<_>>()})
    };
    refused(
        api,
        &dense(448),
        "/nodes",
        "has 100128 needs, more than 100000",
        "too many needs",
    )
    .await;
    let valid = api.post("/api/workflows/validate", &dense(447)).await;
    assert_eq!(valid.status, 200, "{}", excerpt(&valid.body));
    api.is_well().await;
}

#[tokio::test]
async fn all_mistakes_come_at_once_up_to_a_limit() {
    let api = shared();
    let mut broken = base();
    for (pointer, value) in [
        ("/name", json!(1)),
        ("/max_parallel", json!(0)),
        ("/on_failure", json!([])),
    ] {
        set(&mut broken, pointer, value);
    }
    let reply = api.post("/api/workflows/validate", &broken).await;
    let problem = reply.json();
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(
        pointers,
        ["/name", "/max_parallel", "/on_failure"],
        "{problem}"
    );

    let nodes: Vec<_> = (0..500)
        .map(|at| json!({"id": format!("n{at}"), "phase": 1}))
        .collect();
    let reply = api
        .post(
            "/api/workflows/validate",
            &json!({"id": "many", "nodes": nodes}),
        )
        .await;
    let problem = reply.json();
    let errors = problem["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 101, "{problem}");
    assert_eq!(errors[100]["message"], "and 400 more");
}

#[tokio::test]
async fn versions_are_kept_and_tagged() {
    let api = shared();
    let first = json!({"id": "kept", "name": "One", "nodes": [{"id": "a", "phase": "delay", "config": {"ms": 0}}]});
    let path = "/api/workflows/kept";
    let put = async |document: &Value, headers: &str| {
        api.send("PUT", path, headers, document.to_string().as_bytes())
            .await
    };
    put(&first, "if-match: \"1\"\r\n")
        .await
        .is_problem(412, "workflow kept has no version yet");
    let stored = put(&first, "if-none-match: *\r\n").await;
    assert_eq!((stored.status, stored.header("etag")), (200, Some("\"1\"")));
    put(&first, "if-none-match: *\r\n")
        .await
        .is_problem(412, "the latest version of workflow kept is 1");
    // Equal by value, however it is written.
    let same = put(
        &serde_json::from_str(&first.to_string().replace(':', " : ")).unwrap(),
        "",
    )
    .await;
    assert_eq!(same.json()["version"], 1);
    let mut second = first.clone();
    second["name"] = json!("Two");
    assert_eq!(
        put(&second, "if-match: \"1\"\r\n").await.header("etag"),
        Some("\"2\"")
    );
    put(&second, "if-match: \"1\"\r\n")
        .await
        .is_problem(412, "the latest version of workflow kept is 2");

    assert_eq!(api.read(path).await["document"], second);
    assert_eq!(
        api.read(&format!("{path}?version=1")).await["document"],
        first
    );
    api.get(&format!("{path}?version=3"))
        .await
        .is_problem(404, "there is no version 3 of workflow kept");
    let unchanged = api.send("GET", path, "if-none-match: \"2\"\r\n", b"").await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
    let page = api.read(&format!("{path}/versions?limit=1")).await;
    assert_eq!(page["items"][0]["version"], 2);
    let next = page["next"].as_str().unwrap();
    let rest = api
        .read(&format!("{path}/versions?limit=1&cursor={next}"))
        .await;
    assert_eq!(
        (&rest["items"][0]["version"], &rest["next"]),
        (&json!(1), &json!(null))
    );

    let mut other = second.clone();
    other["id"] = json!("other");
    let reply = put(&other, "").await;
    reply.is_problem(422, "/id is other, but the document was put as kept");
}

async fn refused(api: Api, document: &Value, pointer: &str, message: &str, what: &str) {
    let reply = api.post("/api/workflows/validate", document).await;
    assert_eq!(reply.status, 422, "{what}: {}", excerpt(&reply.body));
    assert_eq!(
        reply.header("content-type"),
        Some("application/problem+json"),
        "{what}"
    );
    let problem = reply.json();
    let errors = problem["errors"].as_array().unwrap();
    let is_expected = |error: &&Value| {
        error["pointer"] == pointer
            && error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty() && text.contains(message))
    };
    assert!(
        errors.iter().any(|error| is_expected(&error)),
        "{what}: {}",
        excerpt(&problem.to_string())
    );
}

fn changed(change: &str, value: Value) -> Value {
    let mut document = base();
    let Some(pointer) = change.strip_prefix('-') else {
        set(&mut document, change, value);
        return document;
    };
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    parent.remove(name).unwrap();
    document
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap() {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
}
