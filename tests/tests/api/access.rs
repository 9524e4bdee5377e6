//! Tokens: who may do what, and what becomes of the file that says so.

mod engine;
mod reviewers;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use phasewright::workflow::Digest;
use serde_json::json;
use tokio::time::timeout;

use crate::{
    api::Api,
    contract::{Operation, contract},
    host::{Host, Place, program},
    openapi::examples::{good_body, path_to_nothing},
};

/// Names and scopes; the token of each is the name and `-token`.
const PEOPLE: [(&str, &[&str]); 6] = [
    (
        "alice",
        &[
            "read",
            "start",
            "control",
            "review",
            "define",
            "group:finance",
        ],
    ),
    ("bob", &["read", "start", "review"]),
    ("carol", &["read", "review", "group:finance"]),
    ("rita", &["read", "group:finance"]),
    ("starter", &["start"]),
    ("robot", &["engine"]),
];

/// What each operation needs that needs anything.
const SCOPES: [(&str, &str); 33] = [
    ("DELETE /api/workflows/{id}", "define"),
    ("DELETE /api/workflows/{id}/versions/{version}", "define"),
    ("GET /api/checkpoints", "read"),
    ("GET /api/checkpoints/{id}", "read"),
    ("GET /api/executions", "read"),
    ("GET /api/executions/{id}", "read"),
    ("GET /api/executions/{id}/artifacts", "read"),
    ("GET /api/executions/{id}/artifacts/{node}/{name}", "read"),
    ("GET /api/executions/{id}/events", "read"),
    ("GET /api/phases", "read"),
    ("GET /api/phases/{name}", "read"),
    ("GET /api/templates", "read"),
    ("GET /api/templates/{name}", "read"),
    ("GET /api/workflows", "read"),
    ("GET /api/workflows/{id}", "read"),
    ("GET /api/workflows/{id}/diff", "read"),
    ("GET /api/workflows/{id}/versions", "read"),
    ("POST /api/checkpoints/{id}/resolve", "review"),
    ("POST /api/executions/all/cancel", "control"),
    ("POST /api/executions/all/pause", "control"),
    ("POST /api/executions/all/rerun", "start"),
    ("POST /api/executions/all/resume", "control"),
    ("POST /api/executions/{id}/cancel", "control"),
    ("POST /api/executions/{id}/migrate", "control"),
    ("POST /api/executions/{id}/pause", "control"),
    ("POST /api/executions/{id}/rerun", "start"),
    ("POST /api/executions/{id}/resume", "control"),
    ("POST /api/templates/{name}/instantiate", "define"),
    ("POST /api/workflows/validate", "read"),
    ("POST /api/workflows/{id}/execute", "start"),
    (
        "POST /api/workflows/{id}/versions/{version}/deprecate",
        "define",
    ),
    (
        "POST /api/workflows/{id}/versions/{version}/restore",
        "define",
    ),
    ("PUT /api/workflows/{id}", "define"),
];

fn entry(name: &str, tokens: &[&str], scopes: &[&str]) -> String {
    let digests: Vec<_> = tokens
        .iter()
        .map(|token| Digest::of(token.as_bytes()).to_string())
        .collect();
    format!("[[token]]\nname = {name:?}\nsha256 = {digests:?}\nscopes = {scopes:?}\n")
}

fn people() -> String {
    let entries = PEOPLE
        .iter()
        .map(|(name, scopes)| entry(name, &[&format!("{name}-token")], scopes));
    entries.collect()
}

/// A host that knows some people.
pub fn guarded(place: &Place) -> Host {
    let file = place.write("tokens.toml", &people());
    place.host_with(&["--tokens", &file])
}

/// What of this token's scope would be needed, as the host says it.
async fn asks_for(api: Api, operation: &Operation) -> Option<String> {
    let body = good_body(operation).map_or_else(String::new, ToString::to_string);
    let path = path_to_nothing(operation);
    let reply = api
        .send(&operation.method, &path, "", body.as_bytes())
        .await;
    assert_ne!(reply.status, 401, "{}: {reply:?}", operation.shown());
    (reply.status == 403).then(|| reply.json()["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn each_scope_opens_what_it_is_for_and_nothing_else() {
    let place = Place::new();
    let all = ["read", "start", "control", "review", "define"];
    let mut file = String::new();
    for scope in all {
        let others: Vec<_> = all
            .iter()
            .copied()
            .filter(|other| *other != scope)
            .chain(["engine"])
            .collect();
        file += &entry(
            &format!("only-{scope}"),
            &[&format!("only-{scope}")],
            &[scope],
        );
        file += &entry(&format!("not-{scope}"), &[&format!("not-{scope}")], &others);
    }
    let host = place.host_with(&["--tokens", &place.write("tokens.toml", &file)]);
    let contract = contract().await;
    for (shown, scope) in SCOPES {
        let operation = contract.operations.iter().find(|it| it.shown() == shown);
        let operation = operation.unwrap_or_else(|| panic!("no {shown} in the document"));
        // A host lives as long as its process: so may the two names of a token.
        let [only, not] = ["only", "not"].map(|which| format!("{which}-{scope}").leak());
        assert_eq!(
            asks_for(host.api.with_token(only), operation).await,
            None,
            "{shown}"
        );
        let expected =
            format!("this needs the scope {scope}, which the token of not-{scope} does not have");
        assert_eq!(
            asks_for(host.api.with_token(not), operation).await,
            Some(expected),
            "{shown}"
        );
    }
    let known: BTreeSet<_> = SCOPES
        .iter()
        .map(|(shown, _)| (*shown).to_owned())
        .collect();
    let guarded = contract
        .operations
        .iter()
        .filter(|it| it.answers.contains_key(&401));
    assert_eq!(known, guarded.map(Operation::shown).collect());

    // A dry run of a rerun only reads.
    let plan = "/api/executions/01890000-0000-7000-8000-000000000000/rerun?dry_run=true";
    let reply = host
        .api
        .with_token("only-read")
        .post(plan, &json!({}))
        .await;
    assert_eq!(reply.status, 404, "{reply:?}");
    let reply = host
        .api
        .with_token("only-start")
        .post(plan, &json!({}))
        .await;
    reply.is_problem(403, "the scope read");
}

#[tokio::test]
async fn without_a_good_token_nobody_gets_in() {
    let place = Place::new();
    let host = guarded(&place);
    let list = "/api/executions";
    for bad in [
        "",
        "Bearer",
        "Basic alice-token",
        "Bearer alice-tokens",
        "bearer  ",
    ] {
        let headers = if bad.is_empty() {
            String::new()
        } else {
            format!("authorization: {bad}\r\n")
        };
        let reply = host.api.send("GET", list, &headers, b"").await;
        reply.is_problem(401, "a valid bearer token is required");
        assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(
        host.api.with_token("alice-token").get(list).await.status,
        200
    );
    host.api.is_well().await;

    // Who may start but not read is told of the start, and that only.
    let alice = host.api.with_token("alice-token");
    let quick =
        json!({"id": "quick", "nodes": [{"id": "a", "phase": "delay", "config": {"ms": 0}}]});
    alice.put(&quick).await;
    let starter = host.api.with_token("starter-token");
    let prefer = "prefer: wait=30\r\n";
    let path = "/api/workflows/quick/execute";
    let reply = starter.send("POST", path, prefer, b"{}").await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.header("preference-applied"), None);
    let id = reply.json()["execution_id"].as_str().unwrap().to_owned();
    assert_eq!(alice.end(&id).await["started_by"], "starter");
    assert_eq!(alice.send("POST", path, prefer, b"{}").await.status, 200);
    let log = place.log();
    assert!(
        !log.contains("alice-token") && !log.contains(&Digest::of(b"alice-token").to_string()),
        "{log}"
    );
}

#[tokio::test]
async fn tokens_come_and_go_without_a_restart() {
    let place = Place::new();
    let file = place.write("tokens.toml", &people());
    let host = place.host_with(&["--tokens", &file]);
    let status = async |token| {
        host.api
            .with_token(token)
            .get("/api/executions")
            .await
            .status
    };
    let until = async |token: &'static str, expected| {
        let wait = async { while status(token).await != expected {} };
        timeout(host.api.patience, wait).await.unwrap();
    };
    assert_eq!(status("alice-token").await, 200);
    place.write(
        "tokens.toml",
        &entry("alice", &["alice-token", "newer"], &["read"]),
    );
    until("newer", 200).await;
    assert_eq!(status("alice-token").await, 200);
    assert_eq!(status("bob-token").await, 401);
    place.write("tokens.toml", &entry("alice", &["newer"], &["read"]));
    until("alice-token", 401).await;

    place.write("tokens.toml", "[[token]]\nname = \"alice\"\n");
    let told = async {
        while !place.log().contains("failed to read the tokens again") {
            assert_eq!(status("newer").await, 200);
        }
    };
    timeout(host.api.patience, told).await.unwrap();
    assert_eq!(status("newer").await, 200);
    assert!(place.log().contains("line 1: token 1: sha256 is missing"));

    // As the command line makes them, and takes them.
    let run = |arguments: &[&str], token: &str| {
        let mut command = Command::new(program());
        command.args(arguments).env("PHASEWRIGHT_TOKEN", token);
        command.output().unwrap()
    };
    let made = run(&["token", "zoe", "--scopes", "read,review,read"], "");
    let said = String::from_utf8(made.stderr).unwrap();
    let token = said.trim().rsplit(' ').next().unwrap();
    assert_eq!(token.len(), "phasewright_".len() + 64, "{said}");
    place.write("tokens.toml", &String::from_utf8(made.stdout).unwrap());
    until("newer", 401).await;
    let server = format!("http://{}", host.api.address);
    let list = [
        "checkpoints",
        "list",
        "--reviewer",
        "me",
        "--json",
        "--server",
        &server,
    ];
    let listed = run(&list, token);
    assert!(listed.status.success(), "{listed:?}");
    let refused = run(&list, "another");
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a valid bearer token is required"));
}

#[test]
fn a_host_does_not_start_with_a_broken_file_and_says_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let text = people()
        .replace("\"rita\"", "\"bob\"")
        .replace("\"engine\"", "\"engines\"");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(program())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--database",
            "sqlite://none/such.db",
            "--tokens",
        ])
        .arg(&file)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(output.stdout.is_empty());
    for wrong in [
        "tokens.toml: line 14: token 4: bob is in line 5 already",
        "line 24: token 6: \"engines\" is not a scope",
    ] {
        assert!(log.contains(wrong), "{log}");
    }
}

#[test]
fn a_host_that_is_open_to_all_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", folder.path().join("x.db").display());
    let mut host = Command::new(program())
        .args(["serve", "--listen", "0.0.0.0:0", "--database", &database])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env_remove("PHASEWRIGHT_TOKENS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut output = BufReader::new(host.stdout.take().unwrap());
    output.read_line(&mut first).unwrap();
    host.kill().unwrap();
    let log = String::from_utf8(host.wait_with_output().unwrap().stderr).unwrap();
    assert!(first.starts_with("listening on "), "{first}{log}");
    assert!(
        log.contains("whoever reaches this address may do anything"),
        "{log}"
    );
}
