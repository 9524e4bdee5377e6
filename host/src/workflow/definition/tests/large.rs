//! As many nodes and needs as there may be.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{read, wrong};
use crate::workflow::{NEEDS_MAX, NODES_MAX, NodeIndex};

fn document(needs: impl Fn(usize) -> Vec<usize>) -> Value {
    let node = |at| {
        let needs: Vec<_> = needs(at)
            .into_iter()
            .map(|need| format!("n{need}"))
            .collect();
        json!({"id": format!("n{at}"), "phase": "p", "needs": needs})
    };
    json!({"id": "large", "nodes": (0..NODES_MAX).map(node).collect::<Vec<_>>()})
}

/// A few needs of smaller number, the same for the same node.
fn scattered(at: usize, count: usize) -> Vec<usize> {
    let mut needs: Vec<_> = (1..=count)
        .map(|factor| at.wrapping_mul(2_654_435_761).wrapping_mul(factor) % at.max(1))
        .filter(|&need| need < at)
        .collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

#[test]
fn a_chain_whose_last_node_reads_the_first() {
    let mut document = document(|at| at.checked_sub(1).into_iter().collect());
    document["nodes"][NODES_MAX - 1]["when"] = json!("nodes.n0.output > 1");
    let definition = read(&document).unwrap();
    assert_eq!(definition.nodes.len(), NODES_MAX);
    document["nodes"][0]["when"] = json!("nodes.n9999.output > 1");
    assert!(wrong(&document)[0].contains("n0 does not need n9999"));
}

#[test]
fn a_fan_out_and_in() {
    let last = NODES_MAX - 1;
    let definition = read(&document(|at| match at {
        0 => Vec::new(),
        at if at == last => (1..last).collect(),
        _ => vec![0],
    }))
    .unwrap();
    assert_eq!(
        definition.node(NodeIndex(0)).dependents.len(),
        NODES_MAX - 2
    );
    assert_eq!(definition.nodes[last].needs.len(), NODES_MAX - 2);
}

#[test]
fn a_random_graph_with_references_upstream() {
    let mut document = document(|at| scattered(at, 9));
    for at in (100..NODES_MAX).step_by(100) {
        let need = scattered(at, 9)[0];
        let far = scattered(need, 9).first().copied().unwrap_or(need);
        document["nodes"][at]["input"] = json!(format!("{{{{ nodes.n{far}.output }}}}"));
    }
    read(&document).unwrap();
}

#[test]
fn a_circle_through_all_nodes() {
    let found = wrong(&document(|at| vec![(at + 1) % NODES_MAX]));
    assert!(found[0].contains("needs go in a circle"), "{found:?}");
}

#[test]
fn as_many_needs_as_there_may_be() {
    let each = NEEDS_MAX / NODES_MAX;
    let document = |extra| {
        document(move |at| {
            let count = if at < each { 0 } else { each };
            let extra = if at == NODES_MAX - 1 { extra } else { 0 };
            (0..count + extra).collect()
        })
    };
    let unused = each * each;
    assert!(read(&document(unused)).is_ok());
    assert!(wrong(&document(unused + 1))[0].contains("100001 needs"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whatever JSON it is, reading it ends with a definition or with places.
    #[test]
    fn no_document_is_read_in_panic(document in any_json()) {
        let mut workflow = json!({"id": "w", "nodes": [{"id": "a", "phase": "p"}]});
        let _ = read(&document);
        for field in ["id", "name", "nodes", "output", "input_schema", "timeout_seconds"] {
            let mut workflow = workflow.clone();
            workflow[field] = document.clone();
            let _ = read(&workflow);
        }
        for field in ["id", "phase", "needs", "when", "for_each", "input", "config", "retry", "checkpoint"] {
            workflow["nodes"][0][field] = document.clone();
            if let Err(violations) = read(&workflow) {
                prop_assert!(!violations.is_empty());
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        "[{}'\"nodes.a r/]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,12}|id|phase|needs|title", inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}
