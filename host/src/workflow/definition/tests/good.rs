//! What a right document becomes.

use std::time::Duration;

use serde_json::json;

use super::read;
use crate::workflow::{
    Draft, Form, Join, NodeIndex, OnExpiry, OnFailure, OnReject, Template, Violation,
};

#[test]
fn the_least_document_has_defaults() {
    let definition = read(&json!({"id": "w", "nodes": [{"id": "a", "phase": "p"}]})).unwrap();
    assert_eq!(definition.name, "w");
    assert_eq!(definition.timeout, Duration::from_hours(2));
    assert_eq!(definition.max_parallel, 16);
    assert_eq!(definition.on_failure, OnFailure::Stop);
    assert!(definition.output.is_none());
    let node = definition.node(NodeIndex(0));
    assert_eq!(node.retry.max_attempts, 1);
    assert_eq!(node.join, Join::All);
    assert_eq!(*node.config, json!({}));
    assert!(matches!(&node.input, Template::Constant(input) if **input == json!({})));
    assert!(node.timeout.is_none() && node.checkpoint.is_none() && node.for_each.is_none());
}

#[test]
fn the_documented_example_is_read_in_full() {
    let definition = read(&json!({
        "id": "delay_triage",
        "name": "Flight delay triage",
        "description": "…",
        "input_schema": {"type": "object", "required": ["flights_csv"]},
        "timeout_seconds": 3600.5,
        "max_parallel": 4,
        "on_failure": "continue",
        "nodes": [
            {"id": "parse", "phase": "csv-parse", "input": {"text": "{{ input.flights_csv }}"}},
            {"id": "late", "phase": "table-query", "needs": ["parse"],
             "config": {"where": "row.dep_delay > 60", "order_by": "-dep_delay"},
             "input": {"rows": "{{ nodes.parse.output.rows }}"},
             "retry": {"max_attempts": 3, "initial_delay_ms": 500, "backoff": 2.0, "max_delay_ms": 30000, "jitter": true},
             "timeout_seconds": 60},
            {"id": "notice", "phase": "template-render", "needs": ["late"], "for_each": "{{ nodes.late.output.groups }}",
             "checkpoint": {"title": "Check the notice", "on_reject": "rerun", "expires_after_seconds": 86400, "on_expiry": "reject",
                            "reviewers": ["alice", "group:finance"], "allow_starter": false}}
        ],
        "output": {"notices": "{{ nodes.notice.output }}"}
    }))
    .unwrap();
    assert_eq!(definition.timeout, Duration::from_millis(3_600_500));
    assert_eq!(definition.max_parallel, 4);
    assert_eq!(definition.on_failure, OnFailure::Continue);
    let [parse, late, notice] = [0, 1, 2].map(|at| definition.node(NodeIndex(at)));
    assert_eq!(parse.dependents, [NodeIndex(1)]);
    assert_eq!(late.needs, [NodeIndex(0)]);
    assert_eq!(late.config["order_by"], "-dep_delay");
    assert_eq!(late.retry.max_attempts, 3);
    assert_eq!(late.timeout, Some(Duration::from_mins(1)));
    assert!(notice.for_each.is_some());
    let checkpoint = notice.checkpoint.as_ref().unwrap();
    assert_eq!(checkpoint.on_reject, OnReject::Rerun);
    assert_eq!(checkpoint.on_expiry, OnExpiry::Reject);
    assert_eq!(checkpoint.expires_after, Some(Duration::from_hours(24)));
    let reviewers = ["alice", "group:finance"].map(|name| name.parse().unwrap());
    assert_eq!(checkpoint.audience.reviewers, reviewers);
    assert!(!checkpoint.audience.allow_starter);
    assert!(definition.output.is_some());
}

#[test]
fn references_reach_all_that_is_upstream_and_the_output_reaches_everything() {
    read(&json!({
        "id": "w",
        "nodes": [
            {"id": "c", "phase": "p", "needs": ["b"], "when": "nodes.a.output.x > 1 && input.y", "input": ["{{ nodes['a'].status }}"]},
            {"id": "b", "phase": "p", "needs": ["a"], "join": "settled", "for_each": ["{{ nodes.a.output }}", 2], "input": "{{ item }}"},
            {"id": "a", "phase": "p", "input": {"text": "{{ '{{' }} {{ context.who }}"}}
        ],
        "output": "{{ nodes.c.output }} of {{ size(nodes.a.output) }}"
    }))
    .unwrap();
}

#[test]
fn a_draft_lists_its_cel_expressions_by_their_places_in_the_document() {
    let draft = Draft::read(&json!({
        "id": "w",
        "nodes": [
            {"id": "unreadable"},
            {"id": "a", "phase": "p", "when": "{{ 1 < 2 }}", "for_each": "[1, 2]",
             "input": {"path": "{{ input.x }}", "a/b": ["{{ item + 1 }}"]}}
        ],
        "output": "{{ size(nodes.a.output) }}"
    }));
    let expected = [
        ("/nodes/1/input/a~1b/0", "item + 1"),
        ("/nodes/1/for_each", "[1, 2]"),
        ("/nodes/1/when", "1 < 2"),
        ("/output", "size(nodes.a.output)"),
    ];
    assert_eq!(
        draft.expressions(),
        expected.map(|(pointer, source)| (pointer.to_owned(), source.to_owned()))
    );
    let nodes: Vec<_> = draft
        .nodes()
        .map(|(pointer, node)| (pointer, node.id.to_string()))
        .collect();
    assert_eq!(nodes, [("/nodes/1".to_owned(), "a".to_owned())]);
}

#[test]
fn what_others_find_wrong_is_reported_too() {
    let document = json!({"id": "w", "nodes": [{"id": "a", "phase": "p", "when": "1 +"}]});
    let draft = Draft::read(&document);
    assert!(matches!(
        draft.definition().unwrap().nodes[0]
            .when
            .as_ref()
            .unwrap()
            .form,
        Form::Cel
    ));
    let more = Violation {
        pointer: "/nodes/0/when".to_owned(),
        message: "does not compile".to_owned(),
    };
    assert_eq!(draft.finish(vec![more.clone()]).unwrap_err(), [more]);
}
