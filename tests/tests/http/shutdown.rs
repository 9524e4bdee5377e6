//! Stopping: what is in flight is finished, what would never end is ended.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    app::{App, Options, eventually},
    client::Client,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_finished() -> Result<()> {
    let mut app = App::start(Options::default()).await?;
    let mut idle = app.client().await?;
    assert_eq!(idle.get("/health/live").await?.status, 200);
    let mut slow = app.client().await?;
    slow.send(b"GET /misbehave/slow HTTP/1.1\r\nhost: a\r\n\r\n")
        .await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    app.stop();
    let reply = slow.reply(false).await?;
    assert_eq!((reply.status, reply.body.as_str()), (200, "slow"));
    slow.closed().await?;
    idle.closed().await?;
    let address = app.address;
    app.stopped().await?;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(Client::connect(address).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_waits_end_properly() -> Result<()> {
    let mut app = App::start(Options::default()).await?;
    let mut stream = app.client().await?;
    stream
        .send(b"GET /api/executions/quiet/events HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        .await?;
    assert_eq!(stream.head().await?.status, 200);
    let mut waiting = app.client().await?;
    waiting
        .send(
            b"POST /api/workflows/w/execute HTTP/1.1\r\nhost: a\r\nprefer: wait=60\r\n\
              content-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        )
        .await?;
    eventually("one listens", || app.engine.listeners() == 1).await;
    eventually("one waits", || app.engine.waiters() == 1).await;
    let start = Instant::now();
    app.stop();
    while stream.chunk().await?.is_some() {}
    let reply = waiting.reply(false).await?;
    assert!((200..300).contains(&reply.status), "{reply:?}");
    app.stopped().await?;
    assert!(start.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_is_closed_after_the_grace_period() -> Result<()> {
    let mut options = Options::default();
    options.http.grace = Duration::from_millis(400);
    let mut app = App::start(options).await?;
    let mut client = app.client().await?;
    client
        .send(b"GET /misbehave/never HTTP/1.1\r\nhost: a\r\n\r\n")
        .await?;
    let mut stream = app.client().await?;
    stream
        .send(b"GET /misbehave/quiet-stream HTTP/1.1\r\nhost: a\r\n\r\n")
        .await?;
    assert_eq!(stream.head().await?.status, 200);
    let connections = app.connections.clone();
    let start = Instant::now();
    app.stop();
    app.stopped().await?;
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    client.closed().await?;
    stream.closed().await?;
    eventually("all connections closed", || connections.open() == 0).await;
    Ok(())
}
