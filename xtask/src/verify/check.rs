//! What an execution came to, held against what was to be foreseen.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{
    life::Facts,
    model::{Contests, Fate, Input, Predicted, Prediction, matches},
    plan::{Node, Plan, Review, Work},
    provider::Effect,
    time,
};
use crate::journal;

/// How long after the success of its node an effect may still be seen: requests that were under way,
/// on a machine that is busy.
const LATE: Duration = Duration::from_secs(2);

/// Everything about one execution that is over.
pub struct Case<'c> {
    pub plan: &'c Plan,
    pub input: &'c Input,
    pub facts: &'c Facts,
    /// As the interface shows it.
    pub view: &'c Value,
    pub events: &'c [Value],
    /// By the rest of the key.
    pub effects: &'c HashMap<String, Effect>,
}

impl Case<'_> {
    /// Everything that is wrong.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Err(error) = journal::check(self.events) {
            problems.push(format!("journal: {error:#}"));
        }
        let last = self.view["last_event"].as_u64();
        if last != Some(self.events.len() as u64) {
            let count = self.events.len();
            problems.push(format!("{count} events, but the last one is {last:?}"));
        }
        self.check_decisions(&mut problems);
        let prediction = Prediction::of(self.plan, self.input, &self.contests());
        self.check_status(&prediction, &mut problems);
        for (node, predicted) in self.plan.nodes.iter().zip(&prediction.nodes) {
            self.check_node(node, predicted, &prediction, &mut problems);
            if matches!(node.work, Work::Call(_)) {
                self.check_effects(node, &mut problems);
            }
        }
        problems
    }

    /// All of it, for whoever looks into it.
    pub fn dump(&self, problems: &[String]) -> Value {
        json!({
            "problems": problems,
            "plan": self.plan.document("http://provider"),
            "facts": format!("{:?}", self.facts),
            "effects": format!("{:?}", self.effects),
            "view": self.view,
            "events": self.events,
        })
    }

    fn status(&self) -> &str {
        self.view["status"].as_str().unwrap_or_default()
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event["kind"] == *kind)
    }

    /// Who came first where two decided at the same time.
    fn contests(&self) -> Contests {
        let mut contests = Contests::new();
        for event in self.of_kind("checkpoint_resolved") {
            let at = |node: &Node| event["node"] == *node.id;
            if let Some(at) = self.plan.nodes.iter().position(at)
                && matches!(self.plan.nodes[at].review, Some(Review::Contested(..)))
                && let Some(number) = event["payload"]["decision"]["content"]["n"].as_i64()
            {
                contests.insert(at, number);
            }
        }
        contests
    }

    fn check_status(&self, prediction: &Prediction, problems: &mut Vec<String>) {
        let status = self.status();
        let is_right = if self.facts.is_cancelled {
            status == "cancelled"
        } else {
            status == prediction.status() || self.facts.may_be.contains(&status)
        };
        if !is_right {
            let expected = if self.facts.is_cancelled {
                "cancelled"
            } else {
                prediction.status()
            };
            let error = &self.view["error"];
            problems.push(format!("it is {status}, not {expected}: {error}"));
        }
        let resumes = self.of_kind("execution_resumed").count();
        if resumes != self.facts.resumes as usize {
            let wanted = self.facts.resumes;
            problems.push(format!("it was resumed {resumes} times, not {wanted}"));
        }
    }

    /// How far the other nodes came before something ended the execution is up to the schedule.
    fn check_node(
        &self,
        node: &Node,
        predicted: &Predicted,
        prediction: &Prediction,
        problems: &mut Vec<String>,
    ) {
        let nodes = self.view["nodes"].as_array().into_iter().flatten();
        let mut found = nodes.filter(|other| other["id"] == *node.id && other["item"].is_null());
        let (Some(found), None) = (found.next(), found.next()) else {
            problems.push(format!("{} is not shown once", node.id));
            return;
        };
        let status = found["status"].as_str().unwrap_or_default();
        let has_failed = prediction
            .nodes
            .iter()
            .any(|other| other.fate == Fate::Failed);
        let is_whole =
            self.status() == prediction.status() && !(has_failed && self.plan.stops_on_failure);
        let is_cut = !is_whole && matches!(status, "waiting" | "cancelled");
        if status != predicted.fate.name() && !is_cut {
            let (id, fate) = (&node.id, predicted.fate.name());
            problems.push(format!("{id} is {status}, not {fate}: {}", found["error"]));
        } else if let (Some(expected), "completed") = (&predicted.output, status)
            && !matches(expected, &found["output"])
        {
            let (id, output) = (&node.id, &found["output"]);
            problems.push(format!("{id} gave {output}, not {expected}"));
        }
    }

    /// One decision per checkpoint, and it is the one that somebody was told counts.
    fn check_decisions(&self, problems: &mut Vec<String>) {
        let mut decided: HashMap<&str, Value> = HashMap::new();
        for event in self.of_kind("checkpoint_resolved") {
            let payload = &event["payload"];
            let id = payload["checkpoint"].as_str().unwrap_or_default();
            let decision = comparable(&payload["decision"], "content");
            if decided.insert(id, decision).is_some() {
                problems.push(format!("checkpoint {id} was decided twice"));
            }
        }
        for (id, decision) in &decided {
            let is_it = |sent: &&super::life::Sent| {
                sent.checkpoint == *id && comparable(&sent.decision, "edited_content") == *decision
            };
            if !self.facts.sent.iter().any(|sent| is_it(&sent)) {
                problems.push(format!("nobody decided {decision} at checkpoint {id}"));
            }
        }
        for sent in &self.facts.sent {
            let decision = comparable(&sent.decision, "edited_content");
            let counts = decided.get(sent.checkpoint.as_str()) == Some(&decision);
            if counts != sent.is_accepted {
                let answer = sent.refusal.as_deref().unwrap_or("accepted");
                let id = &sent.checkpoint;
                // Somebody else may have ended it before the answer was on its way.
                if sent.is_accepted || self.status() == "completed" {
                    problems.push(format!("{decision} at checkpoint {id}: {answer}"));
                }
            }
        }
    }

    /// Effects that were seen long after their node had succeeded: a host let them out that did not
    /// own the execution any more.
    pub fn late_effects(&self) -> Vec<String> {
        let nodes = self.plan.nodes.iter();
        let calls = nodes.filter(|node| matches!(node.work, Work::Call(_)));
        let late = calls.flat_map(|node| {
            let effects = self.effects_of(node);
            self.successes_of(node)
                .into_iter()
                .filter_map(move |(slot, times)| {
                    let effects = effects.get(slot.as_str())?;
                    // One more may be of an attempt that the end of the execution cut.
                    if effects.len() > times.len() {
                        return None;
                    }
                    let last = effects.iter().map(|effect| effect.last).max()?;
                    let late = last.duration_since(*times.iter().max()?).ok()?;
                    let seconds = late.as_secs_f64();
                    let text = format!("{slot} had an effect {seconds:.1} s after it succeeded");
                    (late > LATE).then_some(text)
                })
        });
        late.collect()
    }

    /// When each item of a node succeeded, or the node itself, by the first part of its keys.
    fn successes_of(&self, node: &Node) -> BTreeMap<String, Vec<SystemTime>> {
        let mut successes: BTreeMap<String, Vec<SystemTime>> = BTreeMap::new();
        for event in self.of_kind("node_succeeded") {
            if event["node"] == *node.id {
                let slot = match event["payload"]["item"].as_u64() {
                    Some(item) => format!("{}:{item}", node.id),
                    None => node.id.clone(),
                };
                let at = time::parse(event["at"].as_str().unwrap_or_default());
                successes.entry(slot).or_default().extend(at);
            }
        }
        successes
    }

    fn effects_of(&self, node: &Node) -> BTreeMap<&str, Vec<&Effect>> {
        let mut keys: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
        for (key, effect) in self.effects {
            let slot = key.split('#').next().unwrap_or_default();
            if slot.split(':').next() == Some(&*node.id) {
                keys.entry(slot).or_default().push(effect);
            }
        }
        keys
    }

    /// Each success has a key of its own, which the provider has seen.
    fn check_effects(&self, node: &Node, problems: &mut Vec<String>) {
        let mut keys = self.effects_of(node);
        let successes = self.successes_of(node);
        for (slot, times) in &successes {
            let effects = keys.remove(slot.as_str()).unwrap_or_default();
            let answered = effects.iter().filter(|effect| effect.answered > 0).count();
            // One more may be of an attempt that the end of the execution cut.
            let is_right = if self.status() == "completed" {
                effects.len() == times.len() && answered == times.len()
            } else {
                answered >= times.len() && effects.len() <= times.len() + 1
            };
            if !is_right {
                let (keys, count) = (effects.len(), times.len());
                problems.push(format!(
                    "{slot} succeeded {count} times, with {keys} keys, {answered} of them answered"
                ));
            }
        }
        for (slot, effects) in keys {
            if self.status() == "completed" || effects.len() > 1 {
                let count = effects.len();
                problems.push(format!("{slot} never succeeded, with {count} keys"));
            }
        }
    }
}

/// The same decision in the words of a request and of the journal.
fn comparable(decision: &Value, content: &str) -> Value {
    json!({"action": decision["action"], "content": decision[content]})
}

#[cfg(test)]
mod tests {
    use super::{super::life::Sent, *};
    use crate::verify::{plan::Effect as Path, world::random};

    /// An execution of one node that went as it should, to be spoiled.
    struct Good {
        plan: Plan,
        input: Input,
        facts: Facts,
        view: Value,
        events: Vec<Value>,
        effects: HashMap<String, Effect>,
    }

    impl Good {
        fn of(work: Work, review: Option<Review>) -> Self {
            let plan = Plan::of_one(work, review);
            let input = Input::random(&mut random(1, 1));
            let prediction = Prediction::of(&plan, &input, &Contests::new());
            let output = prediction.nodes[0].output.clone().unwrap_or_default();
            let mut good = Self {
                plan,
                input,
                facts: Facts::default(),
                view: json!({"status": "completed", "nodes": [
                    {"id": "n0", "status": "completed", "output": output}
                ]}),
                events: Vec::new(),
                effects: HashMap::new(),
            };
            good.add("node_started", &json!({"attempt": 1}));
            good.add("node_succeeded", &json!({"attempt": 1, "output": output}));
            good
        }

        fn add(&mut self, kind: &str, payload: &Value) {
            let seq = self.events.len() + 1;
            self.events.push(json!({
                "seq": seq, "at": "2026-11-21T00:00:00Z", "kind": kind, "node": "n0",
                "payload": payload,
            }));
        }

        fn effect(&mut self, key: &str, answered: u64, after: u64) {
            let success = time::parse("2026-11-21T00:00:00Z").unwrap();
            let effect = Effect {
                count: 1,
                answered,
                last: success + Duration::from_secs(after),
            };
            self.effects.insert(key.to_owned(), effect);
        }

        fn problems(self) -> String {
            self.check().0
        }

        /// Problems, and late effects.
        fn check(mut self) -> (String, String) {
            self.add("execution_completed", &json!({}));
            self.view["last_event"] = json!(self.events.len());
            let case = Case {
                plan: &self.plan,
                input: &self.input,
                facts: &self.facts,
                view: &self.view,
                events: &self.events,
                effects: &self.effects,
            };
            (case.problems().join("; "), case.late_effects().join("; "))
        }
    }

    #[test]
    fn wrong_ends_are_found() {
        assert_eq!(Good::of(Work::Compute, None).problems(), "");
        let mut other = Good::of(Work::Compute, None);
        other.view["nodes"][0]["output"]["n"] = json!(-7);
        assert!(other.problems().contains("n0 gave {\"n\":-7}"));
        let mut cancelled = Good::of(Work::Compute, None);
        cancelled.facts.is_cancelled = true;
        assert!(cancelled.problems().contains("completed, not cancelled"));
        let mut twice = Good::of(Work::Compute, None);
        twice.add("node_succeeded", &json!({"attempt": 1}));
        assert!(twice.problems().contains("journal: "));
        let mut resumed = Good::of(Work::Compute, None);
        resumed.facts.resumes = 1;
        assert!(resumed.problems().contains("resumed 0 times, not 1"));
    }

    #[test]
    fn effects_have_to_be_seen_once_and_in_time() {
        let good = || Good::of(Work::Call(Path::Slow(0)), None);
        assert!(good().problems().contains("with 0 keys"));
        let check = |answered, after| {
            let mut one = good();
            one.effect("n0", answered, after);
            one.check()
        };
        assert_eq!(check(1, 0), (String::new(), String::new()));
        assert!(check(0, 0).0.contains("with 1 keys, 0 of them answered"));
        assert!(check(1, 9).1.contains("9.0 s after it succeeded"));
        let mut two = good();
        two.effect("n0", 1, 0);
        two.effect("n0#1", 1, 0);
        assert!(two.problems().contains("with 2 keys"));
    }

    #[test]
    fn what_was_said_at_a_checkpoint_counts_once() {
        let approve = json!({"action": "approve"});
        let with = |decisions: usize, is_accepted: bool| {
            let mut good = Good::of(Work::Compute, Some(Review::Approve));
            for _ in 0..decisions {
                let payload = json!({"checkpoint": "c", "decision": approve});
                good.add("checkpoint_resolved", &payload);
            }
            good.facts.sent.push(Sent {
                checkpoint: "c".to_owned(),
                decision: approve.clone(),
                is_accepted,
                refusal: (!is_accepted).then(|| "no".to_owned()),
            });
            good.problems()
        };
        assert_eq!(with(1, true), "");
        assert!(with(2, true).contains("decided twice"));
        assert!(with(0, true).contains("accepted"));
        assert!(with(1, false).contains("no"));
        let mut unsaid = Good::of(Work::Compute, Some(Review::Approve));
        let payload = json!({"checkpoint": "c", "decision": approve});
        unsaid.add("checkpoint_resolved", &payload);
        assert!(unsaid.problems().contains("nobody decided"));
    }
}
