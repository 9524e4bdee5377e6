//! Random operations.

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Map, Value};

use super::{CHECKPOINTS, EXECUTIONS, HOSTS, KEYS, WORKFLOWS};
use crate::workflow::ExecutionStatus;

#[derive(Debug, Clone)]
pub enum Operation {
    Commit(Vec<Change>),
    Define {
        workflow: usize,
        value: Value,
        expected: Option<u32>,
    },
}

/// An append; numbers stand for ids, `drift` for a wrong idea of the version.
#[derive(Debug, Clone)]
pub struct Change {
    pub execution: u8,
    pub workflow: usize,
    pub definition: u8,
    pub drift: i8,
    pub outputs: Vec<Value>,
    pub status: usize,
    pub waiting: bool,
    pub wake_at: Option<i8>,
    pub key: Option<u8>,
    pub checkpoint: Option<(u8, bool)>,
    pub blob: Option<u8>,
    /// Before and after: right and nobody, unless they say otherwise.
    pub holder: Option<u8>,
    pub owner: Option<u8>,
    pub crashes: u32,
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4)
                .prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    let drift = prop_oneof![6 => Just(0), 1 => -2..3_i8];
    let place = (0..EXECUTIONS, 0..WORKFLOWS.len(), drift, any::<u8>());
    let state = (
        0..ExecutionStatus::ALL.len(),
        any::<bool>(),
        option::of(any::<i8>()),
    );
    let hosts = (
        option::weighted(0.1, 0..HOSTS),
        option::weighted(0.5, 0..HOSTS),
        0..3_u32,
    );
    let beside = (
        option::weighted(0.3, 0..KEYS),
        option::weighted(0.3, (0..CHECKPOINTS, any::<bool>())),
        option::weighted(0.2, any::<u8>()),
    );
    let all = (place, vec(json(), 1..4), state, beside, hosts);
    all.prop_map(|(place, outputs, state, beside, hosts)| Change {
        execution: place.0,
        workflow: place.1,
        drift: place.2,
        definition: place.3,
        outputs,
        status: state.0,
        waiting: state.1,
        wake_at: state.2,
        key: beside.0,
        checkpoint: beside.1,
        blob: beside.2,
        holder: hosts.0,
        owner: hosts.1,
        crashes: hosts.2,
    })
}

pub fn operation() -> impl Strategy<Value = Operation> {
    let small = (0..3_u8).prop_map(Value::from);
    let expected = option::of(0..4_u32);
    prop_oneof![
        5 => vec(change(), 1..6).prop_map(Operation::Commit),
        1 => (0..WORKFLOWS.len(), prop_oneof![small, json()], expected).prop_map(
            |(workflow, value, expected)| Operation::Define { workflow, value, expected }
        ),
    ]
}
