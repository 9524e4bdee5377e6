//! Checkpoints: they open, and somebody or nobody decides.

use super::Execution;
use crate::workflow::{
    CheckpointId, Decision, Failure, FailureKind, Json, NodeId, NodeIndex, OnExpiry, OnReject,
    ROUNDS_MAX, Timestamp,
    execution::{Consequence, Stage, Timer},
};

impl Execution {
    pub(super) fn open(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        expires: Option<Timestamp>,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let node = self.node(index);
        if !matches!(node.stage, Stage::Active) || node.open_slots > 0 {
            return Err(format!("node {id} has not produced its output"));
        }
        if self.definition.node(index).checkpoint.is_none() {
            return Err(format!("node {id} has no checkpoint"));
        }
        if self.checkpoints.contains_key(&checkpoint) {
            return Err(format!("checkpoint {checkpoint} is open already"));
        }
        let proposed = node.produced();
        self.change(index, |node| {
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
        let proposed = self.close_checkpoint(index);
        match decision {
            Decision::Approve => self.close(index, Stage::Completed { output: proposed }, at),
            Decision::Edit { content } => {
                let output = content.clone();
                self.close(index, Stage::Completed { output }, at);
            }
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
            Some(OnExpiry::Approve) => self.close(index, Stage::Completed { output: proposed }, at),
            Some(OnExpiry::Reject) => self.reject(index, message, None, at),
            // Nobody found fault with the output, so a resume only asks again.
            Some(OnExpiry::Fail) | None => {
                let failure = Failure::new(FailureKind::TimedOut, message);
                self.close(index, Stage::Failed(failure), at);
            }
        }
        Ok(())
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
        let rounds = self.node(index).round + 1;
        self.nodes[index.at()].review_notes = notes.map(str::to_owned);
        if !is_rerun || rounds >= ROUNDS_MAX {
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
