//! The actor of one execution: a loop over everything that can wake it.

mod durable;
mod held;
mod life;
mod work;

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep},
};

use super::{
    Shared,
    command::{CommandError, Reply, Started},
    count::One,
    inbox::Inbox,
    mail::Delivery,
    places::Given,
    report_flaw,
};
use crate::{
    plugin::Produced,
    store::{Answer as SignalAnswer, HostId, StartKey, StoreError, Summary},
    workflow::{
        ArtifactRef, Command, Digest, Execution, Failure, Input, Json, NodeIndex, Prepared,
        Refusal, Step,
    },
};
use durable::{Answer, Beside};
use held::Held;

pub use durable::summary;
pub(super) use durable::{CommitFailure, Commits};
pub(super) use life::Actor;

/// An execution that waits longer than this is released from memory. Shorter
/// waits are not worth a round through the store, whose poll is coarser.
const LINGER: Duration = Duration::from_secs(5);

/// An execution that was loaded stays this long at least, or until it is told
/// something: most are loaded because a command is on its way.
const STAY: Duration = Duration::from_secs(1);

/// Events that are written at the latest when there are so many.
const HELD_MAX: usize = 256;

/// First and longest pause before an execution is read back after a failed commit.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Everything that can wake an actor, beside its timer and the store. It is sent as a pointer: a
/// queue has its places from the start, and most actors have one message at a time.
pub(crate) enum Wake {
    Attempted {
        node: NodeIndex,
        item: Option<u32>,
        attempt: u32,
        logs: Vec<Input>,
        result: Result<Produced, Failure>,
        /// Did it do anything outside of its sandbox?
        had_effects: bool,
        /// Until it has been taken in, it counts as running.
        running: One,
    },
    Prepared {
        node: NodeIndex,
        result: Result<Prepared, Failure>,
    },
    Finished(Result<Json, Failure>),
    Reported(Vec<Input>),
    /// Somebody waits until all that the execution is now is durable.
    Awaited,
    /// The host stops, or has begun another life.
    Roused,
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

/// The way to an actor.
pub(super) type Wakes = flume::Sender<Box<Wake>>;

/// How an actor begins.
pub(super) enum Begin {
    New(Box<Start>),
    Load,
}

/// The start of an execution that is not stored yet.
pub(super) struct Start {
    pub(super) execution: Execution,
    pub(super) step: Step,
    pub(super) key: Option<StartKey>,
    pub(super) blobs: Vec<(Digest, Bytes)>,
    pub(super) reply: Reply<Started>,
    /// Who started it and waits for its end.
    pub(super) over: Option<oneshot::Sender<Arc<Execution>>>,
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
    /// The life of this host in which the actor began; in the next it has lost everything.
    host: HostId,
    /// Who owns the execution when everything queued is durable.
    owner: Option<HostId>,
    /// Hosts that ended in a row while they ran it and nothing came of it.
    crashes: u32,
    execution: Execution,
    inbox: Inbox,
    wakes: Wakes,
    commits: Arc<Commits>,
    held: Held,
    /// Attempts and preparations that are not back.
    given: HashMap<(NodeIndex, Option<u32>), Given>,
    /// Answers that wait until this version is durable.
    answers: VecDeque<(u64, Answer)>,
    /// Somebody waits until this version is durable.
    asked: u64,
    waits: Vec<oneshot::Sender<Arc<Execution>>>,
    timer: Pin<Box<Sleep>>,
    stay_until: Option<Instant>,
    published: u64,
    /// Was this found to be behind the store?
    is_stale: bool,
}

impl Run {
    async fn live(&mut self, wakes: &flume::Receiver<Box<Wake>>) -> Life {
        loop {
            if let Some(failure) = self.acknowledge() {
                return Life::Lost(failure);
            }
            if self.is_stale || self.shared.lease.host() != self.host {
                return Life::Lost(CommitFailure::Conflict);
            }
            let is_stopping = *self.shared.stop.borrow();
            if self.is_write_due(is_stopping) {
                self.write().await;
            }
            if wakes.is_empty() && self.is_done(is_stopping) {
                return Life::Left;
            }
            self.set_timer();
            tokio::select! {
                () = self.commits.settled(self.published + 1) => {}
                Ok(wake) = wakes.recv_async() => self.wake(wake).await,
                () = &mut self.timer => self.input(Input::Tick),
            }
        }
    }

    async fn wake(&mut self, wake: Box<Wake>) {
        self.stay_until = None;
        match *wake {
            Wake::Attempted {
                node,
                item,
                attempt,
                logs,
                result,
                had_effects,
                running: _running,
            } => {
                self.given.remove(&(node, item));
                self.inputs(logs);
                let (result, blobs) = work::split(result);
                self.input_with(
                    Input::Attempted {
                        node,
                        item,
                        attempt,
                        result,
                    },
                    blobs,
                );
                if had_effects {
                    self.asked = self.execution.version;
                }
            }
            Wake::Prepared { node, result } => {
                self.given.remove(&(node, None));
                self.input(Input::Prepared { node, result });
            }
            Wake::Finished(result) => self.input(Input::Finished(result)),
            Wake::Reported(inputs) => self.inputs(inputs),
            Wake::Awaited => self.asked = self.execution.version,
            Wake::Roused => {}
            Wake::Artifact { node, name, reply } => {
                let _ = reply.send(self.find_artifact(&node, &name));
                self.asked = self.execution.version;
            }
            // Rare, and larger than the rest.
            Wake::Command { command, reply } => Box::pin(self.command(command, reply)).await,
            Wake::Signal { delivery, command } => Box::pin(self.signal(delivery, command)).await,
            Wake::Wait { reply } => self.waits.push(reply),
        }
    }

    fn inputs(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.input(input);
        }
    }

    fn input(&mut self, input: Input) {
        self.input_with(input, Vec::new());
    }

    fn input_with(&mut self, input: Input, blobs: Vec<(Digest, Bytes)>) {
        let beside = Beside {
            blobs,
            ..Beside::default()
        };
        match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) => self.take(step, beside),
            Err(flaw) => report_flaw(self.execution.id, &flaw),
        }
    }

    async fn command(&mut self, command: Command, reply: Reply<Summary>) {
        if let Err(error) = self.learn(&command).await {
            let _ = reply.send(Err(error.into()));
            return;
        }
        let input = Input::Command(command);
        let result = match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) if !step.events.is_empty() => {
                self.take(step, Beside::default());
                Ok(summary(&self.execution))
            }
            _ if self.is_stale().await => Err(CommandError::Moved),
            Ok(_) => Ok(summary(&self.execution)),
            Err(refusal) => Err(CommandError::from(refusal)),
        };
        // A refusal tells of the state as well, so it waits like any answer.
        self.answer(move |committed| {
            let _ = reply.send(committed.and(result));
        });
    }

    /// A command of another host. Its answer is durable with the events it causes.
    async fn signal(&mut self, delivery: Delivery, command: Command) {
        match self.learn(&command).await {
            Ok(()) => {}
            // It is delivered again.
            Err(error) if error.is_retryable() => return,
            Err(error) => {
                let reason = error.to_string();
                let is_denied = false;
                return delivery.answer(SignalAnswer::Refused { reason, is_denied });
            }
        }
        let input = Input::Command(command);
        let answer = match self.execution.handle(input, self.shared.clock.now()) {
            Ok(step) if !step.events.is_empty() => {
                let beside = Beside {
                    answers: vec![(delivery.id, SignalAnswer::Done)],
                    ..Beside::default()
                };
                self.take(step, beside);
                return self.answer(move |_| drop(delivery));
            }
            // It is delivered again.
            _ if self.is_stale().await => return,
            Ok(_) => SignalAnswer::Done,
            Err(refusal) => SignalAnswer::Refused {
                reason: refusal.to_string(),
                is_denied: matches!(refusal, Refusal::Denied(_)),
            },
        };
        self.answer(move |committed| {
            if committed.is_ok() {
                delivery.answer(answer);
            }
        });
    }

    /// Gets what the execution has to know to carry out a command.
    async fn learn(&mut self, command: &Command) -> Result<(), StoreError> {
        if let Command::Migrate { version, .. } = command
            && *version != self.execution.origin.version
        {
            let workflow = &self.execution.definition.id;
            let definition = self.shared.definitions.definition(workflow, *version);
            self.execution.learn(*version, definition.await?);
        }
        Ok(())
    }

    /// Has another host written meanwhile? An actor only thinks that it knows what the
    /// execution is, and that it owns it: what it writes is refused if not, but an answer
    /// that writes nothing has to be checked. What is queued is checked by its commit.
    async fn is_stale(&mut self) -> bool {
        let is_shared = self.shared.store.cluster().is_some();
        if !is_shared || self.published < self.execution.version {
            return self.is_stale;
        }
        let stored = self
            .shared
            .store
            .queries()
            .execution(self.execution.id)
            .await;
        let is_known = stored.is_ok_and(|stored| {
            stored.is_some_and(|stored| stored.version == self.execution.version)
        });
        self.is_stale |= !is_known;
        self.is_stale
    }

    /// Takes the events of a step in, then does what it asks for.
    fn take(&mut self, step: Step, beside: Beside) {
        self.hold(step.events, beside);
        if self.execution.is_over() {
            self.given.clear();
        }
        if !*self.shared.stop.borrow() {
            for action in &step.actions {
                self.perform(action);
            }
        }
    }

    /// Is there nothing to do for this host, for now or for good?
    fn is_released(&self) -> bool {
        self.execution.is_over() || (self.execution.is_waiting() && !self.wakes_soon())
    }

    fn wakes_soon(&self) -> bool {
        let now = self.shared.clock.now();
        (self.execution.wake_at()).is_some_and(|at| now.until(at) <= LINGER)
    }

    fn is_done(&self, is_stopping: bool) -> bool {
        let is_durable = self.published == self.execution.version && self.answers.is_empty();
        if !is_durable || !self.given.is_empty() {
            return false;
        }
        if !is_stopping && self.stay_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        is_stopping || self.is_released()
    }

    fn set_timer(&mut self) {
        let delay = match self.execution.wake_at() {
            Some(at) if !self.execution.is_over() => self.shared.clock.now().until(at),
            _ => LINGER,
        };
        let now = Instant::now();
        let stay = self.stay_until.filter(|until| *until > now);
        let deadlines = [stay, self.held.until];
        let deadline = (deadlines.into_iter().flatten()).fold(now + delay, Instant::min);
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
}
