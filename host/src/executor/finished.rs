//! Executions that were over before who started them came back to ask how they ended.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::workflow::{Execution, ExecutionId};

/// Executions that are kept, and events that each has at most: a few megabytes.
const FINISHED_MAX: usize = 256;
const EVENTS_MAX: u64 = 100;

/// How long one is kept: whoever asks later reads it back from the store.
const KEEP: Duration = Duration::from_secs(1);

/// The latest ends, each asked for once at most.
#[derive(Debug, Default)]
pub(super) struct Finished(Mutex<VecDeque<(Instant, Arc<Execution>)>>);

impl Finished {
    /// Keeps an execution that ended just now.
    pub(super) fn put(&self, execution: &Execution) {
        if execution.version > EVENTS_MAX {
            return;
        }
        let execution = Arc::new(execution.clone());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() >= FINISHED_MAX || all.front().is_some_and(|(at, _)| at.elapsed() > KEEP) {
            all.pop_front();
        }
        all.push_back((Instant::now(), execution));
    }

    /// The execution, unless that was too long ago.
    pub(super) fn take(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(_, execution)| execution.id == id)?;
        let (at, execution) = all.remove(at)?;
        (at.elapsed() <= KEEP).then_some(execution)
    }
}
