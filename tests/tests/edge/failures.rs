//! Engines that cannot be reached, break off, or do not let the link in.

use std::{net::SocketAddr, sync::atomic::Ordering::SeqCst};

use anyhow::Result;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    app::{eventually, manifest},
    client::{Client, Reply},
    stub::{Behaviour, Relay, Stub, hanging_up, nobody, start},
};

const FOUND: &[u8] = br#"{"Err":{"NotFound":"asked and answered"}}"#;

fn ok() -> Behaviour {
    Behaviour::Answer(StatusCode::OK, FOUND.to_vec())
}

fn urls(addresses: &[SocketAddr]) -> String {
    let urls = addresses.iter().map(|address| format!("http://{address}"));
    urls.collect::<Vec<_>>().join(",")
}

fn caller() -> Value {
    json!({"address": "127.0.0.1"})
}

/// What may be sent twice.
async fn get(relay: &Relay) -> Result<Reply> {
    relay
        .call("executions", "get", &json!([caller(), "e"]))
        .await
}

/// What may not.
async fn resume(relay: &Relay) -> Result<Reply> {
    relay
        .call("executions", "resume", &json!([caller(), "e"]))
        .await
}

fn answered(reply: &Reply) {
    assert_eq!(reply.body.as_bytes(), FOUND, "{reply:?}");
}

fn unavailable(reply: &Reply, says: &str) {
    let error = &reply.json()["Err"]["Unavailable"];
    let error = error.as_str().unwrap_or_else(|| panic!("{reply:?}"));
    assert!(error.contains(says), "{error}");
}

#[tokio::test]
async fn an_engine_that_is_gone_is_passed_over() -> Result<()> {
    let stub = Stub::start(ok()).await?;
    for engines in [
        [nobody().await?, stub.address],
        [stub.address, nobody().await?],
    ] {
        let relay = Relay::start(&urls(&engines))?;
        for _ in 0..4 {
            answered(&get(&relay).await?);
            answered(&resume(&relay).await?);
        }
    }
    assert_eq!(stub.asked().len(), 16);
    Ok(())
}

#[tokio::test]
async fn only_what_may_be_done_twice_is_sent_twice() -> Result<()> {
    let (address, count) = hanging_up().await?;
    let relay = Relay::start(&urls(&[address]))?;
    unavailable(&get(&relay).await?, "no engine answers");
    assert_eq!(count.swap(0, SeqCst), 2);
    unavailable(&resume(&relay).await?, "may have done");
    assert_eq!(count.swap(0, SeqCst), 1);
    let start = |key: Value| {
        let request = json!({
            "workflow_id": "w", "input": "{}", "context": "{}", "idempotency_key": key,
        });
        json!([caller(), request, null])
    };
    for (key, times) in [(json!("k"), 2), (Value::Null, 1)] {
        relay.call("executions", "start", &start(key)).await?;
        assert_eq!(count.swap(0, SeqCst), times);
    }
    for (expected, times) in [(Value::Null, 2), (json!(3), 1)] {
        let parameters = json!([caller(), "w", "{}", expected]);
        relay.call("definitions", "put", &parameters).await?;
        assert_eq!(count.swap(0, SeqCst), times);
    }
    Ok(())
}

#[tokio::test]
async fn what_breaks_off_goes_on_with_another_engine() -> Result<()> {
    let (broken, _) = hanging_up().await?;
    let stub = Stub::start(ok()).await?;
    let stops = Stub::start(Behaviour::Answer(
        StatusCode::SERVICE_UNAVAILABLE,
        Vec::new(),
    ))
    .await?;
    for other in [broken, stops.address] {
        let relay = Relay::start(&urls(&[other, stub.address]))?;
        for _ in 0..4 {
            answered(&get(&relay).await?);
        }
    }
    // Not two that break off: what may have begun twice is left alone.
    let relay = Relay::start(&urls(&[broken, stops.address, nobody().await?]))?;
    unavailable(&get(&relay).await?, "no engine answers");
    Ok(())
}

#[tokio::test]
async fn an_engine_that_does_not_let_the_link_in_is_passed_over() -> Result<()> {
    let stub = Stub::start(ok()).await?;
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let closed = Stub::start(Behaviour::Answer(status, Vec::new())).await?;
        let relay = Relay::start(&urls(&[closed.address, stub.address]))?;
        answered(&resume(&relay).await?);
        let relay = Relay::start(&urls(&[closed.address]))?;
        unavailable(&resume(&relay).await?, "no engine answers");
    }
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_together_is_no_answer() -> Result<()> {
    let stub = Stub::start(ok()).await?;
    let relay = Relay::start(&urls(&[stub.address]))?;
    for (status, body, says) in [
        (StatusCode::OK, "{\"Ok\":{}}", "cannot be read"),
        (StatusCode::OK, "hello", "cannot be read"),
        (StatusCode::NOT_FOUND, "", "another version"),
        (StatusCode::BAD_REQUEST, "", "do not fit"),
    ] {
        stub.says(status, body);
        let reply = resume(&relay).await?.json();
        let error = reply["Err"]["Internal"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{reply}");
    }
    Ok(())
}

#[tokio::test]
async fn where_nobody_reads_nobody_follows() -> Result<()> {
    const HEAD: &str = r#"{"Ok":null}
{"execution_id":"e","seq":1,"at":"","kind":"k","node":null,"payload":"{}"}
{"execution_id":"e","seq":2,"at":"","kind":"k","node":null,"payload":"{}"}
"#;
    let stub = Stub::start(Behaviour::GoOn(HEAD)).await?;
    let relay = Relay::start(&urls(&[stub.address]))?;
    let parameters = json!([caller(), "e", 0]);
    let reply = relay.call("events", "follow", &parameters).await?;
    assert_eq!(reply.json()["Ok"][1]["seq"], 2);
    // The relay reads two events. There are no more: only signs of life tell that it has gone.
    eventually("nobody follows", || stub.streams() == 0).await;
    Ok(())
}

#[tokio::test]
async fn without_an_engine_endpoints_say_so() -> Result<()> {
    let edge = start(manifest()?, &urls(&[nobody().await?]))?;
    let mut client = Client::connect(edge).await?;
    for path in [
        "/api/executions",
        "/api/workflows",
        "/api/checkpoints/c",
        "/api/phases",
    ] {
        let reply = client.get(path).await?;
        reply.is_problem(503, "no engine answers");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    let reply = client.get("/health").await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["status"], "unhealthy");
    assert_eq!(reply.json()["errors"], json!(["engine_unavailable"]));
    for (path, says) in [("/health/ready", "ready"), ("/health/startup", "started")] {
        let reply = client.get(path).await?;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json()[says], false);
        assert_eq!(reply.json()["errors"], json!(["engine_unavailable"]));
    }
    assert_eq!(client.get("/health/live").await?.status, 200);
    assert_eq!(client.get("/api/openapi.json").await?.status, 200);
    Ok(())
}
