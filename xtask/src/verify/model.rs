//! What an execution comes to, as plain recursion over its definition: without time, hosts or
//! crashes, because none of them may matter.

use std::collections::HashMap;

use fastrand::Rng;
use serde_json::{Value, json};

use super::plan::{FLAGS, Items, Join, Node, Plan, Review, Source, When, Work};

/// What an execution is started with.
#[derive(Debug, Clone)]
pub struct Input {
    n: i64,
    flags: [bool; FLAGS],
    items: Vec<i64>,
}

impl Input {
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            n: rng.i64(0..100),
            flags: std::array::from_fn(|_| rng.bool()),
            items: (0..rng.usize(..4)).map(|_| rng.i64(0..100)).collect(),
        }
    }

    pub fn document(&self) -> Value {
        json!({"n": self.n, "flags": self.flags, "items": self.items})
    }
}

/// What becomes of a node when nothing stops the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Completed,
    Failed,
    Skipped,
}

impl Fate {
    /// As the interface names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// What becomes of all nodes.
#[derive(Debug)]
pub struct Prediction {
    pub nodes: Vec<Predicted>,
}

/// What becomes of a node.
#[derive(Debug)]
pub struct Predicted {
    pub fate: Fate,
    /// What the output has to be; of a phase that says more, that part which can be foreseen.
    pub output: Option<Value>,
    /// What others see of it.
    value: i64,
}

/// What two people decided at the same time, by node: the journal says who came first.
pub type Contests = HashMap<usize, i64>;

impl Prediction {
    pub fn of(plan: &Plan, input: &Input, contests: &Contests) -> Self {
        let mut prediction = Self { nodes: Vec::new() };
        for (at, node) in plan.nodes.iter().enumerate() {
            let predicted = prediction.node(node, input, contests.get(&at));
            prediction.nodes.push(predicted);
        }
        prediction
    }

    /// How the execution ends when nobody interferes.
    pub fn status(&self) -> &'static str {
        let has_failed = self.nodes.iter().any(|node| node.fate == Fate::Failed);
        if has_failed { "failed" } else { "completed" }
    }

    fn node(&self, node: &Node, input: &Input, contest: Option<&i64>) -> Predicted {
        let is_completed = |need: &usize| self.nodes[*need].fate == Fate::Completed;
        let runs = match node.join {
            Join::All => node.needs.iter().all(is_completed),
            Join::Any => node.needs.is_empty() || node.needs.iter().any(is_completed),
            Join::Settled => true,
        };
        let is_wanted = match node.when {
            Some(When::Flag(flag)) => input.flags[flag],
            Some(When::Even) => input.n % 2 == 0,
            None => true,
        };
        if !runs || !is_wanted {
            return Predicted::without_output(Fate::Skipped);
        }
        let numbers = match &node.items {
            Some(Items::OfInput) => input.items.clone(),
            Some(Items::These(items)) => items.clone(),
            None => vec![self.source(node.source, input)],
        };
        let fails = matches!(node.work, Work::Fail(_)) && !numbers.is_empty();
        if fails || node.review.is_some_and(|review| !review.completes()) {
            return Predicted::without_output(Fate::Failed);
        }
        let edited = match node.review {
            Some(Review::Edit(number)) => Some(number),
            // Nobody has decided yet when the execution was stopped before.
            Some(Review::Contested(either, _)) => Some(contest.copied().unwrap_or(either)),
            _ => None,
        };
        let outputs = numbers.iter().map(|number| match (edited, node.work) {
            (Some(number), _) => json!({"n": number}),
            (None, Work::Delay(_)) => json!({"n": number}),
            (None, Work::Compute) => json!({"n": number + 1}),
            (None, _) => json!({"input": {"n": number}}),
        });
        let outputs: Vec<_> = outputs.collect();
        let count = i64::try_from(outputs.len()).unwrap_or(i64::MAX);
        let (output, value) = match (&node.items, outputs.first()) {
            (None, Some(output)) => (output.clone(), number_in(output)),
            _ => (Value::from(outputs), count),
        };
        Predicted {
            fate: Fate::Completed,
            output: Some(output),
            value,
        }
    }

    fn source(&self, source: Source, input: &Input) -> i64 {
        let is_completed = |at: usize| self.nodes[at].fate == Fate::Completed;
        match source {
            Source::Input | Source::Item => input.n,
            Source::Need(at) => self.nodes[at].value,
            Source::Sum(left, right) => self.nodes[left].value + self.nodes[right].value,
            Source::Status(at) => i64::from(is_completed(at)),
        }
    }
}

impl Predicted {
    fn without_output(fate: Fate) -> Self {
        Self {
            fate,
            output: None,
            value: 0,
        }
    }
}

fn number_in(output: &Value) -> i64 {
    let number = output["n"].as_i64().or(output["input"]["n"].as_i64());
    number.unwrap_or_default()
}

/// Is all that is expected in what was found? Objects may say more.
pub fn matches(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let has = |(name, value): (&String, &Value)| {
                found.get(name).is_some_and(|found| matches(value, found))
            };
            expected.iter().all(has)
        }
        (Value::Array(expected), Value::Array(found)) => {
            let pairs = expected.iter().zip(found);
            expected.len() == found.len()
                && pairs.into_iter().all(|(left, right)| matches(left, right))
        }
        _ => expected == found,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Contests, Fate, Input, Prediction, matches};
    use crate::verify::{plan::Plan, world::random};

    #[test]
    fn the_same_seed_gives_the_same_definitions_and_ends() {
        let all = || {
            let one = |number: usize| {
                let mut rng = random(7, number as u64);
                let plan = Plan::random(&mut rng, number);
                let input = Input::random(&mut rng);
                let prediction = Prediction::of(&plan, &input, &Contests::new());
                let document = plan.document("http://provider");
                format!("{document} {} {prediction:?}", input.document())
            };
            (0..50).map(one).collect::<Vec<_>>()
        };
        assert_eq!(all(), all());
    }

    #[test]
    fn every_end_of_a_node_is_foreseen_of_some() {
        let mut fates = Vec::new();
        for number in 0..200 {
            let mut rng = random(7, number);
            let plan = Plan::random(&mut rng, 0);
            let input = Input::random(&mut rng);
            let prediction = Prediction::of(&plan, &input, &Contests::new());
            fates.extend(prediction.nodes.iter().map(|node| node.fate));
        }
        for (fate, least) in [
            (Fate::Completed, 500),
            (Fate::Failed, 20),
            (Fate::Skipped, 50),
        ] {
            let count = fates.iter().filter(|other| **other == fate).count();
            assert!(count >= least, "{count} are {fate:?}");
        }
    }

    #[test]
    fn an_output_may_say_more_than_was_foreseen() {
        let found = json!([{"input": {"n": 1}, "attempt": 2}]);
        assert!(matches(&json!([{"input": {"n": 1}}]), &found));
        for wrong in [
            json!([{"input": {"n": 2}}]),
            json!([]),
            json!({"input": {"n": 1}}),
        ] {
            assert!(!matches(&wrong, &found), "{wrong}");
        }
    }
}
