//! What comes from outside is answered with events and actions.

use std::{sync::Arc, time::Duration};

use super::{
    Action, Execution, Input, Prepared, Refusal, Slot, SlotState, Stage, Step, Task, Timer,
};
use crate::workflow::{
    ArtifactRef, CheckpointId, DEPTH_MAX, Decision, Definition, Digest, Event, ExecutionId,
    ExecutionStatus, Failure, FailureKind, ITEMS_MAX, Json, NodeIndex, Recorded, Timestamp,
    is_deeper_than,
};

impl Execution {
    /// A new execution, from the event that creates it.
    pub fn start(
        id: ExecutionId,
        definition: Arc<Definition>,
        created: Event,
        now: Timestamp,
    ) -> Result<(Self, Step), Refusal> {
        if let Event::ExecutionCreated { input, context, .. } = &created {
            check_depth("input", input)?;
            check_depth("context", context)?;
        }
        let first = Recorded {
            seq: 1,
            at: now,
            event: created,
        };
        let mut execution = Self::create(id, definition, &first)?;
        let mut step = Step {
            events: vec![first],
            actions: Vec::new(),
        };
        execution.follow_up(now, &mut step)?;
        Ok((execution, step))
    }

    /// Goes on with an execution that was folded from its journal: attempts that
    /// were running are repeated, and whatever else was under way is done again.
    pub fn recover(&mut self, now: Timestamp) -> Result<Step, Refusal> {
        let mut step = Step::default();
        // What has timed out meanwhile is not repeated.
        self.fire(now, &mut step)?;
        for index in self.definition.indices() {
            for (item, slot) in self.node(index).numbered_slots() {
                if matches!(slot.state, SlotState::Running) {
                    step.actions.push(Action::Run {
                        node: index,
                        item,
                        attempt: slot.attempt,
                    });
                }
            }
        }
        self.follow_up(now, &mut step)?;
        Ok(step)
    }

    /// Takes what happened outside, and everything that follows from it.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Step, Refusal> {
        let mut step = Step::default();
        match input {
            Input::Prepared { node, result } => self.prepared(node, result, now, &mut step)?,
            Input::Attempted {
                node,
                item,
                attempt,
                result,
            } => {
                self.attempted(node, item, attempt, result, now, &mut step)?;
            }
            Input::Logged {
                node: index,
                item,
                level,
                message,
            } => {
                let node = self.definition.node(index).id.clone();
                let event = Event::NodeLogged {
                    node,
                    item,
                    level,
                    message,
                };
                self.report(index, item, event, now, &mut step)?;
            }
            Input::Progressed {
                node: index,
                item,
                fraction,
                message,
            } => {
                let node = self.definition.node(index).id.clone();
                // JSON has no NaN, and the journal is JSON.
                let fraction = if fraction.is_nan() { 0.0 } else { fraction };
                let event = Event::NodeProgressed {
                    node,
                    item,
                    fraction: fraction.clamp(0.0, 1.0),
                    message,
                };
                self.report(index, item, event, now, &mut step)?;
            }
            Input::Finished(result) => self.finished(result, now, &mut step)?,
            Input::Tick => self.fire(now, &mut step)?,
            Input::Cancel { reason } => self.cancel_all(reason, now, &mut step)?,
            Input::Resume { timeout } => self.resume_with(timeout, now, &mut step)?,
            Input::Resolve {
                checkpoint,
                decision,
                notes,
                by,
            } => self.resolved(checkpoint, decision, notes, by, now, &mut step)?,
        }
        self.follow_up(now, &mut step)?;
        Ok(step)
    }

    /// Applies an event of our own making.
    pub(super) fn record(
        &mut self,
        event: Event,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let recorded = Recorded {
            seq: self.version + 1,
            at: now,
            event,
        };
        self.apply(&recorded)?;
        step.events.push(recorded);
        Ok(())
    }

    /// Records what a running attempt reports; what came too late is dropped.
    fn report(
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

    fn prepared(
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
        let result = result.and_then(|prepared| match prepared {
            Prepared::ForEach(items) => check_items(items, is_fan_out).map(Prepared::ForEach),
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
            Err(error) => Event::NodeFailed {
                node,
                item: None,
                error,
            },
        };
        self.record(event, now, step)
    }

    fn attempted(
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

    fn finished(
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

    fn cancel_all(
        &mut self,
        reason: String,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        match self.status() {
            ExecutionStatus::Cancelled => Ok(()), // Asked for twice.
            status if status.is_over() => Err(Refusal::Over(status)),
            _ => {
                self.cancel_active(now, step)?;
                self.record(Event::ExecutionCancelled { reason }, now, step)
            }
        }
    }

    fn resume_with(
        &mut self,
        timeout: Duration,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let status = self.status();
        if !status.is_over() || status == ExecutionStatus::Completed {
            return Err(Refusal::NotResumable(status));
        }
        let deadline = now.after(timeout);
        self.record(Event::ExecutionResumed { deadline }, now, step)
    }

    fn resolved(
        &mut self,
        checkpoint: CheckpointId,
        decision: Decision,
        notes: Option<String>,
        by: Option<String>,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        if let Decision::Edit { content } = &decision {
            check_depth("edited content", content)?;
        }
        let index = self
            .open_checkpoint(checkpoint)
            .filter(|index| match self.node(*index).stage {
                // It may have expired without anybody's having looked at the clock yet.
                Stage::AwaitingCheckpoint { expires, .. } => expires.is_none_or(|at| at > now),
                _ => false,
            })
            .ok_or(Refusal::NotOpen(checkpoint))?;
        let node = self.definition.node(index).id.clone();
        let event = Event::CheckpointResolved {
            node,
            checkpoint,
            decision,
            notes,
            by,
        };
        self.record(event, now, step)
    }

    /// Everything whose time has come, in the order of the times: however late
    /// somebody looks, what was due first has its consequences first.
    fn fire(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        self.settle(now, step)?;
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            match timer {
                Timer::Deadline => {
                    self.cancel_active(now, step)?;
                    self.record(Event::ExecutionTimedOut, now, step)?;
                }
                Timer::Retry(index, item) => {
                    self.timers.pop_first();
                    let attempt = self
                        .node(index)
                        .slot(item)
                        .map_or(1, |slot| slot.attempt + 1);
                    self.agenda.push_back(Task::Start(index, item, attempt));
                }
                Timer::Expiry(index, checkpoint) => {
                    let node = self.definition.node(index).id.clone();
                    self.record(Event::CheckpointExpired { node, checkpoint }, now, step)?;
                }
            }
            self.settle(now, step)?;
        }
        Ok(())
    }

    /// Consequences, then as much new work as there is room for.
    fn follow_up(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        self.settle(now, step)?;
        while !self.is_over() && self.has_room() {
            match self.agenda.pop_front() {
                None => break,
                Some(Task::Prepare(index)) => {
                    if matches!(self.node(index).stage, Stage::Ready)
                        && self.preparing.insert(index)
                    {
                        step.actions.push(Action::Prepare(index));
                    }
                }
                Some(Task::Start(index, item, attempt)) => {
                    if self.is_startable(index, item, attempt) {
                        self.start_attempt(index, item, attempt, now, step)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn start_attempt(
        &mut self,
        index: NodeIndex,
        item: Option<u32>,
        attempt: u32,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), Refusal> {
        let node = self.definition.node(index).id.clone();
        let event = Event::NodeStarted {
            node,
            item,
            attempt,
        };
        self.record(event, now, step)?;
        step.actions.push(Action::Run {
            node: index,
            item,
            attempt,
        });
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.tally.running_slots + self.preparing.len() < self.definition.max_parallel as usize
    }

    fn running_slot(&self, index: NodeIndex, item: Option<u32>) -> Option<&Slot> {
        self.node(index)
            .slot(item)
            .filter(|slot| matches!(slot.state, SlotState::Running))
    }

    /// Is this attempt the next one? A task of a fold may have been done since.
    fn is_startable(&self, index: NodeIndex, item: Option<u32>, attempt: u32) -> bool {
        let node = self.node(index);
        let is_next = |slot: &Slot| {
            slot.attempt + 1 == attempt
                && matches!(slot.state, SlotState::Pending | SlotState::Retrying { .. })
        };
        matches!(node.stage, Stage::Ready | Stage::Active) && node.slot(item).is_some_and(is_next)
    }
}

/// The items of a fan-out, if that many and that deep a journal can hold.
fn check_items(items: Vec<Json>, is_fan_out: bool) -> Result<Vec<Json>, Failure> {
    if !is_fan_out {
        return Err(invalid("the node has no for_each"));
    }
    if items.len() > ITEMS_MAX {
        let count = items.len();
        return Err(invalid(format!(
            "for_each gave {count} items, more than {ITEMS_MAX}"
        )));
    }
    if items.iter().any(|item| is_deeper_than(item, DEPTH_MAX)) {
        return Err(too_deep("an item of for_each"));
    }
    Ok(items)
}

fn check_depth(what: &'static str, value: &Json) -> Result<(), Refusal> {
    if is_deeper_than(value, DEPTH_MAX) {
        return Err(Refusal::TooDeep(what));
    }
    Ok(())
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
