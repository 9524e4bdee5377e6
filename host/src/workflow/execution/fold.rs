//! Applying events: the one place where an execution changes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    Consequence, End, Ending, Execution, NodeState, Origin, Slot, SlotState, Stage, Task, Timer,
};
use crate::workflow::{
    CheckpointId, Decision, Definition, Event, ExecutionId, Failure, FailureKind, Join, Json,
    NodeId, NodeIndex, OnExpiry, OnFailure, OnReject, Recorded, Timestamp,
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
    /// The execution that these events make. The first one has to be its creation.
    pub fn fold(
        id: ExecutionId,
        definition: Arc<Definition>,
        events: &[Recorded],
    ) -> Result<Self, IllegalTransition> {
        let (first, rest) = events.split_first().ok_or(IllegalTransition {
            seq: 0,
            kind: "none",
            reason: "an execution has at least one event".to_owned(),
        })?;
        let mut execution = Self::create(id, definition, first)?;
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
            ..
        } = &first.event
        else {
            return Err(illegal(first, "the first event creates the execution"));
        };
        let origin = Origin {
            version: *version,
            input: input.clone(),
            context: context.clone(),
            deadline: *deadline,
            phases: phases.clone(),
            at: first.at,
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
            open_nodes: nodes.len(),
            nodes,
            failed_nodes: 0,
            awaiting_nodes: 0,
            running_slots: 0,
            timers: BTreeSet::from([(*deadline, Timer::Deadline)]),
            checkpoints: BTreeMap::new(),
            agenda: VecDeque::new(),
            consequences: VecDeque::new(),
            preparing: BTreeSet::new(),
            is_finishing: false,
            definition,
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
            Event::ExecutionCompleted { output } => self.end(at, Ending::Completed(output.clone())),
            Event::ExecutionFailed { error } => self.end(at, Ending::Failed(error.clone())),
            Event::ExecutionCancelled { reason } => self.end(at, Ending::Cancelled(reason.clone())),
            Event::ExecutionTimedOut => self.end(at, Ending::TimedOut),
            Event::ExecutionResumed { deadline } => self.resume(*deadline),
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
            } => {
                self.running(node, *item)?.progress = Some(*fraction);
                Ok(())
            }
            Event::NodeLogged { node, item, .. } => self.running(node, *item).map(|_| ()),
            Event::NodeSucceeded {
                node,
                item,
                attempt,
                output,
                artifacts,
            } => {
                let slot = self.running(node, *item)?;
                if slot.attempt != *attempt {
                    return Err(format!("attempt {} runs, not {attempt}", slot.attempt));
                }
                slot.artifacts.clone_from(artifacts);
                slot.progress = Some(1.0);
                self.close_slot(
                    node,
                    *item,
                    SlotState::Succeeded {
                        output: output.clone(),
                    },
                    at,
                )
            }
            Event::NodeFailed { node, item, error } => self.fail(node, *item, error, at),
            Event::NodeRetryScheduled {
                node,
                item,
                error,
                due,
                ..
            } => {
                let index = self.index(node)?;
                let slot = self.running(node, *item)?;
                slot.state = SlotState::Retrying {
                    due: *due,
                    error: error.clone(),
                };
                slot.progress = None;
                self.running_slots -= 1;
                self.timers.insert((*due, Timer::Retry(index, *item)));
                Ok(())
            }
            Event::NodeSkipped { node, reason } => self.skip(node, reason, at),
            Event::NodeCancelled { node } => self.cancel(node, at),
            Event::CheckpointOpened {
                node,
                checkpoint,
                expires,
            } => self.open(node, *checkpoint, *expires),
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
        if self.running_slots > 0 || self.awaiting_nodes > 0 {
            return Err("nodes are active".to_owned());
        }
        if matches!(result, Ending::Completed(_)) && self.open_nodes > 0 {
            return Err("nodes are not over".to_owned());
        }
        self.end = Some(End { at, result });
        self.timers.clear();
        self.agenda.clear();
        self.consequences.clear();
        self.preparing.clear();
        self.is_finishing = false;
        Ok(())
    }

    fn resume(&mut self, deadline: Timestamp) -> Result<(), String> {
        match self.end.as_ref().map(|end| &end.result) {
            None => return Err("the execution is not over".to_owned()),
            Some(Ending::Completed(_)) => return Err("the execution is completed".to_owned()),
            Some(_) => {}
        }
        self.end = None;
        self.origin.deadline = deadline;
        self.timers.insert((deadline, Timer::Deadline));
        self.open_nodes = 0;
        self.failed_nodes = 0;
        for node in &mut self.nodes {
            if !matches!(node.stage, Stage::Completed { .. }) {
                node.reset();
                self.open_nodes += 1;
            }
        }
        for index in self.definition.indices() {
            let needs = &self.definition.node(index).needs;
            let open = needs
                .iter()
                .filter(|need| !self.nodes[need.at()].is_over())
                .count();
            let node = &mut self.nodes[index.at()];
            node.open_needs = open;
            node.completed_needs = needs.len() - open;
        }
        for index in self.definition.indices() {
            self.check_needs(index);
        }
        Ok(())
    }

    fn expand(&mut self, id: &NodeId, items: &[Json], at: Timestamp) -> Result<(), String> {
        let index = self.index(id)?;
        let node = &mut self.nodes[index.at()];
        if !matches!(node.stage, Stage::Ready) || node.items.is_some() {
            return Err(format!("node {id} is not about to fan out"));
        }
        self.started_at.get_or_insert(at);
        node.stage = Stage::Active;
        node.started_at = Some(at);
        node.items = Some(items.to_vec());
        node.slots = vec![Slot::default(); items.len()];
        node.open_slots = items.len();
        self.preparing.remove(&index);
        self.start_slots(index);
        if items.is_empty() {
            self.all_slots_over(index, at);
        }
        Ok(())
    }

    fn begin(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        attempt: u32,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let node = &mut self.nodes[index.at()];
        if !matches!(node.stage, Stage::Ready | Stage::Active) {
            return Err(format!("node {id} is {}", node.status()));
        }
        let slot = node.slot_mut(item).ok_or_else(|| no_item(id, item))?;
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
        slot.state = SlotState::Running;
        slot.attempt = attempt;
        slot.tries += 1;
        slot.progress = None;
        slot.started_at.get_or_insert(at);
        node.stage = Stage::Active;
        node.started_at.get_or_insert(at);
        self.started_at.get_or_insert(at);
        self.preparing.remove(&index);
        self.running_slots += 1;
        Ok(())
    }

    /// A node fails with an attempt, or before the first one (when it cannot be prepared).
    fn fail(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        error: &Failure,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        if matches!(self.nodes[index.at()].stage, Stage::Ready) {
            self.preparing.remove(&index);
            self.close(index, Stage::Failed(error.clone()), at);
            return Ok(());
        }
        self.running(id, item)?;
        self.close_slot(id, item, SlotState::Failed(error.clone()), at)
    }

    fn skip(&mut self, id: &NodeId, reason: &str, at: Timestamp) -> Result<(), String> {
        let index = self.index(id)?;
        let node = &self.nodes[index.at()];
        if !matches!(node.stage, Stage::Waiting | Stage::Ready) {
            return Err(format!("node {id} is {}", node.status()));
        }
        self.preparing.remove(&index);
        self.close(
            index,
            Stage::Skipped {
                reason: reason.to_owned(),
            },
            at,
        );
        Ok(())
    }

    fn cancel(&mut self, id: &NodeId, at: Timestamp) -> Result<(), String> {
        let index = self.index(id)?;
        let node = &mut self.nodes[index.at()];
        match &node.stage {
            Stage::Active => {
                for (number, slot) in (0..).zip(&mut node.slots) {
                    match slot.state {
                        SlotState::Running => self.running_slots -= 1,
                        SlotState::Retrying { due, .. } => {
                            let item = node.items.is_some().then_some(number);
                            self.timers.remove(&(due, Timer::Retry(index, item)));
                        }
                        SlotState::Pending => {}
                        _ => continue,
                    }
                    slot.state = SlotState::Cancelled;
                    slot.ended_at = Some(at);
                }
            }
            Stage::AwaitingCheckpoint { .. } => {
                self.close_checkpoint(index);
            }
            _ => return Err(format!("node {id} is {}", node.status())),
        }
        // An item may have failed while others still ran.
        let stage = self.nodes[index.at()]
            .failure()
            .map_or(Stage::Cancelled, Stage::Failed);
        self.close(index, stage, at);
        Ok(())
    }

    fn open(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        expires: Option<Timestamp>,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        let node = &mut self.nodes[index.at()];
        if !matches!(node.stage, Stage::Active) || node.open_slots > 0 {
            return Err(format!("node {id} has not produced its output"));
        }
        node.stage = Stage::AwaitingCheckpoint {
            checkpoint,
            expires,
            proposed: node.produced(),
        };
        self.awaiting_nodes += 1;
        self.checkpoints.insert(checkpoint, index);
        if let Some(expires) = expires {
            self.timers
                .insert((expires, Timer::Expiry(index, checkpoint)));
        }
        Ok(())
    }

    fn resolve(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        decision: &Decision,
        notes: Option<&str>,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.awaiting(id, checkpoint)?;
        let proposed = self.close_checkpoint(index);
        match decision {
            Decision::Approve => self.close(index, Stage::Completed { output: proposed }, at),
            Decision::Edit { content } => self.close(
                index,
                Stage::Completed {
                    output: content.clone(),
                },
                at,
            ),
            Decision::Reject => {
                let message = match notes {
                    Some(notes) => format!("rejected by the reviewer: {notes}"),
                    None => "rejected by the reviewer".to_owned(),
                };
                self.reject(index, message, notes, at);
            }
        }
        Ok(())
    }

    fn expire(
        &mut self,
        id: &NodeId,
        checkpoint: CheckpointId,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.awaiting(id, checkpoint)?;
        let proposed = self.close_checkpoint(index);
        let message = "nobody decided at the checkpoint in time".to_owned();
        match self
            .definition
            .node(index)
            .checkpoint
            .as_ref()
            .map(|checkpoint| checkpoint.on_expiry)
        {
            Some(OnExpiry::Approve) => self.close(index, Stage::Completed { output: proposed }, at),
            Some(OnExpiry::Reject) => self.reject(index, message, None, at),
            Some(OnExpiry::Fail) | None => self.close(index, Stage::Failed(rejection(message)), at),
        }
        Ok(())
    }

    fn reject(&mut self, index: NodeIndex, message: String, notes: Option<&str>, at: Timestamp) {
        let on_reject = self
            .definition
            .node(index)
            .checkpoint
            .as_ref()
            .map(|checkpoint| checkpoint.on_reject);
        if on_reject == Some(OnReject::Rerun) {
            let node = &mut self.nodes[index.at()];
            node.send_back(notes);
            node.stage = Stage::Active;
            if node.slots.is_empty() {
                self.consequences
                    .push_back(Consequence::OpenCheckpoint(index));
            }
            self.start_slots(index);
        } else {
            self.close(index, Stage::Failed(rejection(message)), at);
        }
    }

    fn close_slot(
        &mut self,
        id: &NodeId,
        item: Option<u32>,
        state: SlotState,
        at: Timestamp,
    ) -> Result<(), String> {
        let index = self.index(id)?;
        self.running_slots -= 1;
        let node = &mut self.nodes[index.at()];
        let slot = node.slot_mut(item).ok_or_else(|| no_item(id, item))?;
        let has_failed = matches!(state, SlotState::Failed(_));
        slot.state = state;
        slot.ended_at = Some(at);
        node.open_slots -= 1;
        if node.open_slots == 0 {
            self.all_slots_over(index, at);
        } else if has_failed && self.definition.on_failure == OnFailure::Stop {
            self.consequences.push_back(Consequence::Stop(index));
        }
        Ok(())
    }

    fn all_slots_over(&mut self, index: NodeIndex, at: Timestamp) {
        let node = &self.nodes[index.at()];
        let failure = node.failure();
        match failure {
            Some(failure) => self.close(index, Stage::Failed(failure), at),
            None if self.definition.node(index).checkpoint.is_some() => {
                self.consequences
                    .push_back(Consequence::OpenCheckpoint(index));
            }
            None => {
                let output = node.produced();
                self.close(index, Stage::Completed { output }, at);
            }
        }
    }

    /// A node is over: those that wait for it hear of it.
    fn close(&mut self, index: NodeIndex, stage: Stage, at: Timestamp) {
        let is_completed = matches!(stage, Stage::Completed { .. });
        let has_failed = matches!(stage, Stage::Failed(_));
        let node = &mut self.nodes[index.at()];
        node.stage = stage;
        node.ended_at = Some(at);
        self.open_nodes -= 1;
        if has_failed {
            self.failed_nodes += 1;
            if self.definition.on_failure == OnFailure::Stop {
                self.consequences.push_back(Consequence::Stop(index));
            }
        }
        let definition = self.definition.clone();
        for &dependent in &definition.node(index).dependents {
            let node = &mut self.nodes[dependent.at()];
            node.open_needs -= 1;
            node.completed_needs += usize::from(is_completed);
            self.check_needs(dependent);
        }
    }

    /// Makes a waiting node ready, or has it skipped, once its needs allow to tell.
    fn check_needs(&mut self, index: NodeIndex) {
        let definition = self.definition.clone();
        let spec = definition.node(index);
        let node = &mut self.nodes[index.at()];
        if !matches!(node.stage, Stage::Waiting) {
            return;
        }
        let needs = spec.needs.len();
        let over = needs - node.open_needs;
        let (is_met, is_lost) = match spec.join {
            _ if needs == 0 => (true, false),
            Join::All => (node.completed_needs == needs, node.completed_needs < over),
            Join::Any => (
                node.completed_needs > 0,
                over == needs && node.completed_needs == 0,
            ),
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
        let needs_preparation = spec.when.is_some() || spec.for_each.is_some();
        let node = &mut self.nodes[index.at()];
        if node.has_begun() {
            // A resumed node goes on with the items that it has.
            node.stage = Stage::Active;
            if node.open_slots == 0 {
                self.consequences
                    .push_back(Consequence::OpenCheckpoint(index));
            } else {
                self.start_slots(index);
            }
        } else {
            node.stage = Stage::Ready;
            self.agenda.push_back(if needs_preparation {
                Task::Prepare(index)
            } else {
                Task::Start(index, None)
            });
        }
    }

    fn start_slots(&mut self, index: NodeIndex) {
        let tasks = self.nodes[index.at()]
            .numbered_slots()
            .filter(|(_, slot)| matches!(slot.state, SlotState::Pending))
            .map(|(item, _)| Task::Start(index, item));
        self.agenda.extend(tasks);
    }

    /// Closes the open checkpoint of a node; returns what was proposed.
    fn close_checkpoint(&mut self, index: NodeIndex) -> Json {
        let node = &mut self.nodes[index.at()];
        let Stage::AwaitingCheckpoint {
            checkpoint,
            expires,
            proposed,
        } = std::mem::replace(&mut node.stage, Stage::Active)
        else {
            unreachable!("only called for nodes that await a checkpoint");
        };
        self.checkpoints.remove(&checkpoint);
        self.awaiting_nodes -= 1;
        if let Some(expires) = expires {
            self.timers
                .remove(&(expires, Timer::Expiry(index, checkpoint)));
        }
        proposed
    }

    fn index(&self, id: &NodeId) -> Result<NodeIndex, String> {
        self.definition
            .node_index(id)
            .ok_or_else(|| format!("there is no node {id}"))
    }

    fn running(&mut self, id: &NodeId, item: Option<u32>) -> Result<&mut Slot, String> {
        let index = self.index(id)?;
        let slot = self.nodes[index.at()]
            .slot_mut(item)
            .ok_or_else(|| no_item(id, item))?;
        match slot.state {
            SlotState::Running => Ok(slot),
            _ => Err(format!("node {id} is {}", slot.status())),
        }
    }

    fn awaiting(&self, id: &NodeId, checkpoint: CheckpointId) -> Result<NodeIndex, String> {
        let index = self.index(id)?;
        match &self.nodes[index.at()].stage {
            Stage::AwaitingCheckpoint {
                checkpoint: open, ..
            } if *open == checkpoint => Ok(index),
            _ => Err(format!("checkpoint {checkpoint} of node {id} is not open")),
        }
    }
}

impl NodeState {
    /// Back to waiting, for a resume: what succeeded stays, but for what a reviewer rejected.
    fn reset(&mut self) {
        if matches!(&self.stage, Stage::Failed(failure) if failure.cause == FailureKind::Rejected) {
            let notes = self.review_notes.take();
            self.send_back(notes.as_deref());
        }
        // A checkpoint that was open is opened anew, under another id.
        if matches!(self.stage, Stage::Cancelled) && self.open_slots == 0 {
            self.round += 1;
        }
        self.open_slots = 0;
        for slot in &mut self.slots {
            if !matches!(slot.state, SlotState::Succeeded { .. }) {
                slot.restart();
                self.open_slots += 1;
            }
        }
        self.stage = Stage::Waiting;
        self.ended_at = None;
    }

    /// All of it runs again, as another round.
    fn send_back(&mut self, notes: Option<&str>) {
        self.round += 1;
        self.review_notes = notes.map(str::to_owned);
        self.slots.iter_mut().for_each(Slot::restart);
        self.open_slots = self.slots.len();
    }

    /// What the first failed item failed with.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.numbered_slots()
            .find_map(|(item, slot)| match (&slot.state, item) {
                (SlotState::Failed(error), None) => Some(error.clone()),
                (SlotState::Failed(error), Some(item)) => Some(Failure::new(
                    error.cause,
                    format!("item {item}: {}", error.message),
                )),
                _ => None,
            })
    }

    fn has_begun(&self) -> bool {
        self.items.is_some() || self.open_slots == 0
    }
}

impl Slot {
    /// Attempts go on counting, so that each has a number of its own; the retry policy starts afresh.
    fn restart(&mut self) {
        self.state = SlotState::Pending;
        self.tries = 0;
        self.progress = None;
        self.ended_at = None;
        self.artifacts.clear();
    }
}

fn rejection(message: String) -> Failure {
    Failure::new(FailureKind::Rejected, message)
}

fn no_item(id: &NodeId, item: Option<u32>) -> String {
    match item {
        Some(item) => format!("node {id} has no item {item}"),
        None => format!("node {id} runs once per item"),
    }
}

fn illegal(recorded: &Recorded, reason: &str) -> IllegalTransition {
    IllegalTransition {
        seq: recorded.seq,
        kind: recorded.event.kind(),
        reason: reason.to_owned(),
    }
}
