//! What people want of an execution: that it ends, goes on, or how they decide.

use std::time::Duration;

use super::{Execution, check_depth};
use crate::workflow::{
    CheckpointId, Decision, Event, ExecutionStatus, Timestamp,
    execution::{Refusal, Stage, Step},
};

impl Execution {
    pub(super) fn cancel_all(
        &mut self,
        reason: String,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match self.status() {
            ExecutionStatus::Cancelled => Ok(()), // Asked for twice.
            status if status.is_over() => Err(Refusal::Over(status)),
            _ => {
                self.cancel_active(now, step)?;
                self.record(Event::ExecutionCancelled { reason }, now, step)
            }
        }
    }

    pub(super) fn resume_with(
        &mut self,
        timeout: Duration,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let status = self.status();
        if !status.is_over() || status == ExecutionStatus::Completed {
            return Err(Refusal::NotResumable(status));
        }
        let deadline = now.after(timeout);
        self.record(Event::ExecutionResumed { deadline }, now, step)
    }

    pub(super) fn resolved(
        &mut self,
        checkpoint: CheckpointId,
        decision: Decision,
        notes: Option<String>,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if let Decision::Edit { content } = &decision {
            check_depth("edited content", content)?;
        }
        let index = self
            .open_checkpoint(checkpoint)
            .filter(|index| match self.node(*index).stage {
                // It may have expired without anybody's having looked at the clock yet.
                Stage::AwaitingCheckpoint { expires, .. } => expires.is_none_or(|at| at > now),
                _ => false,
            })
            .ok_or(Refusal::NotOpen(checkpoint))?;
        let node = self.definition.node(index).id.clone();
        let event = Event::CheckpointResolved {
            node,
            checkpoint,
            decision,
            notes,
            by,
        };
        self.record(event, now, step)
    }
}
