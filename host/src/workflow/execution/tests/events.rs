//! Events and inputs that nobody expects: an error value at most, never a panic.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::{prelude::*, sample::Index};
use serde_json::json;

use super::{
    START, define, execution_id,
    invariants::check_derived,
    json_of,
    properties::cases,
    shape::{Shape, shapes},
    simulator::Simulator,
    world::worlds,
};
use crate::workflow::{
    CheckpointId, Command, Decision, Definition, Event, Execution, Failure, FailureKind, Input,
    Level, NodeId, NodeIndex, Pins, Prepared, Recorded, Timestamp, Version,
};

/// An event to be: the numbers are made to fit the execution now and then.
#[derive(Debug, Clone)]
struct Wild {
    kind: u8,
    node: Index,
    item: Option<u32>,
    attempt: u32,
    is_next: bool,
    checkpoint: Index,
    at: i64,
}

fn wild() -> impl Strategy<Value = Wild> {
    (
        0..24_u8,
        any::<Index>(),
        prop::option::of(0..4_u32),
        0..4_u32,
        any::<bool>(),
        any::<Index>(),
        0..100_i64,
    )
        .prop_map(
            |(kind, node, item, attempt, is_next, checkpoint, at)| Wild {
                kind,
                node,
                item,
                attempt,
                is_next,
                checkpoint,
                at,
            },
        )
}

impl Wild {
    /// One of the open checkpoints, or one that is not.
    fn checkpoint(&self, execution: &Execution) -> CheckpointId {
        let open: Vec<_> = execution.checkpoints.keys().copied().collect();
        let at = self.checkpoint.index(open.len() + 1);
        open.get(at)
            .copied()
            .unwrap_or(CheckpointId(uuid::Uuid::from_u128(u128::from(
                self.attempt,
            ))))
    }

    fn index(&self, execution: &Execution) -> NodeIndex {
        NodeIndex(u32::try_from(self.node.index(execution.nodes.len())).unwrap())
    }

    fn attempt(&self, execution: &Execution) -> u32 {
        let slot = execution.node(self.index(execution)).slot(self.item);
        match slot {
            Some(slot) if self.is_next => slot.attempt + 1,
            Some(slot) => slot.attempt,
            None => self.attempt,
        }
    }

    fn event(&self, execution: &Execution) -> Event {
        let index = self.index(execution);
        let node: NodeId = match self.attempt {
            3 if self.item.is_none() => "unknown".parse().unwrap(),
            _ => execution.definition.node(index).id.clone(),
        };
        let (item, attempt) = (self.item, self.attempt(execution));
        let at = Timestamp(START.0 + self.at);
        let output = Arc::new(json!(self.at));
        let error = Failure::new(FailureKind::Permanent, "wild");
        let checkpoint = self.checkpoint(execution);
        match self.kind {
            0 => Event::ExecutionCompleted { output },
            1 => Event::ExecutionFailed { error },
            2 => Event::ExecutionCancelled {
                reason: String::new(),
                by: None,
            },
            3 => Event::ExecutionTimedOut,
            4 => Event::ExecutionResumed {
                deadline: at,
                by: None,
            },
            5 => Event::FanOutExpanded {
                node,
                items: vec![output; attempt as usize % 4],
            },
            6..=8 => Event::NodeStarted {
                node,
                item,
                attempt,
            },
            9 => Event::NodeProgressed {
                node,
                item,
                fraction: 0.1,
                message: String::new(),
            },
            10 => Event::NodeLogged {
                node,
                item,
                level: Level::Warn,
                message: String::new(),
            },
            11 | 12 => Event::NodeSucceeded {
                node,
                item,
                attempt,
                output,
                artifacts: Vec::new(),
            },
            13 => Event::NodeFailed { node, item, error },
            14 => Event::NodeRetryScheduled {
                node,
                item,
                attempt,
                error,
                due: at,
            },
            15 => Event::NodeSkipped {
                node,
                reason: String::new(),
            },
            16 => Event::NodeCancelled { node },
            17 => Event::CheckpointOpened {
                node,
                checkpoint,
                expires: (self.at > 50).then_some(at),
                input: (self.at % 2 == 0).then_some(output),
            },
            18 => Event::ExecutionPaused {
                reason: String::new(),
                by: None,
            },
            19 => Event::ExecutionUnpaused { by: None },
            20 => Event::RerunBegun { of: execution_id() },
            21 => Event::NodeTaken {
                node,
                from: execution_id(),
                output,
                items: item.map(|count| vec![json_of(json!(1)); count as usize]),
                artifacts: Vec::new(),
            },
            22 => Event::ExecutionMigrated {
                from: execution.origin.version,
                version: Version(execution.origin.version.0 + u32::from(self.is_next)),
                phases: Pins::default(),
                by: None,
            },
            _ if self.is_next => Event::CheckpointExpired { node, checkpoint },
            _ => Event::CheckpointResolved {
                node,
                checkpoint,
                decision: self.decision(),
                notes: None,
                by: None,
            },
        }
    }

    fn decision(&self) -> Decision {
        match self.at % 3 {
            0 => Decision::Approve,
            1 => Decision::Reject,
            _ => Decision::Edit {
                content: Arc::new(json!(self.at)),
            },
        }
    }

    fn input(&self, execution: &Execution) -> Input {
        let (node, item, attempt) = (self.index(execution), self.item, self.attempt(execution));
        let failure = Failure::new(FailureKind::Trapped, "wild");
        let output = Arc::new(json!(self.at));
        match self.kind {
            0 => Input::Finished(Ok(output)),
            1 => Input::Finished(Err(failure)),
            2 => Input::Prepared {
                node,
                result: Err(failure),
            },
            3 => Input::Prepared {
                node,
                result: Ok(Prepared::Once),
            },
            4 => Input::Prepared {
                node,
                result: Ok(Prepared::Skip),
            },
            5 => Input::Prepared {
                node,
                result: Ok(Prepared::ForEach(vec![output; 2])),
            },
            6..=8 => Input::Attempted {
                node,
                item,
                attempt,
                result: Ok((output, Vec::new())),
            },
            9 | 10 => Input::Attempted {
                node,
                item,
                attempt,
                result: Err(failure),
            },
            11 => Input::Progressed {
                node,
                item,
                fraction: f32::NAN,
                message: String::new(),
            },
            12 => Input::Logged {
                node,
                item,
                level: Level::Debug,
                message: String::new(),
            },
            13 => Input::Command(Command::Cancel {
                reason: String::new(),
                by: None,
            }),
            14 => Input::Command(Command::Resume {
                timeout: Duration::from_millis(u64::from(self.attempt) * 50),
                by: None,
            }),
            15 => Input::Tick,
            18 => Input::Command(Command::Pause {
                reason: String::new(),
                by: None,
            }),
            19..=22 => Input::Command(Command::Migrate {
                version: Version(execution.origin.version.0 + u32::from(self.is_next)),
                phases: Pins::default(),
                by: None,
            }),
            _ => Input::Command(Command::Resolve {
                checkpoint: self.checkpoint(execution),
                decision: self.decision(),
                notes: None,
                by: None,
                decider: None,
            }),
        }
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn an_event_applies_or_changes_nothing(
        shape in shapes(6), other in shapes(6), world in worlds(), schedule in any::<u64>(),
        steps in 0..30_usize, wild in prop::collection::vec(wild(), 1..40),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::start(&definition, world, schedule);
        for _ in 0..steps {
            simulator.step();
        }
        let mut execution = Execution::fold(execution_id(), definition.clone(), &simulator.journal).unwrap();
        let later = versions(&shape, &other);
        for (version, definition) in &later {
            execution.learn(*version, definition.clone());
        }
        let mut journal = simulator.journal;
        for wild in wild {
            let event = wild.event(&execution);
            let recorded = Recorded { seq: execution.version + 1, at: simulator.now, event };
            let before = format!("{execution:?}");
            match execution.apply(&recorded) {
                Ok(()) => {
                    check_derived_but_policy(&execution);
                    journal.push(recorded);
                }
                Err(error) => {
                    prop_assert_eq!(error.seq, recorded.seq);
                    prop_assert_eq!(format!("{execution:?}"), before);
                }
            }
            let gap = Recorded { seq: execution.version + 2, at: simulator.now, event: Event::ExecutionTimedOut };
            prop_assert!(execution.apply(&gap).is_err());
        }
        // However odd the journal, whoever goes on from it comes to an end.
        let mut again = Simulator::recovered_with(&definition, later, &journal, simulator.now, world, schedule);
        again.run();
    }

    #[test]
    fn an_input_is_taken_or_changes_nothing(
        shape in shapes(6), other in shapes(6), world in worlds(), schedule in any::<u64>(),
        wild in prop::collection::vec((wild(), 0..4_usize), 1..40),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::start(&definition, world, schedule);
        for (version, definition) in versions(&shape, &other) {
            simulator.learn(version, &definition);
        }
        for (wild, steps) in wild {
            for _ in 0..steps {
                simulator.step();
            }
            let before = format!("{:?}", simulator.execution);
            let result = simulator.execution.handle(wild.input(&simulator.execution), simulator.now);
            if let Ok(step) = result {
                simulator.journal.extend(step.events);
            } else {
                prop_assert_eq!(format!("{:?}", simulator.execution), before);
            }
            check_derived(&simulator.execution, Some(simulator.now));
            // The actions of the wild input are lost, as in a crash.
            simulator.crash();
        }
        simulator.run();
    }
}

/// What executions of the first shape may migrate to: themselves with another node, and another shape.
fn versions(shape: &Shape, other: &Shape) -> BTreeMap<Version, Arc<Definition>> {
    let mut longer = shape.document();
    let nodes = longer["nodes"].as_array_mut().unwrap();
    nodes.insert(0, json!({"id": "new", "phase": "p", "needs": ["n0"]}));
    [(2, longer), (3, other.document())]
        .map(|(version, document)| (Version(version), define(&document)))
        .into()
}

/// Wild journals may try more often than the policy allows; all else must be right.
fn check_derived_but_policy(execution: &Execution) {
    let mut execution = execution.clone();
    for node in &mut execution.nodes {
        node.slots.iter_mut().for_each(|slot| slot.tries = 0);
    }
    check_derived(&execution, None);
}
