//! Server-sent events: piece by piece, for as long as somebody listens, and no longer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{
    app::{App, Options, eventually},
    client::Client,
    engine::EVENT_INTERVAL,
};

const FOLLOW: &str = "accept: text/event-stream\r\n";

async fn follow(app: &App, execution: &str, headers: &str) -> Result<Client> {
    let mut client = app.client().await?;
    let request = format!(
        "GET /api/executions/{execution}/events HTTP/1.1\r\nhost: a\r\n{FOLLOW}{headers}\r\n"
    );
    client.send(request.as_bytes()).await?;
    let head = client.head().await?;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    Ok(client)
}

async fn event(client: &mut Client) -> Result<String> {
    let chunk = client.chunk().await?.context("the stream has ended")?;
    Ok(String::from_utf8(chunk)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_arrive_one_by_one() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = follow(&app, "e", "last-event-id: 41\r\n").await?;
    let start = Instant::now();
    for seq in 42..=46 {
        let text = event(&mut client).await?;
        assert!(text.contains(&format!("id: {seq}\n")), "{text}");
    }
    assert!(start.elapsed() >= EVENT_INTERVAL * 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_outlives_every_limit_on_time() -> Result<()> {
    let mut options = Options::default();
    options.http.head_time = Duration::from_millis(300);
    options.endpoints.response_head = Duration::from_millis(300);
    options.endpoints.afterwards = Duration::from_millis(200);
    options.endpoints.idle = Duration::from_millis(200);
    options.endpoints.busy = Duration::from_millis(500);
    options.endpoints.requests_per_instance = 2;
    let app = App::start(options).await?;
    let mut client = follow(&app, "e", "").await?;
    let mut quiet = follow(&app, "quiet", "").await?;
    let mut other = app.client().await?;
    let start = Instant::now();
    let mut seq = 0;
    while start.elapsed() < Duration::from_secs(3) {
        seq += 1;
        let text = event(&mut client).await?;
        assert!(text.contains(&format!("id: {seq}\n")), "{text}");
        // The same component goes on with other requests meanwhile.
        if seq % 2 == 0 {
            other.get("/api/executions/e").await?;
        }
        if seq % 7 == 0 {
            other = app.client().await?;
        }
    }
    assert!(seq > 15, "only {seq} events");
    assert_eq!(app.engine.listeners(), 2);
    drop(quiet.send(b"").await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_its_stream_and_no_other() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut staying = follow(&app, "e", "").await?;
    let going = follow(&app, "e", "").await?;
    let quiet = follow(&app, "quiet", "").await?;
    eventually("three listeners", || app.engine.listeners() == 3).await;
    drop(going);
    drop(quiet);
    // Long before the next heartbeat, which would come after 15 seconds.
    let start = Instant::now();
    eventually("one listener", || app.engine.listeners() == 1).await;
    assert!(start.elapsed() < Duration::from_secs(5));
    for _ in 0..5 {
        event(&mut staying).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_need_few_instances() -> Result<()> {
    let mut options = Options::default();
    options.endpoints.requests_per_instance = 2;
    let app = App::start(options).await?;
    // More streams than there can be instances, each taking a request of its instance.
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(follow(&app, "e", "").await?);
    }
    for client in &mut clients {
        event(client).await?;
    }
    assert_eq!(app.engine.listeners(), 200);
    drop(clients);
    eventually("no listener", || app.engine.listeners() == 0).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_its_wait() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    client
        .send(
            b"POST /api/workflows/w/execute HTTP/1.1\r\nhost: a\r\nprefer: wait=60\r\n\
              content-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        )
        .await?;
    eventually("one waits", || app.engine.waiters() == 1).await;
    drop(client);
    eventually("nobody waits", || app.engine.waiters() == 0).await;
    Ok(())
}
