//! Executions that nobody waits for, and people who decide.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{
    super::{engine::STARTERS, workload::Workload},
    expects, input,
};
use crate::bench::load::{self, Connection, Run};

/// How often to look whether something has come.
const POLL: Duration = Duration::from_millis(1);

/// Longest wait for it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Each client starts an execution, finds the checkpoint, approves, and looks for the result.
pub fn decide(base: &str, clients: usize, time: Duration) -> Result<Run> {
    load::each(clients, time, || {
        let mut reviewer = Reviewer::new(base)?;
        Ok(move || reviewer.decide())
    })
}

/// Starts so many executions; those that wait for a person do so when this is over.
pub fn start_many(base: &str, workload: Workload, count: usize) -> Result<()> {
    load::share(count, STARTERS, || {
        let mut reviewer = Reviewer::new(base)?;
        Ok(move || {
            let execution = reviewer.start(workload)?;
            if workload == Workload::Checkpoint {
                reviewer.find(&execution)?;
            }
            Ok(())
        })
    })
}

/// Is no execution of this workload on its way?
pub fn are_over(base: &str, workload: Workload) -> Result<bool> {
    let mut reviewer = Reviewer::new(base)?;
    for status in ["pending", "running"] {
        let name = workload.name();
        let path = format!("/api/executions?workflow_id={name}&status={status}&limit=1");
        let page = reviewer.send("GET", &path, "")?;
        if page["items"]
            .as_array()
            .context("a page has no items")?
            .is_empty()
        {
            continue;
        }
        return Ok(false);
    }
    Ok(true)
}

struct Reviewer(Connection);

impl Reviewer {
    fn new(base: &str) -> Result<Self> {
        Connection::new(base).map(Self)
    }

    fn decide(&mut self) -> Result<()> {
        let execution = self.start(Workload::Checkpoint)?;
        let checkpoint = self.find(&execution)?;
        let approve = json!({"action": "approve"});
        let path = format!("/api/checkpoints/{checkpoint}/resolve");
        self.send("POST", &path, &approve.to_string())?;
        let done = self.poll(&format!("/api/executions/{execution}"), |execution| {
            (execution["status"] == "completed").then(|| execution.to_string())
        })?;
        if !done.contains(expects(Workload::Checkpoint)) {
            bail!("the result is not in {done}");
        }
        Ok(())
    }

    /// Gives the id of the execution.
    fn start(&mut self, workload: Workload) -> Result<String> {
        let path = format!("/api/workflows/{}/execute", workload.name());
        let body = json!({"input": input(workload)}).to_string();
        let started = self.send("POST", &path, &body)?;
        let id = started["execution_id"].as_str();
        Ok(id.context("an execution has no id")?.to_owned())
    }

    /// The id of the checkpoint at which an execution waits.
    fn find(&mut self, execution: &str) -> Result<String> {
        let inbox = format!("/api/checkpoints?execution_id={execution}");
        self.poll(&inbox, |page| {
            let id = page["items"][0]["checkpoint_id"].as_str();
            id.map(str::to_owned)
        })
    }

    fn poll(&mut self, path: &str, found: impl Fn(&Value) -> Option<String>) -> Result<String> {
        let started = Instant::now();
        loop {
            if let Some(found) = found(&self.send("GET", path, "")?) {
                return Ok(found);
            }
            if started.elapsed() > PATIENCE {
                bail!(
                    "GET {path} does not show it within {} s",
                    PATIENCE.as_secs()
                );
            }
            sleep(POLL);
        }
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Result<Value> {
        Ok(serde_json::from_str(self.0.send(method, path, body, "")?)?)
    }
}
