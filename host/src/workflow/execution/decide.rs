//! What comes from outside is answered with events and actions.

use std::{sync::Arc, time::Duration};

use super::{Execution, IllegalTransition, Slot, SlotState, Stage, Task, Timer};
use crate::workflow::{
    ArtifactRef, CheckpointId, Decision, Definition, Digest, Event, ExecutionId, ExecutionStatus,
    Failure, FailureKind, ITEMS_MAX, Json, Level, NodeIndex, Recorded, Timestamp,
};

/// Everything that can happen to an execution from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// [`Action::Prepare`] is done.
    Prepared {
        /// Which node.
        node: NodeIndex,
        /// What `when` and `for_each` gave.
        result: Result<Prepared, Failure>,
    },
    /// An attempt is over.
    Attempted {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
        /// Output and artifacts, or why it failed.
        result: Result<(Json, Vec<ArtifactRef>), Failure>,
    },
    /// A running attempt wrote to its log.
    Logged {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// How important.
        level: Level,
        /// What.
        message: String,
    },
    /// A running attempt says how far it is.
    Progressed {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// 0.0 to 1.0.
        fraction: f32,
        /// What is going on.
        message: String,
    },
    /// [`Action::Finish`] is done.
    Finished(Result<Json, Failure>),
    /// Time has passed.
    Tick,
    /// Somebody wants it to end.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Somebody wants it to go on.
    Resume {
        /// From now to the new deadline.
        timeout: Duration,
    },
    /// Somebody decided at a checkpoint.
    Resolve {
        /// Which one.
        checkpoint: CheckpointId,
        /// How.
        decision: Decision,
        /// What they wrote.
        notes: Option<String>,
        /// Who.
        by: Option<String>,
    },
}

/// What preparing a node gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Prepared {
    /// `when` was false.
    Skip,
    /// It runs once.
    Once,
    /// It runs once for each of these.
    ForEach(Vec<Json>),
}

/// Something that somebody has to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Evaluate `when` and `for_each` of this node; answer with [`Input::Prepared`].
    Prepare(NodeIndex),
    /// Run this attempt; answer with [`Input::Attempted`].
    Run {
        /// Of which node.
        node: NodeIndex,
        /// Of which item.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
    },
    /// Evaluate the output of the execution; answer with [`Input::Finished`].
    Finish,
}

/// What follows from an input.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// Applied to the execution already, and to be made durable.
    pub events: Vec<Recorded>,
    /// To be done now.
    pub actions: Vec<Action>,
}

/// Why an input cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The execution is over.
    #[error("execution is {0} already")]
    Over(ExecutionStatus),
    /// Only a failed, cancelled or timed-out execution can be resumed.
    #[error("execution is {0}; only a failed, cancelled or timed_out one can be resumed")]
    NotResumable(ExecutionStatus),
    /// The checkpoint is not open.
    #[error("checkpoint {0} is not open")]
    NotOpen(CheckpointId),
    /// A flaw in this module; the journal is as it was.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

impl Execution {
    /// A new execution, from the event that creates it.
    pub fn start(
        id: ExecutionId,
        definition: Arc<Definition>,
        created: Event,
        now: Timestamp,
    ) -> Result<(Self, Step), Refusal> {
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
        self.fire(now, &mut step)?;
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
                node,
                item,
                level,
                message,
            } => {
                if self.running_slot(node, item).is_some() {
                    let node = self.definition.node(node).id.clone();
                    self.record(
                        Event::NodeLogged {
                            node,
                            item,
                            level,
                            message,
                        },
                        now,
                        &mut step,
                    )?;
                }
            }
            Input::Progressed {
                node,
                item,
                fraction,
                message,
            } => {
                if self.running_slot(node, item).is_some() {
                    let node = self.definition.node(node).id.clone();
                    self.record(
                        Event::NodeProgressed {
                            node,
                            item,
                            fraction,
                            message,
                        },
                        now,
                        &mut step,
                    )?;
                }
            }
            Input::Finished(result) => self.finished(result, now, &mut step)?,
            Input::Tick => self.fire(now, &mut step)?,
            Input::Cancel { reason } => self.cancel_all(reason, now, &mut step)?,
            Input::Resume { timeout } => {
                let status = self.status();
                if !status.is_over() || status == ExecutionStatus::Completed {
                    return Err(Refusal::NotResumable(status));
                }
                self.record(
                    Event::ExecutionResumed {
                        deadline: now.after(timeout),
                    },
                    now,
                    &mut step,
                )?;
            }
            Input::Resolve {
                checkpoint,
                decision,
                notes,
                by,
            } => {
                let index = self
                    .open_checkpoint(checkpoint)
                    .ok_or(Refusal::NotOpen(checkpoint))?;
                let node = self.definition.node(index).id.clone();
                self.record(
                    Event::CheckpointResolved {
                        node,
                        checkpoint,
                        decision,
                        notes,
                        by,
                    },
                    now,
                    &mut step,
                )?;
            }
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
        let node = self.definition.node(index).id.clone();
        let event = match result {
            Ok(Prepared::Once) => {
                self.agenda.push_front(Task::Start(index, None));
                return Ok(());
            }
            Ok(Prepared::Skip) => Event::NodeSkipped {
                node,
                reason: "its condition is false".to_owned(),
            },
            Ok(Prepared::ForEach(items)) if items.len() <= ITEMS_MAX => {
                Event::FanOutExpanded { node, items }
            }
            Ok(Prepared::ForEach(items)) => {
                let message = format!("for_each gave {} items, more than {ITEMS_MAX}", items.len());
                Event::NodeFailed {
                    node,
                    item: None,
                    error: Failure::new(FailureKind::Invalid, message),
                }
            }
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

    /// Everything whose time has come.
    fn fire(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
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
                    self.agenda.push_back(Task::Start(index, item));
                }
                Timer::Expiry(index, checkpoint) => {
                    let node = self.definition.node(index).id.clone();
                    self.record(Event::CheckpointExpired { node, checkpoint }, now, step)?;
                }
            }
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
                Some(Task::Start(index, item)) => {
                    let Some(slot) = self.startable_slot(index, item) else {
                        continue;
                    };
                    let attempt = slot.attempt + 1;
                    let node = self.definition.node(index).id.clone();
                    self.record(
                        Event::NodeStarted {
                            node,
                            item,
                            attempt,
                        },
                        now,
                        step,
                    )?;
                    step.actions.push(Action::Run {
                        node: index,
                        item,
                        attempt,
                    });
                }
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.running_slots as usize + self.preparing.len() < self.definition.max_parallel as usize
    }

    fn running_slot(&self, index: NodeIndex, item: Option<u32>) -> Option<&Slot> {
        self.node(index)
            .slot(item)
            .filter(|slot| matches!(slot.state, SlotState::Running))
    }

    fn startable_slot(&self, index: NodeIndex, item: Option<u32>) -> Option<&Slot> {
        let node = self.node(index);
        let is_on = matches!(node.stage, Stage::Ready | Stage::Active);
        let slot = node.slot(item).filter(|_| is_on)?;
        matches!(slot.state, SlotState::Pending | SlotState::Retrying { .. }).then_some(slot)
    }
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
