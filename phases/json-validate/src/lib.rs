//! The phase `json-validate`: a document against a JSON Schema.

use jsonschema::{PatternOptions, ValidationError, Validator};
use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Errors reported. A document of the wrong kind has one per element.
const ERRORS_MAX: usize = 100;

/// Errors that the failure's message names.
const ERRORS_NAMED_MAX: usize = 5;

/// Characters of one error: it repeats the value that is wrong, which may be large.
const MESSAGE_CHARS_MAX: usize = 300;

/// The phase.
pub struct JsonValidate;

export_phase!(JsonValidate);

/// The schema, and what to do about a document that does not match.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    schema: Value,
    #[serde(default)]
    on_invalid: OnInvalid,
}

/// What to do about a document that does not match.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnInvalid {
    /// Fail the node.
    #[default]
    Fail,
    /// Say so in the output.
    Report,
}

/// The document to validate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    // Text: it is passed on to the byte.
    document: Box<RawValue>,
}

/// The verdict, and the document.
#[derive(Debug, Serialize)]
pub struct Output {
    valid: bool,
    errors: Vec<Violation>,
    document: Box<RawValue>,
}

/// One thing wrong with the document.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer.
    pointer: String,
    message: String,
}

impl Phase for JsonValidate {
    type Config = Config;
    type Input = Input;
    type Output = Output;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, input: Input) -> Result<Output, Failure> {
        let validator = compile(&config.schema).map_err(Failure::Invalid)?;
        let document = serde_json::from_str(input.document.get())
            .map_err(|error| Failure::invalid(format!("input.document: {error}")))?;
        let errors: Vec<_> = validator
            .iter_errors(&document)
            .map(|error| violation(&error))
            .collect();
        if config.on_invalid == OnInvalid::Fail && !errors.is_empty() {
            return Err(Failure::Invalid(summary(&errors)));
        }
        let count = errors.len();
        if count > ERRORS_MAX {
            context.warn(&format!(
                "{count} errors, the first {ERRORS_MAX} are reported"
            ));
        }
        let errors: Vec<_> = errors.into_iter().take(ERRORS_MAX).collect();
        Ok(Output {
            valid: errors.is_empty(),
            errors,
            document: input.document,
        })
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        // Linear in the length of the text: patterns come from outside, and so does the text.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| {
            let Violation { pointer, message } = violation(&error);
            format!("config.schema{pointer}: {message}")
        })
}

fn violation(error: &ValidationError<'_>) -> Violation {
    let message = error.to_string();
    let message = match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    };
    Violation {
        pointer: error.instance_path().to_string(),
        message,
    }
}

fn summary(errors: &[Violation]) -> String {
    let named = errors.iter().take(ERRORS_NAMED_MAX);
    let mut parts: Vec<_> = named
        .map(|Violation { pointer, message }| match pointer.as_str() {
            "" => message.clone(),
            pointer => format!("{pointer}: {message}"),
        })
        .collect();
    if errors.len() > ERRORS_NAMED_MAX {
        parts.push(format!("and {} more", errors.len() - ERRORS_NAMED_MAX));
    }
    format!("document is not valid: {}", parts.join("; "))
}

#[cfg(test)]
mod tests;
