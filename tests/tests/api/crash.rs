//! `kill -9` at any moment: after a restart on the same database everything ends as if nothing had
//! happened.

use serde_json::{Value, json};

use crate::{
    api::{Api, text},
    host::Place,
    journal::ms_between,
};

/// Two steps, a fan-out of six of which three run at a time, and a join.
fn workflow() -> Value {
    json!({"id": "interrupted", "max_parallel": 3, "nodes": [
        {"id": "first", "phase": "misbehave", "config": {"mode": "echo"}, "input": "{{ input }}"},
        {"id": "second", "phase": "delay", "config": {"ms": 300}, "needs": ["first"], "input": "{{ nodes.first.output }}"},
        {"id": "beside", "phase": "delay", "config": {"ms": 700}, "needs": ["first"], "input": "beside"},
        {"id": "each", "phase": "delay", "config": {"ms": 250}, "needs": ["second"], "for_each": "input.rows", "input": {"row": "{{ item }}"}},
        {"id": "last", "phase": "delay", "config": {"ms": 50}, "needs": ["each", "beside"],
         "input": {"rows": "{{ nodes.each.output }}", "key": "{{ nodes.second.output.idempotency_key }}"}},
    ]})
}

async fn start_keyed(api: Api) -> (u16, String) {
    let body = json!({"input": {"rows": [6, 5, 4, 3, 2, 1]}}).to_string();
    let reply = api
        .send(
            "POST",
            "/api/workflows/interrupted/execute",
            "idempotency-key: once\r\n",
            body.as_bytes(),
        )
        .await;
    (reply.status, text(&reply.json()["execution_id"]))
}

#[tokio::test]
async fn a_workflow_ends_as_if_nothing_had_happened() {
    let place = Place::new();
    let mut host = place.host();
    host.api.put(&workflow()).await;
    let (status, id) = start_keyed(host.api).await;
    assert_eq!(status, 202);
    // Accepted and nothing more; then before, in and after the fan-out.
    let mut seen = 0;
    for (kind, node) in [
        ("execution_created", ""),
        ("node_succeeded", "first"),
        ("node_started", "each"),
        ("node_succeeded", "each"),
        ("node_started", "last"),
    ] {
        let journal = host
            .api
            .follow(&id, 0, |event| {
                event["kind"] == kind && (node.is_empty() || event["node"] == node)
            })
            .await;
        host.kill();
        host = place.host();
        let durable = host.api.journal(&id).await;
        assert_eq!(
            durable.0[..journal.0.len()],
            journal.0,
            "what was told was not durable"
        );
        assert!(durable.0.len() >= seen);
        seen = durable.0.len();
        assert_eq!(start_keyed(host.api).await, (200, id.clone()));
    }
    let execution = host.api.end(&id).await;
    let rows: Vec<_> = (1..=6).rev().map(|row| json!({"row": row})).collect();
    assert_eq!(
        execution["output"],
        json!({"last": {"rows": rows, "key": format!("{id}:first")}}),
        "{execution}"
    );
    let journal = host.api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(10);
    assert_eq!(journal.count("fan_out_expanded", "each"), 1);
    // Interrupted attempts are repeated as they were, not counted anew.
    for event in journal
        .0
        .iter()
        .filter(|event| event["kind"] == "node_started")
    {
        assert_eq!(event["payload"]["attempt"], 1, "{event}");
    }
    assert_eq!(start_keyed(host.api).await, (200, id));
    host.api.is_well().await;
}

#[tokio::test]
async fn checkpoints_survive() {
    let place = Place::new();
    let mut host = place.host();
    let reviewed = |id: &str, checkpoint: Value| {
        json!({"id": id, "nodes": [
            {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": checkpoint},
            {"id": "slow", "phase": "delay", "config": {"ms": 300}, "needs": ["draft"]},
        ]})
    };
    let decided = host
        .api
        .launch(&reviewed("decided", json!({"title": "t"})), &json!({}))
        .await;
    let expiring = json!({"title": "t", "expires_after_seconds": 1.5, "on_expiry": "approve"});
    let expiring = host
        .api
        .launch(&reviewed("expiring", expiring), &json!({}))
        .await;
    let open = host.api.checkpoint(&decided, "draft", 1).await;
    host.api.checkpoint(&expiring, "draft", 1).await;
    host.kill();
    host = place.host();
    let path = format!("/api/checkpoints/{}", text(&open["checkpoint_id"]));
    assert_eq!(host.api.read(&path).await, open);
    assert_eq!(
        host.api.execution(&decided).await["status"],
        "awaiting_checkpoint"
    );
    assert_eq!(
        host.api
            .resolve(&open, &json!({"action": "approve"}))
            .await
            .status,
        200
    );
    // What has been answered is durable, however soon the end comes.
    host.kill();
    host = place.host();
    assert_eq!(host.api.read(&path).await["status"], "approved");
    assert_eq!(
        host.api
            .resolve(&open, &json!({"action": "reject"}))
            .await
            .status,
        409
    );
    for id in [decided, expiring] {
        assert_eq!(host.api.end(&id).await["status"], "completed");
        let journal = host.api.journal(&id).await;
        journal.is_whole("execution_completed");
        journal.each_succeeded_once(2);
        assert_eq!(journal.count("checkpoint_opened", "draft"), 1);
    }
}

#[tokio::test]
async fn timers_survive() {
    let place = Place::new();
    let mut host = place.host();
    let retry = json!({"max_attempts": 3, "initial_delay_ms": 1_500, "jitter": false});
    let definition = json!({"id": "waits", "nodes": [
        {"id": "second", "phase": "misbehave", "config": {"mode": "fail-until", "succeed_at": 2}, "retry": retry},
    ]});
    let waiting = host.api.launch(&definition, &json!({})).await;
    let late = json!({"id": "late", "timeout_seconds": 1.5, "nodes": [{"id": "slow", "phase": "delay", "config": {"ms": 60_000}}]});
    let late = host.api.launch(&late, &json!({})).await;
    host.api.until(&late, "node_started", "slow").await;
    host.api
        .until(&waiting, "node_retry_scheduled", "second")
        .await;
    host.kill();
    host = place.host();
    assert_eq!(host.api.end(&waiting).await["status"], "completed");
    let journal = host.api.journal(&waiting).await;
    journal.is_whole("execution_completed");
    let scheduled = journal.one("node_retry_scheduled", "second");
    let started = journal.of("node_started", "second").last().unwrap();
    assert_eq!(started["payload"]["attempt"], 2);
    assert!(
        ms_between(scheduled, started) >= 1_500,
        "{scheduled} {started}"
    );

    assert_eq!(host.api.end(&late).await["status"], "timed_out");
    let journal = host.api.journal(&late).await;
    journal.is_whole("execution_timed_out");
    assert!(ms_between(&journal.0[0], journal.0.last().unwrap()) >= 1_500);
}
