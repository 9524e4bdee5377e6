//! Checkpoints: they open, and somebody or nobody decides.

use super::Execution;
use crate::workflow::{
    CheckpointId, Decision, Failure, FailureKind, Json, NodeId, NodeIndex, OnExpiry, OnReject,
    Position, Timestamp,
    execution::{Consequence, Stage, Timer},
};

impl Execution {
    pub(super) fn open(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        expires: Option<Timestamp>,
        input: Option<&Json>,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let node = self.node(index);
        let Some(spec) = &self.definition.node(index).checkpoint else {
            return Err(format!("node {id} has no checkpoint"));
        };
        let position = spec.position;
        let is_time = match position {
            Position::Before => matches!(node.stage, Stage::Ready) && node.approved.is_none(),
            Position::After => matches!(node.stage, Stage::Active) && node.open_slots == 0,
        };
        if !is_time {
            return Err(format!("node {id} is {}", node.status()));
        }
        if self.checkpoints.contains_key(&checkpoint) {
            return Err(format!("checkpoint {checkpoint} is open already"));
        }
        let proposed = match position {
            Position::Before => input.cloned().unwrap_or_default(),
            Position::After => node.produced(),
        };
        self.check_items(index, &proposed)?;
        self.started_at.get_or_insert(at);
        self.change(index, |node| {
            // Asked again, after a resume, it is another question.
            node.round += u32::from(position == Position::Before);
            node.stage = Stage::AwaitingCheckpoint {
                checkpoint,
                expires,
                proposed,
            };
        });
        self.checkpoints.insert(checkpoint, index);
        if let Some(expires) = expires {
            self.timers
                .insert((expires, Timer::Expiry(index, checkpoint)));
        }
        Ok(())
    }

    pub(super) fn resolve(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        decision: &Decision,
        notes: Option<&str>,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.awaiting(id, checkpoint)?;
        if let Decision::Edit { content } = decision {
            self.check_items(index, content)?;
        }
        let proposed = self.close_checkpoint(index);
        match decision {
            Decision::Approve => self.accept(index, proposed, at),
            Decision::Edit { content } => self.accept(index, content.clone(), at),
            Decision::Reject => {
                let message = match notes {
                    Some(notes) => format!("rejected by the reviewer: {notes}"),
                    None => "rejected by the reviewer".to_owned(),
                };
                self.reject(index, message, notes, at);
            }
        }
        Ok(())
    }

    pub(super) fn expire(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.awaiting(id, checkpoint)?;
        let proposed = self.close_checkpoint(index);
        let message = "nobody decided at the checkpoint in time".to_owned();
        let spec = self.definition.node(index).checkpoint.as_ref();
        match spec.map(|spec| spec.on_expiry) {
            Some(OnExpiry::Approve) => self.accept(index, proposed, at),
            Some(OnExpiry::Reject) => self.reject(index, message, None, at),
            // Nobody found fault with the output, so a resume only asks again.
            Some(OnExpiry::Fail) | None => {
                let failure = Failure::new(FailureKind::TimedOut, message);
                self.close(index, Stage::Failed(failure), at);
            }
        }
        Ok(())
    }

    /// The node is over with this output, or runs with this input.
    fn accept(&mut self, index: NodeIndex, content: Json, at: Timestamp) {
        if self.definition.node(index).asks(Position::After) {
            return self.close(index, Stage::Completed { output: content }, at);
        }
        self.change(index, |node| {
            node.stage = Stage::Ready;
            node.approved = Some(content);
        });
        self.run_approved(index);
    }

    /// Lets a node run whose input is approved and that has not begun.
    pub(super) fn run_approved(&mut self, index: NodeIndex) {
        if self.definition.node(index).for_each.is_some() {
            self.consequences.push_back(Consequence::Expand(index));
        } else {
            self.start_slots(index);
        }
    }

    /// The notes are for the next attempt: a rerun, or one after a resume.
    fn reject(
        &mut self,
        index: NodeIndex,
        mut message: String,
        notes: Option<&str>,
        at: Timestamp,
    ) {
        let spec = self.definition.node(index).checkpoint.as_ref();
        let is_rerun = spec.is_some_and(|spec| spec.on_reject == OnReject::Rerun);
        let max_reruns = spec.map_or(0, |spec| spec.max_reruns);
        let rounds = self.node(index).round + 1;
        self.nodes[index.at()].review_notes = notes.map(str::to_owned);
        if !is_rerun || rounds > max_reruns {
            if is_rerun {
                message = format!("{message} (round {rounds}, the last)");
            }
            let failure = Failure::new(FailureKind::Rejected, message);
            self.close(index, Stage::Failed(failure), at);
            return;
        }
        let open_slots = self.change(index, |node| {
            node.send_back();
            node.open_slots
        });
        if open_slots == 0 {
            self.consequences
                .push_back(Consequence::OpenCheckpoint(index));
        }
        self.start_slots(index);
    }

    /// Closes the open checkpoint of a node, which is active again; returns what was proposed.
    pub(super) fn close_checkpoint(&mut self, index: NodeIndex) -> Json {
        let stage = self.change(index, |node| {
            std::mem::replace(&mut node.stage, Stage::Active)
        });
        let Stage::AwaitingCheckpoint {
            checkpoint,
            expires,
            proposed,
        } = stage
        else {
            unreachable!("only called for nodes that await a checkpoint");
        };
        self.checkpoints.remove(&checkpoint);
        if let Some(expires) = expires {
            self.timers
                .remove(&(expires, Timer::Expiry(index, checkpoint)));
        }
        proposed
    }

    /// What becomes the items of a fan-out has to be some.
    fn check_items(&self, index: NodeIndex, inputs: &Json) -> Result<(), String> {
        let spec = self.definition.node(index);
        if spec.asks_for_items() && !inputs.is_array() {
            return Err(format!("the inputs of node {} are no array", spec.id));
        }
        Ok(())
    }

    fn awaiting(&self, id: &NodeId, checkpoint: CheckpointId) -> Result<NodeIndex, String> {
        let index = self.index(id)?;
        match &self.node(index).stage {
            Stage::AwaitingCheckpoint {
                checkpoint: open, ..
            } if *open == checkpoint => Ok(index),
            _ => Err(format!("checkpoint {checkpoint} of node {id} is not open")),
        }
    }
}
