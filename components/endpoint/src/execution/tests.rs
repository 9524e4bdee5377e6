//! Starts that are taken and starts that are not; executions as JSON.

use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::{
    STATUSES, is_over, planned, reason, rerun_request, shown, start_request, started, status_name,
};
use crate::{
    Problem,
    bindings::{
        executions::{Execution, NodeView, RerunPlan, StartRequest, Summary},
        types::{ExecutionStatus, NodeStatus},
    },
    reply::test::{text, value},
    request::test::head,
};

fn start(body: &str) -> Result<StartRequest, Problem> {
    start_request("w", &HeaderMap::new(), body)
}

fn violations(body: &str) -> Vec<(String, String)> {
    let problem = start(body).unwrap_err();
    assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let errors = problem.errors().iter();
    errors
        .map(|error| (error.pointer.clone(), error.message.clone()))
        .collect()
}

#[test]
fn an_empty_body_starts_with_nothing() {
    for body in [
        "",
        "{}",
        r#"{"input":null,"version":null,"requirement":null}"#,
    ] {
        let request = start(body).unwrap();
        assert_eq!(request.workflow_id, "w");
        assert_eq!((&*request.input, &*request.context), ("{}", "{}"));
        assert_eq!((request.version, request.timeout_ms), (None, None));
        assert_eq!(request.idempotency_key, None);
    }
}

#[test]
fn documents_stay_as_they_are_written() {
    let headers = head("POST", "/", &[("idempotency-key", "k1")]).headers;
    let body = r#"{"input": {"a" : 1.0, "b":[1e2]}, "initial_context": {"timeout_seconds": 1.5, "t": 1}, "version": 3}"#;
    let request = start_request("w", &headers, body).unwrap();
    assert_eq!(request.input, r#"{"a" : 1.0, "b":[1e2]}"#);
    assert_eq!(request.context, r#"{"timeout_seconds": 1.5, "t": 1}"#);
    assert_eq!(
        (request.version, request.timeout_ms),
        (Some(3), Some(1_500))
    );
    assert_eq!(request.idempotency_key.as_deref(), Some("k1"));
}

#[test]
fn the_requirement_becomes_part_of_the_input() {
    for (body, input) in [
        (
            r#"{"requirement":"a \"b\""}"#,
            r#"{"requirement":"a \"b\""}"#,
        ),
        (
            r#"{"requirement":"a","input":{ }}"#,
            r#"{"requirement":"a" }"#,
        ),
        (
            r#"{"requirement":"a","input":{ "x":1}}"#,
            r#"{"requirement":"a", "x":1}"#,
        ),
    ] {
        let request = start(body).unwrap();
        assert_eq!(request.input, input);
        serde_json::from_str::<serde_json::Value>(&request.input).unwrap();
    }
}

#[test]
fn timeouts_are_rounded_up_to_a_millisecond() {
    for (seconds, milliseconds) in [("1", 1_000), ("0.0001", 1), ("31536000", 31_536_000_000)] {
        let body = format!(r#"{{"initial_context":{{"timeout_seconds":{seconds}}}}}"#);
        assert_eq!(start(&body).unwrap().timeout_ms, Some(milliseconds));
    }
    for bad in [
        "0",
        "-1",
        "31536000.1",
        "\"60\"",
        "null",
        "[]",
        "true",
        "1e300",
    ] {
        let body = format!(r#"{{"initial_context":{{"timeout_seconds":{bad}}}}}"#);
        let found = violations(&body);
        assert_eq!(found[0].0, "/initial_context/timeout_seconds", "{bad}");
        assert!(found[0].1.contains("31536000"), "{bad}");
    }
}

#[test]
fn bad_starts_name_the_place() {
    for (body, pointer) in [
        (r#"{"requirement":1}"#, "/requirement"),
        (
            r#"{"requirement":"a","input":{"requirement":"b"}}"#,
            "/requirement",
        ),
        (r#"{"requirement":"\u0000"}"#, "/requirement"),
        (r#"{"input":[]}"#, "/input"),
        (r#"{"input":"{}"}"#, "/input"),
        (r#"{"input":{"a":1,"a":2}}"#, "/input/a"),
        (r#"{"initial_context":1}"#, "/initial_context"),
        (r#"{"version":0}"#, "/version"),
        (r#"{"version":-1}"#, "/version"),
        (r#"{"version":1.0}"#, "/version"),
        (r#"{"version":"1"}"#, "/version"),
        (r#"{"version":4294967296}"#, "/version"),
        (r#"{"inputs":{}}"#, "/inputs"),
        (r#"{"version":1,"version":1}"#, "/version"),
        ("[]", ""),
        ("\"x\"", ""),
    ] {
        let found = violations(body);
        assert_eq!(found.len(), 1, "{body}");
        assert_eq!(found[0].0, pointer, "{body}");
    }
}

#[test]
fn all_violations_come_at_once() {
    let body =
        r#"{"requirement":1,"input":1,"initial_context":{"timeout_seconds":0},"version":0,"x":1}"#;
    let pointers: Vec<_> = violations(body)
        .into_iter()
        .map(|(pointer, _)| pointer)
        .collect();
    let expected = [
        "/requirement",
        "/input",
        "/version",
        "/initial_context/timeout_seconds",
        "/x",
    ];
    assert_eq!(pointers, expected);
}

#[test]
fn bodies_that_are_not_json_and_keys_that_are_none_are_malformed() {
    assert_eq!(start("{").unwrap_err().status(), StatusCode::BAD_REQUEST);
    assert_eq!(start(" ").unwrap_err().status(), StatusCode::BAD_REQUEST);
    let headers = head("POST", "/", &[("idempotency-key", "")]).headers;
    let problem = start_request("w", &headers, "{}").unwrap_err();
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn reasons_have_a_length() {
    assert_eq!(reason("").unwrap(), "");
    assert_eq!(reason(r#"{"reason":"late"}"#).unwrap(), "late");
    let longest = "ä".repeat(1_000);
    assert!(reason(&format!(r#"{{"reason":"{longest}"}}"#)).is_ok());
    assert!(reason(&format!(r#"{{"reason":"{longest}x"}}"#)).is_err());
    for bad in [r#"{"reason":1}"#, r#"{"why":"x"}"#, "1"] {
        assert!(reason(bad).is_err(), "{bad}");
    }
}

pub(super) fn summary() -> Summary {
    Summary {
        id: "e1".to_owned(),
        workflow_id: "w".to_owned(),
        version: 2,
        status: ExecutionStatus::AwaitingCheckpoint,
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        started_at: Some("2026-01-01T00:00:01Z".to_owned()),
        ended_at: None,
        error: None,
    }
}

#[test]
fn a_start_says_where_to_look() {
    let reply = started(StatusCode::ACCEPTED, &summary()).unwrap();
    assert_eq!(reply.headers()[header::LOCATION], "/api/executions/e1");
    assert_eq!(
        value(reply),
        json!({
            "execution_id": "e1",
            "workflow_id": "w",
            "version": 2,
            "status": "awaiting_checkpoint",
            "created_at": "2026-01-01T00:00:00Z",
        })
    );
}

#[test]
fn an_execution_shows_everything() {
    let node = NodeView {
        id: "n".to_owned(),
        item: None,
        phase: "delay".to_owned(),
        status: NodeStatus::Retrying,
        attempt: 2,
        started_at: None,
        ended_at: None,
        progress: Some(0.1),
        output: None,
        error: Some("no".to_owned()),
        taken_from: None,
    };
    let item = NodeView {
        item: Some(0),
        output: Some("[ 1 ]".to_owned()),
        taken_from: Some("e0".to_owned()),
        ..node.clone()
    };
    let reply = shown(&Execution {
        summary: summary(),
        input: "{ \"big\" : 1.0 }".to_owned(),
        context: "{}".to_owned(),
        output: None,
        nodes: vec![node, item],
        last_event: 9,
        started_by: Some("ann".to_owned()),
        rerun_of: Some("e0".to_owned()),
    });
    let length = reply.headers()[header::CONTENT_LENGTH]
        .to_str()
        .unwrap()
        .to_owned();
    let text = text(reply);
    assert_eq!(length, text.len().to_string());
    assert!(text.contains("\"input\":{ \"big\" : 1.0 },"));
    assert!(text.contains("\"progress\":0.1,"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["output"], json!(null));
    assert_eq!(value["last_event"], 9);
    assert_eq!(value["rerun_of"], "e0");
    assert_eq!(value["started_by"], "ann");
    assert!(value["nodes"][0].get("taken_from").is_none());
    assert!(value["nodes"][0].get("item").is_none());
    assert_eq!(
        value["nodes"][1],
        json!({
            "id": "n", "item": 0, "phase": "delay", "status": "retrying", "attempt": 2,
            "started_at": null, "ended_at": null, "progress": 0.1, "output": [1], "error": "no",
            "taken_from": "e0",
        })
    );
}

#[test]
fn a_rerun_is_asked_for_and_planned() {
    let headers = head("POST", "/", &[("idempotency-key", "k1")]).headers;
    let request = rerun_request(
        &headers,
        r#"{"from":["a","b"],"version":2,"input":{"x": 1}}"#,
    );
    let request = request.unwrap();
    assert_eq!(request.from_nodes, ["a", "b"]);
    assert_eq!(
        (request.version, request.input.as_deref()),
        (Some(2), Some(r#"{"x": 1}"#))
    );
    assert_eq!(request.idempotency_key.as_deref(), Some("k1"));
    let nothing = rerun_request(&HeaderMap::new(), "").unwrap();
    assert!(nothing.from_nodes.is_empty() && nothing.input.is_none());
    for bad in [
        r#"{"from":"a"}"#,
        r#"{"from":[1]}"#,
        r#"{"version":0}"#,
        r#"{"input":[]}"#,
        r#"{"dry_run":true}"#,
    ] {
        assert!(rerun_request(&HeaderMap::new(), bad).is_err(), "{bad}");
    }
    let plan = RerunPlan {
        workflow_id: "w".to_owned(),
        version: 3,
        run: vec!["b".to_owned()],
        taken: vec!["a".to_owned()],
    };
    assert_eq!(
        value(planned(&plan)),
        json!({"workflow_id": "w", "version": 3, "run": ["b"], "taken": ["a"]})
    );
}

#[test]
fn statuses_are_snake_case_and_four_of_them_final() {
    let names: Vec<_> = STATUSES.map(status_name).to_vec();
    let expected =
        "pending running awaiting_checkpoint paused completed failed cancelled timed_out";
    assert_eq!(names.join(" "), expected);
    assert_eq!(
        STATUSES
            .into_iter()
            .filter(|status| is_over(*status))
            .count(),
        4
    );
}
