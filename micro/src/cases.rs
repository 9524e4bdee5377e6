//! The pure core, thing by thing.

use std::hint::black_box;

use phasewright::workflow::{Definition, Template};
use serde_json::{Value, json};

use crate::{
    run::Run,
    shapes::{chain, diamond, fan_out, mesh},
};

/// Something to repeat.
pub struct Case {
    /// What is done.
    pub group: &'static str,
    /// With what.
    pub name: &'static str,
    /// Gets everything ready, which is not measured.
    pub prepare: fn() -> Work,
}

/// What is measured.
pub struct Work {
    /// The events, nodes or templates that it goes through.
    pub count: u64,
    /// Goes through them once; what it makes is dropped, too.
    pub run: Box<dyn Fn()>,
}

/// All of them.
#[rustfmt::skip]
pub const CASES: &[Case] = &[
    Case { group: "fold", name: "chain_30", prepare: || fold(&chain(30)) },
    Case { group: "fold", name: "fan_out_100", prepare: || fold(&fan_out()) },
    Case { group: "fold", name: "mesh_1000", prepare: || fold(&mesh(1000)) },
    Case { group: "decide", name: "chain_30", prepare: || decide(&chain(30)) },
    Case { group: "decide", name: "fan_out_100", prepare: || decide(&fan_out()) },
    Case { group: "decide", name: "mesh_1000", prepare: || decide(&mesh(1000)) },
    Case { group: "read", name: "diamond_6", prepare: || read(diamond()) },
    Case { group: "read", name: "mesh_1000", prepare: || read(mesh(1000)) },
    Case { group: "render", name: "paths", prepare: render },
];

/// A journal to an execution, per event.
fn fold(document: &Value) -> Work {
    let run = Run::of(document);
    let journal = run.journal();
    Work {
        count: journal.len() as u64,
        run: Box::new(move || {
            black_box(run.fold(black_box(&journal)).expect("its own journal"));
        }),
    }
}

/// What happens outside to events and actions, per event, which includes applying it.
fn decide(document: &Value) -> Work {
    let run = Run::of(document);
    Work {
        count: run.journal().len() as u64,
        run: Box::new(move || {
            black_box(run.complete(|events| drop(black_box(events))));
        }),
    }
}

/// A document to a definition, per node.
fn read(document: Value) -> Work {
    let read = move || Definition::read(black_box(&document)).expect("it is right");
    Work {
        count: read().nodes.len() as u64,
        run: Box::new(move || drop(black_box(read()))),
    }
}

/// The input of a node from expressions that only walk to values: no sandbox is asked.
fn render() -> Work {
    let input = json!({
        "n": "{{ nodes.review.output.n }}",
        "of": "{{ input.items }}",
        "title": "{{ input.n }} of {{ nodes.plan.output.n }}, {{ nodes.plan.status }}",
    });
    let mut errors = Vec::new();
    let template = Template::read(&input, &mut errors);
    assert!(errors.is_empty() && template.cel().is_empty(), "{errors:?}");
    let execution = Run::of(&diamond()).complete(drop);
    Work {
        count: 1,
        run: Box::new(move || {
            let rendered = template.render(&execution.scope(None), Vec::new());
            black_box(rendered.expect("all of it is there"));
        }),
    }
}
