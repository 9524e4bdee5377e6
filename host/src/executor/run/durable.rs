//! Output commit: events are queued for the disk, and what depends on them waits
//! here until they are on it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::{Notify, oneshot};

use super::{Run, held::Held};
use crate::{
    events::Progress,
    executor::{
        command::{CommandError, Reply, Started},
        finished::Finished,
    },
    store::{
        Answer as SignalAnswer, Append, Appended, HostId, Keyed, SignalId, StartKey, StoreError,
        Summary,
    },
    workflow::{Digest, Event, Execution},
};

/// How far the journal is committed.
#[derive(Debug, Clone, Default)]
pub(in crate::executor) struct Durable {
    pub(in crate::executor) version: u64,
    /// The first commit that failed; later ones failed with it.
    pub(in crate::executor) failure: Option<CommitFailure>,
}

#[derive(Debug, Clone)]
pub(in crate::executor) enum CommitFailure {
    Store(StoreError),
    /// Somebody else appended.
    Conflict,
    /// The version of the definition was removed.
    Undefined,
    /// The start's idempotency key was taken.
    Duplicate(Keyed),
}

/// The commits of an execution, for its actor and its attempts.
#[derive(Debug, Default)]
pub(in crate::executor) struct Commits {
    durable: Mutex<Durable>,
    told: Notify,
}

impl Commits {
    pub(in crate::executor) fn now(&self) -> Durable {
        self.durable().clone()
    }

    pub(in crate::executor) fn update(&self, change: impl FnOnce(&mut Durable)) {
        change(&mut self.durable());
        self.told.notify_waiters();
    }

    /// Waits until a version is durable, or never will be.
    pub(in crate::executor) async fn settled(&self, version: u64) {
        loop {
            // Told from here on, even before it is polled.
            let told = self.told.notified();
            if self.is_settled(version) {
                return;
            }
            told.await;
        }
    }

    fn is_settled(&self, version: u64) -> bool {
        let durable = self.durable();
        durable.version >= version || durable.failure.is_some()
    }

    fn durable(&self) -> MutexGuard<'_, Durable> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes durable with events, beside them.
#[derive(Default)]
pub(super) struct Beside {
    /// Idempotency key of the start.
    pub(super) key: Option<StartKey>,
    /// Bytes of artifacts.
    pub(super) blobs: Vec<(Digest, Bytes)>,
    /// Answers to commands of other hosts.
    pub(super) answers: Vec<(SignalId, SignalAnswer)>,
}

impl Beside {
    pub(super) fn extend(&mut self, more: Self) {
        self.key = self.key.take().or(more.key);
        self.blobs.extend(more.blobs);
        self.answers.extend(more.answers);
    }
}

/// What to say when a version is durable, or cannot be any more.
pub(super) type Answer = Box<dyn FnOnce(Result<(), CommandError>) + Send>;

impl CommitFailure {
    /// Is it unknown whether the commit happened?
    pub(super) fn is_uncertain(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_uncertain())
    }
}

impl Run {
    /// Queues what is held for the writer; waits only for room in its queue.
    pub(super) async fn write(&mut self) {
        let owner = (!self.is_released()).then_some(self.host);
        self.write_for(owner).await;
    }

    /// The same, for an execution that is this host's or nobody's from then on.
    pub(super) async fn write_for(&mut self, owner: Option<HostId>) {
        if let Some(queued) = self.append(owner) {
            queued.await;
        }
    }

    /// What is held as an append on its way. A pointer, since the future of the actor is in memory for
    /// as long as the execution is.
    fn append(&mut self, owner: Option<HostId>) -> Option<BoxFuture<'_, ()>> {
        let Held {
            events,
            beside,
            checkpoints,
            counted,
            ..
        } = mem::take(&mut self.held);
        let expected = events.first()?.seq - 1;
        let version = self.execution.version;
        if events.iter().any(|recorded| is_progress(&recorded.event)) {
            self.crashes = 0;
        }
        let left = events.iter().filter_map(|recorded| match recorded.event {
            Event::ExecutionMigrated { from, .. } => Some(from),
            _ => None,
        });
        let left = left.collect();
        let waiting = self.execution.is_waiting();
        let append = Append {
            execution: self.execution.id,
            expected,
            holder: mem::replace(&mut self.owner, owner),
            owner,
            crashes: self.crashes,
            events,
            summary: summary(&self.execution),
            wake_at: self.execution.wake_at().filter(|_| waiting),
            waiting,
            keep_days: self.execution.definition.keep_days,
            key: beside.key,
            checkpoints,
            blobs: beside.blobs,
            answers: beside.answers,
            left,
        };
        let commits = self.commits.clone();
        let done = move |result| {
            commits.update(|durable| match result {
                _ if durable.failure.is_some() => {}
                Ok(Appended::Committed) => durable.version = version,
                Ok(Appended::Conflict) => durable.failure = Some(CommitFailure::Conflict),
                Ok(Appended::Undefined) => durable.failure = Some(CommitFailure::Undefined),
                Ok(Appended::Duplicate(keyed)) => {
                    durable.failure = Some(CommitFailure::Duplicate(keyed));
                }
                Err(error) => durable.failure = Some(CommitFailure::Store(error)),
            });
        };
        let queued = self.shared.writer.append(append, done);
        Some(queued.map(|()| drop(counted)).boxed())
    }

    /// Lets out what has become durable; returns the failure of a commit.
    pub(super) fn acknowledge(&mut self) -> Option<CommitFailure> {
        let durable = self.commits.now();
        while self
            .answers
            .front()
            .is_some_and(|(version, _)| *version <= durable.version)
        {
            if let Some((_, answer)) = self.answers.pop_front() {
                answer(Ok(()));
            }
        }
        if self.answers.is_empty() {
            // Without the room that they took: what is asked once is often all.
            self.answers = VecDeque::new();
        }
        let is_over = self.execution.is_over() && durable.version == self.execution.version;
        let is_new = durable.version > self.published;
        if is_new {
            let before = mem::replace(&mut self.published, durable.version);
            let progress = Progress {
                version: durable.version,
                is_over,
            };
            self.shared.publish(self.execution.id, before, progress);
        }
        // A copy of a large one takes a while: only for those who ask.
        let is_kept = is_new && Finished::keeps(&self.execution);
        if is_over && (is_kept || !self.waits.is_empty()) {
            let execution = Arc::new(self.execution.clone());
            self.shared.finished.put(execution.clone());
            for wait in self.waits.drain(..) {
                let _ = wait.send(execution.clone());
            }
        }
        durable.failure
    }

    /// Answers when all that the execution is now is durable.
    pub(super) fn answer(
        &mut self,
        answer: impl FnOnce(Result<(), CommandError>) + Send + 'static,
    ) {
        self.asked = self.execution.version;
        self.answer_later(answer);
    }

    /// The same, but it need not be soon.
    fn answer_later(&mut self, answer: impl FnOnce(Result<(), CommandError>) + Send + 'static) {
        self.answers
            .push_back((self.execution.version, Box::new(answer)));
    }

    /// Answers a start when its first commit is durable: with its own summary, or
    /// with the execution that had the key already. Whoever waits for the end waits for both.
    pub(super) fn answer_start(
        &mut self,
        reply: Reply<Started>,
        over: Option<oneshot::Sender<Arc<Execution>>>,
    ) {
        let summary = summary(&self.execution);
        let commits = self.commits.clone();
        let answer = move |committed: Result<(), CommandError>| {
            let failure = commits.now().failure;
            let _ = reply.send(match (committed, failure) {
                (Ok(()), _) => Ok(Started::Created(summary)),
                (Err(_), Some(CommitFailure::Duplicate(keyed))) => Ok(Started::Existing(keyed)),
                (Err(error), _) => Err(error),
            });
        };
        match over {
            Some(over) => {
                self.waits.push(over);
                self.answer_later(answer);
            }
            None => self.answer(answer),
        }
    }

    /// Drops what ran ahead and tells those who wait for it.
    pub(super) fn lose(&mut self, failure: &CommitFailure) {
        self.given.clear();
        let error = match failure {
            CommitFailure::Store(error) => CommandError::Store(error.clone()),
            CommitFailure::Undefined => CommandError::Undefined,
            CommitFailure::Conflict | CommitFailure::Duplicate(_) => CommandError::Moved,
        };
        for (_, answer) in self.answers.drain(..) {
            answer(Err(error.clone()));
        }
    }
}

/// Has something come of what a host did? What only begins or reports is no progress: a
/// phase that ends its host may do so any number of times.
fn is_progress(event: &Event) -> bool {
    !matches!(
        event,
        Event::ExecutionCreated { .. }
            | Event::FanOutExpanded { .. }
            | Event::ExecutionPaused { .. }
            | Event::ExecutionUnpaused { .. }
            | Event::ExecutionMigrated { .. }
            | Event::NodeStarted { .. }
            | Event::NodeProgressed { .. }
            | Event::NodeLogged { .. }
            | Event::NodeSkipped { .. }
    )
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
