//! Executions that go on by a newer version of their definition.

use serde_json::{Value, json};

use crate::{
    api::{Api, node, text},
    client::Reply,
    host::{Place, shared},
};

/// Reviewed, then sent on.
fn first(id: &str) -> Value {
    json!({"id": id, "nodes": [
        {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": {"title": "Fine?"}},
        {"id": "send", "phase": "misbehave", "config": {"mode": "echo"}, "needs": ["draft"]},
    ]})
}

/// With another node before, one less and one more behind.
fn second(id: &str) -> Value {
    json!({"id": id, "timeout_seconds": 60, "nodes": [
        {"id": "aside", "phase": "delay", "config": {"ms": 0}},
        {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": {"title": "Still fine?"}},
        {"id": "count", "phase": "misbehave", "config": {"mode": "echo"}, "needs": ["draft", "aside"],
         "input": {"of": "{{ nodes.draft.output }}"}},
    ], "output": {"count": "{{ nodes.count.output }}"}})
}

async fn migrate(api: Api, id: &str, query: &str, version: u32) -> Reply {
    let path = format!("/api/executions/{id}/migrate{query}");
    api.post(&path, &json!({"version": version})).await
}

async fn parked(api: Api, workflow: &str) -> (String, Value) {
    let id = api.start(workflow, &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    (id, open)
}

#[tokio::test]
async fn what_waits_for_a_person_goes_on_by_the_new_version() {
    let api = shared();
    api.put(&first("moved")).await;
    let (id, open) = parked(api, "moved").await;
    api.put(&second("moved")).await;
    let plan = json!({
        "workflow_id": "moved", "from_version": 1, "version": 2, "kept": ["draft"],
        "added": ["aside", "count"], "removed": ["send"], "phases": ["delay"],
    });
    let reply = migrate(api, &id, "?dry_run=true", 2).await;
    assert_eq!((reply.status, reply.json()), (200, plan));
    assert_eq!(api.execution(&id).await["version"], 1, "only planned");

    let reply = migrate(api, &id, "", 2).await;
    let summary = reply.json();
    assert_eq!((reply.status, &summary["version"]), (202, &json!(2)));
    let events = api.journal(&id).await.0.len();
    // Asked for twice.
    assert_eq!(migrate(api, &id, "", 2).await.status, 202);
    let plan = migrate(api, &id, "?dry_run=true", 2).await.json();
    assert_eq!(
        (&plan["from_version"], &plan["added"]),
        (&json!(2), &json!([]))
    );
    assert!(plan["kept"].as_array().unwrap().contains(&json!("draft")));
    let listed = api.read("/api/executions?workflow_id=moved").await;
    assert_eq!(listed["items"][0]["version"], 2);
    let path = format!("/api/checkpoints/{}", text(&open["checkpoint_id"]));
    let asked = api.read(&path).await;
    assert_eq!(
        (&asked["title"], &asked["status"]),
        (&json!("Still fine?"), &json!("pending"))
    );

    let reply = api.resolve(&open, &json!({"action": "approve"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "completed", "{execution}");
    assert_eq!(node(&execution, "draft", None)["attempt"], 1);
    let draft = &node(&execution, "draft", None)["output"];
    let count = &node(&execution, "count", None)["output"];
    assert_eq!(execution["output"], json!({ "count": count }));
    assert!(
        count.to_string().contains(&draft.to_string()),
        "{count} {draft}"
    );
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    assert!(journal.0.len() > events);
    let migrated = journal
        .0
        .iter()
        .filter(|event| event["kind"] == "execution_migrated");
    let migrated: Vec<_> = migrated.collect();
    assert_eq!(migrated.len(), 1);
    let payload = &migrated[0]["payload"];
    assert_eq!(
        (&payload["from"], &payload["version"]),
        (&json!(1), &json!(2))
    );
    assert!(text(&payload["by"]).starts_with("127.0.0.1"), "{payload}");
    assert_eq!(
        payload["phases"]["delay"],
        api.read("/api/phases/delay").await["digest"]
    );
}

#[tokio::test]
async fn everything_in_the_way_is_said_at_once_and_nothing_changes() {
    let api = shared();
    let mut workflow = first("stuck");
    workflow["input_schema"] = json!({"properties": {"who": {"type": "string"}}});
    api.put(&workflow).await;
    let (id, _) = parked(api, "stuck").await;
    let who = json!({"input": {"who": "me"}});
    let named = api.start("stuck", &who).await;
    api.checkpoint(&named, "draft", 1).await;
    workflow["input_schema"] = json!({"properties": {"who": {"type": "integer"}}});
    workflow["nodes"] = json!([
        {"id": "before", "phase": "delay", "config": {"ms": 0}},
        {"id": "draft", "phase": "not-there", "needs": ["before"]},
    ]);
    api.put(&workflow).await;
    let events = api.journal(&named).await.0.len();
    for query in ["", "?dry_run=true"] {
        let reply = migrate(api, &named, query, 2).await;
        assert_eq!(reply.status, 422, "{reply:?}");
        let errors = reply.json()["errors"].clone();
        let pointers: Vec<_> = errors
            .as_array()
            .unwrap()
            .iter()
            .map(|one| text(&one["pointer"]))
            .collect();
        assert_eq!(
            pointers,
            [
                "/input_schema",
                "/nodes/1/phase",
                "/nodes/1/checkpoint",
                "/nodes/1/needs/0",
                "/nodes/1/phase"
            ],
            "{errors}"
        );
    }
    let reply = migrate(api, &id, "", 2).await;
    assert_eq!(
        reply.json()["errors"].as_array().unwrap().len(),
        4,
        "this input is fine"
    );
    assert_eq!(api.journal(&named).await.0.len(), events);
    migrate(api, &id, "", 3)
        .await
        .is_problem(422, "there is no version 3 of workflow stuck");
    let cancel = format!("/api/executions/{id}/cancel");
    assert_eq!(api.post(&cancel, &json!({})).await.status, 202);
    migrate(api, &id, "", 2)
        .await
        .is_problem(409, "run again by another version (rerun)");
    // And it goes back nowhere.
    workflow["nodes"] = first("stuck")["nodes"].clone();
    api.put(&workflow).await;
    let (new, _) = parked(api, "stuck").await;
    migrate(api, &new, "", 1)
        .await
        .is_problem(422, "execution runs version 3");
}

#[tokio::test]
async fn what_runs_is_paused_first_and_a_migration_outlives_the_host() {
    let place = Place::new();
    let mut host = place.host();
    let steps = |after: Value| {
        json!({"id": "steps", "nodes": [
            {"id": "slow", "phase": "delay", "config": {"ms": 400}},
            after,
        ]})
    };
    let old = json!({"id": "old", "phase": "delay", "config": {"ms": 0}, "needs": ["slow"]});
    let new =
        json!({"id": "new", "phase": "misbehave", "config": {"mode": "echo"}, "needs": ["slow"]});
    let id = host.api.launch(&steps(old), &json!({})).await;
    host.api.put(&steps(new)).await;
    host.api.until(&id, "node_started", "slow").await;
    migrate(host.api, &id, "", 2)
        .await
        .is_problem(409, "node slow runs");
    let pause = format!("/api/executions/{id}/pause");
    assert_eq!(host.api.post(&pause, &json!({})).await.status, 202);
    host.api.until(&id, "node_succeeded", "slow").await;
    let reply = migrate(host.api, &id, "", 2).await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (202, &json!("paused"))
    );
    host.kill();
    host = place.host();
    assert_eq!(host.api.execution(&id).await["version"], 2);
    let resume = format!("/api/executions/{id}/resume");
    assert_eq!(host.api.post(&resume, &json!({})).await.status, 202);
    let execution = host.api.end(&id).await;
    assert_eq!(execution["status"], "completed", "{execution}");
    let nodes: Vec<_> = execution["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| text(&node["id"]))
        .collect();
    assert_eq!(nodes, ["slow", "new"]);
    let journal = host.api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(2);
}

#[tokio::test]
async fn any_host_migrates_what_waits_on_another() {
    let place = Place::on_postgres();
    let [one, two] = [place.host(), place.host()];
    one.api.put(&first("shared")).await;
    let (id, open) = parked(one.api, "shared").await;
    two.api.put(&second("shared")).await;
    let reply = migrate(two.api, &id, "", 2).await;
    assert_eq!((reply.status, &reply.json()["version"]), (202, &json!(2)));
    let reply = one.api.resolve(&open, &json!({"action": "approve"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let execution = two.api.end(&id).await;
    assert_eq!(
        (&execution["status"], &execution["version"]),
        (&json!("completed"), &json!(2))
    );
    two.api.journal(&id).await.is_whole("execution_completed");
}
