//! What a JSON text must be beyond well-formed: no key twice in an object, not nested too deep.

use std::{collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{DEPTH_MAX, Key, VIOLATIONS_MAX};
use crate::{Problem, bindings::types::Violation};

/// Checks a JSON text without keeping any of it.
///
/// # Errors
///
/// 400 with line and column when it is not JSON (a lone surrogate or a number out of range is not,
/// either); 422 with a pointer to each key that comes twice, or to what is nested too deep.
pub fn check(text: &str) -> Result<(), Problem> {
    let mut place = Place::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    let result = Value(&mut place).deserialize(&mut parser);
    let too_deep = place.too_deep;
    match result.and_then(|()| parser.end()) {
        Err(error) if !too_deep => Err(Problem::malformed(format!("body is not JSON: {error}"))),
        _ if !place.violations.is_empty() => Err(Problem::invalid(place.violations)),
        _ => Ok(()),
    }
}

/// Where in the document the check is, and what it has found.
#[derive(Default)]
struct Place<'de> {
    path: Vec<Step<'de>>,
    violations: Vec<Violation>,
    too_deep: bool,
}

/// One step down into the document.
enum Step<'de> {
    Key(Key<'de>),
    Index(usize),
}

impl<'de> Place<'de> {
    fn pointer(&self) -> String {
        let steps = self.path.iter().map(|step| match step {
            Step::Key(key) => super::fields::token(&key.0),
            Step::Index(index) => format!("/{index}"),
        });
        steps.collect()
    }

    fn violation(&mut self, message: String) {
        if self.violations.len() < VIOLATIONS_MAX {
            let pointer = self.pointer();
            self.violations.push(Violation { pointer, message });
        }
    }

    /// Goes one level down, unless that is too deep.
    fn enter<E: Error>(&mut self, step: Step<'de>) -> Result<(), E> {
        self.path.push(step);
        if self.path.len() > DEPTH_MAX {
            self.too_deep = true;
            self.violation(format!("is nested deeper than {DEPTH_MAX} levels"));
            return Err(E::custom("nested too deep"));
        }
        Ok(())
    }

    fn leave(&mut self) {
        self.path.pop();
    }
}

/// One value of the document, at the place.
struct Value<'a, 'de>(&'a mut Place<'de>);

impl<'de> DeserializeSeed<'de> for Value<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            self.0.enter(Step::Index(index))?;
            let item = items.next_element_seed(Value(self.0))?;
            self.0.leave();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = members.next_key::<Key>()? {
            self.0.enter(Step::Key(key.clone()))?;
            if !keys.insert(key) {
                self.0.violation("is given twice".to_owned());
            }
            members.next_value_seed(Value(self.0))?;
            self.0.leave();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use http::StatusCode;

    #[test]
    fn json_passes() {
        for good in [
            "null",
            " [1, -2.5e3, true] ",
            "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}",
            "\"\\u0000\"",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for bad in [
            "",
            " ",
            "{",
            "{}}",
            "{} {}",
            "{a:1}",
            "{'a':1}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "nul",
            "NaN",
            "Infinity",
            "+1",
            "01",
            ".5",
            "1.",
            "1e999",
            "\"\\ud800\"",
            "\"a\nb\"",
            "\"\\x\"",
            "\u{feff}{}",
            "// c\n{}",
            "\"open",
        ] {
            let problem = check(bad).unwrap_err();
            assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{bad}");
            assert!(
                problem.detail().contains("line"),
                "{bad}: {}",
                problem.detail()
            );
        }
    }

    #[test]
    fn keys_that_come_twice_are_pointed_at() {
        let problem = check("{\"a\":[{\"x/y\":1,\"x/y\":2}],\"b\":1,\"b\":2}").unwrap_err();
        assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let pointers: Vec<_> = problem
            .errors()
            .iter()
            .map(|error| &*error.pointer)
            .collect();
        assert_eq!(pointers, ["/a/0/x~1y", "/b"]);
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check(&nested(100)).is_ok());
        for depth in [101, 1_000_000] {
            let problem = check(&nested(depth)).unwrap_err();
            assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY);
            assert!(problem.errors()[0].message.contains("100 levels"));
            assert_eq!(problem.errors()[0].pointer, "/0".repeat(101));
        }
    }

    #[test]
    fn violations_are_counted_up_to_a_limit() {
        let twice = "\"a\":1,".repeat(1_000);
        let problem = check(&format!("{{{twice}\"b\":1}}")).unwrap_err();
        assert_eq!(problem.errors().len(), 100);
    }
}
