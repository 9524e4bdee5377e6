//! The phase from JSON to JSON: the flights of a day, each step alone, and everything that can be wrong.

use phasewright_sdk::Failure;
use phasewright_sdk::testing::{FakeHost, run};
use serde_json::{Value, json};

use crate::TableQuery;

fn query(config: &Value, input: &Value) -> Result<Value, Failure> {
    let (config, input) = (config.to_string(), input.to_string());
    let output = run::<TableQuery>(&FakeHost::default(), &config, &input)?;
    Ok(serde_json::from_str(&output).unwrap())
}

#[track_caller]
fn rows(config: &Value, rows: &Value) -> Value {
    query(config, &json!({ "rows": rows })).unwrap()["rows"].take()
}

fn refusal(config: &Value, input: &Value) -> String {
    match query(config, input) {
        Err(Failure::Invalid(message)) => message,
        other => panic!("expected an invalid failure, got {other:?}"),
    }
}

/// The flights as `csv-parse` gives them, in the columns used here.
fn flights() -> Value {
    let text = include_str!("../../../examples/flights/flights-2013-07-01.csv");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let column = |name: &str| names.iter().position(|column| *column == name).unwrap();
    let (delay, carrier) = (column("dep_delay"), column("carrier"));
    let rows = lines.map(
        |line| json!({"dep_delay": line[delay].parse::<i64>().ok(), "carrier": line[carrier]}),
    );
    rows.collect()
}

#[test]
fn finds_late_and_cancelled_flights() {
    let input = json!({ "rows": flights() });
    let late = json!({"where": "row.dep_delay > 60", "order_by": "-dep_delay", "limit": 2});
    let output = query(&late, &input).unwrap();
    assert_eq!(
        (&output["matched"], &output["row_count"]),
        (&json!(322), &json!(2))
    );
    let delays: Vec<_> = output["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["dep_delay"])
        .collect();
    assert!(delays[0].as_i64() >= delays[1].as_i64() && delays[1].as_i64() > Some(60));
    let cancelled = query(&json!({"where": "row.dep_delay == null"}), &input).unwrap();
    assert_eq!(cancelled["matched"], 85);
}

#[test]
fn aggregates_flights_by_carrier_with_the_airlines_name() {
    let input = json!({"rows": flights(), "tables": {"airlines": [
        {"carrier": "B6", "name": "JetBlue Airways"}, {"carrier": "UA", "name": "United Air Lines Inc."}]}});
    let config = json!({
        "lookup": [{"table": "airlines", "on": {"carrier": "carrier"}, "take": {"airline": "name"}}],
        "where": "row.airline != null",
        "group_by": ["carrier", "airline"],
        "aggregates": {
            "flights": {"op": "count"},
            "departed": {"op": "count", "column": "dep_delay"},
            "late": {"op": "count_where", "where": "row.dep_delay > 60"},
            "worst": {"op": "max", "column": "dep_delay"},
        },
        "derive": {"is_late": "row.dep_delay > 60"},
        "having": "row.late > 0",
        "order_by": ["-late", "carrier"],
    });
    let output = query(&config, &input).unwrap();
    let rows = output["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let flights = flights();
    for row in rows {
        let of_carrier = || {
            flights
                .as_array()
                .unwrap()
                .iter()
                .filter(|flight| flight["carrier"] == row["carrier"])
        };
        let delays: Vec<i64> = of_carrier()
            .filter_map(|flight| flight["dep_delay"].as_i64())
            .collect();
        assert_eq!(row["flights"], of_carrier().count());
        assert_eq!(row["departed"], delays.len());
        assert_eq!(
            row["late"],
            delays.iter().filter(|delay| **delay > 60).count()
        );
        assert_eq!(row["worst"], *delays.iter().max().unwrap());
    }
}

#[test]
fn null_is_neither_true_nor_false() {
    let table = json!([{"n": 1, "d": null}, {"n": 2, "d": 90}, {"n": 3, "d": 5}]);
    for (condition, kept) in [
        ("row.d > 60", vec![2]),
        ("!(row.d > 60)", vec![3]),
        ("row.d > 60 || row.n == 1", vec![1, 2]),
        ("row.d > 60 && row.n == 2", vec![2]),
        ("row.d == null", vec![1]),
        ("row.d != 5", vec![1, 2]),
        ("row.d + 1 > 60", vec![2]),
        ("[60, 90].exists(x, row.d >= x)", vec![2]),
    ] {
        let kept: Vec<_> = kept.into_iter().map(|n| json!({ "n": n })).collect();
        let config = json!({"where": condition, "select": ["n"]});
        assert_eq!(rows(&config, &table), json!(kept), "{condition}");
    }
    let derived = rows(
        &json!({"derive": {"h": "row.d / 60"}, "select": ["h"]}),
        &table,
    );
    assert_eq!(derived, json!([{"h": null}, {"h": 1}, {"h": 0}]));
}

#[test]
fn derives_in_order_and_keeps_the_kinds_of_values() {
    let config = json!({"derive": {
        "b": "row.a + 1",
        "c": "double(row.b) / 2.0",
        "a": "'x' + string(row.a)",
        "d": "has(row.z) ? row.z : [row.b, {'k': row.c}]",
        "e": "'a' in row && size(row) == 4",
    }});
    let expected = json!([{"a": "x1", "b": 2, "c": 1.0, "d": [2, {"k": 1.0}], "e": true}]);
    let derived = rows(&config, &json!([{"a": 1}]));
    assert_eq!(derived, expected);
    assert_eq!(
        derived.to_string(),
        r#"[{"a":"x1","b":2,"c":1.0,"d":[2,{"k":1.0}],"e":true}]"#
    );
}

#[test]
fn aggregates_what_is_there() {
    let table = json!([{"k": "x", "v": 4}, {"k": "y", "v": null}, {"k": "x", "v": 1}, {"k": "x", "v": null}, {"k": "x", "v": 10}]);
    let mut aggregates = json!({});
    for op in [
        "count", "sum", "mean", "min", "max", "median", "p90", "first",
    ] {
        aggregates[op] = json!({"op": op, "column": "v"});
    }
    aggregates["rows"] = json!({"op": "count"});
    aggregates["big"] = json!({"op": "sum", "column": "v", "where": "row.v > 3"});
    let expected = json!([
        {"k": "x", "count": 3, "sum": 15, "mean": 5.0, "min": 1, "max": 10, "median": 4.0, "p90": 8.8,
            "first": 4, "rows": 4, "big": 14},
        {"k": "y", "count": 0, "sum": null, "mean": null, "min": null, "max": null, "median": null,
            "p90": null, "first": null, "rows": 1, "big": null},
    ]);
    let config = json!({"group_by": ["k"], "aggregates": aggregates});
    assert_eq!(rows(&config, &table), expected);

    let all = json!({"aggregates": {"n": {"op": "count"}, "s": {"op": "sum", "column": "v"}}});
    assert_eq!(
        rows(&all, &json!([])),
        json!([{"n": 0, "s": null}]),
        "one group of no rows"
    );
    assert_eq!(
        rows(&json!({"group_by": ["k"]}), &table),
        json!([{"k": "x"}, {"k": "y"}])
    );
    assert_eq!(rows(&json!({"group_by": ["k"]}), &json!([])), json!([]));
    let mixed = json!([{"k": 1, "v": 0.5}, {"k": 1.0, "v": 2}]);
    let config = json!({"group_by": ["k"], "aggregates": {"s": {"op": "sum", "column": "v"}}});
    assert_eq!(
        rows(&config, &mixed),
        json!([{"k": 1, "s": 2.5}]),
        "1 and 1.0 are one group"
    );
}

#[test]
fn orders_with_nulls_last() {
    let table = json!([{"a": null, "i": 0}, {"a": 2, "i": 1}, {"a": 10.5, "i": 2}, {"i": 3}, {"a": 2, "i": 4}]);
    let order = |order_by: Value| -> Vec<i64> {
        let rows = rows(&json!({ "order_by": order_by }), &table);
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["i"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(order(json!("a")), [1, 4, 2, 0, 3]);
    assert_eq!(order(json!("-a")), [2, 1, 4, 0, 3]);
    assert_eq!(order(json!(["-a", "-i"])), [2, 4, 1, 3, 0]);
    let config = json!({"order_by": "i", "offset": 1, "limit": 2, "select": ["i"]});
    assert_eq!(rows(&config, &table), json!([{"i": 1}, {"i": 2}]));
    assert_eq!(rows(&json!({"offset": 9}), &table), json!([]));
}

#[test]
fn looks_up_a_left_join() {
    let input = json!({"rows": [{"c": "B6", "n": 1}, {"c": "XX", "n": 2}, {"c": null, "n": 3}],
        "tables": {"names": [{"code": "B6", "name": "JetBlue"}, {"code": null, "name": "nobody"}]}});
    let config =
        json!({"lookup": [{"table": "names", "on": {"c": "code"}, "take": {"who": "name"}}]});
    let output = query(&config, &input).unwrap();
    let expected = json!([{"c": "B6", "n": 1, "who": "JetBlue"}, {"c": "XX", "n": 2, "who": null}, {"c": null, "n": 3, "who": null}]);
    assert_eq!(output["rows"], expected);
}

#[test]
fn profiles_the_columns() {
    let table = json!([{"a": 1, "b": "x", "m": 1}, {"a": 2.5, "b": null, "m": "1"}, {"a": 1.0, "b": "x", "m": true, "l": [1]}]);
    let output = query(&json!({"profile": true}), &json!({ "rows": table })).unwrap();
    let expected = json!({"rows": [], "row_count": 3, "matched": 3, "columns": [
        {"name": "a", "type": "number", "nulls": 0, "distinct": 2, "min": 1, "max": 2.5, "mean": 1.5},
        {"name": "b", "type": "string", "nulls": 1, "distinct": 1, "min": "x", "max": "x", "mean": null},
        {"name": "m", "type": "mixed", "nulls": 0, "distinct": 3, "min": null, "max": null, "mean": null},
        {"name": "l", "type": "array", "nulls": 2, "distinct": 1, "min": null, "max": null, "mean": null},
    ]});
    assert_eq!(output, expected);
}

/// What tests of refusals query.
fn small_input() -> Value {
    json!({"rows": [{"a": 1, "s": "x"}, {"a": 2, "s": "y"}], "tables": {"t": [{"k": 1}, {"k": 1}]}})
}

#[track_caller]
fn assert_refused(cases: &[(Value, &str)]) {
    for (config, message) in cases {
        let refused = refusal(config, &small_input());
        assert!(
            refused.starts_with(message),
            "{config}:\n{refused}\n{message}"
        );
    }
}

#[test]
fn names_what_is_wrong_with_an_expression() {
    assert_refused(&[
        (
            json!({"where": "row.a >"}),
            "config.where: `row.a >`: column 8: expected expression, found the end",
        ),
        (
            json!({"where": "row.b > 1"}),
            "config.where: `row.b > 1` at input.rows[0]: no key `b`",
        ),
        (
            json!({"where": "rows.a > 1"}),
            "config.where: `rows.a > 1` at input.rows[0]: unknown name `rows`; known are row",
        ),
        (
            json!({"where": "row.a"}),
            "config.where: `row.a` at input.rows[0]: gives int, expected bool",
        ),
        (
            json!({"where": "row.a == 1 || row.s > 1"}),
            "config.where: `row.a == 1 || row.s > 1` at input.rows[1]: `>` does not apply to string and int",
        ),
        (
            json!({"where": "row.a == 2", "derive": {"d": "1 / (row.a - 2)"}}),
            "config.derive.d: `1 / (row.a - 2)` at input.rows[1]: division by zero",
        ),
        (
            json!({"derive": {"d": "{row.a: 1}"}}),
            "config.derive.d: `{row.a: 1}` at input.rows[0]: a key of type int has no JSON form",
        ),
    ]);
}

#[test]
fn names_what_is_wrong_with_a_setting() {
    let sum = |column: &str| json!({"aggregates": {"x": {"op": "sum", "column": column}}});
    let lookup = |table: &str, left: &str, right: &str| json!({"lookup": [{"table": table, "on": {left: right}, "take": {"n": "k"}}]});
    assert_refused(&[
        (
            json!({"having": "true"}),
            "config.having: needs group_by or aggregates",
        ),
        (
            json!({"group_by": ["a"], "having": "row.s == 'x'"}),
            "config.having: `row.s == 'x'` at groups[0]: no key `s`",
        ),
        (
            json!({"group_by": ["z"]}),
            "config.group_by: no row has a column \"z\"; there are a, s",
        ),
        (
            json!({"order_by": "-z"}),
            "config.order_by: no row has a column \"z\"; there are a, s",
        ),
        (
            json!({"order_by": 1}),
            "config.order_by: expected a column or a list of columns",
        ),
        (
            json!({"select": ["z"]}),
            "config.select: no row has a column \"z\"; there are a, s",
        ),
        (
            sum("z"),
            "config.aggregates.x.column: no row has a column \"z\"; there are a, s",
        ),
        (
            sum("s"),
            "config.aggregates.x: input.rows[0], column s: is of type string, expected a number",
        ),
        (
            json!({"aggregates": {"x": {"op": "sum"}}}),
            "config.aggregates.x.column: is needed",
        ),
        (
            json!({"aggregates": {"x": {"op": "count_where"}}}),
            "config.aggregates.x.where: is needed",
        ),
        (
            json!({"aggregates": {"x": {"op": "avg"}}}),
            "config.aggregates.x.op: unknown variant `avg`",
        ),
        (
            lookup("u", "a", "k"),
            "config.lookup[0].table: no table \"u\" in input.tables; there are t",
        ),
        (
            lookup("t", "z", "k"),
            "config.lookup[0].on: no row has a column \"z\"; there are a, s",
        ),
        (
            lookup("t", "a", "z"),
            "config.lookup[0].on.a: table t: no row has a column \"z\"; there are k",
        ),
        (
            lookup("t", "a", "k"),
            "config.lookup[0].on: input.tables.t[0] and [1] have the same key",
        ),
        (
            json!({"limit": -1}),
            "config.limit: invalid value: integer `-1`",
        ),
        (
            json!({"filter": "true"}),
            "config.filter: unknown field `filter`",
        ),
    ]);
    assert_eq!(
        refusal(&json!({}), &json!({"rows": [1]})),
        "input.rows[0]: invalid type: integer `1`, expected a map"
    );
    let overflow = json!({"rows": [{"a": i64::MAX}, {"a": 1}]});
    assert_eq!(
        refusal(&sum("a"), &overflow),
        "config.aggregates.x: sum overflows 64 bits"
    );
}
