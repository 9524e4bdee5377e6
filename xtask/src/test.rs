//! `cargo xtask test`: everything that can be tested on this machine.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use phasewright_test_postgres::{Cluster, Options, SHARED_URL_VARIABLE};

use crate::{
    arguments::Arguments,
    build::{self, arguments_for, cargo},
    demo, examples, schemathesis, shell,
    steps::Steps,
    toolchain,
    verify::{self, Database},
    workspace::{GuestKind, Workspace},
};

/// How often the host is killed: enough to strike most moments of the demo over the weeks, few
/// enough for every day. The seed is another one each time, and is printed.
const KILLS: u32 = 8;

/// Tells the tests through HTTP which database to run on; without it, `SQLite`.
const DATABASE_VARIABLE: &str = "PHASEWRIGHT_TEST_DATABASE";

/// Tells them by which door to come in: through endpoints that run elsewhere; without it, straight to
/// the host.
const DOOR_VARIABLE: &str = "PHASEWRIGHT_TEST_DOOR";

/// What is verified for how many minutes: two together, because this runs often; a long run is for
/// who changes what it is about.
const VERIFIED: [(&str, Database, f64); 2] = [
    ("verify, PostgreSQL", Database::Postgres, 1.6),
    ("verify, SQLite", Database::Sqlite, 0.35),
];

/// Builds, then takes every step, whatever the others say.
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    arguments.none()?;
    let mut steps = Steps::default();
    if !steps.take("build", || build::all(workspace).map(|()| String::new())) {
        return Ok(steps.finish());
    }
    let mut cluster = None;
    steps.take("PostgreSQL", || {
        toolchain::ensure_postgres()?;
        let started = Cluster::start(Options::default())?;
        cluster = Some(started);
        Ok(String::new())
    });
    steps.take("native crates", || {
        let mut cargo = cargo(workspace);
        cargo.args(["test", "--release", "--no-fail-fast"]);
        if let Some(cluster) = &cluster {
            cargo.env(SHARED_URL_VARIABLE, cluster.url("postgres"));
        }
        count_tests(&mut cargo)
    });
    steps.take("HTTP on PostgreSQL", || {
        let mut cargo = cargo(workspace);
        cargo
            .args(["test", "--release", "--no-fail-fast", "--test", "api"])
            .env(DATABASE_VARIABLE, "postgres");
        if let Some(cluster) = &cluster {
            cargo.env(SHARED_URL_VARIABLE, cluster.url("postgres"));
        }
        count_tests(&mut cargo)
    });
    steps.take("HTTP at the edge", || {
        let mut cargo = cargo(workspace);
        cargo
            .args(["test", "--release", "--no-fail-fast", "--test", "api"])
            .env(DOOR_VARIABLE, "edge");
        if let Some(cluster) = &cluster {
            cargo.env(SHARED_URL_VARIABLE, cluster.url("postgres"));
        }
        count_tests(&mut cargo)
    });
    steps.take("schemathesis", || schemathesis::check(workspace));
    steps.take("phases and components", || {
        count_tests(&mut guests(workspace))
    });
    steps.take("examples", || examples::check(workspace));
    steps.take("demo", || demo::check_decisions(workspace));
    steps.take("demo, killed", || demo::check_kills(workspace, KILLS));
    for (name, database, minutes) in VERIFIED {
        steps.take(name, || {
            verify::check(workspace, &verify::Options::new(database, minutes))
        });
    }
    Ok(steps.finish())
}

/// The logic of what becomes WebAssembly is tested on the machine itself.
fn guests(workspace: &Workspace) -> Command {
    let guests = [
        GuestKind::Library,
        GuestKind::Component,
        GuestKind::Phase,
        GuestKind::TestPhase,
    ];
    let mut cargo = cargo(workspace);
    cargo
        .args(["test", "--release", "--no-fail-fast"])
        .args(arguments_for(workspace, &guests));
    cargo
}

/// Runs tests; the remark says how many there were.
fn count_tests(command: &mut Command) -> Result<String> {
    let mut passed = 0;
    let mut failed = 0;
    let result = shell::run_reading(command, |line| {
        if let Some((line_passed, line_failed)) = counts(line) {
            passed += line_passed;
            failed += line_failed;
        }
    });
    result.with_context(|| format!("{passed} tests passed, {failed} failed"))?;
    Ok(format!("{passed} tests"))
}

/// `test result: ok. 3 passed; 0 failed; …` → 3 and 0
fn counts(line: &str) -> Option<(u32, u32)> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut counts = counts.split("; ");
    let mut next = |what| counts.next()?.strip_suffix(what)?.parse().ok();
    Some((next(" passed")?, next(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn results_are_counted() {
        let line =
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(counts(line), Some((12, 3)));
        assert_eq!(counts("running 3 tests"), None);
    }
}
