//! The actor of one execution: a loop over everything that can wake it.

mod durable;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::{Instant, Sleep},
};
use tracing::{debug, warn};

use super::{
    Shared,
    command::{CommandError, Reply, Started},
    inbox::Inbox,
    report_flaw,
};
use crate::{
    plugin::Produced,
    store::{StartKey, StoreError, Summary},
    workflow::{
        ArtifactRef, Digest, Execution, ExecutionId, Failure, Input, Json, NodeIndex, Prepared,
        Step,
    },
};
use durable::Answer;

pub use durable::summary;
pub(super) use durable::{CommitFailure, Durable};

/// An execution that waits longer than this is released from memory. Shorter
/// waits are not worth a round through the store, whose poll is coarser.
const LINGER: Duration = Duration::from_secs(5);

/// An execution that was loaded stays this long at least, or until it is told
/// something: most are loaded because a command is on its way.
const STAY: Duration = Duration::from_secs(1);

/// First and longest pause before an execution is read back after a failed commit.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Everything that can wake an actor, beside its timer and the store.
pub(crate) enum Wake {
    Attempted {
        node: NodeIndex,
        item: Option<u32>,
        attempt: u32,
        logs: Vec<Input>,
        result: Result<Produced, Failure>,
    },
    Prepared {
        node: NodeIndex,
        result: Result<Prepared, Failure>,
    },
    Finished(Result<Json, Failure>),
    Reported(Vec<Input>),
    Artifact {
        node: String,
        name: String,
        reply: oneshot::Sender<Result<(ArtifactRef, u64), String>>,
    },
    Command {
        input: Input,
        reply: Reply<Summary>,
    },
    Wait {
        reply: oneshot::Sender<Arc<Execution>>,
    },
}

/// How an actor begins.
pub(super) enum Begin {
    New {
        execution: Box<Execution>,
        step: Step,
        key: Option<StartKey>,
        reply: Reply<Started>,
    },
    Load,
}

/// Why an actor ended.
enum Life {
    /// The execution is over, released, or the host stops.
    Left,
    /// What it did last is not durable; read it back.
    Lost(CommitFailure),
}

pub(super) struct Run {
    shared: Arc<Shared>,
    execution: Execution,
    inbox: Inbox,
    wakes: mpsc::Sender<Wake>,
    commits: Arc<watch::Sender<Durable>>,
    durable: watch::Receiver<Durable>,
    attempts: HashMap<(NodeIndex, Option<u32>), AbortHandle>,
    /// Answers that wait until this version is durable.
    answers: VecDeque<(u64, Answer)>,
    waits: Vec<oneshot::Sender<Arc<Execution>>>,
    timer: Pin<Box<Sleep>>,
    stay_until: Option<Instant>,
    published: u64,
}

impl Run {
    /// The life of an actor, from its start or its journal to its end.
    pub(super) async fn host(
        shared: Arc<Shared>,
        id: ExecutionId,
        sender: mpsc::Sender<Wake>,
        mut wakes: mpsc::Receiver<Wake>,
        begin: Begin,
    ) {
        let mut start = match begin {
            Begin::New {
                execution,
                step,
                key,
                reply,
            } => {
                let mut run = Self::new(
                    shared.clone(),
                    *execution,
                    Inbox::default(),
                    0,
                    sender.clone(),
                );
                run.answer_start(reply);
                Some((run, step, key))
            }
            Begin::Load => None,
        };
        let mut pause = BACKOFF.0;
        loop {
            let (mut run, step, key) = match start.take() {
                Some(start) => start,
                None => match Self::load(&shared, id, &sender).await {
                    Ok(Some((run, step))) => (run, step, None),
                    Ok(None) => return Self::not_found(&shared, id, wakes).await,
                    Err(error) => {
                        warn!(execution.id = %id, %error, "failed to load the execution; trying again");
                        tokio::time::sleep(pause).await;
                        pause = BACKOFF.1.min(pause * 2);
                        continue;
                    }
                },
            };
            match run.live(&mut wakes, step, key).await {
                Life::Left => break,
                Life::Lost(failure) => {
                    let is_created = run.durable.borrow().version > 0 || failure.is_uncertain();
                    run.lose(&failure);
                    if !is_created {
                        break;
                    }
                    warn!(execution.id = %id, ?failure, "a commit failed; reading the execution back");
                    tokio::time::sleep(pause).await;
                    pause = BACKOFF.1.min(pause * 2);
                }
            }
        }
        // Whoever asks from here on finds nobody and asks anew; who asked already
        // sees the answer dropped.
        shared.forget(id);
    }

    async fn not_found(shared: &Shared, id: ExecutionId, mut wakes: mpsc::Receiver<Wake>) {
        shared.forget(id);
        wakes.close();
        while let Some(wake) = wakes.recv().await {
            if let Wake::Command { reply, .. } = wake {
                let _ = reply.send(Err(CommandError::NotFound(id)));
            }
        }
    }

    fn new(
        shared: Arc<Shared>,
        execution: Execution,
        inbox: Inbox,
        durable_version: u64,
        wakes: mpsc::Sender<Wake>,
    ) -> Self {
        let (commits, durable) = watch::channel(Durable {
            version: durable_version,
            failure: None,
        });
        Self {
            shared,
            execution,
            inbox,
            wakes,
            commits: Arc::new(commits),
            durable,
            attempts: HashMap::new(),
            answers: VecDeque::new(),
            waits: Vec::new(),
            timer: Box::pin(tokio::time::sleep(LINGER)),
            stay_until: None,
            published: durable_version,
        }
    }

    /// None when there is no such execution.
    async fn load(
        shared: &Arc<Shared>,
        id: ExecutionId,
        wakes: &mpsc::Sender<Wake>,
    ) -> Result<Option<(Self, Step)>, StoreError> {
        let Some(journal) = shared.store.load(id).await? else {
            return Ok(None);
        };
        let summary = &journal.summary;
        let definition = shared
            .definitions
            .definition(&summary.workflow, summary.definition)
            .await?;
        let mut execution = Execution::fold(id, definition, &journal.events)
            .map_err(|error| StoreError::Corrupt(format!("execution {id}: {error}")))?;
        let inbox = Inbox::of(&execution, &journal.events);
        let version = execution.version;
        let step = match execution.recover(shared.clock.now()) {
            Ok(step) => step,
            Err(flaw) => return Err(StoreError::Corrupt(format!("execution {id}: {flaw}"))),
        };
        debug!(execution.id = %id, version, "loaded");
        let mut run = Self::new(shared.clone(), execution, inbox, version, wakes.clone());
        run.stay_until = Some(Instant::now() + STAY);
        Ok(Some((run, step)))
    }

    async fn live(
        &mut self,
        wakes: &mut mpsc::Receiver<Wake>,
        step: Step,
        key: Option<StartKey>,
    ) -> Life {
        let mut stop = self.shared.stop.subscribe();
        self.take(step, Vec::new(), key).await;
        loop {
            if let Some(failure) = self.acknowledge() {
                return Life::Lost(failure);
            }
            let is_stopping = *stop.borrow_and_update();
            if wakes.is_empty() && self.is_done(is_stopping) {
                return Life::Left;
            }
            self.set_timer();
            tokio::select! {
                // Only this host's commits send, and they end with this.
                _ = self.durable.changed() => {}
                Some(wake) = wakes.recv() => self.wake(wake).await,
                () = &mut self.timer => self.input(Input::Tick).await,
                _ = stop.changed() => {}
            }
        }
    }

    async fn wake(&mut self, wake: Wake) {
        self.stay_until = None;
        match wake {
            Wake::Attempted {
                node,
                item,
                attempt,
                logs,
                result,
            } => {
                self.attempts.remove(&(node, item));
                self.inputs(logs).await;
                let (result, blobs) = work::split(result);
                self.input_with(
                    Input::Attempted {
                        node,
                        item,
                        attempt,
                        result,
                    },
                    blobs,
                )
                .await;
            }
            Wake::Prepared { node, result } => {
                self.attempts.remove(&(node, None));
                self.input(Input::Prepared { node, result }).await;
            }
            Wake::Finished(result) => self.input(Input::Finished(result)).await,
            Wake::Reported(inputs) => self.inputs(inputs).await,
            Wake::Artifact { node, name, reply } => {
                let _ = reply.send(self.find_artifact(&node, &name));
            }
            Wake::Command { input, reply } => self.command(input, reply).await,
            Wake::Wait { reply } => self.waits.push(reply),
        }
    }

    async fn inputs(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.input(input).await;
        }
    }

    async fn input(&mut self, input: Input) {
        self.input_with(input, Vec::new()).await;
    }

    async fn input_with(&mut self, input: Input, blobs: Vec<(Digest, Bytes)>) {
        match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) => self.take(step, blobs, None).await,
            Err(flaw) => report_flaw(self.execution.id, &flaw),
        }
    }

    async fn command(&mut self, input: Input, reply: Reply<Summary>) {
        let result = self.execution.handle(input, self.shared.clock.now());
        let result = match result {
            Ok(step) => {
                self.take(step, Vec::new(), None).await;
                Ok(summary(&self.execution))
            }
            Err(refusal) => Err(CommandError::from(refusal)),
        };
        // A refusal tells of the state as well, so it waits like any answer.
        self.answer(move |committed| {
            let _ = reply.send(committed.and(result));
        });
    }

    /// Queues the events of a step, then does what it asks for.
    async fn take(&mut self, step: Step, blobs: Vec<(Digest, Bytes)>, key: Option<StartKey>) {
        if let Some(first) = step.events.first() {
            let expected = first.seq - 1;
            self.append(expected, step.events, blobs, key).await;
        }
        if self.execution.is_over() {
            self.abort_attempts();
        }
        if !*self.shared.stop.borrow() {
            for action in &step.actions {
                self.perform(action);
            }
        }
    }

    fn is_done(&self, is_stopping: bool) -> bool {
        let is_durable = self.published == self.execution.version && self.answers.is_empty();
        if !is_durable || !self.attempts.is_empty() {
            return false;
        }
        let wakes_soon = || {
            let now = self.shared.clock.now();
            self.execution
                .wake_at()
                .is_some_and(|at| now.until(at) <= LINGER)
        };
        if !is_stopping && self.stay_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        is_stopping || self.execution.is_over() || (self.execution.is_waiting() && !wakes_soon())
    }

    fn set_timer(&mut self) {
        let delay = match self.execution.wake_at() {
            Some(at) if !self.execution.is_over() => self.shared.clock.now().until(at),
            _ => LINGER,
        };
        let now = Instant::now();
        let stay = self.stay_until.filter(|until| *until > now);
        let deadline = stay.map_or(now + delay, |until| until.min(now + delay));
        // A timer that is a little early only looks again; resetting one costs more.
        let difference = if deadline > self.timer.deadline() {
            deadline - self.timer.deadline()
        } else {
            self.timer.deadline() - deadline
        };
        if difference > Duration::from_millis(1) || self.timer.is_elapsed() {
            self.timer.as_mut().reset(deadline);
        }
    }

    fn abort_attempts(&mut self) {
        for (_, attempt) in self.attempts.drain() {
            attempt.abort();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.abort_attempts();
    }
}
