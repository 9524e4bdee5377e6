//! Every route reaches its component, and what the host adds on the way.

use anyhow::Result;

use crate::app::{App, Options};

#[tokio::test(flavor = "multi_thread")]
async fn every_route_reaches_its_component() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    let json = "content-type: application/json\r\n";
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, u16)] = &[
        ("GET", "/health", "", 200),
        ("GET", "/health/live", "", 200),
        ("GET", "/health/ready", "", 503),
        ("GET", "/health/startup", "", 200),
        ("POST", "/api/workflows/w/execute", "{}", 202),
        ("POST", "/api/executions/e/cancel", "{}", 202),
        ("POST", "/api/executions/e/pause", "{}", 202),
        ("POST", "/api/executions/e/resume", "{}", 202),
        ("POST", "/api/executions/e/rerun", "{}", 202),
        ("POST", "/api/executions/e/rerun?dry_run=true", "{}", 200),
        ("POST", "/api/executions/e/migrate", r#"{"version":2}"#, 202),
        ("POST", "/api/executions/e/migrate?dry_run=true", r#"{"version":2}"#, 200),
        ("GET", "/api/executions", "", 200),
        ("GET", "/api/executions?limit=3", "", 200),
        ("GET", "/api/executions/e", "", 200),
        ("GET", "/api/executions/e/events", "", 200),
        ("GET", "/api/executions/e/artifacts", "", 200),
        ("GET", "/api/executions/e/artifacts/n/report.md", "", 200),
        ("GET", "/api/checkpoints", "", 200),
        ("GET", "/api/checkpoints/c", "", 200),
        ("POST", "/api/checkpoints/c/resolve", r#"{"action":"approve"}"#, 200),
        ("GET", "/api/workflows", "", 200),
        ("GET", "/api/workflows/w", "", 200),
        ("GET", "/api/workflows/w/versions", "", 200),
        ("GET", "/api/workflows/w/diff", "", 200),
        ("POST", "/api/workflows/w/versions/1/deprecate", r#"{"reason":"r"}"#, 200),
        ("POST", "/api/workflows/w/versions/1/restore", "{}", 200),
        ("DELETE", "/api/workflows/w/versions/1", "", 204),
        ("DELETE", "/api/workflows/w", "", 204),
        ("GET", "/api/templates", "", 200),
        ("GET", "/api/templates/t", "", 200),
        ("POST", "/api/templates/t/instantiate", r#"{"id":"w"}"#, 200),
        ("GET", "/api/phases", "", 200),
        ("GET", "/api/phases/p", "", 200),
    ];
    for (method, path, body, status) in cases {
        let headers = if body.is_empty() { "" } else { json };
        let reply = client
            .request(method, path, headers, body.as_bytes())
            .await?;
        assert_eq!(reply.status, *status, "{method} {path}: {reply:?}");
        assert_eq!(
            reply.header("x-request-id").map(str::len),
            Some(36),
            "{path}"
        );
        if *status != 204 && !path.ends_with("/report.md") {
            assert_eq!(
                reply.header("content-type"),
                Some("application/json"),
                "{path}"
            );
            reply.json();
        }
    }
    let reply = client
        .get("/api/executions/e/artifacts/n/report.md")
        .await?;
    assert_eq!(reply.header("content-type"), Some("text/markdown"));
    assert_eq!(reply.body.len(), 300_000);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    for path in [
        "/",
        "/api",
        "/healthy",
        "/API/executions",
        "/api/executions/e/other",
        "/metrics",
    ] {
        client
            .get(path)
            .await?
            .is_problem(404, "nothing is at this path");
    }
    client
        .get("/api/executions/missing")
        .await?
        .is_problem(404, "missing");
    let reply = client.request("DELETE", "/health/live", "", b"").await?;
    reply.is_problem(405, "DELETE");
    assert_eq!(reply.header("allow"), Some("GET, HEAD"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    let reply = client.request("HEAD", "/health/live", "", b"").await?;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-length"), Some("14"));
    // The connection goes on where the head has ended.
    assert_eq!(client.get("/health/live").await?.body, r#"{"alive":true}"#);
    assert_eq!(
        client.request("HEAD", "/nowhere", "", b"").await?.status,
        404
    );
    assert_eq!(client.get("/health/live").await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_says_who_the_client_is() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let mut client = app.client().await?;
    let headers = "spin-client-addr: 1.2.3.4:5\r\nSpin-Path-Info: /etc\r\nspin-x: 1\r\n\
        x-request-id: my-id.1\r\naccept: a\r\n";
    let reply = client
        .request("GET", "/misbehave/echo?a=%20b", headers, b"")
        .await?;
    assert_eq!(reply.header("x-request-id"), Some("my-id.1"));
    let ids = reply.header_names().filter(|name| *name == "x-request-id");
    assert_eq!(ids.count(), 1, "{reply:?}");
    let lines: Vec<_> = reply.body.lines().collect();
    assert!(lines[0].ends_with("/misbehave/echo?a=%20b"), "{lines:?}");
    let spin: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("spin-"))
        .collect();
    assert_eq!(spin.len(), 1, "{lines:?}");
    assert!(
        spin[0].starts_with("spin-client-addr: 127.0.0.1:"),
        "{lines:?}"
    );
    assert!(lines.contains(&"x-request-id: my-id.1"), "{lines:?}");
    assert!(lines.contains(&"accept: a"), "{lines:?}");

    let reply = client
        .request("GET", "/misbehave/echo", "x-request-id: a b\r\n", b"")
        .await?;
    assert_ne!(reply.header("x-request-id"), Some("a b"));
    let reply = client.get("http://elsewhere/misbehave/echo").await?;
    assert!(!reply.body.contains("elsewhere"), "{reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_serve_many_requests_but_not_for_ever() -> Result<()> {
    let mut options = Options::default();
    options.endpoints.requests_per_instance = 4;
    let app = App::start(options).await?;
    let mut client = app.client().await?;
    let mut counts = Vec::new();
    for _ in 0..12 {
        let count: usize = client.get("/misbehave/count").await?.body.parse()?;
        counts.push(count);
    }
    assert_eq!(counts.iter().max(), Some(&4), "{counts:?}");
    assert_eq!(
        counts.iter().filter(|count| **count == 1).count(),
        3,
        "{counts:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_connections_at_once() -> Result<()> {
    let app = App::start(Options::default()).await?;
    let clients = (0..100).map(|number| {
        let address = app.address;
        tokio::spawn(async move {
            let mut client = crate::client::Client::connect(address).await?;
            for _ in 0..20 {
                let path = ["/health/live", "/api/executions/e", "/misbehave/slow"][number % 3];
                assert_eq!(client.get(path).await?.status, 200);
                if number % 3 == 2 {
                    break;
                }
            }
            anyhow::Ok(())
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_connections_than_places_wait_their_turn() -> Result<()> {
    let options = Options {
        connections: phasewright::http::Connections::new(2),
        ..Options::default()
    };
    let app = App::start(options).await?;
    let mut first = app.client().await?;
    let mut second = app.client().await?;
    assert_eq!(first.get("/health/live").await?.status, 200);
    assert_eq!(second.get("/health/live").await?.status, 200);
    assert_eq!(app.connections.open(), 2);
    let mut third = app.client().await?;
    third
        .send(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        .await?;
    assert_eq!(first.get("/health/live").await?.status, 200);
    assert_eq!(app.connections.open(), 2);
    drop(second);
    assert_eq!(third.reply(false).await?.status, 200);
    Ok(())
}
