//! Checkpoints that are for some only: the execution itself lets nobody else decide, whoever asked
//! before and wherever the command came from.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{created, define, story::Story};
use crate::workflow::{Command, Decider, Decision, Denial, Event, ExecutionStatus, Input, Refusal};

fn somebody(name: &str, groups: &[&str]) -> Decider {
    Decider {
        name: name.parse().unwrap(),
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
    }
}

/// An execution that `starter` started and that waits at a checkpoint with these fields.
fn waiting(rules: &Value, starter: Option<&str>) -> Story {
    let mut checkpoint = json!({"title": "t"});
    let fields = rules.as_object().unwrap().clone();
    checkpoint.as_object_mut().unwrap().extend(fields);
    let definition = define(&json!({"id": "w", "nodes": [
        {"id": "a", "phase": "p", "checkpoint": checkpoint},
    ]}));
    let mut event = created(&definition);
    if let Event::ExecutionCreated { by, .. } = &mut event {
        *by = starter.map(|name| name.parse().unwrap());
    }
    let (mut story, _) = Story::begun(definition, event);
    story.attempted(1, Ok(json!(1)));
    story
}

fn decision(story: &Story, decider: Option<Decider>) -> Input {
    Input::Command(Command::Resolve {
        checkpoint: story.checkpoint(),
        decision: Decision::Approve,
        notes: None,
        by: Some("whoever".to_owned()),
        decider,
    })
}

#[test]
fn only_who_is_meant_decides() {
    let rules = json!({"reviewers": ["carol", "group:finance"], "allow_starter": false});
    let mut story = waiting(&rules, Some("carol"));
    let refused = [
        (None, "knows nobody by name"),
        (Some(somebody("bob", &["sales"])), "you are bob"),
        (Some(somebody("finance", &[])), "you are finance"),
        (
            Some(somebody("carol", &["finance"])),
            "you are carol, who did",
        ),
    ];
    for (decider, says) in refused {
        let refusal = story.refused(decision(&story, decider));
        assert!(matches!(refusal, Refusal::Denied(_)), "{refusal}");
        assert!(refusal.to_string().contains(says), "{refusal}");
    }
    story.input(decision(&story, Some(somebody("dave", &["finance"]))));
    assert_eq!(story.status(), ExecutionStatus::Completed);
}

#[test]
fn where_nobody_knows_who_started_it_nobody_is_known_to_be_another() {
    let mut story = waiting(&json!({"allow_starter": false}), None);
    let refusal = story.refused(decision(&story, Some(somebody("ann", &[]))));
    assert_eq!(refusal, Refusal::Denied(Denial::NoStarter));
}

#[test]
fn what_is_for_nobody_there_still_expires() {
    let rules = json!({"reviewers": ["ann"], "expires_after_seconds": 60, "on_expiry": "approve"});
    let mut story = waiting(&rules, None);
    story.refused(decision(&story, None));
    let late = decision(&story, None);
    story.wait(60_000);
    assert_eq!(story.status(), ExecutionStatus::Completed);
    // Closed is closed, for whom it never was as well.
    assert!(matches!(story.refused(late), Refusal::NotOpen(_)));
}

proptest! {
    /// A folded execution asks the same as the live one, of the definition that it runs.
    #[test]
    fn the_execution_asks_as_its_definition_says(
        named in proptest::sample::subsequence(vec!["ann", "bob", "group:it", "group:hr"], 1..4),
        allow_starter: bool,
        starter in proptest::option::of(prop_oneof![Just("ann"), Just("bob")]),
        name in prop_oneof![Just("ann"), Just("bob"), Just("zoe")],
        groups in proptest::sample::subsequence(vec!["it", "hr"], 0..=2),
        is_folded: bool,
    ) {
        let rules = json!({"reviewers": named, "allow_starter": allow_starter});
        let mut story = waiting(&rules, starter);
        if is_folded {
            story.recover();
        }
        let decider = somebody(name, &groups);
        let audience = story.execution.definition.nodes[0].checkpoint.clone().unwrap().audience;
        let starter_name = starter.map(|name| name.parse().unwrap());
        prop_assert_eq!(&story.execution.origin.started_by, &starter_name);
        let expected = audience.admit(starter_name.as_ref(), Some(&decider));
        let input = decision(&story, Some(decider));
        let handled = story.execution.handle(input, story.now.after(Duration::from_millis(1)));
        match expected {
            Ok(()) => prop_assert!(handled.is_ok()),
            Err(denial) => prop_assert_eq!(handled.unwrap_err(), Refusal::Denied(denial)),
        }
    }
}

/// A command of a host of an earlier version says nothing of who decides, and still reads.
#[test]
fn commands_without_identities_are_of_nobody() {
    let text = r#"{"command":"resolve","checkpoint":"02000000-0000-0000-0000-000000000001","decision":{"action":"approve"},"notes":null,"by":"127.0.0.1"}"#;
    let Command::Resolve { decider, .. } = serde_json::from_str(text).unwrap() else {
        panic!("{text}");
    };
    assert_eq!(decider, None);
    let command: Command = serde_json::from_str(r#"{"command":"cancel","reason":"x"}"#).unwrap();
    assert_eq!(
        command,
        Command::Cancel {
            reason: "x".to_owned(),
            by: None
        }
    );
}
