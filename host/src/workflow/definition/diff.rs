//! What one version of a definition has otherwise than another, document against document.
//!
//! Objects are compared member by member and nodes by their ids, wherever they stand; arrays item by
//! item when they are equally long, else as a whole. The order of `needs` has no meaning. Turned
//! around, a difference is the same with before and after exchanged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::workflow::template::escape_pointer;

/// All that is otherwise, in an order that depends on nothing else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// Outside of the nodes, by pointer.
    pub document: Vec<Change>,
    /// Nodes that only the later document has, in its order.
    pub added: Vec<String>,
    /// Nodes that only the earlier one has, in its order.
    pub removed: Vec<String>,
    /// Nodes that both have, in the order of the later one, with what is otherwise in them.
    pub changed: Vec<(String, Vec<Change>)>,
}

/// One value that is otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// JSON Pointer into the document, or into the node.
    pub pointer: String,
    /// None where there was nothing.
    pub before: Option<Value>,
    /// None where there is nothing any more.
    pub after: Option<Value>,
}

impl Difference {
    /// What is otherwise in `after`. Both have been definitions.
    pub fn between(before: &Value, after: &Value) -> Self {
        let (old, new) = (nodes(before), nodes(after));
        let by_id = |nodes: &[(String, Value)]| -> BTreeMap<String, Value> {
            nodes.iter().cloned().collect()
        };
        let (old_by_id, new_by_id) = (by_id(&old), by_id(&new));
        let only = |nodes: &[(String, Value)], others: &BTreeMap<String, Value>| {
            let ids = nodes.iter().map(|(id, _)| id);
            ids.filter(|id| !others.contains_key(*id))
                .cloned()
                .collect()
        };
        let changed = new.iter().filter_map(|(id, node)| {
            let mut changes = Vec::new();
            compare(String::new(), old_by_id.get(id)?, node, &mut changes);
            (!changes.is_empty()).then(|| (id.clone(), changes))
        });
        let mut document = Vec::new();
        compare(String::new(), &rest(before), &rest(after), &mut document);
        Self {
            document,
            added: only(&new, &old_by_id),
            removed: only(&old, &new_by_id),
            changed: changed.collect(),
        }
    }
}

/// The nodes with their ids; the needs of each in one order.
fn nodes(document: &Value) -> Vec<(String, Value)> {
    let nodes = document["nodes"].as_array().into_iter().flatten();
    let node = |node: &Value| {
        let mut node = node.clone();
        if let Some(needs) = node.get_mut("needs").and_then(Value::as_array_mut) {
            needs.sort_by_cached_key(ToString::to_string);
        }
        Some((node["id"].as_str()?.to_owned(), node))
    };
    nodes.filter_map(node).collect()
}

fn rest(document: &Value) -> Value {
    let mut members = document.as_object().cloned().unwrap_or_default();
    members.shift_remove("nodes");
    Value::Object(members)
}

fn compare(pointer: String, before: &Value, after: &Value, changes: &mut Vec<Change>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            members(&pointer, before, after, changes);
        }
        // What a node needs is a set: told as a whole, it says which.
        (Value::Array(before), Value::Array(after))
            if before.len() == after.len() && pointer != "/needs" =>
        {
            for (at, (before, after)) in before.iter().zip(after).enumerate() {
                compare(format!("{pointer}/{at}"), before, after, changes);
            }
        }
        _ => changes.push(Change {
            pointer,
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn members(
    pointer: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        let pointer = format!("{pointer}/{}", escape_pointer(name));
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => compare(pointer, before, after, changes),
            (before, after) => changes.push(Change {
                pointer,
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{nodes as nodes_of, *};

    fn change(pointer: &str, before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            pointer: pointer.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn a_difference_names_nodes_and_places() {
        let before = json!({"id": "w", "name": "Old", "output": {"a/b": [1, 2]}, "nodes": [
            {"id": "a", "phase": "p", "needs": []},
            {"id": "gone", "phase": "p"},
            {"id": "b", "phase": "p", "needs": ["gone", "a"], "config": {"x": [1, 2], "y": null}},
            {"id": "same", "phase": "p", "needs": ["a", "b"]},
        ]});
        let after = json!({"id": "w", "max_parallel": 2, "output": {"a/b": [1, 3]}, "nodes": [
            {"phase": "p", "id": "same", "needs": ["b", "a"]},
            {"id": "new", "phase": "q"},
            {"id": "b", "phase": "q", "needs": ["new", "a"], "config": {"x": [1, 2, 3]}},
            {"id": "a", "phase": "p", "needs": []},
        ]});
        let found = Difference::between(&before, &after);
        assert_eq!(
            (found.added, found.removed),
            (vec!["new".into()], vec!["gone".into()])
        );
        assert_eq!(
            found.document,
            [
                change("/max_parallel", None, Some(json!(2))),
                change("/name", Some(json!("Old")), None),
                change("/output/a~1b/1", Some(json!(2)), Some(json!(3))),
            ]
        );
        let [(id, changes)] = &found.changed[..] else {
            panic!("{:?}", found.changed);
        };
        assert_eq!(id, "b");
        assert_eq!(
            *changes,
            [
                change("/config/x", Some(json!([1, 2])), Some(json!([1, 2, 3]))),
                change("/config/y", Some(json!(null)), None),
                change(
                    "/needs",
                    Some(json!(["a", "gone"])),
                    Some(json!(["a", "new"]))
                ),
                change("/phase", Some(json!("p")), Some(json!("q"))),
            ]
        );
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), (0..3_u8).prop_map(Value::from)];
        leaf.prop_recursive(4, 12, 3, |inner| {
            let name = prop::sample::select(vec!["a", "b~", "c/", ""]).prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..4)
                    .prop_map(|members| Value::Object(Map::from_iter(members))),
            ]
        })
    }

    fn document() -> impl Strategy<Value = Value> {
        let node = (prop::collection::vec(0..4_u8, 0..4), value());
        let nodes = prop::collection::btree_map("[a-d]", node, 0..4);
        (nodes, value(), any::<bool>()).prop_map(|(nodes, output, is_reversed)| {
            let nodes = nodes.into_iter().map(|(id, (needs, config))| {
                let needs: Vec<_> = needs.iter().map(|need| format!("n{need}")).collect();
                json!({"id": id, "needs": needs, "config": config})
            });
            let mut nodes: Vec<_> = nodes.collect();
            if is_reversed {
                nodes.reverse();
            }
            json!({"nodes": nodes, "output": output})
        })
    }

    /// Puts changes into what they were found in.
    fn apply(value: &mut Value, changes: &[Change]) {
        for Change { pointer, after, .. } in changes {
            match (value.pointer_mut(pointer), after) {
                (Some(place), Some(after)) => place.clone_from(after),
                (place, _) => {
                    let is_there = place.is_some();
                    let (parent, name) = pointer.rsplit_once('/').unwrap();
                    let name = name.replace("~1", "/").replace("~0", "~");
                    let parent = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                    match after {
                        Some(after) => assert!(parent.insert(name, after.clone()).is_none()),
                        None => assert!(is_there && parent.remove(&name).is_some()),
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_difference_says_it_all_and_turns_around(a in document(), b in document()) {
            let found = Difference::between(&a, &b);
            let back = Difference::between(&b, &a);
            prop_assert_eq!((&found.added, &found.removed), (&back.removed, &back.added));
            let turned = |changes: &[Change]| -> Vec<Change> {
                changes
                    .iter()
                    .cloned()
                    .map(|one| Change { before: one.after, after: one.before, ..one })
                    .collect()
            };
            prop_assert_eq!(turned(&found.document), back.document);
            let sorted = |changed: &[(String, Vec<Change>)]| -> BTreeMap<String, Vec<Change>> {
                changed.iter().cloned().collect()
            };
            let found_nodes: BTreeMap<_, _> = sorted(&found.changed)
                .into_iter()
                .map(|(id, changes)| (id, turned(&changes)))
                .collect();
            prop_assert_eq!(found_nodes, sorted(&back.changed));

            let mut document = rest(&a);
            apply(&mut document, &found.document);
            prop_assert_eq!(document, rest(&b));
            let mut nodes: BTreeMap<_, _> = nodes_of(&a).into_iter().collect();
            nodes.retain(|id, _| !found.removed.contains(id));
            for (id, changes) in &found.changed {
                apply(nodes.get_mut(id).unwrap(), changes);
            }
            let new: BTreeMap<_, _> = nodes_of(&b).into_iter().collect();
            for id in &found.added {
                nodes.insert(id.clone(), new[id].clone());
            }
            prop_assert_eq!(nodes, new);
        }
    }
}
