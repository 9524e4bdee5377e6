//! What a host keeps in memory: at rest, and for each execution that runs.

use std::{thread::sleep, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    CLIENTS,
    load::{self, Connection, Request},
    process::resident_bytes,
};
use crate::{
    cleanup::TempFolder,
    host::{Host, Setup},
    shell::say,
};

const MIB: f64 = 1024.0 * 1024.0;

/// Most that a host may keep at rest.
const REST_MAX: f64 = 60.0 * MIB;

/// Most that an execution may keep in memory while it runs.
const EXECUTION_MAX: f64 = 4096.0;

/// Executions that run at once: first more than there are sandboxes, which keep more than an
/// execution does, then those that count.
const FIRST: u16 = 2_000;
const RUNNING: u16 = 10_000;

/// Free memory goes back to the system within this time.
const SETTLE: Duration = Duration::from_secs(25);

/// A host on the database that the setup names. Its first start compiles every component.
pub fn measure(setup: &Setup) -> Result<Vec<Value>> {
    say(&format!(
        "memory: at rest, and with {RUNNING} executions that run"
    ));
    let cache = TempFolder::new()?;
    let mut setup = setup.clone();
    setup.cache = Some(cache.path().to_owned());
    let (host, first) = at_rest(&setup)?;
    host.stop()?;
    let (host, rest) = at_rest(&setup)?;
    eprintln!("  {:.1} MiB at rest", rest / MIB);
    eprintln!("  {:.1} MiB after a start that compiled", first / MIB);
    let node = json!({"id": "only", "phase": "delay", "config": {"ms": 60_000}});
    let definition = json!({"id": "bench_memory", "nodes": [node]});
    let client = host.client();
    client.put("/api/workflows/bench_memory", &definition)?;
    let path = "/api/workflows/bench_memory/execute";
    let request = Request::new(host.base(), "POST", path, &[], "{\"input\":{}}")?;
    let start = |count| {
        load::share(usize::from(count), CLIENTS, || {
            let mut connection = Connection::new(host.base())?;
            let request = &request;
            Ok(move || connection.call(request, "\"execution_id\"").map(drop))
        })
    };
    start(FIRST)?;
    let some = resident_bytes(host.id());
    start(RUNNING)?;
    let all = resident_bytes(host.id());
    let each = (all - some) / f64::from(RUNNING);
    eprintln!("  {each:.0} bytes for each execution that runs");
    host.stop()?;
    Ok(vec![
        json!({
            "bench": "memory_at_rest", "resident_bytes": rest, "resident_bytes_first": first,
            "goal": REST_MAX, "reached": rest <= REST_MAX,
        }),
        json!({
            "bench": "memory_running", "executions": RUNNING, "bytes_each": each.round(),
            "goal": EXECUTION_MAX, "reached": each <= EXECUTION_MAX,
        }),
    ])
}

/// A host that has just started and has nothing to do, and what it keeps.
fn at_rest(setup: &Setup) -> Result<(Host, f64)> {
    let host = setup.start()?;
    sleep(SETTLE);
    let bytes = resident_bytes(host.id());
    Ok((host, bytes))
}
