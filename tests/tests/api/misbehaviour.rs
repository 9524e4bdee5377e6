//! Phases and expressions that behave as badly as they can: their attempt fails with the reason, and
//! nobody else notices.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    api::{Api, excerpt, text},
    host::{Place, shared},
};

/// One node fails: the failure in the journal, and what the execution says.
async fn failure(api: Api, id: &str, mut node: Value, input: Value) -> Value {
    node["id"] = json!("bad");
    let execution = api.run(&json!({"id": id, "nodes": [node]}), &input).await;
    assert_eq!(
        execution["status"],
        "failed",
        "{id}: {}",
        excerpt(&execution.to_string())
    );
    let journal = api.journal(&text(&execution["execution_id"])).await;
    let error = journal.one("node_failed", "bad")["payload"]["error"].clone();
    assert_eq!(
        text(&execution["error"]),
        format!("node bad: {}", text(&error["message"]))
    );
    error
}

fn says(error: &Value, cause: &str, message: &str, what: &str) {
    assert_eq!(error["cause"], cause, "{what}: {error}");
    assert!(text(&error["message"]).contains(message), "{what}: {error}");
}

/// Sixty short attempts, twelve at a time, that have nothing to do with anybody.
async fn bystander(api: Api) {
    let items: Vec<_> = (0..60).collect();
    let definition = json!({"id": "bystander", "max_parallel": 12, "nodes": [
        {"id": "each", "phase": "delay", "config": {"ms": 100}, "for_each": items, "input": "{{ item }}"},
        {"id": "last", "phase": "compute", "needs": ["each"], "input": {"n": "{{ nodes.each.output[59] }}"}},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(
        execution["output"],
        json!({"last": {"n": 60}}),
        "{}",
        excerpt(&execution.to_string())
    );
    let journal = api.journal(&text(&execution["execution_id"])).await;
    journal.is_whole("execution_completed");
    journal.each_succeeded_once(61);
}

#[tokio::test]
async fn all_phases_together_have_the_memory_that_the_operator_gives() {
    let place = Place::new();
    let host = place.host_with(&["--phase-memory-mib", "64"]);
    let node = json!({"phase": "misbehave", "config": {"mode": "allocate"}});
    let error = failure(host.api, "allocate", node, json!({})).await;
    // Of its own 128 MiB it can have no more than that, however often it is tried.
    let message = "memory limit of 64 MiB exceeded";
    says(&error, "limit_exceeded", message, "allocate");
}

#[tokio::test]
async fn each_mode_fails_its_own_attempt_only() {
    let api = shared();
    let rows = [
        (
            json!({"mode": "loop"}),
            "timed_out",
            "CPU-time limit of 1 s exceeded",
        ),
        (
            json!({"mode": "allocate"}),
            "limit_exceeded",
            "memory limit of 128 MiB exceeded",
        ),
        (json!({"mode": "recurse"}), "trapped", "trapped: "),
        (json!({"mode": "trap"}), "trapped", "trapped as told"),
        (
            json!({"mode": "huge-output", "bytes": 20_000_000}),
            "limit_exceeded",
            "output limit of 16 MiB exceeded",
        ),
        (
            json!({"mode": "huge-output", "bytes": 1 << 24}),
            "limit_exceeded",
            "output limit of 16 MiB exceeded",
        ),
        (
            json!({"mode": "huge-output", "bytes": 1_000_000_000}),
            "limit_exceeded",
            "memory limit of 128 MiB exceeded",
        ),
        (
            json!({"mode": "print"}),
            "limit_exceeded",
            "log limit of 64 KiB exceeded",
        ),
        (
            json!({"mode": "log"}),
            "limit_exceeded",
            "log limit of 64 KiB exceeded",
        ),
        (
            json!({"mode": "big-artifact"}),
            "limit_exceeded",
            "limit of ",
        ),
        (
            json!({"mode": "big-artifact", "bytes": (1 << 20) + 1}),
            "limit_exceeded",
            "artifact limit of 1 MiB exceeded",
        ),
        (
            json!({"mode": "bad-json"}),
            "invalid",
            "output is not JSON: ",
        ),
        (
            json!({"mode": "deep-json"}),
            "invalid",
            "output is not JSON: recursion limit exceeded",
        ),
        (
            json!({"mode": "deep-json", "depth": 120}),
            "invalid",
            "output does not match the schema of phase misbehave",
        ),
        (
            json!({"mode": "off-schema"}),
            "invalid",
            "output does not match the schema of phase misbehave: at \"\"",
        ),
        (
            json!({"mode": "fail-invalid"}),
            "invalid",
            "invalid as told",
        ),
        (
            json!({"mode": "fail-transient"}),
            "transient",
            "transient as told",
        ),
        (
            json!({"mode": "fail-permanent"}),
            "permanent",
            "permanent as told",
        ),
    ];
    let failures = rows
        .iter()
        .enumerate()
        .map(|(at, (config, cause, message))| async move {
            let node = json!({"phase": "misbehave", "config": config});
            let error = failure(api, &format!("mode-{at}"), node, json!({})).await;
            says(&error, cause, message, &config.to_string());
        });
    tokio::join!(bystander(api), join_all(failures));
    let fine = json!({"id": "bad-progress", "nodes": [{"id": "a", "phase": "misbehave", "config": {"mode": "bad-progress"}}]});
    assert_eq!(api.run(&fine, &json!({})).await["status"], "completed");
    api.is_well().await;
}

#[tokio::test]
async fn expressions_without_end_have_one() {
    let api = shared();
    let nested = "{{ input.l.map(a, input.l.map(b, input.l.map(c, input.l.map(d, a)))) }}";
    // Each level doubles the text: 2^40 times as long in the end.
    let grown = (0..40).fold("v".to_owned(), |inner, level| {
        let name = if level == 39 {
            "input.s".to_owned()
        } else {
            format!("w{}", level + 1)
        };
        let variable = if level == 0 {
            "v".to_owned()
        } else {
            format!("w{level}")
        };
        format!("[{name} + {name}].map({variable}, {inner})")
    });
    let grown = format!("{{{{ {grown} }}}}");
    let numbers: Vec<_> = (0..1_000).collect();
    let input = json!({"l": numbers, "s": "x".repeat(64)});
    let delay = |more: Value| {
        let mut node = json!({"phase": "delay", "config": {"ms": 0}});
        node.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        node
    };
    let rows = [
        (delay(json!({"input": nested})), "limit of"),
        (delay(json!({"when": nested})), "when: "),
        (delay(json!({"for_each": nested})), "for_each: "),
        (delay(json!({"input": grown})), "limit of"),
    ];
    let failures = rows.into_iter().enumerate().map(|(at, (node, message))| {
        let input = input.clone();
        async move {
            let error = failure(api, &format!("endless-{at}"), node.clone(), input).await;
            says(
                &error,
                "limit_exceeded",
                message,
                &excerpt(&node.to_string()),
            );
            says(
                &error,
                "limit_exceeded",
                "limit of",
                &excerpt(&node.to_string()),
            );
        }
    });
    tokio::join!(bystander(api), join_all(failures));

    // The output of the execution is a template, too.
    let definition = json!({"id": "endless-output", "nodes": [{"id": "a", "phase": "delay", "config": {"ms": 0}}], "output": nested});
    let execution = api.run(&definition, &input).await;
    assert_eq!(execution["status"], "failed");
    assert!(
        text(&execution["error"]).starts_with("output: "),
        "{}",
        execution["error"]
    );
    api.is_well().await;
}

#[tokio::test]
async fn templates_cannot_repeat_a_large_value_for_ever() {
    let api = shared();
    let input = json!({"s": "x".repeat(1 << 20)});
    let whole = json!({"phase": "delay", "config": {"ms": 0}, "input": vec!["{{ input.s }}"; 40]});
    let error = failure(api, "repeat-list", whole, input.clone()).await;
    says(
        &error,
        "invalid",
        "rendered value is larger than 33554432 bytes",
        "list",
    );
    let glued = json!({"phase": "delay", "config": {"ms": 0}, "input": "{{ input.s }}".repeat(40)});
    let error = failure(api, "repeat-text", glued, input).await;
    says(
        &error,
        "invalid",
        "rendered value is larger than 33554432 bytes",
        "text",
    );
    api.is_well().await;
}

#[tokio::test]
async fn loops_in_the_configs_of_phases_have_an_end() {
    let api = shared();
    let looped = "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}";
    let doubled = "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}";
    let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    let nested = "row.l.map(a, row.l.map(b, row.l.map(c, row.l.map(d, a)))) == []";
    let rows = json!({"rows": [{"l": (0..1_000).collect::<Vec<_>>()}]});
    let render =
        |template: &str| json!({"phase": "template-render", "config": {"template": template}});
    let query = |config: Value| json!({"phase": "table-query", "config": config, "input": rows});
    for (at, (node, cause, message)) in [
        (render(looped), "invalid", "template line 1: "),
        (
            render(doubled),
            "limit_exceeded",
            "memory limit of 256 MiB exceeded",
        ),
        (render(recursive), "invalid", "template line 1: "),
        (
            query(json!({"where": nested})),
            "timed_out",
            "CPU-time limit of 1 s exceeded",
        ),
        (
            query(json!({"derive": {"x": nested}})),
            "timed_out",
            "CPU-time limit of 1 s exceeded",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let error = failure(api, &format!("loops-{at}"), node.clone(), json!({})).await;
        says(&error, cause, message, &excerpt(&node.to_string()));
    }
    api.is_well().await;
}
