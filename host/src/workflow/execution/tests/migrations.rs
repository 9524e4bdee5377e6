//! Going on by a newer version: what stays, what begins by it, and what is in the way.

use serde_json::{Value, json};

use super::{define, invariants::check_derived, json_of, story::Story};
use crate::workflow::{
    Action, Command, Decision, Event, ExecutionStatus, FailureKind, Input, Migration, NodeId,
    NodeIndex, NodeStatus, Pins, Prepared, Refusal, Version, versions_of,
};

fn run(node: u32, attempt: u32) -> Action {
    Action::Run {
        node: NodeIndex(node),
        item: None,
        attempt,
    }
}

fn document(nodes: &Value) -> Value {
    json!({"id": "w", "nodes": nodes})
}

fn pause() -> Input {
    Input::Command(Command::Pause {
        reason: String::new(),
        by: None,
    })
}

/// `draft` waits for a person, `send` for `draft`.
fn parked() -> Story {
    let (mut story, actions) = Story::of(&json!([
        {"id": "draft", "phase": "p", "checkpoint": {"title": "t"}},
        {"id": "send", "phase": "p", "needs": ["draft"]},
    ]));
    assert_eq!(actions, [run(0, 1)]);
    story.attempted(1, Ok(json!("drafted")));
    assert_eq!(story.status(), ExecutionStatus::AwaitingCheckpoint);
    story
}

fn violations(story: &mut Story, nodes: &Value) -> Vec<(String, String)> {
    let input = story.migration(2, &document(nodes));
    let Refusal::Incompatible(found) = story.refused(input) else {
        panic!("not for the definition's sake");
    };
    let found = found.into_iter();
    found.map(|one| (one.pointer, one.message)).collect()
}

#[test]
fn what_has_begun_stays_and_the_rest_goes_by_the_new_version() {
    let mut story = parked();
    let checkpoint = story.checkpoint();
    let deadline = story.execution.origin.deadline;
    let newer = json!({"id": "w", "timeout_seconds": 1, "nodes": [
        {"id": "aside", "phase": "q"},
        {"id": "check", "phase": "q", "needs": ["draft"]},
        {"id": "draft", "phase": "p", "config": {"v": 2}, "checkpoint": {"title": "other words"}},
        {"id": "post", "phase": "q", "needs": ["check"]},
    ]});
    let plan = Migration::plan(&story.execution, &define(&newer)).unwrap();
    let ids = |ids: &[&str]| -> Vec<NodeId> { ids.iter().map(|id| id.parse().unwrap()).collect() };
    assert_eq!(
        (plan.kept, plan.added, plan.removed),
        (
            ids(&["draft"]),
            ids(&["aside", "check", "post"]),
            ids(&["send"])
        )
    );
    let input = story.migration(2, &newer);
    assert_eq!(story.input(input), [run(0, 1)], "what is new begins");
    check_derived(&story.execution, Some(story.now));
    assert_eq!(story.execution.origin.version, Version(2));
    assert_eq!(story.execution.origin.deadline, deadline);
    assert_eq!(
        story.execution.open_checkpoint(checkpoint),
        Some(NodeIndex(2))
    );
    assert_eq!(versions_of(&story.journal), [Version(1), Version(2)]);
    // Another host finds the same.
    assert_eq!(story.recover(), [run(0, 1)]);
    assert_eq!(story.resolve(Decision::Approve, None), [run(1, 1)]);
    story.attempted_of(1, 1, Ok(json!("checked")));
    story.attempted_of(3, 1, Ok(json!("posted")));
    story.attempted_of(0, 1, Ok(json!("aside")));
    assert_eq!(story.status(), ExecutionStatus::Completed);
    assert_eq!(
        story.execution.output().map(|output| (**output).clone()),
        Some(json!({"aside": "aside", "post": "posted"}))
    );
}

#[test]
fn the_same_version_again_changes_nothing_and_there_is_no_way_back() {
    let mut story = parked();
    let nodes = json!([{"id": "draft", "phase": "p", "checkpoint": {"title": "t"}}]);
    let input = story.migration(3, &document(&nodes));
    assert_eq!(story.input(input.clone()), []);
    let length = story.journal.len();
    assert_eq!(story.input(input), []);
    assert_eq!(story.journal.len(), length);
    let back = story.migration(2, &document(&nodes));
    let (version, current) = (Version(2), Version(3));
    assert_eq!(story.refused(back), Refusal::Older { version, current });
    story.resolve(Decision::Approve, None);
    assert_eq!(story.status(), ExecutionStatus::Completed);
    let late = story.migration(4, &document(&nodes));
    let over = ExecutionStatus::Completed;
    assert_eq!(story.refused(late), Refusal::OverToMigrate(over));
    let unknown = Input::Command(Command::Migrate {
        version: Version(9),
        phases: Pins::default(),
        by: None,
    });
    assert_eq!(parked().refused(unknown), Refusal::Unknown(Version(9)));
}

#[test]
fn a_checkpoint_opened_by_the_new_version_is_another_one() {
    let mut story = parked();
    let first = story.checkpoint();
    // In the place of `draft`, with the same checkpoint.
    let input = story.migration(
        2,
        &document(&json!([
            {"id": "new", "phase": "p", "checkpoint": {"title": "t"}},
            {"id": "draft", "phase": "p", "checkpoint": {"title": "t"}},
        ])),
    );
    assert_eq!(story.input(input), [run(0, 1)]);
    story.attempted(1, Ok(json!(1)));
    assert_eq!(story.execution.checkpoints.len(), 2);
    assert_eq!(story.execution.open_checkpoint(first), Some(NodeIndex(1)));
}

#[test]
fn an_execution_that_moves_is_not_migrated_and_says_what_moves() {
    let nodes = json!([
        {"id": "a", "phase": "p"}, {"id": "b", "phase": "p", "when": "input.x", "needs": ["a"]},
    ]);
    let (mut story, _) = Story::of(&nodes);
    let says = |story: &mut Story, what: &str| {
        let input = story.migration(2, &document(&nodes));
        let refusal = story.refused(input);
        assert!(matches!(refusal, Refusal::NotStill(_)), "{refusal}");
        assert!(refusal.to_string().contains(what), "{refusal}");
    };
    says(&mut story, "node a runs");
    story.input(pause());
    says(&mut story, "node a runs");
    story.resume();
    assert_eq!(
        story.attempted(1, Ok(json!(1))),
        [Action::Prepare(NodeIndex(1))]
    );
    says(&mut story, "expressions of node b");
    story.input(pause());
    says(&mut story, "expressions of node b");
    let (node, result) = (NodeIndex(1), Ok(Prepared::Once));
    assert_eq!(story.input(Input::Prepared { node, result }), []);
    let input = story.migration(2, &document(&nodes));
    assert_eq!(story.input(input), []);
    assert_eq!(story.status(), ExecutionStatus::Paused);
    // What was prepared by the old version is prepared anew.
    assert_eq!(story.resume(), [Action::Prepare(NodeIndex(1))]);
}

#[test]
fn a_retry_waits_on_and_runs_by_the_new_version() {
    let retry = json!({"max_attempts": 3, "initial_delay_ms": 1000, "jitter": false});
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p", "retry": retry}]));
    story.attempted(1, Err(FailureKind::Transient));
    assert_eq!(story.status(), ExecutionStatus::Running);
    let few = json!([{"id": "a", "phase": "p"}]);
    let found = violations(&mut story, &few);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "/nodes/0/retry/max_attempts");
    let nodes = json!([
        {"id": "zero", "phase": "p", "needs": ["a"]},
        {"id": "a", "phase": "p", "config": 2, "retry": retry},
    ]);
    let due = story.execution.wake_at();
    let input = story.migration(2, &document(&nodes));
    assert_eq!(story.input(input), []);
    assert_eq!(story.execution.wake_at(), due);
    assert_eq!(story.recover(), []);
    assert_eq!(story.wait(1000), [run(1, 2)]);
    assert_eq!(story.attempted_of(1, 2, Ok(json!(1))), [run(0, 1)]);
}

#[test]
fn everything_that_is_in_the_way_is_named_with_its_place() {
    let mut story = parked();
    let nodes = json!([
        {"id": "first", "phase": "p"},
        {"id": "draft", "phase": "q", "needs": ["first"], "for_each": [1],
         "checkpoint": {"title": "t", "position": "before"}},
    ]);
    let found = violations(&mut story, &nodes);
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/nodes/1/phase",
            "/nodes/1/for_each",
            "/nodes/1/checkpoint",
            "/nodes/1/needs/0"
        ]
    );
    assert_eq!(
        found[3].1,
        "is first, which is new, for a node that is awaiting_checkpoint"
    );
    let found = violations(&mut story, &json!([{"id": "send", "phase": "p"}]));
    assert_eq!(
        found,
        [(
            "/nodes".to_owned(),
            "has no node draft, that is awaiting_checkpoint".to_owned()
        )]
    );
}

#[test]
fn needs_of_what_has_begun_may_change_as_long_as_they_are_met() {
    let checkpoint = json!({"title": "t"});
    let nodes = |needs: Value, join: &str| {
        json!([
            {"id": "a", "phase": "p"},
            {"id": "maybe", "phase": "p", "when": "input.x"},
            {"id": "b", "phase": "p", "needs": needs, "join": join, "checkpoint": checkpoint},
            {"id": "late", "phase": "p", "needs": ["b"]},
        ])
    };
    let mut story = Story::of(&nodes(json!(["a"]), "all")).0;
    let (node, result) = (NodeIndex(1), Ok(Prepared::Skip));
    story.input(Input::Prepared { node, result });
    story.attempted(1, Ok(json!(1)));
    story.attempted_of(2, 1, Ok(json!(2)));
    assert_eq!(story.status(), ExecutionStatus::AwaitingCheckpoint);
    for (needs, join, is_fine) in [
        (json!([]), "all", true),
        (json!(["a", "maybe"]), "settled", true),
        (json!(["a", "maybe"]), "any", true),
        (json!(["a", "maybe"]), "all", false),
        (json!(["maybe"]), "any", false),
    ] {
        let definition = define(&document(&nodes(needs.clone(), join)));
        let plan = Migration::plan(&story.execution, &definition);
        assert_eq!(plan.is_ok(), is_fine, "{needs} {join}: {plan:?}");
    }
    // What was skipped was decided on; a need that is open still would have that wait.
    let mut undecided = nodes(json!(["a"]), "all");
    undecided[1]["needs"] = json!(["late"]);
    undecided[3]["needs"] = json!([]);
    let found = violations(&mut story, &undecided);
    assert_eq!(found[0].0, "/nodes/1/needs/0");
}

#[test]
fn what_went_on_after_a_failure_does_not_become_one_that_stops() {
    let nodes = json!([
        {"id": "bad", "phase": "p"},
        {"id": "ask", "phase": "p", "checkpoint": {"title": "t"}},
    ]);
    let going_on = json!({"id": "w", "on_failure": "continue", "nodes": nodes});
    let (mut story, _) = Story::of_document(&going_on);
    story.attempted(1, Err(FailureKind::Permanent));
    story.attempted_of(1, 1, Ok(json!(1)));
    let found = violations(&mut story, &nodes);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "/on_failure");
    let input = story.migration(3, &going_on);
    story.input(input);
    story.resolve(Decision::Approve, None);
    assert_eq!(story.status(), ExecutionStatus::Failed);
}

#[test]
fn an_execution_of_which_nothing_is_left_to_run_ends() {
    let (mut story, _) = Story::of(&json!([
        {"id": "a", "phase": "p"}, {"id": "b", "phase": "p", "needs": ["a"]},
    ]));
    story.input(pause());
    story.attempted(1, Ok(json!(1)));
    let shorter = json!({"id": "w", "nodes": [{"id": "a", "phase": "p"}],
        "output": {"a": "{{ nodes.a.output }}"}});
    let input = story.migration(2, &shorter);
    assert_eq!(story.input(input), [Action::Finish]);
    story.input(Input::Finished(Ok(json_of(json!("end")))));
    assert_eq!(story.status(), ExecutionStatus::Completed);
}

#[test]
fn a_fan_out_and_an_approved_input_go_on_where_they_were() {
    let retry = json!({"max_attempts": 2, "initial_delay_ms": 10, "jitter": false});
    let before = json!({"title": "t", "position": "before"});
    let nodes = |extra: bool| {
        let mut nodes = json!([
            {"id": "each", "phase": "p", "for_each": "input.x", "retry": retry},
            {"id": "asked", "phase": "p", "checkpoint": before},
        ]);
        if extra {
            let new = json!({"id": "new", "phase": "p", "needs": ["each"]});
            nodes.as_array_mut().unwrap().insert(0, new);
        }
        nodes
    };
    let (mut story, _) = Story::of(&nodes(false));
    let items = [1, 2].map(|item| json_of(json!(item))).to_vec();
    story.input(Input::Prepared {
        node: NodeIndex(0),
        result: Ok(Prepared::ForEach(items)),
    });
    story.input(Input::Prepared {
        node: NodeIndex(1),
        result: Ok(Prepared::Propose(json_of(json!("in")))),
    });
    let attempted = |story: &mut Story, node: u32, item: Option<u32>, attempt, result| {
        let result: Result<Value, FailureKind> = result;
        story.input(Input::Attempted {
            node: NodeIndex(node),
            item,
            attempt,
            result: result
                .map(|output| (json_of(output), Vec::new()))
                .map_err(|cause| crate::workflow::Failure::new(cause, "oh")),
        })
    };
    attempted(&mut story, 0, Some(0), 1, Ok(json!("one")));
    attempted(&mut story, 0, Some(1), 1, Err(FailureKind::Transient));
    story.input(pause());
    assert_eq!(story.resolve(Decision::Approve, None), []);
    let input = story.migration(2, &document(&nodes(true)));
    assert_eq!(story.input(input), []);
    check_derived(&story.execution, Some(story.now));
    story.recover();
    assert_eq!(
        story.resume(),
        [run(2, 1)],
        "with the input that was approved"
    );
    let approved = &story.execution.node(NodeIndex(2)).approved;
    assert_eq!(*approved, Some(json_of(json!("in"))));
    let again = Action::Run {
        node: NodeIndex(1),
        item: Some(1),
        attempt: 2,
    };
    assert_eq!(story.wait(10), [again]);
    attempted(&mut story, 2, None, 1, Ok(json!("asked")));
    let begun = attempted(&mut story, 1, Some(1), 2, Ok(json!("two")));
    assert_eq!(begun, [run(0, 1)]);
    let each = story.execution.node(NodeIndex(1));
    assert_eq!(each.status(), NodeStatus::Completed);
    assert_eq!(**each.output().unwrap(), json!(["one", "two"]));
    let migrated = story.journal.iter().filter(|recorded| {
        matches!(&recorded.event, Event::ExecutionMigrated { from, version, .. }
            if (from.0, version.0) == (1, 2))
    });
    assert_eq!(migrated.count(), 1);
}
