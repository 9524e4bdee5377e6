//! Templates: JSON in which strings may hold `{{ expressions }}`.
//!
//! A string that is one `{{ … }}` takes the value and type of its expression;
//! expressions among other text are rendered as text. An expression that only
//! walks to a value (`nodes.parse.output.rows`) is a [`Path`] and resolved here;
//! any other is CEL and evaluated in a sandbox by whoever renders.

mod path;
mod render;
mod scan;

pub use path::{NodeScope, Path, Scope};
pub use render::{RENDERED_BYTES_MAX, RenderError};

use std::sync::Arc;

use serde_json::Value;

use super::{Json, NodeId};
use scan::Piece;

/// Longest expression, in bytes: room for a screenful, and parsing it stays cheap.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

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
        read(value, String::new(), errors)
    }

    /// All expressions, with their JSON Pointers below the template.
    pub fn expressions(&self) -> Vec<(String, &Expression)> {
        let mut found = Vec::new();
        self.collect(String::new(), &mut found);
        found
    }

    fn collect<'t>(&'t self, pointer: String, found: &mut Vec<(String, &'t Expression)>) {
        match self {
            Self::Constant(_) => {}
            Self::Expression(expression) => found.push((pointer, expression)),
            Self::Text(pieces) => {
                for piece in pieces {
                    if let TextPiece::Expression(expression) = piece {
                        found.push((pointer.clone(), expression));
                    }
                }
            }
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.collect(format!("{pointer}/{index}"), found);
                }
            }
            Self::Object(fields) => {
                for (name, field) in fields {
                    field.collect(format!("{pointer}/{}", escape_pointer(name)), found);
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

/// A reference token of a JSON Pointer (RFC 6901).
pub fn escape_pointer(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn read(value: &Value, pointer: String, errors: &mut Vec<TemplateError>) -> Template {
    match value {
        Value::String(text) => read_text(text, pointer, errors),
        Value::Array(items) => {
            let items: Vec<_> = items
                .iter()
                .enumerate()
                .map(|(index, item)| read(item, format!("{pointer}/{index}"), errors))
                .collect();
            if items
                .iter()
                .all(|item| matches!(item, Template::Constant(_)))
            {
                Template::Constant(Arc::new(value.clone()))
            } else {
                Template::List(items)
            }
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, field)| {
                    let pointer = format!("{pointer}/{}", escape_pointer(name));
                    (name.clone(), read(field, pointer, errors))
                })
                .collect();
            if fields
                .iter()
                .all(|(_, field)| matches!(field, Template::Constant(_)))
            {
                Template::Constant(Arc::new(value.clone()))
            } else {
                Template::Object(fields)
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            Template::Constant(Arc::new(value.clone()))
        }
    }
}

fn read_text(text: &str, pointer: String, errors: &mut Vec<TemplateError>) -> Template {
    let pieces = match scan::pieces(text) {
        Ok(pieces) => pieces,
        Err(message) => {
            errors.push((pointer, message));
            return Template::Constant(Arc::new(Value::Null));
        }
    };
    let mut read_pieces = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => read_pieces.push(TextPiece::Literal(literal.to_owned())),
            Piece::Expression(source) => match Expression::read(source) {
                Ok(expression) => read_pieces.push(TextPiece::Expression(expression)),
                Err(message) => errors.push((pointer.clone(), message)),
            },
        }
    }
    match read_pieces.as_mut_slice() {
        [TextPiece::Expression(_)] => match read_pieces.pop() {
            Some(TextPiece::Expression(expression)) => Template::Expression(expression),
            _ => unreachable!("matched as one expression"),
        },
        pieces
            if pieces
                .iter()
                .any(|piece| matches!(piece, TextPiece::Expression(_))) =>
        {
            Template::Text(read_pieces)
        }
        _ => Template::Constant(Arc::new(Value::String(text.to_owned()))),
    }
}
