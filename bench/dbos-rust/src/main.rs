//! DBOS for Rust, in process: steps are functions of this program, the journal is PostgreSQL.
#![forbid(unsafe_code)]

mod driver;

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use dbos::{Config, DBOS, WorkflowRef, recv, step, sysdb::types::WorkflowStatus, workflow_id};
use driver::{Asked, Ran, serve, start_many};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// Connections of all clients together: chains like more than the 10 that it comes with.
const POOL: u32 = 40;

/// How long an execution waits for a person, and what it wants to hear.
const PATIENCE: Duration = Duration::from_secs(3600);
const APPROVE: &str = "approve";

/// Ids of executions that have come to their checkpoint in this process, and how often to look.
static WAITING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
const POLL: Duration = Duration::from_millis(10);

/// Input and output of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Number {
    n: u32,
}

async fn add_one(n: u32) -> dbos::Result<Number> {
    Ok(Number { n: n + 1 })
}

async fn chain(length: u32) -> dbos::Result<u32> {
    let mut n = 1;
    for _ in 0..length {
        n = step("add_one", || add_one(n)).await?.n;
    }
    Ok(n)
}

async fn fan(width: u32) -> dbos::Result<u32> {
    let steps = (0..width).map(|n| step("add_one", move || add_one(n)));
    let results: Vec<Number> = try_join_all(steps.map(IntoFuture::into_future)).await?;
    Ok(results.iter().map(|result| result.n).sum())
}

async fn diamond(n: u32) -> dbos::Result<u32> {
    let requirements = step("requirements", || add_one(n)).await?.n;
    let design = step("design", || add_one(requirements)).await?.n;
    let backend = step("backend", || add_one(design));
    let frontend = step("frontend", || add_one(design));
    let (backend, _) = futures::try_join!(
        IntoFuture::into_future(backend),
        IntoFuture::into_future(frontend)
    )?;
    let testing = step("testing", || add_one(backend.n)).await?.n;
    Ok(step("review", || add_one(testing)).await?.n)
}

async fn checkpoint(n: u32) -> dbos::Result<u32> {
    let draft = step("draft", || add_one(n)).await?.n;
    lock(&WAITING).extend(workflow_id());
    let decision: Option<String> = recv(None, PATIENCE).await?;
    if decision.as_deref() != Some(APPROVE) {
        // It shows in the result.
        return Ok(0);
    }
    Ok(step("last", || add_one(draft)).await?.n)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics with it")
}

async fn wait_and_add_one(n: u32) -> dbos::Result<Number> {
    sleep(Duration::from_millis(100)).await;
    add_one(n).await
}

async fn recovery(length: u32) -> dbos::Result<u32> {
    let mut n = 1;
    for _ in 0..length {
        n = step("wait", || wait_and_add_one(n)).await?.n;
    }
    Ok(n)
}

struct Workflows {
    dbos: DBOS,
    recovery: WorkflowRef<u32, u32>,
    checkpoint: WorkflowRef<u32, u32>,
    chain: WorkflowRef<u32, u32>,
    fan: WorkflowRef<u32, u32>,
    diamond: WorkflowRef<u32, u32>,
}

impl Workflows {
    async fn run(&self, asked: Asked) -> Result<Ran, String> {
        let load = match asked {
            Asked::Start { start, count } => {
                let (workflow, input) = match start.as_str() {
                    "checkpoint" => (&self.checkpoint, 1),
                    "recovery" => (&self.recovery, 20),
                    other => return Err(format!("there is no workload {other:?}")),
                };
                let start = async || {
                    let handle = text(workflow.start(input).await)?;
                    while start == "checkpoint" && !lock(&WAITING).contains(handle.workflow_id()) {
                        sleep(POLL).await;
                    }
                    Ok(())
                };
                return start_many(count, start).await;
            }
            Asked::Run(load) => load,
        };
        let (workflow, input, expected) = match load.workload.as_str() {
            "chain3" => (&self.chain, 3, 4),
            "chain6" => (&self.chain, 6, 7),
            "chain30" => (&self.chain, 30, 31),
            "fan100" => (&self.fan, 100, 5050),
            "diamond" => (&self.diamond, 1, 6),
            "checkpoint" => return load.run(|| self.decide(), || self.chain3()).await,
            "reads" => {
                let finished = text(self.diamond.start(1).await)?;
                let id = finished.workflow_id().to_owned();
                check(text(finished.result().await)?, 6)?;
                return load.run(|| self.read(id.clone()), || self.chain3()).await;
            }
            other => return Err(format!("there is no workload {other:?}")),
        };
        let call = || execute(workflow.clone(), input, expected);
        load.run(call, || self.chain3()).await
    }

    fn chain3(&self) -> impl Future<Output = Result<(), String>> + use<> {
        execute(self.chain.clone(), 3, 4)
    }

    /// Starts an execution, approves, and waits for the result.
    fn decide(&self) -> impl Future<Output = Result<(), String>> + use<> {
        let (dbos, workflow) = (self.dbos.clone(), self.checkpoint.clone());
        async move {
            let handle = text(workflow.start(1).await)?;
            let approve = APPROVE.to_owned();
            text(dbos.send(handle.workflow_id(), &approve).await)?;
            check(text(handle.result().await)?, 3)
        }
    }

    /// Reads where an execution stands, which is at its end.
    fn read(&self, id: String) -> impl Future<Output = Result<(), String>> + use<> {
        let dbos = self.dbos.clone();
        async move {
            let handle = text(dbos.retrieve_workflow::<u32, dbos::EngineOnly>(&id))?;
            let status = text(handle.status().await)?;
            if status != WorkflowStatus::Success {
                return Err(format!("{id} is {status:?}"));
            }
            Ok(())
        }
    }
}

async fn execute(workflow: WorkflowRef<u32, u32>, input: u32, expected: u32) -> Result<(), String> {
    check(text(workflow.run(input).await)?, expected)
}

fn text<T>(result: dbos::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn check(result: u32, expected: u32) -> Result<(), String> {
    if result != expected {
        return Err(format!("the result is {result}, not {expected}"));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dbos = DBOS::new(Config {
        app_version: Some("1".to_owned()),
        max_connections: POOL,
        ..Config::new("bench", env::var("BENCH_DATABASE")?)
    });
    let workflows = Workflows {
        chain: dbos.register_workflow("chain", chain)?,
        fan: dbos.register_workflow("fan", fan)?,
        diamond: dbos.register_workflow("diamond", diamond)?,
        checkpoint: dbos.register_workflow("checkpoint", checkpoint)?,
        recovery: dbos.register_workflow("recovery", recovery)?,
        dbos: dbos.clone(),
    };
    dbos.launch().await?;
    serve(|asked| workflows.run(asked)).await?;
    dbos.shutdown().await;
    Ok(())
}
