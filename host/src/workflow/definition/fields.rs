//! Reading an object strictly: every field once, unknown ones are errors, and
//! everything wrong is collected with its JSON Pointer.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::workflow::template::escape_pointer;

/// Most violations that are reported for one document: more help nobody.
pub const VIOLATIONS_MAX: usize = 100;

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the place.
    pub pointer: String,
    /// What is wrong there, with the limit if there is one.
    pub message: String,
}

/// What is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Violations {
    found: Vec<Violation>,
    dropped: usize,
}

impl Violations {
    pub(super) fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.found.len() < VIOLATIONS_MAX {
            self.found.push(Violation {
                pointer: pointer.into(),
                message: message.into(),
            });
        } else {
            self.dropped += 1;
        }
    }

    pub(super) fn extend(&mut self, violations: Vec<Violation>) {
        for Violation { pointer, message } in violations {
            self.add(pointer, message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.found.len() + self.dropped
    }

    pub(super) fn into_vec(mut self) -> Vec<Violation> {
        if self.dropped > 0 {
            let message = format!("and {} more", self.dropped);
            self.found.push(Violation {
                pointer: String::new(),
                message,
            });
        }
        self.found
    }
}

/// An object that is being read.
pub(super) struct Fields<'d, 'v> {
    pointer: String,
    object: &'d Map<String, Value>,
    known: Vec<&'static str>,
    violations: &'v mut Violations,
}

impl<'d, 'v> Fields<'d, 'v> {
    /// Begins to read; none (and a violation) when the value is no object.
    pub(super) fn of(
        pointer: String,
        value: &'d Value,
        violations: &'v mut Violations,
    ) -> Option<Self> {
        match value {
            Value::Object(object) => Some(Self {
                pointer,
                object,
                known: Vec::new(),
                violations,
            }),
            other => {
                violations.add(
                    pointer,
                    format!("must be an object, not {}", type_name(other)),
                );
                None
            }
        }
    }

    /// Any value.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'d Value> {
        self.known.push(name);
        self.object.get(name)
    }

    /// Text of at most this many characters.
    pub(super) fn text(&mut self, name: &'static str, characters_max: usize) -> Option<&'d str> {
        match self.value(name)? {
            Value::String(text) if text.chars().count() <= characters_max => Some(text),
            Value::String(_) => {
                self.wrong(name, format!("is longer than {characters_max} characters"))
            }
            other => self.wrong(name, format!("must be a string, not {}", type_name(other))),
        }
    }

    /// Something that parses from text.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        match self.value(name)? {
            Value::String(text) => match text.parse() {
                Ok(parsed) => Some(parsed),
                Err(error) => self.wrong(name, error.to_string()),
            },
            other => self.wrong(name, format!("must be a string, not {}", type_name(other))),
        }
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let value = self.value(name)?;
        let found = choices
            .iter()
            .find(|(word, _)| value.as_str() == Some(word));
        if let Some((_, choice)) = found {
            return Some(*choice);
        }
        let words: Vec<_> = choices
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect();
        self.wrong(name, format!("must be {}", words.join(" or ")))
    }

    /// A whole number in a range.
    pub(super) fn whole<T: TryFrom<u64>>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<T> {
        let value = self.value(name)?;
        match value
            .as_u64()
            .filter(|number| range.contains(number))
            .map(T::try_from)
        {
            Some(Ok(number)) => Some(number),
            _ => self.wrong(
                name,
                format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            ),
        }
    }

    /// A number in a range.
    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        match self.value(name)?.as_f64() {
            Some(number) if range.contains(&number) => Some(number),
            _ => self.wrong(
                name,
                format!("must be a number from {} to {}", range.start(), range.end()),
            ),
        }
    }

    /// True or false.
    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Bool(flag) => Some(*flag),
            other => self.wrong(
                name,
                format!("must be true or false, not {}", type_name(other)),
            ),
        }
    }

    /// An array.
    pub(super) fn list(&mut self, name: &'static str) -> Option<&'d [Value]> {
        match self.value(name)? {
            Value::Array(items) => Some(items),
            other => self.wrong(name, format!("must be an array, not {}", type_name(other))),
        }
    }

    /// A violation at a field.
    pub(super) fn wrong<T>(&mut self, name: &str, message: impl Into<String>) -> Option<T> {
        let pointer = self.at(name);
        self.violations.add(pointer, message);
        None
    }

    /// A violation at a field that has to be there.
    pub(super) fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.object.contains_key(name) {
            return self.wrong(name, "is missing");
        }
        value
    }

    /// The pointer of a field.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escape_pointer(name))
    }

    /// For reading what is below.
    pub(super) fn violations(&mut self) -> &mut Violations {
        self.violations
    }

    /// Ends the reading: what was not asked for is unknown.
    pub(super) fn finish(mut self) {
        let unknown: Vec<_> = self
            .object
            .keys()
            .filter(|name| !self.known.contains(&name.as_str()))
            .collect();
        for name in unknown {
            let known = self.known.join(", ");
            // A name is shown in the pointer, so keep an absurd one short.
            let shown: String = name.chars().take(100).collect();
            self.wrong::<()>(
                &shown,
                format!("is not a field here; the fields are {known}"),
            );
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
