//! From a document to a definition, or to everything that is wrong with it.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Definition, ITEMS_MAX, Join, NODES_MAX, Node, OnFailure, Retry,
    checkpoint::checkpoint,
    fields::{Fields, Violation, Violations},
    link,
};
use crate::workflow::{
    DEPTH_MAX, NodeId, PhaseName, WorkflowId, is_deeper_than,
    template::{Expression, Form, Template},
};

/// Longest name or title, in characters: one line.
pub(super) const LINE_CHARACTERS_MAX: usize = 200;
/// Longest description or instructions, in characters: a few pages.
pub(super) const TEXT_CHARACTERS_MAX: usize = 10_000;
/// Longest duration, in seconds: a year of 365 days.
const DURATION_SECONDS_MAX: f64 = 31_536_000.0;
/// Longest retry delay, in milliseconds: a day.
const RETRY_DELAY_MS_MAX: u64 = 86_400_000;
/// Longest time to keep an execution after its end: a hundred years.
const KEEP_DAYS_MAX: u64 = 36_500;
/// Deadline of an execution when nobody says otherwise.
const TIMEOUT_DEFAULT: Duration = Duration::from_hours(2);

/// A document that is read but whose CEL expressions are not checked yet: that
/// takes a sandbox, and this is the pure core.
#[derive(Debug)]
pub struct Draft {
    definition: Option<Definition>,
    /// Positions in the document of the definition's nodes: some may be unreadable.
    positions: Vec<usize>,
    expressions: Vec<(String, String)>,
    violations: Violations,
}

impl Draft {
    /// Reads a document. Never fails: what is wrong comes out of [`Draft::finish`].
    pub fn read(document: &Value) -> Self {
        let mut violations = Violations::default();
        let (definition, positions) = definition(document, &mut violations).unzip();
        let mut draft = Self {
            definition,
            positions: positions.unwrap_or_default(),
            expressions: Vec::new(),
            violations,
        };
        draft.expressions = draft.cel_expressions();
        draft
    }

    /// CEL expressions to check, each with its JSON Pointer.
    pub fn expressions(&self) -> &[(String, String)] {
        &self.expressions
    }

    /// What is read so far, for checks against the catalog.
    pub fn definition(&self) -> Option<&Definition> {
        self.definition.as_ref()
    }

    /// The nodes that could be read, each with its JSON Pointer.
    pub fn nodes(&self) -> impl Iterator<Item = (String, &Node)> {
        let nodes = self
            .definition
            .iter()
            .flat_map(|definition| &definition.nodes);
        let pointers = self.positions.iter().map(|at| format!("/nodes/{at}"));
        pointers.zip(nodes)
    }

    /// The definition, or all that is wrong, `more` included.
    pub fn finish(mut self, more: Vec<Violation>) -> Result<Definition, Vec<Violation>> {
        self.violations.extend(more);
        match self.definition {
            Some(definition) if self.violations.is_empty() => Ok(definition),
            _ => Err(self.violations.into_vec()),
        }
    }

    fn cel_expressions(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut add = |pointer: &str, expressions: Vec<(String, &Expression)>| {
            for (below, expression) in expressions {
                if expression.form == Form::Cel {
                    found.push((format!("{pointer}{below}"), expression.source.to_string()));
                }
            }
        };
        for (pointer, node) in self.nodes() {
            add(&format!("{pointer}/input"), node.input.expressions());
            if let Some(for_each) = &node.for_each {
                add(&format!("{pointer}/for_each"), for_each.expressions());
            }
            if let Some(when) = &node.when {
                add(&format!("{pointer}/when"), vec![(String::new(), when)]);
            }
        }
        let output = self
            .definition
            .as_ref()
            .and_then(|definition| definition.output.as_ref());
        if let Some(output) = output {
            add("/output", output.expressions());
        }
        found
    }
}

/// A node with its needs still by name.
pub(super) struct Unlinked {
    pub(super) node: Node,
    pub(super) needs: Vec<Result<NodeId, String>>,
}

/// With the positions of its nodes; none when nothing can be made of it.
fn definition(document: &Value, violations: &mut Violations) -> Option<(Definition, Vec<usize>)> {
    let mut fields = Fields::of(String::new(), document, violations)?;
    let id = fields.parsed::<WorkflowId>("id");
    let id = fields.require("id", id);
    let name = fields.text("name", LINE_CHARACTERS_MAX).map(str::to_owned);
    let description = fields
        .text("description", TEXT_CHARACTERS_MAX)
        .unwrap_or_default()
        .to_owned();
    let input_schema = document_of(&mut fields, "input_schema");
    let timeout = seconds(&mut fields, "timeout_seconds").unwrap_or(TIMEOUT_DEFAULT);
    let max_parallel = fields.whole("max_parallel", 1..=1000).unwrap_or(16);
    let keep_days = fields.whole("keep_days", 0..=KEEP_DAYS_MAX);
    let on_failure = fields
        .choice(
            "on_failure",
            &[("stop", OnFailure::Stop), ("continue", OnFailure::Continue)],
        )
        .unwrap_or(OnFailure::Stop);
    let documents = fields.list("nodes");
    let documents = fields.require("nodes", documents);
    let has_right_count =
        documents.is_some_and(|documents| (1..=NODES_MAX).contains(&documents.len()));
    if let Some(documents) = documents.filter(|_| !has_right_count) {
        let count = documents.len();
        fields.wrong::<()>(
            "nodes",
            format!("must have 1 to {NODES_MAX} nodes, not {count}"),
        );
    }
    let output = template(&mut fields, "output");
    let documents = documents.filter(|_| has_right_count).unwrap_or_default();
    let unlinked: Vec<_> = documents
        .iter()
        .enumerate()
        .map(|(at, document)| node(format!("/nodes/{at}"), document, fields.violations()))
        .collect();
    fields.finish();
    let linked = has_right_count.then(|| link::link(unlinked, output.as_ref(), violations))?;
    let id = id?;
    let name = name.unwrap_or_else(|| id.to_string());
    let definition = Definition {
        id,
        name,
        description,
        input_schema,
        timeout,
        max_parallel,
        keep_days,
        on_failure,
        nodes: linked.nodes,
        output,
        index: linked.index,
    };
    Some((definition, linked.positions))
}

/// None when its id or its phase cannot be read.
fn node(pointer: String, document: &Value, violations: &mut Violations) -> Option<Unlinked> {
    let mut fields = Fields::of(pointer, document, violations)?;
    let id = fields.parsed::<NodeId>("id");
    let id = fields.require("id", id);
    let phase = fields.parsed::<PhaseName>("phase");
    let phase = fields.require("phase", phase);
    let needs = needs(&mut fields);
    let join = fields
        .choice(
            "join",
            &[
                ("all", Join::All),
                ("any", Join::Any),
                ("settled", Join::Settled),
            ],
        )
        .unwrap_or(Join::All);
    let when = fields.text("when", usize::MAX);
    let when = when.and_then(|text| {
        Expression::read_field(text)
            .map_err(|message| fields.wrong::<()>("when", message))
            .ok()
    });
    let for_each = for_each(&mut fields);
    let config =
        document_of(&mut fields, "config").unwrap_or_else(|| Value::Object(Map::default()));
    let input = template(&mut fields, "input")
        .unwrap_or_else(|| Template::Constant(Arc::new(Value::Object(Map::default()))));
    let retry = fields
        .value("retry")
        .map(|value| (fields.at("retry"), value));
    let retry = retry
        .and_then(|(pointer, value)| self::retry(pointer, value, fields.violations()))
        .unwrap_or_default();
    let timeout = seconds(&mut fields, "timeout_seconds");
    let checkpoint = fields
        .value("checkpoint")
        .map(|value| (fields.at("checkpoint"), value));
    let checkpoint = checkpoint
        .and_then(|(pointer, value)| self::checkpoint(pointer, value, fields.violations()));
    fields.finish();
    let node = Node {
        id: id?,
        phase: phase?,
        config: Arc::new(config),
        input,
        needs: Vec::new(),
        dependents: Vec::new(),
        join,
        when,
        for_each,
        retry,
        timeout,
        checkpoint,
    };
    Some(Unlinked { node, needs })
}

fn needs(fields: &mut Fields) -> Vec<Result<NodeId, String>> {
    let parse = |need: &Value| match need.as_str() {
        Some(id) => id
            .parse()
            .map_err(|error: crate::workflow::IdError| error.to_string()),
        None => Err("must be the id of a node".to_owned()),
    };
    fields
        .list("needs")
        .unwrap_or_default()
        .iter()
        .map(parse)
        .collect()
}

fn for_each(fields: &mut Fields) -> Option<Template> {
    match fields.value("for_each")? {
        Value::String(text) => match Expression::read_field(text) {
            Ok(expression) => Some(Template::Expression(expression)),
            Err(message) => fields.wrong("for_each", message),
        },
        Value::Array(items) if items.len() > ITEMS_MAX => fields.wrong(
            "for_each",
            format!("has {} items, more than {ITEMS_MAX}", items.len()),
        ),
        Value::Array(_) => template(fields, "for_each"),
        _ => fields.wrong("for_each", "must be an expression or an array"),
    }
}

fn template(fields: &mut Fields, name: &'static str) -> Option<Template> {
    let value = fields.value(name)?;
    let mut errors = Vec::new();
    let template = Template::read(value, &mut errors);
    let pointer = fields.at(name);
    for (below, message) in errors {
        fields
            .violations()
            .add(format!("{pointer}{below}"), message);
    }
    Some(template)
}

/// A value that stays as it is.
fn document_of(fields: &mut Fields, name: &'static str) -> Option<Value> {
    let value = fields.value(name)?;
    if is_deeper_than(value, DEPTH_MAX) {
        return fields.wrong(name, format!("is nested deeper than {DEPTH_MAX} levels"));
    }
    Some(value.clone())
}

fn retry(pointer: String, value: &Value, violations: &mut Violations) -> Option<Retry> {
    let mut fields = Fields::of(pointer, value, violations)?;
    let default = Retry::default();
    let delay = |fields: &mut Fields, name| {
        fields
            .whole(name, 0..=RETRY_DELAY_MS_MAX)
            .map(Duration::from_millis)
    };
    let retry = Retry {
        max_attempts: fields
            .whole("max_attempts", 1..=100)
            .unwrap_or(default.max_attempts),
        initial_delay: delay(&mut fields, "initial_delay_ms").unwrap_or(default.initial_delay),
        backoff: fields
            .number("backoff", 1.0..=100.0)
            .unwrap_or(default.backoff),
        max_delay: delay(&mut fields, "max_delay_ms").unwrap_or(default.max_delay),
        jitter: fields.flag("jitter").unwrap_or(default.jitter),
    };
    fields.finish();
    Some(retry)
}

pub(super) fn seconds(fields: &mut Fields, name: &'static str) -> Option<Duration> {
    // A millisecond is what timers resolve.
    fields
        .number(name, 0.001..=DURATION_SECONDS_MAX)
        .map(Duration::from_secs_f64)
}
