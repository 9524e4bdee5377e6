//! What the engines have in common.

use std::time::Duration;

use anyhow::Result;

use super::{super::load::Run, postgres::Postgres, workload::Workload};

/// Clients that start what nobody waits for; those of the programs in `bench/` are as many.
pub const STARTERS: usize = 16;

/// How long after its time a measurement is waited for. Then it is given up, and the engine with it:
/// the others are not to wait for one that does not come back.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// An engine that runs, on fresh data, with all workloads deployed; what it started ends with it.
pub trait Engine {
    /// Lets so many clients start executions for so long, each the next one when the result of the
    /// last one is there and right; at least one each.
    fn run(&mut self, workload: Workload, clients: usize, time: Duration) -> Result<Run>;

    /// Starts so many executions of a checkpoint or for a recovery, and does not wait for them.
    fn start_many(&mut self, workload: Workload, count: usize) -> Result<()>;

    /// Is every execution for a recovery over that was started?
    fn has_recovered(&mut self) -> Result<bool>;

    /// Kills its processes, but not its database, and starts them again on the same data.
    fn crash(self: Box<Self>) -> Result<Box<dyn Engine>>;

    /// Are its clients in the same process?
    fn has_clients(&self) -> bool {
        false
    }

    /// Its processes, beside those of its database.
    fn processes(&self) -> Vec<u32>;

    /// The database that it keeps everything in, if that is not its own.
    fn postgres(&self) -> Option<&Postgres> {
        None
    }
}

/// An engine that is installed.
pub struct Installed<'w> {
    /// What was installed.
    pub version: String,
    /// Starts it on fresh data.
    pub start: Box<dyn Fn() -> Result<Box<dyn Engine>> + 'w>,
}
