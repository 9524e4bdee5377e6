//! What the read models give, and what they are asked for.

use super::codec::plain;
use crate::workflow::{
    Audience, CheckpointId, Decider, ExecutionId, ExecutionStatus, IdentityName, Json, NodeId,
    Position, Reviewer, Timestamp, Version, WorkflowId,
};

/// The summary row of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Which execution.
    pub id: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub definition: Version,
    /// Number of the last event.
    pub version: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first node started.
    pub started_at: Option<Timestamp>,
    /// When it ended; none again after a resume.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, was cancelled or timed out. The character NUL, which no
    /// database likes in text, comes back as U+FFFD.
    pub error: Option<String>,
}

/// Which executions to list.
#[derive(Debug, Clone, Default)]
pub struct ExecutionFilter {
    /// Of this workflow only.
    pub workflow: Option<WorkflowId>,
    /// In this status only.
    pub status: Option<ExecutionStatus>,
    /// Of this version only.
    pub version: Option<Version>,
    /// Created then or later.
    pub created_from: Option<Timestamp>,
    /// Created earlier than this.
    pub created_before: Option<Timestamp>,
    /// With this id or a later one. Ids sort by creation, roughly: this says where to stop looking.
    pub oldest: Option<ExecutionId>,
}

/// A page of a list: rows after this key, at most `limit`.
#[derive(Debug, Clone)]
pub struct Page<Key> {
    /// Key of the last row of the page before.
    pub after: Option<Key>,
    /// 1 to 1000; the caller sees to it.
    pub limit: u32,
}

/// A checkpoint as the inbox shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointRow {
    /// Which checkpoint.
    pub id: CheckpointId,
    /// Of which execution.
    pub execution: ExecutionId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which node.
    pub node: NodeId,
    /// On its input or its output.
    pub position: Position,
    /// What the reviewer is asked.
    pub title: String,
    /// How to decide.
    pub instructions: Option<String>,
    /// Who may decide.
    pub audience: Audience,
    /// Who started the execution, if anybody knows.
    pub started_by: Option<IdentityName>,
    /// What the node is to run with, or what it produced.
    pub proposed: Json,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Open, or how it was closed.
    pub state: CheckpointState,
}

impl CheckpointRow {
    /// Under which reviewers somebody looks for it who wants to decide: none unless it is
    /// pending, and none when nobody may. The same rule as [`Audience::admit`].
    pub(super) fn awaited(&self) -> Vec<String> {
        let is_for_nobody = !self.audience.allow_starter && self.started_by.is_none();
        if is_for_nobody || !matches!(self.state, CheckpointState::Pending) {
            return Vec::new();
        }
        if self.audience.reviewers.is_empty() {
            return vec![ANYBODY.to_owned()];
        }
        let reviewers = self.audience.reviewers.iter();
        reviewers.map(ToString::to_string).collect()
    }

    /// Who may not decide whatever reviewer they are.
    pub(super) fn barred(&self) -> Option<&str> {
        let starter = self.started_by.as_ref().map(IdentityName::as_str);
        starter.filter(|_| !self.audience.allow_starter)
    }
}

/// The reviewer of what anybody may decide; no name has this character.
const ANYBODY: &str = "*";

/// What gives checkpoints, by what a filter asks for.
pub(super) struct CheckpointLists<List> {
    pub(super) all: List,
    pub(super) in_status: List,
    pub(super) of_workflow: List,
    pub(super) of_workflow_in_status: List,
    /// The filter's other conditions may be given, too.
    pub(super) of_execution: List,
    /// Likewise, but for the status.
    pub(super) of_decider: List,
}

impl CheckpointFilter {
    /// The list to ask; none when nothing can be in it.
    pub(super) fn choose<List: Copy>(&self, lists: &CheckpointLists<List>) -> Option<List> {
        if self.decider.is_some() {
            let is_pending = |status| status == CheckpointStatus::Pending;
            return self
                .status
                .is_none_or(is_pending)
                .then_some(lists.of_decider);
        }
        Some(match (self.execution, &self.workflow, self.status) {
            (Some(_), ..) => lists.of_execution,
            (None, Some(_), Some(_)) => lists.of_workflow_in_status,
            (None, Some(_), None) => lists.of_workflow,
            (None, None, Some(_)) => lists.in_status,
            (None, None, None) => lists.all,
        })
    }

    /// What [`CheckpointRow::awaited`] may give for the decider.
    pub(super) fn reviewers(decider: &Decider) -> Vec<String> {
        let groups = decider.groups.iter().cloned().map(Reviewer::Group);
        let mut reviewers: Vec<_> = groups.map(|group| group.to_string()).collect();
        reviewers.push(decider.name.to_string());
        reviewers.push(ANYBODY.to_owned());
        reviewers
    }
}

/// Where a checkpoint stands.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckpointState {
    /// Somebody has to decide.
    Pending,
    /// It is decided.
    Closed {
        /// How.
        outcome: CheckpointOutcome,
        /// What the decider wrote.
        notes: Option<String>,
        /// Who decided; none when nobody did.
        by: Option<String>,
        /// When.
        at: Timestamp,
    },
}

/// How a checkpoint was closed.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckpointOutcome {
    /// The output stands.
    Approved,
    /// This output takes its place.
    Edited(Json),
    /// The node fails or runs again.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// The execution ended first.
    Cancelled,
}

/// Which checkpoints to list.
#[derive(Debug, Clone, Default)]
pub struct CheckpointFilter {
    /// Of this execution only.
    pub execution: Option<ExecutionId>,
    /// Of this workflow only.
    pub workflow: Option<WorkflowId>,
    /// Only what this one could decide now: those that are pending and let them.
    pub decider: Option<Decider>,
    /// In this status only: `pending`, `approved`, `edited`, `rejected`, `expired` or `cancelled`.
    pub status: Option<CheckpointStatus>,
}

/// [`CheckpointState`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the names of CheckpointState and CheckpointOutcome"
)]
pub enum CheckpointStatus {
    Pending,
    Approved,
    Edited,
    Rejected,
    Expired,
    Cancelled,
}

/// A definition to store.
#[derive(Debug, Clone)]
pub struct NewDefinition {
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The document as the author wrote it.
    pub document: Json,
    /// Now.
    pub at: Timestamp,
}

/// What [`super::Store::put_definition`] did.
#[derive(Debug, Clone, PartialEq)]
pub enum PutDefinition {
    /// It is the latest version now (or was before).
    Stored(StoredDefinition),
    /// The latest version is not the expected one but this (0: there is none).
    Stale(u32),
}

/// Executions that are counted when a definition cannot be removed: to say how many, roughly.
pub const USES_COUNTED_MAX: u32 = 1000;

/// What [`super::Store::remove_definitions`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// They are gone.
    Removed,
    /// There are none.
    Absent,
    /// So many executions need them, at least one, counted up to [`USES_COUNTED_MAX`].
    Used(u32),
}

/// One version of a definition.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDefinition {
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Which version.
    pub version: Version,
    /// For people.
    pub name: String,
    /// For people.
    pub description: String,
    /// The document as the author wrote it.
    pub document: Json,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Since when it starts nothing any more, and why.
    pub deprecated: Option<Deprecated>,
}

/// Why a version of a definition starts nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecated {
    /// For people. The character NUL comes back as U+FFFD.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

/// Which version somebody wants to start: the latest that is not deprecated when none is named.
pub type Wanted = (WorkflowId, Option<Version>);

/// The version that a start would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startable {
    /// Which one; the latest when all are deprecated.
    pub version: Version,
    /// Why it may not be started.
    pub deprecated: Option<String>,
}

impl NewDefinition {
    /// The row to store after the latest one, with a number that is higher than any before; the
    /// answer instead when there is nothing to store. Its texts are plain text columns, without
    /// NUL.
    pub(super) fn after(
        self,
        latest: Option<StoredDefinition>,
        last: Option<i64>,
        expected: Option<u32>,
    ) -> Result<StoredDefinition, PutDefinition> {
        let version = latest.as_ref().map_or(0, |latest| latest.version.0);
        if expected.is_some_and(|expected| expected != version) {
            return Err(PutDefinition::Stale(version));
        }
        let last = last.map_or(0, |last| u32::try_from(last).unwrap_or(u32::MAX - 1));
        if let Some(latest) = latest.filter(|latest| latest.document == self.document) {
            return Err(PutDefinition::Stored(latest));
        }
        Ok(StoredDefinition {
            workflow: self.workflow,
            version: Version(last.max(version) + 1),
            name: plain(&self.name),
            description: plain(&self.description),
            document: self.document,
            created_at: self.at,
            deprecated: None,
        })
    }
}
