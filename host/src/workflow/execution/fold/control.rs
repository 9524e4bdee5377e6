//! What operators do with an execution as a whole: they hold it and let it go on, or run it again
//! with what it came to.

use std::sync::Arc;

use serde_json::Value;

use super::Execution;
use crate::workflow::{
    ArtifactRef, ExecutionId, Json, NodeId, Timestamp,
    execution::{SlotState, Stage},
};

impl Execution {
    pub(super) fn pause(&mut self) -> Result<(), String> {
        if self.is_paused {
            return Err("the execution is paused".to_owned());
        }
        self.is_paused = true;
        Ok(())
    }

    pub(super) fn unpause(&mut self) -> Result<(), String> {
        if !self.is_paused {
            return Err("the execution is not paused".to_owned());
        }
        self.is_paused = false;
        Ok(())
    }

    pub(super) fn begin_rerun(&mut self, of: ExecutionId) -> Result<(), String> {
        if self.version > 1 {
            return Err("a rerun begins right after its creation".to_owned());
        }
        self.origin.rerun_of = Some(of);
        Ok(())
    }

    /// Completes a node with what it came to elsewhere. Its needs do not matter: whoever asked
    /// for the rerun has said that the output is good as it is.
    pub(super) fn take_over(
        &mut self,
        id: &NodeId,
        from: ExecutionId,
        output: &Json,
        items: Option<&[Json]>,
        artifacts: &[Vec<ArtifactRef>],
        at: Timestamp,
    ) -> Result<(), String> {
        if self.origin.rerun_of.is_none() || self.started_at.is_some() {
            return Err("it is no rerun, or has begun".to_owned());
        }
        let index = self.index(id)?;
        let node = self.node(index);
        if !matches!(node.stage, Stage::Waiting | Stage::Ready) {
            return Err(format!("node {id} is {}", node.status()));
        }
        self.change(index, |node| {
            node.taken_from = Some(from);
            if let Some(items) = items {
                node.set_items(items.to_vec());
            }
            for (at_slot, item) in (0_usize..).zip(slot_numbers(node.slots.len(), items)) {
                let output = slot_output(output, item);
                node.set_slot(item, SlotState::Succeeded { output });
                if let Some(slot) = node.slot_mut(item) {
                    slot.ended_at = Some(at);
                    slot.progress = Some(1.0);
                    slot.artifacts = artifacts.get(at_slot).cloned().unwrap_or_default();
                }
            }
        });
        let output = output.clone();
        self.close(index, Stage::Completed { output }, at);
        Ok(())
    }
}

fn slot_numbers(count: usize, items: Option<&[Json]>) -> impl Iterator<Item = Option<u32>> {
    let is_fan_out = items.is_some();
    (0_u32..)
        .take(count)
        .map(move |number| is_fan_out.then_some(number))
}

/// The part of one item in the output of its node. A reviewer may have put something else in
/// the place of the array: then the items have none.
fn slot_output(output: &Json, item: Option<u32>) -> Json {
    match (item, &**output) {
        (None, _) => output.clone(),
        (Some(item), Value::Array(outputs)) => {
            Arc::new(outputs.get(item as usize).cloned().unwrap_or_default())
        }
        (Some(_), _) => Json::default(),
    }
}
