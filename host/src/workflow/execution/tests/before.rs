//! Checkpoints before a node: somebody decides with which input it runs, or that it does not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::story::Story;
use crate::workflow::{
    Action, Decision, Event, ExecutionStatus, FailureKind, ITEMS_MAX, Input, NodeIndex, Prepared,
    Refusal,
};

fn before() -> Value {
    json!({"title": "t", "position": "before"})
}

fn propose(input: Value) -> Input {
    Input::Prepared {
        node: NodeIndex(0),
        result: Ok(Prepared::Propose(Arc::new(input))),
    }
}

fn edit(content: Value) -> Decision {
    Decision::Edit {
        content: Arc::new(content),
    }
}

#[test]
fn what_a_reviewer_approves_beforehand_is_what_the_node_runs_with() {
    for (input, decision, runs_with) in [
        (json!({"to": 1}), Decision::Approve, json!({"to": 1})),
        (json!(null), Decision::Approve, json!(null)),
        (json!(1), edit(json!(2)), json!(2)),
    ] {
        let (mut story, actions) =
            Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": before()}]));
        assert_eq!(actions, [Action::Prepare(NodeIndex(0))]);
        assert_eq!(story.input(propose(input)), []);
        assert_eq!(story.status(), ExecutionStatus::AwaitingCheckpoint);
        let run = Action::Run {
            node: NodeIndex(0),
            item: None,
            attempt: 1,
        };
        assert_eq!(story.resolve(decision, None), [run]);
        let approved = story.execution.node(NodeIndex(0)).approved.clone();
        assert_eq!(approved, Some(Arc::new(runs_with)));
        story.attempted(1, Ok(json!("done")));
        assert_eq!(story.status(), ExecutionStatus::Completed);
    }
}

#[test]
fn a_reviewer_of_a_fan_out_decides_which_items_there_are() {
    let (mut story, _) = Story::of(&json!([
        {"id": "a", "phase": "p", "for_each": "input.x", "checkpoint": before()}
    ]));
    story.input(propose(json!([1, 2, 3])));
    let no_items = story.resolution(edit(json!({"no": "array"})), None);
    assert_eq!(story.refused(no_items), Refusal::NotItems);
    let actions = story.resolve(edit(json!([4, 5])), None);
    assert_eq!(actions.len(), 2);
    let items = story.execution.node(NodeIndex(0)).items.clone().unwrap();
    assert_eq!(items, [Arc::new(json!(4)), Arc::new(json!(5))]);
}

#[test]
fn nobody_is_asked_about_more_items_than_there_may_be() {
    let (mut story, _) = Story::of(&json!([
        {"id": "a", "phase": "p", "for_each": "input.x", "checkpoint": before()}
    ]));
    let items = (0..=ITEMS_MAX).map(|item| Arc::new(json!(item))).collect();
    let result = Ok(Prepared::ForEach(items));
    story.input(Input::Prepared {
        node: NodeIndex(0),
        result,
    });
    let failed = story.journal.iter().find_map(|it| match &it.event {
        Event::NodeFailed { error, .. } => Some(error),
        _ => None,
    });
    let message = &failed.unwrap().message;
    assert!(message.contains(&ITEMS_MAX.to_string()), "{message}");
    assert_eq!(story.status(), ExecutionStatus::Failed);
}

#[test]
fn what_was_approved_beforehand_stays_so_after_a_resume_and_what_was_not_is_asked_anew() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": before()}]));
    story.input(propose(json!(1)));
    let first = story.checkpoint();
    story.resolve(Decision::Reject, None);
    assert_eq!(story.status(), ExecutionStatus::Failed);
    assert_eq!(story.resume(), [Action::Prepare(NodeIndex(0))]);
    story.input(propose(json!(2)));
    assert_ne!(story.checkpoint(), first);
    story.resolve(Decision::Approve, None);
    story.attempted(1, Err(FailureKind::Permanent));
    assert_eq!(story.status(), ExecutionStatus::Failed);
    assert!(matches!(*story.resume(), [Action::Run { attempt: 2, .. }]));
    let approved = story.execution.node(NodeIndex(0)).approved.clone();
    assert_eq!(approved, Some(Arc::new(json!(2))));
}
