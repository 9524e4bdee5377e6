//! Everything that can be wrong with a definition, a row for each.

use serde_json::{Value, json};

/// All rows.
pub fn all() -> impl Iterator<Item = Row> {
    of_the_document().into_iter().chain(of_a_node())
}

/// Where a value is put (`-` before the pointer takes it away), the value, and the refusal: its
/// pointer and part of its message.
pub type Row = (&'static str, Value, &'static str, &'static str);

#[expect(clippy::too_many_lines, reason = "a table")]
fn of_the_document() -> Vec<Row> {
    vec![
        ("-/id", json!(0), "/id", "is missing"),
        ("/id", json!(7), "/id", "must be a string, not a number"),
        ("/id", json!(null), "/id", "must be a string, not null"),
        ("/id", json!("a b"), "/id", "is not an id"),
        ("/id", json!("a\u{0}"), "/id", "is not an id"),
        ("/id", json!("x".repeat(65)), "/id", "use 1 to 64 letters"),
        (
            "/name",
            json!("x".repeat(201)),
            "/name",
            "longer than 200 characters",
        ),
        (
            "/description",
            json!("ä".repeat(10_001)),
            "/description",
            "longer than 10000 characters",
        ),
        (
            "/input_schema",
            json!({"type": "nonsense"}),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/input_schema",
            json!(7),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/input_schema",
            json!({"$ref": "http://example.com/s"}),
            "/input_schema",
            "refers to \"http://example.com/s\", which is not in it",
        ),
        (
            "/input_schema",
            json!({"pattern": "("}),
            "/input_schema",
            "is not a JSON Schema",
        ),
        (
            "/timeout_seconds",
            json!(0),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/timeout_seconds",
            json!("1"),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/timeout_seconds",
            json!(1e300),
            "/timeout_seconds",
            "from 0.001 to 31536000",
        ),
        (
            "/max_parallel",
            json!(0),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/max_parallel",
            json!(1.5),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/max_parallel",
            json!(u64::MAX),
            "/max_parallel",
            "whole number from 1 to 1000",
        ),
        (
            "/on_failure",
            json!("explode"),
            "/on_failure",
            r#"must be "stop" or "continue""#,
        ),
        (
            "/surprise",
            json!(1),
            "/surprise",
            "is not a field here; the fields are id",
        ),
        ("/a~1b~0c", json!(1), "/a~1b~0c", "is not a field here"),
        ("-/nodes", json!(0), "/nodes", "is missing"),
        (
            "/nodes",
            json!({}),
            "/nodes",
            "must be an array, not an object",
        ),
        ("/nodes", json!([]), "/nodes", "1 to 10000 nodes, not 0"),
        (
            "/output",
            json!({"x": "{{ nodes.zz.output }}"}),
            "/output/x",
            "there is no node zz",
        ),
        (
            "/output",
            json!(["{{ item }}"]),
            "/output/0",
            "there is an item only in the input",
        ),
        (
            "/output",
            json!({"a": [{"b": "{{ f( }}"}]}),
            "/output/a/0/b",
            "",
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn of_a_node() -> Vec<Row> {
    vec![
        (
            "/nodes/0",
            json!("a"),
            "/nodes/0",
            "must be an object, not a string",
        ),
        ("-/nodes/0/id", json!(0), "/nodes/0/id", "is missing"),
        (
            "/nodes/1/id",
            json!("a"),
            "/nodes/1/id",
            "is the id of /nodes/0 as well",
        ),
        ("-/nodes/0/phase", json!(0), "/nodes/0/phase", "is missing"),
        (
            "/nodes/0/phase",
            json!("Delay!"),
            "/nodes/0/phase",
            "is not a phase name",
        ),
        (
            "/nodes/0/config",
            json!({"ms": "soon"}),
            "/nodes/0/config/ms",
            "integer",
        ),
        (
            "/nodes/0/config",
            json!({"ms": 0, "x": 1}),
            "/nodes/0/config",
            "x",
        ),
        ("/nodes/0/config", json!({}), "/nodes/0/config", "ms"),
        (
            "/nodes/1/needs",
            json!("a"),
            "/nodes/1/needs",
            "must be an array, not a string",
        ),
        (
            "/nodes/1/needs",
            json!([1]),
            "/nodes/1/needs/0",
            "must be the id of a node",
        ),
        (
            "/nodes/1/needs",
            json!(["a", "zz"]),
            "/nodes/1/needs/1",
            "there is no node zz",
        ),
        (
            "/nodes/1/needs",
            json!(["a", "a"]),
            "/nodes/1/needs/1",
            "a is named twice",
        ),
        (
            "/nodes/1/needs",
            json!(["b"]),
            "/nodes/1/needs",
            "needs go in a circle: b needs b",
        ),
        (
            "/nodes/0/needs",
            json!(["b"]),
            "/nodes/0/needs",
            "needs go in a circle",
        ),
        (
            "/nodes/1/join",
            json!("some"),
            "/nodes/1/join",
            r#"must be "all" or "any" or "settled""#,
        ),
        (
            "/nodes/1/when",
            json!(true),
            "/nodes/1/when",
            "must be a string, not a boolean",
        ),
        ("/nodes/1/when", json!("1 +"), "/nodes/1/when", ""),
        (
            "/nodes/1/when",
            json!(""),
            "/nodes/1/when",
            "expression is empty",
        ),
        (
            "/nodes/1/when",
            json!("nodes.zz.status == 'x'"),
            "/nodes/1/when",
            "there is no node zz",
        ),
        (
            "/nodes/0/when",
            json!("nodes.b.status == 'x'"),
            "/nodes/0/when",
            "a does not need b",
        ),
        (
            "/nodes/1/for_each",
            json!(3),
            "/nodes/1/for_each",
            "must be an expression or an array",
        ),
        (
            "/nodes/1/for_each",
            json!("input.rows["),
            "/nodes/1/for_each",
            "",
        ),
        (
            "/nodes/1/for_each",
            json!(["{{ item }}"]),
            "/nodes/1/for_each/0",
            "there is an item only",
        ),
        (
            "/nodes/1/input",
            json!({"x": "{{ item.y }}"}),
            "/nodes/1/input/x",
            "there is an item only",
        ),
        (
            "/nodes/1/input",
            json!({"x": "{{ 1 + }}"}),
            "/nodes/1/input/x",
            "",
        ),
        (
            "/nodes/1/input",
            json!(["{{ open"]),
            "/nodes/1/input/0",
            "has no \"}}\"",
        ),
        (
            "/nodes/1/input",
            json!({"x": ["{{ nodes.a.result }}"]}),
            "/nodes/1/input/x/0",
            "output, status and error",
        ),
        (
            "/nodes/1/input",
            json!({"x": format!("{{{{ {}1 }}}}", "1+".repeat(2048))}),
            "/nodes/1/input/x",
            "4096 bytes",
        ),
        (
            "/nodes/0/timeout_seconds",
            json!(-1),
            "/nodes/0/timeout_seconds",
            "from 0.001 to",
        ),
        (
            "/nodes/0/retries",
            json!(3),
            "/nodes/0/retries",
            "is not a field here",
        ),
        (
            "/nodes/0/retry",
            json!(3),
            "/nodes/0/retry",
            "must be an object",
        ),
        (
            "/nodes/0/retry",
            json!({"max_attempts": 0}),
            "/nodes/0/retry/max_attempts",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"max_attempts": 101}),
            "/nodes/0/retry/max_attempts",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"initial_delay_ms": -1}),
            "/nodes/0/retry/initial_delay_ms",
            "from 0 to 86400000",
        ),
        (
            "/nodes/0/retry",
            json!({"max_delay_ms": 1e12}),
            "/nodes/0/retry/max_delay_ms",
            "from 0 to 86400000",
        ),
        (
            "/nodes/0/retry",
            json!({"backoff": 0.5}),
            "/nodes/0/retry/backoff",
            "from 1 to 100",
        ),
        (
            "/nodes/0/retry",
            json!({"jitter": "yes"}),
            "/nodes/0/retry/jitter",
            "must be true or false",
        ),
        (
            "/nodes/0/retry",
            json!({"tries": 3}),
            "/nodes/0/retry/tries",
            "the fields are max_attempts",
        ),
        (
            "/nodes/0/checkpoint",
            json!(true),
            "/nodes/0/checkpoint",
            "must be an object, not a boolean",
        ),
        (
            "/nodes/0/checkpoint",
            json!({}),
            "/nodes/0/checkpoint/title",
            "is missing",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "x".repeat(201)}),
            "/nodes/0/checkpoint/title",
            "longer than 200",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "instructions": "x".repeat(10_001)}),
            "/nodes/0/checkpoint/instructions",
            "longer than 10000",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "on_reject": "shrug"}),
            "/nodes/0/checkpoint/on_reject",
            r#""fail" or "rerun""#,
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "position": "beside"}),
            "/nodes/0/checkpoint/position",
            r#""before" or "after""#,
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "position": "before", "on_reject": "rerun"}),
            "/nodes/0/checkpoint/on_reject",
            "nothing to run again",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "max_reruns": 100}),
            "/nodes/0/checkpoint/max_reruns",
            "from 1 to 99",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "expires_after_seconds": 0}),
            "/nodes/0/checkpoint/expires_after_seconds",
            "from 0.001",
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "on_expiry": "extend"}),
            "/nodes/0/checkpoint/on_expiry",
            r#""approve" or "reject" or "fail""#,
        ),
        (
            "/nodes/0/checkpoint",
            json!({"title": "t", "who": "me"}),
            "/nodes/0/checkpoint/who",
            "is not a field here",
        ),
    ]
}
