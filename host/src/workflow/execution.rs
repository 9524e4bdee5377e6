//! An execution: the fold of its events.
//!
//! `fold` applies events, `decide` answers what comes from outside with events
//! and actions, `settle` draws the consequences. Beside what the events say, an
//! execution keeps a few derived queues and counters, so that each event costs
//! time in the number of nodes it touches, not in the number there are.

mod decide;
mod fold;
mod input;
mod migration;
mod node;
mod rerun;
mod settle;
mod tally;
#[cfg(test)]
mod tests;

pub use fold::IllegalTransition;
pub use input::{Action, Command, Input, Prepared, Refusal, Step};
pub use migration::{Migration, versions_of};
pub use node::{NodeState, Slot, SlotState, Stage};
pub use rerun::Rerun;
pub use settle::idempotency_key;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    CheckpointId, Definition, ExecutionId, ExecutionStatus, Failure, IdentityName, Json, NodeId,
    NodeIndex, NodeScope, Pins, Scope, Timestamp, Version,
};
use tally::Tally;

/// One run of a definition.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Which one.
    pub id: ExecutionId,
    /// What it runs.
    pub definition: Arc<Definition>,
    /// Other versions of that, to which it may migrate or has migrated.
    later: BTreeMap<Version, Arc<Definition>>,
    /// Number of the last event.
    pub version: u64,
    /// What it goes by.
    pub origin: Origin,
    /// When its first node started.
    pub started_at: Option<Timestamp>,
    /// Whether it goes on, or how it ended.
    pub end: Option<End>,
    is_paused: bool,
    nodes: Vec<NodeState>,
    tally: Tally,
    /// Beside the deadline, which most have nothing but.
    timers: BTreeSet<(Timestamp, Timer)>,
    checkpoints: BTreeMap<CheckpointId, NodeIndex>,
    /// What to begin when there is room, and perhaps what has been begun already.
    agenda: VecDeque<Task>,
    consequences: VecDeque<Consequence>,
    /// Work that has been given out and leaves no trace in the journal until it
    /// comes back: nodes being prepared, and the output being made.
    preparing: BTreeSet<NodeIndex>,
    is_finishing: bool,
}

/// What the first event of an execution said, and a resume or a migration since.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Version of the definition.
    pub version: Version,
    /// The version that it was created with; another one when it has migrated.
    pub first_version: Version,
    /// What the client passed in.
    pub input: Json,
    /// What the client passed along.
    pub context: Json,
    /// When the execution times out.
    pub deadline: Timestamp,
    /// The component that each phase name means.
    pub phases: Pins,
    /// When it was created.
    pub at: Timestamp,
    /// Who started it, if anybody knows.
    pub started_by: Option<IdentityName>,
    /// What it is a rerun of.
    pub rerun_of: Option<ExecutionId>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// How.
    pub result: Ending,
}

/// The ways to end.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With an output.
    Completed(Json),
    /// With an error.
    Failed(Failure),
    /// Somebody asked for it, for this reason.
    Cancelled(String),
    /// The deadline passed.
    TimedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Deadline,
    Retry(NodeIndex, Option<u32>),
    Expiry(NodeIndex, CheckpointId),
}

/// Something to give out when there is room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Evaluate `when` and `for_each`.
    Prepare(NodeIndex),
    /// Start the attempt of this number.
    Start(NodeIndex, Option<u32>, u32),
}

/// Something that follows from the events so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Consequence {
    Skip(NodeIndex),
    OpenCheckpoint(NodeIndex),
    /// The inputs of a fan-out were approved.
    Expand(NodeIndex),
    /// A node failed and the definition says stop.
    Stop(NodeIndex),
}

impl Execution {
    /// Where it stands.
    pub fn status(&self) -> ExecutionStatus {
        match &self.end {
            Some(End { result, .. }) => match result {
                Ending::Completed(_) => ExecutionStatus::Completed,
                Ending::Failed(_) => ExecutionStatus::Failed,
                Ending::Cancelled(_) => ExecutionStatus::Cancelled,
                Ending::TimedOut => ExecutionStatus::TimedOut,
            },
            None if self.is_paused => ExecutionStatus::Paused,
            None if self.started_at.is_none() => ExecutionStatus::Pending,
            None if self.tally.awaiting_nodes > 0
                && self.tally.retrying_slots == 0
                && self.is_waiting() =>
            {
                ExecutionStatus::AwaitingCheckpoint
            }
            None => ExecutionStatus::Running,
        }
    }

    /// Why it failed, was cancelled or timed out.
    pub fn error(&self) -> Option<String> {
        match &self.end.as_ref()?.result {
            Ending::Completed(_) => None,
            Ending::Failed(failure) => Some(failure.message.clone()),
            Ending::Cancelled(reason) => Some(reason.clone()),
            Ending::TimedOut => Some("execution passed its deadline".to_owned()),
        }
    }

    /// The output, when it completed.
    pub fn output(&self) -> Option<&Json> {
        match &self.end.as_ref()?.result {
            Ending::Completed(output) => Some(output),
            _ => None,
        }
    }

    /// Is it over?
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Does nothing happen until a timer fires or a command comes?
    pub fn is_waiting(&self) -> bool {
        !self.is_over()
            && self.tally.open_nodes > 0
            && self.tally.running_slots == 0
            && (self.is_paused || self.tally.startable == 0)
    }

    /// When to wake it with [`Input::Tick`].
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.next_timer().map(|(at, _)| at)
    }

    /// What fires next. While it is paused, retries wait with everything else that would begin.
    fn next_timer(&self) -> Option<(Timestamp, Timer)> {
        if self.is_over() {
            return None;
        }
        let is_held = |timer: &Timer| self.is_paused && matches!(timer, Timer::Retry(..));
        let next = self.timers.iter().find(|(_, timer)| !is_held(timer));
        let deadline = (self.origin.deadline, Timer::Deadline);
        Some(next.map_or(deadline, |next| deadline.min(*next)))
    }

    /// The nodes, in the order of the definition.
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The state of a node.
    pub fn node(&self, index: NodeIndex) -> &NodeState {
        &self.nodes[index.at()]
    }

    /// The node that an open checkpoint is about.
    pub fn open_checkpoint(&self, id: CheckpointId) -> Option<NodeIndex> {
        self.checkpoints.get(&id).copied()
    }

    /// What names stand for in the expressions of a node, or of one item of it.
    pub fn scope(&self, item: Option<Json>) -> ExecutionScope<'_> {
        ExecutionScope {
            execution: self,
            item,
        }
    }

    /// The output of an execution without an output template: what nobody needs, by node.
    fn default_output(&self) -> Json {
        let sinks = self
            .definition
            .indices()
            .filter(|&index| self.definition.node(index).dependents.is_empty());
        let outputs = sinks.filter_map(|index| {
            let output = self.node(index).output()?;
            Some((
                self.definition.node(index).id.to_string(),
                (**output).clone(),
            ))
        });
        Arc::new(serde_json::Value::Object(outputs.collect()))
    }
}

/// [`Scope`] of an execution.
#[derive(Debug)]
pub struct ExecutionScope<'e> {
    execution: &'e Execution,
    item: Option<Json>,
}

impl Scope for ExecutionScope<'_> {
    fn input(&self) -> &Json {
        &self.execution.origin.input
    }

    fn context(&self) -> &Json {
        &self.execution.origin.context
    }

    fn item(&self) -> Option<&Json> {
        self.item.as_ref()
    }

    fn node(&self, id: &NodeId) -> Option<NodeScope<'_>> {
        let index = self.execution.definition.node_index(id)?;
        let node = self.execution.node(index);
        Some(NodeScope {
            status: node.status(),
            output: node.output(),
            error: node.error(),
        })
    }
}
