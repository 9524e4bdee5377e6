//! Checkpoints that are for some only.

use serde_json::{Value, json};

use super::guarded;
use crate::{
    api::{Api, text},
    host::{Host, Place, shared},
};

/// A draft that somebody of these has to approve, and something that takes a while meanwhile.
fn reviewed(id: &str, rules: &Value) -> Value {
    let mut checkpoint = json!({"title": "Good?"});
    let rules = rules.as_object().unwrap().clone();
    checkpoint.as_object_mut().unwrap().extend(rules);
    json!({"id": id, "nodes": [
        {"id": "draft", "phase": "delay", "config": {"ms": 0}, "checkpoint": checkpoint},
    ]})
}

fn four_eyes() -> Value {
    json!({"reviewers": ["group:finance", "dora"], "allow_starter": false})
}

async fn inbox(api: Api, query: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/api/checkpoints?limit=2&{query}");
    loop {
        let page = api.read(&path).await;
        let items = page["items"].as_array().unwrap();
        ids.extend(items.iter().map(|item| text(&item["execution_id"])));
        let Some(next) = page["next"].as_str() else {
            return ids;
        };
        path = format!("/api/checkpoints?limit=2&{query}&cursor={next}");
    }
}

struct Cast {
    alice: Api,
    bob: Api,
    carol: Api,
    rita: Api,
}

fn cast(host: &Host) -> Cast {
    let [alice, bob, carol, rita] = ["alice-token", "bob-token", "carol-token", "rita-token"]
        .map(|token| host.api.with_token(token));
    Cast {
        alice,
        bob,
        carol,
        rita,
    }
}

async fn only_who_is_meant_decides(place: Place) {
    let host = guarded(&place);
    let Cast {
        alice,
        bob,
        carol,
        rita,
    } = cast(&host);
    let approve = json!({"action": "approve"});
    let id = alice
        .launch(&reviewed("four-eyes", &four_eyes()), &json!({}))
        .await;
    let open = carol.checkpoint(&id, "draft", 1).await;
    assert_eq!(open["reviewers"], json!(["group:finance", "dora"]));
    assert_eq!(open["allow_starter"], false);
    assert_eq!(alice.execution(&id).await["started_by"], "alice");
    let refused = async |api: Api, says: &str| {
        api.resolve(&open, &approve).await.is_problem(403, says);
    };
    let whom = "this checkpoint is for group:finance or dora, but not for who started the \
                execution; you are bob";
    refused(bob, whom).await;
    refused(alice, "you are alice, who did").await;
    refused(rita, "the scope review").await;
    // Who may not decide is not told what would be wrong with the decision either.
    let edit = json!({"action": "edit", "edited_content": {"no": "such"}});
    bob.resolve(&open, &edit)
        .await
        .is_problem(403, "you are bob");
    let reply = carol.resolve(&open, &approve).await;
    assert_eq!(
        (reply.status, &reply.json()["resolved_by"]),
        (200, &json!("carol"))
    );
    assert_eq!(alice.end(&id).await["status"], "completed");
    let journal = alice.journal(&id).await;
    assert_eq!(
        journal.one("checkpoint_resolved", "draft")["payload"]["by"],
        "carol"
    );
    assert_eq!(journal.0[0]["payload"]["by"], "alice");
    assert_eq!(carol.resolve(&open, &approve).await.status, 200);
    let reject = json!({"action": "reject"});
    carol
        .resolve(&open, &reject)
        .await
        .is_problem(409, "was approved by carol");
    bob.resolve(&open, &approve)
        .await
        .is_problem(403, "you are bob");

    // The version that an execution runs says who decides, whatever is stored since; and whoever
    // runs it again is its starter.
    let old = alice.start("four-eyes", &json!({})).await;
    alice.put(&reviewed("four-eyes", &json!({}))).await;
    let open = carol.checkpoint(&old, "draft", 1).await;
    bob.resolve(&open, &approve)
        .await
        .is_problem(403, "you are bob");
    let cancel = format!("/api/executions/{old}/cancel");
    assert_eq!(alice.post(&cancel, &json!({})).await.status, 202);
    let journal = alice.journal(&old).await;
    assert_eq!(journal.0.last().unwrap()["payload"]["by"], "alice");
    let rerun = bob
        .post(&format!("/api/executions/{old}/rerun"), &json!({}))
        .await;
    let rerun = text(&rerun.json()["execution_id"]);
    assert_eq!(bob.execution(&rerun).await["started_by"], "bob");
    let open = carol.checkpoint(&rerun, "draft", 1).await;
    assert_eq!(alice.resolve(&open, &approve).await.status, 200);
}

#[tokio::test]
async fn only_who_is_meant_decides_on_sqlite() {
    only_who_is_meant_decides(Place::with(None)).await;
}

#[tokio::test]
async fn only_who_is_meant_decides_on_postgres() {
    only_who_is_meant_decides(Place::on_postgres()).await;
}

async fn everybody_has_an_inbox(place: Place) {
    let host = guarded(&place);
    let Cast {
        alice,
        bob,
        carol,
        rita,
    } = cast(&host);
    alice.put(&reviewed("for-all", &json!({}))).await;
    alice
        .put(&reviewed("for-bob", &json!({"reviewers": ["bob"]})))
        .await;
    alice.put(&reviewed("four-eyes", &four_eyes())).await;
    let mut ids = Vec::new();
    for (number, workflow) in (0..9).zip(["for-all", "for-bob", "four-eyes"].iter().cycle()) {
        let id = alice
            .start(workflow, &json!({"input": {"number": number}}))
            .await;
        alice.checkpoint(&id, "draft", 1).await;
        ids.push(id);
    }
    let of = |kinds: &[usize]| -> Vec<String> {
        let kept = (0..9).rev().filter(|number| kinds.contains(&(number % 3)));
        kept.map(|number| ids[number].clone()).collect()
    };
    assert_eq!(inbox(alice, "reviewer=me").await, of(&[0]));
    assert_eq!(inbox(bob, "reviewer=me").await, of(&[0, 1]));
    assert_eq!(
        inbox(carol, "reviewer=me&status=pending").await,
        of(&[0, 2])
    );
    assert_eq!(inbox(bob, "reviewer=carol").await, of(&[0, 2]));
    assert_eq!(
        inbox(bob, "reviewer=carol&workflow_id=four-eyes").await,
        of(&[2])
    );
    assert_eq!(inbox(bob, "workflow_id=for-bob").await, of(&[1]));
    assert_eq!(
        inbox(bob, "workflow_id=for-bob&status=pending").await,
        of(&[1])
    );
    let both = format!("reviewer=me&execution_id={}", ids[8]);
    assert_eq!(inbox(carol, &both).await, [ids[8].clone()]);
    // In the group, but without the scope.
    assert!(inbox(rita, "reviewer=me").await.is_empty());
    assert!(inbox(carol, "reviewer=me&status=approved").await.is_empty());
    for nobody in ["zoe", "a%20b", ""] {
        let reply = carol
            .get(&format!("/api/checkpoints?reviewer={nobody}"))
            .await;
        reply.is_problem(422, "/reviewer is not the name of a token");
    }
    let open = carol.checkpoint(&ids[8], "draft", 1).await;
    let reply = carol.resolve(&open, &json!({"action": "approve"})).await;
    assert_eq!(reply.status, 200);
    assert_eq!(inbox(carol, "reviewer=me").await, of(&[0, 2])[1..]);
}

#[tokio::test]
async fn everybody_has_an_inbox_on_sqlite() {
    everybody_has_an_inbox(Place::with(None)).await;
}

#[tokio::test]
async fn everybody_has_an_inbox_on_postgres() {
    everybody_has_an_inbox(Place::on_postgres()).await;
}

#[tokio::test]
async fn a_decision_is_whose_it_is_on_whichever_host_it_is_made() {
    let place = Place::on_postgres();
    let hosts = [guarded(&place), guarded(&place), guarded(&place)];
    let [one, two, three] = [&hosts[0], &hosts[1], &hosts[2]].map(cast);
    let mut definition = reviewed("elsewhere", &four_eyes());
    // So that one host has it, and commands come to it from the others.
    let busy = json!({"id": "busy", "phase": "delay", "config": {"ms": 60_000}});
    definition["nodes"].as_array_mut().unwrap().push(busy);
    let id = one.alice.launch(&definition, &json!({})).await;
    let open = three.carol.checkpoint(&id, "draft", 1).await;
    let approve = json!({"action": "approve"});
    for cast in [&one, &two, &three] {
        cast.bob
            .resolve(&open, &approve)
            .await
            .is_problem(403, "you are bob");
        cast.alice
            .resolve(&open, &approve)
            .await
            .is_problem(403, "you are alice, who did");
    }
    let pause = format!("/api/executions/{id}/pause");
    assert_eq!(three.alice.post(&pause, &json!({})).await.status, 202);
    let resume = format!("/api/executions/{id}/resume");
    assert_eq!(two.alice.post(&resume, &json!({})).await.status, 202);
    let reply = two.carol.resolve(&open, &approve).await;
    assert_eq!(
        (reply.status, &reply.json()["resolved_by"]),
        (200, &json!("carol"))
    );
    let cancel = format!("/api/executions/{id}/cancel");
    assert_eq!(three.alice.post(&cancel, &json!({})).await.status, 202);
    assert_eq!(two.alice.post(&resume, &json!({})).await.status, 202);
    let journal = one.alice.journal(&id).await;
    let by = |kind: &str| {
        let found = journal.0.iter().find(|event| event["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}"))["payload"]["by"].clone()
    };
    assert_eq!(by("checkpoint_resolved"), "carol");
    for kind in [
        "execution_created",
        "execution_paused",
        "execution_unpaused",
        "execution_cancelled",
        "execution_resumed",
    ] {
        assert_eq!(by(kind), "alice", "{kind}");
    }
    assert_eq!(one.alice.post(&cancel, &json!({})).await.status, 202);
}

#[tokio::test]
async fn a_host_that_knows_nobody_lets_nobody_decide_what_is_for_some() {
    let api = shared();
    let approve = json!({"action": "approve"});
    for (at, rules) in [
        four_eyes(),
        json!({"allow_starter": false}),
        json!({"reviewers": ["ann"]}),
    ]
    .iter()
    .enumerate()
    {
        let id = api
            .launch(&reviewed(&format!("for-some-{at}"), rules), &json!({}))
            .await;
        let open = api.checkpoint(&id, "draft", 1).await;
        let reply = api.resolve(&open, &approve).await;
        reply.is_problem(
            403,
            "this host knows nobody by name: start it with --tokens",
        );
        assert!(api.execution(&id).await.get("started_by").is_none());
        let cancel = format!("/api/executions/{id}/cancel");
        assert_eq!(api.post(&cancel, &json!({})).await.status, 202);
    }
    let reply = api.get("/api/checkpoints?reviewer=me").await;
    reply.is_problem(422, "start it with --tokens");
    let mut expiring = reviewed("for-some-a-while", &four_eyes());
    expiring["nodes"][0]["checkpoint"]["expires_after_seconds"] = json!(0.1);
    expiring["nodes"][0]["checkpoint"]["on_expiry"] = json!("approve");
    assert_eq!(api.run(&expiring, &json!({})).await["status"], "completed");
}
