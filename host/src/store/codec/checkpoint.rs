//! Checkpoints to rows and back.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{corrupt, decode_id, known, parse, unwritable};
use crate::{
    store::{CheckpointOutcome, CheckpointRow, CheckpointState, CheckpointStatus, StoreError},
    workflow::{
        Audience, CheckpointId, ExecutionId, IdentityName, Json, Position, Reviewer, Timestamp,
    },
};

/// A row of `checkpoints`.
#[derive(Debug, Clone, FromRow)]
pub(in crate::store) struct CheckpointColumns {
    pub id: Vec<u8>,
    pub execution: Vec<u8>,
    pub workflow: String,
    pub node: String,
    pub status: String,
    pub created_at: i64,
    pub closed_at: Option<i64>,
    pub codec: i64,
    pub payload: String,
}

/// What of a checkpoint nothing is looked up by.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointPayload {
    /// Not written where it is after the node, as it was before there was another.
    #[serde(default, skip_serializing_if = "Position::is_after")]
    position: Position,
    title: String,
    instructions: Option<String>,
    /// Not written, nor whether the starter may, where anybody may decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reviewers: Vec<Reviewer>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    allow_starter: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_by: Option<IdentityName>,
    proposed: Json,
    /// The output that takes its place, when it was edited.
    edited: Option<Json>,
    notes: Option<String>,
    by: Option<String>,
}

/// `closed_at` and the payload of a checkpoint; the rest is in the row as it is.
pub(in crate::store) fn encode_checkpoint(
    row: &CheckpointRow,
) -> Result<(Option<Timestamp>, String), StoreError> {
    let (edited, notes, by, closed_at) = match &row.state {
        CheckpointState::Pending => (None, None, None, None),
        CheckpointState::Closed {
            outcome,
            notes,
            by,
            at,
        } => {
            let edited = match outcome {
                CheckpointOutcome::Edited(content) => Some(content.clone()),
                _ => None,
            };
            (edited, notes.clone(), by.clone(), Some(*at))
        }
    };
    let payload = serde_json::to_string(&CheckpointPayload {
        position: row.position,
        title: row.title.clone(),
        instructions: row.instructions.clone(),
        reviewers: row.audience.reviewers.clone(),
        allow_starter: row.audience.allow_starter,
        started_by: row.started_by.clone(),
        proposed: row.proposed.clone(),
        edited,
        notes,
        by,
    });
    Ok((closed_at, payload.map_err(unwritable)?))
}

impl CheckpointColumns {
    /// The checkpoint in this row.
    pub fn decode(self) -> Result<CheckpointRow, StoreError> {
        let id = decode_id(&self.id)?;
        let execution = decode_id(&self.execution)?;
        self.row(CheckpointId(id), ExecutionId(execution))
            .map_err(|reason| corrupt(format!("checkpoint {id} of execution {execution}"), reason))
    }

    fn row(self, id: CheckpointId, execution: ExecutionId) -> Result<CheckpointRow, String> {
        known(self.codec)?;
        let payload: CheckpointPayload =
            serde_json::from_str(&self.payload).map_err(|error| error.to_string())?;
        let state = match read_outcome(&self.status, payload.edited)? {
            None => CheckpointState::Pending,
            Some(outcome) => CheckpointState::Closed {
                outcome,
                notes: payload.notes,
                by: payload.by,
                at: Timestamp(self.closed_at.ok_or("it is closed at no time")?),
            },
        };
        Ok(CheckpointRow {
            id,
            execution,
            workflow: parse(self.workflow)?,
            node: parse(self.node)?,
            position: payload.position,
            title: payload.title,
            instructions: payload.instructions,
            audience: Audience {
                reviewers: payload.reviewers,
                allow_starter: payload.allow_starter,
            },
            started_by: payload.started_by,
            proposed: payload.proposed,
            created_at: Timestamp(self.created_at),
            state,
        })
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde wants it")]
fn is_yes(flag: &bool) -> bool {
    *flag
}

/// None while it is pending.
fn read_outcome(status: &str, edited: Option<Json>) -> Result<Option<CheckpointOutcome>, String> {
    match status {
        "pending" => Ok(None),
        "approved" => Ok(Some(CheckpointOutcome::Approved)),
        // An output of `null` reads as none.
        "edited" => Ok(Some(CheckpointOutcome::Edited(edited.unwrap_or_default()))),
        "rejected" => Ok(Some(CheckpointOutcome::Rejected)),
        "expired" => Ok(Some(CheckpointOutcome::Expired)),
        "cancelled" => Ok(Some(CheckpointOutcome::Cancelled)),
        _ => Err(format!("unknown status {status:?}")),
    }
}

impl CheckpointStatus {
    /// Its name in the store and in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Edited => "edited",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl CheckpointState {
    /// Which state it is.
    pub fn status(&self) -> CheckpointStatus {
        let Self::Closed { outcome, .. } = self else {
            return CheckpointStatus::Pending;
        };
        match outcome {
            CheckpointOutcome::Approved => CheckpointStatus::Approved,
            CheckpointOutcome::Edited(_) => CheckpointStatus::Edited,
            CheckpointOutcome::Rejected => CheckpointStatus::Rejected,
            CheckpointOutcome::Expired => CheckpointStatus::Expired,
            CheckpointOutcome::Cancelled => CheckpointStatus::Cancelled,
        }
    }
}
