//! One journal in full: a fan-out with a retry, a checkpoint that is edited, an end.

use serde_json::json;

use super::{START, created, define, execution_id, json_of};
use crate::workflow::{
    Action, Command, Decision, Execution, Failure, FailureKind, Input, NodeIndex, Prepared,
    Recorded, Step, Timestamp,
};

const JOURNAL: &str = include_str!("golden.txt");

#[test]
fn the_journal_is_as_it_was_written_down() {
    let definition = define(&json!({
        "id": "golden", "max_parallel": 2,
        "nodes": [
            {"id": "load", "phase": "p"},
            {"id": "each", "phase": "p", "needs": ["load"], "for_each": "{{ nodes.load.output }}",
             "retry": {"max_attempts": 2, "initial_delay_ms": 100, "jitter": false}},
            {"id": "report", "phase": "p", "needs": ["each"],
             "checkpoint": {"title": "Read it", "expires_after_seconds": 60}},
            {"id": "never", "phase": "p", "needs": ["load"], "when": "false"},
        ],
    }));
    let event = created(&definition);
    let (mut execution, step) = Execution::start(execution_id(), definition, event, START).unwrap();
    let mut journal = step.events;
    let mut queue = step.actions;
    let mut now = START;
    while !execution.is_over() {
        now = Timestamp(now.0 + 10);
        let input = if !queue.is_empty() {
            answer(&queue.remove(0))
        } else if let Some(&checkpoint) = execution.checkpoints.keys().next() {
            let content = json_of(json!("better"));
            Input::Command(Command::Resolve {
                checkpoint,
                decision: Decision::Edit { content },
                notes: Some("clearer now".to_owned()),
                by: Some("ada".to_owned()),
                decider: None,
            })
        } else {
            now = execution.wake_at().unwrap();
            Input::Tick
        };
        let Step { events, actions } = execution.handle(input, now).unwrap();
        journal.extend(events);
        queue.extend(actions);
    }
    let text: String = journal.iter().map(line).collect();
    assert_eq!(text, JOURNAL, "the journal is now:\n{text}");
}

fn line(recorded: &Recorded) -> String {
    let event = serde_json::to_string(&recorded.event).unwrap();
    format!(
        "{:>2} +{:<3} {event}\n",
        recorded.seq,
        recorded.at.0 - START.0
    )
}

fn answer(action: &Action) -> Input {
    let done = |value| Ok((json_of(value), Vec::new()));
    match *action {
        Action::Prepare(NodeIndex(1)) => Input::Prepared {
            node: NodeIndex(1),
            result: Ok(Prepared::ForEach(
                ["x", "y", "z"].map(|item| json_of(json!(item))).into(),
            )),
        },
        Action::Prepare(node) => Input::Prepared {
            node,
            result: Ok(Prepared::Skip),
        },
        Action::Run {
            node,
            item,
            attempt,
        } => {
            let result = match (node.0, item, attempt) {
                (1, Some(1), 1) => Err(Failure::new(FailureKind::Transient, "try again")),
                (0, ..) => done(json!(["x", "y", "z"])),
                (1, Some(item), _) => done(json!({ "item": item })),
                _ => done(json!("good")),
            };
            Input::Attempted {
                node,
                item,
                attempt,
                result,
            }
        }
        Action::Finish => unreachable!("there is no output template"),
    }
}
