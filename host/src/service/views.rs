//! Domain types become the contract's.

use serde_json::{Value, json};

use crate::{
    contract,
    plugin::PhaseInfo,
    store::{
        self, CheckpointOutcome, CheckpointRow, CheckpointState, CheckpointStatus, StoredDefinition,
    },
    workflow::{
        Change, Difference, Event, Execution, ExecutionId, ExecutionStatus, Json, Node, NodeState,
        NodeStatus, Position, Recorded, Slot, SlotState, Timestamp,
    },
};

/// Documents that are shown together, in bytes: those of an execution, or that of an event. An endpoint
/// has them in its memory twice, and other answers beside them.
pub(super) const SHOWN_BYTES_MAX: usize = 24 << 20;

pub(super) fn summary(summary: &store::Summary) -> contract::Summary {
    contract::Summary {
        id: summary.id.to_string(),
        workflow_id: summary.workflow.to_string(),
        version: summary.definition.0,
        status: execution_status(summary.status),
        created_at: summary.created_at.to_string(),
        started_at: time(summary.started_at),
        ended_at: time(summary.ended_at),
        error: summary.error.clone(),
    }
}

pub(super) fn execution(execution: &Execution) -> contract::Execution {
    let nodes = execution.definition.nodes.iter().zip(execution.nodes());
    contract::Execution {
        summary: summary(&crate::executor::summary(execution)),
        input: text(&execution.origin.input),
        context: text(&execution.origin.context),
        output: execution.output().map(text),
        nodes: nodes
            .flat_map(|(spec, node)| node_views(spec, node))
            .collect(),
        last_event: execution.version,
        rerun_of: execution.origin.rerun_of.map(|of| of.to_string()),
        started_by: (execution.origin.started_by.as_ref()).map(ToString::to_string),
    }
}

/// The node, followed by its items when it fans out.
fn node_views(spec: &Node, node: &NodeState) -> impl Iterator<Item = contract::NodeView> {
    let whole = contract::NodeView {
        id: spec.id.to_string(),
        item: None,
        phase: spec.phase.to_string(),
        status: node_status(node.status()),
        attempt: node
            .slots
            .iter()
            .map(|slot| slot.attempt)
            .max()
            .unwrap_or(0),
        started_at: time(node.started_at),
        ended_at: time(node.ended_at),
        progress: progress(node),
        output: node.output().map(text),
        error: node.error().map(str::to_owned),
        taken_from: node.taken_from.map(|from| from.to_string()),
    };
    let items = node
        .numbered_slots()
        .filter(|(item, _)| item.is_some())
        .map(|(item, slot)| contract::NodeView {
            id: spec.id.to_string(),
            item,
            phase: spec.phase.to_string(),
            status: node_status(slot.status()),
            attempt: slot.attempt,
            started_at: time(slot.started_at),
            ended_at: time(slot.ended_at),
            progress: slot.progress,
            output: slot_output(slot).map(text),
            error: slot.error().map(str::to_owned),
            taken_from: node.taken_from.map(|from| from.to_string()),
        });
    std::iter::once(whole).chain(items.collect::<Vec<_>>())
}

fn slot_output(slot: &Slot) -> Option<&Json> {
    match &slot.state {
        SlotState::Succeeded { output } => Some(output),
        _ => None,
    }
}

/// Of a fan-out: the part of the items that is done.
fn progress(node: &NodeState) -> Option<f32> {
    match &node.items {
        None => node.slots.first()?.progress,
        Some(items) if items.is_empty() => Some(1.0),
        Some(items) => {
            let done: f32 = node
                .slots
                .iter()
                .map(|slot| {
                    if slot.status().is_over() {
                        1.0
                    } else {
                        slot.progress.unwrap_or(0.0)
                    }
                })
                .sum();
            // At most ITEMS_MAX items, which an f32 holds exactly.
            #[expect(clippy::cast_precision_loss, reason = "see above")]
            let all = items.len() as f32;
            Some(done / all)
        }
    }
}

pub(super) fn event(execution: ExecutionId, recorded: &Recorded) -> contract::Event {
    contract::Event {
        execution_id: execution.to_string(),
        seq: recorded.seq,
        at: recorded.at.to_string(),
        kind: recorded.event.kind().to_owned(),
        node: recorded.event.node().map(ToString::to_string),
        payload: payload(&recorded.event),
    }
}

/// What the event says beside its kind and node, or how much that is where it is too much.
fn payload(event: &Event) -> String {
    let payload = match serde_json::to_value(event) {
        Ok(Value::Object(mut fields)) => {
            fields.shift_remove("kind");
            fields.shift_remove("node");
            Value::Object(fields).to_string()
        }
        // Events are objects of plain values, which always serialise.
        _ => "{}".to_owned(),
    };
    if payload.len() > SHOWN_BYTES_MAX {
        return json!({"omitted_bytes": payload.len()}).to_string();
    }
    payload
}

pub(super) fn checkpoint(row: &CheckpointRow) -> contract::Checkpoint {
    let (edited, notes, by, at) = match &row.state {
        CheckpointState::Pending => (None, None, None, None),
        CheckpointState::Closed {
            outcome,
            notes,
            by,
            at,
        } => {
            let edited = match outcome {
                CheckpointOutcome::Edited(content) => Some(text(content)),
                _ => None,
            };
            (edited, notes.clone(), by.clone(), Some(at.to_string()))
        }
    };
    contract::Checkpoint {
        id: row.id.to_string(),
        execution_id: row.execution.to_string(),
        workflow_id: row.workflow.to_string(),
        node: row.node.to_string(),
        position: match row.position {
            Position::Before => contract::CheckpointPosition::Before,
            Position::After => contract::CheckpointPosition::After,
        },
        status: checkpoint_status(&row.state),
        title: row.title.clone(),
        instructions: row.instructions.clone(),
        reviewers: (row.audience.reviewers.iter().map(ToString::to_string)).collect(),
        allow_starter: row.audience.allow_starter,
        proposed: text(&row.proposed),
        edited,
        notes,
        resolved_by: by,
        created_at: row.created_at.to_string(),
        resolved_at: at,
    }
}

pub(super) fn definition(stored: &StoredDefinition) -> contract::Definition {
    contract::Definition {
        id: stored.workflow.to_string(),
        version: stored.version.0,
        name: stored.name.clone(),
        description: stored.description.clone(),
        document: text(&stored.document),
        created_at: stored.created_at.to_string(),
        deprecated: stored.deprecated.as_ref().map(|it| contract::Deprecation {
            reason: it.reason.clone(),
            at: it.at.to_string(),
        }),
    }
}

pub(super) fn difference(
    before: &StoredDefinition,
    after: &StoredDefinition,
) -> contract::Difference {
    let found = Difference::between(&before.document, &after.document);
    let changes = |changes: Vec<Change>| {
        let change = |change: Change| contract::Change {
            pointer: change.pointer,
            before: change.before.map(|value| value.to_string()),
            after: change.after.map(|value| value.to_string()),
        };
        changes.into_iter().map(change).collect()
    };
    let changed = found.changed.into_iter();
    let changed = changed.map(|(id, of_node)| contract::ChangedNode {
        id,
        changes: changes(of_node),
    });
    contract::Difference {
        from_version: before.version.0,
        to_version: after.version.0,
        document: changes(found.document),
        added: found.added,
        removed: found.removed,
        changed: changed.collect(),
    }
}

pub(super) fn phase(info: &PhaseInfo) -> contract::Phase {
    contract::Phase {
        name: info.name.to_string(),
        version: info.version.clone(),
        description: info.description.clone(),
        config_schema: text(&info.config_schema),
        input_schema: text(&info.input_schema),
        output_schema: text(&info.output_schema),
        digest: info.digest.to_string(),
    }
}

fn text(json: &Json) -> String {
    json.to_string()
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn execution_status(status: ExecutionStatus) -> contract::ExecutionStatus {
    use contract::ExecutionStatus as Out;
    match status {
        ExecutionStatus::Pending => Out::Pending,
        ExecutionStatus::Running => Out::Running,
        ExecutionStatus::AwaitingCheckpoint => Out::AwaitingCheckpoint,
        ExecutionStatus::Paused => Out::Paused,
        ExecutionStatus::Completed => Out::Completed,
        ExecutionStatus::Failed => Out::Failed,
        ExecutionStatus::Cancelled => Out::Cancelled,
        ExecutionStatus::TimedOut => Out::TimedOut,
    }
}

pub(super) fn to_execution_status(status: contract::ExecutionStatus) -> ExecutionStatus {
    use contract::ExecutionStatus as In;
    match status {
        In::Pending => ExecutionStatus::Pending,
        In::Running => ExecutionStatus::Running,
        In::AwaitingCheckpoint => ExecutionStatus::AwaitingCheckpoint,
        In::Paused => ExecutionStatus::Paused,
        In::Completed => ExecutionStatus::Completed,
        In::Failed => ExecutionStatus::Failed,
        In::Cancelled => ExecutionStatus::Cancelled,
        In::TimedOut => ExecutionStatus::TimedOut,
    }
}

fn node_status(status: NodeStatus) -> contract::NodeStatus {
    use contract::NodeStatus as Out;
    match status {
        NodeStatus::Waiting => Out::Waiting,
        NodeStatus::Running => Out::Running,
        NodeStatus::Retrying => Out::Retrying,
        NodeStatus::AwaitingCheckpoint => Out::AwaitingCheckpoint,
        NodeStatus::Completed => Out::Completed,
        NodeStatus::Failed => Out::Failed,
        NodeStatus::Skipped => Out::Skipped,
        NodeStatus::Cancelled => Out::Cancelled,
    }
}

fn checkpoint_status(state: &CheckpointState) -> contract::CheckpointStatus {
    use contract::CheckpointStatus as Out;
    match state {
        CheckpointState::Pending => Out::Pending,
        CheckpointState::Closed { outcome, .. } => match outcome {
            CheckpointOutcome::Approved => Out::Approved,
            CheckpointOutcome::Edited(_) => Out::Edited,
            CheckpointOutcome::Rejected => Out::Rejected,
            CheckpointOutcome::Expired => Out::Expired,
            CheckpointOutcome::Cancelled => Out::Cancelled,
        },
    }
}

/// As it reads in a sentence.
pub(super) fn checkpoint_status_name(state: &CheckpointState) -> &'static str {
    match checkpoint_status(state) {
        contract::CheckpointStatus::Pending => "pending",
        contract::CheckpointStatus::Approved => "approved",
        contract::CheckpointStatus::Edited => "edited",
        contract::CheckpointStatus::Rejected => "rejected",
        contract::CheckpointStatus::Expired => "expired",
        contract::CheckpointStatus::Cancelled => "cancelled",
    }
}

pub(super) fn to_checkpoint_status(status: contract::CheckpointStatus) -> CheckpointStatus {
    use contract::CheckpointStatus as In;
    match status {
        In::Pending => CheckpointStatus::Pending,
        In::Approved => CheckpointStatus::Approved,
        In::Edited => CheckpointStatus::Edited,
        In::Rejected => CheckpointStatus::Rejected,
        In::Expired => CheckpointStatus::Expired,
        In::Cancelled => CheckpointStatus::Cancelled,
    }
}
