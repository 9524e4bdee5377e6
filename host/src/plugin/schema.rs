//! JSON Schemas: compiled once, without network, files or patterns that backtrack.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::{expansion::Expansion, text::shorten};

/// Violations reported at once. Who has mended these, asks again.
const VIOLATIONS_MAX: usize = 20;

/// Longest message about one violation, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Longest text that is repeated in a message about it.
const VALUE_BYTES_MAX: usize = 64;

/// Largest schema as JSON text: every attempt is checked against it.
const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// A compiled JSON Schema, draft 2020-12.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// Whether saying where a value is wrong takes a bearable time.
    is_detailed: bool,
}

impl Schema {
    /// Parses and compiles. The error says why it is no JSON Schema, and where.
    pub fn parse(text: &str) -> Result<(Value, Self), String> {
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(format!(
                "{} bytes are more than the limit of {SCHEMA_BYTES_MAX}",
                text.len()
            ));
        }
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?;
        let expansion = Expansion::of(&document)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .with_pattern_options(PatternOptions::regex())
            .build(&document)
            .map_err(|error| {
                let (pointer, message) = describe(&error);
                format!("is not a JSON Schema: at {pointer:?}: {message}")
            })?;
        let schema = Self {
            validator,
            is_detailed: expansion.recursions <= 1,
        };
        Ok((document, schema))
    }

    /// What is wrong with a value: JSON Pointers and messages, the first few.
    pub fn violations(&self, value: &Value) -> Vec<(String, String)> {
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        if !self.is_detailed {
            let message = "does not match; the schema is too entangled to say where".to_owned();
            return vec![(String::new(), message)];
        }
        self.validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .map(|error| describe(&error))
            .collect()
    }
}

/// Pointer and message. Large values are not repeated in it.
fn describe(error: &ValidationError<'_>) -> (String, String) {
    let is_short = match error.instance().as_ref() {
        Value::String(text) => text.len() <= VALUE_BYTES_MAX,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    };
    let message = if is_short {
        error.to_string()
    } else {
        error.masked().to_string()
    };
    let pointer = error.instance_path().as_str().to_owned();
    (pointer, shorten(message, MESSAGE_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema(document: &Value) -> Result<Schema, String> {
        Schema::parse(&document.to_string()).map(|(_, schema)| schema)
    }

    #[test]
    fn violations_have_pointer_and_message() {
        let schema = schema(&json!({
            "type": "object",
            "required": ["rows"],
            "properties": {"rows": {"items": {"type": "integer"}}},
        }))
        .unwrap();
        assert_eq!(schema.violations(&json!({"rows": [1, 2]})), []);
        assert_eq!(
            schema.violations(&json!({"rows": [1, "x"]})),
            [("/rows/1".into(), r#""x" is not of type "integer""#.into())]
        );
        assert_eq!(
            schema.violations(&json!({"huge": "x".repeat(1_000)})),
            [(String::new(), r#""rows" is a required property"#.into())]
        );
        let many = schema.violations(&json!({"rows": vec!["x"; 1_000]}));
        assert_eq!(many.len(), VIOLATIONS_MAX);
    }

    #[test]
    fn refuses_what_reaches_out_or_backtracks() {
        for bad in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"pattern": "(a)\\1"}),
            json!({"type": "text"}),
            json!(7),
        ] {
            let error = schema(&bad).unwrap_err();
            assert!(
                error.starts_with("is not a JSON Schema") || error.starts_with("refers to"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn a_pattern_takes_linear_time() {
        let schema = schema(&json!({"pattern": "^(a+)+$"})).unwrap();
        let value = json!("a".repeat(100_000) + "!");
        assert_eq!(schema.violations(&value).len(), 1);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        for document in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            json!({"not": {"$ref": "#"}}),
            json!({"$dynamicAnchor": "a", "anyOf": [{"$dynamicRef": "#a"}]}),
        ] {
            if let Ok(schema) = schema(&document) {
                schema.violations(&json!({"a": 1}));
            }
        }
    }

    #[test]
    fn entangled_recursion_is_checked_in_bearable_time() {
        let document = json!({
            "type": ["array", "integer"],
            "allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}],
        });
        let schema = schema(&document).unwrap();
        let nested = |leaf: Value| (0..100).fold(leaf, |inner, _| json!([inner]));
        assert_eq!(schema.violations(&nested(json!(1))), []);
        assert_eq!(schema.violations(&nested(json!("x"))).len(), 1);
    }

    #[test]
    fn simple_recursion_says_where() {
        let document = json!({
            "required": ["n"],
            "properties": {"children": {"items": {"$ref": "#"}}},
        });
        let schema = schema(&document).unwrap();
        let violations = schema.violations(&json!({"n": 1, "children": [{"n": 2}, {}]}));
        assert_eq!(violations[0].0, "/children/1");
    }
}
