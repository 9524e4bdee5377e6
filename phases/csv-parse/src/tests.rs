//! The phase from JSON to JSON: real data, typing, and everything that can be wrong.

use phasewright_sdk::Failure;
use phasewright_sdk::testing::{FakeHost, run};
use serde_json::{Value, json};

use crate::CsvParse;

fn parse(config: &Value, text: &str) -> Result<Value, Failure> {
    let input = json!({ "text": text }).to_string();
    let output = run::<CsvParse>(&FakeHost::default(), &config.to_string(), &input)?;
    Ok(serde_json::from_str(&output).unwrap())
}

fn rows(config: &Value, text: &str) -> Value {
    parse(config, text).unwrap()["rows"].take()
}

fn refusal(config: &Value, text: &str) -> String {
    match parse(config, text) {
        Err(Failure::Invalid(message)) => message,
        other => panic!("expected an invalid failure, got {other:?}"),
    }
}

#[test]
fn reads_the_flights_of_a_day() {
    let text = include_str!("../../../examples/flights/flights-2013-07-01.csv");
    let output = parse(&json!({}), text).unwrap();
    assert_eq!(output["row_count"], 966);
    let columns = output["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 19);
    assert_eq!(
        columns[5],
        json!({"name": "dep_delay", "type": "integer", "nulls": 85})
    );
    assert_eq!(
        columns[9],
        json!({"name": "carrier", "type": "string", "nulls": 0})
    );
    let rows = output["rows"].as_array().unwrap();
    let late = |row: &&Value| row["dep_delay"].as_i64().is_some_and(|delay| delay > 60);
    assert_eq!(rows.iter().filter(late).count(), 322);
    assert_eq!(rows[0]["carrier"], "B6");
    let names: Vec<_> = rows[0].as_object().unwrap().keys().collect();
    let expected: Vec<_> = columns
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected, "cells keep the order of the columns");
}

#[test]
fn infers_the_narrowest_type() {
    let cases = [
        ("1\n-2\n0\nNA\n", "integer", json!([1, -2, 0, null])),
        ("1\n2.5\n1e3\n", "number", json!([1.0, 2.5, 1000.0])),
        ("true\nFALSE\n", "boolean", json!([true, false])),
        ("1\nx\n", "string", json!(["1", "x"])),
        ("00501\n10001\n", "string", json!(["00501", "10001"])),
        ("+49\n", "string", json!(["+49"])),
        (
            "12345678901234567890\n",
            "string",
            json!(["12345678901234567890"]),
        ),
        ("inf\nnan\n", "string", json!(["inf", "nan"])),
        ("NA\nNA\n", "string", json!([null, null])),
    ];
    for (body, kind, values) in cases {
        let output = parse(&json!({}), &format!("c\n{body}")).unwrap();
        assert_eq!(output["columns"][0]["type"], kind, "{body}");
        let rows = output["rows"].as_array().unwrap();
        let cells: Vec<_> = rows.iter().map(|row| row["c"].clone()).collect();
        assert_eq!(json!(cells), values, "{body}");
    }
}

#[test]
fn follows_its_config() {
    let config = json!({"delimiter": ";", "columns": ["a", "b"], "null_values": ["-"],
        "types": {"a": "string", "b": "integer"}});
    let expected = json!([{"a": "1", "b": 501}, {"a": "", "b": null}]);
    assert_eq!(rows(&config, "1;00501\n;-\n"), expected);

    let config = json!({"columns": ["x"], "header": true});
    assert_eq!(
        rows(&config, "old\n1\n"),
        json!([{"x": 1}]),
        "the header is replaced"
    );
    assert_eq!(
        rows(&json!({"delimiter": "\t"}), "a\tb\n1\t2"),
        json!([{"a": 1, "b": 2}])
    );
}

#[test]
fn reads_quotes_line_breaks_and_a_byte_order_mark() {
    let text = "\u{feff}a,b\r\n\"x, \"\"y\"\"\",\"two\nlines\"\r\n\r\né,\r\n";
    let expected = json!([{"a": "x, \"y\"", "b": "two\nlines"}, {"a": "é", "b": null}]);
    assert_eq!(rows(&json!({}), text), expected);
}

#[test]
fn an_unclosed_quote_takes_the_rest_of_the_text() {
    assert_eq!(
        rows(&json!({}), "a,b\n1,\"2\n3,4\n"),
        json!([{"a": 1, "b": "2\n3,4\n"}])
    );
}

#[test]
fn a_table_without_rows_is_a_table() {
    let output = parse(&json!({}), "a,b\n").unwrap();
    assert_eq!(
        (&output["row_count"], &output["rows"]),
        (&json!(0), &json!([]))
    );
    assert_eq!(
        parse(&json!({"columns": ["a"]}), "").unwrap()["row_count"],
        0
    );
}

#[test]
fn names_what_is_wrong_with_the_text() {
    let typed = json!({"types": {"b": "integer", "c": "boolean", "d": "number"}});
    let cases = [
        (json!({}), "", "text: is empty, a header line is needed"),
        (
            json!({}),
            "a,b\n1,2\n3\n",
            "line 3: has 1 fields, expected 2",
        ),
        (
            json!({}),
            "a,b\n\"1\n\",2\n3\n",
            "line 4: has 1 fields, expected 2",
        ),
        (json!({}), "a,,b\n", "line 1: column 2 has no name"),
        (
            json!({}),
            "a,b,a\n",
            "line 1: columns 1 and 3 are both named \"a\"",
        ),
        (
            json!({"rows_max": 1}),
            "a\n1\n2\n",
            "line 3: more than 1 rows (config.rows_max)",
        ),
        (
            typed.clone(),
            "b,c,d\n1,true,1\nabc,true,1\n",
            "line 3, column b: \"abc\" is not an integer",
        ),
        (
            typed.clone(),
            "b,c,d\n1,yes,1\n",
            "line 2, column c: \"yes\" is not a boolean",
        ),
        (
            typed,
            "b,c,d\n1,true,inf\n",
            "line 2, column d: \"inf\" is not a number",
        ),
    ];
    for (config, text, message) in cases {
        assert_eq!(refusal(&config, text), message, "{text:?}");
    }
    let long = format!("b,c,d\n{},true,1\n", "é".repeat(1000));
    let message = refusal(&json!({"types": {"b": "integer"}}), &long);
    assert!(message.chars().count() < 100, "{message}");
}

#[test]
fn names_what_is_wrong_with_the_config() {
    let cases = [
        (
            json!({"delimiter": "é"}),
            "config.delimiter: 'é' is not an ASCII character",
        ),
        (
            json!({"delimiter": "\n"}),
            "config.delimiter: '\\n' is not an ASCII character",
        ),
        (
            json!({"delimiter": "ab"}),
            "config.delimiter: invalid value: string \"ab\"",
        ),
        (
            json!({"header": false}),
            "config.columns: is needed when the text has no header",
        ),
        (
            json!({"columns": []}),
            "config.columns: 0 columns, expected 1 to 4096",
        ),
        (
            json!({"columns": ["a", "a"]}),
            "config.columns: columns 1 and 2 are both named \"a\"",
        ),
        (
            json!({"types": {"z": "integer"}}),
            "config.types: no column is named \"z\"; there are a, b",
        ),
        (
            json!({"types": {"a": "date"}}),
            "config.types.a: unknown variant `date`",
        ),
        (
            json!({"rows_max": -1}),
            "config.rows_max: invalid value: integer `-1`",
        ),
        (
            json!({"colums": []}),
            "config.colums: unknown field `colums`",
        ),
    ];
    for (config, message) in cases {
        let refused = refusal(&config, "a,b\n1,2\n");
        assert!(refused.starts_with(message), "{config}: {refused}");
    }
}
