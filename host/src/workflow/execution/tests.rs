//! Executions against a simulated outside: schedules, outcomes, crashes, people.

mod before;
mod crashes;
mod events;
mod golden;
mod invariants;
mod large;
mod migrations;
mod migrations_at_random;
mod model;
mod pauses;
mod properties;
mod reruns;
mod reviewers;
mod semantics;
mod shape;
mod simulator;
mod story;
mod world;

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Execution, NodeState};
use crate::workflow::{
    Definition, Event, ExecutionId, ExecutionStatus, Json, Pins, Timestamp, Version,
};

/// When every simulated execution is created.
const START: Timestamp = Timestamp(1_000_000);

fn execution_id() -> ExecutionId {
    ExecutionId(uuid::Uuid::from_u128(7))
}

fn define(document: &Value) -> Arc<Definition> {
    Arc::new(Definition::read(document).expect("the definition of a test is right"))
}

fn created(definition: &Definition) -> Event {
    Event::ExecutionCreated {
        workflow: definition.id.clone(),
        version: Version(1),
        input: json_of(json!({})),
        context: json_of(json!({})),
        deadline: START.after(definition.timeout),
        phases: Pins::default(),
        by: None,
    }
}

fn json_of(value: Value) -> Json {
    Arc::new(value)
}

/// All that somebody can see of an execution.
#[derive(Debug, PartialEq)]
struct View {
    status: ExecutionStatus,
    is_waiting: bool,
    version: u64,
    deadline: Timestamp,
    started_at: Option<Timestamp>,
    end: Option<super::End>,
    nodes: Vec<NodeState>,
}

impl View {
    fn of(execution: &Execution) -> Self {
        Self {
            status: execution.status(),
            is_waiting: execution.is_waiting(),
            version: execution.version,
            deadline: execution.origin.deadline,
            started_at: execution.started_at,
            end: execution.end.clone(),
            nodes: execution.nodes.clone(),
        }
    }
}
