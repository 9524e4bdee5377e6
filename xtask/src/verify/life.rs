//! One execution from its start to its end, as its client sees it.

use std::{
    collections::HashMap,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

use super::{
    caller::{Answer, Caller, Refusal},
    model::{Contests, Input, Prediction},
    plan::{Plan, Review},
    world::World,
};

/// How long an execution may take when nothing goes wrong any more: some times what the longest
/// definition takes, with what a host that died last had in its hands.
const QUIET_MAX: Duration = Duration::from_mins(1);

/// How long a client waits before it looks again.
const PACE_MS: Range<u64> = 60..250;

/// What else is done to an execution.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Nothing,
    /// It is cancelled after so long, and perhaps resumed.
    Cancel {
        after: Duration,
        resume: bool,
    },
    /// It has a deadline, in seconds.
    Deadline(f64),
}

/// An execution to be.
pub struct Life<'w> {
    world: &'w World,
    pub plan: &'w Plan,
    pub input: Input,
    key: String,
    wish: Wish,
    is_started_twice: bool,
    caller: Caller<'w>,
    facts: Facts,
}

/// What its client knows of an execution.
#[derive(Debug, Default)]
pub struct Facts {
    pub id: String,
    /// Somebody was told that it is cancelled, and it was not resumed.
    pub is_cancelled: bool,
    /// It may have been cancelled, or may have timed out.
    pub may_be: Vec<&'static str>,
    pub resumes: u32,
    pub sent: Vec<Sent>,
    /// Checkpoints by node, in the order in which they were seen.
    seen: HashMap<String, Vec<String>>,
}

/// A decision that was sent.
#[derive(Debug)]
pub struct Sent {
    pub checkpoint: String,
    pub decision: Value,
    /// Was it accepted?
    pub is_accepted: bool,
    pub refusal: Option<String>,
}

impl<'w> Life<'w> {
    /// The execution of this number; all about it but the hosts that it meets is from the seed.
    pub fn new(world: &'w World, number: u64) -> Self {
        let mut rng = world.rng(number);
        let plan = &world.plans[rng.usize(..world.plans.len())];
        let input = Input::random(&mut rng);
        let wish = match rng.u32(..100) {
            0..8 => Wish::Cancel {
                after: Duration::from_millis(rng.u64(..3000)),
                resume: false,
            },
            8..18 => Wish::Cancel {
                after: Duration::from_millis(rng.u64(..2000)),
                resume: true,
            },
            18..23 => Wish::Deadline(0.3 + 2.0 * rng.f64()),
            _ => Wish::Nothing,
        };
        Self {
            world,
            plan,
            input,
            key: format!("verify-{}-{number}", world.seed),
            wish,
            is_started_twice: rng.u32(..10) == 0,
            caller: Caller::new(&world.fleet, rng.fork()),
            facts: Facts::default(),
        }
    }

    /// Lives it to its end. Gives what is known of it, with how far it came when that is not right.
    pub fn live(mut self) -> (Self, Result<()>) {
        let result = self.run();
        (self, result)
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn caller(&mut self) -> &mut Caller<'w> {
        &mut self.caller
    }

    fn run(&mut self) -> Result<()> {
        self.facts.id = self.start()?;
        if self.is_started_twice {
            let again = self.start()?;
            if again != self.facts.id {
                bail!("the same key started {again}, too");
            }
        }
        let started = Instant::now();
        loop {
            let view = self
                .caller
                .get(&format!("/api/executions/{}", self.facts.id))?;
            let status = view["status"].as_str().unwrap_or_default().to_owned();
            if is_over(&status) {
                if !self.resume(&status)? {
                    return Ok(());
                }
                continue;
            }
            self.cancel(started)?;
            self.decide(&view)?;
            let since = self.world.quiet_since().map(|quiet| quiet.max(started));
            if since.is_some_and(|since| since.elapsed() > QUIET_MAX) {
                bail!("it is stuck: {status} for {} s", QUIET_MAX.as_secs());
            }
            thread::sleep(Duration::from_millis(fastrand::u64(PACE_MS)));
        }
    }

    fn start(&mut self) -> Result<String> {
        let path = format!("/api/workflows/{}/execute", self.plan.id);
        let mut body = json!({"input": self.input.document()});
        if let Wish::Deadline(seconds) = self.wish {
            body["initial_context"] = json!({"timeout_seconds": seconds});
            self.facts.may_be = vec!["timed_out"];
        }
        let headers = [("idempotency-key", self.key.as_str())];
        let answer = self
            .caller
            .call(|client| client.post(&path, &headers, &body))?;
        let started = answer.result.map_err(|refusal| anyhow!(refusal.problem))?;
        let id = started["execution_id"].as_str().unwrap_or_default();
        Ok(id.to_owned())
    }

    fn cancel(&mut self, started: Instant) -> Result<()> {
        let Wish::Cancel { after, resume } = self.wish else {
            return Ok(());
        };
        if started.elapsed() < after {
            return Ok(());
        }
        let path = format!("/api/executions/{}/cancel", self.facts.id);
        let body = json!({"reason": "as planned"});
        let answer = self.caller.call(|client| client.post(&path, &[], &body))?;
        self.wish = Wish::Nothing;
        match answer.result {
            Ok(_) => {
                self.facts.is_cancelled = true;
                // Only what then goes well: a resume that arrives late must find nothing to resume.
                // Nor may a cancellation arrive late.
                let prediction = Prediction::of(self.plan, &self.input, &Contests::new());
                if resume && !answer.is_ambiguous && prediction.status() == "completed" {
                    self.wish = Wish::Cancel {
                        after: Duration::MAX,
                        resume,
                    };
                }
            }
            Err(Refusal { status: 409, .. }) if answer.is_ambiguous => {
                self.facts.may_be = vec!["cancelled"];
            }
            Err(Refusal { status: 409, .. }) => {}
            Err(refusal) => bail!("cancel: {}", refusal.problem),
        }
        Ok(())
    }

    /// Resumes it when that is wanted; false when it is over for good.
    fn resume(&mut self, status: &str) -> Result<bool> {
        let is_wanted = matches!(self.wish, Wish::Cancel { resume: true, .. });
        if status != "cancelled" || !is_wanted {
            return Ok(false);
        }
        let path = format!("/api/executions/{}/resume", self.facts.id);
        let answer = self
            .caller
            .call(|client| client.post(&path, &[], &json!({})))?;
        match answer.result {
            Ok(_) => {}
            // It has been resumed by a try that nobody answered.
            Err(Refusal { status: 409, .. }) if answer.is_ambiguous => {}
            Err(refusal) => bail!("resume: {}", refusal.problem),
        }
        self.wish = Wish::Nothing;
        self.facts.is_cancelled = false;
        self.facts.resumes += 1;
        Ok(true)
    }

    fn decide(&mut self, view: &Value) -> Result<()> {
        let nodes = view["nodes"].as_array().into_iter().flatten();
        let mut awaiting = nodes.filter(|node| node["status"] == "awaiting_checkpoint");
        let is_ours = |node: &Value| self.review_of(&node["id"]).is_some_and(Review::is_decided);
        if !awaiting.any(is_ours) {
            return Ok(());
        }
        let id = &self.facts.id;
        let inbox = format!("/api/checkpoints?execution_id={id}&status=pending");
        let mut page = self.caller.get(&inbox)?;
        let Value::Array(checkpoints) = page["items"].take() else {
            bail!("the list of checkpoints is no list: {page}");
        };
        for checkpoint in checkpoints {
            let node = checkpoint["node"].as_str().unwrap_or_default().to_owned();
            let id = checkpoint["checkpoint_id"].as_str().unwrap_or_default();
            let Some(review) = self.review_of(&checkpoint["node"]) else {
                bail!("there is a checkpoint at node {node}, which has none");
            };
            if review.is_decided() {
                let seen = self.facts.seen.entry(node).or_default();
                if !seen.iter().any(|seen| seen == id) {
                    seen.push(id.to_owned());
                }
                let round = seen.iter().position(|seen| seen == id).unwrap_or(0);
                self.send(id, &decisions(review, round))?;
            }
        }
        Ok(())
    }

    /// Sends decisions at the same time, each through a host of its own.
    fn send(&mut self, checkpoint: &str, decisions: &[Value]) -> Result<()> {
        let path = format!("/api/checkpoints/{checkpoint}/resolve");
        let path = path.as_str();
        let answers: Vec<Result<Answer<Value>>> = thread::scope(|scope| {
            let send = |decision| {
                let mut caller = self.caller.fork();
                scope.spawn(move || caller.call(|client| client.post(path, &[], decision)))
            };
            let threads: Vec<_> = decisions.iter().map(send).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("a client panicked")))
            };
            threads.into_iter().map(join).collect()
        });
        for (decision, answer) in decisions.iter().zip(answers) {
            let refusal = match answer?.result {
                Ok(_) => None,
                Err(Refusal {
                    status: 409,
                    problem,
                }) => Some(problem),
                Err(refusal) => bail!("decide: {}", refusal.problem),
            };
            self.facts.sent.push(Sent {
                checkpoint: checkpoint.to_owned(),
                decision: decision.clone(),
                is_accepted: refusal.is_none(),
                refusal,
            });
        }
        Ok(())
    }

    fn review_of(&self, node: &Value) -> Option<Review> {
        let node = self.plan.nodes.iter().find(|other| *node == *other.id)?;
        node.review
    }
}

/// What is said at the checkpoint of this round, perhaps by two people at the same time.
fn decisions(review: Review, round: usize) -> Vec<Value> {
    let edit = |number| json!({"action": "edit", "edited_content": {"n": number}});
    match review {
        Review::Edit(number) => vec![edit(number), edit(number)],
        Review::Contested(left, right) => vec![edit(left), edit(right)],
        Review::Reject => vec![json!({"action": "reject", "notes": "as planned"})],
        Review::Rerun(times) if round < times => {
            vec![json!({"action": "reject", "notes": "once more"})]
        }
        Review::Approve | Review::Rerun(_) => vec![json!({"action": "approve"})],
        Review::Nobody(..) => Vec::new(),
    }
}

/// Does nothing more happen by itself?
pub fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "failed" | "cancelled" | "timed_out")
}
