//! The actor of one execution: a loop over everything that can wake it.

mod durable;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::FutureExt;
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
    mail::Delivery,
    report_flaw,
};
use crate::{
    plugin::Produced,
    store::{Answer as SignalAnswer, HostId, StartKey, StoreError, Summary},
    workflow::{
        ArtifactRef, Command, Digest, Execution, ExecutionId, Failure, Input, Json, NodeIndex,
        Prepared, Step,
    },
};
use durable::{Answer, Beside};

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
        command: Command,
        reply: Reply<Summary>,
    },
    Signal {
        delivery: Delivery,
        command: Command,
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

/// What there is to go on with.
enum Loaded {
    Here(Box<Run>, Step),
    /// Another host has it.
    Elsewhere,
    Missing,
}

pub(super) struct Run {
    shared: Arc<Shared>,
    /// The life of this host in which the actor began; in the next it has lost everything.
    host: HostId,
    life: watch::Receiver<HostId>,
    /// Who owns the execution when everything queued is durable.
    owner: Option<HostId>,
    /// Hosts that ended in a row while they ran it and nothing came of it.
    crashes: u32,
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
        let guarded = AssertUnwindSafe(Self::lives(&shared, id, &sender, &mut wakes, begin));
        if guarded.catch_unwind().await.is_err() {
            report_flaw(id, &"the actor of the execution panicked");
        }
        // Whoever asks from here on finds nobody and asks anew; who asked already
        // sees the answer dropped.
        shared.forget(id);
    }

    async fn lives(
        shared: &Arc<Shared>,
        id: ExecutionId,
        sender: &mpsc::Sender<Wake>,
        wakes: &mut mpsc::Receiver<Wake>,
        begin: Begin,
    ) {
        let mut start = match begin {
            Begin::New {
                execution,
                step,
                key,
                reply,
            } => {
                let mut run = Self::new(shared.clone(), *execution, sender.clone());
                run.answer_start(reply);
                Some((run, step, key))
            }
            Begin::Load => None,
        };
        let mut pause = BACKOFF.0;
        loop {
            let is_new = start.is_some();
            let (mut run, step, key) = match start.take() {
                Some(start) => start,
                None => match Self::load(shared, id, sender).await {
                    Ok(Loaded::Here(run, step)) => (*run, step, None),
                    Ok(Loaded::Elsewhere) => {
                        return Self::refuse(wakes, || CommandError::Elsewhere);
                    }
                    Ok(Loaded::Missing) => {
                        return Self::refuse(wakes, || CommandError::NotFound(id));
                    }
                    Err(error) => {
                        warn!(execution.id = %id, %error, "failed to load the execution; trying again");
                        Self::refuse_queued(wakes, &error);
                        if *shared.stop.borrow() {
                            return;
                        }
                        tokio::time::sleep(pause).await;
                        pause = BACKOFF.1.min(pause * 2);
                        continue;
                    }
                },
            };
            let life = run.live(wakes, step, key).await;
            if is_new && run.execution.is_over() && matches!(life, Life::Left) {
                shared.finished.put(&run.execution);
            }
            match life {
                Life::Left if run.let_go().await => return,
                Life::Left => {}
                Life::Lost(failure) => {
                    let is_created = run.durable.borrow().version > 0 || failure.is_uncertain();
                    run.lose(&failure);
                    if !is_created {
                        return;
                    }
                    warn!(execution.id = %id, ?failure, "reading the execution back");
                }
            }
            drop(run);
            tokio::time::sleep(pause).await;
            pause = BACKOFF.1.min(pause * 2);
        }
    }

    /// Gives up what nobody here goes on with. False when that failed.
    async fn let_go(&mut self) -> bool {
        // What a stopping host owns it lets go of all at once.
        if self.owner.is_none() || *self.shared.stop.borrow() {
            return true;
        }
        let released = self.shared.store.release(self.host, self.execution.id);
        match released.await {
            Ok(()) => true,
            Err(error) => {
                warn!(execution.id = %self.execution.id, %error, "failed to let go of the execution");
                false
            }
        }
    }

    /// Creates an execution for whoever has room for it.
    pub(super) async fn leave_adrift(shared: Arc<Shared>, begin: Begin) {
        let Begin::New {
            execution,
            step,
            key,
            reply,
        } = begin
        else {
            return;
        };
        let (wakes, _) = mpsc::channel(1);
        let mut run = Self::new(shared, *execution, wakes);
        run.answer_start(reply);
        run.write(
            0,
            step.events,
            Beside {
                key,
                ..Beside::default()
            },
            None,
        )
        .await;
        loop {
            if let Some(failure) = run.acknowledge() {
                return run.lose(&failure);
            }
            if run.answers.is_empty() {
                return;
            }
            // Its own commit sends.
            let _ = run.durable.changed().await;
        }
    }

    /// Tells whoever asks that there is nothing to ask here.
    fn refuse(wakes: &mut mpsc::Receiver<Wake>, why: impl Fn() -> CommandError) {
        wakes.close();
        while let Ok(wake) = wakes.try_recv() {
            if let Wake::Command { reply, .. } = wake {
                let _ = reply.send(Err(why()));
            }
        }
    }

    /// Tells whoever asks that the store does not answer.
    fn refuse_queued(wakes: &mut mpsc::Receiver<Wake>, error: &StoreError) {
        while let Ok(wake) = wakes.try_recv() {
            if let Wake::Command { reply, .. } = wake {
                let _ = reply.send(Err(CommandError::Store(error.clone())));
            }
        }
    }

    /// An actor of an execution that is not stored yet.
    fn new(shared: Arc<Shared>, execution: Execution, wakes: mpsc::Sender<Wake>) -> Self {
        let (commits, durable) = watch::channel(Durable::default());
        let life = shared.lease.life();
        let host = *life.borrow();
        Self {
            shared,
            host,
            life,
            owner: None,
            crashes: 0,
            execution,
            inbox: Inbox::default(),
            wakes,
            commits: Arc::new(commits),
            durable,
            attempts: HashMap::new(),
            answers: VecDeque::new(),
            waits: Vec::new(),
            timer: Box::pin(tokio::time::sleep(LINGER)),
            stay_until: None,
            published: 0,
        }
    }

    async fn load(
        shared: &Arc<Shared>,
        id: ExecutionId,
        wakes: &mpsc::Sender<Wake>,
    ) -> Result<Loaded, StoreError> {
        let corrupt =
            |flaw: &dyn std::fmt::Display| StoreError::Corrupt(format!("execution {id}: {flaw}"));
        let Some(journal) = shared.store.load(id).await? else {
            return Ok(Loaded::Missing);
        };
        let summary = &journal.summary;
        let definition = shared
            .definitions
            .definition(&summary.workflow, summary.definition)
            .await?;
        let execution =
            Execution::fold(id, definition, &journal.events).map_err(|error| corrupt(&error))?;
        let mut run = Self::new(shared.clone(), execution, wakes.clone());
        run.owner = journal.owner;
        run.crashes = journal.crashes;
        if !run.own().await? {
            return Ok(Loaded::Elsewhere);
        }
        let version = run.execution.version;
        run.inbox = Inbox::of(&run.execution, &journal.events);
        run.published = version;
        run.commits.send_modify(|durable| durable.version = version);
        run.durable.mark_unchanged();
        run.stay_until = Some(Instant::now() + STAY);
        let now = shared.clock.now();
        let step = if run.crashes >= shared.crashes_max {
            let crashes = run.crashes;
            run.execution.handle(Input::Abandon { crashes }, now)
        } else {
            run.execution.recover(now)
        };
        let step = step.map_err(|flaw| corrupt(&flaw))?;
        debug!(execution.id = %id, version, "loaded");
        Ok(Loaded::Here(Box::new(run), step))
    }

    /// Sees to it that this host owns what it is going to run. What only waits is
    /// anybody's, until somebody writes to it.
    async fn own(&mut self) -> Result<bool, StoreError> {
        if self.owner.is_none() && !self.execution.is_over() && !self.execution.is_waiting() {
            let taken = self.shared.store.take(self.host, self.execution.id).await?;
            self.owner = taken.then_some(self.host);
            return Ok(taken);
        }
        Ok(self.owner.is_none_or(|owner| owner == self.host))
    }

    async fn live(
        &mut self,
        wakes: &mut mpsc::Receiver<Wake>,
        step: Step,
        key: Option<StartKey>,
    ) -> Life {
        let mut stop = self.shared.stop.subscribe();
        let beside = Beside {
            key,
            ..Beside::default()
        };
        self.take(step, beside).await;
        loop {
            if let Some(failure) = self.acknowledge() {
                return Life::Lost(failure);
            }
            if *self.life.borrow() != self.host {
                return Life::Lost(CommitFailure::Conflict);
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
                _ = self.life.changed() => {}
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
            Wake::Command { command, reply } => self.command(command, reply).await,
            Wake::Signal { delivery, command } => self.signal(delivery, command).await,
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
        let beside = Beside {
            blobs,
            ..Beside::default()
        };
        match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) => self.take(step, beside).await,
            Err(flaw) => report_flaw(self.execution.id, &flaw),
        }
    }

    async fn command(&mut self, command: Command, reply: Reply<Summary>) {
        let input = Input::Command(command);
        let result = match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) => {
                self.take(step, Beside::default()).await;
                Ok(summary(&self.execution))
            }
            Err(refusal) => Err(CommandError::from(refusal)),
        };
        // A refusal tells of the state as well, so it waits like any answer.
        self.answer(move |committed| {
            let _ = reply.send(committed.and(result));
        });
    }

    /// A command of another host. Its answer is durable with the events it causes.
    async fn signal(&mut self, delivery: Delivery, command: Command) {
        let input = Input::Command(command);
        let answer = match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) if !step.events.is_empty() => {
                let beside = Beside {
                    answers: vec![(delivery.id, SignalAnswer::Done)],
                    ..Beside::default()
                };
                self.take(step, beside).await;
                return self.answer(move |_| drop(delivery));
            }
            Ok(_) => SignalAnswer::Done,
            Err(refusal) => SignalAnswer::Refused {
                reason: refusal.to_string(),
            },
        };
        self.answer(move |committed| {
            if committed.is_ok() {
                delivery.answer(answer);
            }
        });
    }

    /// Queues the events of a step, then does what it asks for.
    async fn take(&mut self, step: Step, beside: Beside) {
        if let Some(first) = step.events.first() {
            let is_released =
                self.execution.is_over() || (self.execution.is_waiting() && !self.wakes_soon());
            let owner = (!is_released).then_some(self.host);
            self.write(first.seq - 1, step.events, beside, owner).await;
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

    fn wakes_soon(&self) -> bool {
        let now = self.shared.clock.now();
        (self.execution.wake_at()).is_some_and(|at| now.until(at) <= LINGER)
    }

    fn is_done(&self, is_stopping: bool) -> bool {
        let is_durable = self.published == self.execution.version && self.answers.is_empty();
        if !is_durable || !self.attempts.is_empty() {
            return false;
        }
        if !is_stopping && self.stay_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        is_stopping
            || self.execution.is_over()
            || (self.execution.is_waiting() && !self.wakes_soon())
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
