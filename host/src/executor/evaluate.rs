//! Evaluating the expressions of a node: paths here, CEL in the sandbox.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::{
    plugin::PhaseRunner,
    workflow::{
        Execution, Expression, Failure, FailureKind, ITEMS_MAX, Json, Node, NodeId, NodeScope,
        NodeStatus, Position, Prepared, Scope, Template, Uses,
    },
};

/// What names stand for, apart from the execution so that it can go on meanwhile.
#[derive(Debug, Clone)]
pub struct Bindings {
    input: Json,
    context: Json,
    item: Option<Json>,
    nodes: Vec<(NodeId, NodeBinding)>,
}

#[derive(Debug, Clone)]
struct NodeBinding {
    status: NodeStatus,
    output: Option<Json>,
    error: Option<String>,
}

impl Bindings {
    /// What these expressions refer to, as it is now.
    pub fn capture<'t>(
        execution: &Execution,
        item: Option<Json>,
        expressions: impl Iterator<Item = &'t Expression>,
    ) -> Self {
        let scope = execution.scope(item.clone());
        let mut nodes: Vec<(NodeId, NodeBinding)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for id in expressions.flat_map(|expression| &expression.uses.nodes) {
            if !seen.insert(id) {
                continue;
            }
            if let Some(node) = scope.node(id) {
                let binding = NodeBinding {
                    status: node.status,
                    output: node.output.cloned(),
                    error: node.error.map(str::to_owned),
                };
                nodes.push((id.clone(), binding));
            }
        }
        nodes.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            input: scope.input().clone(),
            context: scope.context().clone(),
            item,
            nodes,
        }
    }

    /// The named values that CEL expressions with these uses need.
    fn cel_scope<'t>(&self, uses: impl Iterator<Item = &'t Uses>) -> Vec<(String, Json)> {
        let mut all = Uses::default();
        let mut nodes = Map::new();
        for uses in uses {
            all.input |= uses.input;
            all.context |= uses.context;
            all.item |= uses.item;
            for id in &uses.nodes {
                if let Some(node) = self.node(id) {
                    nodes.insert(id.to_string(), node.to_value());
                }
            }
        }
        let mut scope = Vec::new();
        if all.input {
            scope.push(("input".to_owned(), self.input.clone()));
        }
        if all.context {
            scope.push(("context".to_owned(), self.context.clone()));
        }
        if let Some(item) = self.item.as_ref().filter(|_| all.item) {
            scope.push(("item".to_owned(), item.clone()));
        }
        if !nodes.is_empty() {
            scope.push(("nodes".to_owned(), Arc::new(Value::Object(nodes))));
        }
        scope
    }
}

impl Scope for Bindings {
    fn input(&self) -> &Json {
        &self.input
    }

    fn context(&self) -> &Json {
        &self.context
    }

    fn item(&self) -> Option<&Json> {
        self.item.as_ref()
    }

    fn node(&self, id: &NodeId) -> Option<NodeScope<'_>> {
        let at = self
            .nodes
            .binary_search_by(|(other, _)| other.cmp(id))
            .ok()?;
        let node = &self.nodes[at].1;
        Some(NodeScope {
            status: node.status,
            output: node.output.as_ref(),
            error: node.error.as_deref(),
        })
    }
}

/// The value of a template.
pub(super) async fn render(
    template: &Template,
    bindings: &Bindings,
    runner: &dyn PhaseRunner,
) -> Result<Json, Failure> {
    let cel = template.cel();
    let values = if cel.is_empty() {
        Vec::new()
    } else {
        let sources = cel
            .iter()
            .map(|expression| expression.source.to_string())
            .collect();
        let scope = bindings.cel_scope(cel.iter().map(|expression| &expression.uses));
        runner.evaluate(sources, scope).await?
    };
    template
        .render(bindings, values)
        .map_err(|error| Failure::new(FailureKind::Invalid, error.to_string()))
}

/// Evaluates `when` and `for_each` of a node, and its inputs when somebody has to decide on
/// them.
pub(super) async fn prepare(
    node: &Node,
    bindings: &Bindings,
    runner: &dyn PhaseRunner,
) -> Result<Prepared, Failure> {
    if let Some(when) = &node.when {
        let template = Template::Expression(when.clone());
        let value = render(&template, bindings, runner)
            .await
            .map_err(|error| at("when", &error))?;
        match &*value {
            Value::Bool(true) => {}
            Value::Bool(false) => return Ok(Prepared::Skip),
            other => {
                return Err(invalid(format!(
                    "when must give true or false, not {}",
                    excerpt(other)
                )));
            }
        }
    }
    let Some(for_each) = &node.for_each else {
        if node.asks(Position::Before) {
            return input(node, bindings, runner).await.map(Prepared::Propose);
        }
        return Ok(Prepared::Once);
    };
    let value = render(for_each, bindings, runner)
        .await
        .map_err(|error| at("for_each", &error))?;
    let items: Vec<_> = match Arc::unwrap_or_clone(value) {
        Value::Array(items) => items.into_iter().map(Arc::new).collect(),
        other => {
            return Err(invalid(format!(
                "for_each must give an array, not {}",
                excerpt(&other)
            )));
        }
    };
    if !node.asks(Position::Before) || items.len() > ITEMS_MAX {
        return Ok(Prepared::ForEach(items));
    }
    let mut inputs = Vec::new();
    for item in items {
        let bindings = Bindings {
            item: Some(item),
            ..bindings.clone()
        };
        let input = input(node, &bindings, runner).await?;
        inputs.push(Arc::unwrap_or_clone(input));
    }
    Ok(Prepared::Propose(Arc::new(Value::Array(inputs))))
}

/// What a node is to run with.
pub(super) async fn input(
    node: &Node,
    bindings: &Bindings,
    runner: &dyn PhaseRunner,
) -> Result<Json, Failure> {
    let input = render(&node.input, bindings, runner).await;
    input.map_err(|error| at("input", &error))
}

fn at(place: &str, error: &Failure) -> Failure {
    Failure::new(error.cause, format!("{place}: {}", error.message))
}

fn invalid(message: String) -> Failure {
    Failure::new(FailureKind::Invalid, message)
}

/// Enough of a value to recognise it.
fn excerpt(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
