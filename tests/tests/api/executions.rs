//! Executions: started once, waited for, followed, cancelled and resumed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    api::{Api, node, text},
    client::Reply,
    host::shared,
    journal::ms_between,
};

fn delays(id: &str, ms: u32) -> Value {
    json!({"id": id, "nodes": [{"id": "wait", "phase": "delay", "config": {"ms": ms}, "input": "{{ input }}"}]})
}

async fn execute(api: Api, workflow: &str, headers: &str, body: &str) -> Reply {
    let path = format!("/api/workflows/{workflow}/execute");
    api.send("POST", &path, headers, body.as_bytes()).await
}

#[tokio::test]
async fn a_start_says_what_and_where() {
    let api = shared();
    api.put(&delays("started", 0)).await;
    let reply = execute(
        api,
        "started",
        "",
        r#"{"requirement": "r", "input": {"a": 1.0}, "initial_context": {"who": "me"}}"#,
    )
    .await;
    assert_eq!(reply.status, 202);
    let started = reply.json();
    let id = text(&started["execution_id"]);
    assert_eq!(
        reply.header("location"),
        Some(format!("/api/executions/{id}").as_str())
    );
    assert_eq!(
        (&started["workflow_id"], &started["version"]),
        (&json!("started"), &json!(1))
    );
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "completed");
    assert_eq!(execution["input"], json!({"requirement": "r", "a": 1.0}));
    assert_eq!(execution["context"], json!({"who": "me"}));
    assert_eq!(execution["output"], json!({"wait": execution["input"]}));
    assert_eq!(execution["created_at"], started["created_at"]);
    let wait = node(&execution, "wait", None);
    assert_eq!(
        (&wait["status"], &wait["attempt"], &wait["phase"]),
        (&json!("completed"), &json!(1), &json!("delay"))
    );
    assert!(wait["started_at"].as_str() <= wait["ended_at"].as_str());
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    assert_eq!(execution["last_event"], journal.last_seq());
}

#[tokio::test]
async fn lists_go_on_page_by_page_newest_first() {
    let api = shared();
    api.put(&delays("listed", 0)).await;
    let mut started = Vec::new();
    for at in 0..5 {
        started.push(api.start("listed", &json!({"input": {"at": at}})).await);
    }
    for id in &started {
        api.end(id).await;
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api
            .read(&format!(
                "/api/executions?workflow_id=listed&status=completed&limit=2{cursor}"
            ))
            .await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        listed.extend(items.iter().map(|item| text(&item["execution_id"])));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    started.reverse();
    assert_eq!(listed, started);
    let none = api
        .read("/api/executions?workflow_id=listed&status=failed")
        .await;
    assert_eq!(none, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn a_key_starts_one_execution() {
    let api = shared();
    api.put(&delays("keyed", 0)).await;
    let key = "idempotency-key: k-1\r\n";
    let first = execute(api, "keyed", key, r#"{"input": {"a": 1, "b": [2]}}"#).await;
    let id = text(&first.json()["execution_id"]);
    assert_eq!(first.status, 202);
    // Equal by value, however it is written.
    let same = execute(api, "keyed", key, "{ \"input\" :\n {\"b\":[2],\"a\":1} }").await;
    assert_eq!(
        (same.status, text(&same.json()["execution_id"])),
        (200, id.clone())
    );
    for other in [
        r#"{"input": {"a": 1}}"#,
        r#"{"input": {"a": 1, "b": [2]}, "version": 1}"#,
    ] {
        let reply = execute(api, "keyed", key, other).await;
        reply.is_problem(
            422,
            &format!("was used for another request, which started execution {id}"),
        );
    }
    // Keys belong to a workflow.
    api.put(&delays("keyed-too", 0)).await;
    assert_eq!(execute(api, "keyed-too", key, "{}").await.status, 202);
    // All at once.
    let race = (0..20).map(|_| execute(api, "keyed", "idempotency-key: k-2\r\n", "{}"));
    let replies = futures::future::join_all(race).await;
    let ids: BTreeSet<_> = replies
        .iter()
        .map(|reply| text(&reply.json()["execution_id"]))
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 202).count(),
        1
    );
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 200).count(),
        19
    );
}

#[tokio::test]
async fn a_start_can_wait_for_the_end() {
    let api = shared();
    api.put(&delays("awaited", 50)).await;
    let reply = execute(api, "awaited", "prefer: respond-async, wait=20\r\n", "{}").await;
    assert_eq!(
        (reply.status, reply.header("preference-applied")),
        (200, Some("wait=20"))
    );
    assert_eq!(reply.json()["status"], "completed");
    assert!(reply.header("location").is_some());
    api.put(&delays("awaited-long", 60_000)).await;
    let reply = execute(api, "awaited-long", "prefer: wait=1\r\n", "{}").await;
    assert_eq!(
        (reply.status, reply.header("preference-applied")),
        (202, Some("wait=1"))
    );
    let id = text(&reply.json()["execution_id"]);
    assert_eq!(
        api.post(&format!("/api/executions/{id}/cancel"), &json!({}))
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn journals_are_the_same_however_they_are_read() {
    let api = shared();
    let definition = json!({"id": "followed", "nodes": [
        {"id": "first", "phase": "delay", "config": {"ms": 300}},
        {"id": "rest", "phase": "delay", "config": {"ms": 10}, "needs": ["first"], "for_each": [1, 2, 3, 4]},
    ]});
    let id = api.launch(&definition, &json!({})).await;
    let live = api.follow(&id, 0, |_| false).await;
    live.is_whole("execution_completed");
    live.each_succeeded_once(5);
    assert_eq!(api.journal(&id).await.0, live.0);
    let mut paged: Vec<Value> = Vec::new();
    loop {
        let page = api
            .read(&format!(
                "/api/executions/{id}/events?limit=3&after={}",
                paged.len()
            ))
            .await;
        paged.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next"].as_u64() else {
            break;
        };
        assert_eq!(next, paged.len() as u64);
    }
    assert_eq!(paged, live.0);
    for after in [1, 5, live.0.len() - 1, live.0.len()] {
        assert_eq!(
            api.follow(&id, after as u64, |_| false).await.0,
            live.0[after..]
        );
    }
    let beyond = api
        .read(&format!("/api/executions/{id}/events?after=100000"))
        .await;
    assert_eq!(beyond, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn artifacts_come_as_they_were_kept() {
    let api = shared();
    let artifact = json!({"name": "r é.md", "content_type": "text/markdown"});
    let definition = json!({"id": "files", "nodes": [
        {"id": "one", "phase": "template-render", "config": {"template": "# {{ who }}\n", "artifact": artifact}, "input": {"who": "you"}},
        {"id": "each", "phase": "template-render", "for_each": ["a", "b"],
         "config": {"template": "[{{ x }}]", "artifact": {"name": "x.txt", "content_type": "text/plain"}}, "input": {"x": "{{ item }}"}},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(execution["status"], "completed", "{execution}");
    let path = format!(
        "/api/executions/{}/artifacts",
        text(&execution["execution_id"])
    );
    let listed = api.read(&path).await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    for item in items {
        let file = format!(
            "{path}/{}/{}",
            text(&item["node"]),
            text(&item["name"]).replace("r é", "r%20%C3%A9")
        );
        let file = item["item"]
            .as_u64()
            .map_or(file.clone(), |at| format!("{file}?item={at}"));
        let reply = api.get(&file).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), item["content_type"].as_str());
        assert_eq!(item["size"], reply.body.len());
        let tag = format!("\"{}\"", text(&item["sha256"]));
        assert_eq!(reply.header("etag"), Some(tag.as_str()));
        let again = api
            .send("GET", &file, &format!("if-none-match: {tag}\r\n"), b"")
            .await;
        assert_eq!((again.status, again.body.as_str()), (304, ""));
    }
    assert_eq!(
        api.get(&format!("{path}/each/x.txt?item=1")).await.body,
        "[b]"
    );
    for missing in ["each/x.txt?item=2", "one/y.md", "nobody/x.txt"] {
        assert_eq!(
            api.get(&format!("{path}/{missing}")).await.status,
            404,
            "{missing}"
        );
    }
}

#[tokio::test]
async fn a_cancelled_execution_can_go_on() {
    let api = shared();
    let definition = json!({"id": "stopped", "nodes": [
        {"id": "quick", "phase": "misbehave", "config": {"mode": "echo"}},
        {"id": "slow", "phase": "delay", "config": {"ms": 700}, "needs": ["quick"]},
        {"id": "last", "phase": "delay", "config": {"ms": 0}, "needs": ["slow"]},
    ]});
    let id = api.launch(&definition, &json!({})).await;
    let [cancel, resume] = ["cancel", "resume"].map(|verb| format!("/api/executions/{id}/{verb}"));
    api.until(&id, "node_started", "slow").await;
    api.post(&resume, &json!({})).await.is_problem(
        409,
        "execution is running; only a paused, failed, cancelled or timed_out one",
    );
    let reply = api
        .post(&cancel, &json!({"reason": "changed my mind"}))
        .await;
    assert_eq!(
        (reply.status, &reply.json()["status"]),
        (202, &json!("cancelled"))
    );
    assert_eq!(
        api.post(&cancel, &json!({})).await.status,
        202,
        "cancelling twice is the same as once"
    );
    let execution = api.end(&id).await;
    assert!(
        text(&execution["error"]).contains("changed my mind"),
        "{execution}"
    );
    assert_eq!(node(&execution, "quick", None)["status"], "completed");
    assert_eq!(node(&execution, "slow", None)["status"], "cancelled");
    api.journal(&id).await.is_whole("execution_cancelled");

    assert_eq!(api.post(&resume, &json!({})).await.status, 202);
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "completed", "{execution}");
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(3);
    assert_eq!(journal.count("node_started", "quick"), 1);
    for verb in [cancel, resume] {
        api.post(&verb, &json!({}))
            .await
            .is_problem(409, "execution is completed");
    }
}

#[tokio::test]
async fn a_failed_execution_resumes_where_it_failed() {
    let api = shared();
    let definition = json!({"id": "mended", "nodes": [
        {"id": "before", "phase": "misbehave", "config": {"mode": "echo"}},
        {"id": "third", "phase": "misbehave", "config": {"mode": "fail-until", "succeed_at": 3}, "needs": ["before"]},
    ]});
    let mut execution = api.run(&definition, &json!({})).await;
    let id = text(&execution["execution_id"]);
    for attempt in 1..=2 {
        assert_eq!(execution["status"], "failed");
        assert_eq!(
            execution["error"],
            format!("node third: attempt {attempt} of 3 fails as told")
        );
        assert_eq!(
            api.post(&format!("/api/executions/{id}/resume"), &json!({}))
                .await
                .status,
            202
        );
        execution = api.end(&id).await;
    }
    assert_eq!(execution["status"], "completed", "{execution}");
    assert_eq!(node(&execution, "third", None)["output"]["attempt"], 3);
    let journal = api.journal(&id).await;
    journal.each_succeeded_once(2);
    assert_eq!(journal.count("node_started", "before"), 1);
    assert_eq!(journal.count("node_started", "third"), 3);
}

#[tokio::test]
async fn an_execution_keeps_its_version() {
    let api = shared();
    let version = |say: &str| {
        json!({"id": "pinned", "nodes": [
            {"id": "wait", "phase": "delay", "config": {"ms": 400}},
            {"id": "say", "phase": "delay", "config": {"ms": 0}, "needs": ["wait"], "input": say},
        ]})
    };
    let first = api.launch(&version("one"), &json!({})).await;
    let second = api.launch(&version("two"), &json!({})).await;
    let old = api.start("pinned", &json!({"version": 1})).await;
    for (id, number, say) in [(first, 1, "one"), (second, 2, "two"), (old, 1, "one")] {
        let execution = api.end(&id).await;
        assert_eq!(
            (&execution["version"], &execution["output"]["say"]),
            (&json!(number), &json!(say))
        );
    }
}

#[tokio::test]
async fn a_deadline_ends_it_and_resuming_sets_a_new_one() {
    let api = shared();
    api.put(&delays("late", 800)).await;
    let id = api
        .start(
            "late",
            &json!({"initial_context": {"timeout_seconds": 0.2}}),
        )
        .await;
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "timed_out");
    assert_eq!(node(&execution, "wait", None)["status"], "cancelled");
    let journal = api.journal(&id).await;
    journal.is_whole("execution_timed_out");
    assert!(
        (200..700).contains(&ms_between(&journal.0[0], journal.0.last().unwrap())),
        "{journal:?}"
    );
    assert_eq!(
        api.post(&format!("/api/executions/{id}/resume"), &json!({}))
            .await
            .status,
        202
    );
    assert_eq!(api.end(&id).await["status"], "completed");

    let mut definition = delays("late-itself", 60_000);
    definition["timeout_seconds"] = json!(0.2);
    assert_eq!(
        api.run(&definition, &json!({})).await["status"],
        "timed_out"
    );
}
