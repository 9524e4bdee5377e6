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

    /// Each success has a key of its own, which the provider has seen; and when all is done, nothing
    /// more comes.
    fn check_effects(&self, node: &Node, problems: &mut Vec<String>) {
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
        let mut keys: BTreeMap<&str, Vec<&Effect>> = BTreeMap::new();
        for (key, effect) in self.effects {
            let slot = key.split('#').next().unwrap_or_default();
            if slot.split(':').next() == Some(&*node.id) {
                keys.entry(slot).or_default().push(effect);
            }
        }
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
            let last = effects.iter().map(|effect| effect.last).max();
            let late = last
                .zip(times.iter().max())
                .and_then(|(last, success)| last.duration_since(*success).ok())
                .filter(|late| *late > LATE && effects.len() <= times.len());
            if let Some(late) = late {
                let seconds = late.as_secs_f64();
                problems.push(format!(
                    "{slot} had an effect {seconds:.1} s after it succeeded"
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
