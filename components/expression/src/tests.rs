//! The two functions as the engine calls them.

use super::{Binding, EvaluationError, check, evaluate};

fn bind(name: &str, value: &str) -> Binding {
    Binding {
        name: name.into(),
        value: value.into(),
    }
}

fn texts(sources: &[&str]) -> Vec<String> {
    sources.iter().map(|&source| source.to_owned()).collect()
}

#[test]
fn evaluates_all_expressions_in_one_scope() {
    let scope = [
        bind("input", r#"{"a": 1}"#),
        bind("nodes", r#"{"n": {"output": [1, 2.0]}}"#),
    ];
    let sources = texts(&[
        "input.a + 1",
        "nodes.n.output",
        "nodes.n.output.map(x, x > 1)",
    ]);
    assert_eq!(
        evaluate(&sources, &scope),
        Ok(texts(&["2", "[1,2.0]", "[false,true]"]))
    );
}

#[test]
fn an_error_has_the_index_of_its_expression() {
    for (source, message) in [
        ("1 +", "column 4: expected expression, found the end"),
        ("item.x", "unknown name `item`; known are context, input"),
        ("input.b", "no key `b`"),
        ("{1: 2}", "a key of type int has no JSON form"),
    ] {
        let scope = [
            bind("input", r#"{"a": 1}"#),
            bind("context", "not JSON, and not used"),
        ];
        let error = EvaluationError {
            index: 1,
            message: message.into(),
        };
        assert_eq!(evaluate(&texts(&["1", source]), &scope), Err(error));
    }
}

#[test]
fn a_binding_that_is_used_has_to_be_json() {
    let error = evaluate(&texts(&["input"]), &[bind("input", "{")]).unwrap_err();
    assert!(
        error
            .message
            .starts_with("the value of `input` is not JSON: EOF"),
        "{error:?}"
    );
    let deep = "[".repeat(100_000);
    let error = evaluate(&texts(&["input"]), &[bind("input", &deep)]).unwrap_err();
    assert!(
        error.message.contains("recursion limit exceeded"),
        "{error:?}"
    );
}

#[test]
fn check_says_what_does_not_compile() {
    let checks = check(&texts(&["a.b == 'x'", "a b", "", "nowhere.bound"]));
    let end = "column 1: expected expression, found the end".to_owned();
    let extra = "column 3: expected the end, found 'b'".to_owned();
    assert_eq!(checks, [None, Some(extra), Some(end), None]);
}
