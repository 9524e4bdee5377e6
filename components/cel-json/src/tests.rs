//! The dialect: what goes through unchanged, what expressions give, and how their errors read.

use serde_json::{Value, json};

use crate::{CompileError, Dialect, Expression, FromJson, ToJson};

/// Evaluates with `input` bound; JSON text or the error's text comes back.
fn evaluate(source: &str, input: &Value) -> Result<String, String> {
    let expression = Expression::compile(source).map_err(|error| error.to_string())?;
    let FromJson(input) = serde_json::from_value(input.clone()).unwrap();
    let mut scope = Dialect::new().scope();
    scope.bind("input", input);
    let value = expression
        .evaluate(&scope)
        .map_err(|error| error.to_string())?;
    serde_json::to_string(&ToJson(value.as_ref())).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_value(source: &str, input: &Value, expected: &str) {
    assert_eq!(evaluate(source, input).as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn assert_error(source: &str, input: &Value, expected: &str) {
    assert_eq!(
        evaluate(source, input),
        Err(expected.to_owned()),
        "{source}"
    );
}

#[test]
fn passes_json_through_unchanged() {
    let text = r#"{"z":1,"a":1.0,"m":[9223372036854775807,18446744073709551615,-0.0,1e+300],"n":{"y":null,"b":[{},[],"é\n"]},"t":true}"#;
    let input: Value = serde_json::from_str(text).unwrap();
    assert_value("input", &input, text);
    assert_value("input.n", &input, r#"{"y":null,"b":[{},[],"é\n"]}"#);
    assert_value(
        "[input.m[1], input.a]",
        &input,
        "[18446744073709551615,1.0]",
    );
}

#[test]
fn keeps_the_kinds_of_numbers_apart() {
    let input = json!({"int": 2, "double": 2.0});
    assert_value("input.int + 1", &input, "3");
    assert_value("input.double + 1.0", &input, "3.0");
    assert_value(
        "input.int == input.double && input.int < 2.5",
        &input,
        "true",
    );
    let mixed = "cannot mul int and double; convert one with int() or double()";
    assert_error("input.int * input.double", &input, mixed);
    assert_value("double(input.int) * 1.5", &input, "3.0");
}

#[test]
fn objects_are_maps() {
    let input = json!({"o": {"b": 1, "a": {"x": [1]}}});
    for source in [
        "input.o == {'a': {'x': [1]}, 'b': 1.0}",
        "{'a': {'x': [1]}, 'b': 1} == input.o",
        "'b' in input.o && !('z' in input.o)",
        "has(input.o.a) && !has(input.o.z)",
        "input.o['a'].x[0] == 1",
        "size(input.o) == 2",
        "input.o.map(key, key) == ['b', 'a']",
        "input.o.all(key, size(key) == 1)",
        "input.?q.?r.orValue(3) == 3",
        "[input.o][0].b == 1",
        "type(input.o) == map",
    ] {
        assert_value(source, &input, "true");
    }
}

#[test]
fn writes_what_json_has_no_form_for() {
    for (source, expected) in [
        ("b'\\x00\\xff!'", "\"AP8h\""),
        (
            "timestamp('2013-07-01T02:00:00+02:00')",
            "\"2013-07-01T02:00:00+02:00\"",
        ),
        (
            "timestamp('2013-07-01T00:00:00.5Z')",
            "\"2013-07-01T00:00:00.500Z\"",
        ),
        ("duration('90s')", "\"90s\""),
        ("duration('-0.5s')", "\"-0.5s\""),
        ("duration('100s') - duration('100s')", "\"0s\""),
        ("type(1)", "\"int\""),
        ("optional.none()", "null"),
        ("optional.of([1u])", "[1]"),
        (
            "{'b': 1, 'a': {'d': 1, 'c': 2}}",
            r#"{"a":{"c":2,"d":1},"b":1}"#,
        ),
    ] {
        assert_value(source, &Value::Null, expected);
    }
    for (source, expected) in [
        ("1.0 / 0.0", "inf has no JSON form"),
        ("[0.0 / 0.0]", "NaN has no JSON form"),
        ("{'a': {1: 2}}", "a key of type int has no JSON form"),
        ("{true: 1}", "a key of type bool has no JSON form"),
    ] {
        assert_error(source, &Value::Null, expected);
    }
}

#[test]
fn has_the_extensions() {
    assert_value(
        "'a,b'.split(',').join('-').upperAscii()",
        &Value::Null,
        "\"A-B\"",
    );
    assert_value("[3, 1, 2].sort()", &Value::Null, "[1,2,3]");
    assert_value("math.ceil(1.2)", &Value::Null, "2.0");
    assert_value("'a1'.matches('^[a-z][0-9]$')", &Value::Null, "true");
}

#[test]
fn errors_of_evaluation_are_clear() {
    let input = json!({"a": 1, "n": null, "s": "x", "l": [1]});
    for (source, expected) in [
        ("nodes.x", "unknown name `nodes`; known are input"),
        ("input.l.map(x, y)", "unknown name `y`; known are input"),
        ("nope(1)", "unknown function `nope`"),
        ("input.nope", "no key `nope`"),
        ("input.a.b", "int has no fields"),
        ("input.n > 60", "`>` does not apply to null and int"),
        ("input.n + 1", "cannot add null and int"),
        ("!input.n", "`!` does not apply to null"),
        ("input.n ? 1 : 2", "expected bool, got null"),
        ("input.s + 1", "cannot add string and int"),
        ("input.l[1]", "index 1 is out of bounds"),
        ("1 / 0", "division by zero"),
        ("9223372036854775807 + 1", "integer overflow in add"),
        (
            "int('x')",
            "int: string parse error: invalid digit found in string",
        ),
        (
            "{'a': 1, 'a': 2}",
            "failed with repeated key: String(\"a\")",
        ),
        (
            "input.s.startsWith(1)",
            "`startsWith` does not apply to string and int",
        ),
    ] {
        assert_error(source, &input, expected);
    }
    let long = json!({"s": "é".repeat(1000)});
    let error = evaluate("{input.s: 1, input.s: 2}", &long).unwrap_err();
    assert!(error.chars().count() <= 301, "{error}");
}

#[test]
fn knows_errors_that_null_causes() {
    let scope = Dialect::new().scope();
    let by_null = |source: &str| {
        let expression = Expression::compile(source).unwrap();
        let error = expression.evaluate(&scope).unwrap_err();
        error.is_caused_by_null()
    };
    for source in [
        "null > 1",
        "1 < null",
        "null + 1",
        "1 - null",
        "-null",
        "!null",
        "null ? 1 : 2",
        "null && true",
        "null.x",
        "size(null)",
        "null.startsWith('a')",
        "false || null > 1",
    ] {
        assert!(by_null(source), "{source}");
    }
    for source in [
        "'a' > 1",
        "'a' + 1",
        "x",
        "1 / 0",
        "{'a': 1}.b",
        "int('a')",
        "1 ? 1 : 2",
    ] {
        assert!(!by_null(source), "{source}");
    }
}

#[test]
fn errors_of_compiling_are_clear() {
    for (source, expected) in [
        ("", "column 1: expected expression, found the end"),
        ("1 +", "column 4: expected expression, found the end"),
        ("a b", "column 3: expected the end, found 'b'"),
        ("a &&\n  )", "line 2, column 3: unexpected token"),
        ("🦀", "column 1: unexpected character"),
        ("'abc", "column 1: unterminated string literal"),
        ("1e400", "column 1: invalid double literal"),
        ("[1].map(1, 2)", "column 9: argument must be a simple name"),
    ] {
        let error = Expression::compile(source).unwrap_err();
        assert_eq!(error.to_string(), expected, "{source}");
    }
}

#[test]
fn size_and_depth_of_an_expression_are_bounded() {
    let long = format!("'{}'", "a".repeat(70_000));
    let error = Expression::compile(&long).unwrap_err();
    assert_eq!(
        error.to_string(),
        "70002 bytes long, at most 8192 are allowed"
    );
    let deep: &[fn(usize) -> String] = &[
        |n| "(".repeat(n) + "1" + &")".repeat(n),
        |n| "[".repeat(n) + "1" + &"]".repeat(n),
        |n| "!".repeat(n) + "true",
        |n| "1".to_owned() + &" + 1".repeat(n),
        |n| "input".to_owned() + &".a".repeat(n),
        |n| "input".to_owned() + &"[0]".repeat(n),
        |n| "'a'".to_owned() + &".trim()".repeat(n),
        |n| "[1]".to_owned() + &".map(x, x)".repeat(n),
        |n| "[1].map(x, ".repeat(n) + "1" + &")".repeat(n),
        |n| "true ? 1 : ".repeat(n) + "1",
        |n| "true ? ".repeat(n) + "1" + &" : 1".repeat(n),
    ];
    for make in deep {
        for n in [250, 700, 4000] {
            let source = make(n);
            let Err(error) = Expression::compile(&source) else {
                // Parentheses and repeated signs leave no trace in the tree.
                assert!(source.contains("((") || source.starts_with('!'), "{source}");
                continue;
            };
            let too_long = matches!(error, CompileError::TooLong { .. });
            assert_eq!(too_long, source.len() > 8192, "{error}");
        }
    }
}
