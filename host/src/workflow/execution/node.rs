//! The state of one node, and of each of its items.

use std::sync::Arc;

use serde_json::Value;

use crate::workflow::{
    ArtifactRef, CheckpointId, ExecutionId, Failure, FailureKind, Json, NodeStatus, Position,
    Timestamp,
};

/// Where a node stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Its needs are not met yet.
    Waiting,
    /// Its needs are met; it begins when there is room.
    Ready,
    /// Attempts run or will run.
    Active,
    /// Somebody has to decide on its input, or on all outputs, which are there.
    AwaitingCheckpoint {
        /// Which checkpoint.
        checkpoint: CheckpointId,
        /// When nobody may decide any more.
        expires: Option<Timestamp>,
        /// What is proposed.
        proposed: Json,
    },
    /// Over, with an output.
    Completed {
        /// Of all items in order, when the node fans out.
        output: Json,
    },
    /// Over, with an error.
    Failed(Failure),
    /// Over without having run.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It was active when the execution ended.
    Cancelled,
}

/// A node of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeState {
    /// Where it stands.
    pub stage: Stage,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// The items of a fan-out, once they are known.
    pub items: Option<Vec<Json>>,
    /// One per item; one for a node that runs once.
    pub slots: Vec<Slot>,
    /// The execution in which it ran, when this one took it over.
    pub taken_from: Option<ExecutionId>,
    /// How often a reviewer sent it back.
    pub round: u32,
    /// What the reviewer wrote who sent it back.
    pub review_notes: Option<String>,
    /// What a reviewer said it is to run with: an array for all items, when it fans out.
    pub approved: Option<Json>,
    /// Slots that are not over.
    pub(super) open_slots: usize,
    pub(super) running_slots: usize,
    pub(super) retrying_slots: usize,
    /// Needs that are not over.
    pub(super) open_needs: usize,
    pub(super) completed_needs: usize,
}

/// One item of a node, or the only one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slot {
    /// Where it stands.
    pub state: SlotState,
    /// Number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// Attempts that count for the retry policy: those since the last fresh start.
    pub tries: u32,
    /// When its first attempt began.
    pub started_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// 0.0 to 1.0, as the phase last said.
    pub progress: Option<f32>,
    /// Files that the successful attempt kept.
    pub artifacts: Vec<ArtifactRef>,
}

/// Where an item stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum SlotState {
    /// No attempt runs yet.
    #[default]
    Pending,
    /// An attempt runs.
    Running,
    /// The next attempt begins at this time.
    Retrying {
        /// When.
        due: Timestamp,
        /// Why the last one failed.
        error: Failure,
    },
    /// An attempt succeeded.
    Succeeded {
        /// What it produced.
        output: Json,
    },
    /// No attempt will follow.
    Failed(Failure),
    /// It was active when the execution ended.
    Cancelled,
}

impl Slot {
    /// As the node status of this item.
    pub fn status(&self) -> NodeStatus {
        match self.state {
            SlotState::Pending => NodeStatus::Waiting,
            SlotState::Running => NodeStatus::Running,
            SlotState::Retrying { .. } => NodeStatus::Retrying,
            SlotState::Succeeded { .. } => NodeStatus::Completed,
            SlotState::Failed(_) => NodeStatus::Failed,
            SlotState::Cancelled => NodeStatus::Cancelled,
        }
    }

    /// Why its last attempt failed.
    pub fn error(&self) -> Option<&str> {
        match &self.state {
            SlotState::Retrying { error, .. } | SlotState::Failed(error) => Some(&error.message),
            _ => None,
        }
    }

    /// What it adds to the open, running and retrying slots of its node.
    fn counts(&self) -> (usize, usize, usize) {
        match self.state {
            SlotState::Pending => (1, 0, 0),
            SlotState::Running => (1, 1, 0),
            SlotState::Retrying { .. } => (1, 0, 1),
            SlotState::Succeeded { .. } | SlotState::Failed(_) | SlotState::Cancelled => (0, 0, 0),
        }
    }

    /// Attempts go on counting, so that each has a number of its own; the retry policy starts afresh.
    fn restart(&mut self) {
        self.state = SlotState::Pending;
        self.tries = 0;
        self.progress = None;
        self.ended_at = None;
        self.artifacts.clear();
    }
}

impl NodeState {
    pub(super) fn new(needs: usize) -> Self {
        Self {
            stage: Stage::Waiting,
            started_at: None,
            ended_at: None,
            items: None,
            slots: vec![Slot::default()],
            taken_from: None,
            round: 0,
            review_notes: None,
            approved: None,
            open_slots: 1,
            running_slots: 0,
            retrying_slots: 0,
            open_needs: needs,
            completed_needs: 0,
        }
    }

    /// As clients see it.
    pub fn status(&self) -> NodeStatus {
        match &self.stage {
            Stage::Waiting | Stage::Ready => NodeStatus::Waiting,
            Stage::Active if self.running_slots == 0 && self.retrying_slots > 0 => {
                NodeStatus::Retrying
            }
            Stage::Active => NodeStatus::Running,
            Stage::AwaitingCheckpoint { .. } => NodeStatus::AwaitingCheckpoint,
            Stage::Completed { .. } => NodeStatus::Completed,
            Stage::Failed(_) => NodeStatus::Failed,
            Stage::Skipped { .. } => NodeStatus::Skipped,
            Stage::Cancelled => NodeStatus::Cancelled,
        }
    }

    /// Its output, when it is completed.
    pub fn output(&self) -> Option<&Json> {
        match &self.stage {
            Stage::Completed { output } => Some(output),
            _ => None,
        }
    }

    /// Why it failed or was skipped, or why its last attempt failed.
    pub fn error(&self) -> Option<&str> {
        match &self.stage {
            Stage::Failed(failure) => Some(&failure.message),
            Stage::Skipped { reason } => Some(reason),
            Stage::Active => self.slots.iter().find_map(Slot::error),
            _ => None,
        }
    }

    /// The slot of this item; `None` stands for the only one of a node that runs once.
    pub fn slot(&self, item: Option<u32>) -> Option<&Slot> {
        match (item, &self.items) {
            (None, None) => self.slots.first(),
            (Some(item), Some(_)) => self.slots.get(item as usize),
            _ => None,
        }
    }

    pub(super) fn slot_mut(&mut self, item: Option<u32>) -> Option<&mut Slot> {
        match (item, &self.items) {
            (None, None) => self.slots.first_mut(),
            (Some(item), Some(_)) => self.slots.get_mut(item as usize),
            _ => None,
        }
    }

    /// The slots with their item numbers.
    pub fn numbered_slots(&self) -> impl Iterator<Item = (Option<u32>, &Slot)> {
        let is_fan_out = self.items.is_some();
        (0_u32..)
            .zip(&self.slots)
            .map(move |(number, slot)| (is_fan_out.then_some(number), slot))
    }

    /// What all slots together produced; null for those that have not.
    pub(super) fn produced(&self) -> Json {
        let output = |slot: &Slot| match &slot.state {
            SlotState::Succeeded { output } => output.clone(),
            _ => Json::default(),
        };
        match (&self.items, self.slots.first()) {
            (None, Some(slot)) => output(slot),
            (None, None) => Json::default(),
            (Some(_), _) => Arc::new(Value::Array(
                self.slots
                    .iter()
                    .map(|slot| (*output(slot)).clone())
                    .collect(),
            )),
        }
    }

    /// What the first failed item failed with.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.numbered_slots()
            .find_map(|(item, slot)| match (&slot.state, item) {
                (SlotState::Failed(error), None) => Some(error.clone()),
                (SlotState::Failed(error), Some(item)) => Some(Failure::new(
                    error.cause,
                    format!("item {item}: {}", error.message),
                )),
                _ => None,
            })
    }

    /// Has it begun, without being over?
    pub(super) fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Active | Stage::AwaitingCheckpoint { .. })
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.stage,
            Stage::Completed { .. } | Stage::Failed(_) | Stage::Skipped { .. } | Stage::Cancelled
        )
    }

    /// Is it more than a place in the definition: has anything happened to it, even if it waits again?
    pub(super) fn has_begun(&self) -> bool {
        let is_untouched = matches!(self.stage, Stage::Waiting | Stage::Ready)
            && self.started_at.is_none()
            && self.items.is_none()
            && self.approved.is_none()
            && self.round == 0
            && self.slots.iter().all(|slot| slot.attempt == 0);
        !is_untouched
    }

    /// The point at which somebody decides, or is about to because all of it is produced.
    pub(super) fn awaited(&self, asks_before: bool) -> Option<Position> {
        match self.stage {
            Stage::AwaitingCheckpoint { .. } if asks_before => Some(Position::Before),
            Stage::AwaitingCheckpoint { .. } => Some(Position::After),
            _ if !self.is_over() && self.open_slots == 0 => Some(Position::After),
            _ => None,
        }
    }

    /// Is there nothing to prepare any more: are its items known, or its output there?
    pub(super) fn is_prepared(&self) -> bool {
        self.items.is_some() || self.open_slots == 0
    }

    /// Puts a slot, which must exist, into this state and keeps count.
    pub(super) fn set_slot(&mut self, item: Option<u32>, state: SlotState) {
        let Some(slot) = self.slot_mut(item) else {
            return;
        };
        let before = slot.counts();
        slot.state = state;
        let after = slot.counts();
        self.open_slots = self.open_slots + after.0 - before.0;
        self.running_slots = self.running_slots + after.1 - before.1;
        self.retrying_slots = self.retrying_slots + after.2 - before.2;
    }

    /// Gives it the items of its fan-out, all pending.
    pub(super) fn set_items(&mut self, items: Vec<Json>) {
        self.slots = vec![Slot::default(); items.len()];
        self.open_slots = items.len();
        self.items = Some(items);
    }

    /// All of it runs again, as another round. Only for a node of which nothing runs.
    pub(super) fn send_back(&mut self) {
        self.round += 1;
        self.slots.iter_mut().for_each(Slot::restart);
        self.open_slots = self.slots.len();
    }

    /// Back to waiting, for a resume. What succeeded stays, unless a reviewer
    /// rejected it; a checkpoint that nobody decided at opens anew, under another id.
    pub(super) fn reset(&mut self) {
        let is_rejected = matches!(
            &self.stage,
            Stage::Failed(failure) if failure.cause == FailureKind::Rejected
        );
        let is_produced = self
            .slots
            .iter()
            .all(|slot| matches!(slot.state, SlotState::Succeeded { .. }));
        match (is_produced, is_rejected) {
            (true, true) => self.send_back(),
            (true, false) => self.round += 1,
            (false, _) => {
                let lost = self
                    .slots
                    .iter_mut()
                    .filter(|slot| !matches!(slot.state, SlotState::Succeeded { .. }));
                self.open_slots = lost.map(Slot::restart).count();
            }
        }
        self.stage = Stage::Waiting;
        self.ended_at = None;
    }
}
