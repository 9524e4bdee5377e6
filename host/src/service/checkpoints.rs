//! Checkpoints: the inbox, and decisions.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Asking, Service, asking, parameters,
    problems::{internal, invalid},
    views,
};
use crate::{
    access::{Access, Identity, ME, Scope},
    contract::{
        Checkpoint, CheckpointFilter as Filter, CheckpointPage, Decision as Wish, Error,
        PageRequest, Violation,
    },
    executor::CommandError,
    store::{CheckpointFilter, CheckpointOutcome, CheckpointRow, CheckpointState},
    workflow::{CheckpointId, Command, Decision, Refusal, Timestamp},
};

/// Longest notes of a reviewer, in characters: a few pages.
const NOTES_CHARACTERS_MAX: usize = 10_000;

/// Violations of an edit that an answer lists.
const VIOLATIONS_MAX: usize = 100;

impl Service {
    pub(super) async fn checkpoint(&self, id: &str) -> Result<Checkpoint, Error> {
        Ok(views::checkpoint(
            &self
                .checkpoint_row(parameters::id("checkpoint", id)?)
                .await?,
        ))
    }

    pub(super) async fn checkpoints(
        &self,
        asking: &Asking,
        filter: Filter,
        page: PageRequest,
    ) -> Result<CheckpointPage, Error> {
        let execution = filter.execution_id.as_deref();
        let execution = execution
            .map(|id| parameters::parsed("/execution_id", id))
            .transpose()?;
        let workflow = filter.workflow_id.as_deref();
        let workflow = workflow
            .map(|id| parameters::parsed("/workflow_id", id))
            .transpose()?;
        let keys = parameters::page_with(&page, read_cursor)?;
        let mut decider = None;
        if let Some(name) = &filter.reviewer {
            let identity = self.reviewer(asking, name)?;
            if !identity.has(&Scope::Review) {
                return Ok(CheckpointPage {
                    items: Vec::new(),
                    next: None,
                });
            }
            decider = Some(asking::decider(&identity));
        }
        let filter = CheckpointFilter {
            execution,
            workflow,
            decider,
            status: filter.status.map(views::to_checkpoint_status),
        };
        let mut rows = self.store.queries().checkpoints(filter, keys).await?;
        let next = parameters::cut(&mut rows, &page, |last| {
            format!("{}.{}", last.created_at.0, last.id)
        });
        Ok(CheckpointPage {
            items: rows.iter().map(views::checkpoint).collect(),
            next,
        })
    }

    /// Deciding the same way twice gives the same checkpoint; deciding differently is a conflict.
    pub(super) async fn resolve(
        &self,
        asking: &Asking,
        id: &str,
        wish: Wish,
        notes: Option<String>,
    ) -> Result<Checkpoint, Error> {
        let id: CheckpointId = parameters::id("checkpoint", id)?;
        if notes
            .as_ref()
            .is_some_and(|notes| notes.chars().count() > NOTES_CHARACTERS_MAX)
        {
            return Err(invalid(
                "/notes",
                format!("is longer than {NOTES_CHARACTERS_MAX} characters"),
            ));
        }
        let decision = decision(&wish)?;
        let row = self.checkpoint_row(id).await?;
        let decider = asking.decider();
        // Who may not decide learns nothing else. The execution asks again when it takes the
        // decision.
        let admitted = (row.audience).admit(row.started_by.as_ref(), decider.as_ref());
        admitted.map_err(|denial| Error::Forbidden(denial.to_string()))?;
        if matches!(row.state, CheckpointState::Closed { .. }) {
            return stands(&row, &decision);
        }
        if let Decision::Edit { content } = &decision {
            self.check_edit(&row, content).await?;
        }
        let command = Command::Resolve {
            checkpoint: id,
            decision: decision.clone(),
            notes,
            by: Some(asking.shown()),
            decider,
        };
        match self.executor.command(row.execution, command).await {
            Ok(_) => Ok(views::checkpoint(&self.checkpoint_row(id).await?)),
            // Somebody else was quicker; what they decided stands.
            Err(
                CommandError::Refused(Refusal::NotOpen(_) | Refusal::Over(_))
                | CommandError::RefusedElsewhere(_),
            ) => stands(&self.checkpoint_row(id).await?, &decision),
            Err(error) => Err(error.into()),
        }
    }

    /// Whom a name means.
    fn reviewer(&self, asking: &Asking, name: &str) -> Result<Arc<Identity>, Error> {
        let wrong = |message: &str| invalid("/reviewer", message);
        let Access::Tokens(tokens) = &self.access else {
            return Err(wrong(
                "is nobody: this host knows nobody by name; start it with --tokens",
            ));
        };
        let identity = match (name, asking.identity()) {
            (ME, Some(identity)) => Some(identity),
            _ => name.parse().ok().and_then(|name| tokens.named(&name)),
        };
        identity.ok_or_else(|| wrong("is not the name of a token of this host"))
    }

    async fn checkpoint_row(&self, id: CheckpointId) -> Result<CheckpointRow, Error> {
        let row = self.store.queries().checkpoint(id).await?;
        row.ok_or_else(|| Error::NotFound(format!("there is no checkpoint {id}")))
    }

    /// What takes the place of an input or output has to be one: of each item, when the node
    /// fans out.
    async fn check_edit(&self, row: &CheckpointRow, content: &Value) -> Result<(), Error> {
        let execution = self.folded(row.execution).await?;
        let definition = &execution.definition;
        let Some(node) = definition
            .node_index(&row.node)
            .map(|index| definition.node(index))
        else {
            return Ok(());
        };
        let Some(pinned) = execution.origin.phases.get(&node.phase).copied() else {
            return Err(internal(&format!("phase {} was not pinned", node.phase)));
        };
        let parts = match (&node.for_each, content) {
            (None, _) => vec![("/edited_content".to_owned(), content)],
            (Some(_), Value::Array(items)) => (items.iter().enumerate())
                .map(|(item, value)| (format!("/edited_content/{item}"), value))
                .collect(),
            (Some(_), _) => {
                return Err(invalid(
                    "/edited_content",
                    "must be an array with that of each item",
                ));
            }
        };
        let mut violations = Vec::new();
        for (at, content) in parts {
            let found = self
                .runner
                .check_edit(&node.phase, pinned, row.position, content);
            let found = found.await?.into_iter();
            violations.extend(found.map(|(below, message)| Violation {
                pointer: format!("{at}{below}"),
                message,
            }));
            if violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
        violations.truncate(VIOLATIONS_MAX);
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(violations))
        }
    }
}

fn read_cursor(cursor: &str) -> Option<(Timestamp, CheckpointId)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), id.parse().ok()?))
}

fn decision(wish: &Wish) -> Result<Decision, Error> {
    Ok(match wish {
        Wish::Approve => Decision::Approve,
        Wish::Reject => Decision::Reject,
        Wish::Edit(content) => Decision::Edit {
            content: parameters::document("/edited_content", content)?.into(),
        },
    })
}

/// The checkpoint, if it was closed as this decision would have.
fn stands(row: &CheckpointRow, decision: &Decision) -> Result<Checkpoint, Error> {
    let CheckpointState::Closed {
        outcome, by, at, ..
    } = &row.state
    else {
        return Err(Error::Conflict(format!(
            "checkpoint {} cannot be decided now; try again",
            row.id
        )));
    };
    let is_same = match (outcome, decision) {
        (CheckpointOutcome::Approved, Decision::Approve)
        | (CheckpointOutcome::Rejected, Decision::Reject) => true,
        (CheckpointOutcome::Edited(content), Decision::Edit { content: wished }) => {
            content == wished
        }
        _ => false,
    };
    if is_same {
        return Ok(views::checkpoint(row));
    }
    let status = views::checkpoint_status_name(&row.state);
    let by = by
        .as_ref()
        .map(|by| format!(" by {by}"))
        .unwrap_or_default();
    Err(Error::Conflict(format!(
        "checkpoint {} was {status}{by} at {at}",
        row.id
    )))
}
