//! Templates: definitions that ship with the engine, with parameters.
//!
//! A template is `{name, parameters, document}`: `parameters` are properties of a JSON Schema, each
//! with a default, and a string in the document that is `${parameter}` takes its value; among
//! other text it is rendered as text.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Service, parameters, problems::internal};
use crate::{
    contract::{self, Error, Violation},
    plugin::Schema,
};

const TEMPLATES: [&str; 3] = [
    include_str!("../../templates/delay_triage.json"),
    include_str!("../../templates/sdlc_linear.json"),
    include_str!("../../templates/sdlc_parallel.json"),
];

/// All of them, in the order of their names.
static ALL: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let read = |text: &&str| serde_json::from_str(text).expect("a test reads all templates");
    TEMPLATES.iter().map(read).collect()
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    name: String,
    /// A JSON Schema for each parameter.
    parameters: Map<String, Value>,
    /// A definition without an id.
    document: Map<String, Value>,
}

impl Service {
    pub(super) fn templates() -> Vec<contract::Template> {
        ALL.iter().map(Template::view).collect()
    }

    /// Stores what a template gives with these parameters as the next version of `id`.
    pub(super) async fn instantiate(
        &self,
        name: &str,
        id: &str,
        given: &str,
        expected: Option<u32>,
    ) -> Result<contract::Definition, Error> {
        let template = ALL.iter().find(|template| template.name == name);
        let template =
            template.ok_or_else(|| Error::NotFound(format!("there is no template {name}")))?;
        let given = parameters::document("/parameters", given)?;
        let document = template.document(id, &given)?;
        self.put_definition(id, &document.to_string(), expected)
            .await
    }
}

impl Template {
    fn view(&self) -> contract::Template {
        let text = |name: &str| self.document.get(name).and_then(Value::as_str);
        contract::Template {
            name: self.name.clone(),
            description: text("description").unwrap_or_default().to_owned(),
            parameters: self.schema().to_string(),
            document: self.filled(&self.name, &Map::new()).to_string(),
        }
    }

    fn schema(&self) -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": self.parameters,
        })
    }

    /// The definition that these parameters give.
    fn document(&self, id: &str, given: &Value) -> Result<Value, Error> {
        let (_, schema) =
            Schema::parse(&self.schema().to_string()).map_err(|why| internal(&why))?;
        let violations: Vec<_> = (schema.violations(given).into_iter())
            .map(|(below, message)| Violation {
                pointer: format!("/parameters{below}"),
                message,
            })
            .collect();
        match given {
            Value::Object(given) if violations.is_empty() => Ok(self.filled(id, given)),
            _ => Err(Error::Invalid(violations)),
        }
    }

    fn filled(&self, id: &str, given: &Map<String, Value>) -> Value {
        let mut document = Map::new();
        document.insert("id".to_owned(), id.into());
        document.extend(self.members(&self.document, given));
        Value::Object(document)
    }

    fn fill(&self, value: &Value, given: &Map<String, Value>) -> Value {
        match value {
            Value::String(text) => self.fill_text(text, given),
            Value::Array(items) => items.iter().map(|item| self.fill(item, given)).collect(),
            Value::Object(members) => Value::Object(self.members(members, given)),
            other => other.clone(),
        }
    }

    fn members(
        &self,
        members: &Map<String, Value>,
        given: &Map<String, Value>,
    ) -> Map<String, Value> {
        let fill = |(name, value): (&String, &Value)| (name.clone(), self.fill(value, given));
        members.iter().map(fill).collect()
    }

    /// A text that is one parameter becomes its value; in others, values stand as text. What a value
    /// brings along is not looked at again.
    fn fill_text(&self, text: &str, given: &Map<String, Value>) -> Value {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let found = after.split_once('}');
            let found = found.and_then(|(name, after)| Some((self.value(name, given)?, after)));
            if let Some((value, "")) = found
                && after.len() + "${".len() == text.len()
            {
                return value.clone();
            }
            filled.push_str(before);
            rest = match found {
                Some((Value::String(value), after)) => {
                    filled.push_str(value);
                    after
                }
                Some((value, after)) => {
                    filled.push_str(&value.to_string());
                    after
                }
                None => {
                    filled.push_str("${");
                    after
                }
            };
        }
        (filled + rest).into()
    }

    /// What a parameter is; none when there is no such.
    fn value<'v>(&'v self, name: &str, given: &'v Map<String, Value>) -> Option<&'v Value> {
        let schema = self.parameters.get(name)?;
        Some(given.get(name).unwrap_or(&schema["default"]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::Draft;

    #[test]
    fn every_template_is_a_definition_with_its_defaults() {
        assert!(ALL.is_sorted_by_key(|template| &template.name));
        for template in &*ALL {
            let document = template.document("mine", &json!({})).unwrap();
            assert!(!document.to_string().contains("${"), "{}", template.name);
            assert_eq!(document["id"], "mine");
            Draft::read(&document).finish(Vec::new()).unwrap();
            assert!(!template.view().description.is_empty());
            for (name, schema) in &template.parameters {
                assert!(schema.get("default").is_some(), "{name}");
                assert!(schema.get("description").is_some(), "{name}");
            }
        }
    }

    fn given(parameters: &Value) -> &Map<String, Value> {
        parameters.as_object().unwrap()
    }

    #[test]
    fn parameters_take_their_places_with_their_types() {
        let template: Template = serde_json::from_value(json!({
            "name": "t",
            "parameters": {"n": {"type": "integer", "default": 1}, "s": {"default": "a"}},
            "document": {"whole": "${n}", "text": ["x > ${n} ${s}"], "other": "${m}"},
        }))
        .unwrap();
        assert_eq!(
            template.document("i", &json!({"n": 7})).unwrap(),
            json!({"id": "i", "whole": 7, "text": ["x > 7 a"], "other": "${m}"})
        );
        // Values are not filled in turn, and what is none of ours stays.
        let odd = template.fill_text("${s}${n}${${m} ${n", given(&json!({"s": "${n}"})));
        assert_eq!(odd, json!("${n}1${${m} ${n"));
        for (given, pointer) in [
            (json!({"n": "7"}), "/parameters/n"),
            (json!({"q": 1}), "/parameters"),
            (json!([]), "/parameters"),
        ] {
            match template.document("i", &given) {
                Err(Error::Invalid(violations)) => assert_eq!(violations[0].pointer, pointer),
                other => panic!("{given}: {other:?}"),
            }
        }
    }
}
