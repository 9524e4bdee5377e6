//! Reruns: what a new execution takes over from one that is over, and what it runs.

use super::{Execution, Stage};
use crate::workflow::{Definition, Event, NodeIndex};

/// The nodes of a definition, divided into what a rerun takes over and what it runs. Both are
/// in the order of the definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rerun {
    /// Completed from the start, with the outputs of the old execution.
    pub taken: Vec<NodeIndex>,
    /// Run as in any execution: some may turn out to be skipped.
    pub run: Vec<NodeIndex>,
}

impl Rerun {
    /// A rerun of `old` by `definition`, which may be another version, from these nodes: they
    /// and all that depends on them run, and whatever has not completed. When none are named,
    /// it is from what did not complete; what was skipped is decided anew, but does not count.
    pub fn plan(old: &Execution, definition: &Definition, from: &[NodeIndex]) -> Self {
        let stage = |index: &NodeIndex| {
            let id = &definition.node(*index).id;
            let index = old.definition.node_index(id)?;
            Some(&old.node(index).stage)
        };
        let is_completed =
            |index: &NodeIndex| matches!(stage(index), Some(Stage::Completed { .. }));
        let is_skipped = |index: &NodeIndex| matches!(stage(index), Some(Stage::Skipped { .. }));
        let mut next: Vec<_> = match from {
            [] => definition
                .indices()
                .filter(|index| !is_completed(index) && !is_skipped(index))
                .collect(),
            from => from.to_vec(),
        };
        let mut is_affected = vec![false; definition.nodes.len()];
        while let Some(index) = next.pop() {
            if !std::mem::replace(&mut is_affected[index.at()], true) {
                next.extend(&definition.node(index).dependents);
            }
        }
        let (taken, run) = definition
            .indices()
            .partition(|index| !is_affected[index.at()] && is_completed(index));
        Self { taken, run }
    }

    /// The events that follow the creation of the new execution.
    pub fn events(&self, old: &Execution, definition: &Definition) -> Vec<Event> {
        let taken = self.taken.iter().filter_map(|index| {
            let id = &definition.node(*index).id;
            let state = old.node(old.definition.node_index(id)?);
            let kept = state.slots.iter().map(|slot| slot.artifacts.clone());
            let mut artifacts: Vec<_> = kept.collect();
            if artifacts.iter().all(Vec::is_empty) {
                artifacts.clear();
            }
            Some(Event::NodeTaken {
                node: id.clone(),
                from: state.taken_from.unwrap_or(old.id),
                output: state.output()?.clone(),
                items: state.items.clone(),
                artifacts,
            })
        });
        std::iter::once(Event::RerunBegun { of: old.id })
            .chain(taken)
            .collect()
    }
}
