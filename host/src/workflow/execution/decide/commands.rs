//! What people want of an execution: that it ends, stops for a while, goes on, perhaps by another
//! version, or how they decide. And giving it up.

use std::time::Duration;

use super::{Execution, check_depth};
use crate::workflow::{
    CheckpointId, Decider, Decision, Event, ExecutionStatus, Failure, FailureKind, ITEMS_MAX,
    Migration, NodeIndex, Pins, Timestamp, Version,
    execution::{Command, Refusal, Stage, Step},
};

impl Execution {
    pub(super) fn command(
        &mut self,
        command: Command,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match command {
            Command::Cancel { reason, by } => self.cancel_all(reason, by, now, step),
            Command::Pause { reason, by } => self.pause_all(reason, by, now, step),
            Command::Resume { timeout, by } => self.resume_with(timeout, by, now, step),
            Command::Migrate {
                version,
                phases,
                by,
            } => self.migrate_to(version, phases, by, now, step),
            Command::Resolve {
                checkpoint,
                decision,
                notes,
                by,
                decider,
            } => {
                self.admit(checkpoint, decider.as_ref(), now)?;
                self.resolved(checkpoint, decision, notes, by, now, step)
            }
        }
    }

    /// Ends an execution that nothing comes of but crashes. It can be resumed.
    pub(super) fn abandon(
        &mut self,
        crashes: u32,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if self.is_over() {
            return Ok(());
        }
        let message = format!(
            "given up: {crashes} hosts in a row ended while they ran it, and nothing came of it"
        );
        let error = Failure::new(FailureKind::Crashed, message);
        self.cancel_active(now, step)?;
        self.record(Event::ExecutionFailed { error }, now, step)
    }

    fn cancel_all(
        &mut self,
        reason: String,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match self.status() {
            ExecutionStatus::Cancelled => Ok(()), // Asked for twice.
            status if status.is_over() => Err(Refusal::Over(status)),
            _ => {
                self.cancel_active(now, step)?;
                self.record(Event::ExecutionCancelled { reason, by }, now, step)
            }
        }
    }

    fn pause_all(
        &mut self,
        reason: String,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match self.status() {
            ExecutionStatus::Paused => Ok(()), // Asked for twice.
            status if status.is_over() => Err(Refusal::Over(status)),
            _ => self.record(Event::ExecutionPaused { reason, by }, now, step),
        }
    }

    fn resume_with(
        &mut self,
        timeout: Duration,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let status = self.status();
        if status == ExecutionStatus::Paused {
            return self.record(Event::ExecutionUnpaused { by }, now, step);
        }
        if !status.is_over() || status == ExecutionStatus::Completed {
            return Err(Refusal::NotResumable(status));
        }
        let deadline = now.after(timeout);
        self.record(Event::ExecutionResumed { deadline, by }, now, step)
    }

    /// Asked here, of the definition that the execution runs at this moment, nothing can come
    /// between the answer and the decision.
    fn admit(
        &self,
        checkpoint: CheckpointId,
        decider: Option<&Decider>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let index = self.decidable(checkpoint, now)?;
        let starter = self.origin.started_by.as_ref();
        match &self.definition.node(index).checkpoint {
            Some(spec) => Ok(spec.audience.admit(starter, decider)?),
            None => Ok(()),
        }
    }

    /// The node of a checkpoint that can be decided.
    fn decidable(&self, checkpoint: CheckpointId, now: Timestamp) -> Result<NodeIndex, Refusal> {
        self.open_checkpoint(checkpoint)
            .filter(|index| match self.node(*index).stage {
                // It may have expired without anybody's having looked at the clock yet.
                Stage::AwaitingCheckpoint { expires, .. } => expires.is_none_or(|at| at > now),
                _ => false,
            })
            .ok_or(Refusal::NotOpen(checkpoint))
    }

    fn migrate_to(
        &mut self,
        version: Version,
        phases: Pins,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let from = self.origin.version;
        if version == from {
            return Ok(()); // Asked for twice.
        }
        self.check_still(version)?;
        let definition = self.later.get(&version).ok_or(Refusal::Unknown(version))?;
        Migration::plan(self, definition).map_err(Refusal::Incompatible)?;
        let event = Event::ExecutionMigrated {
            from,
            version,
            phases,
            by,
        };
        self.record(event, now, step)
    }

    fn resolved(
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
        let index = self.decidable(checkpoint, now)?;
        let spec = self.definition.node(index);
        if let Decision::Edit { content } = &decision
            && spec.asks_for_items()
        {
            let items = content.as_array().ok_or(Refusal::NotItems)?;
            if items.len() > ITEMS_MAX {
                return Err(Refusal::NotItems);
            }
        }
        let node = spec.id.clone();
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
