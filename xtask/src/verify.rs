//! The verifier: random definitions, run by hosts that are killed and stopped on a database that is
//! restarted, must come to what a small model foresees.
//!
//! `plan` makes definitions and `model` says what they come to; `fleet` holds the hosts and `faults`
//! breaks them; `provider` is the world outside, where effects are counted; `life` is one execution
//! as its client sees it, who calls one host or another through `caller`; `check` holds its end
//! against the model, `world` is all of it together, and `report` adds up.
//!
//! **Invariant:** definitions, inputs, decisions and faults with their times come from the seed
//! alone, so that a run that went wrong can be had again. What comes of them is up to the machine.

mod caller;
mod check;
mod faults;
mod fleet;
mod life;
mod model;
mod plan;
mod provider;
mod report;
mod time;
mod world;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use phasewright_test_postgres::{Cluster, Options as ClusterOptions, Server};

use crate::{
    arguments::{Argument, Arguments},
    build,
    host::Setup,
    shell::say,
    toolchain,
    workspace::Workspace,
};
use faults::Schedule;
use report::Report;
use world::World;

/// When a host counts as dead: short, so that there are many deaths in a run.
const LEASE: Duration = Duration::from_secs(3);

/// The number of the choices of faults; no execution has it.
const FAULTS_SEED: u64 = 1 << 41;

/// Hosts on one database: more than a small machine can feed.
const HOSTS_MAX: usize = 16;

/// Longest run: a weekend.
const MINUTES_MAX: f64 = 4000.0;

/// Where executions keep their state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Postgres,
    Sqlite,
}

/// What kind of run.
#[derive(Debug, Clone)]
pub struct Options {
    pub database: Database,
    pub hosts: usize,
    /// How long there are faults.
    pub time: Duration,
    pub seed: u64,
    /// About how often something goes wrong.
    pub faults_every: Duration,
}

/// `cargo xtask verify`
pub fn command(workspace: &Workspace, arguments: Arguments) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    build::all(workspace)?;
    let report = run(workspace, &options)?;
    println!("{}", report.line());
    Ok(ExitCode::from(u8::from(!report.is_good())))
}

/// A run that has to go well; gives its figures.
pub fn check(workspace: &Workspace, options: &Options) -> Result<String> {
    let report = run(workspace, options)?;
    if !report.is_good() {
        bail!("{} problems; {}", report.problems.len(), options.replay());
    }
    Ok(report.line().to_string())
}

impl Options {
    /// So many minutes of it, with another seed each time.
    pub fn new(database: Database, minutes: f64) -> Self {
        Self {
            database,
            hosts: match database {
                Database::Postgres => 3,
                Database::Sqlite => 1,
            },
            time: Duration::from_secs_f64(minutes * 60.0),
            seed: u64::from(fastrand::u32(..)),
            faults_every: Duration::from_secs(3),
        }
    }

    fn parse(arguments: Arguments) -> Result<Self> {
        let (mut database, mut minutes, mut hosts) = (Database::Postgres, 2.0, None);
        let (mut seed, mut every) = (None, None);
        arguments.parse(|argument, values| {
            match argument {
                Argument::Option("database") => {
                    database = match values.next::<String>()?.as_str() {
                        "postgres" => Database::Postgres,
                        "sqlite" => Database::Sqlite,
                        _ => bail!("must be postgres or sqlite"),
                    };
                }
                Argument::Option("minutes") => minutes = values.next()?,
                Argument::Option("hosts") => hosts = Some(values.next()?),
                Argument::Option("seed") => seed = Some(values.next()?),
                Argument::Option("faults-every") => every = Some(values.next()?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if !(0.0..=MINUTES_MAX).contains(&minutes) {
            bail!("--minutes is 0 to {MINUTES_MAX}");
        }
        let mut options = Self::new(database, minutes);
        options.hosts = hosts.unwrap_or(options.hosts);
        options.seed = seed.unwrap_or(options.seed);
        if let Some(every) = every {
            options.faults_every = Duration::try_from_secs_f64(every).context("--faults-every")?;
        }
        let hosts_max = match database {
            Database::Postgres => HOSTS_MAX,
            // The file belongs to one process.
            Database::Sqlite => 1,
        };
        if !(1..=hosts_max).contains(&options.hosts) {
            bail!("--hosts is 1 to {hosts_max} on this database");
        }
        if options.faults_every.is_zero() {
            bail!("--faults-every is more than 0");
        }
        Ok(options)
    }

    /// The command that does the same again.
    fn replay(&self) -> String {
        format!(
            "cargo xtask verify --database {} --hosts {} --minutes {:.2} --faults-every {:.2} --seed {}",
            self.database.name(),
            self.hosts,
            self.time.as_secs_f64() / 60.0,
            self.faults_every.as_secs_f64(),
            self.seed
        )
    }
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

fn run(workspace: &Workspace, options: &Options) -> Result<Report> {
    let folder = workspace
        .target()
        .join("verify")
        .join(options.database.name());
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let cluster = match options.database {
        Database::Postgres => {
            toolchain::ensure_postgres()?;
            let cluster = Cluster::start(ClusterOptions { durable: true })?;
            cluster.server().run("postgres", "CREATE DATABASE verify")?;
            Some(cluster)
        }
        Database::Sqlite => None,
    };
    let server = cluster.as_ref().map(Cluster::server);
    let setups = setups(workspace, options, &folder, server)?;
    let world = World::new(options, setups, folder.clone())?;
    let schedule = Schedule::random(
        &mut world::random(options.seed, FAULTS_SEED),
        options,
        cluster.is_some(),
    );
    say(&options.replay());
    let report = world.run(options, &schedule, cluster.as_ref())?;
    if let Some(cluster) = &cluster {
        fs::write(folder.join("postgres.log"), cluster.log())?;
    }
    report.print(&options.replay(), &folder);
    Ok(report)
}

/// How each host is started: with its log in a folder of its own.
fn setups(
    workspace: &Workspace,
    options: &Options,
    folder: &Path,
    server: Option<&Server>,
) -> Result<Vec<Setup>> {
    let phases = folder.join("phases");
    fs::create_dir(&phases)?;
    for name in ["call", "compute", "misbehave"] {
        let file = format!("{name}.wasm");
        fs::copy(workspace.test_phases().join(&file), phases.join(&file))
            .with_context(|| format!("copy {file}"))?;
    }
    let grants = "[phase.call]\nallowed_outbound_hosts = [\"http://127.0.0.1:*\"]\n";
    fs::write(phases.join("phases.toml"), grants)?;
    let setup = |number: usize| {
        let own = folder.join(format!("host-{number}"));
        fs::create_dir(&own)?;
        let mut setup = Setup::new(workspace, own);
        setup.phases.push(phases.clone());
        if let Some(server) = server {
            setup.database = server.url("verify");
            let lease = LEASE.as_secs().to_string();
            setup.options = vec!["--lease-seconds".to_owned(), lease];
            // Hosts are killed so often here that one execution may well see five deaths in a
            // row that it has not caused; giving up on it would be right, and is not the question.
            let patience = ["--max-crashes", "1000"].map(str::to_owned);
            setup.options.extend(patience);
        }
        Ok(setup)
    };
    (0..options.hosts).map(setup).collect()
}
