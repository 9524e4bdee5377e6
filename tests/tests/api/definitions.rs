//! Definitions: what is wrong with one is refused with its place, what is right is kept in versions.

use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt},
    host::shared,
};

mod mistakes;

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

#[tokio::test]
async fn each_mistake_is_refused_with_its_place() {
    let api = shared();
    let valid = api.post("/api/workflows/validate", &base()).await;
    assert_eq!((valid.status, valid.json()), (200, json!({"valid": true})));
    let mut wrong = Vec::new();
    for (change, value, pointer, message) in mistakes::all() {
        let what = format!("{change} = {}", excerpt(&value.to_string()));
        let broken = changed(change, value);
        wrong.extend(not_refused(api, &broken, pointer, message, &what).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    api.is_well().await;
}

#[tokio::test]
async fn a_name_that_nothing_has_is_refused() {
    let broken = changed("/nodes/1/input", json!({"x": "{{ nope + 1 }}"}));
    refused(
        shared(),
        &broken,
        "/nodes/1/input/x",
        "nope",
        "an unknown name",
    )
    .await;
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
    let wrong = not_refused(api, document, pointer, message, what).await;
    assert_eq!(wrong, None);
}

/// What is wrong with the refusal, if anything is.
async fn not_refused(
    api: Api,
    document: &Value,
    pointer: &str,
    message: &str,
    what: &str,
) -> Option<String> {
    let reply = api.post("/api/workflows/validate", document).await;
    let is_problem = reply.header("content-type") == Some("application/problem+json");
    let problem = reply.json();
    let mut errors = problem["errors"].as_array().into_iter().flatten();
    let is_named = errors.any(|error| {
        let text = error["message"].as_str().unwrap_or_default();
        error["pointer"] == pointer && !text.is_empty() && text.contains(message)
    });
    let is_refused = reply.status == 422 && is_problem && is_named;
    (!is_refused).then(|| format!("{what}: {}: {}", reply.status, excerpt(&reply.body)))
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
