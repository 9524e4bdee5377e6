//! The phase from JSON to JSON: templates, filters, the artifact, and everything that can be wrong.

use phasewright_sdk::testing::{FakeHost, run};
use phasewright_sdk::{Artifact, Failure};
use serde_json::{Value, json};

use crate::TemplateRender;

fn output(host: &FakeHost, config: &Value, input: &Value) -> Result<Value, Failure> {
    let output = run::<TemplateRender>(host, &config.to_string(), &input.to_string())?;
    Ok(serde_json::from_str(&output).unwrap())
}

#[track_caller]
fn text(template: &str, input: &Value) -> String {
    let output = output(
        &FakeHost::default(),
        &json!({ "template": template }),
        input,
    )
    .unwrap();
    output["text"].as_str().unwrap().to_owned()
}

fn refusal(template: &str, input: &Value) -> String {
    match output(
        &FakeHost::default(),
        &json!({ "template": template }),
        input,
    ) {
        Err(Failure::Invalid(message)) => message,
        other => panic!("expected an invalid failure, got {other:?}"),
    }
}

#[test]
fn renders_a_markdown_table_without_blank_lines() {
    let template = "# {{ title }} ({{ rows | length }})\n\n| name | late |\n|---|---|\n{% for row in rows %}\n| {{ row.name | cell }} | {{ row.late | minutes }} |\n{% endfor %}\n";
    let input = json!({"title": "Late", "rows": [{"name": "a|b\nc", "late": 212}, {"name": null, "late": null}]});
    let expected =
        "# Late (2)\n\n| name | late |\n|---|---|\n| a\\|b<br>c | 3 h 32 min |\n| – | – |\n";
    assert_eq!(text(template, &input), expected);
}

#[test]
fn keeps_the_order_of_objects() {
    let input = json!({"row": {"z": 1, "a": 2}});
    assert_eq!(
        text(
            "{% for k, v in row | items %}{{ k }}={{ v }};{% endfor %}",
            &input
        ),
        "z=1;a=2;"
    );
}

#[test]
fn formats_numbers_and_minutes() {
    for (expression, expected) in [
        ("1234567 | number", "1,234,567"),
        ("-1234.5 | number", "-1,234.50"),
        ("999 | number", "999"),
        ("1234567.891 | number(1)", "1,234,567.9"),
        ("2 | number(2)", "2.00"),
        ("9223372036854775807 | number", "9,223,372,036,854,775,807"),
        ("45 | minutes", "45 min"),
        ("120 | minutes", "2 h"),
        ("-61.4 | minutes", "-1 h 1 min"),
        ("59.6 | minutes", "1 h"),
        ("0 | minutes", "0 min"),
        ("none | number", "–"),
    ] {
        assert_eq!(
            text(&format!("{{{{ {expression} }}}}"), &json!({})),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn escapes_as_asked() {
    let input = json!({"v": "<a href='x'>"});
    for (autoescape, expected) in [
        ("none", "<a href='x'>"),
        ("html", "&lt;a href=&#x27;x&#x27;&gt;"),
        ("json", "\"<a href='x'>\""),
    ] {
        let config = json!({"template": "{{ v }}", "autoescape": autoescape});
        let output = output(&FakeHost::default(), &config, &input).unwrap();
        assert_eq!(output, json!({ "text": expected }));
    }
}

#[test]
fn keeps_the_text_as_an_artifact() {
    let host = FakeHost::default();
    let config = json!({"template": "# é\n", "artifact": {"name": "report.md"}});
    let output = output(&host, &config, &json!({})).unwrap();
    assert_eq!(output, json!({"text": "# é\n", "artifact": "report.md"}));
    let artifact = Artifact {
        name: "report.md".into(),
        content_type: "text/markdown".into(),
        data: "# é\n".into(),
    };
    assert_eq!(*host.artifacts.borrow(), [artifact]);
}

#[test]
fn review_notes_are_there_and_can_be_overridden() {
    assert_eq!(text("{{ review_notes is none }}", &json!({})), "True");
    assert_eq!(
        text("{{ review_notes }}", &json!({"review_notes": "shorter"})),
        "shorter"
    );
}

#[test]
fn names_the_line_of_what_is_wrong() {
    let input = json!({"a": {"b": 1}, "s": "x"});
    for (template, message) in [
        ("\n\n{{ nope }}", "template line 3: `nope` is undefined"),
        ("{{ a.c }}", "template line 1: `a.c` is undefined"),
        ("x\n{{ a.c.d }}", "template line 2: `a.c` is undefined"),
        (
            "{% for x in nope %}{% endfor %}",
            "template line 1: `nope` is undefined",
        ),
        (
            "{{ s | nope }}",
            "template line 1: unknown filter: filter nope is unknown",
        ),
        (
            "{{ s | number }}",
            "template line 1: invalid operation: number applies to numbers, not to string",
        ),
        (
            "{{ 1 | number(99) }}",
            "template line 1: invalid operation: number has at most 17 decimals",
        ),
        (
            "a\n{% if %}",
            "template line 2: syntax error: unexpected end of block",
        ),
        (
            "{{ a",
            "template line 1: syntax error: unexpected end of input",
        ),
        ("{% include 'x' %}", "template line 1: template not found"),
        ("{{ s + 1 }}", "template line 1: invalid operation"),
        (
            "{% for i in range(10000) %}{% for j in range(10000) %}{{ j }}{% endfor %}{% endfor %}",
            "template line 1: engine ran out of fuel",
        ),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "template line 1: invalid operation: recursion limit exceeded",
        ),
    ] {
        let refused = refusal(template, &input);
        assert!(
            refused.starts_with(message),
            "{template}:\n{refused}\n{message}"
        );
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(1000), ")".repeat(1000));
    assert!(refusal(&deep, &json!({})).contains("recursion limits"));
    assert_eq!(
        text("{{ nope | default('-') }}{{ nope is defined }}", &json!({})),
        "-False"
    );
}

#[test]
fn names_what_is_wrong_with_the_config() {
    for (config, message) in [
        (json!({}), "config: missing field `template`"),
        (
            json!({"template": 1}),
            "config.template: invalid type: integer `1`, expected a string",
        ),
        (
            json!({"template": "", "autoescape": "xml"}),
            "config.autoescape: unknown variant `xml`",
        ),
        (
            json!({"template": "", "artifact": {}}),
            "config.artifact: missing field `name`",
        ),
    ] {
        let error = output(&FakeHost::default(), &config, &json!({})).unwrap_err();
        assert!(error.to_string().starts_with(message), "{error}");
    }
    let named = json!({"name": "notice", "template": "{{ x }}"});
    let error = output(&FakeHost::default(), &named, &json!({})).unwrap_err();
    assert_eq!(error.to_string(), "notice line 1: `x` is undefined");
}
