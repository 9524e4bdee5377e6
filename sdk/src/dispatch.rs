//! From the component's export to a [`Phase`] and back: JSON in, JSON out.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exports::phasewright::phase::phase as wit;
use crate::host::Engine;
use crate::{Context, Failure, Host, Phase};

/// The component that exports the phase `P`; [`export_phase!`](crate::export_phase) names it.
pub struct Component<P>(PhantomData<P>);

impl<P: Phase> wit::Guest for Component<P> {
    fn describe() -> wit::Descriptor {
        let descriptor = P::descriptor();
        wit::Descriptor {
            name: descriptor.name.into(),
            version: descriptor.version.into(),
            description: descriptor.description.into(),
            config_schema: descriptor.config_schema.into(),
            input_schema: descriptor.input_schema.into(),
            output_schema: descriptor.output_schema.into(),
        }
    }

    fn run(request: wit::Request) -> Result<wit::Json, wit::Failure> {
        run::<P>(&Engine, request).map_err(|failure| match failure {
            Failure::Invalid(message) => wit::Failure::Invalid(message),
            Failure::Transient(message) => wit::Failure::Transient(message),
            Failure::Permanent(message) => wit::Failure::Permanent(message),
        })
    }
}

/// Runs one attempt: JSON config and input in, JSON output out.
pub(crate) fn run<P: Phase>(host: &dyn Host, request: wit::Request) -> Result<String, Failure> {
    let config = parse::<P::Config>("config", &request.config)?;
    let input = parse::<P::Input>("input", &request.input)?;
    let context = Context {
        execution_id: request.execution_id,
        workflow_id: request.workflow_id,
        node: request.node,
        attempt: request.attempt,
        idempotency_key: request.idempotency_key,
        review_notes: request.review_notes,
        host,
    };
    let output = P::run(&context, config, input)?;
    serde_json::to_string(&output)
        .map_err(|error| Failure::permanent(format!("output cannot be written as JSON: {error}")))
}

/// Parses `text`; an error names the path, e.g. `config.lookup[0].table: missing field …`.
fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." => String::new(),
            path if path.starts_with('[') => path.to_owned(),
            path => format!(".{path}"),
        };
        let message = error.into_inner().to_string();
        Failure::invalid(format!("{what}{path}: {}", without_position(&message)))
    })?;
    deserializer
        .end()
        .map_err(|error| Failure::invalid(format!("{what}: {error}")))?;
    Ok(value)
}

/// Cuts `serde_json`'s " at line 1 column 20": of JSON that the engine wrote, it says nothing to
/// the author of a workflow, the path does.
fn without_position(message: &str) -> &str {
    message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_error_names_the_path() {
        let error = parse::<BTreeMap<String, Vec<u8>>>("config", r#"{"a": [1, "x"]}"#);
        let message = r#"config.a[1]: invalid type: string "x", expected u8"#;
        assert_eq!(error, Err(Failure::invalid(message)));
    }

    #[test]
    fn an_error_at_the_root_has_no_path() {
        let error = parse::<Vec<u8>>("input", "{}");
        let message = "input: invalid type: map, expected a sequence";
        assert_eq!(error, Err(Failure::invalid(message)));
    }

    #[test]
    fn text_after_the_document_is_refused() {
        let error = parse::<Vec<u8>>("input", "[] []").unwrap_err();
        assert!(
            error.to_string().starts_with("input: trailing characters"),
            "{error}"
        );
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        let error = parse::<serde_json::Value>("input", &deep).unwrap_err();
        assert!(
            error.to_string().contains("recursion limit exceeded"),
            "{error}"
        );
    }
}
