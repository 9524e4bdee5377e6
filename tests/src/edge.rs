//! What stands in for Spin: a plain wasmtime with WASI 0.2 and 0.3 and Spin's variables, which serves
//! the endpoints of `spin.toml`, each composed with the link.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
    task::{Context as TaskContext, Poll},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use phasewright::{
    endpoints::{Failure, Manifest, Routes},
    http::{Connections, Limits, Server, Site},
    wasm::Compiler,
    workflow::Digest,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Sleep, sleep},
};
use wasmtime::{
    Config, Engine, Store, StoreContextMut,
    component::{Accessor, GuestTaskId, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{
    WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpView,
    handler::{
        HandlerState, Instance, ProxyHandler, ProxyPre, ShouldAccept, WorkerExpiration,
        WorkerState, WorkerStatus,
    },
    p3::{self, bindings::ServicePre},
};

use compose::composed;

pub mod compose;

mod spin {
    //! What Spin gives components beside WASI: here only variables.

    wasmtime::component::bindgen!({
        path: "../wit/spin",
        world: "platform",
        imports: { default: async | store },
    });
}

use spin::spin::variables::variables;

/// As in Spin.
const REQUESTS_PER_INSTANCE: usize = 128;
const REQUESTS_AT_ONCE: usize = 16;

/// How long an instance waits for the next request.
const IDLE_TIME: Duration = Duration::from_secs(2);

/// Longer than any test streams.
const INSTANCE_TIME: Duration = Duration::from_mins(5);

/// Longer than any test lets a request wait.
const REQUEST_TIME: Duration = Duration::from_secs(75);

/// The variables of a component.
pub type Variables = BTreeMap<&'static str, String>;

/// An application as it runs elsewhere.
pub struct Edge {
    routes: Routes<Arc<ProxyHandler<Handler>>>,
}

/// What makes instances of an endpoint.
pub struct Handler {
    pre: ProxyPre<State>,
    variables: Arc<Variables>,
}

/// The data of an instance.
pub struct State {
    handles: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    variables: Arc<Variables>,
}

/// The runtime that edges live in: tests come and go with theirs.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all();
        builder.build().expect("a runtime")
    };
    RUNTIME.get_or_init(start)
}

/// Serves on a free port for as long as the process lives, and says where.
pub fn serve(edge: Edge) -> Result<SocketAddr> {
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime().spawn(async move {
        let address = "127.0.0.1:0";
        let server = Server::bind(
            address,
            Arc::new(edge),
            Connections::default(),
            Limits::default(),
        )
        .await;
        let server = server.expect("a free port");
        // Whoever asked waits for it.
        sender.send(server.address()).expect("somebody who asked");
        server.serve(std::future::pending()).await;
    });
    Ok(receiver.recv()?)
}

impl Edge {
    /// The endpoints of a manifest, with these variables.
    pub fn new(manifest: Manifest, link: &Path, variables: Variables) -> Result<Self> {
        let variables = Arc::new(variables);
        let mut handlers = HashMap::new();
        for (name, source) in &manifest.components {
            let handler = Handler {
                pre: ProxyPre::P3(prepared(&source.path, link)?),
                variables: variables.clone(),
            };
            handlers.insert(name.clone(), Arc::new(ProxyHandler::new(handler)));
        }
        Ok(Self {
            routes: manifest.routes.map(|name| handlers[&name].clone()),
        })
    }
}

/// What has been compiled, by its endpoint.
type Prepared = HashMap<PathBuf, ServicePre<State>>;

/// The component composed with the link, compiled and linked: once for the process.
fn prepared(endpoint: &Path, link: &Path) -> Result<ServicePre<State>> {
    static PREPARED: LazyLock<Mutex<Prepared>> = LazyLock::new(Mutex::default);
    let mut prepared = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pre) = prepared.get(endpoint) {
        return Ok(pre.clone());
    }
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let bytes = composed(read(endpoint)?, read(link)?)?;
    let pre = linked(&bytes).map_err(|error| anyhow!("{}: {error:?}", endpoint.display()))?;
    prepared.insert(endpoint.to_owned(), pre.clone());
    Ok(pre)
}

fn linked(bytes: &[u8]) -> wasmtime::Result<ServicePre<State>> {
    let component = compiler().component(Digest::of(bytes), bytes)?;
    let pre = linker()?.instantiate_pre(&component)?;
    ServicePre::new(pre)
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.wasm_component_model_async(true);
        Engine::new(&config).expect("an engine")
    })
}

fn compiler() -> &'static Compiler {
    static COMPILER: OnceLock<Compiler> = OnceLock::new();
    COMPILER.get_or_init(|| {
        let folder = env::temp_dir().join("phasewright-composed");
        Compiler::new(engine().clone(), &folder)
    })
}

/// WASI and variables, and nothing of ours.
fn linker() -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    variables::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl variables::Host for State {}

impl<T: Send> variables::HostWithStore<T> for HasSelf<State> {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, variables::Error> {
        let variables = accessor.with(|mut access| access.get().variables.clone());
        let value = variables.get(name.as_str()).cloned();
        value.ok_or(variables::Error::Undefined(name))
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
            hooks: Default::default(),
        }
    }
}

impl HandlerState for Handler {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<State, Expiration, Worker>> {
        let state = State {
            handles: ResourceTable::new(),
            wasi: WasiCtx::builder().inherit_stderr().build(),
            http: WasiHttpCtx::new(),
            variables: self.variables.clone(),
        };
        let mut store = Store::new(engine(), state);
        let proxy = self.pre.instantiate_async(&mut store).await?;
        Ok(Instance {
            store,
            proxy,
            view: WasiHttpView::http,
            expiration: Expiration(Box::pin(sleep(INSTANCE_TIME))),
            state: Worker,
        })
    }
}

/// When an instance ends.
pub struct Expiration(Pin<Box<Sleep>>);

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        let time = match status {
            WorkerStatus::Idle => IDLE_TIME,
            WorkerStatus::Requests | WorkerStatus::PostReturn => INSTANCE_TIME,
        };
        let deadline = (since + time).into();
        if self.0.deadline() != deadline {
            self.0.as_mut().reset(deadline);
        }
        self.0.as_mut().poll(cx)
    }
}

/// Which requests an instance takes.
pub struct Worker;

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = ();

    fn should_accept_request(&self, current: usize, total: usize) -> ShouldAccept {
        if total >= REQUESTS_PER_INSTANCE {
            ShouldAccept::Never
        } else if current >= REQUESTS_AT_ONCE {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        _store: StoreContextMut<'_, State>,
        (): (),
        _task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        Box::pin(sleep(REQUEST_TIME))
    }

    fn drop(&self, _store: Store<State>, result: Result<(), wasmtime::Error>) {
        if let Err(error) = result {
            eprintln!("an instance at the edge failed: {error:?}");
        }
    }
}

impl Site for Edge {
    type Endpoint = Arc<ProxyHandler<Handler>>;
    type Body = WasiBody;

    fn find(&self, path: &str) -> Option<Self::Endpoint> {
        self.routes.find(path).cloned()
    }

    async fn handle(
        &self,
        endpoint: Self::Endpoint,
        request: http::Request<WasiBody>,
    ) -> Result<http::Response<WasiBody>, Failure> {
        endpoint.handle((), request).await.map_err(|error| {
            eprintln!("no answer at the edge: {error:?}");
            Failure::Failed
        })
    }

    fn stop(&self) {}
}
