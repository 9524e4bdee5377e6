//! Many executions at once: what an operator does after a bad deploy.

use serde_json::{Value, json};

use crate::{
    api::{Api, text},
    client::Reply,
    host::shared,
};

/// Waits for a person, or fails, as the input says.
fn definition(id: &str) -> Value {
    json!({"id": id, "nodes": [
        {"id": "work", "phase": "misbehave", "config": {"mode": "fail-until", "succeed_at": 2},
         "when": "{{ input.fails }}"},
        {"id": "ask", "phase": "misbehave", "config": {"mode": "echo"}, "checkpoint": {"title": "Fine?"},
         "needs": ["work"], "join": "settled", "when": "{{ !input.fails }}"},
    ]})
}

/// Some that wait and some that failed, newest first.
async fn several(api: Api, id: &str, waiting: usize, failed: usize) -> (Vec<String>, Vec<String>) {
    api.put(&definition(id)).await;
    let (mut waits, mut fails) = (Vec::new(), Vec::new());
    for _ in 0..waiting {
        let started = api.start(id, &json!({"input": {"fails": false}})).await;
        api.checkpoint(&started, "ask", 1).await;
        waits.insert(0, started);
    }
    for _ in 0..failed {
        let started = api.start(id, &json!({"input": {"fails": true}})).await;
        assert_eq!(api.end(&started).await["status"], "failed");
        fails.insert(0, started);
    }
    (waits, fails)
}

async fn all(api: Api, verb: &str, query: &str, body: &Value) -> Reply {
    let path = format!("/api/executions/all/{verb}?{query}");
    api.post(&path, body).await
}

/// Ids and what became of them: a status, or that of the problem.
fn outcomes(reply: &Reply) -> Vec<(String, Value)> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let body = reply.json();
    let items = body["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let status = match item.get("execution") {
                Some(execution) => &execution["status"],
                None => &item["problem"]["status"],
            };
            (text(&item["execution_id"]), status.clone())
        })
        .collect()
}

fn each(ids: &[String], status: &Value) -> Vec<(String, Value)> {
    ids.iter().map(|id| (id.clone(), status.clone())).collect()
}

#[tokio::test]
async fn a_filter_says_which_and_each_answers_for_itself() {
    let api = shared();
    let (waiting, failed) = several(api, "bulk-mixed", 3, 2).await;
    let of = "workflow_id=bulk-mixed";
    // The failed ones are the newer ones; they cannot be held.
    let mixed = |status: &str| {
        let mut all = each(&failed, &json!(409));
        all.extend(each(&waiting, &json!(status)));
        all
    };
    let tried = all(api, "pause", &format!("{of}&dry_run=true"), &json!({})).await;
    assert_eq!(outcomes(&tried), mixed("awaiting_checkpoint"));
    let listed = api
        .read(&format!("/api/executions?{of}&status=paused"))
        .await;
    assert_eq!(listed["items"], json!([]), "a dry run holds nothing");

    let paused = all(api, "pause", of, &json!({"reason": "the provider is down"})).await;
    assert_eq!(outcomes(&paused), mixed("paused"));
    let journal = api.journal(&waiting[0]).await;
    let event = journal.0.iter().find(|it| it["kind"] == "execution_paused");
    assert_eq!(event.unwrap()["payload"]["reason"], "the provider is down");

    let held = format!("{of}&status=paused");
    let resumed = all(api, "resume", &held, &json!({})).await;
    assert_eq!(
        outcomes(&resumed),
        each(&waiting, &json!("awaiting_checkpoint"))
    );
    let cancelled = all(
        api,
        "cancel",
        &format!("{of}&status=awaiting_checkpoint"),
        &json!({}),
    )
    .await;
    assert_eq!(outcomes(&cancelled), each(&waiting, &json!("cancelled")));
}

#[tokio::test]
async fn a_page_at_a_time_reaches_all_of_them() {
    let api = shared();
    let (waiting, _) = several(api, "bulk-paged", 5, 0).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("workflow_id=bulk-paged&limit=2{cursor}");
        let reply = all(api, "cancel", &query, &json!({})).await;
        found.extend(outcomes(&reply));
        match &reply.json()["next"] {
            Value::Null => break,
            next => cursor = format!("&cursor={}", text(next)),
        }
    }
    assert_eq!(found, each(&waiting, &json!("cancelled")));
}

#[tokio::test]
async fn what_failed_runs_again_once_under_one_key() {
    let api = shared();
    let (_, failed) = several(api, "bulk-again", 0, 2).await;
    let query = "workflow_id=bulk-again&status=failed&created_before=2100-01-01T00:00:00Z";
    let tried = all(
        api,
        "rerun",
        &format!("{query}&dry_run=true"),
        &json!({"from": ["nope"]}),
    )
    .await;
    assert_eq!(outcomes(&tried), each(&failed, &json!(422)));
    let mut new = Vec::new();
    for _ in 0..2 {
        let path = format!("/api/executions/all/rerun?{query}&version=1");
        let key = "idempotency-key: monday\r\n";
        let reply = api.send("POST", &path, key, b"{}").await;
        let body = reply.json();
        let items = body["items"].as_array().unwrap().clone();
        // The reruns fail like the old ones, and are then among those that the query selects.
        let of_old = items
            .iter()
            .filter(|item| failed.contains(&text(&item["execution_id"])));
        new.push(
            of_old
                .map(|item| text(&item["execution"]["execution_id"]))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(new[0].len(), 2);
    assert_eq!(new[0], new[1]);
    for (old, new) in failed.iter().zip(&new[0]) {
        assert_eq!(api.end(new).await["rerun_of"], **old);
    }
}

#[tokio::test]
async fn times_and_versions_narrow_the_list() {
    let api = shared();
    let (waiting, _) = several(api, "bulk-when", 3, 0).await;
    let created = async |id: &str| text(&api.execution(id).await["created_at"]);
    let middle = created(&waiting[1]).await;
    let ids = async |query: &str| -> Vec<String> {
        let page = api
            .read(&format!("/api/executions?workflow_id=bulk-when&{query}"))
            .await;
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| text(&item["execution_id"])).collect()
    };
    // Several can begin in one millisecond.
    let (from, before) = (
        ids(&format!("created_from={middle}")).await,
        ids(&format!("created_before={middle}")).await,
    );
    assert_eq!([from.clone(), before.clone()].concat(), waiting);
    assert!(from.contains(&waiting[1]) && !before.contains(&waiting[1]));
    assert_eq!(ids("version=1").await, waiting);
    assert_eq!(ids("version=2").await, Vec::<String>::new());
    all(api, "cancel", "workflow_id=bulk-when", &json!({})).await;
}

#[tokio::test]
async fn nobody_means_everything_by_saying_nothing() {
    let api = shared();
    all(api, "cancel", "limit=200", &json!({}))
        .await
        .is_problem(422, "without a filter it would be about every execution");
    all(api, "cancel", "created_from=yesterday", &json!({}))
        .await
        .is_problem(422, "RFC 3339");
    all(api, "cancel", "version=0", &json!({}))
        .await
        .is_problem(400, "from 1 to");
    all(api, "resume", "version=1", &json!({"reason": "x"}))
        .await
        .is_problem(422, "/reason");
}
