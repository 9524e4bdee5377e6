//! Migrations: whether an execution that waits can go on by a newer version of its definition, and
//! what that changes.
//!
//! What has happened has to keep its meaning: whoever reads the journal afterwards finds nothing that
//! the new version would not have allowed.

use std::collections::BTreeSet;

use super::{Execution, NodeState, Refusal, SlotState, Stage};
use crate::workflow::{
    Definition, Event, Join, Node, NodeId, NodeIndex, OnFailure, Position, Recorded, Version,
    Violation,
};

/// Mistakes in one answer: more help nobody.
const VIOLATIONS_MAX: usize = 100;

/// What a migration changes, in the order of the definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// Nodes that have begun: they stand as they stood.
    pub kept: Vec<NodeId>,
    /// Nodes that only the new version has.
    pub added: Vec<NodeId>,
    /// Nodes that the new version has no more. None of them has begun.
    pub removed: Vec<NodeId>,
}

/// The versions of its definition by which a journal goes, first to last.
pub fn versions_of(events: &[Recorded]) -> Vec<Version> {
    let version = |recorded: &Recorded| match recorded.event {
        Event::ExecutionCreated { version, .. } | Event::ExecutionMigrated { version, .. } => {
            Some(version)
        }
        _ => None,
    };
    events.iter().filter_map(version).collect()
}

impl Migration {
    /// A migration of an execution, as it stands now, to this definition; or everything of it that
    /// is in the way, each with a JSON Pointer into its document.
    pub fn plan(execution: &Execution, definition: &Definition) -> Result<Self, Vec<Violation>> {
        let mut check = Check {
            execution,
            definition,
            violations: Vec::new(),
        };
        check.all();
        let mut violations = check.violations;
        if !violations.is_empty() {
            violations.truncate(VIOLATIONS_MAX);
            return Err(violations);
        }
        let old = &execution.definition;
        let ids = |of: &Definition, filter: &dyn Fn(&Node) -> bool| {
            let nodes = of.nodes.iter().filter(|node| filter(node));
            nodes.map(|node| node.id.clone()).collect()
        };
        let is_begun =
            |node: &Node| state_of(execution, &node.id).is_some_and(NodeState::has_begun);
        Ok(Self {
            kept: ids(definition, &is_begun),
            added: ids(definition, &|node| old.node_index(&node.id).is_none()),
            removed: ids(old, &|node| definition.node_index(&node.id).is_none()),
        })
    }
}

fn state_of<'e>(execution: &'e Execution, id: &NodeId) -> Option<&'e NodeState> {
    let index = execution.definition.node_index(id)?;
    Some(execution.node(index))
}

impl Execution {
    /// Does the execution stand still, so that it could migrate to a version if that suited it?
    pub fn check_still(&self, version: Version) -> Result<(), Refusal> {
        let status = self.status();
        if status.is_over() {
            return Err(Refusal::OverToMigrate(status));
        }
        let current = self.origin.version;
        if version < current {
            return Err(Refusal::Older { version, current });
        }
        let first = |is: &dyn Fn(&NodeState) -> bool| {
            let index = self
                .definition
                .indices()
                .find(|index| is(self.node(*index)));
            index.map(|index| &self.definition.node(index).id)
        };
        if let Some(id) = first(&|node| node.running_slots > 0) {
            let what = format!("node {id} runs; pause the execution, and wait until nothing does");
            return Err(Refusal::NotStill(what));
        }
        if self.tally.open_nodes == 0 {
            let what = "all nodes are over, and its output is being made".to_owned();
            return Err(Refusal::NotStill(what));
        }
        if let Some(index) = self.preparing.first() {
            let id = &self.definition.node(*index).id;
            let what = format!("expressions of node {id} are being evaluated; try again");
            return Err(Refusal::NotStill(what));
        }
        let is_startable = |node: &NodeState| {
            let is_pending = node.open_slots > node.retrying_slots;
            matches!(node.stage, Stage::Ready) || matches!(node.stage, Stage::Active) && is_pending
        };
        match first(&is_startable) {
            Some(id) if !self.is_paused => Err(Refusal::NotStill(format!(
                "node {id} is about to begin; pause the execution first"
            ))),
            _ => Ok(()),
        }
    }
}

/// Looks for what is in the way.
struct Check<'e> {
    execution: &'e Execution,
    definition: &'e Definition,
    violations: Vec<Violation>,
}

impl Check<'_> {
    fn all(&mut self) {
        let execution = self.execution;
        let old = &execution.definition;
        for (was, state) in old.nodes.iter().zip(&execution.nodes) {
            if !state.has_begun() {
                continue;
            }
            match self.definition.node_index(&was.id) {
                Some(index) => self.node(index, was, state),
                None => self.add(
                    "/nodes".to_owned(),
                    format!("has no node {}, {}", was.id, standing(state)),
                ),
            }
        }
        let has_failed = |state: &NodeState| {
            matches!(state.stage, Stage::Failed(_)) || state.failure().is_some()
        };
        let is_stop = self.definition.on_failure == OnFailure::Stop;
        let failed = old
            .indices()
            .find(|index| has_failed(execution.node(*index)));
        if let (true, Some(index)) = (is_stop && old.on_failure != OnFailure::Stop, failed) {
            let id = &old.node(index).id;
            let message = format!("is \"stop\", but node {id} has failed and others went on");
            self.add("/on_failure".to_owned(), message);
        }
    }

    /// A node that has begun.
    fn node(&mut self, index: NodeIndex, was: &Node, state: &NodeState) {
        let spec = self.definition.node(index);
        let pointer = format!("/nodes/{}", index.0);
        let stands = standing(state);
        if spec.phase != was.phase {
            let message = format!("is {}, not {}, for a node {stands}", spec.phase, was.phase);
            self.add(format!("{pointer}/phase"), message);
        }
        if spec.for_each.is_some() != was.for_each.is_some() {
            let times = match was.for_each {
                Some(_) => "must be there, as it was, for a node",
                None => "must not be there, as it was not, for a node",
            };
            self.add(format!("{pointer}/for_each"), format!("{times} {stands}"));
        }
        let asked_before = was.asks(Position::Before);
        if let Some(position) = state.awaited(asked_before)
            && !spec.asks(position)
        {
            let place = match position {
                Position::Before => "before",
                Position::After => "after",
            };
            let message = format!("must be there {place} the node, as somebody decides at it now");
            self.add(format!("{pointer}/checkpoint"), message);
        }
        let is_retrying = |slot: &&super::Slot| matches!(slot.state, SlotState::Retrying { .. });
        let tries = (state.slots.iter().filter(is_retrying))
            .map(|slot| slot.tries)
            .max();
        if let Some(tries) = tries.filter(|tries| *tries >= spec.retry.max_attempts) {
            let max = spec.retry.max_attempts;
            let message =
                format!("is {max}, but the node is to be retried after {tries} attempts already");
            self.add(format!("{pointer}/retry/max_attempts"), message);
        }
        self.needs(&pointer, spec, was, state);
    }

    /// What has begun had its needs met, and what was skipped was decided on. Needs that stay the
    /// same were so when that happened.
    fn needs(&mut self, pointer: &str, spec: &Node, was: &Node, state: &NodeState) {
        let needs_of = |definition: &Definition, node: &Node| -> BTreeSet<NodeId> {
            let needs = node.needs.iter();
            needs
                .map(|need| definition.node(*need).id.clone())
                .collect()
        };
        let are_same = spec.join == was.join
            && needs_of(self.definition, spec) == needs_of(&self.execution.definition, was);
        // What waits again, after a resume, waits for its new needs.
        if are_same || matches!(state.stage, Stage::Waiting) {
            return;
        }
        let of = |need: &NodeIndex| state_of(self.execution, &self.definition.node(*need).id);
        let is_over = |need: &NodeIndex| of(need).is_some_and(NodeState::is_over);
        let is_completed = |need: &NodeIndex| of(need).is_some_and(|need| need.output().is_some());
        let stands = standing(state);
        let join = match state.stage {
            Stage::Skipped { .. } => Join::Settled,
            _ => spec.join,
        };
        let mut found = Vec::new();
        for (at, need) in spec.needs.iter().enumerate() {
            let is_met = match join {
                Join::All => is_completed(need),
                Join::Settled => is_over(need),
                Join::Any => spec.needs.iter().any(is_completed),
            };
            if !is_met {
                let id = &self.definition.node(*need).id;
                let need = of(need).map_or("new".to_owned(), |need| need.status().to_string());
                let message = format!("is {id}, which is {need}, for a node {stands}");
                found.push((format!("{pointer}/needs/{at}"), message));
            }
        }
        for (pointer, message) in found {
            self.add(pointer, message);
        }
    }

    fn add(&mut self, pointer: String, message: String) {
        self.violations.push(Violation { pointer, message });
    }
}

/// How a node stands, after "a node".
fn standing(state: &NodeState) -> String {
    match state.stage {
        Stage::Waiting | Stage::Ready | Stage::Active => "that has begun".to_owned(),
        _ => format!("that is {}", state.status()),
    }
}
