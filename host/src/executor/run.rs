//! The actor of one execution: a loop over everything that can wake it.

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

use super::{Bindings, Shared, attempt::Job, evaluate, inbox::Inbox, report_flaw};
use crate::{
    events::Progress,
    plugin::{Attempt, Produced},
    store::{Append, Appended, Keyed, StartKey, StoreError, Summary},
    workflow::{
        Action, ArtifactRef, Digest, Execution, ExecutionId, Failure, Input, Json, NodeIndex,
        Prepared, Recorded, Refusal, Stage, Step,
    },
};

/// An execution that waits longer than this is released from memory. Shorter
/// waits are not worth a round through the store, whose poll is coarser.
const LINGER: Duration = Duration::from_secs(5);

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
    Prepared { node: NodeIndex, result: Result<Prepared, Failure> },
    Finished(Result<Json, Failure>),
    Reported(Vec<Input>),
    Artifact {
        node: String,
        name: String,
        reply: oneshot::Sender<Result<(ArtifactRef, u64), String>>,
    },
    Command { input: Input, reply: Reply<Summary> },
    Wait { reply: oneshot::Sender<Arc<Execution>> },
}

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, CommandError>>;

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
    /// The store cannot take it now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many executions are in memory.
    #[error("host is at its limit of {} executions in memory", super::EXECUTIONS_MAX)]
    Full,
    /// The host is shutting down.
    #[error("host is shutting down")]
    Stopping,
}

/// How far the journal is committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Durable {
    pub(super) version: u64,
    /// The first commit that failed; later ones failed with it.
    pub(super) failure: Option<CommitFailure>,
}

#[derive(Debug, Clone)]
pub(super) enum CommitFailure {
    Store(StoreError),
    /// Somebody else appended.
    Conflict,
    /// The start's idempotency key was taken.
    Duplicate(Keyed),
}

impl CommitFailure {
    /// Is it unknown whether the commit happened?
    fn is_uncertain(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_uncertain())
    }
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
    answers: VecDeque<(u64, Box<dyn FnOnce(Result<(), CommandError>) + Send>)>,
    waits: Vec<oneshot::Sender<Arc<Execution>>>,
    timer: Pin<Box<Sleep>>,
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
            Begin::New { execution, step, key, reply } => {
                let mut run = Self::new(shared.clone(), *execution, Inbox::default(), 0, sender.clone());
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
        let (commits, durable) = watch::channel(Durable { version: durable_version, failure: None });
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
            published: durable_version,
        }
    }

    /// None when there is no such execution.
    async fn load(
        shared: &Arc<Shared>,
        id: ExecutionId,
        wakes: &mpsc::Sender<Wake>,
    ) -> Result<Option<(Self, Step)>, StoreError> {
        let Some(journal) = shared.store.load(id).await? else { return Ok(None) };
        let summary = &journal.summary;
        let definition = shared.definitions.definition(&summary.workflow, summary.definition).await?;
        let mut execution = Execution::fold(id, definition, &journal.events)
            .map_err(|error| StoreError::Corrupt(format!("execution {id}: {error}")))?;
        let inbox = Inbox::of(&execution, &journal.events);
        let version = execution.version;
        let step = match execution.recover(shared.clock.now()) {
            Ok(step) => step,
            Err(flaw) => return Err(StoreError::Corrupt(format!("execution {id}: {flaw}"))),
        };
        debug!(execution.id = %id, version, "loaded");
        Ok(Some((Self::new(shared.clone(), execution, inbox, version, wakes.clone()), step)))
    }

    async fn live(&mut self, wakes: &mut mpsc::Receiver<Wake>, step: Step, key: Option<StartKey>) -> Life {
        let mut stop = self.shared.stop.subscribe();
        self.take(step, Vec::new(), key).await;
        loop {
            if let Some(failure) = self.acknowledge() {
                return Life::Lost(failure);
            }
            let is_stopping = *stop.borrow_and_update();
            if self.is_done(is_stopping) {
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
        match wake {
            Wake::Attempted { node, item, attempt, logs, result } => {
                self.attempts.remove(&(node, item));
                self.inputs(logs).await;
                let (result, blobs) = split(result);
                self.input_with(Input::Attempted { node, item, attempt, result }, blobs).await;
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
            for action in step.actions {
                self.perform(action);
            }
        }
    }

    async fn append(
        &mut self,
        expected: u64,
        events: Vec<Recorded>,
        blobs: Vec<(Digest, Bytes)>,
        key: Option<StartKey>,
    ) {
        let version = self.execution.version;
        let checkpoints =
            events.iter().filter_map(|recorded| self.inbox.follow(&self.execution, recorded)).collect();
        let waiting = self.execution.is_waiting();
        let append = Append {
            execution: self.execution.id,
            expected,
            events,
            summary: summary(&self.execution),
            wake_at: self.execution.wake_at().filter(|_| waiting),
            waiting,
            key,
            checkpoints,
            blobs,
        };
        let commits = self.commits.clone();
        let done = move |result| {
            commits.send_modify(|durable: &mut Durable| match result {
                _ if durable.failure.is_some() => {}
                Ok(Appended::Committed) => durable.version = version,
                Ok(Appended::Conflict) => durable.failure = Some(CommitFailure::Conflict),
                Ok(Appended::Duplicate(keyed)) => durable.failure = Some(CommitFailure::Duplicate(keyed)),
                Err(error) => durable.failure = Some(CommitFailure::Store(error)),
            });
        };
        self.shared.writer.append(append, done).await;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Prepare(node) => self.prepare(node),
            Action::Run { node, item, attempt } => self.start_attempt(node, item, attempt),
            Action::Finish => self.finish(),
        }
    }

    fn prepare(&mut self, node: NodeIndex) {
        let definition = self.execution.definition.clone();
        let spec = definition.node(node);
        let for_each = spec.for_each.iter().flat_map(|template| template.expressions());
        let expressions = spec.when.iter().chain(for_each.map(|(_, expression)| expression));
        let bindings = Bindings::capture(&self.execution, None, expressions);
        let (wakes, runner) = (self.wakes.clone(), self.shared.runner.clone());
        let definition = definition.clone();
        let task = async move {
            let spec = definition.node(node);
            let result = evaluate::prepare(spec.when.as_ref(), spec.for_each.as_ref(), &bindings, &*runner).await;
            let _ = wakes.send(Wake::Prepared { node, result }).await;
        };
        self.attempts.insert((node, None), tokio::spawn(task).abort_handle());
    }

    fn finish(&mut self) {
        let definition = self.execution.definition.clone();
        let Some(output) = &definition.output else { return };
        let expressions = output.expressions();
        let bindings =
            Bindings::capture(&self.execution, None, expressions.iter().map(|(_, expression)| *expression));
        drop(expressions);
        let (wakes, runner) = (self.wakes.clone(), self.shared.runner.clone());
        let definition = definition.clone();
        tokio::spawn(async move {
            let Some(output) = &definition.output else { return };
            let result = evaluate::render(output, &bindings, &*runner).await;
            let _ = wakes.send(Wake::Finished(result)).await;
        });
    }

    fn start_attempt(&mut self, node: NodeIndex, item: Option<u32>, attempt: u32) {
        let execution = &self.execution;
        let definition = execution.definition.clone();
        let spec = definition.node(node);
        let state = execution.node(node);
        let item_value = item.and_then(|item| state.items.as_ref()?.get(item as usize).cloned());
        let expressions = spec.input.expressions();
        let bindings =
            Bindings::capture(execution, item_value, expressions.iter().map(|(_, expression)| *expression));
        drop(expressions);
        let Some(digest) = execution.origin.phases.get(&spec.phase).copied() else {
            report_flaw(execution.id, &format!("phase {} was not pinned", spec.phase));
            return;
        };
        let attempt = Attempt {
            digest,
            phase: spec.phase.clone(),
            execution: execution.id,
            workflow: definition.id.clone(),
            node: spec.id.clone(),
            item,
            number: attempt,
            idempotency_key: execution.idempotency_key(node, item),
            config: spec.config.clone(),
            input: Json::default(),
            review_notes: state.review_notes.clone(),
            timeout: spec.timeout,
        };
        let job = Job {
            shared: self.shared.clone(),
            definition: definition.clone(),
            node,
            bindings,
            attempt,
            wakes: self.wakes.clone(),
            durable: self.durable.clone(),
        };
        self.attempts.insert((node, item), tokio::spawn(job.run()).abort_handle());
    }

    /// An artifact of a completed node, and the version that has to be durable
    /// before its bytes can be read.
    fn find_artifact(&self, node: &str, name: &str) -> Result<(ArtifactRef, u64), String> {
        let missing = || format!("node {node} has no artifact {name}");
        let id = node.parse().map_err(|_| missing())?;
        let index = self.execution.definition.node_index(&id).ok_or_else(missing)?;
        let state = self.execution.node(index);
        if !matches!(state.stage, Stage::Completed { .. }) {
            return Err(format!("node {node} is {}", state.status()));
        }
        let artifacts = state.slots.iter().flat_map(|slot| &slot.artifacts);
        let found = artifacts.clone().find(|artifact| artifact.name == name).ok_or_else(missing)?;
        Ok((found.clone(), self.execution.version))
    }

    /// Lets out what has become durable; returns the failure of a commit.
    fn acknowledge(&mut self) -> Option<CommitFailure> {
        let durable = self.durable.borrow_and_update().clone();
        while self.answers.front().is_some_and(|(version, _)| *version <= durable.version) {
            if let Some((_, answer)) = self.answers.pop_front() {
                answer(Ok(()));
            }
        }
        let is_over = self.execution.is_over() && durable.version == self.execution.version;
        if durable.version > self.published {
            self.published = durable.version;
            let progress = Progress { version: durable.version, is_over };
            self.shared.events.publish(self.execution.id, progress);
        }
        if is_over && !self.waits.is_empty() {
            let execution = Arc::new(self.execution.clone());
            for wait in self.waits.drain(..) {
                let _ = wait.send(execution.clone());
            }
        }
        durable.failure
    }

    fn is_done(&self, is_stopping: bool) -> bool {
        let is_durable = self.published == self.execution.version && self.answers.is_empty();
        if !is_durable || !self.attempts.is_empty() {
            return false;
        }
        let wakes_soon = || {
            let now = self.shared.clock.now();
            self.execution.wake_at().is_some_and(|at| now.until(at) <= LINGER)
        };
        is_stopping || self.execution.is_over() || (self.execution.is_waiting() && !wakes_soon())
    }

    fn set_timer(&mut self) {
        let delay = match self.execution.wake_at() {
            Some(at) if !self.execution.is_over() => self.shared.clock.now().until(at),
            _ => LINGER,
        };
        let deadline = Instant::now() + delay;
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

    fn answer(&mut self, answer: impl FnOnce(Result<(), CommandError>) + Send + 'static) {
        self.answers.push_back((self.execution.version, Box::new(answer)));
    }

    /// Answers a start when its first commit is durable: with its own summary, or
    /// with the execution that had the key already.
    fn answer_start(&mut self, reply: Reply<Started>) {
        let summary = summary(&self.execution);
        let durable = self.durable.clone();
        self.answer(move |committed| {
            let failure = durable.borrow().failure.clone();
            let _ = reply.send(match (committed, failure) {
                (Ok(()), _) => Ok(Started::Created(summary)),
                (Err(_), Some(CommitFailure::Duplicate(keyed))) => Ok(Started::Existing(keyed)),
                (Err(error), _) => Err(error),
            });
        });
    }

    /// Drops what ran ahead and tells those who wait for it.
    fn lose(&mut self, failure: &CommitFailure) {
        self.abort_attempts();
        let error = match failure {
            CommitFailure::Store(error) => error.clone(),
            CommitFailure::Conflict | CommitFailure::Duplicate(_) => {
                StoreError::Unavailable("the execution was changed by another host".to_owned())
            }
        };
        for (_, answer) in self.answers.drain(..) {
            answer(Err(CommandError::Store(error.clone())));
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

/// The summary row of an execution as it is now.
pub fn summary(execution: &Execution) -> Summary {
    Summary {
        id: execution.id,
        workflow: execution.definition.id.clone(),
        definition: execution.origin.version,
        version: execution.version,
        status: execution.status(),
        created_at: execution.origin.at,
        started_at: execution.started_at,
        ended_at: execution.end.as_ref().map(|end| end.at),
        error: execution.error(),
    }
}

type Outcome = Result<(Json, Vec<ArtifactRef>), Failure>;

/// Takes the bytes of the artifacts apart from what the journal says of them.
fn split(result: Result<Produced, Failure>) -> (Outcome, Vec<(Digest, Bytes)>) {
    match result {
        Ok(Produced { output, artifacts }) => {
            let references = artifacts.iter().map(|artifact| artifact.reference.clone()).collect();
            let blobs = artifacts.into_iter().map(|artifact| (artifact.reference.digest, artifact.data)).collect();
            (Ok((output, references)), blobs)
        }
        Err(failure) => (Err(failure), Vec::new()),
    }
}
