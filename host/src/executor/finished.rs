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
#[derive(Debug)]
pub(super) struct Finished {
    all: Mutex<VecDeque<(Instant, Arc<Execution>)>>,
    keep: Duration,
}

impl Default for Finished {
    fn default() -> Self {
        Self::new(KEEP)
    }
}

impl Finished {
    fn new(keep: Duration) -> Self {
        Self {
            all: Mutex::default(),
            keep,
        }
    }

    /// Is it kept: completed, and not a large one?
    pub(super) fn keeps(execution: &Execution) -> bool {
        execution.status() == ExecutionStatus::Completed && execution.version <= EVENTS_MAX
    }

    /// Keeps an execution as the store has it now, if it is one to keep.
    pub(super) fn put(&self, execution: Arc<Execution>) {
        if !Self::keeps(&execution) {
            return;
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |(at, _): &(Instant, _)| at.elapsed() > self.keep;
        while all.len() >= FINISHED_MAX || all.front().is_some_and(is_old) {
            all.pop_front();
        }
        all.push_back((Instant::now(), execution));
    }

    /// The execution, unless that was too long ago.
    pub(super) fn get(&self, id: ExecutionId) -> Option<Arc<Execution>> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, execution) = all.iter().rfind(|(_, execution)| execution.id == id)?;
        (at.elapsed() <= self.keep).then(|| execution.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::workflow::{Command, Definition, Event, Input, Pins, Timestamp, Version};

    const LONG: Duration = Duration::from_hours(1);

    /// An execution of one node.
    fn execution(number: u128) -> Execution {
        let nodes = json!([{"id": "n", "phase": "p"}]);
        let definition = Definition::read(&json!({"id": "w", "nodes": nodes})).unwrap();
        let created = Event::ExecutionCreated {
            workflow: definition.id.clone(),
            version: Version(1),
            input: Arc::new(json!({})),
            context: Arc::new(json!({})),
            deadline: Timestamp(1_000_000),
            phases: Pins::default(),
            by: None,
        };
        let id = ExecutionId(Uuid::from_u128(number));
        let start = Execution::start_with(id, definition.into(), created, Vec::new(), Timestamp(0));
        start.unwrap().0
    }

    fn told(number: u128, input: Input) -> Arc<Execution> {
        let mut execution = execution(number);
        execution.handle(input, Timestamp(1)).unwrap();
        execution.into()
    }

    fn completed(number: u128) -> Arc<Execution> {
        let definition = execution(number).definition;
        let attempted = Input::Attempted {
            node: definition.node_index(&"n".parse().unwrap()).unwrap(),
            item: None,
            attempt: 1,
            result: Ok((Arc::new(json!(1)), Vec::new())),
        };
        told(number, attempted)
    }

    #[test]
    fn what_is_completed_is_kept_for_a_moment() {
        let execution = completed(1);
        let kept = |keep| {
            let finished = Finished::new(keep);
            finished.put(execution.clone());
            finished.get(execution.id)
        };
        assert!(Arc::ptr_eq(&kept(LONG).unwrap(), &execution));
        assert!(kept(Duration::ZERO).is_none());
    }

    #[test]
    fn what_may_go_on_is_never_kept() {
        let finished = Finished::new(LONG);
        let cancel = Command::Cancel {
            reason: String::new(),
            by: None,
        };
        for execution in [execution(1).into(), told(2, Input::Command(cancel))] {
            finished.put(execution.clone());
            assert!(finished.get(execution.id).is_none());
        }
    }

    #[test]
    fn the_oldest_make_room() {
        let finished = Finished::new(LONG);
        let all: Vec<_> = (0..=FINISHED_MAX as u128).map(completed).collect();
        for execution in &all {
            finished.put(execution.clone());
        }
        let is_kept = |execution: &Arc<Execution>| finished.get(execution.id).is_some();
        assert!(!is_kept(&all[0]));
        assert!(all[1..].iter().all(is_kept));
    }
}
