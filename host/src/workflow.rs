//! The pure core: what a definition is, what can happen to an execution of it,
//! and what has to happen next.
//!
//! **Invariant:** no I/O, no clock, no randomness, no concurrency. Time comes in
//! as a value, and the same events always give the same execution.

mod definition;
mod depth;
mod event;
mod execution;
mod id;
mod reviewer;
mod status;
mod template;
mod time;

pub use definition::{
    Change, Checkpoint, Definition, Difference, Draft, ITEMS_MAX, Join, NEEDS_MAX, NODES_MAX, Node,
    NodeIndex, OnExpiry, OnFailure, OnReject, Position, RERUNS_MAX, REVIEWERS_MAX, Retry,
    Violation,
};
pub use depth::{DEPTH_MAX, is_deeper_than};
pub use event::{ArtifactRef, Decision, Event, Failure, FailureKind, Json, Level, Pins, Recorded};
pub use execution::{
    Action, Command, End, Ending, Execution, ExecutionScope, IllegalTransition, Input, Migration,
    NodeState, Origin, Prepared, Refusal, Rerun, Slot, SlotState, Stage, Step, idempotency_key,
    versions_of,
};
pub use id::{
    CheckpointId, Digest, ExecutionId, GroupName, ID_BYTES_MAX, IdError, IdentityName, NodeId,
    PhaseName, Version, WorkflowId,
};
pub use reviewer::{Audience, Decider, Denial, GROUP, Reviewer};
pub use status::{ExecutionStatus, NodeStatus};
pub use template::{
    EXPRESSION_BYTES_MAX, Expression, Form, NodeScope, RENDERED_BYTES_MAX, RenderError, Scope,
    Template, TextPiece, Uses, escape_pointer,
};
pub use time::Timestamp;
