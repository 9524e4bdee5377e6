//! A command that consists of steps: all are taken, and the end says how each went.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::shell::{say, seconds};

/// The steps taken so far.
#[derive(Default)]
pub struct Steps {
    taken: Vec<Step>,
}

struct Step {
    name: &'static str,
    result: Result<String>,
    took: Duration,
}

impl Steps {
    /// Takes a step; it gives a remark, or nothing. Says whether it went well.
    pub fn take(&mut self, name: &'static str, step: impl FnOnce() -> Result<String>) -> bool {
        say(&format!("== {name}"));
        let started = Instant::now();
        let result = step();
        if let Err(error) = &result {
            say(&format!("{name} failed: {error:#}"));
        }
        self.taken.push(Step {
            name,
            took: started.elapsed(),
            result,
        });
        self.taken.last().is_some_and(|step| step.result.is_ok())
    }

    /// Prints what went how; the exit code is a failure when any step failed.
    pub fn finish(&self) -> ExitCode {
        println!("\nsummary");
        for Step { name, result, took } in &self.taken {
            let took = seconds(*took);
            match result {
                Ok(remark) => println!("  ok      {name:<24} {took:>9}  {remark}"),
                Err(error) => {
                    let reason = format!("{error:#}");
                    let reason = reason.lines().next().unwrap_or_default();
                    println!("  FAILED  {name:<24} {took:>9}  {reason}");
                }
            }
        }
        let failed = self
            .taken
            .iter()
            .filter(|step| step.result.is_err())
            .count();
        println!(
            "{} steps, {failed} failed: {}",
            self.taken.len(),
            if failed == 0 { "ok" } else { "FAILED" }
        );
        ExitCode::from(u8::from(failed > 0))
    }
}
