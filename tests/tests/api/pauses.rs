//! Executions that an operator holds and lets go on.

use serde_json::{Value, json};

use crate::{
    api::{Api, node, text},
    client::Reply,
    host::{Place, shared},
};

fn steps(id: &str) -> Value {
    json!({"id": id, "nodes": [
        {"id": "first", "phase": "delay", "config": {"ms": 300}},
        {"id": "second", "phase": "misbehave", "config": {"mode": "echo"}, "needs": ["first"]},
    ]})
}

async fn steer(api: Api, id: &str, verb: &str, body: &Value) -> Reply {
    api.post(&format!("/api/executions/{id}/{verb}"), body)
        .await
}

#[tokio::test]
async fn a_paused_execution_begins_nothing_until_it_is_resumed() {
    let api = shared();
    let id = api.launch(&steps("held"), &json!({})).await;
    api.until(&id, "node_started", "first").await;
    for reason in ["the API is down", "again"] {
        let reply = steer(api, &id, "pause", &json!({"reason": reason})).await;
        assert_eq!(
            (reply.status, &reply.json()["status"]),
            (202, &json!("paused"))
        );
    }
    let journal = api.until(&id, "node_succeeded", "first").await;
    assert_eq!(journal.count("node_started", "second"), 0);
    let listed = api
        .read("/api/executions?workflow_id=held&status=paused")
        .await;
    assert_eq!(listed["items"][0]["execution_id"], id);
    let execution = api.execution(&id).await;
    assert_eq!(execution["status"], "paused");
    assert_eq!(node(&execution, "first", None)["status"], "completed");
    assert_eq!(node(&execution, "second", None)["status"], "waiting");

    let reply = steer(api, &id, "resume", &json!({})).await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (202, &json!("running"))
    );
    assert_eq!(api.end(&id).await["status"], "completed");
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(2);
    let kinds: Vec<_> = journal.0.iter().map(|event| text(&event["kind"])).collect();
    assert_eq!(
        kinds,
        [
            "execution_created",
            "node_started",
            "execution_paused",
            "node_succeeded",
            "execution_unpaused",
            "node_started",
            "node_succeeded",
            "execution_completed"
        ]
    );
    let paused = &journal.0[2]["payload"];
    assert_eq!(paused["reason"], "the API is down");
    assert!(text(&paused["by"]).starts_with("127.0.0.1"), "{paused}");
    steer(api, &id, "pause", &json!({}))
        .await
        .is_problem(409, "execution is completed already");
}

#[tokio::test]
async fn a_paused_execution_can_be_decided_about_and_cancelled() {
    let api = shared();
    let definition = json!({"id": "held-open", "nodes": [
        {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": {"title": "Fine?"}},
        {"id": "send", "phase": "delay", "config": {"ms": 0}, "needs": ["draft"]},
    ]});
    let id = api.launch(&definition, &json!({})).await;
    let checkpoint = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(steer(api, &id, "pause", &json!({})).await.status, 202);
    let reply = api
        .resolve(&checkpoint, &json!({"action": "approve"}))
        .await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (200, &json!("approved"))
    );
    let execution = api.execution(&id).await;
    assert_eq!(execution["status"], "paused");
    assert_eq!(node(&execution, "send", None)["attempt"], 0);
    let reply = steer(api, &id, "cancel", &json!({})).await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (202, &json!("cancelled"))
    );
    // And on as after any cancellation, without a trace of the pause.
    assert_eq!(steer(api, &id, "resume", &json!({})).await.status, 202);
    assert_eq!(api.end(&id).await["status"], "completed");
}

#[tokio::test]
async fn a_pause_outlives_the_host_and_takes_no_room_in_it() {
    let place = Place::new();
    let mut host = place.host();
    let id = host.api.launch(&steps("held-long"), &json!({})).await;
    host.api.until(&id, "node_started", "first").await;
    assert_eq!(steer(host.api, &id, "pause", &json!({})).await.status, 202);
    // The attempt ends with the host, and is repeated, as it had begun.
    host.kill();
    host = place.host();
    host.api.until(&id, "node_succeeded", "first").await;
    let is_released = async || {
        while host.api.read("/health").await["tasks"]["background"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    let released = tokio::time::timeout(host.api.patience, is_released()).await;
    assert!(released.is_ok(), "it stays in memory");
    assert_eq!(host.api.execution(&id).await["status"], "paused");
    assert_eq!(steer(host.api, &id, "resume", &json!({})).await.status, 202);
    assert_eq!(host.api.end(&id).await["status"], "completed");
    let journal = host.api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(2);
}
