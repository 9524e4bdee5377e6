//! Why an attempt failed, and whether another one may help.

use crate::HostError;

/// The failure of one attempt. Messages are lower-case fragments that name the place:
/// `line 17, column dep_delay: "abc" is not an integer`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The input or config can never work; the engine does not retry.
    #[error("{0}")]
    Invalid(String),
    /// Might work next time; the engine retries as the node's policy says.
    #[error("{0}")]
    Transient(String),
    /// Will not work; the engine does not retry.
    #[error("{0}")]
    Permanent(String),
}

impl Failure {
    /// The input or config can never work.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// Might work next time.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient(message.into())
    }

    /// Will not work, though config and input look right.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent(message.into())
    }
}

/// What the host refuses once (no grant, a limit) it refuses again.
impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::Permanent(error.0)
    }
}
