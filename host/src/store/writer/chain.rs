//! The shared fate of the appends of one execution that are on their way.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::Outcome;
use crate::{
    store::{Appended, StoreError},
    workflow::ExecutionId,
};

/// Nothing yet, or what all later appends of the chain come to.
type Fate = Arc<OnceLock<Outcome>>;

/// The chain that the next append of each execution joins. An execution has an entry
/// as long as an append of it is on its way.
#[derive(Default)]
pub(super) struct Chains(Mutex<HashMap<ExecutionId, Fate>>);

/// An append's place in its chain.
struct Link {
    chains: Arc<Chains>,
    execution: ExecutionId,
    fate: Fate,
}

/// Who waits for the outcome of an append. It is told once, even if this is dropped.
pub(super) struct Waiter {
    link: Link,
    done: Option<Box<dyn FnOnce(Outcome) + Send>>,
}

impl Chains {
    /// Joins the chain that `execution` has now.
    pub fn join(
        self: &Arc<Self>,
        execution: ExecutionId,
        done: Box<dyn FnOnce(Outcome) + Send>,
    ) -> Waiter {
        let fate = self.lock().entry(execution).or_default().clone();
        let link = Link {
            chains: self.clone(),
            execution,
            fate,
        };
        Waiter {
            link,
            done: Some(done),
        }
    }

    /// Is nothing on its way?
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Fate>> {
        // No code that could panic runs under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// What an earlier append of the chain failed with.
    pub fn fate(&self) -> Option<Outcome> {
        self.link.fate.get().cloned()
    }

    /// Tells the outcome; anything but `Committed` ends the chain first, so that who
    /// hears of it and appends again is in a new one.
    pub fn tell(mut self, outcome: Outcome) {
        self.settle(outcome);
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(done) = self.done.take() else {
            return;
        };
        if let Some(fate) = after(&outcome) {
            self.link.end(fate);
        }
        done(outcome);
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let lost = "the append was given up before its outcome was known";
        self.settle(Err(StoreError::Uncertain(lost.into())));
    }
}

/// What the appends after one with this outcome come to, if not to what the database says.
pub(super) fn after(outcome: &Outcome) -> Option<Outcome> {
    match outcome {
        Ok(Appended::Committed) => None,
        Ok(Appended::Conflict | Appended::Duplicate(_) | Appended::Undefined) => {
            Some(Ok(Appended::Conflict))
        }
        Err(error) => Some(Err(error.clone())),
    }
}

impl Link {
    fn end(&self, fate: Outcome) {
        // The first failure of a chain is its fate.
        let _ = self.fate.set(fate);
        if let Entry::Occupied(entry) = self.chains.lock().entry(self.execution)
            && Arc::ptr_eq(entry.get(), &self.fate)
        {
            entry.remove();
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Joining takes the lock, so nobody can join while the last one leaves.
        if let Entry::Occupied(entry) = self.chains.lock().entry(self.execution)
            && Arc::ptr_eq(entry.get(), &self.fate)
            && Arc::strong_count(&self.fate) == 2
        {
            entry.remove();
        }
    }
}
