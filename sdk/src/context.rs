//! What a phase knows and may do while it runs one attempt.

use std::fmt;

use crate::{Artifact, Host, HostError, Level};

/// One attempt: which it is, and the way to the engine.
pub struct Context<'h> {
    /// The execution, a UUID.
    pub execution_id: String,
    /// The workflow that the execution runs.
    pub workflow_id: String,
    /// The node that runs this phase.
    pub node: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The same for every attempt of this node in this execution. Pass it on to systems that take
    /// one, and a repeated attempt has no second effect.
    pub idempotency_key: String,
    /// What the reviewer wrote, when a rejected checkpoint reruns the phase.
    pub review_notes: Option<String>,
    pub(crate) host: &'h dyn Host,
}

impl Context<'_> {
    /// Logs for whoever debugs the phase.
    pub fn debug(&self, message: &str) {
        self.host.log(Level::Debug, message);
    }

    /// Logs what is worth knowing.
    pub fn info(&self, message: &str) {
        self.host.log(Level::Info, message);
    }

    /// Logs that something is off, though the phase goes on.
    pub fn warn(&self, message: &str) {
        self.host.log(Level::Warn, message);
    }

    /// Logs that something failed.
    pub fn error(&self, message: &str) {
        self.host.log(Level::Error, message);
    }

    /// Reports the fraction done, 0.0 to 1.0, and what is going on.
    pub fn progress(&self, fraction: f32, message: &str) {
        self.host.progress(fraction, message);
    }

    /// A value the operator granted to this phase, e.g. an API key.
    ///
    /// # Errors
    /// The operator granted no such variable.
    pub fn variable(&self, name: &str) -> Result<String, HostError> {
        self.host.variable(name)
    }

    /// Keeps a file with the execution, committed together with the phase's output.
    ///
    /// # Errors
    /// The name is not allowed, or a limit is reached.
    pub fn put_artifact(
        &self,
        name: impl Into<String>,
        content_type: impl Into<String>,
        data: impl Into<Vec<u8>>,
    ) -> Result<(), HostError> {
        self.host.put_artifact(Artifact {
            name: name.into(),
            content_type: content_type.into(),
            data: data.into(),
        })
    }

    /// Reads a file that an upstream node kept.
    ///
    /// # Errors
    /// There is none of that name, or the node is not upstream of this one.
    pub fn get_artifact(&self, node: &str, name: &str) -> Result<Artifact, HostError> {
        self.host.get_artifact(node, name)
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("execution_id", &self.execution_id)
            .field("node", &self.node)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
