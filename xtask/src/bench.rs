//! `cargo xtask bench`: what a host on this machine does, measured from outside.
//!
//! Load generator and host share the processors, so the figures are what is left to the host.

mod disk;
mod edge;
mod load;
mod memory;
mod micro;
mod peers;
mod postgres;
mod process;
mod size;
mod stored;

use std::{
    process::{Command, ExitCode},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    arguments::{Argument, Arguments},
    build,
    cleanup::TempFolder,
    host::{Host, Setup},
    shell::{self, say},
    workspace::Workspace,
};
use load::{Call, Measured};

/// Requests a second that `/health/live` has to answer.
const LIVE_PER_SECOND_MIN: f64 = 40_000.0;

/// Reads a second of an execution that is over.
const STATUS_PER_SECOND_MIN: f64 = 12_000.0;

/// Executions a second with 64 clients at a time: twice what Restate does.
const EXECUTIONS_PER_SECOND_MIN: f64 = 4_600.0;

/// What the median execution may take beside two waits for the disk.
const OVERHEAD_MAX: Duration = Duration::from_millis(1);

/// Clients at a time when throughput is measured.
const CLIENTS: usize = 64;

/// The workflow that is measured: three phases that compute, one after another.
const WORKFLOW: &str = "bench_chain";

/// How long each measurement takes unless `--seconds` says otherwise.
const SECONDS_DEFAULT: u64 = 10;

/// How often disk and engine take turns when latency is measured, or two doors, because disks and
/// machines have moods.
const TURNS: u32 = 10;

/// Longest measurement, in seconds: a long lunch.
const SECONDS_MAX: u64 = 3600;

/// `cargo xtask bench`
pub fn command(workspace: &Workspace, mut arguments: Arguments) -> Result<ExitCode> {
    if arguments.take_word("peers") {
        return peers::command(workspace, arguments);
    }
    if arguments.take_word("micro") {
        return micro::command(workspace, arguments);
    }
    let mut wanted = Vec::new();
    let mut seconds = SECONDS_DEFAULT;
    let mut stored = stored::MANY_DEFAULT;
    let mut builds = true;
    arguments.parse(|argument, values| {
        match argument {
            Argument::Word(
                name @ ("http" | "latency" | "throughput" | "memory" | "size" | "edge" | "postgres"
                | "parked" | "recovery" | "stored"),
            ) => {
                wanted.push(name.to_owned());
            }
            Argument::Option("seconds") => seconds = values.next()?,
            Argument::Option("executions") => stored = values.next()?,
            Argument::Option("no-build") => builds = false,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let time = time(seconds)?;
    let workspace = &measured(workspace, builds)?;
    let is_named = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let is_wanted = |name: &str| wanted.is_empty() || is_named(name);
    let folder = TempFolder::new()?;
    let mut setup = Setup::new(workspace, folder.path().to_owned());
    setup.phases.push(workspace.test_phases());
    let host = setup.start()?;
    let mut results = Vec::new();
    define(&host)?;
    if is_wanted("http") {
        results.extend(http(&host, seconds)?);
    }
    if is_wanted("latency") {
        results.push(latency(&host, folder.path(), time)?);
    }
    if is_wanted("throughput") {
        results.push(throughput(&host, time)?);
    }
    if is_wanted("size") {
        results.extend(size::measure(&host)?);
    }
    host.stop()?;
    if is_wanted("memory") {
        results.extend(memory::measure(&setup)?);
    }
    if is_wanted("edge") {
        results.extend(edge::measure(workspace, &setup, time)?);
    }
    if is_wanted("postgres") {
        results.extend(postgres::measure(&setup, time)?);
    }
    // It takes minutes, so only when it is asked for by name.
    if is_named("parked") {
        results.push(postgres::parked(&setup)?);
    }
    if is_named("recovery") {
        results.push(postgres::recovery(&setup)?);
    }
    if is_named("stored") {
        results.extend(stored::measure(&setup, stored)?);
    }
    Ok(tell(results))
}

/// The host as it is deployed: built now, or as it was built last.
fn measured(workspace: &Workspace, builds: bool) -> Result<Workspace> {
    if !builds {
        return Ok(workspace.deployed());
    }
    build::all(workspace)?;
    build::deployed(workspace)
}

/// As `--seconds` says.
fn time(seconds: u64) -> Result<Duration> {
    if !(1..=SECONDS_MAX).contains(&seconds) {
        bail!("--seconds is 1 to {SECONDS_MAX}");
    }
    Ok(Duration::from_secs(seconds))
}

/// Prints the results; a failure when a goal is not reached.
fn tell(results: Vec<Value>) -> ExitCode {
    // Some have no goal.
    let is_reached = results.iter().all(|result| result["reached"] != false);
    println!("{}", Value::from(results));
    ExitCode::from(u8::from(!is_reached))
}

/// What clients ask all the time, with wrk, through its components.
fn http(host: &Host, seconds: u64) -> Result<Vec<Value>> {
    if !shell::is_installed("wrk", "--version") {
        say("http is not measured: wrk is not installed (apt-get install wrk)");
        return Ok(Vec::new());
    }
    let status = read_of(host, &execute())?.path;
    Ok(vec![
        wrk(host, "live", "/health/live", LIVE_PER_SECOND_MIN, seconds)?,
        wrk(host, "status", &status, STATUS_PER_SECOND_MIN, seconds)?,
    ])
}

/// `GET`s a second with 32 at a time.
fn wrk(host: &Host, name: &str, path: &str, goal: f64, seconds: u64) -> Result<Value> {
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c32", "--latency", &format!("-d{seconds}s")])
        .arg(format!("{}{path}", host.base()));
    let mut per_second = None;
    let mut is_clean = true;
    shell::run_reading(&mut wrk, |line| {
        let line = line.trim();
        if let Some(figure) = line.strip_prefix("Requests/sec:") {
            per_second = figure.trim().parse::<f64>().ok();
        }
        is_clean &= !line.starts_with("Non-2xx") && !line.starts_with("Socket errors");
    })?;
    let per_second = per_second.context("wrk tells no requests per second")?;
    if !is_clean {
        bail!("not every answer was a good one");
    }
    Ok(json!({
        "bench": "http", "call": name, "clients": 32,
        "requests_per_second": per_second, "goal": goal,
        "reached": per_second >= goal,
    }))
}

fn define(host: &Host) -> Result<()> {
    let node = |id: &str, needs: &[&str], input: &str| json!({"id": id, "phase": "compute", "needs": needs, "input": {"n": input}});
    let definition = json!({
        "id": WORKFLOW,
        "nodes": [
            node("first", &[], "{{ input.n }}"),
            node("second", &["first"], "{{ nodes.first.output.n }}"),
            node("third", &["second"], "{{ nodes.second.output.n }}"),
        ],
        "output": {"n": "{{ nodes.third.output.n }}"},
    });
    host.client()
        .put(&format!("/api/workflows/{WORKFLOW}"), &definition)?;
    Ok(())
}

/// One execution from its POST to the answer that it is completed.
fn execute() -> Call {
    Call {
        method: "POST",
        path: format!("/api/workflows/{WORKFLOW}/execute"),
        headers: vec![("prefer", "wait=60")],
        body: json!({"input": {"n": 1}}).to_string(),
        expects: "\"status\":\"completed\"",
    }
}

/// Runs an execution to its end; gives the call that reads it.
fn read_of(host: &Host, execute: &Call) -> Result<Call> {
    let body = serde_json::from_str(&execute.body)?;
    let execution = host.client().post(&execute.path, &execute.headers, &body)?;
    let id = execution["execution_id"].as_str().context("it has no id")?;
    Ok(Call::get(&format!("/api/executions/{id}"), execute.expects))
}

/// One client at a time, against what the disk takes in the same minute.
fn latency(host: &Host, folder: &std::path::Path, time: Duration) -> Result<Value> {
    say("latency: one client, 3 phases, Prefer: wait");
    let call = execute();
    load::run(host.base(), &call, 1, Duration::from_secs(1))?;
    let mut disk = disk::Probe::new(folder)?;
    let mut times = Vec::new();
    let mut syncs = Vec::new();
    for _ in 0..TURNS {
        syncs.extend(disk.sync_for(time / (2 * TURNS))?);
        times.extend(load::run(host.base(), &call, 1, time / (2 * TURNS))?.times);
    }
    let measured = Measured::of(times);
    let disk = Measured::of(syncs);
    let allowed = disk.median() * 2 + OVERHEAD_MAX;
    let is_reached = measured.median() <= allowed;
    eprintln!("  execution  {measured}");
    eprintln!("  fsync      {disk}");
    eprintln!("  allowed    {}", load::ms(allowed));
    Ok(json!({
        "bench": "latency", "clients": 1, "nodes": 3,
        "median_ms": load::rounded_ms(measured.median()),
        "p99_ms": load::rounded_ms(measured.at(0.99)),
        "fsync_median_ms": load::rounded_ms(disk.median()),
        "goal_ms": load::rounded_ms(allowed), "reached": is_reached,
    }))
}

/// Many clients at a time, each starting the next execution when the last one is completed.
fn throughput(host: &Host, time: Duration) -> Result<Value> {
    say(&format!(
        "throughput: {CLIENTS} clients, 3 phases, Prefer: wait"
    ));
    let call = execute();
    load::run(host.base(), &call, CLIENTS, Duration::from_secs(2))?;
    let run = load::run(host.base(), &call, CLIENTS, time)?;
    let per_second = run.per_second();
    let measured = Measured::of(run.times);
    eprintln!("  execution  {measured}");
    eprintln!("  {per_second:.0} executions a second");
    Ok(json!({
        "bench": "throughput", "clients": CLIENTS, "nodes": 3,
        "executions_per_second": per_second.round(),
        "median_ms": load::rounded_ms(measured.median()),
        "p99_ms": load::rounded_ms(measured.at(0.99)),
        "goal": EXECUTIONS_PER_SECOND_MIN,
        "reached": per_second >= EXECUTIONS_PER_SECOND_MIN,
    }))
}
