//! The pure core: what a definition is, what can happen to an execution of it,
//! and what has to happen next.
//!
//! **Invariant:** no I/O, no clock, no randomness, no concurrency. Time comes in
//! as a value, and the same events always give the same execution.

mod event;
mod id;
mod status;
mod time;

pub use event::{ArtifactRef, Decision, Event, Failure, FailureKind, Json, Level, Recorded};
pub use id::{
    CheckpointId, Digest, ExecutionId, ID_BYTES_MAX, IdError, NodeId, PhaseName, Version,
    WorkflowId,
};
pub use status::{ExecutionStatus, NodeStatus};
pub use time::Timestamp;
