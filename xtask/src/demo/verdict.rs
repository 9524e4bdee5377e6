//! Whether the result of the demo is right.

use serde_json::{Value, json};

use super::story::Outcome;

/// Flights more than 60 minutes late, as counted in the file.
const LATE: u64 = 322;

/// Flights that never left.
const CANCELLED: u64 = 85;

impl Outcome {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.status != "completed" {
            let error = self.error.as_deref().unwrap_or("no reason given");
            problems.push(format!("the execution is {}: {error}", self.status));
            return problems;
        }
        for (name, expected) in [("late", LATE), ("cancelled", CANCELLED)] {
            let counted = &self.output[name];
            if *counted != expected {
                problems.push(format!("{name} is {counted}, not {expected}"));
            }
        }
        if self.report.trim().is_empty() {
            problems.push("there is no report".to_owned());
        }
        for expected in [LATE, CANCELLED].map(|count| count.to_string()) {
            if !self.report.contains(&expected) {
                problems.push(format!("the report does not say {expected}"));
            }
        }
        if let Some(added) = &self.added
            && !self.report.contains(added)
        {
            problems.push(format!("the report lacks what the reviewer added: {added}"));
        }
        problems
    }

    /// In what it differs from another one that should be the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let differ = |what: &str, is_same: bool| {
            (!is_same).then(|| format!("{}: another {what} than undisturbed", self.execution_id))
        };
        [
            differ("output", self.output == other.output),
            differ("report", self.report == other.report),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The last line of the demo.
    pub fn line(&self) -> Value {
        json!({
            "execution_id": self.execution_id,
            "status": self.status,
            "late": self.output["late"],
            "cancelled": self.output["cancelled"],
            "seconds": (self.took.as_secs_f64() * 1000.0).round() / 1000.0,
        })
    }
}
