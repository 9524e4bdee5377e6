//! A database that is not there, goes away, or comes back; and hosts that end again and again.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use phasewright_test_postgres::{Cluster, Database, Options, Stop};
use serde_json::json;

use crate::{
    host::{Place, program},
    openapi::statuses::while_the_database_is_away,
};

#[tokio::test]
async fn without_its_database_a_host_ends_at_once_and_says_why() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (database, reason) in [
        (
            format!("postgres://ann:secret@{free}/x"),
            format!("PostgreSQL database \"x\" at {free}: cannot connect"),
        ),
        (
            "mysql://ann:secret@db/x".to_owned(),
            "scheme \"mysql\"".to_owned(),
        ),
        (
            format!("sqlite://{}/absent/x.db", folder.path().display()),
            "absent/x.db.lock".to_owned(),
        ),
    ] {
        let begin = Instant::now();
        let output = Command::new(program())
            .args(["serve", "--listen", "127.0.0.1:0", "--database", &database])
            .args(["--phases", "target/phases"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(begin.elapsed() < Duration::from_secs(10));
        let line = log.lines().last().unwrap();
        assert!(line.contains("failed to open the database"), "{log}");
        assert!(line.contains(&reason), "{log}");
        assert!(!log.contains("secret"), "{log}");
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn while_the_database_is_away_work_waits_and_then_goes_on() {
    let cluster = Cluster::start(Options { durable: true }).unwrap();
    let place = Place::with(Some(Database::create(cluster.server()).unwrap()));
    let host = place.host_with(&["--lease-seconds", "2"]);
    let definition = json!({"id": "patient", "nodes": [
        {"id": "wait", "phase": "delay", "config": {"ms": 500}},
        {"id": "then", "phase": "delay", "config": {"ms": 1}, "needs": ["wait"]},
    ]});
    for how in [Stop::Fast, Stop::Immediate] {
        let id = host.api.launch(&definition, &json!({})).await;
        host.api.until(&id, "node_started", "wait").await;
        cluster.stop(how).unwrap();
        assert_eq!(host.api.get("/health/ready").await.status, 503);
        assert_eq!(host.api.read("/health").await["status"], "unhealthy");
        assert_eq!(host.api.get("/health/live").await.status, 200);
        let path = "/api/workflows/patient/execute";
        let reply = host.api.post(path, &json!({})).await;
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
        cluster.start_again().unwrap();
        while host.api.get("/health/ready").await.status != 200 {}
        assert_eq!(host.api.end(&id).await["status"], "completed");
        let journal = host.api.journal(&id).await;
        journal.is_whole("execution_completed");
        journal.each_succeeded_once(2);
    }
}

#[tokio::test]
async fn without_its_database_a_host_says_so_wherever_it_needs_it() {
    let cluster = Cluster::start(Options { durable: true }).unwrap();
    let place = Place::with(Some(Database::create(cluster.server()).unwrap()));
    let host = place.host();
    cluster.stop(Stop::Immediate).unwrap();
    while_the_database_is_away(host.api).await;
}

#[tokio::test]
async fn an_execution_that_ends_its_hosts_is_given_up_and_can_be_resumed() {
    let place = Place::new();
    let options = ["--max-crashes", "2", "--lease-seconds", "1"];
    let mut host = place.host_with(&options);
    let definition = json!({"id": "poison", "nodes": [
        {"id": "slow", "phase": "delay", "config": {"ms": 60_000}},
    ]});
    let id = host.api.launch(&definition, &json!({})).await;
    host.api.until(&id, "node_started", "slow").await;
    for _ in 0..2 {
        host.kill();
        host = place.host_with(&options);
        // Taken on, or given up.
        let claimed = async |api: crate::api::Api| {
            let health = api.read("/health").await;
            let is_over = api.execution(&id).await["status"] != "running";
            is_over || health["tasks"]["background"] == 1
        };
        while !claimed(host.api).await {}
    }
    let execution = host.api.end(&id).await;
    assert_eq!(execution["status"], "failed", "{execution}");
    let error = execution["error"].to_string();
    assert!(
        error.contains("2 hosts in a row ended while they ran it"),
        "{error}"
    );
    let journal = host.api.journal(&id).await;
    let failed = journal.0.last().unwrap();
    assert_eq!(failed["payload"]["error"]["cause"], "crashed", "{failed}");
    let reply = host
        .api
        .post(&format!("/api/executions/{id}/resume"), &json!({}))
        .await;
    assert_eq!(reply.status, 202, "{reply:?}");
    host.api
        .follow(&id, journal.last_seq(), |event| {
            event["kind"] == "node_started"
        })
        .await;
}
