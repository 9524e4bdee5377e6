//! Applying events: the one place where an execution changes.
//!
//! **Invariant:** what is kept beside the nodes (counts, timers, checkpoints) is a
//! function of the events alone, so a fold stands exactly where the live execution
//! stood. The agenda of a fold may name work that was begun since; whoever takes
//! from it looks whether it is still to be done.

mod checkpoint;
mod control;
mod migrate;
mod needs;
mod slots;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{End, Ending, Execution, NodeState, Origin, Tally};
use crate::workflow::{
    Definition, Event, ExecutionId, NodeId, NodeIndex, Recorded, Timestamp, Version,
};

/// An event that cannot follow those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({kind}) is impossible here: {reason}")]
pub struct IllegalTransition {
    /// Number of the event.
    pub seq: u64,
    /// Its kind.
    pub kind: &'static str,
    /// What it contradicts.
    pub reason: String,
}

impl Execution {
    /// The execution that these events make, which has never migrated. The first one has to be
    /// its creation.
    pub fn fold(
        id: ExecutionId,
        definition: Arc<Definition>,
        events: &[Recorded],
    ) -> Result<Self, IllegalTransition> {
        Self::fold_with(id, definition, BTreeMap::new(), events)
    }

    /// The same of any execution: `definition` is of the version that the first event names,
    /// `later` are those to which it has migrated (see [`super::versions_of`]).
    pub fn fold_with(
        id: ExecutionId,
        definition: Arc<Definition>,
        later: BTreeMap<Version, Arc<Definition>>,
        events: &[Recorded],
    ) -> Result<Self, IllegalTransition> {
        let (first, rest) = events.split_first().ok_or(IllegalTransition {
            seq: 0,
            kind: "none",
            reason: "an execution has at least one event".to_owned(),
        })?;
        let mut execution = Self::create(id, definition, first)?;
        execution.later = later;
        for recorded in rest {
            execution.apply(recorded)?;
        }
        Ok(execution)
    }

    pub(super) fn create(
        id: ExecutionId,
        definition: Arc<Definition>,
        first: &Recorded,
    ) -> Result<Self, IllegalTransition> {
        let Event::ExecutionCreated {
            version,
            input,
            context,
            deadline,
            phases,
            by,
            ..
        } = &first.event
        else {
            return Err(illegal(first, "the first event creates the execution"));
        };
        if first.seq != 1 {
            return Err(illegal(first, "the first event has number 1"));
        }
        let origin = Origin {
            version: *version,
            first_version: *version,
            input: input.clone(),
            context: context.clone(),
            deadline: *deadline,
            phases: phases.clone(),
            at: first.at,
            started_by: by.clone(),
            rerun_of: None,
        };
        let nodes: Vec<_> = definition
            .nodes
            .iter()
            .map(|node| NodeState::new(node.needs.len()))
            .collect();
        let mut execution = Self {
            id,
            version: first.seq,
            origin,
            started_at: None,
            end: None,
            is_paused: false,
            tally: Tally::of(&nodes),
            nodes,
            timers: BTreeSet::new(),
            checkpoints: BTreeMap::new(),
            agenda: VecDeque::new(),
            consequences: VecDeque::new(),
            preparing: BTreeSet::new(),
            is_finishing: false,
            definition,
            later: BTreeMap::new(),
        };
        for index in execution.definition.indices() {
            execution.check_needs(index);
        }
        Ok(execution)
    }

    /// Applies the next event. On an error nothing has changed.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), IllegalTransition> {
        if recorded.seq != self.version + 1 {
            return Err(illegal(
                recorded,
                &format!("event {} was the last one", self.version),
            ));
        }
        self.transition(&recorded.event, recorded.at)
            .map_err(|reason| illegal(recorded, &reason))?;
        self.version = recorded.seq;
        Ok(())
    }

    fn transition(&mut self, event: &Event, at: Timestamp) -> Result<(), String> {
        if self.is_over() && !matches!(event, Event::ExecutionResumed { .. }) {
            return Err("the execution is over".to_owned());
        }
        match event {
            Event::ExecutionCreated { .. } => Err("the execution exists".to_owned()),
            Event::RerunBegun { of } => self.begin_rerun(*of),
            Event::NodeTaken {
                node,
                from,
                output,
                items,
                artifacts,
            } => self.take_over(node, *from, output, items.as_deref(), artifacts, at),
            Event::ExecutionCompleted { output } => self.end(at, Ending::Completed(output.clone())),
            Event::ExecutionFailed { error } => self.end(at, Ending::Failed(error.clone())),
            Event::ExecutionCancelled { reason, .. } => {
                self.end(at, Ending::Cancelled(reason.clone()))
            }
            Event::ExecutionTimedOut => self.end(at, Ending::TimedOut),
            Event::ExecutionResumed { deadline, .. } => self.resume(*deadline),
            Event::ExecutionPaused { .. } => self.pause(),
            Event::ExecutionUnpaused { .. } => self.unpause(),
            Event::ExecutionMigrated {
                from,
                version,
                phases,
                ..
            } => self.migrate(*from, *version, phases),
            Event::FanOutExpanded { node, items } => self.expand(node, items, at),
            Event::NodeStarted {
                node,
                item,
                attempt,
            } => self.begin(node, *item, *attempt, at),
            Event::NodeProgressed {
                node,
                item,
                fraction,
                ..
            } => self.progress(node, *item, *fraction),
            Event::NodeLogged { node, item, .. } => self.running(node, *item, None).map(|_| ()),
            Event::NodeSucceeded {
                node,
                item,
                attempt,
                output,
                artifacts,
            } => self.succeed(node, *item, *attempt, output, artifacts, at),
            Event::NodeFailed { node, item, error } => self.fail(node, *item, error, at),
            Event::NodeRetryScheduled {
                node,
                item,
                attempt,
                error,
                due,
            } => self.schedule_retry(node, *item, *attempt, error, *due),
            Event::NodeSkipped { node, reason } => self.skip(node, reason, at),
            Event::NodeCancelled { node } => self.cancel(node, at),
            Event::CheckpointOpened {
                node,
                checkpoint,
                expires,
                input,
            } => self.open(node, *checkpoint, *expires, input.as_ref(), at),
            Event::CheckpointResolved {
                node,
                checkpoint,
                decision,
                notes,
                ..
            } => self.resolve(node, *checkpoint, decision, notes.as_deref(), at),
            Event::CheckpointExpired { node, checkpoint } => self.expire(node, *checkpoint, at),
        }
    }

    fn end(&mut self, at: Timestamp, result: Ending) -> Result<(), String> {
        if self.tally.active_nodes > 0 {
            return Err("nodes are active".to_owned());
        }
        if matches!(result, Ending::Completed(_)) {
            if self.tally.open_nodes > 0 {
                return Err("nodes are not over".to_owned());
            }
            if self.tally.failed_nodes > 0 {
                return Err("nodes have failed".to_owned());
            }
        }
        self.end = Some(End { at, result });
        self.is_paused = false;
        self.timers.clear();
        self.agenda.clear();
        self.consequences.clear();
        self.preparing.clear();
        self.is_finishing = false;
        Ok(())
    }

    /// Changes a node and keeps count.
    fn change<R>(&mut self, index: NodeIndex, change: impl FnOnce(&mut NodeState) -> R) -> R {
        let node = &mut self.nodes[index.at()];
        self.tally.remove(node);
        let result = change(node);
        self.tally.add(node);
        result
    }

    fn index(&self, id: &NodeId) -> Result<NodeIndex, String> {
        self.definition
            .node_index(id)
            .ok_or_else(|| format!("there is no node {id}"))
    }
}

fn illegal(recorded: &Recorded, reason: &str) -> IllegalTransition {
    IllegalTransition {
        seq: recorded.seq,
        kind: recorded.event.kind(),
        reason: reason.to_owned(),
    }
}
