//! Random executions that migrate to a random change of what they run, at a random moment.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::{
    View, define,
    model::Model,
    properties::{cases, outcomes},
    shape::shapes,
    simulator::Simulator,
    world::{World, worlds},
};
use crate::workflow::{
    Definition, Execution, ExecutionStatus, Join, NodeId, NodeStatus, OnFailure, Position, Refusal,
    Stage, Version,
};

/// One thing that another version has otherwise.
#[derive(Debug, Clone)]
enum Change {
    Remove(Index),
    /// At the beginning, so that all others move.
    Add(Index),
    Need(Index, Index),
    NoNeeds(Index),
    Set(Index, &'static str, Value),
    Unset(Index, &'static str),
    OnFailure(bool),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let set = prop::sample::select(vec![
        ("join", json!("any")),
        ("join", json!("settled")),
        ("when", json!("input.x")),
        ("for_each", json!("input.items")),
        ("phase", json!("q")),
        ("retry", json!({"max_attempts": 1})),
        ("checkpoint", json!({"title": "t"})),
        ("checkpoint", json!({"title": "t", "position": "before"})),
    ]);
    let unset = prop::sample::select(vec!["join", "when", "for_each", "checkpoint"]);
    let node = any::<Index>;
    prop::collection::vec(
        prop_oneof![
            2 => node().prop_map(Change::Remove),
            3 => node().prop_map(Change::Add),
            2 => (node(), node()).prop_map(|(node, need)| Change::Need(node, need)),
            1 => node().prop_map(Change::NoNeeds),
            3 => (node(), set).prop_map(|(node, (name, value))| Change::Set(node, name, value)),
            2 => (node(), unset).prop_map(|(node, name)| Change::Unset(node, name)),
            1 => any::<bool>().prop_map(Change::OnFailure),
        ],
        0..4,
    )
}

/// The document with these changes, as far as they leave it one.
fn changed(mut document: Value, changes: &[Change]) -> Value {
    for (number, change) in changes.iter().enumerate() {
        let mut next = document.clone();
        let nodes = next["nodes"].as_array_mut().unwrap();
        let count = nodes.len();
        match change {
            Change::Remove(node) => {
                let id = nodes.remove(node.index(count))["id"].clone();
                for node in nodes {
                    node["needs"]
                        .as_array_mut()
                        .unwrap()
                        .retain(|need| *need != id);
                }
            }
            Change::Add(need) => {
                let need = nodes[need.index(count)]["id"].clone();
                let id = format!("new{number}");
                nodes.insert(0, json!({"id": id, "phase": "p", "needs": [need]}));
            }
            Change::Need(node, need) => {
                let need = nodes[need.index(count)]["id"].clone();
                let needs = nodes[node.index(count)]["needs"].as_array_mut().unwrap();
                needs.push(need);
            }
            Change::NoNeeds(node) => nodes[node.index(count)]["needs"] = json!([]),
            Change::Set(node, name, value) => nodes[node.index(count)][*name] = value.clone(),
            Change::Unset(node, name) => {
                nodes[node.index(count)]
                    .as_object_mut()
                    .unwrap()
                    .remove(*name);
            }
            Change::OnFailure(is_stop) => {
                next["on_failure"] = json!(if *is_stop { "stop" } else { "continue" });
            }
        }
        if Definition::read(&next).is_ok() {
            document = next;
        }
    }
    document
}

/// The rules once more, node by node, as a reader of the docs would say them.
fn is_compatible(execution: &Execution, definition: &Definition) -> bool {
    let old = &execution.definition;
    let status = |id: &NodeId| Some(execution.node(old.node_index(id)?).status());
    let has_failed = |node: &super::NodeState| {
        node.status() == NodeStatus::Failed
            || node
                .slots
                .iter()
                .any(|slot| slot.status() == NodeStatus::Failed)
    };
    let stops = definition.on_failure == OnFailure::Stop && old.on_failure == OnFailure::Continue;
    if stops && execution.nodes().iter().any(has_failed) {
        return false;
    }
    let ids = |of: &Definition, node: &crate::workflow::Node| {
        let mut ids: Vec<_> = node
            .needs
            .iter()
            .map(|need| of.node(*need).id.clone())
            .collect();
        ids.sort();
        ids
    };
    old.nodes.iter().zip(execution.nodes()).all(|(was, state)| {
        let waits = matches!(state.stage, Stage::Waiting | Stage::Ready);
        let is_untouched = waits
            && state.items.is_none()
            && state.approved.is_none()
            && state.round == 0
            && state.slots[0].attempt == 0;
        if is_untouched {
            return true;
        }
        let Some(is) = definition
            .node_index(&was.id)
            .map(|index| definition.node(index))
        else {
            return false;
        };
        let is_asked = |position| was.asks(position) && !is.asks(position);
        if matches!(state.stage, Stage::AwaitingCheckpoint { .. })
            && (is_asked(Position::Before) || is_asked(Position::After))
        {
            return false;
        }
        let is_short = |slot: &super::super::Slot| {
            slot.status() == NodeStatus::Retrying && slot.tries >= is.retry.max_attempts
        };
        let needs = ids(definition, is);
        let are_same = needs == ids(old, was) && is.join == was.join;
        let statuses = needs
            .iter()
            .map(|need| status(need).unwrap_or(NodeStatus::Waiting));
        let statuses: Vec<_> = statuses.collect();
        let mut statuses = statuses.into_iter();
        let are_met = match is.join {
            _ if needs.is_empty() => true,
            _ if state.status() == NodeStatus::Skipped => statuses.all(NodeStatus::is_over),
            Join::All => statuses.all(|need| need == NodeStatus::Completed),
            Join::Any => statuses.any(|need| need == NodeStatus::Completed),
            Join::Settled => statuses.all(NodeStatus::is_over),
        };
        is.phase == was.phase
            && is.for_each.is_some() == was.for_each.is_some()
            && !state.slots.iter().any(is_short)
            && (are_same || are_met)
    })
}

/// Nodes that had not begun come to what the new version says, given what the others came to.
fn check_end(end: &Execution, kept: &[String], world: World) {
    let definition = end.definition.clone();
    let found = outcomes(end);
    let known = definition
        .indices()
        .zip(&found)
        .filter_map(|(index, outcome)| {
            let id = definition.node(index).id.as_str();
            kept.iter()
                .any(|kept| kept == id)
                .then(|| (index, outcome.clone()))
        });
    let mut model = Model::knowing(&definition, world, known.collect());
    let expected = model.outcomes();
    let is_failed = |status: NodeStatus| status == NodeStatus::Failed;
    let has_failed = expected.iter().any(|outcome| is_failed(outcome.status));
    if !(has_failed && definition.on_failure == OnFailure::Stop) {
        assert_eq!(found, expected);
    }
    let output_fails = definition.output.is_some() && world.finished().is_err();
    let status = if has_failed || output_fails {
        ExecutionStatus::Failed
    } else {
        ExecutionStatus::Completed
    };
    assert_eq!(end.status(), status, "{:?}", end.end);
}

proptest! {
    #![proptest_config(cases(600))]

    /// Whenever it stands still, it migrates exactly if the rules say so; then it ends as the new
    /// version has it, wherever it crashes.
    #[test]
    fn executions_migrate_when_they_can_and_end_by_the_new_version(
        shape in shapes(7), changes in changes(), world in worlds(), schedule in any::<u64>(),
        steps in 0..40_usize,
    ) {
        let first = define(&shape.document());
        let second: Arc<Definition> = define(&changed(shape.document(), &changes));
        let mut simulator = Simulator::checked(&first, world, schedule);
        simulator.is_paused_at_times = true;
        let mut kept = None;
        for step in 0.. {
            let before = simulator.execution.clone();
            let still = before.check_still(Version(2));
            let is_compatible = is_compatible(&before, &second);
            if step >= steps && !before.is_over() {
                match simulator.migrate(Version(2), &second) {
                    Ok(()) => {
                        prop_assert!(still.is_ok() && is_compatible);
                        check_kept(&before, &simulator.execution);
                        kept = Some(begun(&before));
                        break;
                    }
                    Err(Refusal::Incompatible(found)) => {
                        prop_assert!(still.is_ok() && !is_compatible, "{found:?}");
                        for violation in &found {
                            prop_assert!(!violation.message.is_empty());
                        }
                    }
                    Err(refusal) => prop_assert_eq!(still, Err(refusal)),
                }
            }
            if !simulator.step() {
                break;
            }
        }
        simulator.run();
        let Some(kept) = kept else {
            return Ok(());
        };
        check_end(&simulator.execution, &kept, world);
        let later = BTreeMap::from([(Version(2), second)]);
        for &length in simulator.boundaries.iter().take(60) {
            let prefix = &simulator.journal[..length];
            let now = prefix.last().unwrap().at;
            let (later, schedule) = (later.clone(), schedule ^ length as u64);
            let mut again = Simulator::recovered_with(&first, later, prefix, now, world, schedule);
            let has_migrated = again.execution.origin.version == Version(2);
            again.run();
            if has_migrated {
                check_end(&again.execution, &kept, world);
            }
        }
    }
}

fn begun(execution: &Execution) -> Vec<String> {
    let nodes = execution.definition.nodes.iter().zip(execution.nodes());
    let begun = nodes.filter(|(_, state)| state.has_begun());
    begun.map(|(spec, _)| spec.id.to_string()).collect()
}

/// What has happened is as it was, node by node.
fn check_kept(before: &Execution, after: &Execution) {
    assert_eq!(after.origin.version, Version(2));
    assert_eq!(after.origin.deadline, before.origin.deadline);
    for (spec, was) in before.definition.nodes.iter().zip(before.nodes()) {
        if was.has_begun() {
            let is = after.node(after.definition.node_index(&spec.id).unwrap());
            assert_eq!(
                (&is.items, is.round, &is.approved, is.taken_from),
                (&was.items, was.round, &was.approved, was.taken_from)
            );
            let stays = |node: &super::NodeState| node.status().is_over();
            assert!(!stays(was) || is.stage == was.stage);
        }
    }
    let view = View::of(after);
    assert_eq!(view.started_at, before.started_at.or(view.started_at));
}
