//! Example facts and rows, from which the tests make theirs.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use uuid::Uuid;

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

/// Every kind of event, with payload and columns as version 1 of the codec writes them:
/// node, item, payload. **Never change a text here: it is on somebody's disk.**
#[expect(clippy::too_many_lines, reason = "one list of all kinds")]
pub fn every_event() -> Vec<(Event, Option<&'static str>, Option<u32>, &'static str)> {
    let failure = || Failure::new(FailureKind::TimedOut, "no answer in 60 s");
    let digest = Digest([0xab; 32]);
    vec![
        (
            Event::ExecutionCreated {
                workflow: workflow("delay_triage"),
                version: Version(3),
                input: document(json!({"z": 1, "a": [1.5, null, "ü\0"]})),
                context: document(json!({})),
                deadline: Timestamp(1_372_644_000_000),
                phases: [("csv-parse".parse().unwrap(), digest)].into(),
                by: Some("ann".parse().unwrap()),
            },
            None,
            None,
            r#"{"workflow":"delay_triage","version":3,"input":{"z":1,"a":[1.5,null,"ü\u0000"]},"context":{},"deadline":1372644000000,"phases":{"csv-parse":"abababababababababababababababababababababababababababababababab"},"by":"ann"}"#,
        ),
        (
            Event::RerunBegun { of: execution(2) },
            None,
            None,
            r#"{"of":"01000000-0000-0000-0000-000000000002"}"#,
        ),
        (
            Event::NodeTaken {
                node: node("notice"),
                from: execution(1),
                output: document(json!(["a", 2])),
                items: Some(vec![document(json!("AA")), document(json!("BB"))]),
                artifacts: vec![
                    Vec::new(),
                    vec![ArtifactRef {
                        name: "n.md".into(),
                        content_type: "text/markdown".into(),
                        size: 3,
                        digest,
                    }],
                ],
            },
            Some("notice"),
            None,
            r#"{"from":"01000000-0000-0000-0000-000000000001","output":["a",2],"items":["AA","BB"],"artifacts":[[],[{"name":"n.md","content_type":"text/markdown","size":3,"digest":"abababababababababababababababababababababababababababababababab"}]]}"#,
        ),
        (
            Event::ExecutionCompleted {
                output: document(json!({"late": 322})),
            },
            None,
            None,
            r#"{"output":{"late":322}}"#,
        ),
        (
            Event::ExecutionFailed { error: failure() },
            None,
            None,
            r#"{"error":{"cause":"timed_out","message":"no answer in 60 s"}}"#,
        ),
        (
            Event::ExecutionCancelled {
                reason: "asked".into(),
                by: Some("ops".into()),
            },
            None,
            None,
            r#"{"reason":"asked","by":"ops"}"#,
        ),
        (Event::ExecutionTimedOut, None, None, "{}"),
        (
            Event::ExecutionResumed {
                deadline: Timestamp(7),
                by: Some("ops".into()),
            },
            None,
            None,
            r#"{"deadline":7,"by":"ops"}"#,
        ),
        (
            Event::ExecutionPaused {
                reason: "the API is down".into(),
                by: Some("ops".into()),
            },
            None,
            None,
            r#"{"reason":"the API is down","by":"ops"}"#,
        ),
        (
            Event::ExecutionUnpaused { by: None },
            None,
            None,
            r#"{"by":null}"#,
        ),
        (
            Event::ExecutionMigrated {
                from: Version(3),
                version: Version(5),
                phases: [("delay".parse().unwrap(), digest)].into(),
                by: Some("ops".into()),
            },
            None,
            None,
            r#"{"from":3,"version":5,"phases":{"delay":"abababababababababababababababababababababababababababababababab"},"by":"ops"}"#,
        ),
        (
            Event::FanOutExpanded {
                node: node("notice"),
                items: vec![document(json!("AA")), document(json!({"b": 1}))],
            },
            Some("notice"),
            None,
            r#"{"items":["AA",{"b":1}]}"#,
        ),
        (
            Event::NodeStarted {
                node: node("parse"),
                item: None,
                attempt: 1,
            },
            Some("parse"),
            None,
            r#"{"attempt":1}"#,
        ),
        (
            Event::NodeProgressed {
                node: node("parse"),
                item: Some(0),
                fraction: 0.25,
                message: "reading".into(),
            },
            Some("parse"),
            Some(0),
            r#"{"fraction":0.25,"message":"reading"}"#,
        ),
        (
            Event::NodeLogged {
                node: node("parse"),
                item: Some(4_294_967_295),
                level: Level::Warn,
                message: "no \"tail\"".into(),
            },
            Some("parse"),
            Some(4_294_967_295),
            r#"{"level":"warn","message":"no \"tail\""}"#,
        ),
        (
            Event::NodeSucceeded {
                node: node("42"),
                item: Some(2),
                attempt: 2,
                output: document(json!([])),
                artifacts: vec![ArtifactRef {
                    name: "report.md".into(),
                    content_type: "text/markdown".into(),
                    size: 12,
                    digest,
                }],
            },
            Some("42"),
            Some(2),
            r#"{"attempt":2,"output":[],"artifacts":[{"name":"report.md","content_type":"text/markdown","size":12,"digest":"abababababababababababababababababababababababababababababababab"}]}"#,
        ),
        (
            Event::NodeFailed {
                node: node("late"),
                item: None,
                error: failure(),
            },
            Some("late"),
            None,
            r#"{"error":{"cause":"timed_out","message":"no answer in 60 s"}}"#,
        ),
        (
            Event::NodeRetryScheduled {
                node: node("late"),
                item: Some(1),
                attempt: 1,
                error: failure(),
                due: Timestamp(99),
            },
            Some("late"),
            Some(1),
            r#"{"attempt":1,"error":{"cause":"timed_out","message":"no answer in 60 s"},"due":99}"#,
        ),
        (
            Event::NodeSkipped {
                node: node("late"),
                reason: "when was false".into(),
            },
            Some("late"),
            None,
            r#"{"reason":"when was false"}"#,
        ),
        (
            Event::NodeCancelled { node: node("late") },
            Some("late"),
            None,
            "{}",
        ),
        (
            Event::CheckpointOpened {
                node: node("notice"),
                checkpoint: checkpoint_id(1),
                expires: Some(Timestamp(12)),
                input: Some(document(json!({"to": "A"}))),
            },
            Some("notice"),
            None,
            r#"{"checkpoint":"02000000-0000-0000-0000-000000000001","expires":12,"input":{"to":"A"}}"#,
        ),
        (
            Event::CheckpointResolved {
                node: node("notice"),
                checkpoint: checkpoint_id(1),
                decision: Decision::Edit {
                    content: document(json!({"text": "Hi"})),
                },
                notes: None,
                by: Some("ann".into()),
            },
            Some("notice"),
            None,
            r#"{"checkpoint":"02000000-0000-0000-0000-000000000001","decision":{"action":"edit","content":{"text":"Hi"}},"notes":null,"by":"ann"}"#,
        ),
        (
            Event::CheckpointExpired {
                node: node("notice"),
                checkpoint: checkpoint_id(1),
            },
            Some("notice"),
            None,
            r#"{"checkpoint":"02000000-0000-0000-0000-000000000001"}"#,
        ),
    ]
}
