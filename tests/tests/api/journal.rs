//! Journals, and what has to hold for each of them.

use std::collections::HashMap;

use serde_json::Value;

/// Events of one execution, oldest first.
#[derive(Debug)]
pub struct Journal(pub Vec<Value>);

impl Journal {
    /// Events of a kind about a node.
    pub fn of<'j>(&'j self, kind: &'j str, node: &'j str) -> impl Iterator<Item = &'j Value> {
        self.0.iter().filter(move |event| event["kind"] == kind && event["node"] == node)
    }

    /// How many events of a kind are about a node.
    pub fn count(&self, kind: &str, node: &str) -> usize {
        self.of(kind, node).count()
    }

    /// The only event of a kind about a node.
    pub fn one(&self, kind: &str, node: &str) -> &Value {
        let found: Vec<_> = self.of(kind, node).collect();
        assert_eq!(found.len(), 1, "{kind} of {node}: {found:?}");
        found[0]
    }

    /// Number of the last event.
    pub fn last_seq(&self) -> u64 {
        self.0.last().map_or(0, |event| event["seq"].as_u64().unwrap())
    }

    /// What is the same in every journal that has ended: numbered without a gap, times in order,
    /// begun once, ended at its end, and nothing succeeded twice.
    pub fn is_whole(&self, ends_with: &str) {
        for (at, event) in self.0.iter().enumerate() {
            assert_eq!(event["seq"], at + 1, "{event}");
        }
        assert_eq!(self.0[0]["kind"], "execution_created");
        assert_eq!(self.0.last().unwrap()["kind"], ends_with);
        let mut succeeded: HashMap<_, u32> = HashMap::new();
        for event in &self.0 {
            if event["kind"] == "node_succeeded" {
                let key = (event["node"].to_string(), event["payload"]["item"].to_string());
                *succeeded.entry(key).or_default() += 1;
            }
        }
        for (key, times) in succeeded {
            assert_eq!(times, 1, "{key:?} succeeded {times} times");
        }
    }
}
