//! What `kill -9` costs executions that run.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::{
    engine::{Engine, Installed},
    workload::{RUNNING, Workload},
};

/// When the engine is killed, from the moment when all executions have been started: in the midst of
/// the two seconds that they take at least.
const KILLED_AFTER: Duration = Duration::from_millis(500);

/// How often to look whether all are over.
const POLL: Duration = Duration::from_millis(50);

/// Longest wait for it.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long the same executions took.
pub struct Recovery {
    /// When nothing happened.
    pub undisturbed: Duration,
    /// When the engine was killed and started again at once.
    pub killed: Duration,
}

/// On an engine of its own, first without and then with a kill.
pub fn measure(installed: &Installed<'_>) -> Result<Recovery> {
    let mut engine = (installed.start)()?;
    let started = Instant::now();
    engine.start_many(Workload::Recovery, RUNNING)?;
    until_recovered(engine.as_mut())?;
    let undisturbed = started.elapsed();

    let started = Instant::now();
    engine.start_many(Workload::Recovery, RUNNING)?;
    sleep(KILLED_AFTER);
    if engine.has_recovered()? {
        bail!("it is too quick to be killed while all of them run");
    }
    let mut engine = engine.crash()?;
    until_recovered(engine.as_mut())?;
    let killed = started.elapsed();
    Ok(Recovery {
        undisturbed,
        killed,
    })
}

fn until_recovered(engine: &mut dyn Engine) -> Result<()> {
    let started = Instant::now();
    while !engine.has_recovered()? {
        if started.elapsed() > PATIENCE {
            bail!("not all are over after {} s", PATIENCE.as_secs());
        }
        sleep(POLL);
    }
    Ok(())
}
