//! The life of an instance: when it is made, which requests it takes, and when it ends.
//!
//! `ProxyHandler` calls one instance with its task a *worker*. It limits the time to the
//! head of a response only (`on_request_start`); what comes after it, such as an event
//! stream, is `PostReturn` to it. Here that lasts as long as somebody reads.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, watch},
    time::{Sleep, sleep, sleep_until, timeout},
};
use wasmtime::{Store, StoreContextMut, UpdateDeadline, component::GuestTaskId};
use wasmtime_wasi_http::{
    WasiHttpView,
    handler::{
        HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
    },
};

use super::{Limits, grants::Grants, instance::State, interest::Asked};
use crate::{contract::Engine, wasm::Wasm};

/// After the time limit of a request has passed, how long its instance has to let go of it.
/// One that still computes then is ended.
const EXPIRY_SLACK: Duration = Duration::from_millis(500);

/// What it takes to make instances of one component.
pub(super) struct Handler {
    pub(super) name: Arc<str>,
    pub(super) pre: ProxyPre<State>,
    pub(super) wasm: Arc<Wasm>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) grants: Arc<Grants>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) instances: Arc<Semaphore>,
    pub(super) limits: Limits,
}

impl HandlerState for Handler {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Acceptance;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Acceptance>> {
        let place = timeout(
            self.limits.instance_wait,
            self.instances.clone().acquire_owned(),
        );
        let Ok(Ok(place)) = place.await else {
            wasmtime::bail!("all instances of endpoints are taken");
        };
        let worker = Arc::new(Worker::default());
        let mut store = self.wasm.store(State::new(
            self.engine.clone(),
            self.grants.clone(),
            self.stopping.clone(),
            worker.clone(),
            self.limits.memory_bytes,
            self.wasm.ticking(),
            place,
        ));
        store.limiter(|state| &mut state.memory);
        let busy = self.limits.busy;
        store.epoch_deadline_callback(move |store| {
            if store.data().worker.tick() > busy {
                wasmtime::bail!("computed for more than {busy:?} without a pause");
            }
            Ok(UpdateDeadline::Yield(1))
        });
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: WasiHttpView::http,
            expiration: Expiration {
                timer: Box::pin(sleep(self.limits.idle)),
                streamed: None,
                worker: worker.clone(),
                limits: self.limits,
            },
            state: Acceptance {
                name: self.name.clone(),
                worker,
                limits: self.limits,
            },
        })
    }
}

/// What the parts of a worker share.
#[derive(Default)]
pub(super) struct Worker {
    /// The requests whose response is still waited for or read, and maybe others.
    requests: Mutex<Vec<(GuestTaskId, Asked)>>,
    /// Since when the guest has computed without a pause.
    busy_since: Mutex<Option<Instant>>,
    /// Whether the guest has been interrupted since the worker was last looked at.
    ticked: AtomicBool,
}

impl Worker {
    fn start(&self, task: GuestTaskId, asked: Asked) {
        let mut requests = lock(&self.requests);
        requests.retain(|(other, asked)| *other != task && !asked.is_over());
        requests.push((task, asked));
    }

    /// Who asked for what this task does.
    pub(super) fn asked(&self, mut tasks: impl Iterator<Item = GuestTaskId>) -> Option<Asked> {
        let requests = lock(&self.requests);
        tasks.find_map(|task| {
            let found = requests.iter().find(|(other, _)| *other == task);
            found.map(|(_, asked)| asked.clone())
        })
    }

    /// Responses that are still waited for or read.
    fn awaited(&self) -> usize {
        let requests = lock(&self.requests);
        requests
            .iter()
            .filter(|(_, asked)| !asked.is_over())
            .count()
    }

    /// Called at every tick of a guest that computes, just before it gives way.
    fn tick(&self) -> Duration {
        self.ticked.store(true, Relaxed);
        lock(&self.busy_since)
            .get_or_insert_with(Instant::now)
            .elapsed()
    }

    /// The guest waits, or changes over from one task to another.
    fn pause(&self) {
        *lock(&self.busy_since) = None;
    }

    /// Called whenever the worker gives its thread back: because of a tick, or to wait.
    fn look(&self) {
        if !self.ticked.swap(false, Relaxed) {
            self.pause();
        }
    }

    /// Tells those who read a response that its rest will never come.
    fn fail(&self) {
        for (_, asked) in &*lock(&self.requests) {
            asked.fail();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which requests an instance takes, and what is done when it ends.
pub(super) struct Acceptance {
    name: Arc<str>,
    worker: Arc<Worker>,
    limits: Limits,
}

impl WorkerState for Acceptance {
    type StoreData = State;
    type RequestData = Asked;

    /// Called at every turn of the instance's event loop, which a guest that computes holds up.
    fn should_accept_request(&self, current: usize, total: usize) -> ShouldAccept {
        self.worker.pause();
        if total >= self.limits.requests_per_instance {
            // An instance that streams lives on anyway. If it took no more requests, a few
            // long streams would be enough to occupy all instances.
            match self.worker.awaited().saturating_sub(current) {
                0 => return ShouldAccept::Never,
                streams if streams >= self.limits.streams_per_instance => return ShouldAccept::No,
                _ => {}
            }
        }
        if current < self.limits.calls_per_instance {
            ShouldAccept::Yes
        } else {
            ShouldAccept::No
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, State>,
        asked: Asked,
        task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        self.worker.start(task, asked);
        Box::pin(sleep(self.limits.response_head))
    }

    fn drop(&self, store: Store<State>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result {
            // Before the store goes, and with it the other ends of the bodies.
            self.worker.fail();
            if *store.data().stopping.borrow() {
                return; // The host ends, and idle instances with it.
            }
            let component = &*self.name;
            let said = store.data().last_words.text();
            // The reason without the trace of calls, which says little about stripped code.
            let reason = error.root_cause();
            tracing::error!(
                component,
                said,
                "an instance of the endpoint failed: {reason}"
            );
        }
    }
}

/// When an instance ends.
pub(super) struct Expiration {
    timer: Pin<Box<Sleep>>,
    /// When somebody was last seen to read a response.
    streamed: Option<Instant>,
    worker: Arc<Worker>,
    limits: Limits,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        self.worker.look();
        loop {
            let deadline = match status {
                WorkerStatus::Idle => since + self.limits.idle,
                WorkerStatus::Requests => since + self.limits.response_head + EXPIRY_SLACK,
                WorkerStatus::PostReturn => {
                    self.streamed.map_or(since, |streamed| streamed.max(since))
                        + self.limits.afterwards
                }
            };
            // Setting a timer costs more than looking at it, so it is only set to an earlier
            // time; when it goes off too early, to the right one.
            if deadline < self.timer.deadline().into_std() {
                self.timer.set(sleep_until(deadline.into()));
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if status == WorkerStatus::PostReturn && self.worker.awaited() > 0 {
                self.streamed = Some(now);
            } else if deadline <= now {
                return Poll::Ready(());
            }
            let next = if deadline > now {
                deadline
            } else {
                now + self.limits.afterwards
            };
            self.timer.set(sleep_until(next.into()));
        }
    }
}
