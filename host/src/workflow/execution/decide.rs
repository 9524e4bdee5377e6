//! What comes from outside is answered with events and actions.

mod commands;
mod work;

use std::sync::Arc;

use super::{Action, Execution, Input, Refusal, Slot, SlotState, Stage, Step, Task, Timer};
use crate::workflow::{
    DEPTH_MAX, Definition, Event, ExecutionId, Json, NodeIndex, Recorded, Timestamp, is_deeper_than,
};

impl Execution {
    /// A new execution, from the event that creates it.
    pub fn start(
        id: ExecutionId,
        definition: Arc<Definition>,
        created: Event,
        now: Timestamp,
    ) -> Result<(Self, Step), Refusal> {
        Self::start_with(id, definition, created, Vec::new(), now)
    }

    /// The same, with events that say what it has from another: see [`super::Rerun`].
    pub fn start_with(
        id: ExecutionId,
        definition: Arc<Definition>,
        created: Event,
        taken: Vec<Event>,
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
        for event in taken {
            execution.record(event, now, &mut step)?;
        }
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
            Input::Abandon { crashes } => self.abandon(crashes, now, &mut step)?,
            Input::Command(command) => self.command(command, now, &mut step)?,
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

    /// Everything whose time has come, in the order of the times: however late
    /// somebody looks, what was due first has its consequences first.
    fn fire(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        self.settle(now, step)?;
        while let Some((at, timer)) = self.next_timer() {
            if at > now {
                break;
            }
            match timer {
                Timer::Deadline => {
                    self.cancel_active(now, step)?;
                    self.record(Event::ExecutionTimedOut, now, step)?;
                }
                Timer::Retry(index, item) => {
                    self.timers.remove(&(at, timer));
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

    /// Consequences, then as much new work as there is room for: none while it is paused.
    fn follow_up(&mut self, now: Timestamp, step: &mut Step) -> Result<(), Refusal> {
        self.settle(now, step)?;
        while !self.is_over() && !self.is_paused && self.has_room() {
            match self.agenda.pop_front() {
                None => break,
                Some(Task::Prepare(index)) => {
                    let node = self.node(index);
                    if matches!(node.stage, Stage::Ready)
                        && node.approved.is_none()
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

fn check_depth(what: &'static str, value: &Json) -> Result<(), Refusal> {
    if is_deeper_than(value, DEPTH_MAX) {
        return Err(Refusal::TooDeep(what));
    }
    Ok(())
}
