//! One instance of an endpoint component: what it may import, and the data of its store.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::AsyncWrite,
    sync::{OwnedSemaphorePermit, watch},
};
use wasmtime::{
    ResourceLimiter,
    component::{Component, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{
    WasiCtx, WasiCtxView, WasiView,
    cli::{IsTerminal, StdoutStream},
};
use wasmtime_wasi_http::{
    Error as HttpError, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks,
    WasiHttpView, handler::ProxyPre, p3,
};

use super::{
    grants::{self, Grants},
    handler::Worker,
};
use crate::{
    contract::{Engine, bindings},
    wasm::Ticking,
};

/// Handles to host objects (requests, headers, streams, …) that an instance may hold.
const HANDLES_MAX: usize = 10_000;

/// What is kept of the last words of an instance, for the log: a panic with its place.
const LAST_WORDS_BYTES_MAX: usize = 2_000;

/// The data of one instance.
pub(super) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: NoOutbound,
    handles: ResourceTable,
    pub(super) memory: MemoryLimit,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) grants: Arc<Grants>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) worker: Arc<Worker>,
    pub(super) last_words: LastWords,
    _ticking: Ticking,
    _place: OwnedSemaphorePermit,
}

/// Everything that an endpoint may import.
pub(super) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    bindings::Endpoint::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    grants::bindings::Platform::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// Checks that the component is an HTTP handler and imports nothing else.
pub(super) fn link(
    linker: &Linker<State>,
    component: &Component,
) -> wasmtime::Result<ProxyPre<State>> {
    let pre = linker.instantiate_pre(component)?;
    Ok(ProxyPre::P3(p3::bindings::ServicePre::new(pre)?))
}

impl State {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        grants: Arc<Grants>,
        stopping: watch::Receiver<bool>,
        worker: Arc<Worker>,
        memory_bytes: usize,
        ticking: Ticking,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let last_words = LastWords::default();
        let wasi = WasiCtx::builder()
            .stderr(last_words.clone())
            .envs(&grants.environment)
            .allow_tcp(false)
            .allow_udp(false)
            .build();
        let mut handles = ResourceTable::new();
        handles.set_max_capacity(HANDLES_MAX);
        Self {
            wasi,
            http: WasiHttpCtx::new(),
            hooks: NoOutbound,
            handles,
            memory: MemoryLimit {
                used: 0,
                max: memory_bytes,
            },
            engine,
            grants,
            stopping,
            worker,
            last_words,
            _ticking: ticking,
            _place: place,
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.handles,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.handles,
            hooks: &mut self.hooks,
        }
    }
}

/// Denies every outbound request: the manifest cannot grant any.
struct NoOutbound;

type Sent = (
    http::Response<WasiBody>,
    Box<dyn Future<Output = Result<(), HttpError>> + Send>,
);

impl WasiHttpHooks for NoOutbound {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), HttpError>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, HttpError>> + Send> {
        Box::new(std::future::ready(Err(HttpError::HttpRequestDenied)))
    }
}

/// Counts the memories and tables of one instance together.
pub(super) struct MemoryLimit {
    used: usize,
    max: usize,
}

impl MemoryLimit {
    fn grow(&mut self, bytes: usize) -> wasmtime::Result<bool> {
        self.used = self.used.saturating_add(bytes);
        if self.used > self.max {
            wasmtime::bail!("memory limit of {} bytes exceeded", self.max);
        }
        Ok(true)
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.grow(desired.saturating_sub(current))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        self.grow(elements.saturating_mul(size_of::<usize>()))
    }
}

/// The end of what an instance wrote to its standard error.
#[derive(Clone, Default)]
pub(super) struct LastWords(Arc<Mutex<VecDeque<u8>>>);

impl LastWords {
    pub(super) fn text(&self) -> String {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(words.make_contiguous())
            .trim()
            .into()
    }
}

impl IsTerminal for LastWords {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LastWords {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LastWords {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend(&bytes[bytes.len().saturating_sub(LAST_WORDS_BYTES_MAX)..]);
        let excess = words.len().saturating_sub(LAST_WORDS_BYTES_MAX);
        words.drain(..excess);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
