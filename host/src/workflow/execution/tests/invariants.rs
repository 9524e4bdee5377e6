//! What holds at every moment of every execution.

use std::collections::{BTreeMap, BTreeSet};

use super::View;
use crate::workflow::{
    CheckpointId, Event, ExecutionStatus, Join, NodeIndex, NodeStatus, Recorded, Timestamp,
    execution::{Execution, SlotState, Stage, Tally, Timer},
};

/// Whatever is kept beside the nodes is what one would count from them.
/// `now` is none for a fold, in which no timer has fired.
pub(super) fn check_derived(execution: &Execution, now: Option<Timestamp>) {
    assert_eq!(execution.tally, Tally::of(&execution.nodes), "tally");
    let mut checkpoints = BTreeMap::<CheckpointId, NodeIndex>::new();
    let mut timers = BTreeSet::new();
    for index in execution.definition.indices() {
        check_node(execution, index);
        let node = execution.node(index);
        if let Stage::AwaitingCheckpoint {
            checkpoint,
            expires,
            ..
        } = node.stage
        {
            checkpoints.insert(checkpoint, index);
            timers.extend(expires.map(|at| (at, Timer::Expiry(index, checkpoint))));
        }
        for (item, slot) in node.numbered_slots() {
            if let SlotState::Retrying { due, .. } = slot.state {
                timers.insert((due, Timer::Retry(index, item)));
            }
        }
    }
    assert_eq!(execution.checkpoints, checkpoints, "open checkpoints");
    if execution.is_over() {
        assert_eq!(execution.tally.active_nodes, 0, "active when over");
        timers.clear();
    }
    // A live execution has fired the retries that are due and keeps them on its agenda.
    let is_fired = |(at, timer): &(Timestamp, Timer)| {
        matches!(timer, Timer::Retry(..))
            && now.is_some_and(|now| *at <= now)
            && !execution.timers.contains(&(*at, *timer))
    };
    timers.retain(|timer| !is_fired(timer));
    assert_eq!(execution.timers, timers, "timers");
}

fn check_node(execution: &Execution, index: NodeIndex) {
    use NodeStatus::{Retrying, Running, Waiting};

    let node = execution.node(index);
    let count = |status: &[NodeStatus]| {
        node.slots
            .iter()
            .filter(|slot| status.contains(&slot.status()))
            .count()
    };
    assert_eq!(
        node.open_slots,
        count(&[Waiting, Running, Retrying]),
        "open slots"
    );
    assert_eq!(node.running_slots, count(&[Running]), "running slots");
    assert_eq!(node.retrying_slots, count(&[Retrying]), "retrying slots");
    if !node.is_active() {
        assert_eq!(count(&[Running, Retrying]), 0, "runs in {:?}", node.stage);
    }
    let needs = &execution.definition.node(index).needs;
    let are = |is: fn(&Stage) -> bool| {
        needs
            .iter()
            .filter(|need| is(&execution.node(**need).stage))
            .count()
    };
    let completed = are(|stage| matches!(stage, Stage::Completed { .. }));
    let over = needs
        .iter()
        .filter(|need| execution.node(**need).is_over())
        .count();
    assert_eq!(node.open_needs, needs.len() - over, "open needs");
    assert_eq!(node.completed_needs, completed, "completed needs");
    let spec = execution.definition.node(index);
    for slot in &node.slots {
        // What is over may have had more, by another version.
        let is_over = slot.status().is_over();
        assert!(
            is_over || slot.tries <= spec.retry.max_attempts,
            "too many tries"
        );
        assert!(slot.tries <= slot.attempt, "tries without attempts");
    }
}

/// What must be so before this event, by the definition's words alone.
pub(super) fn check_event(before: &Execution, recorded: &Recorded) {
    assert_eq!(recorded.seq, before.version + 1, "numbered without gaps");
    let text = serde_json::to_string(&recorded.event).expect("an event is JSON");
    let read: Event = serde_json::from_str(&text).expect("an event reads back");
    assert_eq!(read, recorded.event, "an event is what it reads back as");
    let Some(node) = recorded.event.node() else {
        return;
    };
    let index = before
        .definition
        .node_index(node)
        .expect("a node of the definition");
    let state = before.node(index);
    assert!(
        state.output().is_none(),
        "{node} is completed, but {:?}",
        recorded.event
    );
    let spec = before.definition.node(index);
    let statuses: Vec<_> = spec
        .needs
        .iter()
        .map(|need| before.node(*need).status())
        .collect();
    let is_completed = |status: &NodeStatus| *status == NodeStatus::Completed;
    let is_over = |status: &NodeStatus| status.is_over();
    let is_allowed = match spec.join {
        _ if statuses.is_empty() => true,
        Join::All => statuses.iter().all(is_completed),
        Join::Any => statuses.iter().any(is_completed),
        Join::Settled => statuses.iter().all(is_over),
    };
    let may_never = match spec.join {
        Join::All => statuses
            .iter()
            .any(|status| is_over(status) && !is_completed(status)),
        Join::Any => !statuses.is_empty() && statuses.iter().all(is_over) && !is_allowed,
        Join::Settled => false,
    };
    match &recorded.event {
        Event::NodeTaken { .. } => {
            assert!(before.started_at.is_none(), "{node} is taken over too late");
        }
        Event::NodeSkipped { .. } => {
            let is_condition = spec.when.is_some() && is_allowed;
            assert!(
                may_never || is_condition,
                "{node} is skipped, with needs {statuses:?}"
            );
        }
        Event::NodeStarted { item, attempt, .. } => {
            assert_ne!(
                before.status(),
                ExecutionStatus::Paused,
                "{node} starts during a pause"
            );
            assert!(is_allowed, "{node} starts, with needs {statuses:?}");
            let slot = state.slot(*item).expect("a slot that starts");
            assert_eq!(*attempt, slot.attempt + 1, "attempts count without gaps");
            if let SlotState::Retrying { due, .. } = slot.state {
                assert!(due <= recorded.at, "{node} is retried before its time");
            }
            let running = before.tally.running_slots;
            assert!(
                running < before.definition.max_parallel as usize,
                "too many at a time"
            );
        }
        _ => assert!(is_allowed, "{:?}, with needs {statuses:?}", recorded.event),
    }
}

/// The same events give the same execution.
pub(super) fn check_same(folded: &Execution, live: &Execution) {
    assert_eq!(
        View::of(folded),
        View::of(live),
        "a fold stands where the live one stood"
    );
}
