//! The engine API of a host: whose tokens open it, and what clients need who come in through it.

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::{Value, json};

use super::{entry, people};
use crate::{
    client::{Client, Reply},
    host::{Place, program},
};

/// The file of tokens of the edge alone.
fn edge() -> String {
    entry("edge", &["edge-token"], &["engine"])
}

/// Asks for a list of executions with a token of the endpoint, for a client with another one.
async fn list(engine: SocketAddr, token: &str, client: Option<&str>) -> Reply {
    let body = json!({
        "caller": {
            "address": "192.0.2.7",
            "authorization": client.map(|token| format!("Bearer {token}")),
        },
        "filter": {},
        "page": {"limit": 1},
    });
    let headers = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    let mut connection = Client::connect(engine).await.unwrap();
    let (path, body) = ("/engine/v1/executions/list", body.to_string());
    let reply = connection.request("POST", path, &headers, body.as_bytes());
    reply.await.unwrap()
}

/// What the engine said, let in as it was.
fn result(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn where_anybody_may_call_the_engine_api_still_needs_a_token() {
    let place = Place::new();
    let file = place.write("engine.toml", &edge());
    let host = place.host_with(&["--engine-listen", "127.0.0.1:0", "--engine-tokens", &file]);
    let engine = host.engine.unwrap();
    assert_eq!(host.api.get("/api/executions").await.status, 200);
    for strange in ["", "another"] {
        assert_eq!(list(engine, strange, None).await.status, 401, "{strange}");
        let as_client = list(engine, strange, Some("edge-token")).await;
        assert_eq!(as_client.status, 401, "{strange}");
    }
    // What a client shows makes no difference where nobody asks for it.
    for client in [None, Some("another")] {
        let found = result(&list(engine, "edge-token", client).await);
        assert_eq!(found["Ok"]["items"], json!([]), "{found}");
    }
    let log = place.log();
    let warning = "whoever reaches the endpoints elsewhere may do anything";
    assert!(log.contains(warning), "{log}");
}

#[tokio::test]
async fn tokens_of_endpoints_and_of_clients_are_not_mixed_up() {
    let place = Place::new();
    let clients = place.write("tokens.toml", &people());
    let endpoints = place.write("engine.toml", &edge());
    let host = place.host_with(&[
        "--tokens",
        &clients,
        "--engine-listen",
        "127.0.0.1:0",
        "--engine-tokens",
        &endpoints,
    ]);
    let engine = host.engine.unwrap();
    // Robot has the scope, but in the file of clients.
    for client in ["robot-token", "alice-token"] {
        let reply = list(engine, client, Some("alice-token")).await;
        assert_eq!(reply.status, 401, "{client}: {reply:?}");
    }
    // What opens the engine API makes nobody a client: not who sends it with the call, not who has it.
    for client in [None, Some("edge-token")] {
        let found = result(&list(engine, "edge-token", client).await);
        assert_eq!(found["Err"], "Unauthenticated");
    }
    let reply = host.api.with_token("edge-token").get("/api/executions");
    assert_eq!(reply.await.status, 401);
    let found = result(&list(engine, "edge-token", Some("starter-token")).await);
    assert!(found["Err"]["Forbidden"].is_string(), "{found}");
    let found = result(&list(engine, "edge-token", Some("alice-token")).await);
    assert_eq!(found["Ok"]["items"], json!([]), "{found}");
}

#[tokio::test]
async fn one_file_may_be_for_both() {
    let place = Place::new();
    let file = place.write("tokens.toml", &people());
    let host = place.host_with(&["--tokens", &file, "--engine-listen", "127.0.0.1:0"]);
    let engine = host.engine.unwrap();
    let status = async |token| list(engine, token, Some("alice-token")).await.status;
    assert_eq!(status("robot-token").await, 200);
    assert_eq!(status("alice-token").await, 403);
    assert_eq!(status("").await, 401);
}

/// Starts a host that does not get as far as its database; gives its exit code and what it said.
fn refused(folder: &Path, options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program())
        .args(["serve", "--listen", "127.0.0.1:0", "--database"])
        .arg(format!("sqlite://{}", folder.join("x.db").display()))
        .args(options)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env_remove("PHASEWRIGHT_TOKENS")
        .env_remove("PHASEWRIGHT_ENGINE_LISTEN")
        .env_remove("PHASEWRIGHT_ENGINE_TOKENS")
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    assert!(!folder.join("x.db").exists());
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_host_does_not_start_with_an_engine_api_that_nobody_guards() {
    let folder = tempfile::tempdir().unwrap();
    let says = |options: &[&str], code: i32, what: &str| {
        let (status, log) = refused(folder.path(), options);
        assert_eq!(status, Some(code), "{log}");
        assert!(log.contains(what), "{log}");
    };
    let listen = ["--engine-listen", "127.0.0.1:0"];
    says(&listen, 1, "needs --engine-tokens or --tokens");

    let file = folder.path().join("engine.toml");
    let tokens = ["--engine-tokens", file.to_str().unwrap()];
    says(&[listen, tokens].concat(), 1, "engine.toml");
    // Somebody has taken the file of clients.
    std::fs::write(&file, edge() + &people()).unwrap();
    let what = "line 8: token 2: the scope read is for nothing here: use engine";
    says(&[listen, tokens].concat(), 1, what);
    // Tokens for a door that there is not.
    says(&tokens, 2, "--engine-listen <ADDRESS>");
}
