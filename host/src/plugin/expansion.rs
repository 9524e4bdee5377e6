//! How large a JSON Schema is once its references are followed: a few lines of doubling
//! references can ask for more steps than anybody can wait for.

use std::collections::HashMap;

use serde_json::Value;

/// Most parts of a schema with what its references refer to in their place. Checking a value
/// takes at worst that many steps for each part of the value; large real schemas have a few
/// thousand.
const PARTS_MAX: u64 = 20_000;

/// References to these need no file and no network: the validator has them with it.
const META_SCHEMAS: &str = "https://json-schema.org/draft/";

/// Parts of a schema, with what its references refer to in their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expansion {
    /// Values of any kind in the document.
    pub(super) parts: u64,
    /// References to something that they are part of.
    pub(super) recursions: u64,
}

impl Expansion {
    /// Counts. The error says what is too much, or which reference leads elsewhere.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut counter = Counter {
            root: schema,
            anchors: HashMap::new(),
            counted: HashMap::from([("#", None)]),
        };
        children(schema).try_for_each(|child| counter.find_anchors(child))?;
        counter.note_anchors(schema);
        let expansion = counter.count(schema)?;
        if expansion.parts > PARTS_MAX {
            return Err(format!(
                "has more than {PARTS_MAX} parts once its references are followed"
            ));
        }
        Ok(expansion)
    }

    fn plus(self, other: Self) -> Self {
        Self {
            parts: self.parts.saturating_add(other.parts),
            recursions: self.recursions.saturating_add(other.recursions),
        }
    }
}

struct Counter<'a> {
    root: &'a Value,
    /// By name, what has it as its anchor.
    anchors: HashMap<&'a str, &'a Value>,
    /// By reference, what it refers to; none while that is being counted.
    counted: HashMap<&'a str, Option<Expansion>>,
}

impl<'a> Counter<'a> {
    fn find_anchors(&mut self, value: &'a Value) -> Result<(), String> {
        if let Some(Value::String(id)) = value.get("$id") {
            return Err(format!("has \"$id\" {id:?} below its root"));
        }
        self.note_anchors(value);
        children(value).try_for_each(|child| self.find_anchors(child))
    }

    fn note_anchors(&mut self, value: &'a Value) {
        for key in ["$anchor", "$dynamicAnchor"] {
            if let Some(Value::String(name)) = value.get(key) {
                self.anchors.insert(name, value);
            }
        }
    }

    fn count(&mut self, value: &'a Value) -> Result<Expansion, String> {
        let mut sum = Expansion {
            parts: 1,
            recursions: 0,
        };
        for child in children(value) {
            sum = sum.plus(self.count(child)?);
        }
        for key in ["$ref", "$dynamicRef"] {
            if let Some(Value::String(reference)) = value.get(key) {
                sum = sum.plus(self.count_reference(reference)?);
            }
        }
        Ok(sum)
    }

    fn count_reference(&mut self, reference: &'a str) -> Result<Expansion, String> {
        let recursions = |recursions| Expansion {
            parts: 1,
            recursions,
        };
        if reference.starts_with(META_SCHEMAS) {
            // They refer to themselves many times.
            return Ok(recursions(u64::MAX));
        }
        if let Some(counted) = self.counted.get(reference) {
            return Ok(counted.unwrap_or(recursions(1)));
        }
        let target = self
            .target(reference)
            .ok_or_else(|| format!("refers to {reference:?}, which is not in it"))?;
        self.counted.insert(reference, None);
        let expansion = self.count(target)?;
        self.counted.insert(reference, Some(expansion));
        Ok(expansion)
    }

    fn target(&self, reference: &str) -> Option<&'a Value> {
        let fragment = reference.strip_prefix('#')?;
        let at_pointer = self.root.pointer(fragment);
        at_pointer.or_else(|| self.anchors.get(fragment).copied())
    }
}

/// The parts of an array or object.
fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(members) => Box::new(members.values()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn doubling(levels: usize) -> Value {
        let level = |level: usize| {
            let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
            (level.to_string(), json!({"allOf": [next, next]}))
        };
        let mut defs: Map<_, _> = (0..levels).map(level).collect();
        defs.insert(levels.to_string(), json!({"type": "integer"}));
        json!({"$defs": defs, "$ref": "#/$defs/0"})
    }

    #[test]
    fn doubling_references_are_refused_quickly() {
        assert!(Expansion::of(&doubling(8)).is_ok());
        for levels in [20, 60, 500] {
            let error = Expansion::of(&doubling(levels)).unwrap_err();
            assert!(error.starts_with("has more than 20000 parts"), "{error}");
        }
    }

    #[test]
    fn recursions_are_counted_through_references() {
        let tree = json!({"properties": {"children": {"items": {"$ref": "#"}}}});
        assert_eq!(Expansion::of(&tree).unwrap().recursions, 1);
        let twice = json!({
            "$defs": {"again": {"$anchor": "again", "items": {"$ref": "#"}}},
            "allOf": [{"$ref": "#again"}, {"$ref": "#/$defs/again"}],
        });
        assert!(Expansion::of(&twice).unwrap().recursions >= 2);
    }

    #[test]
    fn references_lead_nowhere_else() {
        for (schema, reason) in [
            (json!({"$ref": "other.json"}), "refers to \"other.json\""),
            (
                json!({"$ref": "#/$defs/gone"}),
                "refers to \"#/$defs/gone\"",
            ),
            (json!({"$defs": {"a": {"$id": "b"}}}), "has \"$id\" \"b\""),
        ] {
            let error = Expansion::of(&schema).unwrap_err();
            assert!(error.starts_with(reason), "{error}");
        }
    }
}
