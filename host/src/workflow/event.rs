//! The closed list of facts about one execution.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CheckpointId, Digest, ExecutionId, IdentityName, NodeId, PhaseName, Timestamp, Version,
    WorkflowId,
};

/// A JSON document that is shared rather than copied.
pub type Json = Arc<Value>;

/// The component that each phase name means. What was started on the same phases shares them.
pub type Pins = Arc<BTreeMap<PhaseName, Digest>>;

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// 1, 2, 3, … without gaps within one execution.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// A fact about one execution.
///
/// `item` is the position in a `for_each` fan-out, none for a node that runs once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "most fields say it all by their names and types"
)]
pub enum Event {
    /// The first event of every journal. What it pins (definition version and
    /// phase digests) stays the same until somebody migrates the execution.
    ExecutionCreated {
        workflow: WorkflowId,
        version: Version,
        input: Json,
        context: Json,
        /// When the execution times out.
        deadline: Timestamp,
        /// The component that each phase name means to this execution.
        phases: Pins,
        /// Who started it, also as a rerun; none when their host knew nobody by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<IdentityName>,
    },
    /// The execution is a rerun of another; what it takes over from there follows.
    RerunBegun { of: ExecutionId },
    /// The node is completed from the start, with what it came to in another execution.
    NodeTaken {
        node: NodeId,
        /// Where it ran.
        from: ExecutionId,
        output: Json,
        /// The items of its fan-out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Vec<Json>>,
        /// What each item kept, or the node when it ran once; empty when nobody kept anything.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<Vec<ArtifactRef>>,
    },
    /// Every node is over and none failed.
    ExecutionCompleted { output: Json },
    /// A node failed, or the output could not be made.
    ExecutionFailed { error: Failure },
    /// Somebody asked for it.
    ExecutionCancelled {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The deadline passed.
    ExecutionTimedOut,
    /// A failed, cancelled or timed-out execution goes on from where it stopped.
    ExecutionResumed {
        deadline: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody holds it: nothing begins any more, what runs goes on to its end.
    ExecutionPaused {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Somebody let a paused execution go on.
    ExecutionUnpaused {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// It goes on by a newer version of its definition: nodes that have begun stand as they
    /// stood, and whatever begins from here on is the new version's.
    ExecutionMigrated {
        /// The version so far.
        from: Version,
        version: Version,
        /// The component that each phase name means from here on.
        phases: Pins,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// `for_each` gave these items; the node runs once for each.
    FanOutExpanded { node: NodeId, items: Vec<Json> },
    /// An attempt begins. `attempt` counts from 1.
    NodeStarted {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        attempt: u32,
    },
    /// The running attempt says how far it is. `fraction` is 0.0 to 1.0.
    NodeProgressed {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        fraction: f32,
        message: String,
    },
    /// The running attempt wrote to its log.
    NodeLogged {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        level: Level,
        message: String,
    },
    /// The attempt produced an output. A node with a checkpoint then waits for a
    /// decision on it; any other is completed when all its items are.
    NodeSucceeded {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        attempt: u32,
        output: Json,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<ArtifactRef>,
    },
    /// The attempt failed and there will be no other.
    NodeFailed {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        error: Failure,
    },
    /// The attempt failed and the next one begins at `due`.
    NodeRetryScheduled {
        node: NodeId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        /// The attempt that failed.
        attempt: u32,
        error: Failure,
        due: Timestamp,
    },
    /// The node will not run: a need did not complete, or `when` was false.
    NodeSkipped { node: NodeId, reason: String },
    /// The node was active when its execution ended.
    NodeCancelled { node: NodeId },
    /// Somebody has to decide: on `input`, with which the node is to run, when its checkpoint is
    /// before it; else on all its outputs, which are there.
    CheckpointOpened {
        node: NodeId,
        checkpoint: CheckpointId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
        /// An array with the input of each item, when the node fans out; none stands for null.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Json>,
    },
    /// Somebody decided.
    CheckpointResolved {
        node: NodeId,
        checkpoint: CheckpointId,
        decision: Decision,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notes: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// Nobody decided in time; the definition's `on_expiry` decides.
    CheckpointExpired {
        node: NodeId,
        checkpoint: CheckpointId,
    },
}

impl Event {
    /// The name of the fact, as in the journal, in HTTP and in logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExecutionCreated { .. } => "execution_created",
            Self::RerunBegun { .. } => "rerun_begun",
            Self::NodeTaken { .. } => "node_taken",
            Self::ExecutionCompleted { .. } => "execution_completed",
            Self::ExecutionFailed { .. } => "execution_failed",
            Self::ExecutionCancelled { .. } => "execution_cancelled",
            Self::ExecutionTimedOut => "execution_timed_out",
            Self::ExecutionResumed { .. } => "execution_resumed",
            Self::ExecutionPaused { .. } => "execution_paused",
            Self::ExecutionUnpaused { .. } => "execution_unpaused",
            Self::ExecutionMigrated { .. } => "execution_migrated",
            Self::FanOutExpanded { .. } => "fan_out_expanded",
            Self::NodeStarted { .. } => "node_started",
            Self::NodeProgressed { .. } => "node_progressed",
            Self::NodeLogged { .. } => "node_logged",
            Self::NodeSucceeded { .. } => "node_succeeded",
            Self::NodeFailed { .. } => "node_failed",
            Self::NodeRetryScheduled { .. } => "node_retry_scheduled",
            Self::NodeSkipped { .. } => "node_skipped",
            Self::NodeCancelled { .. } => "node_cancelled",
            Self::CheckpointOpened { .. } => "checkpoint_opened",
            Self::CheckpointResolved { .. } => "checkpoint_resolved",
            Self::CheckpointExpired { .. } => "checkpoint_expired",
        }
    }

    /// The node it is about, if it is about one.
    pub fn node(&self) -> Option<&NodeId> {
        match self {
            Self::ExecutionCreated { .. }
            | Self::RerunBegun { .. }
            | Self::ExecutionCompleted { .. }
            | Self::ExecutionFailed { .. }
            | Self::ExecutionCancelled { .. }
            | Self::ExecutionTimedOut
            | Self::ExecutionResumed { .. }
            | Self::ExecutionPaused { .. }
            | Self::ExecutionUnpaused { .. }
            | Self::ExecutionMigrated { .. } => None,
            Self::NodeTaken { node, .. }
            | Self::FanOutExpanded { node, .. }
            | Self::NodeStarted { node, .. }
            | Self::NodeProgressed { node, .. }
            | Self::NodeLogged { node, .. }
            | Self::NodeSucceeded { node, .. }
            | Self::NodeFailed { node, .. }
            | Self::NodeRetryScheduled { node, .. }
            | Self::NodeSkipped { node, .. }
            | Self::NodeCancelled { node }
            | Self::CheckpointOpened { node, .. }
            | Self::CheckpointResolved { node, .. }
            | Self::CheckpointExpired { node, .. } => Some(node),
        }
    }
}

/// Why an attempt, a node or an execution failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure; it decides whether another attempt makes sense.
    pub cause: FailureKind,
    /// For people.
    pub message: String,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(cause: FailureKind, message: impl Into<String>) -> Self {
        Self {
            cause,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Sort of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Config, input, output or an expression is not what it has to be.
    Invalid,
    /// The phase says that it might work next time.
    Transient,
    /// The phase says that it will not work.
    Permanent,
    /// The phase trapped or panicked.
    Trapped,
    /// A wall-clock or CPU-time limit ran out, or nobody decided at a checkpoint in time.
    TimedOut,
    /// A limit on memory, output, artifacts or log was exceeded.
    LimitExceeded,
    /// A reviewer rejected the output, or an expired checkpoint counted as rejected.
    Rejected,
    /// The phase is not there any more.
    Unavailable,
    /// Hosts kept ending while they ran the execution.
    Crashed,
}

impl FailureKind {
    /// May the node's retry policy try again?
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Trapped | Self::TimedOut)
    }
}

/// Importance of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For the phase's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Worth looking into.
    Warn,
    /// Went wrong.
    Error,
}

/// A file that an attempt kept; its bytes are in the store's blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Unique within node and item.
    pub name: String,
    /// Media type.
    pub content_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

/// What somebody decided at a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Decision {
    /// Go on with what is proposed.
    Approve,
    /// Go on with this instead.
    Edit {
        /// The input or output to go on with.
        content: Json,
    },
    /// Fail the node or run it again, as the definition says.
    Reject,
}
