//! What callers of the executor get back.

use tokio::sync::oneshot;

use super::run::{Wake, Wakes};
use crate::{
    store::{Keyed, StoreError, Summary},
    workflow::{ExecutionId, Refusal},
};

/// What became of a start.
#[derive(Debug, Clone)]
pub enum Started {
    /// It is created and durable.
    Created(Summary),
    /// The idempotency key is that of an earlier start.
    Existing(Keyed),
}

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// There is no such execution.
    #[error("there is no execution {0}")]
    NotFound(ExecutionId),
    /// It is not possible as the execution stands.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The same, said by the host that runs it.
    #[error("{0}")]
    RefusedElsewhere(String),
    /// Whoever asked may not, said by the host that runs it.
    #[error("{0}")]
    DeniedElsewhere(String),
    /// The version of the definition was removed just now.
    #[error("the version of the definition was removed just now")]
    Undefined,
    /// Another host runs the execution.
    #[error("execution is run by another host")]
    Elsewhere,
    /// The execution is on its way to another host; the command was not carried out.
    #[error("execution is moving to another host; try again")]
    Moved,
    /// The store cannot take it now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many executions are in memory.
    #[error(
        "host is at its limit of {} executions in memory",
        super::EXECUTIONS_MAX
    )]
    Full,
    /// The host is shutting down.
    #[error("host is shutting down")]
    Stopping,
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

/// Sends an actor a wake and waits for its answer; none when it is gone without one.
///
/// The sender goes before the wait: a message that is sent in the moment when the receiver is dropped
/// stays in the channel, and the reply in it, for as long as there is a sender.
pub(super) async fn answered<T>(run: Wakes, wake: Wake, answer: oneshot::Receiver<T>) -> Option<T> {
    run.send_async(Box::new(wake)).await.ok()?;
    drop(run);
    answer.await.ok()
}
