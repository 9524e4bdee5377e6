//! The phase from JSON to JSON.

use phasewright_sdk::Failure;
use phasewright_sdk::testing::{FakeHost, run};
use serde_json::{Value, json};

use crate::JsonValidate;

fn validate(config: &Value, document: &str) -> Result<String, Failure> {
    let input = format!(r#"{{"document": {document}}}"#);
    run::<JsonValidate>(&FakeHost::default(), &config.to_string(), &input)
}

fn person() -> Value {
    json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$"}, "age": {"type": "integer"},
        "born": {"type": "string", "format": "date"}}})
}

#[test]
fn passes_a_valid_document_on_to_the_byte() {
    let document = r#"{"name": "ada", "age":36, "x": 1.0}"#;
    let output = validate(&json!({"schema": person()}), document);
    let expected = format!(r#"{{"valid":true,"errors":[],"document":{document}}}"#);
    assert_eq!(output, Ok(expected));
    assert!(validate(&json!({"schema": true}), "null").is_ok());
}

#[test]
fn fails_for_an_invalid_document() {
    let config = json!({"schema": person()});
    let message = r#"document is not valid: "name" is a required property; /age: "x" is not of type "integer""#;
    assert_eq!(
        validate(&config, r#"{"age": "x"}"#),
        Err(Failure::invalid(message))
    );

    let config = json!({"schema": {"items": {"type": "integer"}}});
    let error = validate(&config, &json!(vec!["x"; 1000]).to_string()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(r#"/4: "x" is not of type "integer"; and 995 more"#),
        "{error}"
    );
}

#[test]
fn reports_when_asked_to() {
    let config = json!({"schema": person(), "on_invalid": "report"});
    let output = validate(&config, r#"{"name": "Ada", "born": "1815-13-10"}"#).unwrap();
    let output: Value = serde_json::from_str(&output).unwrap();
    let expected = json!([
        {"pointer": "/name", "message": "\"Ada\" does not match \"^[a-z]+$\""},
        {"pointer": "/born", "message": "\"1815-13-10\" is not a \"date\""},
    ]);
    assert_eq!(
        (&output["valid"], &output["errors"]),
        (&json!(false), &expected)
    );

    let config = json!({"schema": {"items": {"type": "integer"}}, "on_invalid": "report"});
    let output = validate(&config, &json!(vec!["x"; 1000]).to_string()).unwrap();
    let output: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["errors"].as_array().unwrap().len(), 100);
}

#[test]
fn an_error_repeats_only_the_beginning_of_a_large_value() {
    let config = json!({"schema": {"type": "integer"}});
    let error = validate(&config, &json!("é".repeat(10_000)).to_string()).unwrap_err();
    assert!(error.to_string().chars().count() < 400, "{error}");
}

#[test]
fn names_what_is_wrong_with_the_schema() {
    for (schema, message) in [
        (
            json!({"properties": {"a": {"type": "int"}}}),
            "config.schema/properties/a/type: ",
        ),
        (json!({"pattern": "("}), "config.schema/pattern: "),
        (json!({"pattern": "(?=x)"}), "config.schema/pattern: "),
        (
            json!({"$ref": "https://example.com/s.json"}),
            "config.schema: ",
        ),
        (json!({"$ref": "#/nowhere"}), "config.schema: "),
        (json!(1), "config.schema: 1 is not of types"),
    ] {
        match validate(&json!({ "schema": schema }), "1") {
            Err(Failure::Invalid(refused)) if refused.starts_with(message) => {}
            other => panic!("{schema}: {other:?}"),
        }
    }
    let error = validate(&json!({"schema": {}, "on_invalid": "x"}), "1").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("config.on_invalid: unknown variant `x`"),
        "{error}"
    );
    let error = run::<JsonValidate>(&FakeHost::default(), r#"{"schema": {}}"#, "{}").unwrap_err();
    assert_eq!(error.to_string(), "input: missing field `document`");
}

#[test]
fn a_pattern_takes_linear_time() {
    let config = json!({"schema": {"pattern": "^(a+)+$"}, "on_invalid": "report"});
    let text = json!("a".repeat(100_000) + "b").to_string();
    assert!(
        validate(&config, &text)
            .unwrap()
            .starts_with(r#"{"valid":false"#)
    );
}
