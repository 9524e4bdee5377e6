//! Calls of phases and of the evaluator of expressions: instantiate, call, drop.

use std::{cell::LazyCell, sync::Arc};

use async_trait::async_trait;
use criterion::Criterion;
use phasewright::{
    app::{open_sandbox, open_wasm},
    plugin::{Artifact, Attempt, AttemptHost, PhaseRunner, Sandbox},
    workflow::{ExecutionId, Level, PhaseName},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::sandbox;

/// What is called, and with which input: one that does next to nothing, and one that has work.
const CALLS: [(&str, &str); 2] = [
    ("compute", r#"{"n": 1}"#),
    (
        "csv-parse",
        r#"{"text": "flight,origin,delay\nUA1545,EWR,2\nUA1714,LGA,4\nAA1141,JFK,2\nB6725,JFK,-1\n"}"#,
    ),
];

/// What is evaluated: one that does next to nothing, and one that has work.
const EXPRESSIONS: [(&str, &str); 2] = [
    ("sum", "input.n + 1"),
    ("filter_100", "input.items.filter(item, item > 50).size()"),
];

pub fn bench(criterion: &mut Criterion) {
    let rig = LazyCell::new(Rig::open);
    let mut group = criterion.benchmark_group("call");
    for (phase, input) in CALLS {
        group.bench_function(phase, |bencher| {
            let attempt = rig.attempt(phase, input);
            bencher.iter(|| {
                let call = rig.sandbox.run(attempt.clone(), Arc::new(Nobody));
                rig.runtime.block_on(call).expect("it succeeds")
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("evaluate");
    let input = Arc::new(json!({"n": 1, "items": (0..100).collect::<Vec<_>>()}));
    for (name, expression) in EXPRESSIONS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let scope = vec![("input".to_owned(), input.clone())];
                let evaluation = rig.sandbox.evaluate(vec![expression.to_owned()], scope);
                rig.runtime.block_on(evaluation).expect("it succeeds")
            });
        });
    }
}

struct Rig {
    runtime: Runtime,
    sandbox: Sandbox,
}

impl Rig {
    fn open() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let sandbox = runtime.block_on(async {
            let wasm = open_wasm().expect("start WebAssembly");
            open_sandbox(&wasm, &sandbox()).await
        });
        Self {
            runtime,
            sandbox: sandbox.expect("phases that `cargo xtask build` made"),
        }
    }

    fn attempt(&self, phase: &str, input: &str) -> Attempt {
        let phase: PhaseName = phase.parse().expect("a name");
        let input: Value = serde_json::from_str(input).expect("JSON");
        Attempt {
            digest: self.sandbox.catalog()[&phase].digest,
            phase,
            execution: ExecutionId(Uuid::nil()),
            workflow: "micro".parse().expect("an id"),
            node: "node".parse().expect("an id"),
            item: None,
            number: 1,
            idempotency_key: "key".into(),
            config: Arc::new(json!({})),
            input: Arc::new(input),
            review_notes: None,
            timeout: None,
        }
    }
}

/// Hears nothing and has nothing.
struct Nobody;

#[async_trait]
impl AttemptHost for Nobody {
    fn log(&self, _level: Level, _message: String) {}

    fn progress(&self, _fraction: f32, _message: String) {}

    async fn artifact(&self, _node: &str, _name: &str) -> Result<Artifact, String> {
        Err("there is none".to_owned())
    }

    async fn effect(&self) -> Result<(), String> {
        Ok(())
    }
}
