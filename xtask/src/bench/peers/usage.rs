//! What engines cost: processor time, bytes, flushes of the disk, transactions, memory.

use std::{fs, process};

use anyhow::Result;

use super::{
    super::process::{bytes, processor_seconds},
    engine::Engine,
    machine::Disk,
    postgres::Postgres,
};

/// What has been used. What cannot be told is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Processor time of the engine; of its clients, too, where they are in the same process.
    pub engine_seconds: f64,
    /// Processor time of the database.
    pub database_seconds: Option<f64>,
    /// Processor time of this process, if it has the clients.
    pub driver_seconds: Option<f64>,
    /// What the disk has been told to write, by anybody.
    pub bytes_written: Option<f64>,
    /// How often it was flushed, by anybody.
    pub flushes: Option<f64>,
    /// Transactions of the database that wrote.
    pub commits: Option<f64>,
}

/// What was used until a moment.
pub struct Meter(Usage);

impl Meter {
    /// Begins to count.
    pub fn start(engine: &dyn Engine, disk: &Disk) -> Result<Self> {
        // First, since asking the database is work for it.
        let commits = commits(engine)?;
        let now = Usage::now(engine, disk);
        Ok(Self(Usage { commits, ..now }))
    }

    /// What was used since.
    pub fn stop(self, engine: &dyn Engine, disk: &Disk) -> Result<Usage> {
        let now = Usage::now(engine, disk);
        let commits = commits(engine)?;
        Ok(Usage { commits, ..now }.combine(&self.0, |now, before| now - before))
    }
}

impl Usage {
    /// Of both together.
    pub fn plus(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left + right)
    }

    fn combine(&self, other: &Self, by: fn(f64, f64) -> f64) -> Self {
        let known = |left: Option<f64>, right: Option<f64>| Some(by(left?, right?));
        Self {
            engine_seconds: by(self.engine_seconds, other.engine_seconds),
            database_seconds: known(self.database_seconds, other.database_seconds),
            driver_seconds: known(self.driver_seconds, other.driver_seconds),
            bytes_written: known(self.bytes_written, other.bytes_written),
            flushes: known(self.flushes, other.flushes),
            commits: known(self.commits, other.commits),
        }
    }

    fn now(engine: &dyn Engine, disk: &Disk) -> Self {
        let processes = engine.processes();
        let database = engine.postgres().map(|postgres| tree(postgres.process()));
        let seconds = |ids: &[u32]| ids.iter().map(|id| processor_seconds(*id)).sum();
        let (bytes_written, flushes) = disk.written_and_flushes().unzip();
        Self {
            engine_seconds: seconds(&processes),
            database_seconds: database.as_deref().map(seconds),
            driver_seconds: (!engine.has_clients()).then(|| seconds(&[process::id()])),
            bytes_written,
            flushes,
            commits: None,
        }
    }
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// Of the engine now.
    pub engine: f64,
    /// Of the engine when it had most.
    pub engine_peak: f64,
    /// Of the database now; what its processes share counts once.
    pub database: Option<f64>,
}

impl Memory {
    /// At this moment.
    pub fn now(engine: &dyn Engine) -> Self {
        let sum =
            |ids: &[u32], file: &str, name: &str| ids.iter().map(|id| bytes(*id, file, name)).sum();
        let processes = engine.processes();
        let database = engine.postgres().map(|postgres| tree(postgres.process()));
        Self {
            engine: sum(&processes, "status", "VmRSS:"),
            engine_peak: sum(&processes, "status", "VmHWM:"),
            database: database.map(|ids| sum(&ids, "smaps_rollup", "Pss:")),
        }
    }
}

fn commits(engine: &dyn Engine) -> Result<Option<f64>> {
    let commits = engine.postgres().map(Postgres::transactions);
    commits.transpose()
}

/// A process and its children.
fn tree(root: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{root}/task/{root}/children"));
    let children = children.unwrap_or_default();
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    std::iter::once(root).chain(children).collect()
}
