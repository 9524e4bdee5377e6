//! The largest definitions there may be: 10,000 nodes, as a chain, as a fan, and at random.

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
