//! Linking: names become positions, and the graph is checked.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    iter,
};

use petgraph::graph::{DiGraph, NodeIndex as Vertex};

use super::{NEEDS_MAX, Node, NodeIndex, draft::Unlinked, fields::Violations};
use crate::workflow::{
    NodeId,
    template::{Expression, Template},
};

/// Nodes of a circle that the violation names: more help nobody.
const CYCLE_NODES_SHOWN_MAX: usize = 20;
/// Direct needs that are searched one by one; among more, a table is faster.
const NEEDS_SEARCHED_MAX: usize = 16;

type Index = HashMap<NodeId, NodeIndex>;

/// What could be linked.
pub(super) struct Linked {
    pub(super) nodes: Vec<Node>,
    /// The position of each node in the document.
    pub(super) positions: Vec<usize>,
    pub(super) index: Index,
}

/// Links what could be read; what could not has been reported already.
pub(super) fn link(
    unlinked: Vec<Option<Unlinked>>,
    output: Option<&Template>,
    violations: &mut Violations,
) -> Linked {
    let count = unlinked.len();
    let (positions, readable): (Vec<usize>, Vec<Unlinked>) = unlinked
        .into_iter()
        .enumerate()
        .filter_map(|(at, node)| Some((at, node?)))
        .unzip();
    // With unreadable nodes about, a missing node may well be one of them.
    let is_whole = readable.len() == count;
    let index = index(&readable, &positions, violations);
    let (mut nodes, are_needs_right) =
        resolve_needs(readable, &positions, &index, is_whole, violations);
    if is_whole {
        // While needs are wrong, who is upstream of whom is not known.
        let order = are_needs_right
            .then(|| sorted(&nodes, violations))
            .flatten();
        let ancestors = order.as_deref().map(|order| Ancestors::new(&nodes, order));
        let references = References {
            index: &index,
            ancestors,
            violations,
        };
        references.check(&nodes, output);
    }
    for at in 0..nodes.len() {
        let dependent = node_index(at);
        for need in nodes[at].needs.clone() {
            nodes[need.at()].dependents.push(dependent);
        }
    }
    Linked {
        nodes,
        positions,
        index,
    }
}

fn node_index(position: usize) -> NodeIndex {
    NodeIndex(u32::try_from(position).unwrap_or(u32::MAX))
}

fn index(readable: &[Unlinked], positions: &[usize], violations: &mut Violations) -> Index {
    let mut index = Index::new();
    for (position, Unlinked { node, .. }) in readable.iter().enumerate() {
        match index.entry(node.id.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(node_index(position));
            }
            Entry::Occupied(entry) => {
                let (at, first) = (positions[position], positions[entry.get().at()]);
                violations.add(
                    format!("/nodes/{at}/id"),
                    format!("{} is the id of /nodes/{first} as well", node.id),
                );
            }
        }
    }
    index
}

/// The nodes with their needs as positions, and whether all of these are right.
fn resolve_needs(
    readable: Vec<Unlinked>,
    positions: &[usize],
    index: &Index,
    is_whole: bool,
    violations: &mut Violations,
) -> (Vec<Node>, bool) {
    let total: usize = readable.iter().map(|unlinked| unlinked.needs.len()).sum();
    let is_within = total <= NEEDS_MAX;
    if !is_within {
        violations.add(
            "/nodes",
            format!("has {total} needs, more than {NEEDS_MAX}"),
        );
    }
    let violations_before = violations.count();
    let mut nodes = Vec::with_capacity(readable.len());
    for (Unlinked { mut node, needs }, at) in readable.into_iter().zip(positions) {
        let mut seen = HashSet::new();
        for (position, need) in needs.into_iter().enumerate().filter(|_| is_within) {
            let pointer = || format!("/nodes/{at}/needs/{position}");
            match need.map(|id| (index.get(&id).copied(), id)) {
                Err(message) => violations.add(pointer(), message),
                Ok((None, id)) if is_whole => {
                    violations.add(pointer(), format!("there is no node {id}"));
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
    (nodes, is_within && violations.count() == violations_before)
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
        Err(found) => {
            let cycle = cycle_through(nodes, found.node_id().index());
            let path = cycle_text(nodes, &cycle);
            violations.add(
                format!("/nodes/{}/needs", cycle[0]),
                format!("needs go in a circle: {path}"),
            );
            None
        }
    }
}

/// The way along needs from a node back to itself, from the first in the document on.
fn cycle_through(nodes: &[Node], start: usize) -> Vec<usize> {
    let mut came_from = vec![None; nodes.len()];
    let mut stack = vec![start];
    while let Some(at) = stack.pop() {
        for need in &nodes[at].needs {
            if need.at() == start {
                let back = iter::successors(Some(at), |&at| came_from[at]);
                let mut cycle: Vec<_> = back.collect();
                cycle.reverse();
                let first = (0..cycle.len()).min_by_key(|&place| cycle[place]);
                cycle.rotate_left(first.unwrap_or(0));
                return cycle;
            }
            if came_from[need.at()].is_none() {
                came_from[need.at()] = Some(at);
                stack.push(need.at());
            }
        }
    }
    vec![start]
}

fn cycle_text(nodes: &[Node], cycle: &[usize]) -> String {
    let name = |&at: &usize| nodes[at].id.as_str();
    let mut names: Vec<_> = cycle.iter().map(name).take(CYCLE_NODES_SHOWN_MAX).collect();
    let is_whole = names.len() == cycle.len();
    names.push(if is_whole { names[0] } else { "…" });
    names.join(" needs ")
}

/// Checks what expressions refer to.
struct References<'n, 'v> {
    index: &'n Index,
    /// None while it is not known who is upstream of whom.
    ancestors: Option<Ancestors<'n>>,
    violations: &'v mut Violations,
}

impl References<'_, '_> {
    fn check(mut self, nodes: &[Node], output: Option<&Template>) {
        for (at, node) in nodes.iter().enumerate() {
            let reader = Some((at, &node.id));
            for (below, expression) in node.input.expressions() {
                let pointer = format!("/nodes/{at}/input{below}");
                self.check_item(&pointer, expression, node.for_each.is_some());
                self.check_nodes(&pointer, expression, reader);
            }
            for (below, expression) in node.for_each.iter().flat_map(Template::expressions) {
                let pointer = format!("/nodes/{at}/for_each{below}");
                self.check_item(&pointer, expression, false);
                self.check_nodes(&pointer, expression, reader);
            }
            if let Some(when) = &node.when {
                let pointer = format!("/nodes/{at}/when");
                self.check_item(&pointer, when, false);
                self.check_nodes(&pointer, when, reader);
            }
        }
        for (below, expression) in output.into_iter().flat_map(Template::expressions) {
            let pointer = format!("/output{below}");
            self.check_item(&pointer, expression, false);
            self.check_nodes(&pointer, expression, None);
        }
    }

    fn check_item(&mut self, pointer: &str, expression: &Expression, has_item: bool) {
        if expression.uses.item && !has_item {
            self.violations.add(
                pointer,
                "there is an item only in the input of a node with for_each",
            );
        }
    }

    /// The output of the execution has no reader: it is made when all nodes are over.
    fn check_nodes(
        &mut self,
        pointer: &str,
        expression: &Expression,
        reader: Option<(usize, &NodeId)>,
    ) {
        for id in &expression.uses.nodes {
            let Some(other) = self.index.get(id) else {
                self.violations
                    .add(pointer, format!("there is no node {id}"));
                continue;
            };
            if let (Some((at, reader)), Some(ancestors)) = (reader, &self.ancestors)
                && !ancestors.contains(at, other.at())
            {
                let message = format!("{reader} does not need {id}, so {id} may not have run yet");
                self.violations.add(pointer, message);
            }
        }
    }
}

/// Who is upstream of whom: one bit per pair, 12.5 MB for the largest definition,
/// and not even that while every reference is to one of a few direct needs.
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
        let needs = &self.nodes[node].needs;
        if needs.len() <= NEEDS_SEARCHED_MAX && needs.iter().any(|need| need.at() == other) {
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
