//! Calls that are made until somebody answers: by another host when one does not.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use fastrand::Rng;
use serde_json::Value;

use super::fleet::Fleet;
use crate::{
    client::{CallError, Client},
    journal,
};

/// How long nobody may have an answer: longer than any outage that is made here.
const UNANSWERED_MAX: Duration = Duration::from_mins(1);

/// Somebody who calls one host or another.
pub struct Caller<'f> {
    fleet: &'f Fleet,
    rng: Rng,
}

/// What came of a call.
pub struct Answer<T> {
    /// What was answered; a refusal with its status.
    pub result: Result<T, Refusal>,
    /// Was there an earlier try without a clear answer? It may have had its effect, or have it later.
    pub is_ambiguous: bool,
}

/// The host says no, as it would say again.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub problem: String,
}

impl<'f> Caller<'f> {
    pub fn new(fleet: &'f Fleet, rng: Rng) -> Self {
        Self { fleet, rng }
    }

    /// Another one, who makes choices of their own.
    pub fn fork(&mut self) -> Self {
        Self::new(self.fleet, self.rng.fork())
    }

    /// Makes a call that may be repeated.
    pub fn call<T>(&mut self, call: impl Fn(&Client) -> Result<T, CallError>) -> Result<Answer<T>> {
        let started = Instant::now();
        let mut is_ambiguous = false;
        let mut last = "no host listens".to_owned();
        while started.elapsed() < UNANSWERED_MAX {
            let host = self.rng.usize(..self.fleet.len());
            let error = match self.fleet.client(host).map(|client| call(&client)) {
                Some(Ok(answer)) => {
                    let result = Ok(answer);
                    return Ok(Answer {
                        result,
                        is_ambiguous,
                    });
                }
                Some(Err(error)) => Some(error),
                None => None,
            };
            match error {
                Some(CallError::Refused { status, problem }) if status < 500 => {
                    let result = Err(Refusal { status, problem });
                    return Ok(Answer {
                        result,
                        is_ambiguous,
                    });
                }
                // Nobody may see an internal error, whatever is down.
                Some(CallError::Refused { problem, .. }) => bail!("host {host}: {problem}"),
                // Perhaps the host that runs the execution has it before it all the same.
                Some(error) => {
                    is_ambiguous = true;
                    last = error.to_string();
                }
                None => {}
            }
            let pause = Duration::from_millis(self.rng.u64(20..120));
            thread::sleep(pause);
        }
        bail!("nobody answers: {last}")
    }

    /// Makes a call that nothing can be wrong with.
    pub fn get(&mut self, path: &str) -> Result<Value> {
        match self.call(|client| client.get(path))?.result {
            Ok(answer) => Ok(answer),
            Err(refusal) => bail!("{}", refusal.problem),
        }
    }

    /// The events of an execution after this one.
    pub fn journal(&mut self, id: &str, after: u64) -> Result<Vec<Value>> {
        journal::read(id, after, |path| self.get(path))
    }
}
