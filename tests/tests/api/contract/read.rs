//! From the document to operations with compiled schemas.

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Answer, Body, Contract, Example, Header, Operation};

/// Methods that a path can have in a document.
const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

impl Contract {
    /// Panics where the document has a gap: a reference to nothing, a schema that is none.
    pub fn read(document: Value) -> Self {
        let reader = Reader {
            document: &document,
            compiled: RefCell::default(),
        };
        Self {
            operations: reader.operations(),
            anywhere: reader.answers(&document["x-answers-anywhere"]),
            event: reader.schema(&json!({"$ref": "#/components/schemas/Event"})),
            document,
        }
    }
}

struct Reader<'d> {
    document: &'d Value,
    /// By the text of the schema.
    compiled: RefCell<BTreeMap<String, Arc<Validator>>>,
}

impl<'d> Reader<'d> {
    fn operations(&self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (path, item) in members(&self.document["paths"]) {
            for (method, operation) in members(item) {
                assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
                let parameters = elements(&operation["parameters"]);
                let body = operation.get("requestBody");
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    parameters: parameters.map(|it| self.resolved(it).clone()).collect(),
                    body: body.map(|body| self.body(body)),
                    answers: self.answers(&operation["responses"]),
                });
            }
        }
        operations
    }

    fn body(&self, body: &'d Value) -> Body {
        let content = &self.resolved(body)["content"]["application/json"];
        let examples = members(&content["examples"]).map(|(name, example)| Example {
            name: name.clone(),
            value: example["value"].clone(),
            status: status(&example["x-status"].to_string()),
        });
        Body {
            examples: examples.collect(),
            schema: self.schema(&content["schema"]),
        }
    }

    fn answers(&self, answers: &'d Value) -> BTreeMap<u16, Answer> {
        members(answers)
            .map(|(code, answer)| (status(code), self.answer(self.resolved(answer))))
            .collect()
    }

    fn answer(&self, answer: &'d Value) -> Answer {
        let header = |(name, header): (&String, &'d Value)| {
            let header = self.resolved(header);
            Header {
                name: name.to_lowercase(),
                is_required: header["required"] == true,
                schema: self.schema(&header["schema"]),
            }
        };
        let content = |(name, content): (&String, &Value)| {
            let schema = self.schema(&content["schema"]);
            for (example, value) in members(&content["examples"]) {
                super::is_valid(&schema, &value["value"], &format!("example {example}"));
            }
            (name.clone(), schema)
        };
        Answer {
            headers: members(&answer["headers"]).map(header).collect(),
            contents: members(&answer["content"]).map(content).collect(),
        }
    }

    /// The schema, with the components that it may refer to.
    fn schema(&self, schema: &Value) -> Arc<Validator> {
        let mut compiled = self.compiled.borrow_mut();
        let compile = || {
            let whole = json!({"allOf": [schema], "components": self.document["components"]});
            let options = jsonschema::options().should_validate_formats(true);
            let validator = options
                .with_draft(jsonschema::Draft::Draft202012)
                .build(&whole);
            Arc::new(validator.unwrap_or_else(|error| panic!("{schema}: {error}")))
        };
        compiled
            .entry(schema.to_string())
            .or_insert_with(compile)
            .clone()
    }

    /// What a reference is to.
    fn resolved(&self, value: &'d Value) -> &'d Value {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let pointer = reference.strip_prefix('#').unwrap_or_default();
        let target = self.document.pointer(pointer);
        target.unwrap_or_else(|| panic!("{reference} is not in the document"))
    }
}

fn status(code: &str) -> u16 {
    code.parse()
        .unwrap_or_else(|_| panic!("{code} is no status"))
}

/// The members of an object; none of what is not there.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The elements of an array; none of what is not there.
pub fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
