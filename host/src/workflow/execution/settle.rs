//! Consequences: what follows from the events so far without anybody's doing.

use std::{collections::VecDeque, fmt::Write as _};

use super::{Action, Consequence, Execution, Origin, Refusal, Stage, Step};
use crate::workflow::{
    CheckpointId, Digest, Event, ExecutionId, Failure, FailureKind, Json, NodeId, NodeIndex,
    OnFailure, Position, Timestamp,
};

impl Execution {
    pub(super) fn settle(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        while let Some(consequence) = self.consequences.pop_front() {
            match consequence {
                Consequence::Skip(index) => self.settle_skip(index, now, step)?,
                Consequence::OpenCheckpoint(index) => self.settle_checkpoint(index, now, step)?,
                Consequence::Expand(index) => self.settle_expansion(index, now, step)?,
                Consequence::Stop(index) => {
                    let error = self.failure_of(index);
                    self.cancel_active(now, step)?;
                    self.record(Event::ExecutionFailed { error }, now, step)?;
                }
            }
        }
        if !self.is_over() && self.tally.open_nodes == 0 && !self.is_finishing {
            self.settle_end(now, step)?;
        }
        Ok(())
    }

    /// Cancels what is active, before the execution ends. Whatever that fails or
    /// skips is overtaken by the end; what it makes active is not.
    pub(super) fn cancel_active(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        let indices = self.definition.indices();
        let mut active: VecDeque<_> = indices
            .filter(|index| self.node(*index).is_active())
            .collect();
        while let Some(index) = active.pop_front() {
            if !self.node(index).is_active() {
                continue;
            }
            let node = self.definition.node(index).id.clone();
            self.record(Event::NodeCancelled { node }, now, step)?;
            // A resumed node that has its outputs, or its items, is active as soon as its needs
            // are over.
            let dependents = &self.definition.node(index).dependents;
            let is_active = |index: &NodeIndex| self.node(*index).is_active();
            active.extend(dependents.iter().copied().filter(is_active));
        }
        Ok(())
    }

    fn settle_skip(
        &mut self,
        index: NodeIndex,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if !matches!(self.node(index).stage, Stage::Waiting) {
            return Ok(());
        }
        let spec = self.definition.node(index);
        let lost = spec.needs.iter().find(|need| {
            let need = self.node(**need);
            need.is_over() && need.output().is_none()
        });
        let reason = match lost {
            Some(need) => format!(
                "{} is {}",
                self.definition.node(*need).id,
                self.node(*need).status()
            ),
            None => "its needs are not met".to_owned(),
        };
        let node = spec.id.clone();
        self.record(Event::NodeSkipped { node, reason }, now, step)
    }

    fn settle_checkpoint(
        &mut self,
        index: NodeIndex,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let state = self.node(index);
        if !self.definition.node(index).asks(Position::After)
            || !matches!(state.stage, Stage::Active)
            || state.open_slots > 0
        {
            return Ok(());
        }
        self.open_checkpoint_at(index, None, now, step)
    }

    /// Asks people: on the input of the node, or on what it produced.
    pub(super) fn open_checkpoint_at(
        &mut self,
        index: NodeIndex,
        input: Option<Json>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let spec = self.definition.node(index);
        let expires_after = (spec.checkpoint.as_ref()).and_then(|spec| spec.expires_after);
        let event = Event::CheckpointOpened {
            node: spec.id.clone(),
            checkpoint: self.checkpoint_id(index),
            expires: expires_after.map(|after| now.after(after)),
            input: input.filter(|input| !input.is_null()),
        };
        self.record(event, now, step)
    }

    /// A fan-out whose inputs were approved: they are its items.
    fn settle_expansion(
        &mut self,
        index: NodeIndex,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let state = self.node(index);
        let approved = (state.approved.as_ref()).and_then(|inputs| inputs.as_array());
        let Some(inputs) = approved.filter(|_| matches!(state.stage, Stage::Ready)) else {
            return Ok(());
        };
        let items = inputs.iter().cloned().map(Json::new).collect();
        let node = self.definition.node(index).id.clone();
        self.record(Event::FanOutExpanded { node, items }, now, step)
    }

    fn settle_end(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        if self.tally.failed_nodes > 0 {
            let failed = self
                .definition
                .indices()
                .find(|index| matches!(self.node(*index).stage, Stage::Failed(_)));
            let error = failed.map_or_else(
                || Failure::new(FailureKind::Permanent, "a node failed"),
                |index| self.failure_of(index),
            );
            return self.record(Event::ExecutionFailed { error }, now, step);
        }
        if self.definition.output.is_some() {
            self.is_finishing = true;
            step.actions.push(Action::Finish);
            return Ok(());
        }
        let output = self.default_output();
        self.record(Event::ExecutionCompleted { output }, now, step)
    }

    fn failure_of(&self, index: NodeIndex) -> Failure {
        let node = self.node(index);
        let failure = match &node.stage {
            Stage::Failed(failure) => Some(failure.clone()),
            _ => node.failure(),
        };
        let id = &self.definition.node(index).id;
        debug_assert!(self.definition.on_failure == OnFailure::Continue || failure.is_some());
        failure.map_or_else(
            || Failure::new(FailureKind::Permanent, format!("node {id} failed")),
            |failure| Failure::new(failure.cause, format!("node {id}: {}", failure.message)),
        )
    }

    /// The same whenever it is asked for; another one in each round.
    fn checkpoint_id(&self, index: NodeIndex) -> CheckpointId {
        let round = self.node(index).round;
        let mut name = format!("{}/{}/{round}", self.id, index.0);
        let Origin {
            version,
            first_version,
            ..
        } = &self.origin;
        if version != first_version {
            // The same place was another node's before it migrated.
            let _ = write!(name, "@{version}");
        }
        let digest = Digest::of(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.0[..16]);
        CheckpointId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// Passed on to systems that take one, so that a repeated attempt has no
/// second effect: the same for every attempt of this node and item, until a
/// reviewer sends it back (another `round`) and another effect is wanted.
pub fn idempotency_key(
    execution: ExecutionId,
    node: &NodeId,
    item: Option<u32>,
    round: u32,
) -> String {
    let mut key = format!("{execution}:{node}");
    if let Some(item) = item {
        let _ = write!(key, ":{item}");
    }
    if round > 0 {
        let _ = write!(key, "#{round}");
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_that_is_wanted_has_a_key_of_its_own() {
        let execution: ExecutionId = "01a21c6e-0000-7000-8000-000000000001".parse().unwrap();
        let key = |item, round| idempotency_key(execution, &"send".parse().unwrap(), item, round);
        assert_eq!(key(None, 0), format!("{execution}:send"));
        assert_eq!(key(Some(3), 0), format!("{execution}:send:3"));
        assert_eq!(key(Some(3), 2), format!("{execution}:send:3#2"));
    }
}
