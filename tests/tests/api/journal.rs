//! Journals, and what has to hold for each of them.

use std::collections::HashMap;

use serde_json::Value;

/// Events of one execution, oldest first.
#[derive(Debug)]
pub struct Journal(pub Vec<Value>);

impl Journal {
    /// Events of a kind about a node.
    pub fn of<'j>(&'j self, kind: &'j str, node: &'j str) -> impl Iterator<Item = &'j Value> {
        self.0
            .iter()
            .filter(move |event| event["kind"] == kind && event["node"] == node)
    }

    /// How many events of a kind are about a node.
    pub fn count(&self, kind: &str, node: &str) -> usize {
        self.of(kind, node).count()
    }

    /// The only event of a kind about a node.
    pub fn one<'j>(&'j self, kind: &'j str, node: &'j str) -> &'j Value {
        let found: Vec<_> = self.of(kind, node).collect();
        assert_eq!(found.len(), 1, "{kind} of {node}: {found:?}");
        found[0]
    }

    /// Number of the last event.
    pub fn last_seq(&self) -> u64 {
        self.0
            .last()
            .map_or(0, |event| event["seq"].as_u64().unwrap())
    }

    /// What is the same in every journal that has ended: numbered without a gap, begun and ended once.
    pub fn is_whole(&self, ends_with: &str) {
        for (at, event) in self.0.iter().enumerate() {
            assert_eq!(event["seq"], at + 1, "{event}");
        }
        let created = self
            .0
            .iter()
            .filter(|event| event["kind"] == "execution_created");
        assert_eq!(created.count(), 1);
        assert_eq!(self.0[0]["kind"], "execution_created");
        assert_eq!(self.0.last().unwrap()["kind"], ends_with);
    }

    /// Every node, and every item, succeeded once: so many in all.
    pub fn each_succeeded_once(&self, count: usize) {
        let mut succeeded: HashMap<_, u32> = HashMap::new();
        for event in self
            .0
            .iter()
            .filter(|event| event["kind"] == "node_succeeded")
        {
            let key = (
                event["node"].to_string(),
                event["payload"]["item"].to_string(),
            );
            *succeeded.entry(key).or_default() += 1;
        }
        let twice: Vec<_> = succeeded.iter().filter(|(_, times)| **times != 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        assert_eq!(succeeded.len(), count);
    }

    /// Most attempts that ran at the same time.
    pub fn most_at_once(&self) -> usize {
        let (mut running, mut most) = (0_usize, 0);
        for event in &self.0 {
            match event["kind"].as_str().unwrap() {
                "node_started" => running += 1,
                "node_succeeded" | "node_failed" | "node_retry_scheduled" => running -= 1,
                _ => {}
            }
            most = most.max(running);
        }
        most
    }
}

/// Milliseconds from one event to another, which is less than a day later.
pub fn ms_between(earlier: &Value, later: &Value) -> i64 {
    const DAY_MS: i64 = 86_400_000;
    (ms_of_day(later) - ms_of_day(earlier)).rem_euclid(DAY_MS)
}

/// When in its day an event happened.
fn ms_of_day(event: &Value) -> i64 {
    let at = event["at"].as_str().unwrap();
    let (_, time) = at.trim_end_matches('Z').split_once('T').unwrap();
    let parts: Vec<i64> = time
        .split([':', '.'])
        .map(|part| part.parse().unwrap())
        .collect();
    let [hours, minutes, seconds, ms] = parts[..] else {
        panic!("no time in milliseconds: {at}")
    };
    ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms
}
