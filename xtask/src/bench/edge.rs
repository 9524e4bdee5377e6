//! What it costs to come in at the edge: through endpoints that run elsewhere, composed with the link,
//! and the engine API of the same host that others come into directly.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{
    TURNS, define, execute,
    load::{self, Call, Measured},
    read_of,
};
use crate::{
    cleanup::ChildGuard,
    host::{Host, Setup, listening_on},
    shell::say,
    workspace::Workspace,
};

/// Clients at a time.
const CLIENTS: [usize; 2] = [1, 32];

/// Both doors, with the same calls, in turns.
pub fn measure(workspace: &Workspace, setup: &Setup, time: Duration) -> Result<Vec<Value>> {
    let (token, entry) = token(workspace)?;
    let file = setup.folder.join("engine.toml");
    fs::write(&file, entry).with_context(|| format!("write {}", file.display()))?;
    let mut setup = setup.clone();
    let file = file.to_str().context("the folder has no name in UTF-8")?;
    let options = ["--engine-listen", "127.0.0.1:0", "--engine-tokens", file];
    setup.options.extend(options.map(str::to_owned));
    let host = setup.start()?;
    define(&host)?;
    let (_edge, base) = edge(workspace, &host, &token)?;
    let doors = [host.base(), &base];
    let mut results = Vec::new();
    for (name, call) in calls(&host)? {
        for clients in CLIENTS {
            results.push(compare(doors, name, &call, clients, time)?);
        }
    }
    host.stop()?;
    Ok(results)
}

/// A new token, and its entry in the file of the host.
fn token(workspace: &Workspace) -> Result<(String, String)> {
    let output = Command::new(workspace.phasewright())
        .args(["token", "edge", "--scopes", "engine", "--json"])
        .output()
        .context("make a token")?;
    ensure!(output.status.success(), "no token was made");
    let made: Value = serde_json::from_slice(&output.stdout).context("read the token")?;
    let token = made["token"].as_str().context("there is no token")?;
    let entry = format!(
        "[[token]]\nname = {}\nsha256 = {}\nscopes = {}\n",
        made["name"], made["sha256"], made["scopes"]
    );
    Ok((token.to_owned(), entry))
}

/// Endpoints elsewhere that ask this host, and where they listen.
fn edge(workspace: &Workspace, host: &Host, token: &str) -> Result<(ChildGuard, String)> {
    let program = workspace.program("phasewright-edge");
    let engine = host.engine().context("the host has no engine API")?;
    let mut command = Command::new(&program);
    command
        .arg(workspace.root.join("spin.toml"))
        .arg(workspace.component("engine_link"))
        .env("SPIN_VARIABLE_ENGINE_URL", engine)
        .env("SPIN_VARIABLE_ENGINE_TOKEN", token)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let guard = ChildGuard::spawn(&mut command);
    let guard = guard.with_context(|| format!("start {}", program.display()))?;
    let output = guard.child().stdout.take().context("output is piped")?;
    let listening = listening_on(output).context("the edge does not listen")?;
    Ok((guard, listening.base))
}

/// What is measured: a call that asks no engine, one that reads, and one that runs something.
fn calls(host: &Host) -> Result<[(&'static str, Call); 3]> {
    let execute = execute();
    Ok([
        ("live", Call::get("/health/live", "\"alive\":true")),
        ("status", read_of(host, &execute)?),
        ("execute", execute),
    ])
}

/// The same call through the host itself and through the edge.
fn compare(
    doors: [&str; 2],
    name: &str,
    call: &Call,
    clients: usize,
    time: Duration,
) -> Result<Value> {
    say(&format!("edge: {name}, {clients} at a time"));
    let mut times = [Vec::new(), Vec::new()];
    for door in doors {
        load::run(door, call, clients, Duration::from_secs(1))?;
    }
    for _ in 0..TURNS {
        for (door, times) in doors.iter().zip(&mut times) {
            times.extend(load::run(door, call, clients, time / (2 * TURNS))?.times);
        }
    }
    let [host, edge] = times.map(Measured::of);
    let ratio = edge.median().as_secs_f64() / host.median().as_secs_f64();
    eprintln!("  host  {host}");
    eprintln!("  edge  {edge}");
    eprintln!("  ratio {ratio:.2}");
    Ok(json!({
        "bench": "edge", "call": name, "clients": clients,
        "host_median_ms": load::rounded_ms(host.median()),
        "host_p99_ms": load::rounded_ms(host.at(0.99)),
        "edge_median_ms": load::rounded_ms(edge.median()),
        "edge_p99_ms": load::rounded_ms(edge.at(0.99)),
        "ratio": (ratio * 100.0).round() / 100.0,
    }))
}
