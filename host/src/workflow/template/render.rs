//! Rendering: a template and the values of its expressions give a value.

use std::{io, sync::Arc};

use serde_json::Value;

use super::{Expression, Form, Scope, Template, TextPiece, path::Found, place::Place};
use crate::workflow::{DEPTH_MAX, Json, is_deeper_than};

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
    /// The result would be nested too deep to be handed on.
    #[error("rendered value is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl Template {
    /// The CEL expressions, in the order in which [`Template::render`] wants their values.
    pub fn cel(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        self.visit(&Place::ROOT, &mut |_, expression| {
            if expression.form == Form::Cel {
                found.push(expression);
            }
        });
        found
    }

    /// The value, given the values of [`Template::cel`]: as many, in that order.
    /// Whole documents are shared, whatever their size.
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
                part @ Found::Part(..) => renderer.copy(part.value(), 0).map(Arc::new),
            },
            _ => renderer.render(self, 0).map(Arc::new),
        }
    }
}

struct Renderer<'s> {
    scope: &'s dyn Scope,
    cel: std::vec::IntoIter<Json>,
    budget_bytes: usize,
}

impl Renderer<'_> {
    /// `level` is that of the template within the whole.
    fn render(&mut self, template: &Template, level: usize) -> Result<Value, RenderError> {
        match template {
            Template::Constant(value) => self.copy(value, level),
            Template::Expression(expression) => {
                let found = self.evaluate(expression)?;
                self.copy(found.value(), level)
            }
            Template::Text(pieces) => self.text(pieces).map(Value::String),
            Template::List(items) => items
                .iter()
                .map(|item| self.render(item, level + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Template::Object(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), self.render(field, level + 1)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
        }
    }

    fn text(&mut self, pieces: &[TextPiece]) -> Result<String, RenderError> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                TextPiece::Literal(literal) => self.push(&mut text, literal)?,
                TextPiece::Expression(expression) => {
                    let found = self.evaluate(expression)?;
                    match found.value() {
                        Value::String(string) => self.push(&mut text, string)?,
                        value => {
                            let json = self.json(value)?;
                            text.push_str(&json);
                        }
                    }
                }
            }
        }
        Ok(text)
    }

    fn push(&mut self, text: &mut String, more: &str) -> Result<(), RenderError> {
        self.spend(more.len())?;
        text.push_str(more);
        Ok(())
    }

    /// A value as JSON text: escapes make it up to six times as long as the value.
    fn json(&mut self, value: &Value) -> Result<String, RenderError> {
        let mut writer = Bounded {
            renderer: self,
            bytes: Vec::new(),
        };
        serde_json::to_writer(&mut writer, value).map_err(|_| RenderError::TooLarge)?;
        String::from_utf8(writer.bytes).map_err(|_| RenderError::TooLarge)
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

    fn copy(&mut self, value: &Value, level: usize) -> Result<Value, RenderError> {
        if is_deeper_than(value, DEPTH_MAX.saturating_sub(level)) {
            return Err(RenderError::TooDeep);
        }
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

/// Text that grows within the budget of a renderer.
struct Bounded<'r, 's> {
    renderer: &'r mut Renderer<'s>,
    bytes: Vec<u8>,
}

impl io::Write for Bounded<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.renderer.spend(bytes.len()).map_err(io::Error::other)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
