//! The largest executions: every event costs what it touches, and no more.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{START, created, define, execution_id, json_of};
use crate::workflow::{
    Action, Command, Decision, Definition, Execution, ExecutionStatus, ITEMS_MAX, Input, NODES_MAX,
    NodeIndex, Prepared, Recorded,
};

/// Answers every action at once, approves everything, and returns the journal.
fn run(definition: &Arc<Definition>) -> (Execution, Vec<Recorded>) {
    let event = created(definition);
    let (mut execution, step) =
        Execution::start(execution_id(), definition.clone(), event, START).unwrap();
    let mut journal = step.events;
    let mut queue = step.actions;
    while !execution.is_over() {
        let input = match queue.pop() {
            Some(Action::Prepare(node)) => {
                let items = (0..ITEMS_MAX).map(|item| json_of(json!(item)));
                Input::Prepared {
                    node,
                    result: Ok(Prepared::ForEach(items.collect())),
                }
            }
            Some(Action::Run {
                node,
                item,
                attempt,
            }) => {
                let output = json_of(json!(item));
                Input::Attempted {
                    node,
                    item,
                    attempt,
                    result: Ok((output, Vec::new())),
                }
            }
            Some(Action::Finish) => Input::Finished(Ok(json_of(json!("done")))),
            None => Input::Command(Command::Resolve {
                checkpoint: *execution
                    .checkpoints
                    .keys()
                    .next()
                    .expect("nothing else is left"),
                decision: Decision::Approve,
                notes: None,
                by: None,
                decider: None,
            }),
        };
        let step = execution.handle(input, START).unwrap();
        // Whoever writes the journal asks for these after every step.
        let _ = (
            execution.status(),
            execution.is_waiting(),
            execution.wake_at(),
        );
        journal.extend(step.events);
        queue.extend(step.actions);
    }
    (execution, journal)
}

fn check(document: &Value, events: usize) {
    let definition = define(document);
    let (execution, journal) = run(&definition);
    assert_eq!(execution.status(), ExecutionStatus::Completed);
    assert_eq!(journal.len(), events);
    let folded = Execution::fold(execution_id(), definition.clone(), &journal).unwrap();
    assert_eq!(folded.output(), execution.output());
    // A crash in the middle leaves many tasks and consequences behind.
    let mut half = Execution::fold(execution_id(), definition, &journal[..events / 2]).unwrap();
    half.recover(START).unwrap();
    half.handle(
        Input::Command(Command::Cancel {
            reason: String::new(),
            by: None,
        }),
        START,
    )
    .unwrap();
    assert_eq!(half.status(), ExecutionStatus::Cancelled);
}

fn nodes(needs: impl Fn(usize) -> Vec<usize>, more: &Value) -> Value {
    let node = |at| {
        let needs: Vec<_> = needs(at)
            .into_iter()
            .map(|need| format!("n{need}"))
            .collect();
        let mut node = json!({"id": format!("n{at}"), "phase": "p", "needs": needs});
        for (name, value) in more.as_object().expect("fields") {
            node[name] = value.clone();
        }
        node
    };
    let nodes: Vec<_> = (0..NODES_MAX).map(node).collect();
    json!({"id": "large", "max_parallel": 1000, "nodes": nodes})
}

#[test]
fn a_chain() {
    let document = nodes(|at| at.checked_sub(1).into_iter().collect(), &json!({}));
    check(&document, 2 * NODES_MAX + 2);
}

#[test]
fn a_fan_with_a_checkpoint_on_every_node() {
    let checkpoint = json!({"checkpoint": {"title": "t", "expires_after_seconds": 100}});
    let document = nodes(|at| if at == 0 { Vec::new() } else { vec![0] }, &checkpoint);
    check(&document, 4 * NODES_MAX + 2);
}

#[test]
fn a_scattered_graph() {
    let needs = |at: usize| {
        let mut needs: Vec<_> = (2..10)
            .map(|part| at / part)
            .filter(|&need| need < at)
            .collect();
        needs.dedup();
        needs
    };
    check(
        &nodes(needs, &json!({"join": "settled"})),
        2 * NODES_MAX + 2,
    );
}

#[test]
fn a_fan_out_over_as_many_items_as_there_may_be() {
    let document = json!({"id": "large", "max_parallel": 1000, "output": "{{ nodes.a.output }}", "nodes": [
        {"id": "a", "phase": "p", "for_each": "input", "checkpoint": {"title": "t"}},
    ]});
    check(&document, 2 * ITEMS_MAX + 5);
}

#[test]
fn a_chain_whose_first_node_fails_is_skipped_to_its_end() {
    let mut document = nodes(|at| at.checked_sub(1).into_iter().collect(), &json!({}));
    document["on_failure"] = json!("continue");
    let definition = define(&document);
    let event = created(&definition);
    let (mut execution, _) = Execution::start(execution_id(), definition, event, START).unwrap();
    let failure = crate::workflow::Failure::new(crate::workflow::FailureKind::Permanent, "no");
    let input = Input::Attempted {
        node: NodeIndex(0),
        item: None,
        attempt: 1,
        result: Err(failure),
    };
    let step = execution.handle(input, START).unwrap();
    assert_eq!(step.events.len(), NODES_MAX + 1);
    assert_eq!(execution.status(), ExecutionStatus::Failed);
}
