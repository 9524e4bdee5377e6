//! Expressions that only walk to a value: `input.rows[0].carrier`.

use std::sync::Arc;

use serde_json::Value;

use super::Uses;
use crate::workflow::{Json, NodeId, NodeStatus};

/// A root and the steps from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    root: Root,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Input,
    Context,
    Item,
    Nodes,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Field(String),
    Index(usize),
}

/// What names stand for while one node is evaluated.
pub trait Scope {
    /// `input`
    fn input(&self) -> &Json;
    /// `context`
    fn context(&self) -> &Json;
    /// `item`, within a fan-out.
    fn item(&self) -> Option<&Json>;
    /// `nodes.<id>`
    fn node(&self, id: &NodeId) -> Option<NodeScope<'_>>;
}

/// What `nodes.<id>` has: `status`, `output` and `error`.
#[derive(Debug, Clone, Copy)]
pub struct NodeScope<'e> {
    /// Where the node stands.
    pub status: NodeStatus,
    /// Its output, when it is completed.
    pub output: Option<&'e Json>,
    /// Why it failed.
    pub error: Option<&'e str>,
}

impl Path {
    /// Reads a source text; none when it is more than a path.
    pub(super) fn read(source: &str) -> Option<Self> {
        let root_name = name(source);
        let root = match root_name {
            "input" => Root::Input,
            "context" => Root::Context,
            "item" => Root::Item,
            "nodes" => Root::Nodes,
            _ => return None,
        };
        let mut rest = &source[root_name.len()..];
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (next, length) = step(rest)?;
            steps.push(next);
            rest = &rest[length..];
        }
        Some(Self { root, steps })
    }

    pub(super) fn uses(&self) -> Result<Uses, String> {
        let mut uses = Uses::default();
        match self.root {
            Root::Input => uses.input = true,
            Root::Context => uses.context = true,
            Root::Item => uses.item = true,
            Root::Nodes => {
                let id = self.steps.first().ok_or(
                    "\"nodes\" must be followed by the id of a node: nodes.<id> or nodes[\"<id>\"]",
                )?;
                uses.nodes.push(node_id(id)?);
                match self.steps.get(1) {
                    None => {}
                    Some(Step::Field(field))
                        if ["output", "status", "error"].contains(&field.as_str()) => {}
                    Some(_) => return Err("a node has output, status and error".to_owned()),
                }
            }
        }
        Ok(uses)
    }

    /// The value there. A whole document is shared, a part of one is copied.
    ///
    /// Errors name the step that leads nowhere.
    pub(super) fn resolve(&self, scope: &dyn Scope) -> Result<Found, String> {
        match self.root {
            Root::Input => walk(scope.input(), &self.steps),
            Root::Context => walk(scope.context(), &self.steps),
            Root::Item => match scope.item() {
                Some(item) => walk(item, &self.steps),
                None => Err("there is no item: the node has no for_each".to_owned()),
            },
            Root::Nodes => self.resolve_node(scope),
        }
    }

    fn resolve_node(&self, scope: &dyn Scope) -> Result<Found, String> {
        let (id, steps) = self.steps.split_first().ok_or("no node is named")?;
        let id = node_id(id)?;
        let node = scope
            .node(&id)
            .ok_or_else(|| format!("there is no node {id}"))?;
        let Some((field, steps)) = steps.split_first() else {
            return Ok(Found::Whole(Arc::new(node.to_value())));
        };
        match (field, node.output) {
            (Step::Field(field), Some(output)) if field == "output" => walk(output, steps),
            (Step::Field(field), None) if field == "output" && !steps.is_empty() => {
                Err(format!("node {id} has no output: it is {}", node.status))
            }
            (Step::Field(field), _) => {
                let value = match field.as_str() {
                    "status" => Value::from(node.status.as_str()),
                    "error" => Value::from(node.error),
                    _ => Value::Null,
                };
                walk(&Arc::new(value), steps)
            }
            (Step::Index(_), _) => Err("a node has output, status and error".to_owned()),
        }
    }
}

impl NodeScope<'_> {
    /// As expressions see it.
    pub fn to_value(self) -> Value {
        serde_json::json!({
            "status": self.status.as_str(),
            "output": self.output.map_or(&Value::Null, |output| output),
            "error": self.error,
        })
    }
}

/// What a path led to.
pub(super) enum Found {
    /// A whole document.
    Whole(Json),
    /// A part of this document, at these steps. Not copied yet, so that its size can be checked first.
    Part(Json, Vec<Step>),
}

impl Found {
    pub(super) fn value(&self) -> &Value {
        match self {
            Self::Whole(document) => document,
            Self::Part(document, steps) => find(document, steps).unwrap_or(&Value::Null),
        }
    }
}

fn walk(document: &Json, steps: &[Step]) -> Result<Found, String> {
    if steps.is_empty() {
        return Ok(Found::Whole(document.clone()));
    }
    find(document, steps)?;
    Ok(Found::Part(document.clone(), steps.to_vec()))
}

fn find<'v>(mut value: &'v Value, steps: &[Step]) -> Result<&'v Value, String> {
    for step in steps {
        value = match step {
            Step::Field(name) => value
                .get(name)
                .ok_or_else(|| format!("there is no {name:?}")),
            Step::Index(index) => value
                .get(index)
                .ok_or_else(|| format!("there is no [{index}]")),
        }?;
    }
    Ok(value)
}

/// The id of a node that this step names.
pub(super) fn node_id(step: &Step) -> Result<NodeId, String> {
    match step {
        Step::Field(name) => name
            .parse()
            .map_err(|error: crate::workflow::IdError| error.to_string()),
        Step::Index(index) => Err(format!("nodes[{index}]: nodes are named, not numbered")),
    }
}

/// The name that `text` begins with; empty when it begins with none.
pub(super) fn name(text: &str) -> &str {
    let is_part = |(at, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit())
    };
    let end = text
        .char_indices()
        .find(|&part| !is_part(part))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// The step that `text` begins with, and its length: `.name`, `[0]` or `["name"]`
/// (in either quotes, without escapes).
pub(super) fn step(text: &str) -> Option<(Step, usize)> {
    if let Some(rest) = text.strip_prefix('.') {
        let name = name(rest);
        let is_call = rest[name.len()..].trim_start().starts_with('(');
        return (!name.is_empty() && !is_call)
            .then(|| (Step::Field(name.to_owned()), 1 + name.len()));
    }
    let rest = text.strip_prefix('[')?;
    let end = rest.find(']')?;
    let inside = rest[..end].trim();
    let length = end + 2;
    for quote in ['"', '\''] {
        if let Some(name) = inside
            .strip_prefix(quote)
            .and_then(|inside| inside.strip_suffix(quote))
        {
            let is_plain = !name.contains(['"', '\'', '\\']);
            return is_plain.then(|| (Step::Field(name.to_owned()), length));
        }
    }
    let is_number = !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit());
    is_number
        .then(|| inside.parse().ok())
        .flatten()
        .map(|index| (Step::Index(index), length))
}
