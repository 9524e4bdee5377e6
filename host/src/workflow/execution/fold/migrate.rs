//! Going on by another version of the definition.
//!
//! **Invariant:** what is refused here was impossible in every journal ever written. Whether a
//! migration is a good one is decided once, before its event: see [`super::super::Migration`].

use std::sync::Arc;

use super::Execution;
use crate::workflow::{
    Definition, Node, Pins, Position, Version,
    execution::{NodeState, SlotState, Stage, Tally, Timer},
};

impl Execution {
    /// Tells the execution what a version of its definition is, so that it can migrate to it.
    pub fn learn(&mut self, version: Version, definition: Arc<Definition>) {
        self.later.insert(version, definition);
    }

    pub(super) fn migrate(
        &mut self,
        from: Version,
        version: Version,
        phases: &Pins,
    ) -> Result<(), String> {
        if from != self.origin.version || version <= from {
            return Err(format!(
                "it runs version {}, not {from}, or {version} is no newer one",
                self.origin.version
            ));
        }
        if self.tally.running_slots > 0 {
            return Err("attempts run".to_owned());
        }
        let definition = self.later.get(&version).cloned();
        let definition = definition.ok_or_else(|| format!("version {version} is not known"))?;
        self.nodes = self.carried(&definition)?;
        self.definition = definition;
        self.origin.version = version;
        self.origin.phases = phases.clone();
        self.derive();
        Ok(())
    }

    /// The nodes in the places that they have in another version.
    fn carried(&self, next: &Definition) -> Result<Vec<NodeState>, String> {
        let mut nodes: Vec<_> = next.nodes.iter().map(|_| NodeState::new(0)).collect();
        for (spec, state) in self.definition.nodes.iter().zip(&self.nodes) {
            if !state.has_begun() {
                continue;
            }
            let index = next.node_index(&spec.id);
            let index = index.ok_or_else(|| format!("there is no node {} any more", spec.id))?;
            check_carried(spec, next.node(index), state)?;
            let carried = &mut nodes[index.at()];
            carried.clone_from(state);
            // Whether it is its turn is found out anew.
            if matches!(carried.stage, Stage::Ready) {
                carried.stage = Stage::Waiting;
            }
        }
        Ok(nodes)
    }

    /// All that is kept beside the nodes, from scratch.
    fn derive(&mut self) {
        self.tally = Tally::of(&self.nodes);
        self.timers.clear();
        self.checkpoints.clear();
        self.agenda.clear();
        self.consequences.clear();
        self.preparing.clear();
        self.is_finishing = false;
        for index in self.definition.indices() {
            let node = &self.nodes[index.at()];
            if let Stage::AwaitingCheckpoint {
                checkpoint,
                expires,
                ..
            } = node.stage
            {
                self.checkpoints.insert(checkpoint, index);
                let expiry = expires.map(|at| (at, Timer::Expiry(index, checkpoint)));
                self.timers.extend(expiry);
            }
            let retries = node.numbered_slots().filter_map(|(item, slot)| {
                let SlotState::Retrying { due, .. } = slot.state else {
                    return None;
                };
                Some((due, Timer::Retry(index, item)))
            });
            self.timers.extend(retries);
            if matches!(node.stage, Stage::Active) {
                self.start_slots(index);
            }
        }
        self.count_needs();
    }
}

/// What of a node nothing in the journal before could have been, had it been another one.
fn check_carried(was: &Node, is: &Node, state: &NodeState) -> Result<(), String> {
    if was.for_each.is_some() != is.for_each.is_some() {
        return Err(format!("node {} would run another number of times", is.id));
    }
    match state.awaited(was.asks(Position::Before)) {
        Some(position) if !is.asks(position) => {
            Err(format!("nobody would decide at node {}", is.id))
        }
        _ => Ok(()),
    }
}
