//! Definitions: workflow documents, read and checked once.

mod checkpoint;
mod diff;
mod draft;
mod fields;
mod link;
#[cfg(test)]
mod tests;

pub use diff::{Change, Difference};
pub use draft::Draft;
pub use fields::Violation;

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Audience, Json, NodeId, PhaseName, WorkflowId,
    template::{Expression, Template},
};

/// Nodes in one definition: what is validated, run and read back in seconds.
pub const NODES_MAX: usize = 10_000;
/// Needs in one definition, over all nodes.
pub const NEEDS_MAX: usize = 100_000;
/// Items of one fan-out: as many as there may be nodes.
pub const ITEMS_MAX: usize = 10_000;

/// Most and usual reruns of a node that its checkpoint sends back: with the first run as many as
/// there may be attempts. A checkpoint that rejects when it expires would else go round until
/// the deadline.
pub const RERUNS_MAX: u32 = 99;

/// Reviewers that a checkpoint names: each is an entry in the inbox. More are a group.
pub const REVIEWERS_MAX: usize = 50;

/// A workflow document that is known to be acyclic, linked and within limits.
/// A value of this type cannot be wrong; [`Draft`] is the way to one.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Of which workflow.
    pub id: WorkflowId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// JSON Schema of `input`.
    pub input_schema: Option<Value>,
    /// From creation to the deadline, unless the start says otherwise.
    pub timeout: Duration,
    /// Attempts of one execution at a time.
    pub max_parallel: u32,
    /// Days to keep an execution after its end; when none, as long as the operator says.
    pub keep_days: Option<u32>,
    /// What a failed node means to the others.
    pub on_failure: OnFailure,
    /// In the order of the document.
    pub nodes: Vec<Node>,
    /// The execution's output; when none, the outputs of the nodes that no other needs, by node id.
    pub output: Option<Template>,
    index: HashMap<NodeId, NodeIndex>,
}

impl Definition {
    /// Reads a document that was checked before, expressions included.
    pub fn read(document: &Value) -> Result<Self, Vec<Violation>> {
        Draft::read(document).finish(Vec::new())
    }

    /// The position of a node.
    pub fn node_index(&self, id: &NodeId) -> Option<NodeIndex> {
        self.index.get(id).copied()
    }

    /// A node by its position.
    pub fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes[index.at()]
    }

    /// All positions.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeIndex)
    }
}

/// Position of a node in its definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

impl NodeIndex {
    /// For indexing.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// A vertex of the DAG.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique within the definition.
    pub id: NodeId,
    /// What it runs.
    pub phase: PhaseName,
    /// For the phase, as it is.
    pub config: Json,
    /// For the phase, with expressions.
    pub input: Template,
    /// Nodes that it waits for.
    pub needs: Vec<NodeIndex>,
    /// Nodes that wait for it.
    pub dependents: Vec<NodeIndex>,
    /// When the needs are met.
    pub join: Join,
    /// Skips the node unless it is true.
    pub when: Option<Expression>,
    /// Runs the node once for each item of this array.
    pub for_each: Option<Template>,
    /// What happens after a failed attempt.
    pub retry: Retry,
    /// Wall-clock limit of one attempt.
    pub timeout: Option<Duration>,
    /// Whether and how somebody has to decide on its input or its output.
    pub checkpoint: Option<Checkpoint>,
}

impl Node {
    /// Does somebody have to decide at this point?
    pub fn asks(&self, position: Position) -> bool {
        (self.checkpoint.as_ref()).is_some_and(|checkpoint| checkpoint.position == position)
    }

    /// Does somebody have to decide on an array, with the input of each item?
    pub fn asks_for_items(&self) -> bool {
        self.for_each.is_some() && self.asks(Position::Before)
    }
}

/// What a failed node means to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Cancel what runs and fail.
    Stop,
    /// Run what still can, then fail.
    Continue,
}

/// When the needs of a node are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Every need completed; else the node is skipped.
    All,
    /// One need completed; the node is skipped when none can any more.
    Any,
    /// All needs are over, whatever the result.
    Settled,
}

/// Retry policy of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// 1 means no retry.
    pub max_attempts: u32,
    /// Before the second attempt.
    pub initial_delay: Duration,
    /// Factor from one delay to the next.
    pub backoff: f64,
    /// No delay is longer.
    pub max_delay: Duration,
    /// Spread each delay over 50 % to 100 % of it.
    pub jitter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            initial_delay: Duration::from_millis(500),
            backoff: 2.0,
            max_delay: Duration::from_secs(30),
            jitter: true,
        }
    }
}

impl Retry {
    /// Delay after this many failed attempts; `spread` is 0.0 to 1.0, from a hash.
    pub fn delay(&self, failed_attempts: u32, spread: f64) -> Duration {
        let exponent = i32::try_from(failed_attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let seconds = self.initial_delay.as_secs_f64() * self.backoff.powi(exponent);
        let seconds = seconds.min(self.max_delay.as_secs_f64());
        let factor = if self.jitter {
            0.5 + spread.clamp(0.0, 1.0) / 2.0
        } else {
            1.0
        };
        Duration::try_from_secs_f64(seconds * factor).unwrap_or(self.max_delay)
    }
}

/// A pause for a person before or after a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// On what somebody decides.
    pub position: Position,
    /// What the reviewer is asked.
    pub title: String,
    /// How to decide.
    pub instructions: Option<String>,
    /// What a rejection means.
    pub on_reject: OnReject,
    /// Reruns at most; the rejection after the last one fails the node.
    pub max_reruns: u32,
    /// How long it stays open; for ever when none.
    pub expires_after: Option<Duration>,
    /// What happens when nobody decides in time.
    pub on_expiry: OnExpiry,
    /// Who may decide.
    pub audience: Audience,
}

/// On what somebody decides at a checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// On the input of a node, of all items when it fans out, before it runs.
    Before,
    /// On the output of a node.
    #[default]
    After,
}

impl Position {
    /// Is it on the output?
    pub fn is_after(&self) -> bool {
        *self == Self::After
    }
}

/// What a rejection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReject {
    /// The node fails.
    Fail,
    /// The node runs again, with the reviewer's notes; in its last round it fails.
    Rerun,
}

/// What happens when nobody decides in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// As if approved.
    Approve,
    /// As if rejected.
    Reject,
    /// The node fails.
    Fail,
}
