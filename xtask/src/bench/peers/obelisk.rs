//! Obelisk: its server from crates.io on a `SQLite` file of its own, with a component of steps and
//! one of workflows; over its HTTP API.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
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

/// What the components are deployed with, and what is there when they are.
const SETTINGS: &str = "server.toml";
const DEPLOYMENT: &str = "deployment.toml";

/// How often to look whether a workflow waits for a person.
const POLL: Duration = Duration::from_millis(1);

/// Longest wait for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Builds the components and the server.
pub fn install(workspace: &Workspace) -> Result<Installed<'_>> {
    let settings = workspace.root.join("bench/obelisk");
    let mut files = vec![settings.join(SETTINGS), settings.join(DEPLOYMENT)];
    for component in ["bench-obelisk-activity", "bench-obelisk-workflow"] {
        files.push(install::cargo_component(workspace, component)?);
    }
    let version = pinned(&files[0])?;
    let server = install::cargo_server(workspace, "obelisk", &version)?;
    Ok(Installed {
        version,
        start: Box::new(move || {
            let [api] = free_addresses()?;
            let folder = TempFolder::new()?;
            for file in &files {
                let name = file.file_name().context("a file has a name")?;
                fs::copy(file, folder.path().join(name))
                    .with_context(|| format!("copy {}", file.display()))?;
            }
            let deployment = folder.path().join(DEPLOYMENT);
            let place = Place {
                program: server.clone(),
                api,
                folder,
            };
            let engine = Obelisk::start(place, &["--deployment".as_ref(), &deployment])?;
            Ok(Box::new(engine) as Box<dyn Engine>)
        }),
    })
}

/// The version that the server is to have, which looks itself whether it has it.
fn pinned(settings: &Path) -> Result<String> {
    let text = fs::read_to_string(settings)?;
    let version = text
        .split_once("obelisk-version = \"=")
        .and_then(|(_, after)| after.split('"').next());
    Ok(version.context("its version is not pinned")?.to_owned())
}

/// What it is started with, and again after a crash.
struct Place {
    program: PathBuf,
    api: SocketAddr,
    folder: TempFolder,
}

struct Obelisk {
    base: String,
    server: ChildGuard,
    place: Place,
}

impl Obelisk {
    /// What is deployed is in the database, so that it has to be said only once.
    fn start(place: Place, arguments: &[&Path]) -> Result<Self> {
        let folder = place.folder.path();
        let log = folder.join("log");
        let mut server = Command::new(&place.program);
        server
            .args(["server", "run", "--server-config"])
            .arg(folder.join(SETTINGS))
            .args(arguments)
            .env("OBELISK__API__LISTENING_ADDR", place.api.to_string());
        let server = spawn(&mut server, &log)?;
        let base = format!("http://{}", place.api);
        let client = Client::new(base.clone());
        until(&server, &log, || client.text("/v1/functions").is_ok())?;
        Ok(Self {
            base,
            server,
            place,
        })
    }

    /// Of an execution that is completed.
    fn read(&self) -> Result<Call> {
        let mut client = Starter::new(&self.base)?;
        let execution = client.start("diamond", 1)?;
        client.result(&execution, "\"ok\": 6\n")?;
        let path = format!("/v1/executions/{execution}/status");
        Ok(Call::get(&path, "Finished: OK"))
    }
}

impl Engine for Obelisk {
    fn run(&mut self, workload: Workload, clients: usize, time: Duration) -> Result<Run> {
        let base = &self.base;
        let call = match workload {
            Workload::Chain3 => execute("chain", 3, "\"ok\": 4\n"),
            Workload::Chain6 => execute("chain", 6, "\"ok\": 7\n"),
            Workload::Chain30 => execute("chain", 30, "\"ok\": 31\n"),
            Workload::Fan100 => execute("fan", 100, "\"ok\": 5050\n"),
            Workload::Diamond => execute("diamond", 1, "\"ok\": 6\n"),
            Workload::Recovery => execute("recovery", 20, "\"ok\": 21\n"),
            Workload::Reads => {
                let (read, chain) = (self.read()?, execute("chain", 3, "\"ok\": 4\n"));
                return load::run_beside(base, (&read, clients), (&chain, BESIDE_READS), time);
            }
            Workload::Checkpoint => {
                return load::each(clients, time, || {
                    let mut client = Starter::new(base)?;
                    Ok(move || client.review())
                });
            }
        };
        load::run(base, &call, clients, time)
    }

    fn start_many(&mut self, workload: Workload, count: usize) -> Result<()> {
        load::share(count, STARTERS, || {
            let mut client = Starter::new(&self.base)?;
            Ok(move || match workload {
                Workload::Recovery => client.start("recovery", STEPS).map(drop),
                _ => client.park().map(drop),
            })
        })
    }

    fn has_recovered(&mut self) -> Result<bool> {
        let client = Client::new(self.base.clone());
        let left = client.text("/v1/executions?hide_finished=true&length=1")?;
        if !left.is_empty() {
            return Ok(false);
        }
        let over = client.text("/v1/executions?length=65535")?;
        let has_failed = |line: &&str| !line.contains("`Finished: OK`");
        if let Some(failed) = over.lines().find(has_failed) {
            bail!("{failed}");
        }
        Ok(true)
    }

    fn crash(self: Box<Self>) -> Result<Box<dyn Engine>> {
        let Self { server, place, .. } = *self;
        drop(server);
        Ok(Box::new(Self::start(place, &[])?))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.child().id()]
    }
}

/// What starts an execution.
fn submission(workflow: &str, input: usize) -> String {
    json!({"ffqn": format!("bench:peer/workflows.{workflow}"), "params": [input]}).to_string()
}

/// One execution from its `POST` to its result.
fn execute(workflow: &str, input: usize, expects: &'static str) -> Call {
    Call {
        method: "POST",
        path: "/v1/executions?follow=true".to_owned(),
        headers: Vec::new(),
        body: submission(workflow, input),
        expects,
    }
}

/// Starts executions that nobody waits for at once, and decides.
struct Starter(Connection);

impl Starter {
    fn new(base: &str) -> Result<Self> {
        Connection::new(base).map(Self)
    }

    /// Gives the id of the execution.
    fn start(&mut self, workflow: &str, input: usize) -> Result<String> {
        let body = submission(workflow, input);
        let id = self.0.send("POST", "/v1/executions", &body, "E_")?;
        Ok(id.to_owned())
    }

    fn result(&mut self, execution: &str, expects: &str) -> Result<()> {
        let path = format!("/v1/executions/{execution}?follow=true");
        self.0.send("GET", &path, "", expects).map(drop)
    }

    fn review(&mut self) -> Result<()> {
        let execution = self.park()?;
        let stub = format!("{}/stub", decision(&execution));
        self.0.send("PUT", &stub, "{\"ok\":null}", "")?;
        self.result(&execution, "\"ok\": 3\n")
    }

    /// Starts an execution, and looks until it waits for a person, which nothing tells.
    fn park(&mut self) -> Result<String> {
        let execution = self.start("review", 1)?;
        let status = format!("{}/status", decision(&execution));
        let started = Instant::now();
        while let Err(error) = self.0.send("GET", &status, "", "") {
            if started.elapsed() > PATIENCE {
                return Err(error.context("nobody is asked to decide"));
            }
            sleep(POLL);
        }
        Ok(execution)
    }
}

/// The call that waits for the decision: the second that the workflow makes.
fn decision(execution: &str) -> String {
    format!("/v1/executions/{execution}.o:2-approve_1")
}
