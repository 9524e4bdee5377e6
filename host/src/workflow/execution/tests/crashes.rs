//! Crashes anywhere: whatever is lost, the end is the same.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    define,
    properties::{cases, check_end, outcomes},
    shape::shapes,
    simulator::Simulator,
    world::{World, worlds},
};
use crate::workflow::{Definition, Ending, Event, Execution, OnFailure, Recorded};

/// Where nothing but the schedule may differ, the ends are the same in everything but
/// times. Where a failure stops the rest, the schedule says how far that came, and
/// both ends are held against the model.
fn check_same_end(found: &Execution, expected: &Execution, world: World) {
    check_end(found, world);
    let may_differ = found.definition.on_failure == OnFailure::Stop
        && matches!(expected.end.as_ref().unwrap().result, Ending::Failed(_));
    if !may_differ {
        assert_eq!(outcomes(found), outcomes(expected));
        let result = |execution: &Execution| execution.end.clone().unwrap().result;
        assert_eq!(result(found), result(expected));
    }
}

/// A step is written as one, so no journal ends between a cancelled node and the end
/// of its execution; every other prefix could be what a crash leaves.
fn is_legal(prefix: &[Recorded]) -> bool {
    !matches!(prefix.last().unwrap().event, Event::NodeCancelled { .. })
}

fn go_on(
    definition: &Arc<Definition>,
    prefix: &[Recorded],
    world: World,
    schedule: u64,
) -> Simulator {
    let now = prefix.last().unwrap().at;
    Simulator::recovered(definition, prefix, now, world, schedule)
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_crash_after_any_event_changes_nothing(
        shape in shapes(7), world in worlds(), schedule in any::<u64>(),
        pauses in any::<bool>(),
    ) {
        let definition = define(&shape.document());
        let mut whole = Simulator::start(&definition, world, schedule);
        whole.is_paused_at_times = pauses;
        whole.run();
        for length in 1..=whole.journal.len().min(120) {
            let prefix = &whole.journal[..length];
            if is_legal(prefix) {
                let mut again = go_on(&definition, prefix, world, schedule ^ length as u64);
                again.run();
                check_same_end(&again.execution, &whole.execution, world);
            }
        }
    }

    /// And once more while it is going on from the first crash.
    #[test]
    fn two_crashes_change_nothing(
        shape in shapes(6), world in worlds(), schedule in any::<u64>(), second in 0..6_usize,
    ) {
        let definition = define(&shape.document());
        let mut whole = Simulator::start(&definition, world, schedule);
        whole.run();
        for &length in whole.boundaries.iter().take(60) {
            let mut again = go_on(&definition, &whole.journal[..length], world, schedule);
            for _ in 0..second {
                again.step();
            }
            again.crash();
            again.run();
            check_same_end(&again.execution, &whole.execution, world);
        }
    }

    /// Crashing at every step makes progress all the same, and every event is checked.
    #[test]
    fn crashes_all_the_time_change_nothing(
        shape in shapes(8), world in worlds(), schedule in any::<u64>(),
    ) {
        let definition = define(&shape.document());
        let mut whole = Simulator::start(&definition, world, schedule);
        whole.run();
        let mut again = Simulator::checked(&definition, world, schedule);
        again.is_paused_at_times = true;
        // Work that leaves no trace is lost with every crash, so let some of it come back.
        while again.step() {
            if again.choices.once_in(3) {
                again.crash();
            }
        }
        check_same_end(&again.execution, &whole.execution, world);
    }
}
