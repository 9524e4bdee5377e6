//! Templates: JSON in which strings may hold `{{ expressions }}`.
//!
//! A string that is one `{{ … }}` takes the value and type of its expression;
//! expressions among other text are rendered as text. An expression that only
//! walks to a value (`nodes.parse.output.rows`) is a [`Path`] and resolved here;
//! any other is CEL and evaluated in a sandbox by whoever renders.

mod path;
mod place;
mod render;
mod scan;
#[cfg(test)]
mod tests;

pub use path::{NodeScope, Path, Scope};
pub use place::escape_pointer;
pub use render::{RENDERED_BYTES_MAX, RenderError};

use std::sync::Arc;

use serde_json::Value;

use super::{DEPTH_MAX, Json, NodeId};
use place::Place;
use scan::Piece;

/// Longest expression, in bytes: room for a screenful, and parsing it stays cheap.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

/// Most errors that are collected in one template: more help nobody.
const ERRORS_MAX: usize = 1000;

/// A JSON value with expressions in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// No expression anywhere below.
    Constant(Json),
    /// A string that is one expression.
    Expression(Expression),
    /// Text with expressions in it.
    Text(Vec<TextPiece>),
    /// An array with an expression somewhere below.
    List(Vec<Template>),
    /// An object with an expression somewhere below.
    Object(Vec<(String, Template)>),
}

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextPiece {
    /// As it is.
    Literal(String),
    /// Rendered: strings as they are, anything else as JSON.
    Expression(Expression),
}

/// One expression, and what it refers to.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// As written, without the braces.
    pub source: Arc<str>,
    /// How it is evaluated.
    pub form: Form,
    /// What it refers to.
    pub uses: Uses,
}

/// How an expression is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// By walking there.
    Path(Path),
    /// By the CEL evaluator.
    Cel,
}

/// The names an expression refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// `input`
    pub input: bool,
    /// `context`
    pub context: bool,
    /// `item`
    pub item: bool,
    /// `nodes.<id>`, each once.
    pub nodes: Vec<NodeId>,
}

/// Something wrong in a template: JSON Pointer below the template, and why.
pub type TemplateError = (String, String);

impl Template {
    /// Reads a template, adding what is wrong with it to `errors`.
    pub fn read(value: &Value, errors: &mut Vec<TemplateError>) -> Self {
        read(value, &Place::ROOT, errors).unwrap_or_else(|| constant(value))
    }

    /// All expressions, with their JSON Pointers below the template (long ones are cut).
    pub fn expressions(&self) -> Vec<(String, &Expression)> {
        let mut found = Vec::new();
        self.visit(&Place::ROOT, &mut |place, expression| {
            found.push((place.pointer(), expression));
        });
        found
    }

    /// Visits all expressions in the order in which they are rendered.
    fn visit<'t>(&'t self, place: &Place, visit: &mut impl FnMut(&Place, &'t Expression)) {
        match self {
            Self::Constant(_) => {}
            Self::Expression(expression) => visit(place, expression),
            Self::Text(pieces) => {
                for piece in pieces {
                    if let TextPiece::Expression(expression) = piece {
                        visit(place, expression);
                    }
                }
            }
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.visit(&place.index(index), visit);
                }
            }
            Self::Object(fields) => {
                for (name, field) in fields {
                    field.visit(&place.name(name), visit);
                }
            }
        }
    }
}

impl Expression {
    /// Reads an expression without its braces.
    pub fn read(source: &str) -> Result<Self, String> {
        let source = source.trim();
        if source.is_empty() {
            return Err("expression is empty".to_owned());
        }
        if source.len() > EXPRESSION_BYTES_MAX {
            return Err(format!(
                "expression is longer than {EXPRESSION_BYTES_MAX} bytes"
            ));
        }
        let (form, uses) = match Path::read(source) {
            Some(path) => {
                let uses = path.uses()?;
                (Form::Path(path), uses)
            }
            None => (Form::Cel, scan::uses(source)?),
        };
        Ok(Self {
            source: source.into(),
            form,
            uses,
        })
    }

    /// Reads a field that is one expression, with or without braces around it.
    pub fn read_field(text: &str) -> Result<Self, String> {
        match scan::pieces(text)?.as_slice() {
            [Piece::Expression(source)] => Self::read(source),
            pieces
                if pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::Expression(_))) =>
            {
                Err("must be one expression, not text around expressions".to_owned())
            }
            _ => Self::read(text),
        }
    }
}

fn constant(value: &Value) -> Template {
    Template::Constant(Arc::new(value.clone()))
}

/// None for a constant, so that a value is copied once and not on every level.
fn read(value: &Value, place: &Place, errors: &mut Vec<TemplateError>) -> Option<Template> {
    if matches!(value, Value::Array(_) | Value::Object(_)) && place.depth() >= DEPTH_MAX {
        let message = format!("is nested deeper than {DEPTH_MAX} levels");
        add(errors, place, message);
        return None;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
        Value::String(text) => read_text(text, place, errors),
        Value::Array(items) => {
            let read_item = |(index, item)| read(item, &place.index(index), errors);
            let read_items: Vec<_> = items.iter().enumerate().map(read_item).collect();
            if read_items.iter().all(Option::is_none) {
                return None;
            }
            let filled = items.iter().zip(read_items);
            let filled = filled.map(|(item, read)| read.unwrap_or_else(|| constant(item)));
            Some(Template::List(filled.collect()))
        }
        Value::Object(fields) => {
            let read_field = |(name, field): (&String, _)| read(field, &place.name(name), errors);
            let read_fields: Vec<_> = fields.iter().map(read_field).collect();
            if read_fields.iter().all(Option::is_none) {
                return None;
            }
            let filled = fields.iter().zip(read_fields).map(|((name, field), read)| {
                (name.clone(), read.unwrap_or_else(|| constant(field)))
            });
            Some(Template::Object(filled.collect()))
        }
    }
}

fn read_text(text: &str, place: &Place, errors: &mut Vec<TemplateError>) -> Option<Template> {
    let pieces = match scan::pieces(text) {
        Ok(pieces) => pieces,
        Err(message) => {
            add(errors, place, message);
            return None;
        }
    };
    let mut read_pieces = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => read_pieces.push(TextPiece::Literal(literal.to_owned())),
            Piece::Expression(source) => match Expression::read(source) {
                Ok(expression) => read_pieces.push(TextPiece::Expression(expression)),
                Err(message) => add(errors, place, message),
            },
        }
    }
    let is_expression = |piece: &TextPiece| matches!(piece, TextPiece::Expression(_));
    match <[TextPiece; 1]>::try_from(read_pieces) {
        Ok([TextPiece::Expression(expression)]) => Some(Template::Expression(expression)),
        Ok([TextPiece::Literal(_)]) => None,
        Err(pieces) => pieces
            .iter()
            .any(is_expression)
            .then_some(Template::Text(pieces)),
    }
}

fn add(errors: &mut Vec<TemplateError>, place: &Place, message: String) {
    if errors.len() < ERRORS_MAX {
        errors.push((place.pointer(), message));
    }
}
