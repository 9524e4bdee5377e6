//! Attempts that were given out. As many run at a time as the runner has room for; the others wait
//! in the order in which they came, as entries of a queue: a task, with all that it takes to wait in
//! it, would be kilobytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::stream::{AbortHandle, AbortRegistration, Abortable};

use super::attempt::Job;

/// The places of one host.
pub(super) struct Places(Mutex<Line>);

struct Line {
    free: usize,
    /// Of the next attempt. What waits runs in this order.
    ticket: u64,
    waiting: BTreeMap<u64, Waiting>,
    is_closed: bool,
}

type Waiting = (Box<Job>, AbortRegistration);

/// Work that was given out. Dropped, it is called off.
pub(super) struct Given {
    call: AbortHandle,
    /// Where it may still wait.
    place: Option<(Arc<Places>, u64)>,
}

impl Places {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Line {
            free: count,
            ticket: 0,
            waiting: BTreeMap::new(),
            is_closed: false,
        })))
    }

    /// Runs an attempt as soon as there is a place for it.
    pub(super) fn give(self: &Arc<Self>, job: Box<Job>) -> Given {
        let (call, registration) = AbortHandle::new_pair();
        let mut line = self.line();
        let ticket = line.ticket;
        line.ticket += 1;
        if line.free > 0 {
            line.free -= 1;
            drop(line);
            tokio::spawn(self.clone().work((job, registration)));
        } else {
            line.waiting.insert(ticket, (job, registration));
        }
        Given {
            call,
            place: Some((self.clone(), ticket)),
        }
    }

    /// Nothing that waits begins any more.
    pub(super) fn close(&self) {
        self.line().is_closed = true;
    }

    /// Holds a place for one attempt after another, as long as any waits.
    async fn work(self: Arc<Self>, first: Waiting) {
        let mut next = Some(first);
        while let Some((job, registration)) = next {
            let _ = Abortable::new(job.run(), registration).await;
            next = self.next();
        }
    }

    /// What waits longest; gives the place up when there is none.
    fn next(&self) -> Option<Waiting> {
        let mut line = self.line();
        let first = (!line.is_closed)
            .then(|| line.waiting.pop_first())
            .flatten();
        if first.is_none() {
            line.free += 1;
        }
        first.map(|(_, waiting)| waiting)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given {
    /// Work that needs no place.
    pub(super) fn at_once(work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (call, registration) = AbortHandle::new_pair();
        tokio::spawn(Abortable::new(work, registration));
        Self { call, place: None }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Some((places, ticket)) = &self.place {
            let waiting = places.line().waiting.remove(ticket);
            // What it holds on to goes with it, and not under the lock.
            drop(waiting);
        }
        self.call.abort();
    }
}
