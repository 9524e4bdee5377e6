//! Several hosts on one PostgreSQL: any of them answers, each execution runs on one, and what a host
//! leaves behind another goes on with.

use std::collections::BTreeMap;

use futures::future::join_all;
use phasewright_test_postgres::Proxy;
use serde_json::{Value, json};

use crate::{
    api::{Api, text},
    host::{Host, Place},
    server::Server,
};

/// Short, so that a test need not wait long for a death to be noticed.
const LEASE: [&str; 2] = ["--lease-seconds", "2"];

fn delayed(id: &str, ms: u64) -> Value {
    json!({"id": id, "nodes": [
        {"id": "first", "phase": "delay", "config": {"ms": ms}, "input": 1},
        {"id": "second", "phase": "delay", "config": {"ms": 1}, "needs": ["first"], "input": 2},
    ]})
}

/// Time enough for something to happen to the host before the request.
fn effect_after_a_while(id: &str, url: &str) -> Value {
    json!({"id": id, "nodes": [
        {"id": "wait", "phase": "delay", "config": {"ms": 1_500}},
        {"id": "effect", "phase": "call", "needs": ["wait"], "config": {"url": url}},
    ]})
}

fn two(place: &Place) -> (Host, Host) {
    (place.host_with(&LEASE), place.host_with(&LEASE))
}

#[tokio::test]
async fn any_host_shows_and_steers_what_another_runs() {
    let place = Place::on_postgres();
    let (here, there) = two(&place);
    let id = here
        .api
        .launch(&delayed("steered", 60_000), &json!({}))
        .await;
    // Followed live from the other host.
    there.api.until(&id, "node_started", "first").await;
    assert_eq!(there.api.execution(&id).await["status"], "running");
    let path = format!("/api/executions/{id}/cancel");
    let reply = there.api.post(&path, &json!({"reason": "enough"})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.json()["status"], "cancelled");
    assert_eq!(here.api.end(&id).await["status"], "cancelled");
    let resume = format!("/api/executions/{id}/resume");
    // Nobody runs it now, so whoever is asked does.
    let reply = there.api.post(&resume, &json!({})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    here.api
        .follow(&id, 0, |event| event["kind"] == "execution_resumed")
        .await;
    let again = here.api.post(&resume, &json!({})).await;
    assert_eq!(again.status, 409, "{again:?}");
    let reply = here.api.post(&path, &json!({})).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    // A new version is seen by the other host at once.
    here.api.put(&delayed("steered", 5)).await;
    let id = there.api.start("steered", &json!({})).await;
    assert_eq!(here.api.end(&id).await["version"], 2);
}

#[tokio::test]
async fn of_many_deciders_one_wins_and_all_learn_of_it() {
    let place = Place::on_postgres();
    let hosts = [place.host(), place.host(), place.host()];
    let definition = json!({"id": "decided", "nodes": [
        {"id": "draft", "phase": "delay", "config": {"ms": 0}, "checkpoint": {"title": "t"}},
        {"id": "after", "phase": "delay", "config": {"ms": 0}, "needs": ["draft"]},
    ]});
    hosts[0].api.put(&definition).await;
    for _ in 0..10 {
        let id = hosts[0].api.start("decided", &json!({})).await;
        let open = hosts[1].api.checkpoint(&id, "draft", 1).await;
        let deciders = (0..200_usize).map(|number| {
            let decision = match number % 3 {
                0 => json!({"action": "approve"}),
                1 => json!({"action": "reject", "notes": format!("n{number}")}),
                _ => json!({"action": "edit", "edited_content": {"n": number}}),
            };
            let (api, open) = (hosts[number % 3].api, &open);
            async move { (decision.clone(), api.resolve(open, &decision).await) }
        });
        let replies = join_all(deciders).await;
        let journal = hosts[2].api.journal(&id).await;
        let stands = &journal.one("checkpoint_resolved", "draft")["payload"]["decision"];
        let mut statuses = BTreeMap::<u16, u32>::new();
        for (decision, reply) in replies {
            let is_the_one = decision["action"] == stands["action"]
                && decision.get("edited_content") == stands.get("content");
            let expected = if is_the_one { 200 } else { 409 };
            assert_eq!(reply.status, expected, "{decision} {stands} {reply:?}");
            *statuses.entry(reply.status).or_default() += 1;
        }
        assert!(statuses[&200] >= 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn what_a_killed_host_ran_goes_on_elsewhere() {
    let place = Place::on_postgres();
    let (here, there) = two(&place);
    here.api.put(&delayed("left", 300)).await;
    let nothing = json!({});
    let starts = (0..20).map(|_| here.api.start("left", &nothing));
    let ids = join_all(starts).await;
    there.api.until(&ids[19], "node_started", "first").await;
    here.kill();
    for id in &ids {
        assert_eq!(there.api.end(id).await["status"], "completed");
        let journal = there.api.journal(id).await;
        journal.is_whole("execution_completed");
        journal.each_succeeded_once(2);
    }
}

#[tokio::test]
async fn what_a_stopping_host_ran_goes_on_elsewhere_at_once() {
    let place = Place::on_postgres();
    // Nothing of this has to do with leases.
    let lease = ["--lease-seconds", "3600"];
    let (here, there) = (place.host_with(&lease), place.host_with(&lease));
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 3_000, "jitter": false});
    let definition = json!({"id": "handed", "nodes": [
        {"id": "again", "phase": "misbehave", "config": {"mode": "fail-until", "succeed_at": 2}, "retry": retry},
    ]});
    let id = here.api.launch(&definition, &json!({})).await;
    there.api.until(&id, "node_retry_scheduled", "again").await;
    here.signal("TERM");
    assert_eq!(there.api.end(&id).await["status"], "completed");
    there.api.journal(&id).await.each_succeeded_once(1);
}

#[tokio::test]
async fn a_host_that_stood_still_lets_no_effect_out() {
    let place = Place::on_postgres();
    let (here, there) = two(&place);
    let server = Server::bind();
    let url = server.url("/effect");
    let requests = server.serve();
    let definition = effect_after_a_while("still", &url);
    let id = here.api.launch(&definition, &json!({})).await;
    there.api.until(&id, "node_started", "wait").await;
    here.signal("STOP");
    // Its lease ends, the other takes over and does it all.
    assert_eq!(there.api.end(&id).await["status"], "completed");
    here.signal("CONT");
    // It finds that it has lost everything, and is of use again.
    there.api.put(&delayed("after", 1)).await;
    let after = start_patiently(here.api, "after").await;
    assert_eq!(here.api.end(&after).await["status"], "completed");
    let journal = here.api.journal(&id).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(2);
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_host_that_is_cut_off_is_replaced_and_lets_no_effect_out() {
    let place = Place::on_postgres();
    let proxy = Proxy::to(&place.database()).unwrap();
    let here = place.host_by(proxy.url(), &LEASE);
    let there = place.host_with(&LEASE);
    let server = Server::bind();
    let url = server.url("/effect");
    let requests = server.serve();
    let definition = effect_after_a_while("cut", &url);
    let id = here.api.launch(&definition, &json!({})).await;
    there.api.until(&id, "node_started", "wait").await;
    proxy.cut();
    assert_eq!(there.api.end(&id).await["status"], "completed");
    assert_eq!(here.api.get("/health/ready").await.status, 503);
    assert_eq!(here.api.get("/health/live").await.status, 200);
    proxy.heal();
    there.api.put(&delayed("healed", 1)).await;
    let after = start_patiently(here.api, "healed").await;
    assert_eq!(here.api.end(&after).await["status"], "completed");
    there.api.journal(&id).await.each_succeeded_once(2);
    assert_eq!(requests.len(), 1);
}

/// Starts an execution on a host that may not be able to just now.
async fn start_patiently(api: Api, workflow: &str) -> String {
    let path = format!("/api/workflows/{workflow}/execute");
    loop {
        let reply = api.post(&path, &json!({})).await;
        if reply.status != 503 {
            assert_eq!(reply.status, 202, "{reply:?}");
            return text(&reply.json()["execution_id"]);
        }
    }
}
