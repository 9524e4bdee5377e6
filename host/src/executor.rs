//! Runs executions: one actor each, which owns the state and is told everything
//! by message.
//!
//! **Invariant (output commit):** the executor may run ahead of the disk, the
//! world may not. An attempt starts as soon as the events it depends on are
//! queued; nothing leaves the engine before all it depends on is durable.
//! **Invariant:** an execution has at most one actor in a host, and what an actor
//! could not commit is dropped and read back from the store.

mod attempt;
mod command;
mod evaluate;
mod inbox;
mod run;

pub use command::{CommandError, Started};
pub use evaluate::Bindings;
pub use run::summary;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};
use tracing::{error, info, warn};

use crate::{
    clock::Clock,
    events::Events,
    plugin::PhaseRunner,
    store::{StartKey, Store, StoreError, Summary, Writer},
    workflow::{Definition, Event, Execution, ExecutionId, Input, Version, WorkflowId},
};
use command::Reply;
use run::{Begin, Run, Wake};

/// Executions in memory at a time. More are refused rather than left to fill the
/// memory; those that wait for a person or for long are not in memory.
pub const EXECUTIONS_MAX: usize = 20_000;

/// Queued messages to one actor. Small on purpose: a full queue slows whoever
/// sends instead of growing memory.
const WAKES_MAX: usize = 64;

/// How often the store is asked for executions whose time has come. Short waits
/// stay in memory with timers of their own, so this only dates long ones.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Executions taken on in one look at the store.
const TAKE_ON_MAX: u32 = 500;

/// Where definitions come from: the service, which keeps them parsed.
#[async_trait]
pub trait Definitions: Send + Sync + 'static {
    /// This version of a definition, which has been stored before.
    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<Arc<Definition>, StoreError>;
}

/// The running executions of one host.
#[derive(Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    writer: Writer,
    runner: Arc<dyn PhaseRunner>,
    clock: Arc<dyn Clock>,
    definitions: Arc<dyn Definitions>,
    events: Events,
    runs: Mutex<HashMap<ExecutionId, mpsc::Sender<Wake>>>,
    attempts: watch::Sender<u64>,
    stop: watch::Sender<bool>,
}

/// An execution to start.
#[derive(Debug)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// What it runs.
    pub definition: Arc<Definition>,
    /// The event that creates it.
    pub created: Event,
    /// The client's idempotency key.
    pub key: Option<StartKey>,
}

impl Executor {
    /// An executor over this store. Nothing runs until it is asked to.
    pub fn new(
        store: Arc<dyn Store>,
        writer: Writer,
        runner: Arc<dyn PhaseRunner>,
        clock: Arc<dyn Clock>,
        definitions: Arc<dyn Definitions>,
        events: Events,
    ) -> Self {
        let shared = Shared {
            store,
            writer,
            runner,
            clock,
            definitions,
            events,
            runs: Mutex::default(),
            attempts: watch::Sender::new(0),
            stop: watch::Sender::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Starts an execution; returns when its creation is durable.
    pub async fn start(&self, new: NewExecution) -> Result<Started, CommandError> {
        let now = self.shared.clock.now();
        let (execution, step) = Execution::start(new.id, new.definition, new.created, now)?;
        let (reply, answer) = oneshot::channel();
        let begin = Begin::New {
            execution: Box::new(execution),
            step,
            key: new.key,
            reply,
        };
        if self.shared.register(new.id, begin).is_none() {
            return Err(CommandError::Full);
        }
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// Puts a command to an execution; returns its summary when everything that
    /// follows at once is durable.
    pub async fn command(&self, id: ExecutionId, command: Input) -> Result<Summary, CommandError> {
        self.ask(id, |reply| Wake::Command {
            input: command.clone(),
            reply,
        })
        .await
    }

    /// Waits until the execution is over; none when it is not in memory. The
    /// future may be dropped at any time.
    pub async fn wait(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        let run = self.shared.find(id)?;
        let (reply, answer) = oneshot::channel();
        run.send(Wake::Wait { reply }).await.ok()?;
        answer.await.ok()
    }

    /// Executions in memory, and attempts that run now.
    pub fn load(&self) -> (usize, u64) {
        let runs = self
            .shared
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        (runs, *self.shared.attempts.borrow())
    }

    /// Takes on what an earlier process left unfinished, then what is due, until
    /// [`Executor::stop`].
    pub fn recover(&self) -> JoinHandle<()> {
        let shared = self.shared.clone();
        tokio::spawn(async move { shared.take_on_all().await })
    }

    /// Stops: no new attempts are waited for beyond `grace`, everything queued is
    /// committed. What was interrupted is repeated by the next process.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stop.send_replace(true);
        let mut attempts = self.shared.attempts.subscribe();
        if tokio::time::timeout(grace, attempts.wait_for(|attempts| *attempts == 0))
            .await
            .is_err()
        {
            let attempts = *self.shared.attempts.borrow();
            warn!(
                attempts,
                "grace period over; the attempts still running will be repeated"
            );
        }
        self.shared.writer.close().await;
    }

    /// Asks the actor of an execution, waking the execution if it is not in memory.
    async fn ask<T>(
        &self,
        id: ExecutionId,
        wake: impl Fn(Reply<T>) -> Wake,
    ) -> Result<T, CommandError> {
        loop {
            let run = match self.shared.find(id) {
                Some(run) => run,
                None => self
                    .shared
                    .register(id, Begin::Load)
                    .ok_or(CommandError::Full)?,
            };
            let (reply, answer) = oneshot::channel();
            if run.send(wake(reply)).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return answer;
            }
            // The actor left just then: the execution is over or released. Ask anew.
            if *self.shared.stop.borrow() {
                return Err(CommandError::Stopping);
            }
        }
    }
}

impl Shared {
    fn find(&self, id: ExecutionId) -> Option<mpsc::Sender<Wake>> {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Starts the actor of an execution; none when there are too many. An actor
    /// that is there already gets nothing of `begin`.
    fn register(self: &Arc<Self>, id: ExecutionId, begin: Begin) -> Option<mpsc::Sender<Wake>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.get(&id) {
            return Some(run.clone());
        }
        if runs.len() >= EXECUTIONS_MAX {
            return None;
        }
        let (sender, wakes) = mpsc::channel(WAKES_MAX);
        runs.insert(id, sender.clone());
        drop(runs);
        tokio::spawn(Run::host(self.clone(), id, sender.clone(), wakes, begin));
        Some(sender)
    }

    fn forget(&self, id: ExecutionId) {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    async fn take_on_all(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        let mut look = Look::Unfinished { after: None };
        loop {
            match self.take_on(&mut look).await {
                // There may be more at once.
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => warn!(%error, "failed to look for executions that are due"),
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One look at the store. Says whether to look again at once.
    async fn take_on(self: &Arc<Self>, look: &mut Look) -> Result<bool, StoreError> {
        let runs = self
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        let limit = TAKE_ON_MAX.min(u32::try_from(EXECUTIONS_MAX - runs).unwrap_or(u32::MAX));
        if limit == 0 {
            return Ok(false);
        }
        let ids = match look {
            Look::Unfinished { after } => self.store.unfinished(*after, limit).await?,
            Look::Woken => self.store.woken(self.clock.now(), limit).await?,
        };
        // New starts may have taken the room meanwhile; the rest is for the next look.
        let taken = ids
            .iter()
            .take_while(|id| self.register(**id, Begin::Load).is_some());
        let taken = taken.count();
        let Look::Unfinished { after } = look else {
            return Ok(false);
        };
        if ids.is_empty() {
            *look = Look::Woken;
        } else if let Some(last) = taken.checked_sub(1) {
            info!(executions = taken, "going on with unfinished executions");
            *after = Some(ids[last]);
        }
        Ok(taken == ids.len())
    }
}

/// What to look for in the store.
enum Look {
    /// What an earlier process left, page by page.
    Unfinished { after: Option<ExecutionId> },
    /// What waited and is due now.
    Woken,
}

/// For what should be impossible: say it loudly once, with the place to look.
fn report_flaw(id: ExecutionId, flaw: &dyn std::fmt::Display) {
    error!(execution.id = %id, flaw = %flaw, "the executor contradicts itself; please report this");
}
