//! Restate: its server from npm, and a service with its Rust SDK, which the server calls; over HTTP.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use serde_json::json;

use super::{
    super::load::{self, Call, Connection, Run},
    engine::{Engine, Installed, STARTERS},
    install,
    server::{free_addresses, spawn, until},
    workload::{BESIDE_READS, STEPS, Workload},
};
use crate::{
    cleanup::{ChildGuard, TempFolder},
    client::Client,
    workspace::Workspace,
};

/// Installs the server and builds the service.
pub fn install(workspace: &Workspace) -> Result<Installed<'_>> {
    let server = install::npm_server(workspace)?;
    let service = install::cargo_program(workspace, "bench-restate")?;
    let settings = workspace.root.join("bench/restate/restate.toml");
    Ok(Installed {
        version: format!(
            "server {}, restate-sdk {}",
            install::npm_version(workspace, "@restatedev/restate-server")?,
            install::cargo_version(workspace, "restate-sdk")?
        ),
        start: Box::new(move || {
            let [ingress, admin, node, handlers] = free_addresses()?;
            let engine = Restate::start(Place {
                server: server.clone(),
                settings: settings.clone(),
                service: service.clone(),
                ingress,
                admin,
                node,
                handlers,
                folder: TempFolder::new()?,
            })?;
            engine.deploy()?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        }),
    })
}

/// What it is started with, and again after a crash.
struct Place {
    server: PathBuf,
    settings: PathBuf,
    service: PathBuf,
    ingress: SocketAddr,
    admin: SocketAddr,
    node: SocketAddr,
    handlers: SocketAddr,
    folder: TempFolder,
}

struct Restate {
    base: String,
    server: ChildGuard,
    service: ChildGuard,
    place: Place,
}

impl Restate {
    fn start(place: Place) -> Result<Self> {
        let folder = place.folder.path();
        let mut service = Command::new(&place.service);
        service.env("BENCH_LISTEN", place.handlers.to_string());
        let mut server = Command::new(&place.server);
        server
            .args(["--no-logo", "--node-name", "bench", "--config-file"])
            .arg(&place.settings)
            .arg("--base-dir")
            .arg(folder.join("data"))
            .env("RESTATE_BIND_PORT", place.node.port().to_string())
            .env(
                "RESTATE_INGRESS__BIND_PORT",
                place.ingress.port().to_string(),
            )
            .env("RESTATE_ADMIN__BIND_PORT", place.admin.port().to_string());
        Ok(Self {
            base: format!("http://{}", place.ingress),
            service: spawn(&mut service, &folder.join("service.log"))?,
            server: spawn(&mut server, &place.log())?,
            place,
        })
    }

    fn admin(&self) -> Client {
        Client::new(format!("http://{}", self.place.admin))
    }

    /// Registers the service as soon as the server can be asked, and waits until it is called.
    fn deploy(&self) -> Result<()> {
        let deployment = json!({"uri": format!("http://{}", self.place.handlers)});
        let admin = self.admin();
        let ingress = Client::new(self.base.clone());
        let (server, log) = (&self.server, self.place.log());
        until(server, &log, || {
            admin.post("/deployments", &[], &deployment).is_ok()
        })?;
        until(server, &log, || {
            ingress.post("/Bench/chain", &[], &json!(3)).is_ok()
        })
    }
}

impl Restate {
    /// Of an invocation that is completed; those with a key are kept for a day.
    fn read(&self) -> Result<Call> {
        let mut reviewer = Reviewer::new(&self.base)?;
        let key = reviewer.start()?;
        reviewer.approve(key)?;
        Ok(Call {
            method: "GET",
            path: format!("/restate/workflow/Review/{key}/output"),
            headers: Vec::new(),
            body: String::new(),
            expects: "{\"n\":3}",
        })
    }
}

fn call(handler: &str, body: u32, expects: &'static str) -> Call {
    Call {
        method: "POST",
        path: format!("/Bench/{handler}"),
        headers: Vec::new(),
        body: body.to_string(),
        expects,
    }
}

impl Engine for Restate {
    fn run(&mut self, workload: Workload, clients: usize, time: Duration) -> Result<Run> {
        let base = &self.base;
        let (handler, body, expects) = match workload {
            Workload::Chain3 => ("chain", 3, "{\"n\":4}"),
            Workload::Chain6 => ("chain", 6, "{\"n\":7}"),
            Workload::Chain30 => ("chain", 30, "{\"n\":31}"),
            Workload::Fan100 => ("fan", 100, "{\"n\":5050}"),
            Workload::Diamond => ("diamond", 1, "{\"n\":6}"),
            Workload::Recovery => ("recovery", 20, "{\"n\":21}"),
            Workload::Reads => {
                let (read, chain) = (self.read()?, call("chain", 3, "{\"n\":4}"));
                return load::run_beside(base, (&read, clients), (&chain, BESIDE_READS), time);
            }
            Workload::Checkpoint => {
                return load::each(clients, time, || {
                    let mut reviewer = Reviewer::new(base)?;
                    Ok(move || reviewer.decide())
                });
            }
        };
        load::run(base, &call(handler, body, expects), clients, time)
    }

    fn start_many(&mut self, workload: Workload, count: usize) -> Result<()> {
        load::share(count, STARTERS, || {
            let mut reviewer = Reviewer::new(&self.base)?;
            let steps = STEPS.to_string();
            Ok(move || match workload {
                Workload::Recovery => (reviewer.0)
                    .send("POST", "/Bench/recovery/send", &steps, "")
                    .map(drop),
                _ => reviewer.start().map(drop),
            })
        })
    }

    fn has_recovered(&mut self) -> Result<bool> {
        let left = "SELECT count(*) AS n FROM sys_invocation \
                    WHERE target_handler_name = 'recovery' AND status <> 'completed'";
        let accept = [("accept", "application/json")];
        let answer = self
            .admin()
            .post("/query", &accept, &json!({"query": left}));
        // It cannot tell while it finds itself again.
        Ok(answer.is_ok_and(|answer| answer["rows"][0]["n"] == 0))
    }

    fn crash(self: Box<Self>) -> Result<Box<dyn Engine>> {
        let Self {
            server,
            service,
            place,
            ..
        } = *self;
        drop((server, service));
        let engine = Self::start(place)?;
        let admin = engine.admin();
        let log = engine.place.log();
        until(&engine.server, &log, || admin.text("/health").is_ok())?;
        Ok(Box::new(engine))
    }

    fn processes(&self) -> Vec<u32> {
        [&self.server, &self.service]
            .map(|guard| guard.child().id())
            .to_vec()
    }
}

/// Starts executions that wait for a person, and decides.
struct Reviewer(Connection);

impl Reviewer {
    fn new(base: &str) -> Result<Self> {
        Connection::new(base).map(Self)
    }

    /// Gives the key of the execution.
    fn start(&mut self) -> Result<usize> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let key = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/Review/{key}/run/send");
        self.0.send("POST", &path, "1", "")?;
        Ok(key)
    }

    fn decide(&mut self) -> Result<()> {
        let key = self.start()?;
        self.approve(key)
    }

    /// Gives the decision, and waits for the result.
    fn approve(&mut self, key: usize) -> Result<()> {
        let approve = format!("/Review/{key}/approve");
        self.0.send("POST", &approve, "", "")?;
        let result = format!("/restate/workflow/Review/{key}/attach");
        self.0.send("GET", &result, "", "{\"n\":3}").map(drop)
    }
}

impl Place {
    fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}
