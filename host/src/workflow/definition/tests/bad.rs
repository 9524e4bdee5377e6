//! Documents that are wrong, each with the places that the errors name.

use serde_json::{Value, json};

use super::wrong;
use crate::workflow::{DEPTH_MAX, EXPRESSION_BYTES_MAX, ITEMS_MAX, NODES_MAX};

/// One document per line, with the pointer and a part of the message of each error.
const CASES: &str = include_str!("bad.jsonl");

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    errors: Vec<(String, String)>,
    document: Value,
}

#[test]
fn every_wrong_document_is_refused_at_the_place() {
    let cases: Vec<Case> = CASES
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(cases.len() >= 80, "{}", cases.len());
    for Case {
        name,
        errors,
        document,
    } in cases
    {
        expect(&name, &document, &errors);
    }
}

#[test]
fn every_limit_is_named_at_the_place() {
    let nested = |levels| (0..levels).fold(Value::Null, |value, _| json!([value]));
    let cases = [
        ("/name", "200 characters", json!("ä".repeat(201))),
        (
            "/description",
            "10000 characters",
            json!("x".repeat(10_001)),
        ),
        ("/input_schema", "100 levels", nested(DEPTH_MAX + 1)),
        (
            "/nodes",
            "1 to 10000 nodes, not 10001",
            json!(vec![0; NODES_MAX + 1]),
        ),
        (
            "/nodes/0/for_each",
            "10001 items",
            json!(vec![0; ITEMS_MAX + 1]),
        ),
        ("/nodes/0/config", "100 levels", nested(DEPTH_MAX + 1)),
        (
            "/nodes/0/when",
            "4096 bytes",
            json!("x".repeat(EXPRESSION_BYTES_MAX + 1)),
        ),
        (
            "/nodes/0/checkpoint/title",
            "200 characters",
            json!("x".repeat(201)),
        ),
        (
            "/nodes/0/checkpoint/instructions",
            "10000 characters",
            json!("x".repeat(10_001)),
        ),
    ];
    for (pointer, fragment, value) in cases {
        let mut document = json!({"id": "w", "nodes": [
            {"id": "a", "phase": "p", "for_each": [], "config": {}, "when": "true", "checkpoint": {"title": "t", "instructions": ""}},
        ], "name": "", "description": "", "input_schema": {}});
        *document.pointer_mut(pointer).unwrap() = value;
        expect(
            pointer,
            &document,
            &[(pointer.to_owned(), fragment.to_owned())],
        );
    }
    let deep =
        json!({"id": "w", "nodes": [{"id": "a", "phase": "p", "input": nested(DEPTH_MAX + 1)}]});
    let place = format!("/nodes/0/input{}", "/0".repeat(DEPTH_MAX));
    expect("deep input", &deep, &[(place, "100 levels".to_owned())]);
}

fn expect(name: &str, document: &Value, errors: &[(String, String)]) {
    let found = wrong(document);
    assert_eq!(found.len(), errors.len(), "{name}: {found:#?}");
    for (found, (pointer, fragment)) in found.iter().zip(errors) {
        let message = found.strip_prefix(&format!("{pointer}: "));
        assert!(
            message.is_some_and(|message| message.contains(fragment)),
            "{name}: expected {pointer}: …{fragment}…, found {found}"
        );
    }
}

#[test]
fn a_long_circle_is_named_in_part() {
    let node = |at| json!({"id": format!("n{at}"), "phase": "p", "needs": [format!("n{}", (at + 1) % 50)]});
    let nodes: Vec<_> = (0..50).map(node).collect();
    let found = wrong(&json!({"id": "w", "nodes": nodes}));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("/nodes/0/needs: needs go in a circle: n0 needs n1 needs n2 "),
        "{found:?}"
    );
    assert!(found[0].ends_with(" needs n19 needs …"), "{found:?}");
}

#[test]
fn violations_beyond_a_hundred_are_counted() {
    let found = wrong(&json!({"id": "w", "nodes": vec![0; 250]}));
    assert_eq!(found.len(), 101);
    assert_eq!(found[100], ": and 150 more");
}

#[test]
fn names_from_outside_do_not_swell_the_report() {
    let name = "x".repeat(100_000);
    let input = json!({(&name): vec!["{{"; 1000]});
    let found = wrong(
        &json!({"id": "w", "nodes": [{"id": "a", "phase": "p", "input": input, (&name): 1}]}),
    );
    assert_eq!(found.len(), 101);
    assert!(found.iter().map(String::len).sum::<usize>() < 100_000);
}
