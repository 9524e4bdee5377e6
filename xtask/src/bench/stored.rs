//! Whether what is stored slows down what is new: the same calls on few executions and on many.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::load::{self, Connection, Measured, Request};
use crate::{
    host::{Host, Setup},
    shell::say,
};

/// Executions that are over.
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;

/// How many times as long a call may take among many.
const RATIO_MAX: f64 = 1.3;

/// Clients that fill the database.
const CLIENTS: usize = 64;

/// Executions whose status is read, from all over the database: so many that no answer is one of a
/// moment ago.
const READ: usize = 1_000;

const WORKFLOW: &str = "bench_stored";

/// Median times of starting an execution, reading one and listing the newest.
struct Looks([Measured; 3]);

const CALLS: [&str; 3] = ["start", "status", "list"];

/// On the database that the setup names.
pub fn measure(setup: &Setup, time: Duration) -> Result<Vec<Value>> {
    let host = setup.start()?;
    let node = json!({"id": "only", "phase": "compute", "input": {"n": "{{ input.n }}"}});
    let definition = json!({"id": WORKFLOW, "nodes": [node]});
    host.client()
        .put(&format!("/api/workflows/{WORKFLOW}"), &definition)?;
    let ids = fill(&host, FEW)?;
    let few = look(&host, &ids, time)?;
    let ids = fill(&host, MANY - FEW)?;
    let many = look(&host, &ids, time)?;
    host.stop()?;
    let results = CALLS.iter().zip(few.0).zip(many.0).map(compare);
    Ok(results.collect())
}

fn compare(((call, few), many): ((&&str, Measured), Measured)) -> Value {
    let ratio = many.median().as_secs_f64() / few.median().as_secs_f64();
    eprintln!("  {call:<6} among {FEW}  {few}");
    eprintln!("  {call:<6} among {MANY}  {many}: ratio {ratio:.2}");
    json!({
        "bench": "stored", "call": call, "executions": [FEW, MANY],
        "median_ms": [load::rounded_ms(few.median()), load::rounded_ms(many.median())],
        "ratio": (ratio * 100.0).round() / 100.0, "goal": RATIO_MAX,
        "reached": ratio <= RATIO_MAX,
    })
}

/// Runs so many executions; gives the ids of some of them.
fn fill(host: &Host, count: usize) -> Result<Vec<String>> {
    say(&format!("{count} executions"));
    let request = start(host, &[("prefer", "wait=60")])?;
    let ids = Mutex::new(Vec::new());
    load::share(count, CLIENTS, || {
        let mut connection = Connection::new(host.base())?;
        let (request, ids) = (&request, &ids);
        let mut done = 0;
        Ok(move || {
            let body = connection.call(request, "\"status\":\"completed\"")?;
            if done % (count / READ).max(1) == 0 {
                let execution: Value = serde_json::from_str(body)?;
                let id = execution["execution_id"].as_str().context("it has no id")?;
                let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
                ids.push(id.to_owned());
            }
            done += 1;
            Ok(())
        })
    })?;
    Ok(ids.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn look(host: &Host, ids: &[String], time: Duration) -> Result<Looks> {
    ensure!(!ids.is_empty(), "there is nothing to read");
    let get = |path: String| Request::new(host.base(), "GET", &path, &[], "");
    let reads = ids.iter().map(|id| get(format!("/api/executions/{id}")));
    let reads: Vec<_> = reads.collect::<Result<_>>()?;
    let starts = [start(host, &[])?];
    let lists = [get("/api/executions?limit=20".to_owned())?];
    let each = |requests: &[Request], expects: &str| -> Result<Measured> {
        let run = |time| {
            load::each(1, time, || {
                let mut connection = Connection::new(host.base())?;
                let mut next = requests.iter().cycle();
                Ok(move || {
                    let request = next.next().context("there is no request")?;
                    connection.call(request, expects).map(drop)
                })
            })
        };
        run(Duration::from_secs(1))?;
        Ok(Measured::of(run(time)?.times))
    };
    Ok(Looks([
        each(&starts, "\"execution_id\"")?,
        each(&reads, "\"status\":\"completed\"")?,
        each(&lists, "\"items\"")?,
    ]))
}

fn start(host: &Host, headers: &[(&str, &str)]) -> Result<Request> {
    let path = format!("/api/workflows/{WORKFLOW}/execute");
    let body = json!({"input": {"n": 1}}).to_string();
    Request::new(host.base(), "POST", &path, headers, &body)
}
