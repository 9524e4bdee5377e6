//! Golden payloads: what is on disk stays readable.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::{
    store::{
        Answer, CheckpointOutcome,
        conformance::examples::{
            NOW, audience, checkpoint, checkpoint_id, closed, document, every_event, execution,
        },
    },
    workflow::{Audience, Position},
};

fn row_of(event: &Event) -> EventRow {
    let mut payload = Vec::new();
    let columns = encode_event(event, &mut payload).unwrap();
    EventRow {
        seq: 1,
        at: NOW.0,
        kind: columns.kind.into(),
        node: columns.node.map(ToString::to_string),
        item: columns.item.map(Into::into),
        codec: CODEC,
        payload: String::from_utf8(payload).unwrap(),
    }
}

#[test]
fn version_1_is_frozen() {
    let events = every_event();
    for (event, node, item, payload) in &events {
        let row = row_of(event);
        assert_eq!(row.payload, *payload, "{}", row.kind);
        assert_eq!(row.node.as_deref(), *node, "{}", row.kind);
        assert_eq!(row.item, item.map(i64::from), "{}", row.kind);
        let read = row.decode(execution(1)).unwrap();
        assert_eq!(read.event, *event);
        // Equal values may differ in the order of their keys, equal texts do not.
        assert_eq!(row_of(&read.event).payload, *payload);
    }
    let kinds: BTreeSet<_> = events.iter().map(|(event, ..)| event.kind()).collect();
    assert_eq!(kinds.len(), 23, "an example of every kind: {kinds:?}");
}

#[test]
fn what_was_written_before_there_was_more_to_say_is_read() {
    for (at, name) in [(0, "by"), (5, "by"), (7, "by")] {
        let (event, ..) = &every_event()[at];
        let row = row_of(event);
        let mut payload: serde_json::Value = serde_json::from_str(&row.payload).unwrap();
        let said = payload.as_object_mut().unwrap().shift_remove(name);
        assert!(said.is_some(), "{}", row.kind);
        let before = EventRow {
            payload: payload.to_string(),
            ..row
        };
        let read = before.decode(execution(1)).unwrap().event;
        assert_ne!(read, *event);
        let again: serde_json::Value = serde_json::from_str(&row_of(&read).payload).unwrap();
        assert_eq!(again[name], json!(null));
    }
}

#[test]
fn a_refusal_of_an_earlier_host_is_no_denial() {
    let answer = decode_answer(r#"{"answer":"refused","reason":"over"}"#).unwrap();
    let expected = Answer::Refused {
        reason: "over".into(),
        is_denied: false,
    };
    assert_eq!(answer, expected);
}

#[test]
fn a_checkpoint_is_frozen() {
    let mut row = closed(
        checkpoint(checkpoint_id(1), execution(1), NOW),
        CheckpointOutcome::Edited(document(json!("Hi"))),
    );
    let (_, before) = encode_checkpoint(&row).unwrap();
    assert!(
        before.starts_with(r#"{"position":"before","title":"#),
        "{before}"
    );
    row.audience = audience(&["group:it", "ann"], false);
    row.started_by = Some("bob".parse().unwrap());
    let (_, restricted) = encode_checkpoint(&row).unwrap();
    let expected = r#""instructions":"Be kind.","reviewers":["group:it","ann"],"allow_starter":false,"started_by":"bob","proposed":"#;
    assert!(restricted.contains(expected), "{restricted}");
    row.audience = Audience::default();
    row.started_by = None;
    row.position = Position::After;
    assert_eq!(
        encode_checkpoint(&row).unwrap(),
        (
            Some(Timestamp(NOW.0 + 5)),
            r#"{"title":"Check the notice\u0000","instructions":"Be kind.","proposed":{"text":"Sorry!","z":1,"a":null},"edited":"Hi","notes":"well…","by":null}"#.into(),
        )
    );
}

type Change = fn(&mut EventRow);

#[test]
fn what_cannot_be_read_names_its_place() {
    let events = every_event();
    let mut rows = events.iter().map(|(event, ..)| row_of(event));
    let started = rows.find(|row| row.kind == "node_started").unwrap();
    let changed: [(&str, Change); 9] = [
        ("unknown codec version 2", |row| row.codec = 2),
        ("unknown kind \"node_dreamt\"", |row| {
            row.kind = "node_dreamt".into();
        }),
        ("names none", |row| row.node = None),
        ("is not an id", |row| row.node = Some("a b".into())),
        ("-1 is out of range", |row| row.item = Some(-1)),
        ("missing field `attempt`", |row| row.payload = "{}".into()),
        ("unknown field `mood`", |row| {
            row.payload = r#"{"attempt":1,"mood":"fine"}"#.into();
        }),
        ("but names a node", |row| {
            row.kind = "execution_timed_out".into();
            row.payload = "{}".into();
        }),
        ("EOF", |row| row.payload = String::new()),
    ];
    for (reason, change) in changed {
        let mut row = started.clone();
        change(&mut row);
        let error = row.decode(execution(1)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Corrupt(_)), "{text}");
        let place = format!("event 1 of execution {}: ", execution(1));
        assert!(text.contains(&place) && text.contains(reason), "{text}");
    }
}

#[test]
fn floats_come_back_as_they_were() {
    // The first is misread by serde_json without its feature `float_roundtrip`.
    for float in [
        477.952_698_831_629_16,
        0.1 + 0.2,
        f64::MAX,
        f64::MIN_POSITIVE,
        -0.0,
    ] {
        let event = Event::ExecutionCompleted {
            output: document(json!(float)),
        };
        assert_eq!(row_of(&event).decode(execution(1)).unwrap().event, event);
    }
}
