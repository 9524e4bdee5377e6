//! One instance of a component and one call of it, within limits.
//!
//! **Invariant:** nothing outlives the call: dropping its future drops the instance.

use std::{
    collections::BTreeMap, future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::timeout;
use wasmtime::{
    Store,
    component::{HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::{
    AttemptHost,
    bindings::phase::PhasePlugin,
    failure,
    limits::{Exceeded, Limits},
    log::Log,
    memory::{MemoryMeter, Room},
    outbound::{AllowedHosts, Outbound},
    phase_host::PhaseHost,
};
use crate::{
    wasm::Wasm,
    workflow::{Failure, PhaseName},
};

/// Handles to host objects (clocks, streams, …) that a guest may hold.
const HANDLES_MAX: usize = 1_000;

/// Random bytes that a guest gets in one call.
const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// The data of one instance.
pub(super) struct Guest {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outbound: Outbound,
    handles: ResourceTable,
    memory: MemoryMeter,
    pub(super) host: PhaseHost,
}

/// What one call is given.
pub(super) struct Grant {
    pub(super) limits: Limits,
    pub(super) variables: Arc<BTreeMap<String, String>>,
    /// Which phase it is and where it may send requests; nowhere when it is none.
    pub(super) outbound: Option<(PhaseName, Arc<AllowedHosts>)>,
    /// The node's timeout, when it has one.
    pub(super) timeout: Option<Duration>,
    pub(super) memory: Room,
}

/// Everything that a guest may import.
pub(super) fn linker(wasm: &Wasm) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(wasm.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    PhasePlugin::add_to_linker::<_, HasSelf<PhaseHost>>(&mut linker, |guest: &mut Guest| {
        &mut guest.host
    })?;
    Ok(linker)
}

/// Calls a guest in a store of its own. The result is what `work` gives, with the guest's
/// data as it is afterwards.
///
/// A result that could not be taken over because it is too large counts as too large an
/// output.
pub(super) async fn call<T>(
    wasm: &Wasm,
    grant: Grant,
    host: Arc<dyn AttemptHost>,
    work: impl AsyncFnOnce(&mut Store<Guest>) -> wasmtime::Result<T>,
) -> Result<(T, Guest), Failure> {
    let (limits, timeout) = (grant.limits, grant.timeout);
    let log = Log::new(host.clone(), limits);
    let outbound = Outbound::new(grant.outbound.clone(), host.clone(), log.clone(), limits);
    let mut store = store(wasm, grant, host, &log, outbound.clone());
    let ticking = wasm.ticking();
    let outcome = within(&limits, timeout, &outbound, work(&mut store)).await;
    drop(ticking);
    log.finish();
    match outcome {
        Ok(Ok(value)) => Ok((value, store.into_data())),
        Ok(Err(error)) => Err(failure::of(&error, &log, &limits)),
        Err(exceeded) => Err(exceeded.into()),
    }
}

fn store(
    wasm: &Wasm,
    grant: Grant,
    host: Arc<dyn AttemptHost>,
    log: &Log,
    outbound: Outbound,
) -> Store<Guest> {
    let limits = grant.limits;
    let context = WasiCtx::builder()
        .stdout(log.stdout())
        .stderr(log.stderr())
        .allow_tcp(false)
        .allow_udp(false)
        .max_random_size(RANDOM_BYTES_MAX)
        .build();
    let mut handles = ResourceTable::new();
    handles.set_max_capacity(HANDLES_MAX);
    let mut store = wasm.store(Guest {
        wasi: context,
        http: WasiHttpCtx::new(),
        outbound,
        handles,
        memory: MemoryMeter::new(grant.memory, &limits),
        host: PhaseHost::new(host, log.clone(), grant.variables, limits),
    });
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(usize::try_from(limits.transfer_bytes()).unwrap_or(usize::MAX));
    store
}

/// Polls `work` until its wall-clock or CPU time is used up, or it sends too much.
///
/// A guest gives way at every tick, so that it is seen here that often at least. The time
/// is the thread's, so that a busy machine does not count against the guest.
async fn within<T>(
    limits: &Limits,
    node: Option<Duration>,
    outbound: &Outbound,
    work: impl Future<Output = T>,
) -> Result<T, Exceeded> {
    let mut work = pin!(work);
    let mut used = Duration::ZERO;
    let metered = poll_fn(|cx| {
        let before = thread_time();
        let polled = work.as_mut().poll(cx);
        if let Some(exceeded) = outbound.exceeded() {
            return Poll::Ready(Err(exceeded));
        }
        if let Poll::Ready(value) = polled {
            return Poll::Ready(Ok(value));
        }
        used += thread_time().saturating_sub(before);
        if used > limits.cpu_time {
            return Poll::Ready(Err(Exceeded::CpuTime(limits.cpu_time)));
        }
        Poll::Pending
    });
    let (wall_clock, exceeded) = match node {
        Some(node) if node < limits.wall_clock => (node, Exceeded::NodeTimeout(node)),
        _ => (limits.wall_clock, Exceeded::WallClock(limits.wall_clock)),
    };
    timeout(wall_clock, metered).await.unwrap_or(Err(exceeded))
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.handles,
        }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.handles,
            hooks: &mut self.outbound,
        }
    }
}
