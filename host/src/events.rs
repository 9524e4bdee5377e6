//! Tells subscribers how far the journals are.
//!
//! **Invariant:** nobody is told of an event that the store has not committed.
//! Only numbers are passed on; the events themselves are read from the store, so
//! a slow subscriber costs no memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::workflow::ExecutionId;

/// How far a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Number of the last committed event; 0 when nothing was heard yet.
    pub version: u64,
    /// Is the execution over?
    pub is_over: bool,
}

/// The subscriptions of one host.
#[derive(Debug, Clone, Default)]
pub struct Events {
    topics: Arc<Mutex<HashMap<ExecutionId, watch::Sender<Progress>>>>,
}

impl Events {
    /// Subscribes to an execution. Subscribe first and read the store then, and
    /// nothing is missed.
    pub fn subscribe(&self, execution: ExecutionId) -> Subscription {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = topics.entry(execution).or_default().subscribe();
        Subscription {
            events: self.clone(),
            execution,
            receiver: Some(receiver),
        }
    }

    /// Tells the subscribers of an execution what is committed now.
    pub fn publish(&self, execution: ExecutionId, progress: Progress) {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(&execution) {
            topic.send_replace(progress);
        }
    }

    /// How many executions somebody follows.
    pub fn followed(&self) -> usize {
        self.topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

/// A subscription; it ends when it is dropped.
#[derive(Debug)]
pub struct Subscription {
    events: Events,
    execution: ExecutionId,
    receiver: Option<watch::Receiver<Progress>>,
}

impl Subscription {
    /// Waits for news since the last call.
    pub async fn changed(&mut self) -> Progress {
        // The sender lives in `events` for as long as this subscription does.
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return *receiver.borrow_and_update();
        }
        std::future::pending().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut topics = self
            .events
            .topics
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.receiver = None;
        if topics
            .get(&self.execution)
            .is_some_and(|topic| topic.receiver_count() == 0)
        {
            topics.remove(&self.execution);
        }
    }
}
