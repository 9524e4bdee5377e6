//! Endpoints that fail are answered for, and do no harm to others.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::app::{App, Options, eventually};

fn impatient() -> Options {
    let mut options = Options::default();
    options.endpoints.response_head = Duration::from_millis(800);
    options.endpoints.busy = Duration::from_millis(400);
    options.endpoints.afterwards = Duration::from_millis(300);
    options.endpoints.idle = Duration::from_millis(300);
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_problems() -> Result<()> {
    let app = App::start(impatient()).await?;
    let mut client = app.client().await?;
    client.get("/misbehave/trap").await?.is_problem(500, "log");
    client.get("/misbehave/loop").await?.is_problem(500, "log");
    client
        .get("/misbehave/memory")
        .await?
        .is_problem(500, "log");
    client
        .get("/misbehave/never")
        .await?
        .is_problem(504, "in time");
    assert_eq!(client.get("/misbehave/count").await?.body, "1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_computes_leaves_time_to_others() -> Result<()> {
    let mut options = impatient();
    options.endpoints.busy = Duration::from_secs(2);
    let app = App::start(options).await?;
    // More than there are threads.
    let mut busy = Vec::new();
    for _ in 0..8 {
        let mut client = app.client().await?;
        client
            .send(b"GET /misbehave/loop HTTP/1.1\r\nhost: a\r\n\r\n")
            .await?;
        busy.push(client);
    }
    let mut client = app.client().await?;
    let start = Instant::now();
    assert_eq!(client.get("/health/live").await?.status, 200);
    // While all of them are still at it.
    assert!(start.elapsed() < Duration::from_millis(800));
    for mut client in busy {
        // The limit on time without an answer came first.
        client.reply(false).await?.is_problem(504, "in time");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_cut_off() -> Result<()> {
    let app = App::start(impatient()).await?;
    for path in ["/misbehave/trap-in-stream", "/misbehave/loop-in-stream"] {
        let mut client = app.client().await?;
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
            .await?;
        assert_eq!(client.head().await?.status, 200);
        assert_eq!(
            client.chunk().await?.as_deref(),
            Some(&b"first"[..]),
            "{path}"
        );
        // Without the end of a chunked body the client knows that something is missing.
        assert!(client.chunk().await.is_err(), "{path}");
    }
    let mut client = app.client().await?;
    assert_eq!(client.get("/misbehave/count").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_outside_is_there() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    assert_eq!(client.get("/misbehave/look-around").await?.body, "0");
    let granted = client.get("/misbehave/granted").await?.body;
    assert_eq!(granted, "hello you there false");
    let reply = client.get("/misbehave/outbound").await?;
    assert_eq!(reply.body, "refused: ErrorCode::HttpRequestDenied");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_leave_nothing_behind() -> Result<()> {
    let app = App::start(impatient()).await?;
    for path in [
        "/misbehave/endless-stream",
        "/misbehave/quiet-stream",
        "/misbehave/never",
    ] {
        let mut client = app.client().await?;
        client
            .send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes())
            .await?;
        if !path.ends_with("never") {
            assert_eq!(client.head().await?.status, 200);
        }
    }
    eventually("all connections closed", || app.connections.open() == 0).await;
    Ok(())
}
