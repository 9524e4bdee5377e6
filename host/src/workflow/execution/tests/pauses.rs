//! What a pause holds back, and what it does not.

use std::time::Duration;

use serde_json::json;

use super::{START, story::Story};
use crate::workflow::{
    Action, Command, Decision, Event, ExecutionStatus, FailureKind, Input, NodeIndex, NodeStatus,
    Prepared, Refusal,
};

fn run(node: u32, attempt: u32) -> Action {
    Action::Run {
        node: NodeIndex(node),
        item: None,
        attempt,
    }
}

fn pause() -> Input {
    Input::Command(Command::Pause {
        reason: "the API is down".to_owned(),
        by: Some("ops".to_owned()),
    })
}

fn kinds(story: &Story) -> Vec<&'static str> {
    let kinds = story.journal.iter().map(|recorded| recorded.event.kind());
    kinds.collect()
}

#[test]
fn what_runs_ends_and_nothing_begins_until_it_is_resumed() {
    let (mut story, actions) = Story::of(&json!([
        {"id": "a", "phase": "p"}, {"id": "b", "phase": "p", "needs": ["a"]},
    ]));
    assert_eq!(actions, [run(0, 1)]);
    let deadline = story.execution.origin.deadline;
    assert_eq!(story.input(pause()), []);
    assert_eq!(story.status(), ExecutionStatus::Paused);
    assert!(!story.execution.is_waiting(), "an attempt runs");
    let length = story.journal.len();
    assert_eq!(story.input(pause()), [], "twice is the same as once");
    assert_eq!(story.journal.len(), length);
    assert_eq!(story.attempted(1, Ok(json!(1))), []);
    assert_eq!(
        story.execution.node(NodeIndex(0)).status(),
        NodeStatus::Completed
    );
    assert!(story.execution.is_waiting(), "it can leave the memory");
    assert_eq!(story.execution.wake_at(), Some(deadline));
    assert_eq!(story.recover(), [], "another host begins nothing either");
    story.now = story.now.after(Duration::from_secs(5));
    assert_eq!(story.resume(), [run(1, 1)]);
    assert_eq!(story.status(), ExecutionStatus::Running);
    assert_eq!(story.execution.origin.deadline, deadline);
    assert_eq!(story.attempted_of(1, 1, Ok(json!(2))), []);
    assert_eq!(
        kinds(&story),
        [
            "execution_created",
            "node_started",
            "execution_paused",
            "node_succeeded",
            "execution_unpaused",
            "node_started",
            "node_succeeded",
            "execution_completed",
        ]
    );
    assert!(matches!(&story.journal[2].event,
        Event::ExecutionPaused { reason, by } if reason == "the API is down" && by.as_deref() == Some("ops")));
}

#[test]
fn a_retry_waits_for_the_end_of_the_pause() {
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 10, "jitter": false});
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "retry": retry}]));
    story.input(pause());
    assert_eq!(story.attempted(1, Err(FailureKind::Transient)), []);
    assert_eq!(story.wait(20), []);
    assert!(story.execution.is_waiting());
    assert_eq!(
        story.execution.wake_at(),
        Some(story.execution.origin.deadline),
        "nobody wakes it for the retry"
    );
    assert_eq!(story.recover(), []);
    story.resume();
    assert_eq!(
        story.execution.wake_at(),
        Some(START.after(Duration::from_millis(10)))
    );
    assert_eq!(story.wait(0), [run(0, 2)]);
}

#[test]
fn what_was_being_prepared_does_not_start() {
    let (mut story, actions) = Story::of(&json!([{"id": "a", "phase": "p", "when": "input.x"}]));
    assert_eq!(actions, [Action::Prepare(NodeIndex(0))]);
    story.input(pause());
    assert_eq!(story.status(), ExecutionStatus::Paused);
    let prepared = Input::Prepared {
        node: NodeIndex(0),
        result: Ok(Prepared::Once),
    };
    assert_eq!(story.input(prepared), []);
    assert_eq!(story.resume(), [run(0, 1)]);
}

#[test]
fn people_decide_and_time_passes_during_a_pause() {
    let checkpoint = json!({"title": "t", "expires_after_seconds": 1});
    let nodes = json!([
        {"id": "a", "phase": "p", "checkpoint": checkpoint},
        {"id": "b", "phase": "p", "needs": ["a"]},
    ]);
    let (mut story, _) = Story::of(&nodes);
    story.input(pause());
    assert_eq!(story.attempted(1, Ok(json!(1))), []);
    assert_eq!(story.status(), ExecutionStatus::Paused);
    assert_eq!(
        story.execution.wake_at(),
        Some(START.after(Duration::from_secs(1)))
    );
    let mut late = Story::of(&nodes).0;
    late.input(pause());
    late.attempted(1, Ok(json!(1)));
    assert_eq!(late.wait(1000), []);
    assert_eq!(late.status(), ExecutionStatus::Failed, "it has expired");
    assert_eq!(story.resolve(Decision::Approve, None), []);
    assert_eq!(
        story.execution.node(NodeIndex(0)).status(),
        NodeStatus::Completed
    );
    let deadline = story.execution.origin.deadline;
    story.now = deadline;
    assert_eq!(story.input(Input::Tick), []);
    assert_eq!(story.status(), ExecutionStatus::TimedOut);
    assert_eq!(story.resume(), [run(1, 1)], "as ever after a timeout");
}

#[test]
fn a_paused_execution_is_cancelled_and_one_that_is_over_is_not_paused() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.input(pause());
    story.input(Input::Command(Command::Cancel {
        reason: "enough".to_owned(),
        by: None,
    }));
    assert_eq!(story.status(), ExecutionStatus::Cancelled);
    assert_eq!(
        story.refused(pause()),
        Refusal::Over(ExecutionStatus::Cancelled)
    );
    assert_eq!(story.resume(), [run(0, 2)], "not paused any more");
    assert_eq!(story.status(), ExecutionStatus::Running);
}

#[test]
fn an_attempt_that_a_crash_interrupted_is_repeated_although_it_is_paused() {
    let (mut story, _) = Story::of(&json!([
        {"id": "a", "phase": "p"}, {"id": "b", "phase": "p", "needs": ["a"]},
    ]));
    story.input(pause());
    assert_eq!(story.recover(), [run(0, 1)], "it had begun before");
    assert_eq!(story.attempted(1, Ok(json!(1))), []);
    assert!(story.execution.is_waiting());
}
