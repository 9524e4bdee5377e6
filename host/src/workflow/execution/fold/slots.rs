//! Attempts: items begin, fail, are tried again and succeed.

use super::Execution;
use crate::workflow::{
    ArtifactRef, Failure, Json, NodeId, NodeIndex, OnFailure, Position, Timestamp,
    execution::{Consequence, Slot, SlotState, Stage, Task, Timer},
};

impl Execution {
    pub(super) fn expand(
        &mut self,
        id: &NodeId,
        items: &[Json],
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let is_fan_out = self.definition.node(index).for_each.is_some();
        let node = self.node(index);
        if !is_fan_out || !matches!(node.stage, Stage::Ready) || node.items.is_some() {
            return Err(format!("node {id} is not about to fan out"));
        }
        self.started_at.get_or_insert(at);
        self.change(index, |node| {
            node.stage = Stage::Active;
            node.started_at.get_or_insert(at);
            node.set_items(items.to_vec());
        });
        self.start_slots(index);
        if items.is_empty() {
            self.all_slots_over(index, at);
        }
        Ok(())
    }

    pub(super) fn begin(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        attempt: u32,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let node = self.node(index);
        if !matches!(node.stage, Stage::Ready | Stage::Active) {
            return Err(format!("node {id} is {}", node.status()));
        }
        if self.definition.node(index).for_each.is_some() && node.items.is_none() {
            return Err(format!("node {id} has not fanned out"));
        }
        let slot = node.slot(item).ok_or_else(|| no_item(id, item))?;
        if attempt != slot.attempt + 1 {
            return Err(format!(
                "attempt {attempt} of node {id} follows attempt {}",
                slot.attempt
            ));
        }
        match slot.state {
            SlotState::Pending => {}
            SlotState::Retrying { due, .. } => {
                self.timers.remove(&(due, Timer::Retry(index, item)));
            }
            _ => return Err(format!("node {id} is {}", slot.status())),
        }
        self.started_at.get_or_insert(at);
        self.change(index, |node| {
            node.stage = Stage::Active;
            node.started_at.get_or_insert(at);
            node.set_slot(item, SlotState::Running);
            if let Some(slot) = node.slot_mut(item) {
                slot.attempt = attempt;
                slot.tries += 1;
                slot.progress = None;
                slot.started_at.get_or_insert(at);
            }
        });
        Ok(())
    }

    pub(super) fn progress(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        fraction: f32,
    ) -> Result<(), String> {
        let (index, _) = self.running(id, item, None)?;
        if let Some(slot) = self.nodes[index.at()].slot_mut(item) {
            slot.progress = Some(fraction);
        }
        Ok(())
    }

    pub(super) fn succeed(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        attempt: u32,
        output: &Json,
        artifacts: &[ArtifactRef],
        at: Timestamp,
    ) -> Result<(), String> {
        let (index, _) = self.running(id, item, Some(attempt))?;
        if let Some(slot) = self.nodes[index.at()].slot_mut(item) {
            slot.artifacts = artifacts.to_vec();
            slot.progress = Some(1.0);
        }
        let output = output.clone();
        self.close_slot(index, item, SlotState::Succeeded { output }, at);
        Ok(())
    }

    pub(super) fn schedule_retry(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        attempt: u32,
        error: &Failure,
        due: Timestamp,
    ) -> Result<(), String> {
        let (index, _) = self.running(id, item, Some(attempt))?;
        let error = error.clone();
        self.change(index, |node| {
            node.set_slot(item, SlotState::Retrying { due, error });
            if let Some(slot) = node.slot_mut(item) {
                slot.progress = None;
            }
        });
        self.timers.insert((due, Timer::Retry(index, item)));
        Ok(())
    }

    /// A node fails with an attempt, or before the first one (when it cannot be prepared).
    pub(super) fn fail(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        error: &Failure,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        if item.is_none() && matches!(self.node(index).stage, Stage::Ready) {
            self.close(index, Stage::Failed(error.clone()), at);
            return Ok(());
        }
        self.running(id, item, None)?;
        self.close_slot(index, item, SlotState::Failed(error.clone()), at);
        Ok(())
    }

    pub(super) fn cancel(&mut self, id: &NodeId, at: Timestamp) -> Result<(), String> {
        let index = self.index(id)?;
        match self.node(index).stage {
            Stage::Active => self.cancel_slots(index, at),
            Stage::AwaitingCheckpoint { .. } => {
                self.close_checkpoint(index);
            }
            _ => return Err(format!("node {id} is {}", self.node(index).status())),
        }
        // An item may have failed while others still ran.
        let failure = self.node(index).failure();
        let stage = failure.map_or(Stage::Cancelled, Stage::Failed);
        self.close(index, stage, at);
        Ok(())
    }

    fn cancel_slots(&mut self, index: NodeIndex, at: Timestamp) {
        let open: Vec<_> = self
            .node(index)
            .numbered_slots()
            .filter(|(_, slot)| !slot.status().is_over())
            .map(|(item, _)| item)
            .collect();
        for &item in &open {
            if let Some(SlotState::Retrying { due, .. }) =
                self.node(index).slot(item).map(|slot| &slot.state)
            {
                self.timers.remove(&(*due, Timer::Retry(index, item)));
            }
        }
        self.change(index, |node| {
            for item in open {
                node.set_slot(item, SlotState::Cancelled);
                if let Some(slot) = node.slot_mut(item) {
                    slot.ended_at = Some(at);
                }
            }
        });
    }

    fn close_slot(&mut self, index: NodeIndex, item: Option<u32>, state: SlotState, at: Timestamp) {
        let has_failed = matches!(state, SlotState::Failed(_));
        let open_slots = self.change(index, |node| {
            node.set_slot(item, state);
            if let Some(slot) = node.slot_mut(item) {
                slot.ended_at = Some(at);
            }
            node.open_slots
        });
        if open_slots == 0 {
            self.all_slots_over(index, at);
        } else if has_failed && self.definition.on_failure == OnFailure::Stop {
            self.consequences.push_back(Consequence::Stop(index));
        }
    }

    fn all_slots_over(&mut self, index: NodeIndex, at: Timestamp) {
        match self.node(index).failure() {
            Some(failure) => self.close(index, Stage::Failed(failure), at),
            None if self.definition.node(index).asks(Position::After) => {
                self.consequences
                    .push_back(Consequence::OpenCheckpoint(index));
            }
            None => {
                let output = self.node(index).produced();
                self.close(index, Stage::Completed { output }, at);
            }
        }
    }

    pub(super) fn start_slots(&mut self, index: NodeIndex) {
        let tasks = self.nodes[index.at()]
            .numbered_slots()
            .filter(|(_, slot)| matches!(slot.state, SlotState::Pending))
            .map(|(item, slot)| Task::Start(index, item, slot.attempt + 1));
        self.agenda.extend(tasks);
    }

    /// The slot of this item, if an attempt (this one, when a number is given) runs.
    pub(super) fn running(
        &self,
        id: &NodeId,
        item: Option<u32>,
        attempt: Option<u32>,
    ) -> Result<(NodeIndex, &Slot), String> {
        let index = self.index(id)?;
        let slot = self
            .node(index)
            .slot(item)
            .ok_or_else(|| no_item(id, item))?;
        if !matches!(slot.state, SlotState::Running) {
            return Err(format!("node {id} is {}", slot.status()));
        }
        match attempt {
            Some(attempt) if attempt != slot.attempt => {
                Err(format!("attempt {} runs, not {attempt}", slot.attempt))
            }
            _ => Ok((index, slot)),
        }
    }
}

fn no_item(id: &NodeId, item: Option<u32>) -> String {
    match item {
        Some(item) => format!("node {id} has no item {item}"),
        None => format!("node {id} runs once per item"),
    }
}
