//! Rendering: a template and the values of its expressions give a value.

use std::sync::Arc;

use serde_json::Value;

use super::{Expression, Form, Scope, Template, TextPiece, path::Found};
use crate::workflow::Json;

/// Largest rendered value, in bytes of text and 16 more for each value in it: a
/// short template can name a large value many times, and must not fill the memory.
pub const RENDERED_BYTES_MAX: usize = 32 << 20;

/// Why a template could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A path leads nowhere.
    #[error("{{{{ {expression} }}}}: {message}")]
    Path {
        /// The expression as written.
        expression: Arc<str>,
        /// Which step leads nowhere.
        message: String,
    },
    /// The result would be too large.
    #[error("rendered value is larger than {RENDERED_BYTES_MAX} bytes")]
    TooLarge,
}

impl Template {
    /// The CEL expressions, in the order in which [`Template::render`] wants their values.
    pub fn cel(&self) -> Vec<&Expression> {
        self.expressions()
            .into_iter()
            .map(|(_, expression)| expression)
            .filter(|expression| expression.form == Form::Cel)
            .collect()
    }

    /// The value, given the values of [`Template::cel`].
    pub fn render(&self, scope: &dyn Scope, cel: Vec<Json>) -> Result<Json, RenderError> {
        let mut renderer = Renderer {
            scope,
            cel: cel.into_iter(),
            budget_bytes: RENDERED_BYTES_MAX,
        };
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Expression(expression) => match renderer.evaluate(expression)? {
                Found::Whole(value) => Ok(value),
                part @ Found::Part(..) => renderer.copy(part.value()).map(Arc::new),
            },
            _ => renderer.render(self).map(Arc::new),
        }
    }
}

struct Renderer<'s> {
    scope: &'s dyn Scope,
    cel: std::vec::IntoIter<Json>,
    budget_bytes: usize,
}

impl Renderer<'_> {
    fn render(&mut self, template: &Template) -> Result<Value, RenderError> {
        match template {
            Template::Constant(value) => self.copy(value),
            Template::Expression(expression) => {
                let found = self.evaluate(expression)?;
                self.copy(found.value())
            }
            Template::Text(pieces) => self.text(pieces).map(Value::String),
            Template::List(items) => items
                .iter()
                .map(|item| self.render(item))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Template::Object(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), self.render(field)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
        }
    }

    fn text(&mut self, pieces: &[TextPiece]) -> Result<String, RenderError> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                TextPiece::Literal(literal) => {
                    self.spend(literal.len())?;
                    text.push_str(literal);
                }
                TextPiece::Expression(expression) => {
                    let found = self.evaluate(expression)?;
                    self.spend_on(found.value())?;
                    match found.value() {
                        Value::String(string) => text.push_str(string),
                        value => text.push_str(&value.to_string()),
                    }
                }
            }
        }
        Ok(text)
    }

    fn evaluate(&mut self, expression: &Expression) -> Result<Found, RenderError> {
        match &expression.form {
            Form::Path(path) => path
                .resolve(self.scope)
                .map_err(|message| RenderError::Path {
                    expression: expression.source.clone(),
                    message,
                }),
            Form::Cel => Ok(Found::Whole(self.cel.next().unwrap_or_default())),
        }
    }

    fn copy(&mut self, value: &Value) -> Result<Value, RenderError> {
        self.spend_on(value)?;
        Ok(value.clone())
    }

    fn spend_on(&mut self, value: &Value) -> Result<(), RenderError> {
        self.spend(16)?;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
            Value::String(text) => self.spend(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.spend_on(item)),
            Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
                self.spend(name.len())?;
                self.spend_on(field)
            }),
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.budget_bytes = self
            .budget_bytes
            .checked_sub(bytes)
            .ok_or(RenderError::TooLarge)?;
        Ok(())
    }
}
