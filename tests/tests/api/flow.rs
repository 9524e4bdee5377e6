//! What the fields of a node do: conditions, fan-outs, joins, retries, time limits.

use serde_json::{Value, json};

use crate::{
    api::{node, text},
    host::shared,
    journal::ms_between,
};

fn echo(id: &str, needs: &[&str], more: &Value) -> Value {
    let mut node =
        json!({"id": id, "phase": "misbehave", "config": {"mode": "echo"}, "needs": needs});
    for (name, value) in more.as_object().unwrap() {
        node[name] = value.clone();
    }
    node
}

fn failing(id: &str, mode: &str) -> Value {
    json!({"id": id, "phase": "misbehave", "config": {"mode": mode}})
}

fn statuses(execution: &Value) -> Vec<(&str, &str)> {
    let nodes = execution["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node.get("item").is_none());
    nodes
        .map(|node| {
            (
                node["id"].as_str().unwrap(),
                node["status"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn conditions_skip_what_they_say_and_all_that_needs_it() {
    let api = shared();
    let definition = json!({"id": "when", "nodes": [
        echo("yes", &[], &json!({"when": "input.n > 1"})),
        echo("no", &[], &json!({"when": "{{ input.n > 5 }}"})),
        echo("after", &["no"], &json!({})),
        echo("seen", &["yes", "no"], &json!({"join": "settled", "when": "nodes.no.status == 'skipped' && nodes.yes.output.attempt == 1"})),
    ], "output": {"no": "{{ nodes.no.output }}", "n": "{{ input.n }}", "text": "n={{ input.n }} {{ [1] }}"}});
    let execution = api.run(&definition, &json!({"n": 2})).await;
    assert_eq!(
        statuses(&execution),
        [
            ("yes", "completed"),
            ("no", "skipped"),
            ("after", "skipped"),
            ("seen", "completed")
        ]
    );
    assert_eq!(
        execution["output"],
        json!({"no": null, "n": 2, "text": "n=2 [1]"})
    );
    let journal = api.journal(&text(&execution["execution_id"])).await;
    assert_eq!(
        journal.one("node_skipped", "after")["payload"]["reason"],
        "no is skipped"
    );

    for (when, reason) in [
        ("input.n", "when must give true or false, not 2"),
        ("input.gone == 1", "gone"),
    ] {
        let definition =
            json!({"id": "when-wrong", "nodes": [echo("a", &[], &json!({"when": when}))]});
        let execution = api.run(&definition, &json!({"n": 2})).await;
        assert_eq!(execution["status"], "failed");
        assert!(
            text(&execution["error"]).contains(reason),
            "{}",
            execution["error"]
        );
    }
}

#[tokio::test]
async fn a_fan_out_keeps_its_order_and_its_limit() {
    let api = shared();
    let definition = json!({"id": "fan", "max_parallel": 2, "nodes": [
        {"id": "each", "phase": "delay", "config": {"ms": 60}, "for_each": "input.rows", "input": {"row": "{{ item }}"}},
        {"id": "after", "phase": "delay", "config": {"ms": 0}, "needs": ["each"], "input": "{{ nodes.each.output.map(o, o.row * 10) }}"},
    ]});
    let execution = api
        .run(&definition, &json!({"rows": [5, 3, 4, 1, 2, 0]}))
        .await;
    assert_eq!(
        execution["output"],
        json!({"after": [50, 30, 40, 10, 20, 0]}),
        "{execution}"
    );
    assert_eq!(
        node(&execution, "each", Some(3))["output"],
        json!({"row": 1})
    );
    let journal = api.journal(&text(&execution["execution_id"])).await;
    journal.each_succeeded_once(7);
    assert_eq!(journal.most_at_once(), 2);

    let empty = api.run(&definition, &json!({"rows": []})).await;
    assert_eq!(empty["output"], json!({"after": []}));
    for (rows, reason) in [
        (json!("abc"), "for_each must give an array, not \"abc\""),
        (
            json!(vec![0; 10_001]),
            "for_each gave 10001 items, more than 10000",
        ),
    ] {
        let execution = api.run(&definition, &json!({"rows": rows})).await;
        assert_eq!(execution["error"], format!("node each: {reason}"));
    }
}

#[tokio::test]
async fn joins_wait_for_what_they_say() {
    let api = shared();
    let definition = json!({"id": "joins", "on_failure": "continue", "nodes": [
        echo("good", &[], &json!({})),
        failing("bad", "fail-permanent"),
        {"id": "slow", "phase": "delay", "config": {"ms": 500}},
        echo("all", &["good", "bad"], &json!({})),
        echo("any", &["slow", "good", "bad"], &json!({"join": "any"})),
        echo("none", &["bad", "all"], &json!({"join": "any"})),
        echo("settled", &["bad", "slow"], &json!({"join": "settled", "input": "{{ nodes.bad.error }}"})),
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(
        statuses(&execution),
        [
            ("good", "completed"),
            ("bad", "failed"),
            ("slow", "completed"),
            ("all", "skipped"),
            ("any", "completed"),
            ("none", "skipped"),
            ("settled", "completed")
        ]
    );
    assert_eq!(
        (&execution["status"], &execution["error"]),
        (&json!("failed"), &json!("node bad: permanent as told"))
    );
    assert_eq!(
        node(&execution, "settled", None)["output"]["input"],
        "permanent as told"
    );
    let journal = api.journal(&text(&execution["execution_id"])).await;
    let seq = |kind: &str, node: &str| journal.one(kind, node)["seq"].as_u64();
    assert!(
        seq("node_succeeded", "any") < seq("node_succeeded", "slow"),
        "any waited for all"
    );
    assert!(
        seq("node_started", "settled") > seq("node_succeeded", "slow"),
        "settled did not wait"
    );
}

#[tokio::test]
async fn a_failure_stops_what_runs_unless_told_otherwise() {
    let api = shared();
    let mut definition = json!({"id": "fails", "nodes": [
        failing("bad", "fail-invalid"),
        {"id": "slow", "phase": "delay", "config": {"ms": 400}},
        {"id": "next", "phase": "delay", "config": {"ms": 0}, "needs": ["slow"]},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(execution["error"], "node bad: invalid as told");
    assert_eq!(statuses(&execution)[1], ("slow", "cancelled"));
    definition["on_failure"] = json!("continue");
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(execution["error"], "node bad: invalid as told");
    assert_eq!(
        statuses(&execution)[1..],
        [("slow", "completed"), ("next", "completed")]
    );
}

#[tokio::test]
async fn retries_wait_longer_each_time_and_keep_the_key() {
    let api = shared();
    let retry =
        json!({"max_attempts": 4, "initial_delay_ms": 100, "backoff": 2.0, "jitter": false});
    let mut third = echo("third", &[], &json!({"retry": retry}));
    third["config"] = json!({"mode": "fail-until", "succeed_at": 3});
    let execution = api
        .run(&json!({"id": "retried", "nodes": [third]}), &json!({}))
        .await;
    let id = text(&execution["execution_id"]);
    assert_eq!(execution["status"], "completed");
    let output = &node(&execution, "third", None)["output"];
    assert_eq!(
        (&output["attempt"], &output["idempotency_key"]),
        (&json!(3), &json!(format!("{id}:third")))
    );
    let journal = api.journal(&id).await;
    let scheduled: Vec<_> = journal.of("node_retry_scheduled", "third").collect();
    let started: Vec<_> = journal.of("node_started", "third").collect();
    assert_eq!((scheduled.len(), started.len()), (2, 3));
    for (at, delay_ms) in [100, 200].into_iter().enumerate() {
        let error = &scheduled[at]["payload"]["error"];
        assert_eq!(
            *error,
            json!({"cause": "transient", "message": format!("attempt {} of 3 fails as told", at + 1)})
        );
        assert!(ms_between(scheduled[at], started[at + 1]) >= delay_ms);
    }

    for (mode, attempts) in [
        ("fail-transient", 4),
        ("trap", 4),
        ("fail-permanent", 1),
        ("fail-invalid", 1),
        ("bad-json", 1),
    ] {
        let mut bad = failing("bad", mode);
        bad["retry"] = json!({"max_attempts": 4, "initial_delay_ms": 1, "max_delay_ms": 2});
        let execution = api
            .run(&json!({"id": "not-retried", "nodes": [bad]}), &json!({}))
            .await;
        assert_eq!(
            (
                &execution["status"],
                &node(&execution, "bad", None)["attempt"]
            ),
            (&json!("failed"), &json!(attempts)),
            "{mode}"
        );
    }
}

#[tokio::test]
async fn an_attempt_has_a_time_limit() {
    let api = shared();
    let definition = json!({"id": "slow", "nodes": [
        {"id": "a", "phase": "delay", "config": {"ms": 60_000}, "timeout_seconds": 0.1,
         "retry": {"max_attempts": 2, "initial_delay_ms": 1}},
    ]});
    let execution = api.run(&definition, &json!({})).await;
    assert_eq!(
        execution["error"],
        "node a: timeout of the node, 100 ms, exceeded"
    );
    assert_eq!(node(&execution, "a", None)["attempt"], 2);
    let journal = api.journal(&text(&execution["execution_id"])).await;
    assert_eq!(
        journal.one("node_failed", "a")["payload"]["error"]["cause"],
        "timed_out"
    );
}

#[tokio::test]
async fn what_goes_into_a_phase_is_checked() {
    let api = shared();
    for (phase, config, input, reason) in [
        (
            "compute",
            json!({}),
            json!({"n": "x"}),
            "input does not match the schema of phase compute: at \"/n\"",
        ),
        (
            "compute",
            json!({}),
            json!({}),
            "input does not match the schema of phase compute: at \"\"",
        ),
        (
            "csv-parse",
            json!({}),
            json!({"text": "a,b\n1\n"}),
            "line 2",
        ),
        (
            "template-render",
            json!({"template": "{{ '{{' }} x }}"}),
            json!({}),
            "`x` is undefined",
        ),
        (
            "table-query",
            json!({"where": "row.b > 1"}),
            json!({"rows": [{"a": 1}]}),
            "input.rows[0]: no key `b`",
        ),
        (
            "delay",
            json!({"ms": 0}),
            json!("{{ input.gone.x }}"),
            "{{ input.gone.x }}: there is no \"gone\"",
        ),
    ] {
        let definition = json!({"id": "checked", "nodes": [{"id": "a", "phase": phase, "config": config, "input": input}]});
        let execution = api.run(&definition, &json!({})).await;
        assert_eq!(execution["status"], "failed", "{phase}");
        assert!(
            text(&execution["error"]).contains(reason),
            "{}",
            execution["error"]
        );
    }
}
