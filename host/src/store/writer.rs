//! Group commit: one task commits whatever has gathered while the commit before was
//! in flight.
//!
//! **Invariant:** appends of one execution are committed in the order in which
//! [`Writer::append`] was called, and after one of them has failed none follows that
//! was queued before the failure was told. Otherwise the tail of a lost journal could
//! be taken, by chance of equal numbers, for the tail of the journal that won.
//!
//! While the database is away the appends of what runs wait here, so that no work is
//! lost; starts are refused. What nobody knows the outcome of is found out.

mod chain;
mod patience;

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    iter, mem,
    sync::Arc,
};

use tokio::{
    sync::{Mutex, mpsc, watch},
    task::{JoinHandle, yield_now},
};

use self::chain::{Chains, Waiter, after};
use super::{Append, Appended, Startable, Store, StoreError, Summary, Wanted};
use crate::workflow::ExecutionId;

/// Appends that wait for their transaction. Enough to fill the next few; a full queue
/// slows down who appends instead of growing memory.
const QUEUE_APPENDS_MAX: usize = 1024;

/// Appends in one transaction. More save nothing (far fewer share the fsync already)
/// and make the first one wait for the last.
const BATCH_APPENDS_MAX: usize = 256;

/// Bytes in one transaction, about. Bounds the memory that encoding takes and the time
/// that a transaction takes; a single append may be larger.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What became of an append.
type Outcome = Result<Appended, StoreError>;

/// The one way into the journal. Clones share one queue and one task.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
    chains: Arc<Chains>,
    closing: Arc<watch::Sender<bool>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    /// Starts the task that commits to `store`. It ends when the writer is closed, or
    /// all its clones are gone and what was queued is committed.
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_APPENDS_MAX);
        let (closing, closed) = watch::channel(false);
        let committer = Committer {
            store,
            queued,
            waiting: VecDeque::new(),
        };
        Self {
            queue,
            chains: Arc::default(),
            closing: Arc::new(closing),
            task: Arc::new(Mutex::new(Some(tokio::spawn(committer.run(closed))))),
        }
    }

    /// Queues an append; waits only while the queue is full.
    ///
    /// `done` is called once, from another task or this one, when the outcome is known.
    /// It must neither block nor panic, since everybody's commits wait for it. With
    /// anything but `Ok(Committed)`, the appends of the execution that were queued before
    /// `done` is called come to nothing as well: with the same error, or a conflict.
    ///
    /// The order of appends is that of the calls; await one call before the next. If the
    /// future is dropped before it is ready, nothing is written, and `done` hears of an
    /// uncertain outcome.
    pub fn append(
        &self,
        append: Append,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        let checked = append.check();
        // Before the wait for room: from here on it shares the fate of what is queued.
        let waiter = self.chains.join(append.execution, Box::new(done));
        // A pointer, as many may wait for room.
        let append = Box::new(append);
        async move {
            let bytes = match checked {
                Ok(bytes) => bytes,
                Err(error) => return waiter.tell(Err(error)),
            };
            match self.queue.reserve().await {
                Ok(room) => room.send(Queued {
                    append,
                    bytes,
                    waiter,
                }),
                Err(_) => waiter.tell(Err(StoreError::Unavailable("the journal is closed".into()))),
            }
        }
    }

    /// Commits what is queued and ends; appends from now on fail.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer of the journal broke");
        }
    }
}

struct Queued {
    append: Box<Append>,
    bytes: usize,
    waiter: Waiter,
}

/// The task behind a [`Writer`].
struct Committer {
    store: Arc<dyn Store>,
    queued: mpsc::Receiver<Queued>,
    /// Taken from the queue, but not yet into a batch.
    waiting: VecDeque<Queued>,
}

impl Committer {
    async fn run(mut self, mut closing: watch::Receiver<bool>) {
        while self.gather(&mut closing).await {
            let batch = self.batch();
            if !batch.appends.is_empty() {
                patience::commit(&*self.store, batch, &mut closing).await;
            }
        }
    }

    /// Waits for appends; false when there are none and there will be none.
    async fn gather(&mut self, closing: &mut watch::Receiver<bool>) -> bool {
        while self.waiting.is_empty() {
            tokio::select! {
                queued = self.queued.recv() => match queued {
                    Some(queued) => self.waiting.push_back(queued),
                    None => return false,
                },
                // What is queued stays: `recv` gives it, and then nothing. An error says
                // that all writers are gone, which `recv` notices as well.
                Ok(_) = closing.wait_for(|closing| *closing), if !self.queued.is_closed() => {
                    self.queued.close();
                }
            }
        }
        // Whoever could run by now may have something for the same transaction. Under load, batches
        // are twice as large for it; somebody who is alone loses a microsecond.
        yield_now().await;
        while self.waiting.len() < BATCH_APPENDS_MAX
            && let Ok(queued) = self.queued.try_recv()
        {
            self.waiting.push_back(queued);
        }
        true
    }

    /// As much of what waits as goes into one transaction.
    fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        while let Some(queued) = self.waiting.pop_front() {
            if let Some(fate) = queued.waiter.fate() {
                queued.waiter.tell(fate);
            } else if let Some(queued) = batch.take(queued) {
                self.waiting.push_front(queued);
                break;
            }
        }
        batch
    }
}

/// The appends of one transaction, each of another execution.
#[derive(Default)]
struct Batch {
    appends: Vec<Append>,
    /// For each of `appends`, who waits for the parts that it was merged from, in order.
    waiters: Vec<Vec<Waiter>>,
    places: HashMap<ExecutionId, usize>,
    bytes: usize,
    count: usize,
}

impl Batch {
    /// Takes an append in, or gives it back when it has to wait for the next batch.
    fn take(&mut self, queued: Queued) -> Option<Queued> {
        let is_full = self.count >= BATCH_APPENDS_MAX
            || (self.count > 0 && self.bytes + queued.bytes > BATCH_BYTES_MAX);
        if is_full {
            return Some(queued);
        }
        match self.places.entry(queued.append.execution) {
            Entry::Vacant(place) => {
                place.insert(self.appends.len());
                self.appends.push(*queued.append);
                self.waiters.push(vec![queued.waiter]);
            }
            Entry::Occupied(place) => {
                let place = *place.get();
                let first = &mut self.appends[place];
                if first.summary.version != queued.append.expected
                    || first.owner != queued.append.holder
                {
                    // It does not follow; the database decides which of them is right.
                    return Some(queued);
                }
                merge(first, *queued.append);
                self.waiters[place].push(queued.waiter);
            }
        }
        self.bytes += queued.bytes;
        self.count += 1;
        None
    }

    /// Tells those who start executions that nothing was written; the rest stays.
    fn refuse_starts(&mut self, error: &StoreError) {
        let all = iter::zip(mem::take(&mut self.appends), mem::take(&mut self.waiters));
        for (append, waiters) in all {
            if append.expected > 0 {
                self.appends.push(append);
                self.waiters.push(waiters);
                continue;
            }
            for waiter in waiters {
                waiter.tell(Err(error.clone()));
            }
        }
    }

    /// Tells those whose definitions are not there (any more) that nothing was written; the rest
    /// stays. False when there are none such.
    fn refuse_undefined(&mut self, defined: &HashMap<Wanted, Startable>) -> bool {
        let count = self.appends.len();
        let all = iter::zip(mem::take(&mut self.appends), mem::take(&mut self.waiters));
        for (append, waiters) in all {
            if wanted(&append).iter().all(|it| defined.contains_key(it)) {
                self.appends.push(append);
                self.waiters.push(waiters);
                continue;
            }
            let outcomes = iter::once(Appended::Undefined).chain(iter::repeat(Appended::Conflict));
            for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
                waiter.tell(Ok(outcome));
            }
        }
        self.appends.len() < count
    }

    /// Tells everybody what became of their appends.
    fn settle(self, outcome: Result<Vec<Appended>, StoreError>) {
        let outcomes: Vec<Outcome> = match outcome {
            Ok(appended) => appended.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error); self.appends.len()],
        };
        for (waiters, outcome) in self.waiters.into_iter().zip(outcomes) {
            let later = after(&outcome).unwrap_or(Ok(Appended::Committed));
            // The first hears exactly what happened.
            let each = iter::once(outcome).chain(iter::repeat(later));
            for (waiter, outcome) in waiters.into_iter().zip(each) {
                waiter.tell(outcome);
            }
        }
    }
}

/// The versions of definitions that have to be there for an append.
fn wanted(append: &Append) -> Vec<Wanted> {
    let Summary {
        workflow,
        definition,
        ..
    } = &append.summary;
    let versions = append.left.iter().chain(iter::once(definition));
    versions
        .map(|version| (workflow.clone(), Some(*version)))
        .collect()
}

/// Makes one append of two that follow each other.
fn merge(first: &mut Append, next: Append) {
    first.events.extend(next.events);
    first.summary = next.summary;
    first.wake_at = next.wake_at;
    first.waiting = next.waiting;
    first.owner = next.owner;
    first.crashes = next.crashes;
    first.keep_days = next.keep_days;
    first.answers.extend(next.answers);
    for row in next.checkpoints {
        first.checkpoints.retain(|earlier| earlier.id != row.id);
        first.checkpoints.push(row);
    }
    first.blobs.extend(next.blobs);
    first.left.extend(next.left);
}

#[cfg(test)]
mod tests;
