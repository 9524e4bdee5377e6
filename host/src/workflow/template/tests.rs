//! Templates as a whole: what they read, refer to and render.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Expression, Form, NodeScope, RENDERED_BYTES_MAX, RenderError, Scope, Template,
    scan::{Piece, pieces, uses},
};
use crate::workflow::{DEPTH_MAX, Json, NodeId, NodeStatus};

/// What names stand for in these tests.
struct Names {
    input: Json,
    context: Json,
    item: Option<Json>,
    nodes: BTreeMap<String, (NodeStatus, Option<Json>, Option<String>)>,
}

impl Scope for Names {
    fn input(&self) -> &Json {
        &self.input
    }

    fn context(&self) -> &Json {
        &self.context
    }

    fn item(&self) -> Option<&Json> {
        self.item.as_ref()
    }

    fn node(&self, id: &NodeId) -> Option<NodeScope<'_>> {
        let (status, output, error) = self.nodes.get(id.as_str())?;
        Some(NodeScope {
            status: *status,
            output: output.as_ref(),
            error: error.as_deref(),
        })
    }
}

fn names() -> Names {
    let done = (
        NodeStatus::Completed,
        Some(Arc::new(json!({"rows": [{"x": 1}, {"x": null}]}))),
        None,
    );
    let failed = (NodeStatus::Failed, None, Some("no luck".to_owned()));
    Names {
        input: Arc::new(json!({"n": 7, "s": "text", "list": [1, [2]], "a b": true, "é": "ü"})),
        context: Arc::new(json!({"who": "ada"})),
        item: Some(Arc::new(json!({"id": 3}))),
        nodes: [("done".to_owned(), done), ("not-done".to_owned(), failed)].into(),
    }
}

fn read(value: &Value) -> Template {
    let mut errors = Vec::new();
    let template = Template::read(value, &mut errors);
    assert_eq!(errors, []);
    template
}

fn render(value: &Value) -> Result<Value, RenderError> {
    read(value)
        .render(&names(), Vec::new())
        .map(|value| (*value).clone())
}

fn fails(value: &Value) -> String {
    render(value)
        .expect_err("it cannot be rendered")
        .to_string()
}

#[test]
fn one_expression_keeps_its_type_and_more_become_text() {
    let rendered = render(&json!({
        "number": "{{ input.n }}",
        "list": "{{input.list}}",
        "deep": [{"x": "{{ input.list[1][0] }}"}],
        "odd": "{{ input[\"a b\"] }}",
        "text": "{{ context.who }} has {{ input.n }} of {{ input.list }}, {{ nodes.done.output.rows[1].x }}",
        "spaced": " {{ input.n }}",
        "twice": "{{ input.s }}{{ input.s }}",
        "braces": "no { braces } here }}",
        "item": "{{ item.id }}",
        "constant": {"a": [1, "b"]},
    }));
    assert_eq!(
        rendered.unwrap(),
        json!({
            "number": 7,
            "list": [1, [2]],
            "deep": [{"x": 2}],
            "odd": true,
            "text": "ada has 7 of [1,[2]], null",
            "spaced": " 7",
            "twice": "texttext",
            "braces": "no { braces } here }}",
            "item": 3,
            "constant": {"a": [1, "b"]},
        })
    );
}

#[test]
fn nodes_have_status_output_and_error() {
    let rendered = render(&json!([
        "{{ nodes.done.status }}",
        "{{ nodes.done.error }}",
        "{{ nodes['not-done'].status }}",
        "{{ nodes['not-done'].output }}",
        "{{ nodes[\"not-done\"].error }}",
        "{{ nodes['not-done'] }}",
    ]));
    assert_eq!(
        rendered.unwrap(),
        json!(["completed", null, "failed", null, "no luck",
            {"status": "failed", "output": null, "error": "no luck"}])
    );
}

#[test]
fn a_path_that_leads_nowhere_says_where_it_ends() {
    assert_eq!(
        fails(&json!("{{ input.x.y }}")),
        "{{ input.x.y }}: there is no \"x\""
    );
    assert_eq!(
        fails(&json!("a {{ input.list[9] }}")),
        "{{ input.list[9] }}: there is no [9]"
    );
    assert!(fails(&json!("{{ input.n.x }}")).contains("there is no \"x\""));
    assert!(fails(&json!("{{ nodes.other.output }}")).contains("there is no node other"));
    assert!(
        fails(&json!("{{ nodes['not-done'].output.rows }}"))
            .contains("has no output: it is failed")
    );
    let names = Names {
        item: None,
        ..names()
    };
    let error = read(&json!("{{ item }}"))
        .render(&names, Vec::new())
        .unwrap_err();
    assert!(error.to_string().contains("there is no item"));
}

#[test]
fn whole_documents_are_shared() {
    let names = names();
    let rendered = read(&json!("{{ input }}"))
        .render(&names, Vec::new())
        .unwrap();
    assert!(Arc::ptr_eq(&rendered, &names.input));
}

#[test]
fn cel_values_take_their_places_in_order() {
    let template =
        read(&json!({"z": "{{ 1 + 1 }}", "a": ["{{ input.n }}", "x{{ f() }}y{{ 'a' }}"]}));
    let sources: Vec<_> = template
        .cel()
        .iter()
        .map(|expression| &*expression.source)
        .collect();
    assert_eq!(sources, ["1 + 1", "f()", "'a'"]);
    let values = [json!(2), json!({"b": 1}), json!("a")]
        .map(Arc::new)
        .to_vec();
    let rendered = template.render(&names(), values).unwrap();
    assert_eq!(*rendered, json!({"z": 2, "a": [7, "x{\"b\":1}ya"]}));
}

#[test]
fn a_short_template_cannot_grow_without_end() {
    let large = Arc::new(json!({"x": "y".repeat(RENDERED_BYTES_MAX / 8)}));
    let control = Arc::new(json!(["\u{1}".repeat(RENDERED_BYTES_MAX / 4)]));
    let names = |input: &Json| Names {
        input: input.clone(),
        ..names()
    };
    let render = |template: Value, input| read(&template).render(&names(input), Vec::new());
    assert!(render(json!(vec!["{{ input }}"; 7]), &large).is_ok());
    assert_eq!(
        render(json!(vec!["{{ input }}"; 9]), &large),
        Err(RenderError::TooLarge)
    );
    assert_eq!(
        render(json!("{{ input.x }}".repeat(9)), &large),
        Err(RenderError::TooLarge)
    );
    let fields: serde_json::Map<_, _> = (0..9)
        .map(|at| (at.to_string(), json!("{{ input.x }}")))
        .collect();
    assert_eq!(
        render(Value::Object(fields), &large),
        Err(RenderError::TooLarge)
    );
    // As text, each of these characters takes six.
    assert!(render(json!("{{ input[0] }}"), &control).is_ok());
    assert_eq!(
        render(json!("{{ input }}."), &control),
        Err(RenderError::TooLarge)
    );
    let numbers = Arc::new(json!(vec![0; RENDERED_BYTES_MAX / 64]));
    assert_eq!(
        render(json!(vec!["{{ input }}"; 5]), &numbers),
        Err(RenderError::TooLarge)
    );
}

#[test]
fn a_template_cannot_grow_deeper_and_deeper() {
    let nested = (0..DEPTH_MAX).fold(Value::Null, |value, _| json!([value]));
    let names = Names {
        input: Arc::new(nested),
        ..names()
    };
    assert!(
        read(&json!("{{ input }}"))
            .render(&names, Vec::new())
            .is_ok()
    );
    assert!(
        read(&json!(["{{ input[0] }}"]))
            .render(&names, Vec::new())
            .is_ok()
    );
    let deeper = read(&json!(["{{ input }}"])).render(&names, Vec::new());
    assert_eq!(deeper, Err(RenderError::TooDeep));
}

#[test]
fn paths_and_cel_are_told_apart() {
    let form = |source: &str| Expression::read(source).unwrap().form;
    for path in [
        "input",
        "input.a.b_2",
        "context['a b'].c",
        "nodes.a.output[0]",
        "nodes[\"a-b\"].status",
        "item",
    ] {
        assert!(matches!(form(path), Form::Path(_)), "{path}");
    }
    for cel in [
        "[input]",
        "input.size()",
        "input . a",
        "input[0 + 1]",
        "input['a\\'b']",
        "nodes.a.output.map(x, x)",
        "1",
        "'input'",
        "input.a == 1",
        "input.2",
        "input[-1]",
        "input[99999999999999999999999]",
    ] {
        assert_eq!(form(cel), Form::Cel, "{cel}");
    }
}

#[test]
fn what_an_expression_refers_to_is_known() {
    let cases: [(&str, &str); 12] = [
        ("input.item == context.nodes", "input context"),
        (
            "nodes.a.output + nodes['b-c'].output + nodes.a.status",
            "a b-c",
        ),
        ("'input' + r'\\' + \"nodes.a\" + b'item'", ""),
        ("[item].exists(x, x.input > .input.y)", "input item"),
        ("'''it's input''' + \"\"\"a \" nodes\"\"\"", ""),
        ("input // don't read nodes\n + context", "input context"),
        ("{'a': input}.a", "input"),
        ("true ? input : item", "input item"),
        ("[1].map(my_input, my_input + 2)", ""),
        (".nodes.a.output", "a"),
        ("f(1).input + [1][0].item", ""),
        ("rb'\\' + input", "input"),
    ];
    for (source, expected) in cases {
        let uses = uses(source).unwrap();
        let roots = [
            ("input", uses.input),
            ("context", uses.context),
            ("item", uses.item),
        ];
        let mut found: Vec<_> = roots
            .iter()
            .filter(|root| root.1)
            .map(|root| root.0)
            .collect();
        found.extend(uses.nodes.iter().map(NodeId::as_str));
        assert_eq!(found.join(" "), expected, "{source}");
    }
}

#[test]
fn braces_in_strings_comments_and_maps_do_not_end_an_expression() {
    for source in [
        " r'\\' ",
        " {'a': {'b': 1}} ",
        " '}}' ",
        " \"}}\" + '\\'}}' ",
        " 1 // }} it's\n ",
    ] {
        let text = format!("a{{{{{source}}}}}b");
        let expected = [
            Piece::Literal("a"),
            Piece::Expression(source),
            Piece::Literal("b"),
        ];
        assert_eq!(pieces(&text).unwrap(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        ..ProptestConfig::with_cases(3000)
    })]

    #[test]
    fn any_text_splits_into_pieces_that_join_to_it(text in texts()) {
        if let Ok(pieces) = pieces(&text) {
            let join = |piece: &Piece| match piece {
                Piece::Literal(text) => (*text).to_owned(),
                Piece::Expression(source) => format!("{{{{{source}}}}}"),
            };
            prop_assert_eq!(pieces.iter().map(join).collect::<String>(), text);
        }
    }

    #[test]
    fn any_text_is_an_expression_or_an_error(text in texts()) {
        let _ = (Expression::read(&text), Expression::read_field(&text));
        if let Ok(uses) = uses(&text) {
            for id in &uses.nodes {
                prop_assert!(text.contains(id.as_str()));
            }
        }
    }

    #[test]
    fn text_without_expressions_is_rendered_as_it_is(text in "[^{]*(\\{[^{]*)?") {
        prop_assert_eq!(render(&json!([text, {"a": text}])).unwrap(), json!([text, {"a": text}]));
    }

    #[test]
    fn a_quoted_text_is_found_by_its_path(name in "[^'\"\\\\\\]]{1,20}", value in any::<i64>()) {
        let names = Names { input: Arc::new(json!({(&name): value})), ..names() };
        let template = read(&json!(format!("{{{{ input['{name}'] }}}}")));
        prop_assert_eq!(&*template.render(&names, Vec::new()).unwrap(), &json!(value));
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        "[{}'\"\\\\r/\\n .a\\[\\]0é]{0,30}",
        prop::collection::vec(
            prop::sample::select(vec![
                "{{", "}}", "nodes", ".", "['", "']", "input", "item", "//", "\n", "'''", "r'",
                "\\", "é", "(", "0",
            ]),
            0..20
        )
        .prop_map(|parts| parts.concat()),
    ]
}
