//! What a run came to.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{faults::Done, time};
use crate::shell::{say, seconds};

/// Problems that are printed.
const PROBLEMS_SHOWN: usize = 30;

/// Effects of hosts that stood still may come late, one in so many times: where a host stops between
/// the look at its lease and the first byte, nobody can tell.
const STOPS_PER_LATE_EFFECT: u32 = 20;

/// Pauses between events that are no recovery: phases take their time.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Figures and problems.
#[derive(Debug, Default)]
pub struct Report {
    pub problems: Vec<String>,
    /// Effects that came when their nodes were long over.
    pub late_effects: Vec<String>,
    /// All that were started, with the last event of those that are over.
    pub executions: HashMap<String, Option<u64>>,
    pub starts: u32,
    pub took: Duration,
    by_status: BTreeMap<String, u64>,
    events: u64,
    done: Done,
    requests: u64,
    keys: usize,
    /// Long times in which an attempt ran and nothing was written.
    pauses: Vec<(SystemTime, SystemTime)>,
}

impl Report {
    /// An execution is over.
    pub fn add(&mut self, id: &str, status: &str, events: &[Value]) {
        let count = events.len() as u64;
        self.executions.insert(id.to_owned(), Some(count));
        *self.by_status.entry(status.to_owned()).or_default() += 1;
        self.events += count;
        self.pauses.extend(pauses(events));
    }

    /// Nothing more happens.
    pub fn finish(&mut self, done: Done, (requests, keys, anonymous): (u64, usize, u64)) {
        self.done = done;
        (self.requests, self.keys) = (requests, keys);
        let late_max = 1 + self.done.long_stops / STOPS_PER_LATE_EFFECT;
        if self.late_effects.len() > late_max as usize {
            self.problems.extend_from_slice(&self.late_effects);
        }
        if anonymous > 0 {
            let problem = format!("{anonymous} effects had no idempotency key");
            self.problems.push(problem);
        }
    }

    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// The figures.
    pub fn line(&self) -> Value {
        let recoveries = self.recoveries();
        let at = |share: usize| {
            let place = recoveries.len() * share / 100;
            recoveries.get(place).or(recoveries.last()).map(rounded)
        };
        json!({
            "executions": self.executions.len(),
            "by_status": self.by_status,
            "events": self.events,
            "effects": {"requests": self.requests, "keys": self.keys, "late": self.late_effects.len()},
            "kills": self.done.kills,
            "stops": self.done.stops,
            "stops_past_lease": self.done.long_stops,
            "database_restarts": self.done.outages,
            "host_starts": self.starts,
            "seconds_to_recover": {"median": at(50), "slowest": at(100), "of": recoveries.len()},
            "seconds": rounded(&self.took),
            "problems": self.problems.len(),
        })
    }

    /// For people.
    pub fn print(&self, replay: &str, folder: &Path) {
        for problem in self.problems.iter().take(PROBLEMS_SHOWN) {
            say(&format!("  {problem}"));
        }
        let verdict = if self.is_good() {
            "all is as it should be".to_owned()
        } else {
            format!(
                "{} PROBLEMS; see {}; again with: {replay}",
                self.problems.len(),
                folder.display()
            )
        };
        say(&format!(
            "{} executions in {}: {verdict}",
            self.executions.len(),
            seconds(self.took)
        ));
    }

    /// For each host that was killed while attempts ran: how long the slowest execution with one of
    /// them was silent from then on. In order of length.
    fn recoveries(&self) -> Vec<Duration> {
        let recovery = |killed: &SystemTime| {
            let silent = self
                .pauses
                .iter()
                .filter(|(from, to)| from < killed && killed < to);
            silent
                .filter_map(|(_, to)| to.duration_since(*killed).ok())
                .max()
        };
        let mut recoveries: Vec<_> = self.done.kill_times.iter().filter_map(recovery).collect();
        recoveries.sort_unstable();
        recoveries
    }
}

/// Long times between two events, with an attempt running.
fn pauses(events: &[Value]) -> Vec<(SystemTime, SystemTime)> {
    let mut pauses = Vec::new();
    let mut running = 0_u32;
    let mut before = None;
    for event in events {
        let now = time::parse(event["at"].as_str().unwrap_or_default());
        if let (Some(before), Some(now)) = (before, now)
            && running > 0
            && now
                .duration_since(before)
                .is_ok_and(|pause| pause > PAUSE_MIN)
        {
            pauses.push((before, now));
        }
        before = now;
        match event["kind"].as_str().unwrap_or_default() {
            "node_started" => running += 1,
            "node_succeeded" | "node_failed" | "node_retry_scheduled" => {
                running = running.saturating_sub(1);
            }
            // Whatever ran has been cancelled.
            "execution_resumed" => running = 0,
            _ => {}
        }
    }
    pauses
}

fn rounded(time: &Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
