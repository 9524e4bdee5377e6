//! JSON values as cells: their type, their order, and when two are the same.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// The type of a cell, in the words of JSON Schema.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Numbers by size, text by code points, false before true; values of different kinds in the order
/// booleans, numbers, text, the rest (by their JSON). A total order of all but nulls.
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => compare_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => rank(left)
            .cmp(&rank(right))
            .then_with(|| left.to_string().cmp(&right.to_string())),
    }
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => to_f64(left).total_cmp(&to_f64(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Array(_) | Value::Object(_) => 3,
        Value::Null => 4,
    }
}

/// A double for any number; integers beyond 53 bits are rounded.
pub fn to_f64(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// Text that is the same for the same values, for grouping and lookups; `1` and `1.0` are the same.
pub fn key<'a>(cells: impl Iterator<Item = Option<&'a Value>>) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for cell in cells {
        // Whole doubles print without a point, and integers as they are.
        let written = match cell {
            Some(Value::Number(number)) if number.is_f64() => write!(text, "{}", to_f64(number)),
            Some(value) => write!(text, "{value}"),
            None => write!(text, "null"),
        };
        written.expect("writing to a string does not fail");
        text.push(',');
    }
    text
}
