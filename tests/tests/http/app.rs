//! A running server: the shipped endpoints and the one that misbehaves, before a scripted engine.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use phasewright::{
    contract::Engine,
    endpoints::{self, Endpoints, Manifest},
    http::{self, Connections, Server},
    wasm::Wasm,
};
use tokio::{sync::oneshot, task::JoinHandle, time::sleep};

use crate::{client::Client, engine::Script};

pub struct App {
    pub address: SocketAddr,
    pub engine: Arc<Script>,
    pub connections: Connections,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

/// What to run with.
#[derive(Default)]
pub struct Options {
    pub endpoints: endpoints::Limits,
    pub http: http::Limits,
    pub connections: Connections,
}

/// One for all tests, since compiling takes longer than anything else here.
pub fn wasm() -> Arc<Wasm> {
    static WASM: OnceLock<Arc<Wasm>> = OnceLock::new();
    let make = || {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        Arc::new(Wasm::new(&cache).expect("a WebAssembly engine"))
    };
    WASM.get_or_init(make).clone()
}

/// Where `cargo xtask build` puts components.
pub fn binaries() -> Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into());
    let folder = workspace.join(target).join("wasm32-wasip2/wasm");
    let all_there = ["health", "status", "misbehaving_endpoint"]
        .iter()
        .all(|name| folder.join(name).with_extension("wasm").is_file());
    all_there
        .then_some(folder)
        .context("components are missing: run `cargo xtask build` first")
}

/// The application that ships, with the endpoint that misbehaves beside it.
pub fn manifest() -> Result<Manifest> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
    let folder = binaries()?;
    let text = std::fs::read_to_string(&shipped)?
        .replace("target/wasm32-wasip2/wasm", &folder.to_string_lossy());
    let text = format!(
        "{text}
        [[trigger.http]]
        route = \"/misbehave/...\"
        component = \"misbehave\"
        [component.misbehave]
        source = \"{}/misbehaving_endpoint.wasm\"
        variables = {{ greeting = \"{{{{ greeting }}}} you\" }}
        environment = {{ GREETING = \"there\" }}
        ",
        folder.display()
    );
    let text = text.replace(
        "[variables]",
        "[variables]\ngreeting = { default = \"hello\" }",
    );
    Ok(Manifest::parse(&text, &shipped)?)
}

impl App {
    pub async fn start(options: Options) -> Result<Self> {
        // What the host logs is shown with a test that fails.
        let log = tracing_subscriber::fmt().with_test_writer();
        drop(log.with_env_filter("phasewright=debug").try_init());
        let engine = Arc::new(Script::default());
        let as_engine: Arc<dyn Engine> = engine.clone();
        let endpoints = Endpoints::load(&wasm(), manifest()?, &as_engine, options.endpoints)?;
        let server = Server::bind(
            "127.0.0.1:0",
            Arc::new(endpoints),
            options.connections.clone(),
            options.http,
        )
        .await?;
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async {
            drop(stopped.await);
        }));
        Ok(Self {
            address,
            engine,
            connections: options.connections,
            stop: Some(stop),
            serving,
        })
    }

    pub async fn client(&self) -> Result<Client> {
        Client::connect(self.address).await
    }

    /// Begins to stop.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) -> Result<()> {
        Ok(self.serving.await?)
    }
}

/// Waits until something is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not so after 20 s");
        sleep(Duration::from_millis(10)).await;
    }
}
