//! Needs: who is over, who becomes ready, who will never run; and the fresh
//! start that a resume is.

use super::Execution;
use crate::workflow::{
    Join, NodeId, NodeIndex, OnFailure, Position, Timestamp,
    execution::{Consequence, Ending, Stage, Tally, Task},
};

impl Execution {
    pub(super) fn resume(&mut self, deadline: Timestamp) -> Result<(), String> {
        match self.end.as_ref().map(|end| &end.result) {
            None => return Err("the execution is not over".to_owned()),
            Some(Ending::Completed(_)) => return Err("the execution is completed".to_owned()),
            Some(_) => {}
        }
        self.end = None;
        self.origin.deadline = deadline;
        for node in &mut self.nodes {
            if !matches!(node.stage, Stage::Completed { .. }) {
                node.reset();
            }
        }
        self.tally = Tally::of(&self.nodes);
        self.count_needs();
        Ok(())
    }

    /// Counts the needs of all nodes from scratch, and draws the consequences.
    pub(super) fn count_needs(&mut self) {
        for index in self.definition.indices() {
            let needs = &self.definition.node(index).needs;
            let (mut open, mut completed) = (0, 0);
            for need in needs {
                let need = self.node(*need);
                open += usize::from(!need.is_over());
                completed += usize::from(need.output().is_some());
            }
            let node = &mut self.nodes[index.at()];
            node.open_needs = open;
            node.completed_needs = completed;
        }
        for index in self.definition.indices() {
            self.check_needs(index);
        }
    }

    pub(super) fn skip(&mut self, id: &NodeId, reason: &str, at: Timestamp) -> Result<(), String> {
        let index = self.index(id)?;
        let node = self.node(index);
        if !matches!(node.stage, Stage::Waiting | Stage::Ready) {
            return Err(format!("node {id} is {}", node.status()));
        }
        let reason = reason.to_owned();
        self.close(index, Stage::Skipped { reason }, at);
        Ok(())
    }

    /// A node is over: those that wait for it hear of it.
    pub(super) fn close(&mut self, index: NodeIndex, stage: Stage, at: Timestamp) {
        let is_completed = matches!(stage, Stage::Completed { .. });
        if matches!(stage, Stage::Failed(_)) && self.definition.on_failure == OnFailure::Stop {
            self.consequences.push_back(Consequence::Stop(index));
        }
        self.change(index, |node| {
            node.stage = stage;
            node.ended_at = Some(at);
        });
        let definition = self.definition.clone();
        for &dependent in &definition.node(index).dependents {
            let node = &mut self.nodes[dependent.at()];
            node.open_needs -= 1;
            node.completed_needs += usize::from(is_completed);
            self.check_needs(dependent);
        }
    }

    /// Makes a waiting node ready, or has it skipped, once its needs allow to tell.
    pub(super) fn check_needs(&mut self, index: NodeIndex) {
        let spec = self.definition.node(index);
        let node = self.node(index);
        if !matches!(node.stage, Stage::Waiting) {
            return;
        }
        let needs = spec.needs.len();
        let over = needs - node.open_needs;
        let completed = node.completed_needs;
        let (is_met, is_lost) = match spec.join {
            _ if needs == 0 => (true, false),
            Join::All => (completed == needs, completed < over),
            Join::Any => (completed > 0, over == needs && completed == 0),
            Join::Settled => (over == needs, false),
        };
        if is_met {
            self.make_ready(index);
        } else if is_lost {
            self.consequences.push_back(Consequence::Skip(index));
        }
    }

    fn make_ready(&mut self, index: NodeIndex) {
        let spec = self.definition.node(index);
        let needs_preparation =
            spec.when.is_some() || spec.for_each.is_some() || spec.asks(Position::Before);
        let node = self.node(index);
        let next_attempt = node.slots.first().map_or(1, |slot| slot.attempt + 1);
        if node.approved.is_some() && !node.is_prepared() {
            self.change(index, |node| node.stage = Stage::Ready);
            return self.run_approved(index);
        }
        if !node.is_prepared() {
            self.change(index, |node| node.stage = Stage::Ready);
            self.agenda.push_back(if needs_preparation {
                Task::Prepare(index)
            } else {
                Task::Start(index, None, next_attempt)
            });
            return;
        }
        // A resumed node goes on with the items and outputs that it has.
        self.change(index, |node| node.stage = Stage::Active);
        if self.node(index).open_slots == 0 {
            self.consequences
                .push_back(Consequence::OpenCheckpoint(index));
        }
        self.start_slots(index);
    }
}
