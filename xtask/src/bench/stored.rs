//! Whether what is stored slows down what is new: the same calls on a thousand executions and on ten
//! times as many, again and again.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::{
    load::{self, Connection, Measured, Request},
    postgres::Rig,
};
use crate::{
    cleanup::TempFolder,
    host::{Host, Setup},
    shell::say,
};

/// Executions that are over, in the database that the others are compared with.
const FEW: usize = 1_000;

/// Executions that it ends with unless `--executions` says otherwise.
pub const MANY_DEFAULT: usize = 1_000_000;

/// How many times as long a call may take among up to a million.
const RATIO_MAX: f64 = 1.3;

/// Among more it is measured, not promised.
const PROMISED: usize = 1_000_000;

/// Clients that fill the database.
const CLIENTS: usize = 64;

/// How often few and many take turns, since the machine is another one a minute later.
const TURNS: usize = 5;

/// Calls of one kind in one turn; as many again before the first, which do not count.
const CALLS: usize = 200;

const WORKFLOW: &str = "bench_stored";

/// What is called, in this order.
const KINDS: [&str; 4] = ["start", "status", "list", "list_failed"];

/// A host, and the ids of some executions that it has finished.
struct Filled {
    host: Host,
    ids: Vec<String>,
}

/// On a `SQLite` file, and then on PostgreSQL, until so many executions are stored in each.
pub fn measure(setup: &Setup, executions: usize) -> Result<Vec<Value>> {
    if executions <= FEW {
        bail!("--executions is more than {FEW}");
    }
    let folders = (TempFolder::new()?, TempFolder::new()?);
    let few = setup.on_sqlite_in(folders.0.path());
    let many = setup.on_sqlite_in(folders.1.path());
    let mut results = compare("sqlite", (&few, &many), executions)?;
    drop(folders);
    let (few, many) = (Rig::new(setup)?, Rig::new(setup)?);
    let few_and_many = (&few.setup, &many.setup);
    results.extend(compare("postgres", few_and_many, executions)?);
    Ok(results)
}

/// On two databases in which there is nothing yet.
fn compare(name: &str, (few, many): (&Setup, &Setup), executions: usize) -> Result<Vec<Value>> {
    let mut few = Filled::new(few)?;
    few.run(FEW)?;
    let mut many = Filled::new(many)?;
    let mut results = Vec::new();
    let mut stored = 0;
    let powers = (1..).map(|power| FEW * 10_usize.pow(power));
    for size in powers
        .take_while(|&size| size < executions)
        .chain([executions])
    {
        let per_second = many.run(size - stored)?;
        stored = size;
        let looks = look(&few, &many)?;
        results.extend(
            KINDS
                .iter()
                .zip(looks)
                .map(|(kind, look)| tell((name, kind), size, &look)),
        );
        results.push(json!({
            "bench": "stored", "database": name, "call": "run", "executions": size,
            "per_second": per_second.round(),
        }));
    }
    few.host.stop()?;
    many.host.stop()?;
    Ok(results)
}

/// Times among few and among many.
type Look = [Measured; 2];

fn tell((database, kind): (&str, &str), size: usize, [few, many]: &Look) -> Value {
    let ratio = many.median().as_secs_f64() / few.median().as_secs_f64();
    eprintln!("  {kind:<11} among {FEW}  {few}");
    eprintln!("  {kind:<11} among {size}  {many}: ratio {ratio:.2}");
    let mut told = json!({
        "bench": "stored", "database": database, "call": kind, "executions": [FEW, size],
        "median_ms": [load::rounded_ms(few.median()), load::rounded_ms(many.median())],
        "ratio": (ratio * 100.0).round() / 100.0,
    });
    if size <= PROMISED {
        told["goal"] = RATIO_MAX.into();
        told["reached"] = (ratio <= RATIO_MAX).into();
    }
    told
}

/// All kinds of calls, on few and on many in turns.
fn look(few: &Filled, many: &Filled) -> Result<Vec<Look>> {
    let mut clients = [few.client()?, many.client()?];
    let mut times = KINDS.map(|_| [Vec::new(), Vec::new()]);
    for turn in 0..=TURNS {
        for (side, client) in clients.iter_mut().enumerate() {
            for (kind, times) in times.iter_mut().enumerate() {
                let took = client.calls(kind, turn)?;
                if turn > 0 {
                    times[side].extend(took);
                }
            }
        }
    }
    Ok(times.map(|both| both.map(Measured::of)).into())
}

impl Filled {
    /// With nothing in it yet.
    fn new(setup: &Setup) -> Result<Self> {
        let host = setup.start()?;
        let node = json!({"id": "only", "phase": "compute", "input": {"n": "{{ input.n }}"}});
        let definition = json!({"id": WORKFLOW, "nodes": [node]});
        host.client()
            .put(&format!("/api/workflows/{WORKFLOW}"), &definition)?;
        let ids = Vec::new();
        Ok(Self { host, ids })
    }

    /// Runs so many executions to their ends, and keeps the ids of some; gives how many a second.
    fn run(&mut self, count: usize) -> Result<f64> {
        say(&format!("{count} executions"));
        let started = Instant::now();
        let request = start(&self.host, &[("prefer", "wait=60")])?;
        let ids = Mutex::new(Vec::new());
        let kept = (TURNS + 1) * CALLS;
        load::share(count, CLIENTS, || {
            let mut connection = Connection::new(self.host.base())?;
            let (request, ids) = (&request, &ids);
            let mut done = 0;
            Ok(move || {
                let body = connection.call(request, "\"status\":\"completed\"")?;
                if done % (count / kept).max(1) == 0 {
                    let execution: Value = serde_json::from_str(body)?;
                    let id = execution["execution_id"].as_str().context("it has no id")?;
                    let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
                    ids.push(id.to_owned());
                }
                done += 1;
                Ok(())
            })
        })?;
        self.ids = ids.into_inner().unwrap_or_else(PoisonError::into_inner);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a count of calls is far below 2^52"
        )]
        Ok(count as f64 / started.elapsed().as_secs_f64())
    }

    fn client(&self) -> Result<Client> {
        ensure!(!self.ids.is_empty(), "there is nothing to read");
        let get = |path: &str| Request::new(self.host.base(), "GET", path, &[], "");
        let reads = self.ids.iter();
        let reads = reads.map(|id| get(&format!("/api/executions/{id}")));
        let failed = format!("/api/executions?workflow_id={WORKFLOW}&status=failed&limit=20");
        Ok(Client {
            connection: Connection::new(self.host.base())?,
            requests: [
                (vec![start(&self.host, &[])?], "\"execution_id\""),
                // So many that no answer is one of a moment ago.
                (reads.collect::<Result<_>>()?, "\"status\":\"completed\""),
                (vec![get("/api/executions?limit=20")?], "\"items\":[{"),
                (vec![get(&failed)?], "\"items\":[]"),
            ],
        })
    }
}

/// Who makes all kinds of calls on one host.
struct Client {
    connection: Connection,
    /// Of each kind, one after the other, and what is in their answers.
    requests: [(Vec<Request>, &'static str); KINDS.len()],
}

impl Client {
    /// One turn of one kind; gives how long each call took.
    fn calls(&mut self, kind: usize, turn: usize) -> Result<Vec<Duration>> {
        let (requests, expects) = &self.requests[kind];
        let requests = requests.iter().cycle().skip(turn * CALLS).take(CALLS);
        let took = requests.map(|request| {
            let begin = Instant::now();
            self.connection.call(request, expects)?;
            Ok(begin.elapsed())
        });
        took.collect()
    }
}

fn start(host: &Host, headers: &[(&str, &str)]) -> Result<Request> {
    let path = format!("/api/workflows/{WORKFLOW}/execute");
    let body = json!({"input": {"n": 1}}).to_string();
    Request::new(host.base(), "POST", &path, headers, &body)
}
