//! A whole engine: everything put together, opened and stopped in order.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::{
    access::Access,
    clock::{Clock, SystemClock},
    events::Events,
    executor::{Executor, Hosting},
    http::Connections,
    plugin::{PhaseRunner, Sandbox, SandboxConfig},
    service::{Library, Service},
    store::{self, Writer},
    wasm::{self, Wasm},
};

/// Where the evaluator is, from the root of a checkout or a release.
pub const EVALUATOR: &str = "target/wasm32-wasip2/wasm/expression.wasm";

/// How long attempts may go on after the engine was asked to stop.
pub const GRACE: Duration = Duration::from_secs(10);

/// What fails when there are no phases.
const LOADING: &str = "failed to load the phases";

/// What an engine is opened with.
#[derive(Debug, Clone)]
pub struct Config {
    /// `sqlite://FILE` or `postgres://USER@HOST/DATABASE`
    pub database: String,
    /// How the host lives among others.
    pub hosting: Hosting,
    /// Where the phases are, and what they may have together.
    pub sandbox: SandboxConfig,
    /// Who may call.
    pub access: Access,
}

/// A running engine.
pub struct App {
    /// What every door calls.
    pub service: Arc<Service>,
    /// For the endpoint components.
    pub wasm: Arc<Wasm>,
    /// What the listener has open; the health report shows it.
    pub connections: Connections,
    executor: Executor,
    recovery: Option<JoinHandle<()>>,
}

impl App {
    /// Opens the database and loads the phases.
    pub async fn open(config: Config) -> Result<Self> {
        let wasm = open_wasm()?;
        let sandbox = open_sandbox(&wasm, &config.sandbox);
        let (store, sandbox) = tokio::join!(store::open(&config.database), sandbox);
        let store = store.context("failed to open the database")?;
        let sandbox = sandbox?.keep(store.clone()).await;
        let runner: Arc<dyn PhaseRunner> = Arc::new(sandbox.context(LOADING)?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let library = Arc::new(Library::new(store.clone()));
        let events = Events::default();
        let executor = Executor::new(
            store.clone(),
            Writer::start(store.clone()),
            runner.clone(),
            clock.clone(),
            library.clone(),
            events.clone(),
            config.hosting,
        );
        executor
            .enter()
            .await
            .context("failed to take a place among the hosts of the database")?;
        let connections = Connections::default();
        let service = Service {
            store,
            library,
            runner,
            executor: executor.clone(),
            events,
            clock,
            access: config.access,
            connections: connections.clone(),
        };
        Ok(Self {
            service: Arc::new(service),
            wasm,
            connections,
            executor,
            recovery: None,
        })
    }

    /// Goes on with what was unfinished.
    pub fn recover(&mut self) {
        self.recovery.get_or_insert_with(|| self.executor.recover());
    }

    /// Lets attempts finish for a while, commits what is queued, and ends.
    pub async fn stop(self) {
        self.executor.stop(GRACE).await;
        if let Some(recovery) = self.recovery {
            // It ends by itself when the executor stops.
            let _ = recovery.await;
        }
    }
}

/// The WebAssembly engine, with its cache of compiled components.
pub fn open_wasm() -> Result<Arc<Wasm>> {
    let cache = wasm::cache_folder(Path::new(".phasewright-cache"));
    Ok(Arc::new(
        Wasm::new(&cache).context("failed to start WebAssembly")?,
    ))
}

/// The phases of the configured folders.
pub async fn open_sandbox(wasm: &Arc<Wasm>, config: &SandboxConfig) -> Result<Sandbox> {
    let env = |name: &str| std::env::var(name).ok();
    Sandbox::new(wasm.clone(), config, &env)
        .await
        .context(LOADING)
}
