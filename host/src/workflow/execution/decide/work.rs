//! What comes back from work that was given out, and from attempts that run.

use super::Execution;
use crate::workflow::{
    ArtifactRef, DEPTH_MAX, Digest, Event, ExecutionId, Failure, FailureKind, ITEMS_MAX, Json,
    NodeIndex, Position, Timestamp,
    execution::{Prepared, Refusal, Step, Task},
    is_deeper_than,
};

impl Execution {
    /// Records what a running attempt reports; what came too late is dropped.
    pub(super) fn report(
        &mut self,
        index: NodeIndex,
        item: Option<u32>,
        event: Event,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match self.running_slot(index, item) {
            Some(_) => self.record(event, now, step),
            None => Ok(()),
        }
    }

    pub(super) fn prepared(
        &mut self,
        index: NodeIndex,
        result: Result<Prepared, Failure>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if !self.preparing.remove(&index) {
            return Ok(()); // The execution ended meanwhile.
        }
        let spec = self.definition.node(index);
        let node = spec.id.clone();
        let is_fan_out = spec.for_each.is_some();
        let asks = spec.asks(Position::Before);
        let result = result.and_then(|prepared| match prepared {
            Prepared::ForEach(items) => match check_items(items, is_fan_out)? {
                _ if asks => Err(invalid("the inputs were not evaluated")),
                items => Ok(Prepared::ForEach(items)),
            },
            Prepared::Propose(input) if asks => check_proposed(input, is_fan_out),
            Prepared::Propose(_) => Err(invalid("nobody has to decide on the input")),
            Prepared::Once if asks => Err(invalid("the input was not evaluated")),
            Prepared::Once if is_fan_out => Err(invalid("for_each was not evaluated")),
            prepared => Ok(prepared),
        });
        let event = match result {
            Ok(Prepared::Once) => {
                let attempt = self
                    .node(index)
                    .slot(None)
                    .map_or(1, |slot| slot.attempt + 1);
                self.agenda.push_front(Task::Start(index, None, attempt));
                return Ok(());
            }
            Ok(Prepared::Skip) => Event::NodeSkipped {
                node,
                reason: "its condition is false".to_owned(),
            },
            Ok(Prepared::ForEach(items)) => Event::FanOutExpanded { node, items },
            Ok(Prepared::Propose(input)) => {
                return self.open_checkpoint_at(index, Some(input), now, step);
            }
            Err(error) => Event::NodeFailed {
                node,
                item: None,
                error,
            },
        };
        self.record(event, now, step)
    }

    pub(super) fn attempted(
        &mut self,
        index: NodeIndex,
        item: Option<u32>,
        attempt: u32,
        result: Result<(Json, Vec<ArtifactRef>), Failure>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let Some(slot) = self
            .running_slot(index, item)
            .filter(|slot| slot.attempt == attempt)
        else {
            return Ok(()); // It was cancelled meanwhile.
        };
        let tries = slot.tries;
        let spec = self.definition.node(index);
        let node = spec.id.clone();
        let result = result.and_then(|(output, artifacts)| {
            if is_deeper_than(&output, DEPTH_MAX) {
                return Err(too_deep("output"));
            }
            Ok((output, artifacts))
        });
        let event = match result {
            Ok((output, artifacts)) => Event::NodeSucceeded {
                node,
                item,
                attempt,
                output,
                artifacts,
            },
            Err(error) if error.cause.is_retryable() && tries < spec.retry.max_attempts => {
                let due = now.after(
                    spec.retry
                        .delay(tries, spread(self.id, index, item, attempt)),
                );
                Event::NodeRetryScheduled {
                    node,
                    item,
                    attempt,
                    error,
                    due,
                }
            }
            Err(error) => Event::NodeFailed { node, item, error },
        };
        self.record(event, now, step)
    }

    pub(super) fn finished(
        &mut self,
        result: Result<Json, Failure>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if !std::mem::take(&mut self.is_finishing) {
            return Ok(()); // The execution ended meanwhile.
        }
        let event = match result {
            Ok(output) if is_deeper_than(&output, DEPTH_MAX) => Event::ExecutionFailed {
                error: too_deep("output"),
            },
            Ok(output) => Event::ExecutionCompleted { output },
            Err(error) => Event::ExecutionFailed {
                error: Failure::new(error.cause, format!("output: {}", error.message)),
            },
        };
        self.record(event, now, step)
    }
}

/// What somebody is asked before a node runs, if a journal can hold it.
fn check_proposed(input: Json, is_fan_out: bool) -> Result<Prepared, Failure> {
    if is_deeper_than(&input, DEPTH_MAX) {
        return Err(too_deep("input"));
    }
    match input.as_array() {
        None if is_fan_out => Err(invalid("the inputs of a fan-out must be an array")),
        Some(items) if is_fan_out && items.len() > ITEMS_MAX => Err(too_many(items.len())),
        _ => Ok(Prepared::Propose(input)),
    }
}

fn too_many(items: usize) -> Failure {
    invalid(format!(
        "for_each gave {items} items, more than {ITEMS_MAX}"
    ))
}

/// The items of a fan-out, if that many and that deep a journal can hold.
fn check_items(items: Vec<Json>, is_fan_out: bool) -> Result<Vec<Json>, Failure> {
    if !is_fan_out {
        return Err(invalid("the node has no for_each"));
    }
    if items.len() > ITEMS_MAX {
        return Err(too_many(items.len()));
    }
    if items.iter().any(|item| is_deeper_than(item, DEPTH_MAX)) {
        return Err(too_deep("an item of for_each"));
    }
    Ok(items)
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Invalid, message)
}

fn too_deep(what: &str) -> Failure {
    let message = format!("{what} is nested deeper than {DEPTH_MAX} levels");
    Failure::new(FailureKind::LimitExceeded, message)
}

/// 0.0 to 1.0, different for each attempt but the same whenever it is asked for:
/// the pure core has no randomness.
fn spread(execution: ExecutionId, index: NodeIndex, item: Option<u32>, attempt: u32) -> f64 {
    let digest = Digest::of(format!("{execution}/{}/{item:?}/{attempt}", index.0).as_bytes());
    f64::from(u32::from_be_bytes([
        digest.0[0],
        digest.0[1],
        digest.0[2],
        digest.0[3],
    ])) / f64::from(u32::MAX)
}
