//! Requests of phases: where they may go, how many, and when.

use std::sync::Arc;

use phasewright::{
    plugin::{Artifact, AttemptHost, PhaseRunner, Produced},
    workflow::{Failure, FailureKind, Level},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::{
    rig::{Listener, Rig},
    server::{Received, Server},
};

/// This machine, at any port, with more that is granted to the phase.
fn granted(more: &str) -> String {
    format!("[phase.call]\nallowed_outbound_hosts = [\"http://127.0.0.1:*\"]\n{more}")
}

async fn call(grants: &str, config: Value) -> (Result<Produced, Failure>, Vec<String>) {
    let rig = Rig::new(&["call"], grants).await;
    let listener = Listener::new();
    let attempt = rig.attempt("call", config, json!({"n": 1.0}));
    let outcome = rig.sandbox.run(attempt, listener.clone()).await;
    let lines = listener.lines().into_iter();
    let is_warning = |(level, line)| {
        assert_eq!(level, Level::Warn, "{line}");
        line
    };
    (outcome, lines.map(is_warning).collect())
}

#[tokio::test]
async fn a_granted_request_carries_the_idempotency_key() {
    let server = Server::bind();
    let url = server.url("/effect/1?x=y");
    let mut requests = server.serve();
    let config = json!({"url": url, "method": "POST", "body": "a body"});
    let (outcome, lines) = call(&granted(""), config).await;
    let output = json!({"status": 200, "body": "a body", "input": {"n": 1.0}});
    assert_eq!(*outcome.unwrap().output, output);
    assert!(lines.is_empty(), "{lines:?}");
    let received = Received {
        line: "POST /effect/1".to_owned(),
        idempotency_key: Some("key".to_owned()),
        body: "a body".into(),
    };
    assert_eq!(requests.try_recv(), Ok(received));
    assert!(requests.try_recv().is_err(), "it was sent twice");
}

#[tokio::test]
async fn what_is_not_granted_is_refused_and_the_log_says_how_to_grant_it() {
    let server = Server::bind();
    let url = server.url("/secret?token=1");
    let origin = server.url("");
    for grants in [
        "",
        "[phase.call]\nallowed_outbound_hosts = [\"https://127.0.0.1:*\", \"http://localhost:*\"]",
    ] {
        for body in ["", "a body"] {
            let (outcome, lines) = call(grants, json!({"url": url, "body": body})).await;
            let failure = outcome.unwrap_err();
            assert_eq!(failure.cause, FailureKind::Permanent, "{failure}");
            assert!(failure.message.contains("HttpRequestDenied"), "{failure}");
            let line = format!(
                "request to {origin} denied: it is not granted to phase call; to grant it, add \
                 allowed_outbound_hosts = [\"{origin}\"] to [phase.call] in phases.toml"
            );
            assert_eq!(lines, [line]);
        }
    }
    assert!(server.is_untouched());
}

#[tokio::test]
async fn requests_are_counted() {
    let server = Server::bind();
    let config = json!({"url": server.url("/"), "times": 3});
    let requests = server.serve();
    let grants = granted("[phase.call.limits]\noutbound_requests = 2");
    let (outcome, _) = call(&grants, config).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.cause, FailureKind::LimitExceeded);
    assert_eq!(failure.to_string(), "limit of 2 outbound requests exceeded");
    assert_eq!(requests.len(), 2);
}

#[tokio::test]
async fn bodies_are_counted_both_ways() {
    let server = Server::bind();
    let config = json!({"url": server.url("/"), "method": "PUT", "body": "x".repeat(600)});
    let mut requests = server.serve();
    let grants = granted("[phase.call.limits]\noutbound_bytes = 1_200");
    assert!(call(&grants, config.clone()).await.0.is_ok());
    let grants = granted("[phase.call.limits]\noutbound_bytes = 1_000");
    let failure = call(&grants, config).await.0.unwrap_err();
    assert_eq!(failure.cause, FailureKind::LimitExceeded);
    let message = "limit of 1000 bytes for all outbound requests and responses exceeded";
    assert_eq!(failure.to_string(), message);
    assert_eq!(requests.try_recv().unwrap().body.len(), 600);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let silent = Server::bind();
    let config = json!({"url": silent.url("/")});
    let grants = granted("[phase.call.limits]\noutbound_time_ms = 100");
    let (outcome, lines) = call(&grants, config.clone()).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Transient, "{failure}");
    let start = format!("request to {} failed: ", silent.url(""));
    assert!(lines[0].starts_with(&start), "{lines:?}");
    assert!(lines[0].contains("time"), "{lines:?}");

    let grants = granted("[phase.call.limits]\nwall_clock_ms = 100");
    let failure = call(&grants, config).await.0.unwrap_err();
    assert_eq!(failure.cause, FailureKind::TimedOut);
    assert_eq!(failure.to_string(), "wall-clock limit of 100 ms exceeded");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_the_log() {
    let server = Server::bind();
    let url = server.url("");
    drop(server);
    let (outcome, lines) = call(&granted(""), json!({"url": url})).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Transient, "{failure}");
    let start = format!("request to {url} failed: connection error: ");
    assert!(lines[0].starts_with(&start), "{lines:?}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = Server::bind();
    let url = server.url("/redirect");
    let mut requests = server.serve();
    let (outcome, _) = call(&granted(""), json!({"url": url})).await;
    assert_eq!(outcome.unwrap().output["status"], 302);
    assert_eq!(requests.try_recv().unwrap().line, "GET /redirect");
    assert!(requests.try_recv().is_err(), "it was followed");
}

#[tokio::test]
async fn https_needs_a_server_that_speaks_it() {
    let server = Server::bind();
    let url = format!("https://{}", server.address);
    let requests = server.serve();
    let grants = granted("").replace("http:", "https:");
    let (outcome, lines) = call(&grants, json!({"url": url})).await;
    let failure = outcome.unwrap_err();
    assert_eq!(failure.cause, FailureKind::Transient, "{failure}");
    let start = format!("request to {url} failed: TLS error: ");
    assert!(lines[0].starts_with(&start), "{lines:?}");
    assert!(requests.is_empty());
}

/// Holds back every effect until there is a verdict.
struct Gate {
    asked: Notify,
    verdict: watch::Sender<Option<Result<(), String>>>,
}

impl Gate {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            asked: Notify::new(),
            verdict: watch::Sender::new(None),
        })
    }
}

#[async_trait::async_trait]
impl AttemptHost for Gate {
    fn log(&self, _level: Level, _message: String) {}

    fn progress(&self, _fraction: f32, _message: String) {}

    async fn artifact(&self, _node: &str, _name: &str) -> Result<Artifact, String> {
        Err("there is none".to_owned())
    }

    async fn effect(&self) -> Result<(), String> {
        self.asked.notify_one();
        let mut verdict = self.verdict.subscribe();
        let given = verdict.wait_for(Option::is_some).await.unwrap().clone();
        given.unwrap()
    }
}

#[tokio::test]
async fn a_request_is_held_back_until_it_may_have_an_effect() {
    let rig = Rig::new(&["call"], &granted("")).await;
    let server = Server::bind();
    let config = json!({"url": server.url("/effect"), "method": "POST", "body": "a body"});
    let gate = Gate::closed();
    let attempt = rig.attempt("call", config, json!({}));
    let mut running = rig.sandbox.run(attempt, gate.clone());
    tokio::select! {
        () = gate.asked.notified() => {}
        outcome = &mut running => panic!("it did not wait: {outcome:?}"),
    }
    // From here on the phase goes on only when it is polled.
    assert!(server.is_untouched());
    let mut requests = server.serve();
    gate.verdict.send_replace(Some(Ok(())));
    assert_eq!(running.await.unwrap().output["body"], "a body");
    assert_eq!(requests.try_recv().unwrap().line, "POST /effect");
}

#[tokio::test]
async fn a_request_of_an_execution_that_has_left_is_not_made() {
    let rig = Rig::new(&["call"], &granted("")).await;
    let server = Server::bind();
    let gate = Gate::closed();
    let gone = "the execution has left".to_owned();
    gate.verdict.send_replace(Some(Err(gone.clone())));
    let config = json!({"url": server.url("/effect"), "method": "POST", "body": "a body"});
    let attempt = rig.attempt("call", config, json!({}));
    let failure = rig.sandbox.run(attempt, gate).await.unwrap_err();
    assert!(failure.message.contains(&gone), "{failure}");
    assert!(server.is_untouched());
}
