//! The PostgreSQL that engines keep everything in: a fresh one for each turn, which syncs every
//! commit, with the settings that Phasewright's own tests have.

use anyhow::{Context, Result};
use phasewright_test_postgres::{Cluster, Database, Options};

/// A server with one database.
pub struct Postgres {
    database: Database,
    process: u32,
    // In this order: the database goes before its server.
    _cluster: Cluster,
}

impl Postgres {
    /// An empty one.
    pub fn start() -> Result<Self> {
        let cluster = Cluster::start(Options { durable: true }).context("start PostgreSQL")?;
        let database = Database::create(cluster.server()).context("create a database")?;
        let process =
            database.run("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")?;
        Ok(Self {
            process: process.parse().context("the process of PostgreSQL")?,
            database,
            _cluster: cluster,
        })
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// The process whose children are the server's other processes.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Runs SQL and gives what it prints.
    pub fn run(&self, sql: &str) -> Result<String> {
        Ok(self.database.run(sql)?)
    }

    /// How many transactions have written anything so far; those that only read have no number.
    pub fn transactions(&self) -> Result<f64> {
        let next = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
        self.database
            .run(next)?
            .parse()
            .context("a transaction's number")
    }

    /// What it is.
    pub fn version(&self) -> Result<String> {
        let version = self.database.run("SHOW server_version")?;
        Ok(version.split(' ').next().unwrap_or_default().to_owned())
    }
}
