//! The fields of a JSON object, each taken once and checked; what is left over is a violation.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::value::RawValue;

use super::{Key, VIOLATIONS_MAX, strict};
use crate::{Problem, bindings::types::Violation};

type Members<'a> = BTreeMap<Key<'a>, &'a RawValue>;

/// The fields of a body that have not been taken, and what was wrong with those that have.
///
/// A field that is null counts as not given.
#[derive(Debug)]
pub struct Fields<'a> {
    left: Members<'a>,
    violations: Vec<Violation>,
}

impl<'a> Fields<'a> {
    /// Parses a body that must be an object; an empty body is an empty object.
    ///
    /// # Errors
    ///
    /// See [`strict::check`]; 422 when it is something other than an object.
    pub fn parse(body: &'a str) -> Result<Self, Problem> {
        let mut fields = Self {
            left: BTreeMap::new(),
            violations: Vec::new(),
        };
        if body.is_empty() {
            return Ok(fields);
        }
        strict::check(body)?;
        match members(body) {
            Some(members) => fields.left = members,
            None => fields.violation("", "must be an object"),
        }
        if fields.violations.is_empty() {
            return Ok(fields);
        }
        Err(Problem::invalid(fields.violations))
    }

    /// Takes any value as its JSON text, even null.
    pub fn raw(&mut self, name: &str) -> Option<&'a str> {
        self.left.remove(name).map(RawValue::get)
    }

    /// Takes a value that must be an object, as its JSON text.
    pub fn object(&mut self, name: &str) -> Option<&'a str> {
        let text = self.given(name)?;
        if text.starts_with('{') {
            return Some(text);
        }
        self.violation(&token(name), "must be an object");
        None
    }

    /// Takes a string.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let text = self.given(name)?;
        let Ok(text) = serde_json::from_str::<String>(text) else {
            self.violation(&token(name), "must be a string");
            return None;
        };
        // Databases and headers cannot carry it, and no text needs it.
        if text.contains('\0') {
            self.violation(&token(name), "must not contain U+0000");
            return None;
        }
        Some(text)
    }

    /// Takes a string of at most `characters_max` characters.
    pub fn short_text(&mut self, name: &str, characters_max: usize) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() <= characters_max {
            return Some(text);
        }
        self.violation(
            &token(name),
            &format!("must be at most {characters_max} characters"),
        );
        None
    }

    /// Takes an array of strings; none is as good as an empty one.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let Some(text) = self.given(name) else {
            return Vec::new();
        };
        serde_json::from_str(text).unwrap_or_else(|_| {
            self.violation(&token(name), "must be an array of strings");
            Vec::new()
        })
    }

    /// Takes a whole number within the range.
    pub fn number(&mut self, name: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let number = serde_json::from_str(self.given(name)?);
        if let Ok(number) = number
            && range.contains(&number)
        {
            return Some(number);
        }
        let (min, max) = range.into_inner();
        self.violation(
            &token(name),
            &format!("must be a whole number from {min} to {max}"),
        );
        None
    }

    /// Notes what is wrong with a value that was made from several fields.
    pub fn checked<T>(&mut self, value: Result<T, Violation>) -> Option<T> {
        value
            .map_err(|violation| self.violations.push(violation))
            .ok()
    }

    /// Ends the taking: no field may be left, nothing may have been wrong.
    ///
    /// # Errors
    ///
    /// 422 with all violations.
    pub fn finish(self) -> Result<(), Problem> {
        self.finish_with(Ok(()))
    }

    /// Ends the taking with the value that it was for.
    ///
    /// # Errors
    ///
    /// 422 with all violations, the one of the value among them.
    pub fn finish_with<T>(mut self, value: Result<T, Violation>) -> Result<T, Problem> {
        let value = self.checked(value);
        let room = VIOLATIONS_MAX.saturating_sub(self.violations.len());
        let left = std::mem::take(&mut self.left);
        for name in left.keys().take(room) {
            self.violation(&token(&name.0), "is not a known field");
        }
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(Problem::invalid(self.violations)),
        }
    }

    fn violation(&mut self, pointer: &str, message: &str) {
        self.violations.push(violation(pointer, message));
    }

    /// Takes a value that is not null.
    fn given(&mut self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|text| *text != "null")
    }
}

/// What is wrong at a JSON Pointer.
pub fn violation(pointer: &str, message: impl Into<String>) -> Violation {
    Violation {
        pointer: pointer.to_owned(),
        message: message.into(),
    }
}

/// The text of one member of a JSON object; none when there is no such member or no object.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Some(members(text)?.remove(name)?.get())
}

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// A key as part of a JSON Pointer, with the slash before it.
pub(super) fn token(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::Problem;
    use http::StatusCode;

    fn errors(problem: &Problem) -> Vec<(&str, &str)> {
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let errors = problem.errors().iter();
        errors
            .map(|error| (&*error.pointer, &*error.message))
            .collect()
    }

    #[test]
    fn takes_fields_by_type() {
        let body = r#"{"text": "a\u00e4", "object": {"b": [1.0]}, "number": 7, "raw": null, "texts": ["a", "b"]}"#;
        let mut fields = Fields::parse(body).unwrap();
        assert_eq!(fields.text("text").as_deref(), Some("aä"));
        assert_eq!(fields.object("object"), Some(r#"{"b": [1.0]}"#));
        assert_eq!(fields.number("number", 1..=7), Some(7));
        assert_eq!(fields.raw("raw"), Some("null"));
        assert_eq!(fields.raw("absent"), None);
        assert_eq!(fields.texts("texts"), ["a", "b"]);
        assert!(fields.texts("absent").is_empty());
        fields.finish().unwrap();
    }

    #[test]
    fn null_is_not_given() {
        let mut fields = Fields::parse(r#"{"a": null, "b": null, "c": null}"#).unwrap();
        assert_eq!(fields.text("a"), None);
        assert_eq!(fields.object("b"), None);
        assert_eq!(fields.number("c", 0..=1), None);
        fields.finish().unwrap();
        Fields::parse("").unwrap().finish().unwrap();
    }

    #[test]
    fn tells_all_violations_at_once() {
        let body = r#"{"text": 1, "object": [], "n": 8, "f": 1.5, "long": "abcd", "nul": "\u0000", "texts": ["a", 1], "a/~b": 1}"#;
        let mut fields = Fields::parse(body).unwrap();
        fields.text("text");
        fields.object("object");
        fields.number("n", 1..=7);
        fields.number("f", 1..=7);
        fields.short_text("long", 3);
        fields.text("nul");
        fields.texts("texts");
        assert_eq!(
            errors(&fields.finish().unwrap_err()),
            [
                ("/text", "must be a string"),
                ("/object", "must be an object"),
                ("/n", "must be a whole number from 1 to 7"),
                ("/f", "must be a whole number from 1 to 7"),
                ("/long", "must be at most 3 characters"),
                ("/nul", "must not contain U+0000"),
                ("/texts", "must be an array of strings"),
                ("/a~1~0b", "is not a known field"),
            ]
        );
    }

    #[test]
    fn only_objects_have_fields() {
        for bad in ["[]", "1", "\"{}\"", "null"] {
            let problem = Fields::parse(bad).unwrap_err();
            assert_eq!(errors(&problem), [("", "must be an object")], "{bad}");
        }
    }

    #[test]
    fn a_flood_of_unknown_fields_is_cut_short() {
        let fields: Vec<_> = (0..1_000).map(|n| format!("\"f{n}\":1")).collect();
        let body = format!("{{{}}}", fields.join(","));
        let problem = Fields::parse(&body).unwrap().finish().unwrap_err();
        assert_eq!(errors(&problem).len(), 100);
    }
}
