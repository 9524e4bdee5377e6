//! Executions that are run again from somewhere, with what the old one came to.

use std::time::Duration;

use phasewright::{
    clock::{Clock, SystemClock},
    store::{self, Keep},
};
use serde_json::{Value, json};

use crate::{
    api::{Api, node, text},
    client::Reply,
    host::{Place, shared},
    journal::Journal,
};

/// `make` keeps a file, `check` is looked at by a person, `third` fails as often as it is told.
fn definition(id: &str, succeed_at: u32) -> Value {
    let artifact = json!({"name": "r.md", "content_type": "text/markdown"});
    json!({"id": id,
    "input_schema": {"type": "object", "properties": {"who": {"type": "string"}}},
    "nodes": [
        {"id": "make", "phase": "template-render",
         "config": {"template": "# {{ who }}", "artifact": artifact}, "input": {"who": "{{ input.who }}"}},
        {"id": "each", "phase": "misbehave", "config": {"mode": "echo"}, "for_each": [1, 2], "input": {"n": "{{ item }}"}},
        {"id": "third", "phase": "misbehave", "config": {"mode": "fail-until", "succeed_at": succeed_at},
         "needs": ["make", "each"]},
    ]})
}

async fn rerun(api: Api, id: &str, query: &str, headers: &str, body: &Value) -> Reply {
    let path = format!("/api/executions/{id}/rerun{query}");
    api.send("POST", &path, headers, body.to_string().as_bytes())
        .await
}

fn kinds_of(journal: &Journal, node: &str) -> Vec<String> {
    let events = journal.0.iter().filter(|event| event["node"] == node);
    events.map(|event| text(&event["kind"])).collect()
}

#[tokio::test]
async fn what_failed_runs_again_with_a_new_version() {
    let api = shared();
    let old = api
        .run(&definition("again", 2), &json!({"who": "me"}))
        .await;
    let old_id = text(&old["execution_id"]);
    assert_eq!(old["status"], "failed", "{old}");
    api.put(&definition("again", 1)).await;

    let plan = rerun(api, &old_id, "?dry_run=true", "", &json!({"version": 2})).await;
    assert_eq!(plan.status, 200);
    assert_eq!(
        plan.json(),
        json!({"workflow_id": "again", "version": 2, "run": ["third"], "taken": ["make", "each"]})
    );
    let listed = api.read("/api/executions?workflow_id=again").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "only planned");

    let reply = rerun(api, &old_id, "", "", &json!({"version": 2})).await;
    assert_eq!(reply.status, 202);
    let started = reply.json();
    let id = text(&started["execution_id"]);
    assert_ne!(id, old_id);
    assert_eq!(
        (&started["workflow_id"], &started["version"]),
        (&json!("again"), &json!(2))
    );
    assert_eq!(
        reply.header("location"),
        Some(format!("/api/executions/{id}").as_str())
    );
    let new = api.end(&id).await;
    assert_eq!(new["status"], "completed", "{new}");
    assert_eq!(new["rerun_of"], old_id);
    assert_eq!(new["input"], json!({"who": "me"}));
    for name in ["make", "each"] {
        let (before, after) = (node(&old, name, None), node(&new, name, None));
        assert_eq!(after["output"], before["output"]);
        assert_eq!(
            (&after["status"], &after["attempt"], &after["taken_from"]),
            (&json!("completed"), &json!(0), &json!(old_id))
        );
    }
    assert_eq!(
        node(&new, "each", Some(1))["output"],
        node(&old, "each", Some(1))["output"]
    );
    assert!(node(&new, "third", None).get("taken_from").is_none());
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    assert_eq!(journal.0[1]["kind"], "rerun_begun");
    assert_eq!(journal.0[1]["payload"]["of"], old_id);
    assert_eq!(kinds_of(&journal, "make"), ["node_taken"]);
    assert_eq!(
        kinds_of(&journal, "third"),
        ["node_started", "node_succeeded"]
    );
    assert!(api.execution(&old_id).await.get("rerun_of").is_none());
    // The file is the new one's as well.
    let path = |id: &str| format!("/api/executions/{id}/artifacts");
    assert_eq!(api.read(&path(&id)).await, api.read(&path(&old_id)).await);
    let file = api.get(&format!("{}/make/r.md", path(&id))).await;
    assert_eq!((file.status, file.body.as_str()), (200, "# me"));
}

#[tokio::test]
async fn a_rerun_from_a_node_runs_it_and_what_depends_on_it() {
    let api = shared();
    let old = api
        .run(&definition("again-from", 1), &json!({"who": "me"}))
        .await;
    let id = text(&old["execution_id"]);
    assert_eq!(old["status"], "completed", "{old}");
    let body = json!({"from": ["make"], "input": {"who": "you"}});
    let plan = rerun(api, &id, "?dry_run=true", "", &body).await;
    assert_eq!(plan.json()["run"], json!(["make", "third"]));
    let reply = rerun(api, &id, "", "prefer: wait=20\r\n", &body).await;
    assert_eq!(reply.status, 200);
    let new = reply.json();
    let new_id = text(&new["execution_id"]);
    assert_eq!(
        (&new["status"], &new["rerun_of"]),
        (&json!("completed"), &json!(id))
    );
    assert_eq!(new["input"], json!({"who": "you"}));
    let path = format!("/api/executions/{new_id}/artifacts/make/r.md");
    assert_eq!(api.get(&path).await.body, "# you");
    let journal = api.journal(&new_id).await;
    assert_eq!(journal.count("node_taken", "each"), 1);
    assert_eq!(journal.count("node_started", "make"), 1);
    // A rerun of a rerun says where it really ran; nothing named, nothing failed: it is over at once.
    let third = rerun(api, &new_id, "", "prefer: wait=20\r\n", &json!({})).await;
    let third = third.json();
    assert_eq!(third["status"], "completed");
    assert_eq!(third["output"], new["output"]);
    assert_eq!(node(&third, "each", None)["taken_from"], id);
    assert_eq!(node(&third, "make", None)["taken_from"], new_id);
}

#[tokio::test]
async fn a_decision_stays_decided_and_a_rerun_is_cancelled_and_resumed_like_any() {
    let api = shared();
    let definition = json!({"id": "again-decided", "nodes": [
        {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": {"title": "Fine?"}},
        {"id": "slow", "phase": "delay", "config": {"ms": 300}, "needs": ["draft"]},
    ]});
    let old = api.launch(&definition, &json!({})).await;
    let checkpoint = api.checkpoint(&old, "draft", 1).await;
    api.resolve(&checkpoint, &json!({"action": "approve"}))
        .await;
    rerun(api, &old, "", "", &json!({})).await.is_problem(
        409,
        "execution is running; only one that is over can be run again",
    );
    assert_eq!(api.end(&old).await["status"], "completed");
    let reply = rerun(api, &old, "", "", &json!({"from": ["slow"]})).await;
    let id = text(&reply.json()["execution_id"]);
    api.until(&id, "node_started", "slow").await;
    for verb in ["cancel", "resume"] {
        let path = format!("/api/executions/{id}/{verb}");
        assert_eq!(api.post(&path, &json!({})).await.status, 202, "{verb}");
    }
    assert_eq!(api.end(&id).await["status"], "completed");
    let journal = api.journal(&id).await;
    assert_eq!(kinds_of(&journal, "draft"), ["node_taken"]);
}

#[tokio::test]
async fn what_was_taken_over_outlives_the_old_execution() {
    let place = Place::new();
    let mut host = place.host();
    let mut document = definition("again-kept", 1);
    document["keep_days"] = json!(0);
    let old = host.api.run(&document, &json!({"who": "me"})).await;
    let old = text(&old["execution_id"]);
    document["keep_days"] = json!(1000);
    host.api.put(&document).await;
    let body = json!({"version": 2, "from": ["third"]});
    let reply = rerun(host.api, &old, "", "", &body).await;
    let id = text(&reply.json()["execution_id"]);
    assert_eq!(host.api.end(&id).await["status"], "completed");
    host.kill();
    let store = store::open(&place.database()).await.unwrap();
    let tomorrow = SystemClock.now().after(Duration::from_hours(24));
    let removed = store.expire(tomorrow, Keep::Forever, 10).await.unwrap();
    assert_eq!(removed, 1);
    drop(store);
    host = place.host();
    assert_eq!(
        host.api.get(&format!("/api/executions/{old}")).await.status,
        404
    );
    let file = format!("/api/executions/{id}/artifacts/make/r.md");
    assert_eq!(host.api.get(&file).await.body, "# me");
}

#[tokio::test]
async fn a_key_starts_one_rerun() {
    let api = shared();
    let old = api
        .run(&definition("again-keyed", 1), &json!({"who": "me"}))
        .await;
    let old = text(&old["execution_id"]);
    let key = "idempotency-key: k-1\r\n";
    let first = rerun(api, &old, "", key, &json!({"from": ["third"]})).await;
    let id = text(&first.json()["execution_id"]);
    assert_eq!(first.status, 202);
    let same = rerun(api, &old, "", key, &json!({"from": ["third"]})).await;
    assert_eq!(
        (same.status, text(&same.json()["execution_id"])),
        (200, id.clone())
    );
    for other in [json!({"from": ["make"]}), json!({})] {
        rerun(api, &old, "", key, &other).await.is_problem(
            422,
            &format!("was used for another request, which started execution {id}"),
        );
    }
}

#[tokio::test]
async fn what_a_rerun_cannot_be_is_said_before_anything_starts() {
    let api = shared();
    let old = api
        .run(&definition("again-not", 1), &json!({"who": "me"}))
        .await;
    let old = text(&old["execution_id"]);
    let mut other = definition("again-not", 1);
    other["nodes"][2]["phase"] = json!("not-yet-there");
    other["input_schema"] = json!({"type": "object", "required": ["whom"]});
    api.put(&other).await;
    for query in ["", "?dry_run=true"] {
        for (body, pointer, says) in [
            (
                json!({"from": ["third", "nobody", "no id"]}),
                "/from/1",
                "version 1 of workflow again-not has no such node",
            ),
            (
                json!({"version": 7}),
                "/version",
                "there is no version 7 of workflow again-not",
            ),
            (json!({"input": {"who": 7}}), "/input/who", "is not of type"),
            (
                json!({"version": 2}),
                "/input",
                "\"whom\" is a required property",
            ),
            (
                json!({"version": 2, "input": {"whom": 1}}),
                "/nodes/2/phase",
                "phase not-yet-there is not in the catalog",
            ),
        ] {
            let reply = rerun(api, &old, query, "", &body).await;
            assert_eq!(reply.status, 422, "{body}: {reply:?}");
            let error = &reply.json()["errors"][0];
            assert_eq!(error["pointer"], pointer, "{body}: {error}");
            assert!(text(&error["message"]).contains(says), "{body}: {error}");
        }
    }
    rerun(api, &old, "?dry_run=maybe", "", &json!({}))
        .await
        .is_problem(400, "query parameter `dry_run` must be one of true, false");
    let listed = api.read("/api/executions?workflow_id=again-not").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_rerun_has_the_time_of_the_old_context() {
    let api = shared();
    let slow = json!({"id": "slow-again", "nodes": [
        {"id": "slow", "phase": "delay", "config": {"ms": 600_000}},
    ]});
    api.put(&slow).await;
    let body = json!({"initial_context": {"timeout_seconds": 0.1}});
    let old = api.start("slow-again", &body).await;
    assert_eq!(api.end(&old).await["status"], "timed_out");
    let started = rerun(api, &old, "", "", &json!({})).await.json();
    let new = api.end(&text(&started["execution_id"])).await;
    assert_eq!(new["status"], "timed_out");
    assert_eq!(new["context"], body["initial_context"]);
    // Not so what goes on.
    let post = async |verb| {
        let path = format!("/api/executions/{old}/{verb}");
        api.post(&path, &json!({})).await
    };
    assert_eq!(post("resume").await.json()["status"], "running");
    assert_eq!(post("cancel").await.status, 202);
}
