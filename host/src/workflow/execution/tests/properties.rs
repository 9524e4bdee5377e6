//! Random definitions in random worlds under random schedules, checked at every event.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    define,
    model::{Model, Outcome},
    shape::{restless_shapes, shapes, shapes_with_deadline},
    simulator::Simulator,
    world::{World, worlds},
};
use crate::workflow::{
    Command, Execution, ExecutionStatus, Input, NodeStatus, execution::NodeState,
};

pub(super) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        ..ProptestConfig::with_cases(count)
    }
}

/// What a node came to, as the model says it.
pub(super) fn outcomes(execution: &Execution) -> Vec<Outcome> {
    let outcome = |node: &NodeState| Outcome {
        status: node.status(),
        output: node.output().map(|output| (**output).clone()),
        attempts: node.slots.iter().map(|slot| slot.attempt).collect(),
    };
    execution.nodes().iter().map(outcome).collect()
}

/// The end must be what the model says. How far the other nodes came before a
/// failure stopped the execution is up to the schedule; that it failed is not.
pub(super) fn check_end(execution: &Execution, world: World) {
    let definition = execution.definition.clone();
    let expected = Model::new(&definition, world).outcomes();
    let found = outcomes(execution);
    let has_failed = expected
        .iter()
        .any(|outcome| outcome.status == NodeStatus::Failed);
    let is_stopped = has_failed && definition.on_failure == crate::workflow::OnFailure::Stop;
    if !is_stopped {
        assert_eq!(found, expected);
    }
    for (found, expected) in found.iter().zip(&expected) {
        if found.status == NodeStatus::Completed || found.status == NodeStatus::Failed {
            let is_same = found == expected;
            // Some item failed, and the others were cancelled.
            let is_cut = found.status == expected.status && is_stopped && found.output.is_none();
            assert!(is_same || is_cut, "{found:?}, not {expected:?}");
        }
    }
    let output_fails = definition.output.is_some() && world.finished().is_err();
    let status = if has_failed || output_fails {
        ExecutionStatus::Failed
    } else {
        ExecutionStatus::Completed
    };
    assert_eq!(execution.status(), status, "{:?}", execution.end);
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn executions_end_as_the_model_says(
        shape in shapes(10), world in worlds(), schedule in any::<u64>(),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::checked(&definition, world, schedule);
        simulator.run();
        check_end(&simulator.execution, world);
    }

    #[test]
    fn with_a_deadline_they_end_in_time(
        shape in shapes_with_deadline(8), world in worlds(), schedule in any::<u64>(),
        pauses in any::<bool>(),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::checked(&definition, world, schedule);
        simulator.is_paused_at_times = pauses;
        simulator.run();
        let execution = &simulator.execution;
        if execution.status() != ExecutionStatus::TimedOut {
            check_end(execution, world);
        }
        let end = execution.end.as_ref().unwrap().at;
        // A step of the simulator may be late by the time it takes.
        prop_assert!(end <= execution.origin.deadline.after(Duration::from_millis(100)));
    }

    /// A pause holds back what would begin, and changes nothing else.
    #[test]
    fn paused_at_times_they_end_as_the_model_says(
        shape in shapes(10), world in worlds(), schedule in any::<u64>(),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::checked(&definition, world, schedule);
        simulator.is_paused_at_times = true;
        simulator.run();
        check_end(&simulator.execution, world);
    }

    /// Cancelled at a random moment and resumed, a few times: completed outputs stay
    /// (the checks at every event see to that), and it ends.
    #[test]
    fn cancelled_and_resumed_they_end(
        shape in prop_oneof![shapes_with_deadline(8), restless_shapes(5)],
        world in worlds(), schedule in any::<u64>(),
        cancels in prop_oneof![
            prop::collection::vec(0..40_usize, 1..4),
            prop::collection::vec(0..12_usize, 2..8),
        ],
        crashes in any::<bool>(), pauses in any::<bool>(),
    ) {
        let definition = define(&shape.document());
        let mut simulator = Simulator::checked(&definition, world, schedule);
        simulator.is_paused_at_times = pauses;
        for steps in cancels {
            for _ in 0..steps {
                if !simulator.step() {
                    break;
                }
            }
            if !simulator.execution.is_over() {
                simulator.handle(Input::Command(Command::Cancel { reason: "enough".to_owned(), by: None }));
                prop_assert_eq!(simulator.execution.status(), ExecutionStatus::Cancelled);
            }
            if crashes {
                simulator.crash();
            }
            if simulator.execution.status() != ExecutionStatus::Completed {
                simulator.handle(Input::Command(Command::Resume { timeout: Duration::from_secs(1_000_000), by: None }));
                prop_assert!(!simulator.execution.is_over() || simulator.execution.error().is_some());
            }
        }
        simulator.run();
    }
}
