//! The one place where errors become what callers see. What is nobody's business
//! outside is logged here, once.

use tracing::error;

use crate::{
    contract::{Error, Violation},
    executor::CommandError,
    plugin::PinnedError,
    store::StoreError,
    workflow,
};

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Uncertain(_) => {
                error!(%error, "the store failed");
                Self::Unavailable("the database does not answer; nothing was changed by this call, or it will show when it answers again".to_owned())
            }
            StoreError::Corrupt(_) | StoreError::Newer(_) | StoreError::Invalid(_) => {
                internal(&error)
            }
        }
    }
}

impl From<PinnedError> for Error {
    fn from(error: PinnedError) -> Self {
        match error {
            PinnedError::Unread { error, .. } => error.into(),
            PinnedError::Absent { .. } | PinnedError::Broken { .. } => {
                Self::Conflict(error.to_string())
            }
        }
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound(id) => Self::NotFound(format!("there is no execution {id}")),
            CommandError::Refused(workflow::Refusal::Illegal(flaw)) => internal(&flaw),
            CommandError::Refused(workflow::Refusal::Denied(denial)) => {
                Self::Forbidden(denial.to_string())
            }
            CommandError::DeniedElsewhere(reason) => Self::Forbidden(reason),
            CommandError::Refused(workflow::Refusal::Incompatible(violations)) => {
                Self::Invalid(violations.into_iter().map(Violation::from).collect())
            }
            CommandError::Refused(refusal @ workflow::Refusal::Older { .. }) => {
                invalid("/version", refusal.to_string())
            }
            CommandError::Refused(refusal) => Self::Conflict(refusal.to_string()),
            CommandError::RefusedElsewhere(reason) => Self::Conflict(reason),
            CommandError::Undefined => Self::NotFound(error.to_string()),
            CommandError::Store(error) => error.into(),
            CommandError::Full
            | CommandError::Stopping
            | CommandError::Elsewhere
            | CommandError::Moved => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<workflow::Violation> for Violation {
    fn from(violation: workflow::Violation) -> Self {
        Self {
            pointer: violation.pointer,
            message: violation.message,
        }
    }
}

/// Something is wrong that no caller can mend.
pub(super) fn internal(error: &dyn std::fmt::Display) -> Error {
    error!(error = %error, "internal error");
    Error::Internal("something went wrong inside; the log of the host says what".to_owned())
}

/// One thing is wrong with a request.
pub(super) fn invalid(pointer: &str, message: impl Into<String>) -> Error {
    Error::Invalid(vec![Violation {
        pointer: pointer.to_owned(),
        message: message.into(),
    }])
}
