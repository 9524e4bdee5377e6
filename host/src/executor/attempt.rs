//! One attempt: render the input, call the phase, report back by message.

use std::{
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::FutureExt;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::{
    Bindings, Shared, evaluate,
    run::{Commits, Wake, Wakes},
};
use crate::{
    plugin::{Artifact, Attempt, AttemptHost, Produced},
    store::HostId,
    workflow::{
        ArtifactRef, Definition, Digest, ExecutionId, Failure, FailureKind, Input, Json, Level,
        NodeIndex, idempotency_key,
    },
};

/// Log lines and progress of a running attempt reach the journal this often at
/// most; an attempt that is over sooner writes its log with its outcome.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// Why an attempt gets nothing any more.
const GONE: &str = "the execution has left this host";

/// What an attempt needs, taken from the execution when it starts. Thousands may wait for a place,
/// so what its definition says is left there.
pub(super) struct Job {
    pub(super) giver: Giver,
    pub(super) definition: Arc<Definition>,
    pub(super) execution: ExecutionId,
    pub(super) number: u32,
    /// The component that the execution pinned.
    pub(super) digest: Digest,
    pub(super) round: u32,
    pub(super) bindings: Bindings,
    /// The input that a reviewer said it is to run with.
    pub(super) approved: Option<Json>,
    pub(super) review_notes: Option<String>,
}

/// Who gave an attempt out, for what and when.
#[derive(Clone)]
pub(super) struct Giver {
    pub(super) shared: Arc<Shared>,
    pub(super) node: NodeIndex,
    pub(super) item: Option<u32>,
    pub(super) wakes: Wakes,
    pub(super) commits: Arc<Commits>,
    /// Of the execution when the attempt started, its start included: what it depends on.
    pub(super) version: u64,
    /// The life of this host in which it started.
    pub(super) host: HostId,
}

impl Job {
    /// Runs the attempt and tells the actor how it ended.
    pub(super) async fn run(self: Box<Self>) {
        let running = self.giver.shared.running.one();
        let number = self.number;
        let report = Arc::new(Report {
            giver: self.giver.clone(),
            pending: Mutex::default(),
            said: Notify::new(),
            had_effects: AtomicBool::new(false),
        });
        let call = pin!(AssertUnwindSafe(self.call(report.clone())).catch_unwind());
        let result = report.while_running(call).await.unwrap_or_else(|_| {
            Err(Failure::new(
                FailureKind::Trapped,
                "the host panicked while it ran the phase",
            ))
        });
        let logs = report.take_logs();
        // The actor is gone only when nobody is interested any more.
        let Giver {
            node, item, wakes, ..
        } = &report.giver;
        let _ = wakes
            .send_async(Box::new(Wake::Attempted {
                node: *node,
                item: *item,
                attempt: number,
                logs,
                result,
                had_effects: report.had_effects.load(Relaxed),
                running,
            }))
            .await;
    }

    async fn call(self: Box<Self>, report: Arc<Report>) -> Result<Produced, Failure> {
        let attempt = self.attempt().await?;
        let runner = report.giver.shared.runner.clone();
        runner.run(attempt, report).await
    }

    /// What the phase is called with.
    async fn attempt(self: Box<Self>) -> Result<Attempt, Failure> {
        let Giver {
            shared, node, item, ..
        } = self.giver;
        let node = self.definition.node(node);
        let input = match self.approved {
            Some(input) => input,
            None => evaluate::input(node, &self.bindings, &*shared.runner).await?,
        };
        Ok(Attempt {
            digest: self.digest,
            phase: node.phase.clone(),
            execution: self.execution,
            workflow: self.definition.id.clone(),
            node: node.id.clone(),
            item,
            number: self.number,
            idempotency_key: idempotency_key(self.execution, &node.id, item, self.round),
            config: node.config.clone(),
            input,
            review_notes: self.review_notes,
            timeout: node.timeout,
        })
    }
}

/// What a phase says while it runs.
struct Report {
    giver: Giver,
    pending: Mutex<Pending>,
    /// There is something pending.
    said: Notify,
    had_effects: AtomicBool,
}

#[derive(Default)]
struct Pending {
    logs: Vec<(Level, String)>,
    progress: Option<(f32, String)>,
}

impl Report {
    /// Passes on what the phase says, now and then, while its call runs. Most say nothing, and many
    /// wait for long, so there is a timer only when there is something.
    async fn while_running<T>(&self, mut call: Pin<&mut impl Future<Output = T>>) -> T {
        loop {
            tokio::select! {
                biased;
                result = &mut call => return result,
                () = self.said.notified() => {}
            }
            match timeout(REPORT_INTERVAL, &mut call).await {
                Ok(result) => return result,
                Err(_) => self.pass_on().await,
            }
        }
    }

    /// Keeps what the phase says until it is passed on.
    fn say(&self, what: impl FnOnce(&mut Pending)) {
        what(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.said.notify_one();
    }

    async fn pass_on(&self) {
        let pending =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let mut inputs = self.log_inputs(pending.logs);
        if let Some((fraction, message)) = pending.progress {
            inputs.push(Input::Progressed {
                node: self.giver.node,
                item: self.giver.item,
                fraction,
                message,
            });
        }
        if !inputs.is_empty() {
            let _ = self
                .giver
                .wakes
                .send_async(Box::new(Wake::Reported(inputs)))
                .await;
        }
    }

    /// The log lines that were not passed on yet. Progress of an attempt that is over says nothing.
    fn take_logs(&self) -> Vec<Input> {
        let logs = std::mem::take(
            &mut self
                .pending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .logs,
        );
        self.log_inputs(logs)
    }

    fn log_inputs(&self, logs: Vec<(Level, String)>) -> Vec<Input> {
        logs.into_iter()
            .map(|(level, message)| Input::Logged {
                node: self.giver.node,
                item: self.giver.item,
                level,
                message,
            })
            .collect()
    }

    /// The bytes of an artifact, as soon as it is durable.
    async fn read(&self, reference: ArtifactRef, version: u64) -> Result<Artifact, String> {
        self.giver.commits.settled(version).await;
        match self.giver.shared.store.blob(reference.digest).await {
            Ok(Some(data)) => Ok(Artifact { reference, data }),
            Ok(None) => Err(format!("the bytes of {} are gone", reference.name)),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[async_trait]
impl AttemptHost for Report {
    fn log(&self, level: Level, message: String) {
        self.say(|pending| pending.logs.push((level, message)));
    }

    fn progress(&self, fraction: f32, message: String) {
        self.say(|pending| pending.progress = Some((fraction, message)));
    }

    async fn artifact(&self, node: &str, name: &str) -> Result<Artifact, String> {
        let (reply, answer) = oneshot::channel();
        let wake = Wake::Artifact {
            node: node.to_owned(),
            name: name.to_owned(),
            reply,
        };
        self.giver
            .wakes
            .send_async(Box::new(wake))
            .await
            .map_err(|_| GONE)?;
        let (reference, version) = answer.await.map_err(|_| GONE)??;
        self.read(reference, version).await
    }

    async fn effect(&self) -> Result<(), String> {
        self.had_effects.store(true, Relaxed);
        if self.giver.commits.now().version < self.giver.version {
            let _ = self.giver.wakes.send_async(Box::new(Wake::Awaited)).await;
        }
        may_have_effects(&self.giver.commits, self.giver.version).await?;
        // What this host owns is its own only as long as it has its lease; and in another
        // life, nothing is.
        self.giver.shared.lease.held().await;
        if self.giver.shared.lease.host() == self.giver.host {
            Ok(())
        } else {
            Err(GONE.to_owned())
        }
    }
}

/// Waits until a version is durable. After a failed commit nothing may have an effect any more,
/// even if that version is durable: somebody else may have taken the execution over.
async fn may_have_effects(commits: &Commits, version: u64) -> Result<(), String> {
    commits.settled(version).await;
    match commits.now().failure {
        None => Ok(()),
        Some(_) => Err(GONE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::executor::run::CommitFailure;

    #[test]
    fn effects_wait_until_the_start_of_their_attempt_is_durable() {
        let commits = Commits::default();
        let mut effect = Box::pin(may_have_effects(&commits, 2));
        assert_eq!(effect.as_mut().now_or_never(), None);
        commits.update(|durable| durable.version = 1);
        assert_eq!(effect.as_mut().now_or_never(), None);
        commits.update(|durable| durable.version = 3);
        assert_eq!(effect.now_or_never(), Some(Ok(())));
    }

    #[test]
    fn there_are_no_effects_once_a_commit_failed() {
        let commits = Commits::default();
        let mut waiting = Box::pin(may_have_effects(&commits, 1));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        commits.update(|durable| {
            durable.version = 2;
            durable.failure = Some(CommitFailure::Conflict);
        });
        let gone = Err(GONE.to_owned());
        assert_eq!(waiting.now_or_never(), Some(gone.clone()));
        let durable_before = may_have_effects(&commits, 1);
        assert_eq!(durable_before.now_or_never(), Some(gone));
    }
}
