//! The largest definitions there may be: 10,000 nodes, as a chain, as a fan, and at random. And
//! executions whose documents are large.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt, text},
    host::shared,
};

const NODES: usize = 10_000;

/// A node that adds one to the output of its first need.
fn compute(at: usize, needs: &[usize]) -> Value {
    let n = needs.first().map_or(json!(0), |need| {
        json!(format!("{{{{ nodes.n{need}.output.n }}}}"))
    });
    let needs: Vec<_> = needs.iter().map(|need| format!("n{need}")).collect();
    json!({"id": format!("n{at}"), "phase": "compute", "needs": needs, "input": {"n": n}})
}

/// Validates, runs and reads back; says how long each took.
async fn run(id: &str, nodes: Vec<Value>, output: &Value) -> Value {
    let api = Api {
        patience: Duration::from_mins(3),
        ..shared()
    };
    assert_eq!(nodes.len(), NODES);
    let definition = json!({"id": id, "max_parallel": 64, "nodes": nodes, "output": output});
    let mut clock = Instant::now();
    let mut lap = |what: &str| {
        eprintln!("{id}: {what} took {} ms", clock.elapsed().as_millis());
        clock = Instant::now();
    };
    let reply = api.post("/api/workflows/validate", &definition).await;
    assert_eq!(reply.status, 200, "{}", excerpt(&reply.body));
    lap("validating");
    let execution = api.launch(&definition, &json!({})).await;
    lap("storing and starting");
    let live = api.follow(&execution, 0, |_| false).await;
    lap("running");
    let journal = api.journal(&execution).await;
    lap("reading the journal");
    assert_eq!(journal.0, live.0);
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(NODES);
    let execution = api.execution(&execution).await;
    lap("reading the execution");
    let nodes = execution["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), NODES);
    assert!(nodes.iter().all(|node| node["status"] == "completed"));
    assert_eq!(text(&execution["status"]), "completed");
    execution
}

#[tokio::test]
async fn a_chain() {
    let nodes =
        (0..NODES).map(|at| compute(at, &at.checked_sub(1).into_iter().collect::<Vec<_>>()));
    let execution = run(
        "chain",
        nodes.collect(),
        &json!("{{ nodes.n9999.output.n }}"),
    )
    .await;
    assert_eq!(execution["output"], NODES);
}

#[tokio::test]
async fn a_fan_and_its_join() {
    let last = NODES - 1;
    let all: Vec<_> = (1..last).collect();
    let nodes = (0..NODES).map(|at| match at {
        0 => compute(0, &[]),
        at if at == last => compute(at, &all),
        at => compute(at, &[0]),
    });
    let execution = run(
        "fan-in",
        nodes.collect(),
        &json!("{{ nodes.n9999.output.n }}"),
    )
    .await;
    assert_eq!(execution["output"], 3);
}

#[tokio::test]
async fn at_random() {
    let mut state = 0x5eed_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let (mut nodes, mut expected) = (Vec::new(), Vec::<u64>::new());
    for at in 0..NODES {
        let mut needs: Vec<usize> = Vec::new();
        for _ in 0..if at == 0 { 0 } else { random(5) } {
            let need = random(at);
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        expected.push(needs.first().map_or(1, |need| expected[*need] + 1));
        nodes.push(compute(at, &needs));
    }
    let execution = run("random", nodes, &json!("{{ nodes.n9999.output.n }}")).await;
    let nodes = execution["nodes"].as_array().unwrap();
    for (node, n) in nodes.iter().zip(&expected) {
        assert_eq!(node["output"]["n"], *n, "{node}");
    }
}

/// An execution of so many nodes that each put out so many bytes.
pub fn bulky(id: &str, nodes: u32, bytes: u32) -> Value {
    let config = json!({"mode": "huge-output", "bytes": bytes});
    let node = |at| json!({"id": format!("n{at}"), "phase": "misbehave", "config": config});
    let nodes: Vec<_> = (0..nodes).map(node).collect();
    json!({"id": id, "nodes": nodes, "output": {}})
}

#[tokio::test]
async fn a_large_journal_comes_in_more_pages() {
    let api = shared();
    let id = api.launch(&bulky("bulky", 20, 1_000_000), &json!({})).await;
    let live = api.follow(&id, 0, |_| false).await;
    live.is_whole("execution_completed");
    let page = api.read(&format!("/api/executions/{id}/events")).await;
    let items = page["items"].as_array().unwrap();
    assert!((1..live.0.len()).contains(&items.len()), "{}", items.len());
    assert_eq!(page["next"], items.len());
    assert_eq!(api.journal(&id).await.0, live.0);
    let execution = api.execution(&id).await;
    assert_eq!(execution["status"], "completed");
}

#[tokio::test]
async fn what_is_too_large_to_show_says_so_and_its_events_have_it() {
    let api = shared();
    let definition = bulky("heavy", 2, 15_000_000);
    api.put(&definition).await;
    let path = "/api/workflows/heavy/execute";
    let wait = "content-type: application/json\r\nprefer: wait=60\r\n";
    let started = api.send("POST", path, wait, b"{\"input\":{}}").await;
    assert_eq!(started.status, 202, "{}", excerpt(&started.body));
    assert_eq!(started.json()["status"], "completed");
    let id = text(&started.json()["execution_id"]);
    let journal = api.follow(&id, 0, |_| false).await;
    journal.is_whole("execution_completed");
    let reply = api.get(&format!("/api/executions/{id}")).await;
    assert_eq!(reply.status, 409, "{}", excerpt(&reply.body));
    assert_eq!(
        reply.json()["detail"],
        format!(
            "execution {id} (completed) has 29 MiB of documents, and 24 MiB are shown at once; its \
             events have them one by one"
        )
    );
    assert_eq!(api.journal(&id).await.0, journal.0);
    api.is_well().await;
}

#[tokio::test]
async fn of_what_is_too_large_to_show_an_event_says_how_much_it_is() {
    let api = shared();
    let mut definition = bulky("massive", 2, 15_000_000);
    // The outputs of all nodes on which no other depends, in one event.
    definition.as_object_mut().unwrap().remove("output");
    let id = api.launch(&definition, &json!({})).await;
    let live = api.follow(&id, 0, |_| false).await;
    live.is_whole("execution_completed");
    let outputs = r#"{"output":{"n0":{"text":""},"n1":{"text":""}}}"#.len();
    assert_eq!(
        live.0.last().unwrap()["payload"],
        json!({"omitted_bytes": outputs + 30_000_000})
    );
    assert_eq!(api.journal(&id).await.0, live.0);
}
