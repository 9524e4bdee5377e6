//! Executions that go on from what others came to.

use std::sync::Arc;

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    START, created, define, execution_id,
    invariants::check_derived,
    json_of,
    model::{Model, Outcome},
    properties::{cases, outcomes},
    shape::shapes,
    simulator::Simulator,
    story::Story,
    world::{World, worlds},
};
use crate::workflow::{
    Action, ArtifactRef, Decision, Definition, Digest, Event, Execution, ExecutionId,
    ExecutionStatus, FailureKind, Input, NodeIndex, NodeStatus, OnFailure, Prepared, Rerun,
    SlotState,
};

fn chain(checkpoint: bool) -> Value {
    let mut nodes = json!([
        {"id": "a", "phase": "p"},
        {"id": "b", "phase": "p", "needs": ["a"]},
        {"id": "c", "phase": "p", "needs": ["b"]},
        {"id": "aside", "phase": "p"},
    ]);
    if checkpoint {
        nodes[0]["checkpoint"] = json!({"title": "t"});
    }
    nodes
}

/// `a`, `aside` and `b` complete, `c` fails.
fn failed(checkpoint: bool) -> Story {
    let (mut story, _) = Story::of(&chain(checkpoint));
    story.attempted(1, Ok(json!("a")));
    if checkpoint {
        let content = json_of(json!("edited"));
        story.resolve(Decision::Edit { content }, None);
    }
    story.attempted_of(3, 1, Ok(json!("aside")));
    story.attempted_of(1, 1, Ok(json!("b")));
    story.attempted_of(2, 1, Err(FailureKind::Permanent));
    assert_eq!(story.status(), ExecutionStatus::Failed);
    story
}

fn plan(old: &Execution, definition: &Definition, from: &[&str]) -> (Vec<u32>, Vec<u32>) {
    let from: Vec<_> = from
        .iter()
        .map(|id| definition.node_index(&id.parse().unwrap()).unwrap())
        .collect();
    let Rerun { taken, run } = Rerun::plan(old, definition, &from);
    let numbers = |nodes: Vec<NodeIndex>| nodes.iter().map(|index| index.0).collect();
    (numbers(taken), numbers(run))
}

fn start(
    old: &Execution,
    definition: &Arc<Definition>,
    from: &[NodeIndex],
) -> (Execution, Vec<Action>) {
    let taken = Rerun::plan(old, definition, from).events(old, definition);
    let id = ExecutionId(uuid::Uuid::from_u128(8));
    let created = created(definition);
    let started = Execution::start_with(id, definition.clone(), created, taken, START);
    let (execution, step) = started.unwrap();
    check_derived(&execution, Some(START));
    let folded = Execution::fold(id, definition.clone(), &step.events).unwrap();
    assert_eq!(folded.nodes(), execution.nodes());
    assert_eq!(folded.status(), execution.status());
    (execution, step.actions)
}

#[test]
fn a_plan_follows_the_graph() {
    let old = failed(false).execution;
    let definition = old.definition.clone();
    assert_eq!(plan(&old, &definition, &[]), (vec![0, 1, 3], vec![2]));
    assert_eq!(plan(&old, &definition, &["b"]), (vec![0, 3], vec![1, 2]));
    assert_eq!(plan(&old, &definition, &["a"]), (vec![3], vec![0, 1, 2]));
    // What failed runs again, whatever is named.
    assert_eq!(
        plan(&old, &definition, &["aside"]),
        (vec![0, 1], vec![2, 3])
    );
}

#[test]
fn a_plan_follows_the_graph_of_the_version_that_runs() {
    let old = failed(false).execution;
    let other = define(&json!({"id": "w", "nodes": [
        {"id": "new", "phase": "p"},
        {"id": "b", "phase": "p", "needs": ["new"]},
        {"id": "a", "phase": "p"},
        {"id": "aside", "phase": "p", "needs": ["a"]},
    ]}));
    assert_eq!(
        plan(&old, &other, &[]),
        (vec![2, 3], vec![0, 1]),
        "b needs what is new"
    );
    assert_eq!(plan(&old, &other, &["a"]), (vec![1], vec![0, 2, 3]));
}

#[test]
fn what_was_skipped_is_decided_anew_but_takes_nothing_with_it() {
    let (mut story, _) = Story::of(&json!([
        {"id": "maybe", "phase": "p", "when": "input.x"},
        {"id": "then", "phase": "p", "needs": ["maybe"], "join": "settled"},
        {"id": "fails", "phase": "p", "needs": ["then"]},
    ]));
    let result = Ok(Prepared::Skip);
    let node = NodeIndex(0);
    story.input(Input::Prepared { node, result });
    story.attempted_of(1, 1, Ok(json!(1)));
    story.attempted_of(2, 1, Err(FailureKind::Permanent));
    let old = story.execution;
    let definition = old.definition.clone();
    assert_eq!(plan(&old, &definition, &[]), (vec![1], vec![0, 2]));
    assert_eq!(plan(&old, &definition, &["maybe"]), (vec![], vec![0, 1, 2]));
}

#[test]
fn what_is_taken_over_is_completed_and_never_runs() {
    let old = failed(true).execution;
    let definition = old.definition.clone();
    let (new, actions) = start(&old, &definition, &[]);
    let run = |node: u32, attempt| Action::Run {
        node: NodeIndex(node),
        item: None,
        attempt,
    };
    assert_eq!(actions, [run(2, 1)]);
    assert_eq!(new.origin.rerun_of, Some(execution_id()));
    let outputs: Vec<_> = (new.nodes().iter())
        .map(|node| {
            (
                node.status(),
                node.output().map(|output| (**output).clone()),
            )
        })
        .collect();
    let completed = |output: &str| (NodeStatus::Completed, Some(json!(output)));
    // What the reviewer put there stays, and nobody is asked again.
    assert_eq!(outputs[0], completed("edited"));
    assert_eq!(outputs[1], completed("b"));
    assert_eq!(outputs[2], (NodeStatus::Running, None));
    assert_eq!(outputs[3], completed("aside"));
    // Where it ran is told on and on.
    let again = Rerun::plan(&new, &definition, &[NodeIndex(2)]).events(&new, &definition);
    assert_eq!(again[0], Event::RerunBegun { of: new.id });
    assert!(
        matches!(&again[1], Event::NodeTaken { from, .. } if *from == execution_id()),
        "{again:?}"
    );
}

#[test]
fn an_execution_that_takes_over_everything_is_over_at_once() {
    let (mut story, _) = Story::of(&json!([{"id": "a", "phase": "p"}]));
    story.attempted(1, Ok(json!(1)));
    let old = story.execution;
    let (new, actions) = start(&old, &old.definition.clone(), &[]);
    assert_eq!(actions, []);
    assert_eq!(new.status(), ExecutionStatus::Completed);
    assert_eq!(new.output(), old.output());
}

#[test]
fn items_and_artifacts_are_taken_over() {
    let (mut story, _) = Story::of(&json!([
        {"id": "each", "phase": "p", "for_each": "input.items"}, {"id": "last", "phase": "p", "needs": ["each"]},
    ]));
    let items = ["x", "y"].map(|item| json_of(json!(item))).to_vec();
    let result = Ok(Prepared::ForEach(items.clone()));
    let node = NodeIndex(0);
    story.input(Input::Prepared { node, result });
    let artifact = ArtifactRef {
        name: "f".to_owned(),
        content_type: "text/plain".to_owned(),
        size: 1,
        digest: Digest([7; 32]),
    };
    for (item, artifacts) in [(0, Vec::new()), (1, vec![artifact.clone()])] {
        story.input(Input::Attempted {
            node,
            item: Some(item),
            attempt: 1,
            result: Ok((json_of(json!(item)), artifacts)),
        });
    }
    story.attempted_of(1, 1, Err(FailureKind::Permanent));
    let old = story.execution;
    let (new, _) = start(&old, &old.definition.clone(), &[]);
    let each = new.node(node);
    assert_eq!(each.items.as_deref(), Some(items.as_slice()));
    assert_eq!(
        each.output().map(|output| (**output).clone()),
        Some(json!([0, 1]))
    );
    assert_eq!(each.slots[1].artifacts, [artifact]);
    assert_eq!(
        each.slots[1].state,
        SlotState::Succeeded {
            output: json_of(json!(1))
        }
    );
    assert_eq!(
        (each.slots[0].attempt, each.slots[0].artifacts.len()),
        (0, 0)
    );
}

/// What the model says of an execution in the same world, with the nodes that are taken over as
/// they are.
fn check_rerun(new: &Execution, taken: &[NodeIndex], world: World) {
    let definition = new.definition.clone();
    let expected = Model::new(&definition, world).outcomes();
    let found = outcomes(new);
    let has_failed = |outcome: &Outcome| outcome.status == NodeStatus::Failed;
    let is_stopped = definition.on_failure == OnFailure::Stop && expected.iter().any(has_failed);
    for (index, (found, expected)) in definition.indices().zip(found.iter().zip(&expected)) {
        if taken.contains(&index) {
            assert_eq!(found.output, expected.output);
            assert!(
                found.attempts.iter().all(|attempt| *attempt == 0),
                "{found:?}"
            );
            assert!(new.node(index).taken_from.is_some());
        } else if !is_stopped {
            assert_eq!(found, expected);
        }
    }
    assert_eq!(
        new.status() == ExecutionStatus::Failed,
        expected.iter().any(has_failed)
            || (definition.output.is_some() && world.finished().is_err())
    );
}

proptest! {
    #![proptest_config(cases(600))]

    /// The same world gives the same outputs, so it does not matter what is taken over and what
    /// runs again, nor where it crashes or is paused meanwhile.
    #[test]
    fn reruns_end_as_the_model_says(
        shape in shapes(9), world in worlds(), schedule in any::<u64>(),
        steps in 0..60_usize, from in prop::collection::vec(any::<Index>(), 0..3),
        crashes in any::<bool>(),
    ) {
        let definition = define(&shape.document());
        let mut old = Simulator::start(&definition, world, schedule);
        for _ in 0..steps {
            old.step();
        }
        let from: Vec<_> = from
            .iter()
            .map(|node| NodeIndex(u32::try_from(node.index(definition.nodes.len())).unwrap()))
            .collect();
        let rerun = Rerun::plan(&old.execution, &definition, &from);
        let events = rerun.events(&old.execution, &definition);
        let mut new = Simulator::rerun(&definition, events, world, schedule ^ 1).watched();
        new.is_paused_at_times = crashes;
        while new.step() {
            if crashes && new.choices.once_in(5) {
                new.crash();
            }
        }
        check_rerun(&new.execution, &rerun.taken, world);
    }
}
