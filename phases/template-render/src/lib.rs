//! The phase `template-render`: template and variables → text, kept as an artifact if asked to.

mod filters;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use phasewright_sdk::{Context, Descriptor, Failure, Phase, export_phase};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Instructions of one rendering: a table of tens of thousands of rows, in well under a second. The
/// engine's limits on time and memory hold as well; this one names the template.
const FUEL_MAX: u64 = 2_000_000;

/// Macros within macros and loops within loops. Far more than a report needs; endless recursion was
/// seen to end here with an error rather than a trap. Deeper limits were not tried.
const RECURSION_MAX: usize = 100;

/// The phase.
pub struct TemplateRender;

export_phase!(TemplateRender);

/// What to render, and what to do with the text.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    template: String,
    #[serde(default = "default_name")]
    name: String,
    artifact: Option<Artifact>,
    #[serde(default)]
    autoescape: Escape,
}

/// The file to keep the text as.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    name: String,
    #[serde(default = "default_content_type")]
    content_type: String,
}

/// How values are escaped where the template prints them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// Not at all.
    #[default]
    None,
    /// For HTML and XML.
    Html,
    /// As JSON.
    Json,
}

/// The rendered text.
#[derive(Debug, Serialize)]
pub struct Output {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<String>,
}

impl Phase for TemplateRender {
    type Config = Config;
    type Input = Map<String, Value>;
    type Output = Output;

    fn descriptor() -> Descriptor {
        phasewright_sdk::descriptor!()
    }

    fn run(context: &Context, config: Config, mut input: Self::Input) -> Result<Output, Failure> {
        let notes = || context.review_notes.clone().into();
        input.entry("review_notes").or_insert_with(notes);
        let text = render(&config, &input).map_err(Failure::Invalid)?;
        let Some(artifact) = config.artifact else {
            return Ok(Output {
                text,
                artifact: None,
            });
        };
        context.put_artifact(&artifact.name, artifact.content_type, text.as_bytes())?;
        Ok(Output {
            text,
            artifact: Some(artifact.name),
        })
    }
}

/// Renders the template with the variables.
///
/// # Errors
/// Names the line of the template, and the variable, filter or limit that is wrong there.
pub fn render(config: &Config, variables: &Map<String, Value>) -> Result<String, String> {
    let mut environment = environment(config.autoescape);
    let rendered = environment
        .add_template(&config.name, &config.template)
        .and_then(|()| {
            environment
                .get_template(&config.name)?
                .render(Serde(variables))
        });
    rendered.map_err(|error| describe(&config.name, &error))
}

fn environment<'t>(escape: Escape) -> Environment<'t> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_debug(true); // its errors know the expression that failed
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::None => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
        Escape::Json => AutoEscape::Json,
    });
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    filters::add_to(&mut environment);
    environment
}

fn describe(name: &str, error: &minijinja::Error) -> String {
    use std::fmt::Write;

    let mut message = name.to_owned();
    if let Some(line) = error.line() {
        let _ = write!(message, " line {line}");
    }
    match error.detail() {
        // "`a.b` is undefined" says it all.
        Some(detail) if error.kind() == ErrorKind::UndefinedError => {
            let _ = write!(message, ": {detail}");
            return message;
        }
        Some(detail) => _ = write!(message, ": {}: {detail}", error.kind()),
        None => _ = write!(message, ": {}", error.kind()),
    }
    let source = error.template_source();
    let expression = error.range().and_then(|range| source?.get(range));
    if let Some(expression) = expression.filter(|text| !text.contains('\n')) {
        let _ = write!(message, ": `{}`", expression.trim());
    }
    message
}

fn default_name() -> String {
    "template".into()
}

fn default_content_type() -> String {
    "text/markdown".into()
}

#[cfg(test)]
mod tests;
