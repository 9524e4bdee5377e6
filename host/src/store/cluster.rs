//! What hosts that share a database need of each other: leases, commands for what
//! another host owns, and notices.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HostId, StoreError};
use crate::{
    events::Progress,
    workflow::{Command, ExecutionId},
};

/// The part of a store that several hosts share.
///
/// A host lives as long as its lease, which it renews. When it has lapsed, by the
/// database's clock, it is lapsed for good: its owner knows by [`Cluster::renew`], or by
/// its own clock, that it has to begin anew, and everybody else may free what it owned.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Begins a life of a host: from now on it may own executions. Hosts whose processes
    /// are gone are found and what they owned is freed, without waiting for their leases.
    async fn enter(&self, host: HostId, lease: Duration) -> Result<(), StoreError>;

    /// Renews the lease, and frees what hosts owned whose leases have lapsed. None when
    /// the lease of this host has lapsed itself.
    async fn renew(&self, host: HostId, lease: Duration) -> Result<Option<Peers>, StoreError>;

    /// Sends a command to whoever owns the execution.
    async fn send(&self, signal: &Signal) -> Result<(), StoreError>;

    /// Commands without an answer for executions that this host owns, oldest first.
    async fn signals(&self, host: HostId) -> Result<Vec<Signal>, StoreError>;

    /// Answers a command that has caused no events.
    async fn answer(&self, signal: SignalId, answer: &Answer) -> Result<(), StoreError>;

    /// The answer to a command, which is then forgotten.
    async fn receive(&self, signal: SignalId) -> Result<Option<Answer>, StoreError>;

    /// Tells other hosts how far executions are.
    async fn tell(&self, progress: &[(ExecutionId, Progress)]) -> Result<(), StoreError>;

    /// What other hosts tell, until the connection breaks. Notices may be lost: they
    /// save waiting, and nothing depends on them.
    async fn notices(&self) -> Result<BoxStream<'static, Notice>, StoreError>;
}

/// What a host knows about the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peers {
    /// Other hosts with a lease.
    pub others: u32,
    /// Executions that were freed just now.
    pub freed: u64,
}

/// Which command for another host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalId(pub Uuid);

/// A command for an execution that another host owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Which one.
    pub id: SignalId,
    /// For which execution.
    pub execution: ExecutionId,
    /// What to do.
    pub command: Command,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// It was carried out; what the execution is since can be read.
    Done,
    /// It is not possible as the execution stands, for this reason.
    Refused {
        /// For people.
        reason: String,
        /// Is it that whoever asked may not?
        #[serde(default)]
        is_denied: bool,
    },
}

/// News from another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// An execution's journal is committed this far.
    Progress(ExecutionId, Progress),
    /// There is a command for an execution that this host owns.
    Signal(HostId),
    /// A command has its answer.
    Answered(SignalId),
    /// There is work that nobody owns.
    Work,
}
