//! PostgreSQL: one host and two on it, and what a host costs that has nothing to do.

use std::{
    thread::{self, available_parallelism, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use phasewright_test_postgres::{Cluster, Database, Options};
use serde_json::{Value, json};

use super::{
    CLIENTS, OVERHEAD_MAX, define, disk, execute,
    load::{self, Measured},
    process::{processor_seconds, resident_bytes},
};
use crate::{
    cleanup::TempFolder,
    host::{Host, Setup},
    shell::say,
};

/// Executions a second with 64 clients at a time; host, database and load generator share the
/// processors.
const EXECUTIONS_PER_SECOND_MIN: f64 = 3_000.0;

/// Two hosts may be this much slower than one before it counts: what two runs of one differ by.
const NOISE: f64 = 0.9;

/// Measurements of one host and of two, whose medians count.
const ROUNDS: usize = 5;

/// Statements a second that an idle host may send.
const IDLE_STATEMENTS_MAX: f64 = 5.0;

/// Share of a processor that an idle host may take.
const IDLE_CPU_MAX: f64 = 0.01;

/// Executions that wait for people while a host's memory and its start are measured.
const PARKED: usize = 100_000;

/// More memory that a host may take for them.
const PARKED_MEMORY_MAX: f64 = 1.1;

/// Longest start with all of them waiting.
const START_MAX: Duration = Duration::from_secs(2);

/// Executions that the killed host has.
const STEADY: usize = 60;

/// The lease that a host has unless told otherwise.
const LEASE_SECONDS: f64 = 10.0;

/// When an execution counts as stuck.
const RECOVERY_MAX: Duration = Duration::from_mins(1);

/// A database of its own, and how to start hosts on it.
pub struct Rig {
    database: Database,
    /// How to start hosts on it.
    pub setup: Setup,
    // In this order: the database goes before its server.
    _cluster: Cluster,
}

impl Rig {
    /// A server that syncs every commit.
    pub fn new(setup: &Setup) -> Result<Self> {
        let cluster = Cluster::start(Options { durable: true }).context("start PostgreSQL")?;
        let database = Database::create(cluster.server()).context("create a database")?;
        let mut setup = setup.clone();
        setup.database = database.url();
        Ok(Self {
            database,
            setup,
            _cluster: cluster,
        })
    }
}

/// One host and two, one client and many, and then nobody.
pub fn measure(setup: &Setup, time: Duration) -> Result<Vec<Value>> {
    let rig = Rig::new(setup)?;
    let first = rig.setup.start()?;
    define(&first)?;
    say("PostgreSQL, latency: one client, 3 phases, Prefer: wait");
    let call = execute();
    load::run(first.base(), &call, 1, Duration::from_secs(1))?;
    let folder = TempFolder::new()?;
    let mut probe = disk::Probe::new(folder.path())?;
    let syncs = Measured::of(probe.sync_for(time / 2)?);
    let latency = Measured::of(load::run(first.base(), &call, 1, time)?.times);
    let allowed = syncs.median() * 2 + OVERHEAD_MAX + Duration::from_micros(300);
    eprintln!("  execution  {latency}");
    eprintln!("  fsync      {syncs}");

    say(&format!(
        "PostgreSQL, throughput: {CLIENTS} clients, 3 phases"
    ));
    let (one, both) = one_and_two(&first, &rig.setup, time)?;
    eprintln!("  one host {one:.0}, two hosts {both:.0} executions a second");
    let halves = on_half_the_processors(&rig, time)?;
    let apart = sharing_nothing(setup, time)?;

    say("PostgreSQL, idle");
    let idle = idle(&rig, &first, time)?;
    first.stop()?;
    Ok(vec![
        json!({
            "bench": "postgres_latency", "clients": 1, "nodes": 3,
            "median_ms": load::rounded_ms(latency.median()),
            "p99_ms": load::rounded_ms(latency.at(0.99)),
            "fsync_median_ms": load::rounded_ms(syncs.median()),
            "goal_ms": load::rounded_ms(allowed), "reached": latency.median() <= allowed,
        }),
        json!({
            "bench": "postgres_throughput", "clients": CLIENTS, "nodes": 3,
            "executions_per_second": one.round(), "goal": EXECUTIONS_PER_SECOND_MIN,
            "reached": one >= EXECUTIONS_PER_SECOND_MIN,
        }),
        json!({
            "bench": "postgres_two_hosts", "clients": CLIENTS, "nodes": 3,
            "executions_per_second": both.round(), "ratio_to_one": both / one,
            "ratio_on_half_the_processors_each": halves,
            "ratio_of_hosts_that_share_no_database": apart,
            "goal": NOISE, "reached": halves >= NOISE,
        }),
        idle,
    ])
}

/// Executions a second when one host of two gets all clients, and when both do: medians of rounds
/// that take turns, since the database itself is slower while it vacuums or writes a checkpoint.
fn one_and_two(first: &Host, setup: &Setup, time: Duration) -> Result<(f64, f64)> {
    let second = setup.start()?;
    define(&second)?;
    let (mut one, mut both) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(throughput(&[first], time / 2)?);
        both.push(throughput(&[first, &second], time / 2)?);
    }
    second.stop()?;
    Ok((median(one), median(both)))
}

/// Two hosts against one when a host has as many processors alone as beside another: what a second
/// host brings where it does not take from the first.
fn on_half_the_processors(rig: &Rig, time: Duration) -> Result<f64> {
    let mut setup = rig.setup.clone();
    setup.threads = Some(available_parallelism()?.get().div_ceil(2));
    let first = setup.start()?;
    let (one, both) = one_and_two(&first, &setup, time)?;
    first.stop()?;
    eprintln!("  on half the processors each: {one:.0}, {both:.0}");
    Ok(both / one)
}

/// Two hosts against one where each has a database of its own: what a second process costs that has
/// nothing to do with the first but the processors.
fn sharing_nothing(setup: &Setup, time: Duration) -> Result<f64> {
    let folders = (TempFolder::new()?, TempFolder::new()?);
    let first = setup.on_sqlite_in(folders.0.path()).start()?;
    define(&first)?;
    let second = setup.on_sqlite_in(folders.1.path());
    let (one, both) = one_and_two(&first, &second, time)?;
    first.stop()?;
    eprintln!("  with a SQLite file each: {one:.0}, {both:.0}");
    Ok(both / one)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Executions a second of all hosts together, which share the clients.
fn throughput(hosts: &[&Host], time: Duration) -> Result<f64> {
    let call = execute();
    let clients = CLIENTS / hosts.len();
    let run = |time| -> Result<f64> {
        thread::scope(|scope| {
            let runs: Vec<_> = hosts
                .iter()
                .map(|host| scope.spawn(|| load::run(host.base(), &call, clients, time)))
                .collect();
            let mut sum = 0.0;
            for run in runs {
                sum += run
                    .join()
                    .expect("load generators do not panic")?
                    .per_second();
            }
            Ok(sum)
        })
    };
    run(Duration::from_secs(2))?;
    run(time)
}

/// Statements and processor time of a host that nobody asks for anything.
fn idle(rig: &Rig, host: &Host, time: Duration) -> Result<Value> {
    // A server process tells its numbers up to ten seconds late.
    sleep(Duration::from_secs(15));
    let statements = || -> Result<f64> {
        let sql = "SELECT pg_stat_clear_snapshot(), xact_commit + xact_rollback \
                   FROM pg_stat_database WHERE datname = current_database()";
        let row = rig.database.run(sql)?;
        let count = row.rsplit('|').next().unwrap_or_default();
        count.parse().context("a count of transactions")
    };
    let (before, used, begin) = (statements()?, processor_seconds(host.id()), Instant::now());
    sleep(time.max(Duration::from_secs(10)));
    let seconds = begin.elapsed().as_secs_f64();
    // Two of them are ours.
    let per_second = (statements()? - before - 2.0) / seconds;
    let share = (processor_seconds(host.id()) - used) / seconds;
    eprintln!(
        "  {per_second:.1} statements a second, {:.2} % of a processor",
        share * 100.0
    );
    Ok(json!({
        "bench": "postgres_idle", "statements_per_second": per_second, "processor_share": share,
        "goal": IDLE_STATEMENTS_MAX, "goal_processor_share": IDLE_CPU_MAX,
        "reached": per_second < IDLE_STATEMENTS_MAX && share < IDLE_CPU_MAX,
    }))
}

/// What 100,000 executions that wait for people cost a host: nothing.
pub fn parked(setup: &Setup) -> Result<Value> {
    let rig = Rig::new(setup)?;
    let host = rig.setup.start()?;
    let definition = json!({"id": "parked", "nodes": [
        {"id": "draft", "phase": "compute", "input": {"n": "{{ input.n }}"}, "checkpoint": {"title": "Is it right?"}},
    ]});
    host.client().put("/api/workflows/parked", &definition)?;
    host.stop()?;
    let call = load::Call {
        method: "POST",
        path: "/api/workflows/parked/execute".to_owned(),
        headers: Vec::new(),
        body: json!({"input": {"n": 1}}).to_string(),
        expects: "\"execution_id\"",
    };
    // The same work before each look at the memory.
    let settled = |host: &Host| -> Result<f64> {
        load::run(host.base(), &call, CLIENTS, Duration::from_secs(2))?;
        sleep(Duration::from_secs(8));
        Ok(resident_bytes(host.id()))
    };
    let host = rig.setup.start()?;
    let empty = settled(&host)?;
    say(&format!(
        "starting {PARKED} executions that wait at a checkpoint"
    ));
    let waiting = || -> Result<usize> {
        let sql = "SELECT count(*) FROM executions WHERE status = 'awaiting_checkpoint'";
        rig.database.run(sql)?.parse().context("a count")
    };
    while waiting()? < PARKED {
        load::run(host.base(), &call, CLIENTS, Duration::from_secs(5))?;
    }
    host.stop()?;
    let begin = Instant::now();
    let host = rig.setup.start()?;
    let start = begin.elapsed();
    let full = settled(&host)?;
    host.stop()?;
    let ratio = full / empty;
    eprintln!(
        "  {:.0} MB with none, {:.0} MB with {}; start {}",
        empty / 1e6,
        full / 1e6,
        waiting()?,
        load::ms(start)
    );
    Ok(json!({
        "bench": "postgres_parked", "executions": PARKED, "resident_bytes_before": empty,
        "resident_bytes": full, "ratio": ratio, "start_ms": load::rounded_ms(start),
        "goal": PARKED_MEMORY_MAX, "goal_start_ms": load::rounded_ms(START_MAX),
        "reached": ratio <= PARKED_MEMORY_MAX && start < START_MAX,
    }))
}

/// How long executions stand still when one of three hosts is killed under load.
pub fn recovery(setup: &Setup) -> Result<Value> {
    let rig = Rig::new(setup)?;
    let victim = rig.setup.start()?;
    let others = [rig.setup.start()?, rig.setup.start()?];
    let node = |at: usize| {
        let needs = if at == 0 {
            Vec::new()
        } else {
            vec![format!("n{}", at - 1)]
        };
        json!({"id": format!("n{at}"), "phase": "delay", "config": {"ms": 50}, "needs": needs})
    };
    let nodes: Vec<_> = (0..1000).map(node).collect();
    let definition = json!({"id": "steady", "timeout_seconds": 600, "nodes": nodes});
    victim.client().put("/api/workflows/steady", &definition)?;
    define(&victim)?;
    say("one of three hosts is killed under load");
    for _ in 0..STEADY {
        let body = json!({"input": {}});
        victim
            .client()
            .post("/api/workflows/steady/execute", &[], &body)?;
    }
    let call = execute();
    let time = Duration::from_secs(30);
    let slowest = thread::scope(|scope| -> Result<f64> {
        let loads: Vec<_> = (others.iter())
            .map(|host| scope.spawn(|| load::run(host.base(), &call, 4, time)))
            .collect();
        sleep(Duration::from_secs(5));
        let clock = "SELECT extract(epoch FROM clock_timestamp()) * 1000";
        let begin = Instant::now();
        drop(victim);
        let killed: f64 = rig.database.run(clock)?.parse().context("a time")?;
        let moved = format!(
            "SELECT count(*), coalesce(max(first), 0) FROM (
                SELECT min(at) AS first FROM journal JOIN executions ON id = execution
                WHERE workflow = 'steady' AND at > {killed} GROUP BY execution
            ) AS moved"
        );
        let (count, last) = loop {
            let row = rig.database.run(&moved)?;
            let (count, last) = row.split_once('|').context("two columns")?;
            let (count, last): (usize, f64) = (count.parse()?, last.parse()?);
            if count >= STEADY || begin.elapsed() > RECOVERY_MAX {
                break (count, last);
            }
            sleep(Duration::from_millis(100));
        };
        for load in loads {
            load.join().expect("load generators do not panic")?;
        }
        ensure!(count == STEADY, "{count} of {STEADY} executions moved");
        Ok((last - killed) / 1000.0)
    })?;
    eprintln!("  all {STEADY} executions of the killed host move again within {slowest:.2} s");
    Ok(json!({
        "bench": "postgres_recovery", "hosts": 3, "executions": STEADY,
        "lease_seconds": LEASE_SECONDS, "seconds_until_all_move": slowest,
        "goal": LEASE_SECONDS + 2.0, "reached": slowest <= LEASE_SECONDS + 2.0,
    }))
}
