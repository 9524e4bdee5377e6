//! The semantics once more, as plain recursion over the DAG without time, order or
//! events; what executions come to must be what it says.

use std::collections::HashMap;

use serde_json::Value;

use super::world::World;
use crate::workflow::{
    Decision, Definition, Join, NodeIndex, NodeStatus, OnExpiry, OnReject, Position, Prepared,
};

/// What a node comes to when nothing stops the execution.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    pub(super) status: NodeStatus,
    pub(super) output: Option<Value>,
    /// Of each item, or the only one.
    pub(super) attempts: Vec<u32>,
}

impl Outcome {
    fn of(status: NodeStatus) -> Self {
        Self {
            status,
            output: None,
            attempts: vec![0],
        }
    }
}

pub(super) struct Model<'d> {
    pub(super) definition: &'d Definition,
    pub(super) world: World,
    known: HashMap<NodeIndex, Outcome>,
}

impl<'d> Model<'d> {
    pub(super) fn new(definition: &'d Definition, world: World) -> Self {
        Self {
            definition,
            world,
            known: HashMap::new(),
        }
    }

    /// The same, when it is known what some nodes come to.
    pub(super) fn knowing(
        definition: &'d Definition,
        world: World,
        known: HashMap<NodeIndex, Outcome>,
    ) -> Self {
        Self {
            definition,
            world,
            known,
        }
    }

    pub(super) fn outcomes(&mut self) -> Vec<Outcome> {
        self.definition
            .indices()
            .map(|index| self.outcome(index))
            .collect()
    }

    fn outcome(&mut self, index: NodeIndex) -> Outcome {
        if let Some(outcome) = self.known.get(&index) {
            return outcome.clone();
        }
        let outcome = self.work_out(index);
        self.known.insert(index, outcome.clone());
        outcome
    }

    fn work_out(&mut self, index: NodeIndex) -> Outcome {
        let spec = self.definition.node(index);
        let needs: Vec<_> = spec
            .needs
            .iter()
            .map(|need| self.outcome(*need).status)
            .collect();
        let is_completed = |status: &NodeStatus| *status == NodeStatus::Completed;
        let runs = match spec.join {
            Join::All => needs.iter().all(is_completed),
            Join::Any => needs.is_empty() || needs.iter().any(is_completed),
            Join::Settled => true,
        };
        if !runs {
            return Outcome::of(NodeStatus::Skipped);
        }
        let asks = spec.asks(Position::Before);
        let prepared = if spec.when.is_some() || spec.for_each.is_some() || asks {
            self.world.prepared(self.definition, index)
        } else {
            Ok(Prepared::Once)
        };
        match prepared {
            Err(_) => Outcome::of(NodeStatus::Failed),
            Ok(Prepared::Skip) => Outcome::of(NodeStatus::Skipped),
            Ok(Prepared::Once) => self.rounds(index, &[None]),
            Ok(Prepared::ForEach(items)) => {
                let items: Vec<_> = (0_u32..).take(items.len()).map(Some).collect();
                self.rounds(index, &items)
            }
            // The first time it is asked is round 1.
            Ok(Prepared::Propose(input)) => match self.review(index, 1, (*input).clone()) {
                Review::GoOn(Value::Array(items)) if spec.for_each.is_some() => {
                    let items: Vec<_> = (0_u32..).take(items.len()).map(Some).collect();
                    self.rounds(index, &items)
                }
                Review::GoOn(_) => self.rounds(index, &[None]),
                Review::Again | Review::Fail => Outcome::of(NodeStatus::Failed),
            },
        }
    }

    fn rounds(&self, index: NodeIndex, items: &[Option<u32>]) -> Outcome {
        let mut attempts = vec![0; items.len()];
        for round in 0.. {
            let mut outputs = Vec::new();
            for (item, attempt) in items.iter().zip(&mut attempts) {
                outputs.extend(self.tries(index, *item, attempt));
            }
            if outputs.len() < items.len() {
                let status = NodeStatus::Failed;
                return Outcome {
                    status,
                    output: None,
                    attempts,
                };
            }
            let produced = match items {
                [None] => outputs[0].clone(),
                _ => Value::Array(outputs),
            };
            let spec = self.definition.node(index);
            let review = if spec.asks(Position::Before) {
                Review::GoOn(produced)
            } else {
                self.review(index, round, produced)
            };
            let max_reruns = (spec.checkpoint.as_ref()).map_or(0, |spec| spec.max_reruns);
            let output = match review {
                Review::Again if round < max_reruns => continue,
                Review::Again | Review::Fail => None,
                Review::GoOn(output) => Some(output),
            };
            let is_completed = output.is_some();
            let status = if is_completed {
                NodeStatus::Completed
            } else {
                NodeStatus::Failed
            };
            return Outcome {
                status,
                output,
                attempts,
            };
        }
        unreachable!("rounds are limited");
    }

    fn tries(&self, index: NodeIndex, item: Option<u32>, attempt: &mut u32) -> Option<Value> {
        for _ in 0..self.definition.node(index).retry.max_attempts {
            *attempt += 1;
            match self.world.attempted(index, item, *attempt) {
                Ok(output) => return Some((*output).clone()),
                Err(error) if error.cause.is_retryable() => {}
                Err(_) => return None,
            }
        }
        None
    }

    fn review(&self, index: NodeIndex, round: u32, produced: Value) -> Review {
        let Some(checkpoint) = &self.definition.node(index).checkpoint else {
            return Review::GoOn(produced);
        };
        let rejected = match checkpoint.on_reject {
            OnReject::Rerun => Review::Again,
            OnReject::Fail => Review::Fail,
        };
        let answer = self.world.answer(self.definition, index, round);
        match answer.map(|answer| answer.decision) {
            Some(Decision::Approve) => Review::GoOn(produced),
            Some(Decision::Edit { content }) => Review::GoOn((*content).clone()),
            Some(Decision::Reject) => rejected,
            None => match checkpoint.on_expiry {
                OnExpiry::Approve => Review::GoOn(produced),
                OnExpiry::Reject => rejected,
                OnExpiry::Fail => Review::Fail,
            },
        }
    }
}

enum Review {
    GoOn(Value),
    Again,
    Fail,
}
