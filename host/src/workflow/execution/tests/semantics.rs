//! One rule of the semantics at a time, where a property would not say it clearly.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{START, execution_id, json_of, story::Story};
use crate::workflow::{
    Action, Command, DEPTH_MAX, Decision, Event, Execution, ExecutionStatus, FailureKind, Input,
    Json, NodeIndex, NodeState, NodeStatus, Prepared, RERUNS_MAX, Refusal, Stage, idempotency_key,
};

fn run(node: u32, attempt: u32) -> Action {
    Action::Run {
        node: NodeIndex(node),
        item: None,
        attempt,
    }
}

fn cancel() -> Input {
    Input::Command(Command::Cancel {
        reason: "enough".to_owned(),
        by: None,
    })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |value, _| json!([value]))
}

#[test]
fn a_recovered_retry_waits_for_its_time() {
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 1000, "jitter": false});
    let (mut story, actions) = Story::of(&json!([{"id": "a", "phase": "p", "retry": retry}]));
    assert_eq!(actions, [run(0, 1)]);
    assert_eq!(story.attempted(1, Err(FailureKind::Transient)), []);
    assert_eq!(story.recover(), [], "it is not due yet");
    assert!(story.execution.is_waiting());
    assert_eq!(
        story.execution.wake_at(),
        Some(START.after(Duration::from_secs(1)))
    );
    assert_eq!(story.status(), ExecutionStatus::Running);
    assert_eq!(
        story.execution.node(NodeIndex(0)).status(),
        NodeStatus::Retrying
    );
    assert_eq!(story.wait(999), []);
    assert_eq!(story.wait(1), [run(0, 2)]);
    assert_eq!(
        story.recover(),
        [run(0, 2)],
        "an interrupted attempt is repeated under its number"
    );
}

#[test]
fn recovering_after_the_deadline_repeats_nothing() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.now = story.execution.origin.deadline;
    assert_eq!(story.recover(), []);
    assert_eq!(story.status(), ExecutionStatus::TimedOut);
}

#[test]
fn what_was_due_first_counts_however_late_the_clock_is_read() {
    let checkpoint = json!({"title": "t", "expires_after_seconds": 1, "on_expiry": "approve"});
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": checkpoint}]));
    story.attempted(1, Ok(json!(1)));
    story.now = story
        .execution
        .origin
        .deadline
        .after(Duration::from_secs(1));
    story.recover();
    assert_eq!(
        story.status(),
        ExecutionStatus::Completed,
        "it was approved before the deadline"
    );
}

#[test]
fn a_failure_in_the_journal_stops_before_the_deadline_does() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.attempted(1, Err(FailureKind::Permanent));
    let cut = story
        .journal
        .iter()
        .position(|recorded| matches!(recorded.event, Event::ExecutionFailed { .. }));
    story.journal.truncate(cut.unwrap());
    story.now = story.execution.origin.deadline;
    story.recover();
    assert_eq!(story.status(), ExecutionStatus::Failed);
}

#[test]
fn a_fold_awaits_a_decision_just_as_the_live_execution_does() {
    let (mut story, _) =
        Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": {"title": "t"}}]));
    story.attempted(1, Ok(json!(1)));
    assert_eq!(story.status(), ExecutionStatus::AwaitingCheckpoint);
    let definition = story.execution.definition.clone();
    let folded = Execution::fold(execution_id(), definition, &story.journal).unwrap();
    assert_eq!(folded.status(), ExecutionStatus::AwaitingCheckpoint);
    assert!(folded.is_waiting());
}

#[test]
fn nobody_decides_after_the_expiry() {
    let checkpoint = json!({"title": "t", "expires_after_seconds": 1});
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": checkpoint}]));
    story.attempted(1, Ok(json!(1)));
    story.now = story.now.after(Duration::from_secs(1));
    let input = story.resolution(Decision::Approve, None);
    assert!(matches!(story.refused(input), Refusal::NotOpen(_)));
    story.wait(0);
    assert_eq!(story.status(), ExecutionStatus::Failed);
}

#[test]
fn an_expired_checkpoint_opens_again_on_resume_and_nothing_runs_twice() {
    let checkpoint = json!({"title": "t", "expires_after_seconds": 1});
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": checkpoint}]));
    story.attempted(1, Ok(json!(1)));
    let first = story.checkpoint();
    story.wait(1000);
    assert_eq!(story.resume(), []);
    assert_ne!(story.checkpoint(), first);
    story.resolve(Decision::Approve, None);
    assert_eq!(**story.execution.output().unwrap(), json!({"a": 1}));
}

#[test]
fn a_rejected_node_runs_again_on_resume_with_the_notes() {
    let (mut story, _) =
        Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": {"title": "t"}}]));
    let key = |execution: &Execution| {
        let node = NodeIndex(0);
        let round = execution.node(node).round;
        idempotency_key(
            execution.id,
            &execution.definition.node(node).id,
            None,
            round,
        )
    };
    let first = key(&story.execution);
    story.attempted(1, Ok(json!(1)));
    story.resolve(Decision::Reject, Some("shorter"));
    assert_eq!(story.status(), ExecutionStatus::Failed);
    assert!(story.execution.error().unwrap().contains("shorter"));
    assert_eq!(story.resume(), [run(0, 2)]);
    assert_eq!(
        story.execution.node(NodeIndex(0)).review_notes.as_deref(),
        Some("shorter")
    );
    assert_ne!(key(&story.execution), first, "another effect is wanted");
}

#[test]
fn a_node_is_sent_back_at_most_as_often_as_there_are_rounds() {
    let checkpoint = json!({
        "title": "t", "on_reject": "rerun", "on_expiry": "reject", "expires_after_seconds": 0.001
    });
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": checkpoint}]));
    for attempt in 1..=RERUNS_MAX + 1 {
        assert_eq!(story.status(), ExecutionStatus::Running);
        story.attempted(attempt, Ok(json!(1)));
        story.wait(1);
    }
    assert_eq!(story.status(), ExecutionStatus::Failed);
    assert!(
        story
            .execution
            .error()
            .unwrap()
            .contains("round 100, the last")
    );
}

#[test]
fn an_empty_fan_out_is_reviewed_and_completes() {
    let (mut story, actions) = Story::of(&json!([
        {"id": "a", "phase": "p", "for_each": [], "checkpoint": {"title": "t", "on_reject": "rerun"}}
    ]));
    assert_eq!(actions, [Action::Prepare(NodeIndex(0))]);
    story.input(Input::Prepared {
        node: NodeIndex(0),
        result: Ok(Prepared::ForEach(Vec::new())),
    });
    story.resolve(Decision::Reject, None);
    story.resolve(Decision::Approve, None);
    assert_eq!(**story.execution.output().unwrap(), json!({"a": []}));
}

#[test]
fn preparation_that_contradicts_the_definition_fails_the_node() {
    for (node, prepared) in [
        (
            json!({"id": "a", "phase": "p", "for_each": "input.x"}),
            Prepared::Once,
        ),
        (
            json!({"id": "a", "phase": "p", "when": "input.x"}),
            Prepared::ForEach(Vec::new()),
        ),
        (
            json!({"id": "a", "phase": "p", "for_each": "input.x"}),
            Prepared::ForEach(vec![Json::default(); 10_001]),
        ),
        (
            json!({"id": "a", "phase": "p", "checkpoint": json!({"title": "t", "position": "before"})}),
            Prepared::Once,
        ),
        (
            json!({"id": "a", "phase": "p", "checkpoint": {"title": "t"}, "when": "input.x"}),
            Prepared::Propose(Json::default()),
        ),
        (
            json!({"id": "a", "phase": "p", "for_each": "input.x", "checkpoint": json!({"title": "t", "position": "before"})}),
            Prepared::ForEach(Vec::new()),
        ),
        (
            json!({"id": "a", "phase": "p", "for_each": "input.x", "checkpoint": json!({"title": "t", "position": "before"})}),
            Prepared::Propose(Arc::new(json!({"no": "array"}))),
        ),
        (
            json!({"id": "a", "phase": "p", "checkpoint": json!({"title": "t", "position": "before"})}),
            Prepared::Propose(Arc::new(nested(DEPTH_MAX + 1))),
        ),
        (
            json!({"id": "a", "phase": "p", "for_each": "input.x"}),
            Prepared::ForEach(vec![Arc::new(nested(DEPTH_MAX + 1))]),
        ),
    ] {
        let (mut story, _) = Story::of(&json!([node]));
        story.input(Input::Prepared {
            node: NodeIndex(0),
            result: Ok(prepared),
        });
        assert_eq!(story.status(), ExecutionStatus::Failed);
    }
}

#[test]
fn what_the_journal_could_not_give_back_does_not_get_in() {
    let (mut story, _) =
        Story::of(&json!([{"id": "a", "phase": "p", "checkpoint": {"title": "t"}}]));
    story.attempted(1, Ok(nested(DEPTH_MAX)));
    let content = Arc::new(nested(DEPTH_MAX + 1));
    let input = story.resolution(Decision::Edit { content }, None);
    assert_eq!(story.refused(input), Refusal::TooDeep("edited content"));
    story.resolve(Decision::Approve, None);
    assert_eq!(story.status(), ExecutionStatus::Completed);
    for recorded in &story.journal {
        let text = serde_json::to_string(&json!({"event": recorded.event})).unwrap();
        serde_json::from_str::<Value>(&text).expect("reads back");
    }

    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.attempted(1, Ok(nested(DEPTH_MAX + 1)));
    assert!(
        story
            .execution
            .error()
            .unwrap()
            .contains("deeper than 100 levels")
    );
}

#[test]
fn progress_is_a_number_from_0_to_1() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    for (said, kept) in [
        (0.5, 0.5),
        (f32::NAN, 0.0),
        (7.0, 1.0),
        (f32::NEG_INFINITY, 0.0),
    ] {
        let message = String::new();
        story.input(Input::Progressed {
            node: NodeIndex(0),
            item: None,
            fraction: said,
            message,
        });
        assert_eq!(
            story.execution.node(NodeIndex(0)).slots[0].progress,
            Some(kept)
        );
    }
}

#[test]
fn answers_that_come_too_late_are_dropped() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.input(cancel());
    let length = story.journal.len();
    story.attempted(1, Ok(json!("late")));
    assert_eq!(story.journal.len(), length);
    assert_eq!(story.resume(), [run(0, 2)]);
    story.attempted(1, Ok(json!("late")));
    story.attempted(2, Ok(json!("right")));
    assert_eq!(**story.execution.output().unwrap(), json!({"a": "right"}));
}

#[test]
fn commands_that_do_not_fit_are_refused() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    let resume = || {
        Input::Command(Command::Resume {
            by: None,
            timeout: Duration::ZERO,
        })
    };
    assert_eq!(
        story.refused(resume()),
        Refusal::NotResumable(ExecutionStatus::Running)
    );
    story.attempted(1, Ok(json!(1)));
    assert_eq!(
        story.refused(resume()),
        Refusal::NotResumable(ExecutionStatus::Completed)
    );
    assert_eq!(
        story.refused(cancel()),
        Refusal::Over(ExecutionStatus::Completed)
    );

    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.input(cancel());
    story.input(cancel());
    assert_eq!(story.status(), ExecutionStatus::Cancelled);
}

#[test]
fn a_stop_cancels_what_runs_and_a_resume_keeps_what_is_there() {
    use NodeStatus::{Cancelled, Completed, Failed, Running, Waiting};

    let (mut story, _) = Story::of(&json!([
        {"id": "a", "phase": "p"},
        {"id": "b", "phase": "p"},
        {"id": "c", "phase": "p"},
        {"id": "d", "phase": "p", "needs": ["a", "b"]}
    ]));
    let c = Input::Attempted {
        node: NodeIndex(2),
        item: None,
        attempt: 1,
        result: Ok((json_of(json!(3)), Vec::new())),
    };
    story.input(c);
    story.attempted(1, Err(FailureKind::Permanent));
    let statuses = |story: &Story| {
        story
            .execution
            .nodes()
            .iter()
            .map(NodeState::status)
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses(&story), [Failed, Cancelled, Completed, Waiting]);
    assert_eq!(story.execution.error().unwrap(), "node a: oh");
    assert_eq!(story.resume(), [run(0, 2), run(1, 2)]);
    assert_eq!(statuses(&story), [Running, Running, Completed, Waiting]);
    assert!(matches!(
        story.execution.node(NodeIndex(2)).stage,
        Stage::Completed { .. }
    ));
}

/// A node that waits only for its needs to be over begins when one is cancelled; with its output
/// already there it would wait for a decision, in an execution that is over.
#[test]
fn a_cancel_reaches_what_becomes_active_by_it() {
    use NodeStatus::{AwaitingCheckpoint, Cancelled, Failed, Running, Waiting};

    let (mut story, _) = Story::of_document(&json!({
        "id": "w", "on_failure": "continue",
        "nodes": [
            {"id": "last", "phase": "p", "needs": ["late"], "join": "settled",
             "checkpoint": {"title": "t"}},
            {"id": "late", "phase": "p", "needs": ["first"], "join": "settled",
             "checkpoint": {"title": "t"}},
            {"id": "first", "phase": "p"},
        ]
    }));
    let statuses = |story: &Story| {
        let nodes = story.execution.nodes().iter();
        nodes.map(NodeState::status).collect::<Vec<_>>()
    };
    story.attempted_of(2, 1, Err(FailureKind::Permanent));
    story.attempted_of(1, 1, Ok(json!(1)));
    story.resolve(Decision::Reject, None);
    story.attempted_of(0, 1, Ok(json!(0)));
    assert_eq!(statuses(&story), [AwaitingCheckpoint, Failed, Failed]);
    story.input(cancel());
    assert_eq!(story.resume(), [run(2, 2)]);
    // What was rejected runs again; what nobody decided on has its output.
    story.attempted_of(2, 2, Err(FailureKind::Permanent));
    assert_eq!(statuses(&story), [Waiting, Running, Failed]);
    story.attempted_of(1, 2, Ok(json!(1)));
    story.input(cancel());
    assert_eq!(statuses(&story), [Cancelled, Cancelled, Failed]);
    assert_eq!(story.resume(), [run(2, 3)]);
    story.input(cancel());
    assert_eq!(statuses(&story), [Cancelled; 3]);
    assert_eq!(story.status(), ExecutionStatus::Cancelled);
    let before = statuses(&story);
    story.recover();
    assert_eq!(statuses(&story), before);
}
