//! Checkpoints: one decision, by whoever is first, or by nobody in time.

use serde_json::{Value, json};

use crate::{
    api::{node, text},
    host::shared,
};

fn reviewed(id: &str, checkpoint: &Value) -> Value {
    json!({"id": id, "nodes": [
        {"id": "draft", "phase": "misbehave", "config": {"mode": "echo"}, "input": {"a": 1}, "checkpoint": checkpoint},
        {"id": "use", "phase": "delay", "config": {"ms": 0}, "needs": ["draft"], "input": "{{ nodes.draft.output }}"},
    ]})
}

#[tokio::test]
async fn approving_lets_the_output_count() {
    let api = shared();
    let checkpoint = json!({"title": "Is it good?", "instructions": "Look twice."});
    let id = api
        .launch(&reviewed("approved", &checkpoint), &json!({}))
        .await;
    let open = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(
        (&open["title"], &open["instructions"]),
        (&json!("Is it good?"), &json!("Look twice."))
    );
    assert_eq!(
        (&open["status"], &open["node"], &open["execution_id"]),
        (&json!("pending"), &json!("draft"), &json!(id))
    );
    assert_eq!(open["proposed"]["input"], json!({"a": 1}));
    assert_eq!(api.execution(&id).await["status"], "awaiting_checkpoint");
    let inbox = api
        .read(&format!(
            "/api/checkpoints?status=pending&execution_id={id}"
        ))
        .await;
    assert_eq!(inbox["items"], json!([open]));

    let reply = api
        .resolve(&open, &json!({"action": "approve", "notes": "fine"}))
        .await;
    let closed = reply.json();
    assert_eq!(
        (reply.status, &closed["status"], &closed["notes"]),
        (200, &json!("approved"), &json!("fine"))
    );
    assert!(text(&closed["resolved_by"]).starts_with("127.0.0.1"));
    let execution = api.end(&id).await;
    assert_eq!(execution["output"], json!({"use": open["proposed"]}));

    let again = api
        .resolve(&open, &json!({"action": "approve", "notes": "other words"}))
        .await;
    assert_eq!((again.status, again.json()), (200, closed));
    for other in [
        json!({"action": "reject"}),
        json!({"action": "edit", "edited_content": {}}),
    ] {
        api.resolve(&open, &other)
            .await
            .is_problem(409, "was approved by 127.0.0.1");
    }
    api.journal(&id).await.is_whole("execution_completed");
}

#[tokio::test]
async fn an_edit_takes_the_place_of_the_output() {
    let api = shared();
    let id = api
        .launch(&reviewed("edited", &json!({"title": "t"})), &json!({}))
        .await;
    let open = api.checkpoint(&id, "draft", 1).await;
    let edit = |content: Value| json!({"action": "edit", "edited_content": content});
    for (content, says) in [
        (json!({"surprise": 1}), "/edited_content"),
        (json!({"attempt": "one"}), "/edited_content/attempt"),
        (json!(null), "/edited_content"),
    ] {
        api.resolve(&open, &edit(content))
            .await
            .is_problem(422, says);
    }
    let content = json!({"text": "better", "attempt": 7});
    let reply = api.resolve(&open, &edit(content.clone())).await;
    assert_eq!((reply.status, &reply.json()["edited"]), (200, &content));
    assert_eq!(api.end(&id).await["output"], json!({"use": content}));
    assert_eq!(api.resolve(&open, &edit(content)).await.status, 200);
    api.resolve(&open, &edit(json!({"text": "x"})))
        .await
        .is_problem(409, "was edited");
}

#[tokio::test]
async fn a_fan_out_is_decided_as_a_whole() {
    let api = shared();
    let definition = json!({"id": "reviewed-fan", "nodes": [
        {"id": "draft", "phase": "compute", "for_each": [1, 2], "input": {"n": "{{ item }}"}, "checkpoint": {"title": "t"}},
    ]});
    let id = api.launch(&definition, &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(open["proposed"], json!([{"n": 2}, {"n": 3}]));
    for (content, says) in [
        (json!({"n": 1}), "must be an array with that of each item"),
        (json!([{"n": 1}, {"n": "x"}]), "/edited_content/1/n"),
    ] {
        api.resolve(&open, &json!({"action": "edit", "edited_content": content}))
            .await
            .is_problem(422, says);
    }
    api.resolve(&open, &json!({"action": "approve"})).await;
    assert_eq!(
        api.end(&id).await["output"],
        json!({"draft": [{"n": 2}, {"n": 3}]})
    );
}

#[tokio::test]
async fn a_rejection_fails_the_node() {
    let api = shared();
    let id = api
        .launch(&reviewed("rejected", &json!({"title": "t"})), &json!({}))
        .await;
    let open = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(
        api.resolve(&open, &json!({"action": "reject", "notes": "no good"}))
            .await
            .status,
        200
    );
    let execution = api.end(&id).await;
    assert_eq!(
        (
            &execution["status"],
            &node(&execution, "draft", None)["status"]
        ),
        (&json!("failed"), &json!("failed"))
    );
    assert!(
        text(&execution["error"]).contains("no good"),
        "{}",
        execution["error"]
    );
    assert_eq!(
        api.resolve(&open, &json!({"action": "reject"}))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_rejection_can_have_it_done_again() {
    let api = shared();
    let checkpoint = json!({"title": "t", "on_reject": "rerun"});
    let id = api
        .launch(&reviewed("redone", &checkpoint), &json!({}))
        .await;
    let mut keys = Vec::new();
    for round in 1..=3 {
        let open = api.checkpoint(&id, "draft", round).await;
        let notes = (round > 1).then(|| format!("round {} is no good", round - 1));
        assert_eq!(open["proposed"]["review_notes"], json!(notes));
        keys.push((
            text(&open["checkpoint_id"]),
            text(&open["proposed"]["idempotency_key"]),
        ));
        let decision = if round < 3 { "reject" } else { "approve" };
        let body = json!({"action": decision, "notes": format!("round {round} is no good")});
        assert_eq!(api.resolve(&open, &body).await.status, 200);
    }
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "completed", "{execution}");
    assert_eq!(
        keys.iter().map(|(_, key)| key.clone()).collect::<Vec<_>>(),
        ["", "#1", "#2"].map(|round| format!("{id}:draft{round}"))
    );
    let listed = api
        .read(&format!("/api/checkpoints?execution_id={id}"))
        .await;
    let statuses: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["status"])
        .collect();
    assert_eq!(statuses, ["approved", "rejected", "rejected"]);
    let journal = api.journal(&id).await;
    journal.is_whole("execution_completed");
    assert_eq!(
        (
            journal.count("node_succeeded", "draft"),
            journal.count("node_succeeded", "use")
        ),
        (3, 1)
    );
}

#[tokio::test]
async fn the_rejection_after_the_last_rerun_fails_the_node() {
    let api = shared();
    let checkpoint = json!({"title": "t", "on_reject": "rerun", "max_reruns": 1});
    let id = api
        .launch(&reviewed("redone-once", &checkpoint), &json!({}))
        .await;
    for round in 1..=2 {
        let open = api.checkpoint(&id, "draft", round).await;
        let reply = api.resolve(&open, &json!({"action": "reject"})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let error = text(&api.end(&id).await["error"]);
    assert!(error.contains("round 2, the last"), "{error}");
}

fn asked(id: &str, draft: &Value) -> Value {
    let mut node = json!({"id": "draft", "phase": "compute", "checkpoint": {"title": "Go?", "position": "before"}});
    for (name, value) in draft.as_object().unwrap() {
        node[name] = value.clone();
    }
    json!({"id": id, "nodes": [{"id": "first", "phase": "compute", "input": {"n": 1}}, node]})
}

#[tokio::test]
async fn a_checkpoint_before_a_node_is_about_its_input() {
    let api = shared();
    let draft = json!({"needs": ["first"], "input": {"n": "{{ nodes.first.output.n + 10 }}"}});
    let definition = asked("asked", &draft);
    for (decision, output) in [
        (json!({"action": "approve"}), json!({"n": 13})),
        (
            json!({"action": "edit", "edited_content": {"n": 70}}),
            json!({"n": 71}),
        ),
    ] {
        let id = api.launch(&definition, &json!({})).await;
        let open = api.checkpoint(&id, "draft", 1).await;
        assert_eq!(
            (&open["position"], &open["proposed"]),
            (&json!("before"), &json!({"n": 12}))
        );
        let waiting = api.execution(&id).await;
        assert_eq!(waiting["status"], "awaiting_checkpoint");
        assert_eq!(node(&waiting, "draft", None)["attempt"], 0);
        let wrong = json!({"action": "edit", "edited_content": {"n": "x"}});
        api.resolve(&open, &wrong)
            .await
            .is_problem(422, "/edited_content/n");
        assert_eq!(api.resolve(&open, &decision).await.status, 200);
        assert_eq!(api.end(&id).await["output"], json!({"draft": output}));
        api.journal(&id).await.is_whole("execution_completed");
    }
    let id = api.launch(&definition, &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    api.resolve(&open, &json!({"action": "reject", "notes": "too dear"}))
        .await;
    let execution = api.end(&id).await;
    assert_eq!(execution["status"], "failed");
    assert_eq!(node(&execution, "draft", None)["attempt"], 0);
    // Asked anew, it is another question.
    let resume = format!("/api/executions/{id}/resume");
    assert_eq!(api.post(&resume, &json!({})).await.status, 202);
    let again = api.checkpoint(&id, "draft", 2).await;
    assert_ne!(again["checkpoint_id"], open["checkpoint_id"]);
    api.resolve(&again, &json!({"action": "approve"})).await;
    let path = format!("/api/executions/{id}/events");
    api.follow(&id, 0, |event| event["kind"] == "execution_completed")
        .await;
    assert_eq!(api.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_checkpoint_before_a_fan_out_is_about_all_inputs() {
    let api = shared();
    let draft = json!({"for_each": [1, 2, 3], "input": {"n": "{{ item }}"}});
    let id = api.launch(&asked("asked-fan", &draft), &json!({})).await;
    let open = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(open["proposed"], json!([{"n": 1}, {"n": 2}, {"n": 3}]));
    let edit = |content: Value| json!({"action": "edit", "edited_content": content});
    for (content, says) in [
        (json!({"n": 1}), "must be an array with that of each item"),
        (json!([{"n": 1}, {"n": "x"}]), "/edited_content/1/n"),
    ] {
        api.resolve(&open, &edit(content))
            .await
            .is_problem(422, says);
    }
    let reply = api.resolve(&open, &edit(json!([{"n": 5}, {"n": 6}]))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let execution = api.end(&id).await;
    let output = json!({"draft": [{"n": 6}, {"n": 7}], "first": {"n": 2}});
    assert_eq!(execution["output"], output);
}

#[tokio::test]
async fn of_many_who_decide_one_wins() {
    let api = shared();
    let id = api
        .launch(&reviewed("raced", &json!({"title": "t"})), &json!({}))
        .await;
    let open = api.checkpoint(&id, "draft", 1).await;
    let open = &open;
    let race = (0..20).map(|at| async move {
        (
            at,
            api.resolve(
                open,
                &json!({"action": "edit", "edited_content": {"attempt": at}}),
            )
            .await,
        )
    });
    let replies = futures::future::join_all(race).await;
    let winners: Vec<_> = replies
        .iter()
        .filter(|(_, reply)| reply.status == 200)
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    for (_, loser) in replies.iter().filter(|(at, _)| *at != winners[0]) {
        loser.is_problem(409, "was edited by 127.0.0.1");
    }
    assert_eq!(
        api.end(&id).await["output"],
        json!({"use": {"attempt": winners[0]}})
    );
    assert_eq!(
        api.journal(&id).await.count("checkpoint_resolved", "draft"),
        1
    );
}

#[tokio::test]
async fn what_nobody_decides_in_time_expires() {
    let api = shared();
    for (on_expiry, status) in [
        ("approve", "completed"),
        ("reject", "failed"),
        ("fail", "failed"),
    ] {
        let checkpoint =
            json!({"title": "t", "expires_after_seconds": 0.3, "on_expiry": on_expiry});
        let id = api
            .launch(
                &reviewed(&format!("expires-{on_expiry}"), &checkpoint),
                &json!({}),
            )
            .await;
        let open = api.checkpoint(&id, "draft", 1).await;
        let execution = api.end(&id).await;
        assert_eq!(execution["status"], status, "{on_expiry}: {execution}");
        let closed = api
            .read(&format!(
                "/api/checkpoints/{}",
                text(&open["checkpoint_id"])
            ))
            .await;
        assert_eq!(closed["status"], "expired");
        api.resolve(&open, &json!({"action": "approve"}))
            .await
            .is_problem(409, "was expired");
        assert_eq!(
            api.journal(&id).await.count("checkpoint_expired", "draft"),
            1
        );
    }
}

#[tokio::test]
async fn cancelling_closes_what_is_open() {
    let api = shared();
    let id = api
        .launch(&reviewed("given-up", &json!({"title": "t"})), &json!({}))
        .await;
    let open = api.checkpoint(&id, "draft", 1).await;
    assert_eq!(
        api.post(&format!("/api/executions/{id}/cancel"), &json!({}))
            .await
            .status,
        202
    );
    let closed = api
        .read(&format!(
            "/api/checkpoints/{}",
            text(&open["checkpoint_id"])
        ))
        .await;
    assert_eq!(closed["status"], "cancelled");
    assert_eq!(
        api.resolve(&open, &json!({"action": "approve"}))
            .await
            .status,
        409
    );
}
