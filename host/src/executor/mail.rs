//! Commands for executions of other hosts, and theirs for ours.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{
    Shared,
    command::CommandError,
    run::{Begin, Wake},
};
use crate::{
    store::{Answer, Signal, SignalId, StoreError, Summary},
    workflow::{Command, ExecutionId},
};

/// First and longest pause between two looks for an answer, when nobody tells.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));

/// Longest wait for an answer: a host that is gone is noticed and replaced by then.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What is on its way.
#[derive(Debug, Default)]
pub(super) struct Mail {
    /// Who waits for an answer from another host.
    waiting: Mutex<HashMap<SignalId, Arc<Notify>>>,
    /// Commands of other hosts that an actor here has been told of.
    delivering: Mutex<HashSet<SignalId>>,
}

/// A command of another host on its way through an actor. When this is dropped without
/// an answer, the command is delivered again.
pub(super) struct Delivery {
    pub(super) id: SignalId,
    shared: Arc<Shared>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        lock(&self.shared.mail.delivering).remove(&self.id);
    }
}

impl Delivery {
    /// Answers a command that has caused no events.
    pub(super) fn answer(self, answer: Answer) {
        tokio::spawn(async move {
            let Some(cluster) = self.shared.store.cluster() else {
                return;
            };
            if let Err(error) = cluster.answer(self.id, &answer).await {
                // It is delivered again, and answered the same way.
                tracing::warn!(%error, "failed to answer another host");
            }
        });
    }
}

impl Mail {
    /// Another host has answered.
    pub(super) fn answered(&self, signal: SignalId) {
        if let Some(waiting) = lock(&self.waiting).get(&signal) {
            waiting.notify_one();
        }
    }
}

impl Shared {
    /// Has the owner of an execution carry out a command, and waits for its answer.
    pub(super) async fn forward(
        &self,
        execution: ExecutionId,
        command: Command,
    ) -> Result<Summary, CommandError> {
        let signal = Signal {
            id: SignalId(Uuid::now_v7()),
            execution,
            command,
        };
        let told = Arc::new(Notify::new());
        lock(&self.mail.waiting).insert(signal.id, told.clone());
        let answer = self.exchange(&signal, &told).await;
        lock(&self.mail.waiting).remove(&signal.id);
        match answer? {
            Answer::Done => {
                let summary = self.store.queries().execution(execution).await?;
                summary.ok_or(CommandError::NotFound(execution))
            }
            Answer::Refused {
                reason,
                is_denied: true,
            } => Err(CommandError::DeniedElsewhere(reason)),
            Answer::Refused { reason, .. } => Err(CommandError::RefusedElsewhere(reason)),
        }
    }

    async fn exchange(&self, signal: &Signal, told: &Notify) -> Result<Answer, CommandError> {
        let Some(cluster) = self.store.cluster() else {
            return Err(CommandError::Moved);
        };
        cluster.send(signal).await?;
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut pause = PAUSE.0;
        while Instant::now() < deadline {
            if timeout(pause, told.notified()).await.is_err() {
                pause = PAUSE.1.min(pause * 2);
            }
            // A database that does not answer now may do so before the time is up.
            if let Ok(Some(answer)) = cluster.receive(signal.id).await {
                return Ok(answer);
            }
        }
        let late = "the host that runs the execution has not answered yet; the command stands";
        Err(CommandError::Store(StoreError::Uncertain(late.to_owned())))
    }

    /// Gives commands of other hosts to the actors of their executions.
    pub(super) async fn deliver(self: &Arc<Self>) -> Result<(), StoreError> {
        let Some(cluster) = self.store.cluster() else {
            return Ok(());
        };
        if *self.stop.borrow() || *self.peers.borrow() == 0 {
            return Ok(());
        }
        for signal in cluster.signals(self.lease.host()).await? {
            if !lock(&self.mail.delivering).insert(signal.id) {
                continue;
            }
            let delivery = Delivery {
                id: signal.id,
                shared: self.clone(),
            };
            // Where there is no room now there is when it is delivered again.
            if let Ok(run) = self.register(signal.execution, Begin::Load) {
                let _ = run.try_send(Box::new(Wake::Signal {
                    delivery,
                    command: signal.command,
                }));
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No code that could panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
