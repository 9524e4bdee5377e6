//! Runs executions: one actor each, which owns the state and is told everything
//! by message.
//!
//! **Invariant (output commit):** the executor may run ahead of the disk, the
//! world may not. An attempt starts as soon as the events it depends on are
//! applied; nothing leaves the engine before all it depends on is durable.
//! **Invariant:** an execution has at most one actor in a host, and what an actor
//! could not commit is dropped and read back from the store.
//! **Invariant:** only the host that owns an execution has an actor for it that acts; the
//! store refuses what any other writes, and effects wait while the lease is in doubt.

mod attempt;
mod command;
mod count;
mod definitions;
mod evaluate;
mod finished;
mod hosting;
mod inbox;
mod lease;
mod mail;
mod places;
mod progress;
mod run;

pub use command::{CommandError, Started};
pub use definitions::{Definitions, fold};
pub use evaluate::Bindings;
pub use run::summary;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::{error, warn};

use crate::{
    clock::Clock,
    events::Events,
    plugin::PhaseRunner,
    store::{Keep, StartKey, Store, StoreError, Summary, Writer},
    workflow::{Command, Definition, Digest, Event, Execution, ExecutionId},
};
use command::answered;
use count::Count;
use finished::Finished;
use lease::Lease;
use mail::Mail;
use places::Places;
use progress::Untold;
use run::{Actor, Begin, Run, Start, Wake, Wakes};

/// Executions in memory at a time. What is started beyond that stays in the store until
/// there is room; those that wait for a person or for long are not in memory.
pub const EXECUTIONS_MAX: usize = 20_000;

/// Executions in memory from which on a host leaves new ones to others, if there are any: more than
/// it could compute at once on any machine, so that others share the work.
const BUSY_EXECUTIONS: usize = 256;

/// Tries to reach an execution that moves between hosts, and the pause between them.
const REACH: (u32, Duration) = (20, Duration::from_millis(100));

/// How long a host that stops waits until what its actors hold is queued.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Queued messages to one actor. Small on purpose: a full queue slows whoever
/// sends instead of growing memory.
const WAKES_MAX: usize = 64;

/// How a host lives among others.
#[derive(Debug, Clone, Copy)]
pub struct Hosting {
    /// How long what a host owns is left to it when nothing is heard of it.
    pub lease: Duration,
    /// Hosts that may end in a row while they run an execution and nothing comes of it,
    /// before it is given up.
    pub crashes_max: u32,
    /// How long executions are kept after their end.
    pub keep: Keep,
    /// How long events stay in memory that nobody waits for. What is gained is that the end of a
    /// phase, the next one and the end of their execution reach the store together; what a crash
    /// costs is that much computing.
    pub hold: Duration,
}

impl Default for Hosting {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            crashes_max: 5,
            keep: Keep::Days(30),
            // Longer than a short execution takes under load, shorter than people notice.
            hold: Duration::from_millis(20),
        }
    }
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
    runs: Mutex<HashMap<ExecutionId, Wakes>>,
    places: Arc<Places>,
    /// Attempts that run.
    running: Count,
    /// Executions with events that are not queued for the disk yet.
    unwritten: Count,
    lease: Lease,
    crashes_max: u32,
    keep: Keep,
    hold: Duration,
    /// Other hosts on the same database.
    peers: watch::Sender<u32>,
    mail: Mail,
    untold: Untold,
    finished: Finished,
    /// There is something to take on or to deliver.
    work: Notify,
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
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
    /// What it has from another execution, when it is a rerun.
    pub taken: Vec<Event>,
    /// The bytes of the artifacts among that: as long as it refers to them, they are kept.
    pub blobs: Vec<(Digest, Bytes)>,
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
        hosting: Hosting,
    ) -> Self {
        let shared = Shared {
            lease: Lease::new(hosting.lease, store.cluster().is_some()),
            crashes_max: hosting.crashes_max,
            keep: hosting.keep,
            hold: hosting.hold,
            places: Places::new(runner.attempts_max()),
            store,
            writer,
            runner,
            clock,
            definitions,
            events,
            runs: Mutex::default(),
            running: Count::default(),
            unwritten: Count::default(),
            peers: watch::Sender::new(0),
            mail: Mail::default(),
            untold: Untold::default(),
            finished: Finished::default(),
            work: Notify::new(),
            stop: watch::Sender::new(false),
            ended: watch::Sender::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Takes a place among the hosts of the database; before anything else.
    pub async fn enter(&self) -> Result<(), StoreError> {
        self.shared.enter().await
    }

    /// Starts an execution; returns when its creation is durable. Who waits for its end hears of
    /// both at once if that is near.
    pub async fn start(
        &self,
        new: NewExecution,
        over: Option<oneshot::Sender<Arc<Execution>>>,
    ) -> Result<Started, CommandError> {
        self.shared.check_lease()?;
        let now = self.shared.clock.now();
        let (execution, step) =
            Execution::start_with(new.id, new.definition, new.created, new.taken, now)?;
        let (reply, answer) = oneshot::channel();
        let begin = Begin::New(Box::new(Start {
            execution,
            step,
            key: new.key,
            blobs: new.blobs,
            reply,
            over,
        }));
        let is_busy = self.shared.room() == 0;
        let left = if is_busy {
            Some(begin)
        } else {
            self.shared.register(new.id, begin).err()
        };
        if let Some(begin) = left {
            tokio::spawn(Run::leave_adrift(self.shared.clone(), begin));
        }
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// Puts a command to an execution, on whatever host it is; returns its summary when
    /// everything that follows at once is durable.
    pub async fn command(
        &self,
        id: ExecutionId,
        command: Command,
    ) -> Result<Summary, CommandError> {
        for _ in 0..REACH.0 {
            self.shared.check_lease()?;
            match self.ask(id, &command).await {
                Err(CommandError::Elsewhere) => return self.shared.forward(id, command).await,
                Err(CommandError::Moved) => sleep(REACH.1).await,
                answer => return answer,
            }
        }
        Err(CommandError::Moved)
    }

    /// Waits until the execution is over; none when it is not in memory (any more).
    pub async fn wait(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        let Some(run) = self.shared.find(id) else {
            return self.finished(id);
        };
        let (reply, answer) = oneshot::channel();
        answered(run, Wake::Wait { reply }, answer).await
    }

    /// An execution that is completed, when it ended here or was read back a moment ago.
    pub fn finished(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        self.shared.finished.get(id)
    }

    /// Keeps an execution, just read back, for whoever asks next, if it can change no more.
    pub fn keep(&self, execution: Arc<Execution>) {
        self.shared.finished.put(execution);
    }

    /// Executions in memory, and attempts that run now.
    pub fn load(&self) -> (usize, u64) {
        let runs = self
            .shared
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        (runs, self.shared.running.now())
    }

    /// Keeps the lease, and takes on whatever needs a host (first of all what an earlier
    /// process left unfinished), until [`Executor::stop`] has ended.
    pub fn recover(&self) -> JoinHandle<()> {
        tokio::spawn(self.shared.clone().host())
    }

    /// Stops: no new attempts are waited for beyond `grace`, everything queued is
    /// committed, and what is unfinished is left to other hosts or to the next process.
    pub async fn stop(&self, grace: Duration) {
        self.shared.stop.send_replace(true);
        self.shared.places.close();
        self.shared.rouse();
        if timeout(grace, self.shared.running.none()).await.is_err() {
            let attempts = self.shared.running.now();
            warn!(
                attempts,
                "grace period over; the attempts still running will be repeated"
            );
        }
        if timeout(LAST_WORDS, self.shared.unwritten.none())
            .await
            .is_err()
        {
            warn!("the database is slow; some of what was done last will be repeated");
        }
        self.shared.writer.close().await;
        if let Err(error) = self.shared.store.leave(self.shared.lease.host()).await {
            warn!(%error, "failed to let go of executions; they are free when the lease is over");
        }
        self.shared.ended.send_replace(true);
    }

    /// Asks the actor of an execution, waking the execution if it is not in memory.
    async fn ask(&self, id: ExecutionId, command: &Command) -> Result<Summary, CommandError> {
        loop {
            let run = match self.shared.find(id) {
                Some(run) => run,
                None => self
                    .shared
                    .register(id, Begin::Load)
                    .map_err(|_| CommandError::Full)?,
            };
            let (reply, answer) = oneshot::channel();
            let wake = Wake::Command {
                command: command.clone(),
                reply,
            };
            if let Some(answer) = answered(run, wake, answer).await {
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
    fn find(&self, id: ExecutionId) -> Option<Wakes> {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    /// Starts the actor of an execution; gives `begin` back when there are too many. An
    /// actor that is there already gets nothing of it.
    fn register(self: &Arc<Self>, id: ExecutionId, begin: Begin) -> Result<Wakes, Begin> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.get(&id) {
            return Ok(run.clone());
        }
        if runs.len() >= EXECUTIONS_MAX {
            return Err(begin);
        }
        let (sender, wakes) = flume::bounded(WAKES_MAX);
        runs.insert(id, sender.clone());
        drop(runs);
        let actor = Actor {
            shared: self.clone(),
            id,
            sender: sender.clone(),
            wakes,
        };
        tokio::spawn(actor.host(begin));
        Ok(sender)
    }

    fn forget(&self, id: ExecutionId) {
        self.runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    /// Makes every actor look at its host again: it stops, or has begun another life. One with so many
    /// messages that it gets no more is going to look anyway.
    fn rouse(&self) {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        for run in runs.values() {
            let _ = run.try_send(Box::new(Wake::Roused));
        }
    }

    /// Executions that this host still takes.
    fn room(&self) -> usize {
        let is_alone = *self.peers.borrow() == 0;
        let max = if is_alone {
            EXECUTIONS_MAX
        } else {
            BUSY_EXECUTIONS
        };
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        max.saturating_sub(runs.len())
    }

    /// Without its lease, whatever a host accepted might be elsewhere already.
    fn check_lease(&self) -> Result<(), CommandError> {
        if self.lease.is_held() {
            return Ok(());
        }
        let lost = "this host has lost contact with its database".to_owned();
        Err(CommandError::Store(StoreError::Unavailable(lost)))
    }
}

/// For what should be impossible: say it loudly once, with the place to look.
fn report_flaw(id: ExecutionId, flaw: &dyn std::fmt::Display) {
    error!(execution.id = %id, flaw = %flaw, "the executor contradicts itself; please report this");
}

#[cfg(test)]
mod tests;
