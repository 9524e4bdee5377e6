//! Executions that are completed, for those who ask in the moments after: whoever started one that was
//! over before they came back, and whoever reads it again and again. What ended otherwise may be
//! resumed, on any host, so it is always read from the store.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::workflow::{Execution, ExecutionId, ExecutionStatus};

/// Executions that are kept, and events that each has at most: a few megabytes.
const FINISHED_MAX: usize = 256;
const EVENTS_MAX: u64 = 100;

/// How long one is kept. What is completed changes no more, but it may be removed: this is how
/// long it may be seen after that.
const KEEP: Duration = Duration::from_secs(1);

/// The latest that ended here or were read back, oldest first.
#[derive(Debug, Default)]
pub(super) struct Finished(Mutex<VecDeque<(Instant, Arc<Execution>)>>);

impl Finished {
    /// Is it kept: completed, and not a large one?
    pub(super) fn keeps(execution: &Execution) -> bool {
        execution.status() == ExecutionStatus::Completed && execution.version <= EVENTS_MAX
    }

    /// Keeps an execution as the store has it now, if it is one to keep.
    pub(super) fn put(&self, execution: Arc<Execution>) {
        if !Self::keeps(&execution) {
            return;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= FINISHED_MAX || all.front().is_some_and(|(at, _)| at.elapsed() > KEEP) {
            all.pop_front();
        }
        all.push_back((Instant::now(), execution));
    }

    /// The execution, unless that was too long ago.
    pub(super) fn get(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, execution) = all.iter().rfind(|(_, execution)| execution.id == id)?;
        (at.elapsed() <= KEEP).then(|| execution.clone())
    }
}
