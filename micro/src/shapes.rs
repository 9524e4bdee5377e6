//! Definitions in the shapes that users have.

use serde_json::{Value, json};

/// Nodes one after another, each with the output of the one before.
pub fn chain(nodes: usize) -> Value {
    graph(nodes, |at| at.checked_sub(1).into_iter().collect())
}

/// One phase for each of so many items, and a node that joins what they gave.
pub fn fan_out() -> Value {
    json!({
        "id": "fan_out",
        "nodes": [
            {"id": "each", "phase": "compute", "for_each": "{{ input.items }}", "input": {"n": "{{ item }}"}},
            {"id": "join", "phase": "compute", "needs": ["each"], "input": {"n": "{{ nodes.each.output }}"}},
        ],
        "output": {"n": "{{ nodes.join.output.n }}"},
    })
}

/// A plan, three things to do by it at once, a review of all, a release.
pub fn diamond() -> Value {
    let node = |id: &str, needs: &[&str]| json!({"id": id, "phase": "compute", "needs": needs, "input": {"n": "{{ input.n }}"}});
    json!({
        "id": "diamond",
        "nodes": [
            node("plan", &[]),
            node("code", &["plan"]),
            node("tests", &["plan"]),
            node("docs", &["plan"]),
            node("review", &["code", "tests", "docs"]),
            node("release", &["review"]),
        ],
        "output": {"n": "{{ nodes.release.output.n }}"},
    })
}

/// Nodes that need up to three of those before them, near and far.
pub fn mesh(nodes: usize) -> Value {
    graph(nodes, |at| {
        let mut needs: Vec<_> = (1..=3)
            .filter_map(|part| (at * part / 3).checked_sub(1))
            .collect();
        needs.dedup();
        needs
    })
}

fn graph(nodes: usize, needs: impl Fn(usize) -> Vec<usize>) -> Value {
    let nodes: Vec<_> = (0..nodes)
        .map(|at| {
            let needs = needs(at);
            let input = match needs.last() {
                Some(need) => format!("{{{{ nodes.n{need}.output.n }}}}"),
                None => "{{ input.n }}".to_owned(),
            };
            let needs: Vec<_> = needs.iter().map(|need| format!("n{need}")).collect();
            json!({"id": format!("n{at}"), "phase": "compute", "needs": needs, "input": {"n": input}})
        })
        .collect();
    let last = format!("{{{{ nodes.n{}.output.n }}}}", nodes.len() - 1);
    json!({"id": "graph", "nodes": nodes, "output": {"n": last}})
}
