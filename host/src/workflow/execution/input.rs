//! What goes in and out of an execution: inputs, actions, steps, refusals.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::IllegalTransition;
use crate::workflow::{
    ArtifactRef, CheckpointId, DEPTH_MAX, Decider, Decision, Denial, ExecutionStatus, Failure,
    ITEMS_MAX, Json, Level, NodeIndex, Pins, Recorded, Version, Violation,
};

/// Everything that can happen to an execution from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// [`Action::Prepare`] is done.
    Prepared {
        /// Which node.
        node: NodeIndex,
        /// What `when` and `for_each` gave.
        result: Result<Prepared, Failure>,
    },
    /// An attempt is over.
    Attempted {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
        /// Output and artifacts, or why it failed.
        result: Result<(Json, Vec<ArtifactRef>), Failure>,
    },
    /// A running attempt wrote to its log.
    Logged {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// How important.
        level: Level,
        /// What.
        message: String,
    },
    /// A running attempt says how far it is.
    Progressed {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// 0.0 to 1.0.
        fraction: f32,
        /// What is going on.
        message: String,
    },
    /// [`Action::Finish`] is done.
    Finished(Result<Json, Failure>),
    /// Time has passed.
    Tick,
    /// Hosts keep ending while they run it.
    Abandon {
        /// How many in a row.
        crashes: u32,
    },
    /// Somebody wants something of it.
    Command(Command),
}

/// What people want of an execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// It is to end.
    Cancel {
        /// Why.
        reason: String,
        /// Who.
        #[serde(default)]
        by: Option<String>,
    },
    /// Nothing of it is to begin until it is resumed.
    Pause {
        /// Why.
        reason: String,
        /// Who.
        by: Option<String>,
    },
    /// It is to go on.
    Resume {
        /// From now to the new deadline, if it was over.
        timeout: Duration,
        /// Who.
        #[serde(default)]
        by: Option<String>,
    },
    /// It is to go on by a newer version of its definition, which it has learned of.
    Migrate {
        /// Which one.
        version: Version,
        /// The component that each phase name is to mean.
        phases: Pins,
        /// Who.
        by: Option<String>,
    },
    /// A decision at a checkpoint.
    Resolve {
        /// Which one.
        checkpoint: CheckpointId,
        /// How.
        decision: Decision,
        /// What they wrote.
        notes: Option<String>,
        /// Who, for the audit trail.
        by: Option<String>,
        /// Who, for the checkpoint, which may be for some only; none when nobody knows.
        #[serde(default)]
        decider: Option<Decider>,
    },
}

/// What preparing a node gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Prepared {
    /// `when` was false.
    Skip,
    /// It runs once.
    Once,
    /// It runs once for each of these.
    ForEach(Vec<Json>),
    /// Somebody has to decide first whether it runs with this; an array with the input of each
    /// item, when it fans out.
    Propose(Json),
}

/// Something that somebody has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Evaluate `when` and `for_each` of this node; answer with [`Input::Prepared`].
    Prepare(NodeIndex),
    /// Run this attempt; answer with [`Input::Attempted`].
    Run {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
    },
    /// Evaluate the output of the execution; answer with [`Input::Finished`].
    Finish,
}

/// What follows from an input.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Applied to the execution already, and to be made durable.
    pub events: Vec<Recorded>,
    /// To be done now.
    pub actions: Vec<Action>,
}

/// Why an input cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The execution is over.
    #[error("execution is {0} already")]
    Over(ExecutionStatus),
    /// Only a paused, failed, cancelled or timed-out execution can be resumed.
    #[error("execution is {0}; only a paused, failed, cancelled or timed_out one can be resumed")]
    NotResumable(ExecutionStatus),
    /// The checkpoint is for others.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// One that is over is run again instead.
    #[error(
        "execution is {0} already; it cannot be migrated, but run again by another version (rerun)"
    )]
    OverToMigrate(ExecutionStatus),
    /// Only an execution of which nothing runs can migrate.
    #[error("execution cannot be migrated now: {0}")]
    NotStill(String),
    /// What has happened would have no meaning there.
    #[error("execution cannot be migrated to this version: {}", first_of(.0))]
    Incompatible(Vec<Violation>),
    /// There is no way back.
    #[error(
        "execution runs version {current}, and is migrated to newer ones only, not to {version}"
    )]
    Older {
        /// What was asked for.
        version: Version,
        /// What it runs.
        current: Version,
    },
    /// Nobody has told the execution what this version is.
    #[error("version {0} of the definition is not known here")]
    Unknown(Version),
    /// The checkpoint is not open.
    #[error("checkpoint {0} is not open")]
    NotOpen(CheckpointId),
    /// The reviewer's inputs of a fan-out are not some.
    #[error("edited content must be an array of at most {ITEMS_MAX} inputs, one for each item")]
    NotItems,
    /// A value is nested deeper than a journal can hold.
    #[error("{0} is nested deeper than {DEPTH_MAX} levels")]
    TooDeep(&'static str),
    /// A flaw in this module; the journal is as it was.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

/// The first violation with its place, and how many more there are.
fn first_of(violations: &[Violation]) -> String {
    let Some(first) = violations.first() else {
        return String::new();
    };
    let text = format!("{}: {}", first.pointer, first.message);
    match violations.len() {
        1 => text,
        count => format!("{text} (and {} more)", count - 1),
    }
}
