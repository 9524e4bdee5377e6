//! Linking: names become positions, and the graph is checked.

use std::collections::HashMap;

use petgraph::graph::{DiGraph, NodeIndex as Vertex};

use super::{NEEDS_MAX, Node, NodeIndex, draft::Unlinked, fields::Violations};
use crate::workflow::{
    NodeId,
    template::{Expression, Template},
};

type Index = HashMap<NodeId, NodeIndex>;

/// Links what could be read; what could not has been reported already.
pub(super) fn link(
    unlinked: Vec<Option<Unlinked>>,
    output: Option<&Template>,
    violations: &mut Violations,
) -> (Vec<Node>, Index) {
    let count = unlinked.len();
    let violations_before = violations.count();
    // The position in the document is kept beside each node for the pointers.
    let readable: Vec<(usize, Unlinked)> = unlinked
        .into_iter()
        .enumerate()
        .filter_map(|(at, node)| Some((at, node?)))
        .collect();
    let is_whole = readable.len() == count;
    let index = index(&readable, violations);
    let mut nodes = resolve_needs(readable, &index, is_whole, violations);
    if !is_whole || violations.count() > violations_before {
        // Errors about cycles and references would only repeat those found so far.
        return (nodes, index);
    }
    let order = sorted(&nodes, violations);
    if let Some(order) = order {
        let ancestors = Ancestors::new(&nodes, &order);
        check_references(&nodes, output, &index, &ancestors, violations);
    }
    for at in 0..nodes.len() {
        let dependent = NodeIndex(u32::try_from(at).unwrap_or(u32::MAX));
        for need in nodes[at].needs.clone() {
            nodes[need.at()].dependents.push(dependent);
        }
    }
    (nodes, index)
}

fn index(readable: &[(usize, Unlinked)], violations: &mut Violations) -> Index {
    let mut index = Index::new();
    for (position, (at, Unlinked { node, .. })) in readable.iter().enumerate() {
        let position = NodeIndex(u32::try_from(position).unwrap_or(u32::MAX));
        if let Some(first) = index.get(&node.id) {
            let first = readable[first.at()].0;
            violations.add(
                format!("/nodes/{at}/id"),
                format!("{} is the id of /nodes/{first} as well", node.id),
            );
        } else {
            index.insert(node.id.clone(), position);
        }
    }
    index
}

fn resolve_needs(
    readable: Vec<(usize, Unlinked)>,
    index: &Index,
    is_whole: bool,
    violations: &mut Violations,
) -> Vec<Node> {
    let total: usize = readable
        .iter()
        .map(|(_, unlinked)| unlinked.needs.len())
        .sum();
    if total > NEEDS_MAX {
        violations.add(
            "/nodes",
            format!("has {total} needs, more than {NEEDS_MAX}"),
        );
        return Vec::new();
    }
    let mut nodes = Vec::with_capacity(readable.len());
    for (at, Unlinked { mut node, needs }) in readable {
        let mut seen = std::collections::HashSet::new();
        for (position, need) in needs.into_iter().enumerate() {
            let pointer = || format!("/nodes/{at}/needs/{position}");
            match need.map(|id| (index.get(&id).copied(), id)) {
                Err(message) => violations.add(pointer(), message),
                // With unreadable nodes about, the need may well be one of them.
                Ok((None, id)) if is_whole => {
                    violations.add(pointer(), format!("there is no node {id}"))
                }
                Ok((None, _)) => {}
                Ok((Some(need), id)) if !seen.insert(need) => {
                    violations.add(pointer(), format!("{id} is named twice"));
                }
                Ok((Some(need), _)) => node.needs.push(need),
            }
        }
        nodes.push(node);
    }
    nodes
}

/// Topological order, or a violation that names a cycle.
fn sorted(nodes: &[Node], violations: &mut Violations) -> Option<Vec<usize>> {
    let mut graph = DiGraph::<(), (), u32>::with_capacity(nodes.len(), nodes.len());
    let vertices: Vec<Vertex> = nodes.iter().map(|_| graph.add_node(())).collect();
    for (node, vertex) in nodes.iter().zip(&vertices) {
        for need in &node.needs {
            graph.add_edge(vertices[need.at()], *vertex, ());
        }
    }
    match petgraph::algo::toposort(&graph, None) {
        Ok(order) => Some(order.into_iter().map(Vertex::index).collect()),
        Err(cycle) => {
            let on_cycle = cycle.node_id().index();
            let path = cycle_through(nodes, on_cycle);
            violations.add(
                format!("/nodes/{on_cycle}/needs"),
                format!("needs go in a circle: {path}"),
            );
            None
        }
    }
}

/// The way along needs from a node back to itself, as text.
fn cycle_through(nodes: &[Node], start: usize) -> String {
    let mut came_from = vec![None; nodes.len()];
    let mut stack = vec![start];
    while let Some(at) = stack.pop() {
        for need in &nodes[at].needs {
            if need.at() == start {
                let mut path = vec![start, at];
                while let Some(previous) = came_from[path[path.len() - 1]] {
                    path.push(previous);
                }
                path.dedup();
                if path[path.len() - 1] != start {
                    path.push(start);
                }
                path.reverse();
                let names: Vec<_> = path
                    .iter()
                    .take(20)
                    .map(|&at| nodes[at].id.as_str())
                    .collect();
                return names.join(" needs ");
            }
            if came_from[need.at()].is_none() {
                came_from[need.at()] = Some(at);
                stack.push(need.at());
            }
        }
    }
    nodes[start].id.to_string()
}

fn check_references(
    nodes: &[Node],
    output: Option<&Template>,
    index: &Index,
    ancestors: &Ancestors,
    violations: &mut Violations,
) {
    for (at, node) in nodes.iter().enumerate() {
        let mut check = |pointer: String, expression: &Expression, has_item: bool| {
            if expression.uses.item && !has_item {
                violations.add(
                    pointer.clone(),
                    "there is an item only in the input of a node with for_each",
                );
            }
            for id in &expression.uses.nodes {
                match index.get(id) {
                    None => violations.add(pointer.clone(), format!("there is no node {id}")),
                    Some(other) if !ancestors.contains(at, other.at()) => violations.add(
                        pointer.clone(),
                        format!(
                            "{} does not need {id}, so {id} may not have run yet",
                            node.id
                        ),
                    ),
                    Some(_) => {}
                }
            }
        };
        for (below, expression) in node.input.expressions() {
            check(
                format!("/nodes/{at}/input{below}"),
                expression,
                node.for_each.is_some(),
            );
        }
        if let Some(for_each) = &node.for_each {
            for (below, expression) in for_each.expressions() {
                check(format!("/nodes/{at}/for_each{below}"), expression, false);
            }
        }
        if let Some(when) = &node.when {
            check(format!("/nodes/{at}/when"), when, false);
        }
    }
    for (below, expression) in output.map(Template::expressions).unwrap_or_default() {
        let pointer = format!("/output{below}");
        if expression.uses.item {
            violations.add(
                pointer.clone(),
                "there is an item only in the input of a node with for_each",
            );
        }
        for id in expression
            .uses
            .nodes
            .iter()
            .filter(|id| !index.contains_key(id))
        {
            violations.add(pointer.clone(), format!("there is no node {id}"));
        }
    }
}

/// Who is upstream of whom: one bit per pair, 12.5 MB for the largest definition,
/// and not even that while every reference is to a direct need.
struct Ancestors<'n> {
    nodes: &'n [Node],
    order: &'n [usize],
    rows: std::cell::OnceCell<Vec<Vec<u64>>>,
}

impl<'n> Ancestors<'n> {
    fn new(nodes: &'n [Node], order: &'n [usize]) -> Self {
        Self {
            nodes,
            order,
            rows: std::cell::OnceCell::new(),
        }
    }

    fn contains(&self, node: usize, other: usize) -> bool {
        if self.nodes[node].needs.iter().any(|need| need.at() == other) {
            return true;
        }
        let row = &self.rows.get_or_init(|| self.rows())[node];
        row[other / 64] & (1 << (other % 64)) != 0
    }

    fn rows(&self) -> Vec<Vec<u64>> {
        let words = self.nodes.len().div_ceil(64);
        let mut rows = vec![Vec::new(); self.nodes.len()];
        for &at in self.order {
            let mut row = vec![0; words];
            for need in &self.nodes[at].needs {
                row[need.at() / 64] |= 1 << (need.at() % 64);
                for (word, upstream) in row.iter_mut().zip(&rows[need.at()]) {
                    *word |= upstream;
                }
            }
            rows[at] = row;
        }
        rows
    }
}
