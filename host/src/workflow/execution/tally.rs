//! What is counted over all nodes, so that nobody has to look at each.

use super::{NodeState, Stage};

/// Sums over the nodes of an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Nodes that are not over.
    pub(super) open_nodes: usize,
    pub(super) failed_nodes: usize,
    /// Nodes that have begun and are not over.
    pub(super) active_nodes: usize,
    pub(super) awaiting_nodes: usize,
    pub(super) running_slots: usize,
    pub(super) retrying_slots: usize,
    /// What could begin at once if there were room: ready nodes and pending items.
    pub(super) startable: usize,
}

impl Tally {
    /// Counted from scratch.
    pub(super) fn of(nodes: &[NodeState]) -> Self {
        let mut tally = Self::default();
        for node in nodes {
            tally.add(node);
        }
        tally
    }

    pub(super) fn add(&mut self, node: &NodeState) {
        for (sum, part) in self.parts(node) {
            *sum += part;
        }
    }

    pub(super) fn remove(&mut self, node: &NodeState) {
        for (sum, part) in self.parts(node) {
            *sum -= part;
        }
    }

    /// What one node adds to each sum, in constant time.
    fn parts(&mut self, node: &NodeState) -> [(&mut usize, usize); 7] {
        let startable = match node.stage {
            Stage::Ready => 1,
            Stage::Active => node.open_slots - node.running_slots - node.retrying_slots,
            _ => 0,
        };
        let is_failed = matches!(node.stage, Stage::Failed(_));
        let is_awaiting = matches!(node.stage, Stage::AwaitingCheckpoint { .. });
        [
            (&mut self.open_nodes, usize::from(!node.is_over())),
            (&mut self.failed_nodes, usize::from(is_failed)),
            (&mut self.active_nodes, usize::from(node.is_active())),
            (&mut self.awaiting_nodes, usize::from(is_awaiting)),
            (&mut self.running_slots, node.running_slots),
            (&mut self.retrying_slots, node.retrying_slots),
            (&mut self.startable, startable),
        ]
    }
}
