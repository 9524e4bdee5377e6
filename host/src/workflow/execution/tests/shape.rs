//! Random definitions, made so that proptest can shrink them.

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

/// A definition to be.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) nodes: Vec<NodeShape>,
    pub(super) is_stop: bool,
    pub(super) max_parallel: u32,
    pub(super) timeout_ms: Option<u32>,
    pub(super) has_output: bool,
    /// The document names the nodes last first.
    pub(super) is_reversed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct NodeShape {
    /// Chosen among the nodes before.
    pub(super) needs: Vec<Index>,
    pub(super) join: &'static str,
    pub(super) has_when: bool,
    pub(super) has_for_each: bool,
    pub(super) max_attempts: u32,
    pub(super) checkpoint: Option<CheckpointShape>,
}

#[derive(Debug, Clone)]
pub(super) struct CheckpointShape {
    pub(super) on_reject: &'static str,
    pub(super) on_expiry: &'static str,
    pub(super) expires_ms: Option<u32>,
    pub(super) max_reruns: u32,
    pub(super) is_before: bool,
}

impl Shape {
    /// The document; node `at` has the id `n{at}`, wherever it stands.
    pub(super) fn document(&self) -> Value {
        let mut nodes: Vec<_> = (0..self.nodes.len()).map(|at| self.node(at)).collect();
        if self.is_reversed {
            nodes.reverse();
        }
        let mut document = json!({
            "id": "random",
            "max_parallel": self.max_parallel,
            "on_failure": if self.is_stop { "stop" } else { "continue" },
            // Long enough for any number of rounds that expire.
            "timeout_seconds": self.timeout_ms.map_or(31_536_000.0, |ms| f64::from(ms) / 1000.0),
            "nodes": nodes,
        });
        if self.has_output {
            document["output"] = json!({"last": "{{ nodes.n0.output }}"});
        }
        document
    }

    fn node(&self, at: usize) -> Value {
        let shape = &self.nodes[at];
        let mut needs: Vec<_> = match at {
            0 => Vec::new(),
            _ => shape.needs.iter().map(|need| need.index(at)).collect(),
        };
        needs.sort_unstable();
        needs.dedup();
        let needs: Vec<_> = needs.into_iter().map(|need| format!("n{need}")).collect();
        let mut node = json!({
            "id": format!("n{at}"), "phase": "p", "needs": needs, "join": shape.join,
            "retry": {"max_attempts": shape.max_attempts, "initial_delay_ms": 10, "jitter": true},
        });
        if shape.has_when {
            node["when"] = json!("input.x");
        }
        if shape.has_for_each {
            node["for_each"] = json!("input.items");
        }
        if let Some(checkpoint) = &shape.checkpoint {
            node["checkpoint"] = json!({
                "title": "t", "on_reject": checkpoint.on_reject, "on_expiry": checkpoint.on_expiry,
            });
            node["checkpoint"]["max_reruns"] = json!(checkpoint.max_reruns);
            if checkpoint.is_before {
                node["checkpoint"]["position"] = json!("before");
                node["checkpoint"]["on_reject"] = json!("fail");
            }
            if let Some(ms) = checkpoint.expires_ms {
                node["checkpoint"]["expires_after_seconds"] = json!(f64::from(ms) / 1000.0);
            }
        }
        node
    }
}

/// Definitions of at most this many nodes, without a deadline that could matter.
pub(super) fn shapes(nodes_max: usize) -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(node(), 1..=nodes_max),
        any::<bool>(),
        1..5_u32,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(nodes, is_stop, max_parallel, has_output, is_reversed)| Shape {
                nodes,
                is_stop,
                max_parallel,
                timeout_ms: None,
                has_output,
                is_reversed,
            },
        )
}

/// The same, with a deadline that may well pass.
pub(super) fn shapes_with_deadline(nodes_max: usize) -> impl Strategy<Value = Shape> {
    (shapes(nodes_max), 1..200_u32).prop_map(|(shape, ms)| Shape {
        timeout_ms: Some(ms),
        ..shape
    })
}

/// Definitions in which much is reviewed, little stops the rest, and nodes wait for others only to
/// be over: those in which one cancellation leads to the next.
pub(super) fn restless_shapes(nodes_max: usize) -> impl Strategy<Value = Shape> {
    let reviewed =
        (node(), checkpoint(), any::<bool>()).prop_map(|(node, checkpoint, settled)| NodeShape {
            join: if settled { "settled" } else { node.join },
            checkpoint: Some(checkpoint),
            ..node
        });
    let node = prop_oneof![1 => node(), 2 => reviewed];
    (
        shapes(1),
        prop::collection::vec(node, 2..=nodes_max),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(shape, nodes, is_stop)| Shape {
            nodes,
            is_stop,
            ..shape
        })
}

fn node() -> impl Strategy<Value = NodeShape> {
    (
        prop::collection::vec(any::<Index>(), 0..4),
        prop::sample::select(vec!["all", "any", "settled"]),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        1..4_u32,
        prop::option::weighted(0.3, checkpoint()),
    )
        .prop_map(
            |(needs, join, has_when, has_for_each, max_attempts, checkpoint)| NodeShape {
                needs,
                join,
                has_when,
                has_for_each,
                max_attempts,
                checkpoint,
            },
        )
}

fn checkpoint() -> impl Strategy<Value = CheckpointShape> {
    (
        prop::sample::select(vec!["fail", "rerun"]),
        prop::sample::select(vec!["approve", "reject", "fail"]),
        prop::option::of(1..50_u32),
        prop::sample::select(vec![1, 2, 99]),
        prop::bool::weighted(0.3),
    )
        .prop_map(
            |(on_reject, on_expiry, expires_ms, max_reruns, is_before)| CheckpointShape {
                on_reject,
                on_expiry,
                expires_ms,
                max_reruns,
                is_before,
            },
        )
}
