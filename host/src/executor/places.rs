//! Attempts that were given out. As many run at a time as the runner has room for; the others wait
//! in the order in which they came, as entries of a queue: a task, with all that it takes to wait in
//! it, would be kilobytes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::stream::{AbortHandle, AbortRegistration, Abortable};

use super::attempt::Job;

/// The places of one host.
pub(super) struct Places(Mutex<Line>);

struct Line {
    free: usize,
    /// In the order in which it runs; nothing where something was called off.
    waiting: VecDeque<Option<Waiting>>,
    /// Of what is first in line.
    first: u64,
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
            waiting: VecDeque::new(),
            first: 0,
            is_closed: false,
        })))
    }

    /// Runs an attempt as soon as there is a place for it.
    pub(super) fn give(self: &Arc<Self>, job: Box<Job>) -> Given {
        let (call, registration) = AbortHandle::new_pair();
        let mut line = self.line();
        if line.free > 0 {
            line.free -= 1;
            drop(line);
            tokio::spawn(self.clone().work((job, registration)));
            return Given { call, place: None };
        }
        let ticket = line.first + line.waiting.len() as u64;
        line.waiting.push_back(Some((job, registration)));
        drop(line);
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
        let first = if line.is_closed { None } else { line.pop() };
        if first.is_none() {
            line.free += 1;
        }
        first
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn pop(&mut self) -> Option<Waiting> {
        while let Some(first) = self.waiting.pop_front() {
            self.first += 1;
            if first.is_some() {
                return first;
            }
        }
        None
    }

    fn withdraw(&mut self, ticket: u64) -> Option<Waiting> {
        let at = usize::try_from(ticket.checked_sub(self.first)?).ok()?;
        self.waiting.get_mut(at)?.take()
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
            let waiting = places.line().withdraw(*ticket);
            // What it holds on to goes with it, and not under the lock.
            drop(waiting);
        }
        self.call.abort();
    }
}
