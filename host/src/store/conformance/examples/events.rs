//! One event of every kind, as the database has it.

use super::*;

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
                phases: Arc::new([("csv-parse".parse().unwrap(), digest)].into()),
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
                phases: Arc::new([("delay".parse().unwrap(), digest)].into()),
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
