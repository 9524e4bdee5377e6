//! How deep JSON may be nested.

use serde_json::Value;

/// Deepest nesting of a value that enters an execution, in levels of arrays and
/// objects. A journal is read back with `serde_json`, which stops at 128 levels; this
/// leaves room for what events and fan-outs put around a value, and for the stack.
pub const DEPTH_MAX: usize = 100;

/// Is this value nested deeper? Looks no deeper than that itself.
pub fn is_deeper_than(value: &Value, levels: usize) -> bool {
    let below = levels.checked_sub(1);
    let is_deep = |value: &Value| below.is_none_or(|below| is_deeper_than(value, below));
    match value {
        Value::Array(items) => below.is_none() || items.iter().any(is_deep),
        Value::Object(fields) => below.is_none() || fields.values().any(is_deep),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_arrays_and_objects() {
        let nested = |levels| (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]));
        assert!(!is_deeper_than(&nested(0), 0));
        assert!(is_deeper_than(&nested(1), 0));
        assert!(!is_deeper_than(&nested(100), 100));
        assert!(is_deeper_than(
            &serde_json::json!({"a": [1, nested(99)]}),
            100
        ));
    }
}
