//! The checkpoints of one execution as rows for the inbox.

use std::collections::HashMap;

use crate::{
    store::{CheckpointOutcome, CheckpointRow, CheckpointState},
    workflow::{Decision, Event, Execution, NodeId, Recorded, Stage},
};

/// The open checkpoints of an execution, so that they can be closed.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    open: HashMap<NodeId, CheckpointRow>,
}

impl Inbox {
    /// The inbox of an execution that was folded from these events.
    pub(super) fn of(execution: &Execution, events: &[Recorded]) -> Self {
        let mut inbox = Self::default();
        for recorded in events {
            if let Event::CheckpointOpened { checkpoint, .. } = &recorded.event
                && execution.open_checkpoint(*checkpoint).is_some()
            {
                inbox.follow(execution, recorded);
            }
        }
        inbox
    }

    /// The rows that an event changes. The execution is as it is after the step that the event
    /// is of.
    pub(super) fn follow(
        &mut self,
        execution: &Execution,
        recorded: &Recorded,
    ) -> Vec<CheckpointRow> {
        if matches!(recorded.event, Event::ExecutionMigrated { .. }) {
            return self.reword(execution);
        }
        self.follow_one(execution, recorded).into_iter().collect()
    }

    /// What is open is asked in the words of another version, and of those whom it names.
    fn reword(&mut self, execution: &Execution) -> Vec<CheckpointRow> {
        let definition = &execution.definition;
        let mut rows = Vec::new();
        for (node, row) in &mut self.open {
            let index = definition.node_index(node);
            let spec = index.and_then(|index| definition.node(index).checkpoint.as_ref());
            let Some(spec) = spec else {
                continue;
            };
            let asked = CheckpointRow {
                title: spec.title.clone(),
                instructions: spec.instructions.clone(),
                audience: spec.audience.clone(),
                ..row.clone()
            };
            if *row != asked {
                *row = asked;
                rows.push(row.clone());
            }
        }
        rows
    }

    /// The row that an event about a node changes, if it changes one.
    fn follow_one(&mut self, execution: &Execution, recorded: &Recorded) -> Option<CheckpointRow> {
        let (node, outcome, notes, by) = match &recorded.event {
            Event::CheckpointOpened { node, .. } => {
                let row = opened(execution, node, recorded)?;
                self.open.insert(node.clone(), row.clone());
                return Some(row);
            }
            Event::CheckpointResolved {
                node,
                decision,
                notes,
                by,
                ..
            } => {
                let outcome = match decision {
                    Decision::Approve => CheckpointOutcome::Approved,
                    Decision::Edit { content } => CheckpointOutcome::Edited(content.clone()),
                    Decision::Reject => CheckpointOutcome::Rejected,
                };
                (node, outcome, notes.clone(), by.clone())
            }
            Event::CheckpointExpired { node, .. } => (node, CheckpointOutcome::Expired, None, None),
            Event::NodeCancelled { node } => (node, CheckpointOutcome::Cancelled, None, None),
            _ => return None,
        };
        let mut row = self.open.remove(node)?;
        row.state = CheckpointState::Closed {
            outcome,
            notes,
            by,
            at: recorded.at,
        };
        Some(row)
    }
}

fn opened(execution: &Execution, node: &NodeId, recorded: &Recorded) -> Option<CheckpointRow> {
    let index = execution.definition.node_index(node)?;
    let spec = execution.definition.node(index).checkpoint.as_ref()?;
    let Stage::AwaitingCheckpoint {
        checkpoint,
        proposed,
        ..
    } = &execution.node(index).stage
    else {
        return None;
    };
    Some(CheckpointRow {
        id: *checkpoint,
        execution: execution.id,
        workflow: execution.definition.id.clone(),
        node: node.clone(),
        position: spec.position,
        title: spec.title.clone(),
        instructions: spec.instructions.clone(),
        audience: spec.audience.clone(),
        started_by: execution.origin.started_by.clone(),
        proposed: proposed.clone(),
        created_at: recorded.at,
        state: CheckpointState::Pending,
    })
}
