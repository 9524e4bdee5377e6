//! `phasewright serve`

use std::{
    io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::FutureExt;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tracing::{info, warn};

use super::{DatabaseArgs, PhaseArgs};
use crate::{
    access::{Access, Scope, Tokens},
    app::{App, Config},
    contract::Engine,
    endpoints::{self, Endpoints, Manifest},
    engine_api::{BODY_BYTES_MAX, EngineApi},
    executor::Hosting,
    http::{self, Connections, Server},
    store::Keep,
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: String,
    #[command(flatten)]
    database: DatabaseArgs,
    /// Address to serve the engine API on, for endpoints that run elsewhere; needs --engine-tokens
    /// or --tokens
    #[arg(long, value_name = "ADDRESS", env = "PHASEWRIGHT_ENGINE_LISTEN")]
    engine_listen: Option<String>,
    /// File like that of --tokens with the tokens that open the engine API, whose only scope is
    /// `engine`; without one, those of --tokens open it that have this scope
    #[arg(
        long,
        value_name = "FILE",
        env = "PHASEWRIGHT_ENGINE_TOKENS",
        requires = "engine_listen"
    )]
    engine_tokens: Option<PathBuf>,
    /// Spin manifest with the endpoint components
    #[arg(long, value_name = "FILE", default_value = "spin.toml")]
    app: PathBuf,
    /// Seconds until other hosts on the same database take over from a host of which
    /// nothing is heard
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PHASEWRIGHT_LEASE_SECONDS",
        default_value_t = Hosting::default().lease.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    lease_seconds: u64,
    /// Hosts that may end in a row while they run an execution and nothing comes of it,
    /// before it is given up
    #[arg(
        long,
        value_name = "COUNT",
        env = "PHASEWRIGHT_MAX_CRASHES",
        default_value_t = Hosting::default().crashes_max,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    max_crashes: u32,
    /// Days to keep executions after their end, unless their definitions say otherwise: a
    /// number, or `forever`
    #[arg(
        long,
        value_name = "DAYS",
        env = "PHASEWRIGHT_KEEP_DAYS",
        default_value = "30",
        value_parser = keep
    )]
    keep_days: Keep,
    /// TOML file with the digests of bearer tokens and what each is good for, read again when it
    /// changes; without one, anybody may do anything. `phasewright token` makes entries for it
    #[arg(long, value_name = "FILE", env = "PHASEWRIGHT_TOKENS")]
    tokens: Option<PathBuf>,
    #[command(flatten)]
    phases: PhaseArgs,
}

impl Serve {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let manifest = Manifest::read(&self.app).context("failed to read the application")?;
        // They end with this function.
        let mut watches = JoinSet::new();
        let access = self.access(&mut watches)?;
        let engine_api = self.engine_api(&access, &mut watches)?;
        let config = Config {
            access: access.clone(),
            database: self.database.url.clone(),
            hosting: Hosting {
                lease: Duration::from_secs(self.lease_seconds),
                crashes_max: self.max_crashes,
                keep: self.keep_days,
                ..Hosting::default()
            },
            sandbox: self.phases.sandbox(),
        };
        let mut app = App::open(config).await?;
        let engine: Arc<dyn Engine> = app.service.clone();
        let wasm = app.wasm.clone();
        let endpoints = tokio::task::spawn_blocking(move || {
            Endpoints::load(&wasm, manifest, &engine, endpoints::Limits::default())
        });
        let endpoints = Arc::new(endpoints.await?.context("failed to load the application")?);
        let server = Server::bind(
            &self.listen,
            endpoints,
            app.connections.clone(),
            http::Limits::default(),
        )
        .await;
        let server = server.with_context(|| format!("failed to listen on {}", self.listen))?;
        warn_of_strangers(&access, server.address(), engine_api.is_some());
        let engine_api = match engine_api {
            Some((address, tokens)) => {
                Some(bind_engine_api(address, app.service.clone(), tokens).await?)
            }
            None => None,
        };
        // Before anybody knows that it listens: they may ask it to end at once.
        let stop = stop_signal()?.boxed().shared();
        // Only now, when nothing can fail any more: what is begun is better not interrupted at once.
        app.recover();
        // All there is on standard output; whoever started this process waits for the last line.
        if let Some(engine_api) = &engine_api {
            println!("engine API on http://{}", engine_api.address());
        }
        println!("listening on http://{}", server.address());
        std::io::stdout().flush()?;
        let engine_api = async {
            if let Some(engine_api) = engine_api {
                engine_api.serve(stop.clone()).await;
            }
        };
        tokio::join!(server.serve(stop.clone()), engine_api);
        info!("stopping");
        app.stop().await;
        Ok(ExitCode::SUCCESS)
    }

    /// Who may call.
    fn access(&self, watches: &mut JoinSet<()>) -> Result<Access> {
        let Some(file) = &self.tokens else {
            return Ok(Access::Open);
        };
        let tokens = Tokens::open(file).context("failed to read the tokens")?;
        info!(identities = tokens.count(), "calls need bearer tokens");
        Ok(Access::Tokens(watched(tokens, watches)))
    }

    /// Where the engine API is to be, and whose tokens open it: it is never without any.
    fn engine_api(
        &self,
        access: &Access,
        watches: &mut JoinSet<()>,
    ) -> Result<Option<(&str, Arc<Tokens>)>> {
        let Some(address) = self.engine_listen.as_deref() else {
            return Ok(None);
        };
        let tokens = match (&self.engine_tokens, access) {
            (Some(file), _) => {
                let tokens = Tokens::open_only(file, Scope::Engine);
                watched(
                    tokens.context("failed to read the tokens of the engine API")?,
                    watches,
                )
            }
            (None, Access::Tokens(tokens)) => tokens.clone(),
            (None, Access::Open) => bail!(
                "--engine-listen needs --engine-tokens or --tokens: nobody calls the engine \
                 without a token"
            ),
        };
        Ok(Some((address, tokens)))
    }
}

/// Sees to it that changes of the file count.
fn watched(tokens: Tokens, watches: &mut JoinSet<()>) -> Arc<Tokens> {
    let tokens = Arc::new(tokens);
    watches.spawn(tokens.clone().watch());
    tokens
}

async fn bind_engine_api(
    address: &str,
    engine: Arc<dyn Engine>,
    tokens: Arc<Tokens>,
) -> Result<Server<EngineApi>> {
    let limits = http::Limits {
        body_bytes: BODY_BYTES_MAX,
        ..http::Limits::default()
    };
    let site = Arc::new(EngineApi::new(engine, tokens));
    let server = Server::bind(address, site, Connections::default(), limits).await;
    server.with_context(|| format!("failed to listen on {address} for the engine API"))
}

/// Says so when clients need no token and are perhaps not on this machine.
fn warn_of_strangers(access: &Access, address: SocketAddr, has_engine_api: bool) {
    let Access::Open = access else {
        return;
    };
    if !address.ip().to_canonical().is_loopback() {
        warn!(
            %address,
            "whoever reaches this address may do anything; --tokens says who may do what"
        );
    }
    if has_engine_api {
        warn!(
            "whoever reaches the endpoints elsewhere may do anything; --tokens says who may do what"
        );
    }
}

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "forever" => Ok(Keep::Forever),
        days => days
            .parse()
            .map(Keep::Days)
            .map_err(|_| "use a number of days, or `forever`".to_owned()),
    }
}

/// Resolves on SIGTERM or SIGINT.
fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
