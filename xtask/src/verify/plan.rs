//! Random definitions whose ends a small model can foresee.
//!
//! Whatever depends on the order in which things happen is left out: only what is known to be over
//! is referred to, and whether a node fails is up to the definition.

use fastrand::Rng;
use serde_json::{Value, json};

/// Flags in the input of an execution, for `when` to look at.
pub const FLAGS: usize = 3;

/// Attempts of a request beyond those that are made to fail.
const SPARE_ATTEMPTS: u32 = 3;

/// Nodes of one definition.
const NODES_MAX: usize = 9;

/// A definition.
#[derive(Debug)]
pub struct Plan {
    pub id: String,
    pub nodes: Vec<Node>,
    pub stops_on_failure: bool,
    max_parallel: u32,
}

#[derive(Debug)]
pub struct Node {
    pub id: String,
    pub work: Work,
    /// Positions of nodes before this one.
    pub needs: Vec<usize>,
    pub join: Join,
    pub when: Option<When>,
    pub items: Option<Items>,
    pub attempts: u32,
    pub review: Option<Review>,
    pub source: Source,
    retry_ms: u32,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Adds one.
    Compute,
    /// Waits so many milliseconds.
    Delay(u32),
    /// Succeeds at this attempt, which the policy allows.
    Flaky(u32),
    /// Never succeeds, in this mode of the phase `misbehave`.
    Fail(&'static str),
    /// Has an effect: a request to the provider, at this path.
    Call(Effect),
}

/// How the provider treats a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Answers after so many milliseconds.
    Slow(u32),
    /// Hangs up on the first so many requests of each key.
    HangUp(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    All,
    Any,
    Settled,
}

/// When a node runs.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// If this flag of the input is set: a path, which the engine walks itself.
    Flag(usize),
    /// If the number of the input is even, which the evaluator finds out.
    Even,
}

/// What a node fans out over.
#[derive(Debug, Clone)]
pub enum Items {
    /// The items of the input.
    OfInput,
    /// These.
    These(Vec<i64>),
}

/// Where the number comes from that a node works on.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    Input,
    Item,
    /// The value of a need, which is completed when this runs.
    Need(usize),
    Sum(usize, usize),
    /// 1 if a need, which is over, is completed, else 0.
    Status(usize),
}

/// What becomes of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    Approve,
    /// The number is put in the place of what was computed.
    Edit(i64),
    /// Two people put in two numbers at the same time; the journal says who was first.
    Contested(i64, i64),
    /// Rejected, and the node fails.
    Reject,
    /// Rejected so many times, each time run again, then approved.
    Rerun(usize),
    /// Nobody decides within so many milliseconds; then this happens.
    Nobody(u32, &'static str),
}

impl Plan {
    /// The definition of this number.
    pub fn random(rng: &mut Rng, number: usize) -> Self {
        let count = rng.usize(1..=NODES_MAX);
        let mut nodes = Vec::new();
        // A failure says little about the rest when it stops it, so most definitions go well.
        let fails = rng.u32(..100) < 30;
        for at in 0..count {
            let node = Node::random(rng, at, &nodes, fails);
            nodes.push(node);
        }
        Self {
            id: format!("plan-{number}"),
            nodes,
            stops_on_failure: rng.bool(),
            max_parallel: pick(rng, &[1, 2, 4, 16]),
        }
    }

    /// One node, for tests.
    #[cfg(test)]
    pub fn of_one(work: Work, review: Option<Review>) -> Self {
        let node = Node {
            id: "n0".to_owned(),
            work,
            needs: Vec::new(),
            join: Join::All,
            when: None,
            items: None,
            attempts: 1,
            review,
            source: Source::Input,
            retry_ms: 1,
        };
        Self {
            id: "one".to_owned(),
            nodes: vec![node],
            stops_on_failure: true,
            max_parallel: 1,
        }
    }

    /// The document, with effects at this provider.
    pub fn document(&self, provider: &str) -> Value {
        let nodes = self.nodes.iter().map(|node| self.node(node, provider));
        let nodes: Vec<_> = nodes.collect();
        json!({
            "id": self.id,
            "max_parallel": self.max_parallel,
            "on_failure": if self.stops_on_failure { "stop" } else { "continue" },
            "nodes": nodes,
        })
    }

    fn node(&self, node: &Node, provider: &str) -> Value {
        let (phase, config) = match node.work {
            Work::Compute => ("compute", json!({})),
            Work::Delay(ms) => ("delay", json!({"ms": ms})),
            Work::Flaky(at) => ("misbehave", json!({"mode": "fail-until", "succeed_at": at})),
            Work::Fail(mode) => ("misbehave", json!({"mode": mode})),
            Work::Call(effect) => {
                let path = match effect {
                    Effect::Slow(ms) => format!("slow/{ms}"),
                    Effect::HangUp(times) => format!("hang-up/{times}"),
                };
                ("call", json!({"url": format!("{provider}/effect/{path}")}))
            }
        };
        let needs: Vec<_> = node.needs.iter().map(|at| &self.nodes[*at].id).collect();
        let mut document = json!({
            "id": node.id, "phase": phase, "config": config, "needs": needs,
            "join": node.join.name(), "input": {"n": self.expression(node)},
            "retry": {"max_attempts": node.attempts, "initial_delay_ms": node.retry_ms},
        });
        match node.when {
            Some(When::Flag(flag)) => document["when"] = json!(format!("input.flags[{flag}]")),
            Some(When::Even) => document["when"] = json!("input.n % 2 == 0"),
            None => {}
        }
        match &node.items {
            Some(Items::OfInput) => document["for_each"] = json!("input.items"),
            Some(Items::These(items)) => document["for_each"] = json!(items),
            None => {}
        }
        if let Some(review) = node.review {
            document["checkpoint"] = review.document();
        }
        document
    }

    fn expression(&self, node: &Node) -> String {
        let id = |at: usize| &self.nodes[at].id;
        match node.source {
            Source::Input => "{{ input.n }}".to_owned(),
            Source::Item => "{{ item }}".to_owned(),
            Source::Need(at) => format!("{{{{ {} }}}}", self.value(at)),
            Source::Sum(left, right) => {
                format!("{{{{ {} + {} }}}}", self.value(left), self.value(right))
            }
            Source::Status(at) => {
                format!("{{{{ nodes.{}.status == \"completed\" ? 1 : 0 }}}}", id(at))
            }
        }
    }

    /// The expression for what others see of a node.
    fn value(&self, at: usize) -> String {
        let node = &self.nodes[at];
        let output = format!("nodes.{}.output", node.id);
        match node.work {
            _ if node.items.is_some() => format!("size({output})"),
            Work::Compute | Work::Delay(_) => format!("{output}.n"),
            Work::Flaky(_) | Work::Fail(_) | Work::Call(_) => format!("{output}.input.n"),
        }
    }
}

impl Node {
    fn random(rng: &mut Rng, at: usize, before: &[Self], fails: bool) -> Self {
        let mut needs: Vec<usize> = match at {
            0 => Vec::new(),
            _ => (0..rng.usize(..=3)).map(|_| rng.usize(..at)).collect(),
        };
        needs.sort_unstable();
        needs.dedup();
        let join = pick(rng, &[Join::All, Join::All, Join::Any, Join::Settled]);
        let attempts = rng.u32(1..=4);
        let items = match rng.u32(..10) {
            0 => Some(Items::OfInput),
            1 => Some(Items::These((0..rng.i64(0..5)).collect())),
            _ => None,
        };
        let work = Work::random(rng, attempts, fails);
        // A request may fail for reasons of its own; that is what attempts are for.
        let attempts = match work {
            Work::Call(_) => attempts + SPARE_ATTEMPTS,
            _ => attempts,
        };
        let review = (rng.u32(..100) < 25)
            .then(|| Review::random(rng, fails, items.is_none() && work.is_editable()));
        let source = match (join, needs.as_slice()) {
            _ if items.is_some() => Source::Item,
            (Join::All, [need]) => Source::Need(*need),
            (Join::All, [left, .., right]) => Source::Sum(*left, *right),
            (Join::Settled, [need, ..]) => Source::Status(*need),
            _ => Source::Input,
        };
        let when = match rng.u32(..100) {
            0..12 => Some(When::Flag(rng.usize(..FLAGS))),
            12..20 => Some(When::Even),
            _ => None,
        };
        debug_assert!(needs.iter().all(|need| *need < before.len()));
        Self {
            id: format!("n{at}"),
            work,
            needs,
            join,
            when,
            items,
            attempts,
            review,
            source,
            retry_ms: rng.u32(50..800),
        }
    }
}

impl Work {
    fn random(rng: &mut Rng, attempts: u32, fails: bool) -> Self {
        match rng.u32(..100) {
            0..35 => Self::Compute,
            35..50 => Self::Delay(rng.u32(20..1500)),
            50..60 => Self::Flaky(rng.u32(1..=attempts)),
            60..80 => Self::Call(Effect::Slow(pick(rng, &[0, 5, 50, 400, 1200]))),
            80..88 => Self::Call(Effect::HangUp(rng.u32(..attempts))),
            _ if fails => Self::Fail(pick(rng, &["fail-permanent", "fail-transient", "trap"])),
            _ => Self::Compute,
        }
    }

    /// Is there another output of it that satisfies the schema of its phase?
    fn is_editable(self) -> bool {
        matches!(self, Self::Compute | Self::Delay(_))
    }
}

impl Review {
    fn random(rng: &mut Rng, fails: bool, is_editable: bool) -> Self {
        let number = rng.i64(1000..2000);
        match rng.u32(..100) {
            0..30 if is_editable => Self::Edit(number),
            30..50 if is_editable => Self::Contested(number, number + 1000),
            50..60 if fails => Self::Reject,
            60..75 => Self::Rerun(rng.usize(1..=2)),
            75..85 => Self::Nobody(rng.u32(200..2000), "approve"),
            85..92 if fails => Self::Nobody(rng.u32(200..2000), pick(rng, &["fail", "reject"])),
            _ => Self::Approve,
        }
    }

    fn document(self) -> Value {
        let on_reject = if matches!(self, Self::Rerun(_)) {
            "rerun"
        } else {
            "fail"
        };
        let mut document = json!({"title": "as planned", "on_reject": on_reject});
        if let Self::Nobody(ms, on_expiry) = self {
            document["expires_after_seconds"] = json!(f64::from(ms) / 1000.0);
            document["on_expiry"] = json!(on_expiry);
        }
        document
    }

    /// Is somebody to decide?
    pub fn is_decided(self) -> bool {
        !matches!(self, Self::Nobody(..))
    }

    /// Does the node complete?
    pub fn completes(self) -> bool {
        !matches!(self, Self::Reject | Self::Nobody(_, "fail" | "reject"))
    }
}

impl Join {
    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::Settled => "settled",
        }
    }
}

/// One of these.
fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}
