//! The outside as a pure function: the same question always has the same answer,
//! whoever asks, in whatever order and however often.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use proptest::prelude::*;
use serde_json::json;

use crate::workflow::{
    Decision, Definition, Failure, FailureKind, Json, NodeIndex, Position, Prepared,
};

/// What phases, expressions and people do.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub(super) seed: u64,
    /// How many attempts in a hundred fail.
    pub(super) failing: u64,
    /// How many decisions in a hundred are rejections.
    pub(super) rejecting: u64,
}

pub(super) fn worlds() -> impl Strategy<Value = World> {
    (
        any::<u64>(),
        prop::sample::select(vec![0, 10, 40]),
        0..60_u64,
    )
        .prop_map(|(seed, failing, rejecting)| World {
            seed,
            failing,
            rejecting,
        })
}

/// What somebody does at a checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) notes: Option<String>,
}

impl World {
    /// What preparing a node gives.
    pub(super) fn prepared(
        self,
        definition: &Definition,
        node: NodeIndex,
    ) -> Result<Prepared, Failure> {
        let spec = definition.node(node);
        if self.percent(("prepare", node.0)) < self.failing / 4 {
            return Err(Failure::new(FailureKind::Invalid, "cannot be evaluated"));
        }
        if spec.when.is_some() && self.percent(("when", node.0)) < 50 {
            return Ok(Prepared::Skip);
        }
        let count = self.percent(("items", node.0)) % 5;
        let asks = spec.asks(Position::Before);
        Ok(match (asks, spec.for_each.is_some()) {
            (true, true) => Prepared::Propose(Arc::new((0..count).collect())),
            (true, false) => Prepared::Propose(Arc::new(json!("input"))),
            (false, true) => {
                Prepared::ForEach((0..count).map(|item| Arc::new(json!(item))).collect())
            }
            (false, false) => Prepared::Once,
        })
    }

    /// How an attempt ends.
    pub(super) fn attempted(
        self,
        node: NodeIndex,
        item: Option<u32>,
        attempt: u32,
    ) -> Result<Json, Failure> {
        if self.percent(("attempt", node.0, item, attempt)) >= self.failing {
            return Ok(Arc::new(json!([node.0, item, attempt])));
        }
        let cause = match self.percent(("cause", node.0, item, attempt)) {
            0..30 => FailureKind::Permanent,
            30..60 => FailureKind::Trapped,
            _ => FailureKind::Transient,
        };
        Err(Failure::new(cause, format!("attempt {attempt} failed")))
    }

    /// What somebody decides in this round; none when nobody does (only when that ends by itself).
    pub(super) fn answer(
        self,
        definition: &Definition,
        node: NodeIndex,
        round: u32,
    ) -> Option<Answer> {
        let checkpoint = definition.node(node).checkpoint.as_ref()?;
        if checkpoint.expires_after.is_some() && self.percent(("answer", node.0, round)) < 60 {
            return None;
        }
        let decision = if self.percent(("decide", node.0, round)) < self.rejecting {
            Decision::Reject
        } else if self.percent(("edit", node.0, round)) < 30 {
            let is_items =
                checkpoint.position == Position::Before && definition.node(node).for_each.is_some();
            let content = if is_items {
                json!(["edited"])
            } else {
                json!({"edited": round})
            };
            Decision::Edit {
                content: Arc::new(content),
            }
        } else {
            Decision::Approve
        };
        let notes = (self.percent(("notes", node.0, round)) < 50).then(|| format!("round {round}"));
        Some(Answer { decision, notes })
    }

    pub(super) fn finished(self) -> Result<Json, Failure> {
        if self.percent("finish") < self.failing / 4 {
            return Err(Failure::new(FailureKind::Invalid, "cannot be rendered"));
        }
        Ok(Arc::new(json!("output")))
    }

    fn percent(self, question: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, question).hash(&mut hasher);
        hasher.finish() % 100
    }
}

/// A stream of choices from a seed.
#[derive(Debug, Clone)]
pub(super) struct Choices(pub(super) u64);

impl Choices {
    /// Less than `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        self.0 = hasher.finish();
        usize::try_from(self.0 % bound as u64).expect("less than a usize")
    }

    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
