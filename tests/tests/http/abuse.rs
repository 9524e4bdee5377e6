//! What clients must not do gets a 4xx and nothing else.

use std::time::Duration;

use anyhow::Result;

use crate::app::{App, Options};

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_paths_reach_no_component() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    for path in [
        "//",
        "//health/live",
        "/health//live",
        "/./health/live",
        "/api/../health/live",
        "/health/live/..",
        "/api/%2e%2e/health/live",
        "/api/%2E%2E%2Fhealth/live",
        "/api/..%5chealth",
        "/api/executions/%",
        "/api/executions/%zz",
        "/api/executions/%ff%fe",
        "/api/executions/%00",
        "/api/executions/a%0d%0ab",
        "*",
    ] {
        client.get(path).await?.is_problem(400, "the path");
    }
    // These can only be read one way, and there is nothing to be found.
    for path in [
        "/%68ealth/live",
        "/health%2flive",
        "/api/executions/%61%2fb",
    ] {
        let reply = client.get(path).await?;
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_are_refused() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let big = "x".repeat(200_000);
    let many = "a: b\r\n".repeat(101);
    let cases = [
        "nonsense\r\n\r\n".to_owned(),
        "GET /health/live HTTP/3.0\r\n\r\n".to_owned(),
        "GET  /health/live HTTP/1.1\r\n\r\n".to_owned(),
        "G\u{e9}T /health/live HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health/live\u{0} HTTP/1.1\r\n\r\n".to_owned(),
        "GET /health/live HTTP/1.1\r\nno colon\r\n\r\n".to_owned(),
        "GET /health/live HTTP/1.1\r\na b: c\r\n\r\n".to_owned(),
        "GET /health/live HTTP/1.1\r\na: b\r\n c: d\r\n\r\n".to_owned(),
        "POST /misbehave/echo HTTP/1.1\r\ncontent-length: x\r\n\r\n".to_owned(),
        "POST /misbehave/echo HTTP/1.1\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /misbehave/echo HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"
            .to_owned(),
        "POST /misbehave/echo HTTP/1.1\r\ntransfer-encoding: nonsense\r\n\r\n".to_owned(),
        "CONNECT health:80 HTTP/1.1\r\n\r\n".to_owned(),
        format!("GET /{big} HTTP/1.1\r\n\r\n"),
        format!("GET /health/live HTTP/1.1\r\na: {big}\r\n\r\n"),
        format!("GET /health/live HTTP/1.1\r\n{many}\r\n"),
    ];
    for case in cases {
        let mut client = app.client().await?;
        // The server may close before it has read everything.
        drop(client.send(case.as_bytes()).await);
        let shown = &case[..case.len().min(100)];
        let reply = client.head().await?;
        assert!((400..500).contains(&reply.status), "{shown:?}: {reply:?}");
    }
    assert_eq!(app.client().await?.get("/health/live").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_limit() -> Result<()> {
    let mut options = Options::default();
    options.http.body_bytes = 100_000;
    let app = App::start(options).await?;

    let mut client = app.client().await?;
    let fits = vec![b'x'; 100_000];
    let reply = client.request("POST", "/misbehave/echo", "", &fits).await?;
    assert!(reply.body.ends_with("100000 bytes"), "{reply:?}");

    // Too long as it says itself: refused before any of it is sent.
    let mut client = app.client().await?;
    client
        .send(b"POST /misbehave/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100001\r\n\r\n")
        .await?;
    client
        .reply(false)
        .await?
        .is_problem(413, "at most 100000 bytes");

    // Too long as it turns out, whether the component reads it or not.
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let head = "POST /misbehave/echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut client = app.client().await?;
    client.send(head.as_bytes()).await?;
    client.send(chunk.as_bytes()).await?;
    client.send(chunk.as_bytes()).await?;
    client
        .reply(false)
        .await?
        .is_problem(413, "at most 100000 bytes");

    // Within the limit in pieces.
    let mut client = app.client().await?;
    client.send(head.as_bytes()).await?;
    client.send(chunk.as_bytes()).await?;
    client.send(b"0\r\n\r\n").await?;
    let reply = client.reply(false).await?;
    assert!(reply.body.ends_with("60000 bytes"), "{reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_reads_does_no_harm() -> Result<()> {
    let app = App::start(Options::default()).await?;
    for _ in 0..20 {
        let mut client = app.client().await?;
        let reply = client
            .request("POST", "/misbehave/deaf", "", &vec![b'x'; 50_000])
            .await?;
        assert_eq!(reply.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_let_go() -> Result<()> {
    let mut options = Options::default();
    options.http.head_time = Duration::from_millis(300);
    options.http.body_pause = Duration::from_millis(300);
    let app = App::start(options).await?;

    let mut client = app.client().await?;
    client.send(b"GET /health/live HTTP/1.1\r\nhost:").await?;
    client.closed().await?;

    let mut client = app.client().await?;
    assert_eq!(client.get("/health/live").await?.status, 200);
    client.closed().await?;

    let mut client = app.client().await?;
    client
        .send(b"POST /misbehave/echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf")
        .await?;
    client.reply(false).await?.is_problem(408, "body");

    crate::app::eventually("all connections closed", || app.connections.open() == 0).await;
    Ok(())
}
