//! Requests of phases, through the whole host: what is granted goes out with a key of its own,
//! what is not is refused.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    api::{excerpt, text},
    host::shared,
    server::Server,
};

#[tokio::test]
async fn each_item_sends_its_own_idempotency_key() {
    let api = shared();
    let server = Server::bind();
    let url = server.url("/effect");
    let mut requests = server.serve();
    let definition = json!({"id": "outbound-keys", "nodes": [
        {"id": "first", "phase": "call", "config": {"url": url}},
        {"id": "each", "phase": "call", "needs": ["first"], "for_each": [1, 2, 3],
            "config": {"url": url, "method": "POST", "body": "b"}, "input": "{{ item }}"},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    let output = json!({"each": [
        {"status": 200, "body": "b", "input": 1},
        {"status": 200, "body": "b", "input": 2},
        {"status": 200, "body": "b", "input": 3},
    ]});
    let shown = excerpt(&execution.to_string());
    assert_eq!(execution["output"], output, "{shown}");
    let id = text(&execution["execution_id"]);
    let mut keys = BTreeSet::new();
    while let Ok(request) = requests.try_recv() {
        let key = request.idempotency_key.unwrap();
        assert!(key.contains(&id), "{key} is not of {id}");
        assert!(keys.insert(key), "a key was used twice");
    }
    assert_eq!(keys.len(), 4);
}

#[tokio::test]
async fn what_is_not_granted_fails_its_node_and_is_explained_in_the_log() {
    let api = shared();
    let server = Server::bind();
    let url = format!("http://localhost:{}/", server.address.port());
    let definition = json!({"id": "outbound-denied", "nodes": [
        {"id": "denied", "phase": "call", "config": {"url": url}, "retry": {"max_attempts": 3}},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(execution["status"], "failed");
    let journal = api.journal(&text(&execution["execution_id"])).await;
    let error = &journal.one("node_failed", "denied")["payload"]["error"];
    assert_eq!(error["cause"], "permanent", "{error}");
    let logged = &journal.one("node_logged", "denied")["payload"]["message"];
    let origin = url.trim_end_matches('/');
    let advice = format!("add allowed_outbound_hosts = [\"{origin}\"] to [phase.call]");
    assert!(text(logged).contains(&advice), "{logged}");
    assert!(server.is_untouched());
}
