//! Example facts and rows, from which the tests make theirs.

mod events;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

pub use events::every_event;

use crate::{
    store::{
        Append, CheckpointOutcome, CheckpointRow, CheckpointState, HostId, NewDefinition, StartKey,
        Store, Summary,
    },
    workflow::{
        ArtifactRef, Audience, CheckpointId, Decider, Decision, Digest, Event, ExecutionId,
        ExecutionStatus, Failure, FailureKind, Json, Level, NodeId, Position, Recorded, Timestamp,
        Version, WorkflowId,
    },
};

/// When everything happens, unless a test says otherwise.
pub const NOW: Timestamp = Timestamp(1_372_636_800_000);

pub fn execution(number: u128) -> ExecutionId {
    // Like UUIDv7: the order of the numbers is the order of the ids.
    ExecutionId(Uuid::from_u128((1 << 120) | number))
}

pub fn checkpoint_id(number: u128) -> CheckpointId {
    CheckpointId(Uuid::from_u128((2 << 120) | number))
}

pub fn host_id(number: u128) -> HostId {
    HostId(Uuid::from_u128((3 << 120) | number))
}

/// A host that is there.
pub async fn host(store: &dyn Store, number: u128) -> HostId {
    let host = host_id(number);
    if let Some(cluster) = store.cluster() {
        cluster.enter(host, Duration::from_hours(1)).await.unwrap();
    }
    host
}

pub fn workflow(name: &str) -> WorkflowId {
    name.parse().unwrap()
}

pub fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

pub fn document(value: Value) -> Json {
    Arc::new(value)
}

/// Stores version 1 of this workflow.
pub async fn define(store: &dyn Store, name: &str) {
    store
        .put_definition(definition(name, json!({"id": name})), None)
        .await
        .unwrap();
}

pub fn definition(name: &str, value: Value) -> NewDefinition {
    NewDefinition {
        workflow: workflow(name),
        name: format!("The {name}"),
        description: "für alle".into(),
        document: document(value),
        at: NOW,
    }
}

/// An append of these events to an execution of version 1 of workflow `flow`.
pub fn append(id: ExecutionId, expected: u64, events: Vec<Event>) -> Append {
    let events: Vec<_> = (expected + 1..)
        .zip(events)
        .map(|(seq, event)| Recorded {
            seq,
            at: Timestamp(NOW.0 + i64::try_from(seq).unwrap()),
            event,
        })
        .collect();
    Append {
        execution: id,
        expected,
        summary: Summary {
            id,
            workflow: workflow("flow"),
            definition: Version(1),
            version: expected + events.len() as u64,
            status: ExecutionStatus::Running,
            created_at: NOW,
            started_at: Some(NOW),
            ended_at: None,
            error: None,
        },
        events,
        holder: None,
        owner: None,
        crashes: 0,
        wake_at: None,
        waiting: false,
        keep_days: None,
        key: None,
        checkpoints: Vec::new(),
        blobs: Vec::new(),
        answers: Vec::new(),
        left: Vec::new(),
    }
}

/// An append of `count` log lines that name their execution, number and `mark`.
pub fn lines(id: ExecutionId, expected: u64, count: u64, mark: &str) -> Append {
    let line = |seq| line(&format!("{id} {seq} {mark}"));
    append(
        id,
        expected,
        (expected + 1..=expected + count).map(line).collect(),
    )
}

pub fn line(message: &str) -> Event {
    Event::NodeLogged {
        node: node("parse"),
        item: None,
        level: Level::Info,
        message: message.into(),
    }
}

pub fn key(key: &str, request: &str) -> StartKey {
    StartKey {
        key: key.into(),
        request: Digest::of(request.as_bytes()),
    }
}

/// Sets the status with what goes with it.
pub fn with_status(mut append: Append, status: ExecutionStatus) -> Append {
    append.summary.status = status;
    append.summary.ended_at = status.is_over().then_some(NOW);
    append
}

pub fn checkpoint(id: CheckpointId, execution: ExecutionId, at: Timestamp) -> CheckpointRow {
    CheckpointRow {
        id,
        execution,
        workflow: workflow("flow"),
        node: node("notice"),
        position: Position::Before,
        title: "Check the notice\0".into(),
        instructions: Some("Be kind.".into()),
        audience: Audience::default(),
        started_by: None,
        proposed: document(json!({"text": "Sorry!", "z": 1, "a": null})),
        created_at: at,
        state: CheckpointState::Pending,
    }
}

pub fn audience(reviewers: &[&str], allow_starter: bool) -> Audience {
    Audience {
        reviewers: reviewers.iter().map(|name| name.parse().unwrap()).collect(),
        allow_starter,
    }
}

pub fn some_decider(name: &str, groups: &[&str]) -> Decider {
    Decider {
        name: name.parse().unwrap(),
        groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
    }
}

pub fn closed(mut row: CheckpointRow, outcome: CheckpointOutcome) -> CheckpointRow {
    row.state = CheckpointState::Closed {
        outcome,
        notes: Some("well…".into()),
        by: None,
        at: Timestamp(row.created_at.0 + 5),
    };
    row
}
