//! What happened and is not on its way to the disk yet, since nobody waits for it.
//!
//! A node that ends, the next that starts and the end of the execution are often a millisecond
//! apart. Written one by one, each is a transaction's row to find and to change; held for a
//! moment, they are one.

use tokio::time::Instant;

use super::{Beside, HELD_MAX, Run};
use crate::{executor::count::One, store::CheckpointRow, workflow::Recorded};

#[derive(Default)]
pub(super) struct Held {
    pub(super) events: Vec<Recorded>,
    pub(super) beside: Beside,
    pub(super) checkpoints: Vec<CheckpointRow>,
    /// When it is written at the latest.
    pub(super) until: Option<Instant>,
    /// A host that stops waits for what is held.
    pub(super) counted: Option<One>,
}

impl Run {
    /// Takes in events that are applied, and what is to be written with them.
    pub(super) fn hold(&mut self, events: Vec<Recorded>, beside: Beside) {
        if events.is_empty() {
            return;
        }
        for recorded in &events {
            let rows = self.inbox.follow(&self.execution, recorded);
            self.held.checkpoints.extend(rows);
        }
        let held = &mut self.held;
        held.until
            .get_or_insert_with(|| Instant::now() + self.shared.hold);
        held.counted
            .get_or_insert_with(|| self.shared.unwritten.one());
        held.beside.extend(beside);
        held.events.extend(events);
    }

    /// Is it time to write what is held? Whatever somebody may be waiting for, here or by looking
    /// at the store, is written at once.
    pub(super) fn is_write_due(&self, is_stopping: bool) -> bool {
        let held = &self.held;
        let Some(first) = held.events.first() else {
            return false;
        };
        is_stopping
            || self.asked >= first.seq
            || self.execution.is_over()
            || self.execution.is_waiting()
            || !held.beside.blobs.is_empty()
            || !held.checkpoints.is_empty()
            || held.events.len() >= HELD_MAX
            || held.until.is_some_and(|until| until <= Instant::now())
    }
}
