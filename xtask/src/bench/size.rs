//! What a node costs in small definitions and in the largest that there may be.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};

use super::load::rounded_ms;
use crate::{client::Client, host::Host, journal, shell::say};

/// Nodes of a definition.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// How many times as much a node may cost in the largest as in one of [`SMALL`].
const RATIO_MAX: f64 = 2.0;
const SMALL: usize = SIZES[1];

/// Nodes that run of each definition in all: one run of a small one says little.
const NODES_RUN: usize = 20_000;

/// Where random graphs come from, always the same.
const SEED: u64 = 7;

/// One kind of definition, in any size.
struct Shape {
    name: &'static str,
    /// What the node at this place needs of those before, and how many nodes there are.
    needs: fn(usize, usize, &mut Rng) -> Vec<usize>,
}

const SHAPES: [Shape; 3] = [
    Shape {
        name: "chain",
        needs: |at, _, _| at.checked_sub(1).into_iter().collect(),
    },
    Shape {
        name: "fan",
        needs: |at, count, _| {
            if at + 1 == count {
                (0..at).collect()
            } else {
                Vec::new()
            }
        },
    },
    Shape {
        name: "random",
        needs: |at, _, rng| {
            let mut needs: Vec<_> = (0..3.min(at)).map(|_| rng.usize(..at)).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        },
    },
];

/// What became of all runs of a definition, in time.
#[derive(Default)]
struct Took {
    check: Duration,
    store: Duration,
    run: Duration,
    read: Duration,
    nodes: u32,
}

impl Took {
    fn per_node(&self) -> Duration {
        (self.check + self.store + self.run + self.read) / self.nodes.max(1)
    }

    fn document(&self) -> Value {
        let each = |time: Duration| rounded_ms(time * 1000 / self.nodes.max(1));
        json!({
            "validate": each(self.check), "store": each(self.store),
            "run": each(self.run), "read": each(self.read),
        })
    }
}

/// Validates, stores, runs and reads back small and large definitions of the same shapes.
pub fn measure(host: &Host) -> Result<Vec<Value>> {
    say(&format!("size: {SIZES:?} nodes"));
    let client = host.client();
    SHAPES.iter().map(|shape| compare(&client, shape)).collect()
}

fn compare(client: &Client, shape: &Shape) -> Result<Value> {
    // Once before it counts: connections, caches, pages of memory.
    repeat(client, shape, SMALL, SMALL)?;
    let [tiny, small, medium, large] = SIZES.map(|size| repeat(client, shape, size, NODES_RUN));
    let all = [tiny?, small?, medium?, large?];
    let each = all.each_ref();
    let each = each.map(|took| took.per_node().as_secs_f64() * 1e6);
    let [_, small, _, large] = each;
    let ratio = large / small;
    let shown = each.map(|us| format!("{us:.1}")).join(", ");
    eprintln!("  {:<7} {shown} µs per node: ratio {ratio:.2}", shape.name);
    Ok(json!({
        "bench": "size", "shape": shape.name, "nodes": SIZES,
        "microseconds_per_node": all.each_ref().map(Took::document),
        "ratio": (ratio * 100.0).round() / 100.0, "goal": RATIO_MAX,
        "reached": ratio <= RATIO_MAX,
    }))
}

/// All of it until so many nodes have run; each definition is another one, so that each is stored.
fn repeat(client: &Client, shape: &Shape, count: usize, nodes: usize) -> Result<Took> {
    let mut took = Took::default();
    let mut rng = Rng::with_seed(SEED);
    for round in 0..nodes.div_ceil(count) {
        let id = format!("bench_size_{}_{count}_{round}", shape.name);
        let document = define(shape, &id, count, &mut rng);
        once(client, &id, &document, count, &mut took)?;
    }
    Ok(took)
}

fn define(shape: &Shape, id: &str, count: usize, rng: &mut Rng) -> Value {
    let nodes = (0..count).map(|at| {
        let needs = (shape.needs)(at, count, rng);
        let input = match needs.first() {
            Some(need) => format!("{{{{ nodes.n{need}.output.n }}}}"),
            None => "{{ input.n }}".to_owned(),
        };
        let needs: Vec<_> = needs.iter().map(|need| format!("n{need}")).collect();
        json!({"id": format!("n{at}"), "phase": "compute", "needs": needs, "input": {"n": input}})
    });
    let last = format!("{{{{ nodes.n{}.output.n }}}}", count - 1);
    json!({"id": id, "nodes": nodes.collect::<Vec<_>>(), "output": {"n": last}})
}

fn once(client: &Client, id: &str, document: &Value, count: usize, took: &mut Took) -> Result<()> {
    let clock = Instant::now();
    client.post("/api/workflows/validate", &[], document)?;
    took.check += clock.elapsed();

    let clock = Instant::now();
    client.put(&format!("/api/workflows/{id}"), document)?;
    took.store += clock.elapsed();

    let clock = Instant::now();
    let path = format!("/api/workflows/{id}/execute");
    let body = json!({"input": {"n": 0}});
    let execution = client.post(&path, &[("prefer", "wait=60")], &body)?;
    took.run += clock.elapsed();
    if execution["status"] != "completed" {
        bail!("{id} is {}: {}", execution["status"], execution["error"]);
    }

    let clock = Instant::now();
    let execution_id = execution["execution_id"].as_str().unwrap_or_default();
    let path = format!("/api/executions/{execution_id}");
    let shown = client.get(&path)?;
    let events = journal::read(execution_id, 0, |path| client.get(path))?.len();
    took.read += clock.elapsed();
    let nodes = shown["nodes"].as_array().map_or(0, Vec::len);
    if nodes != count || events != 2 * count + 2 {
        bail!("{id} has {nodes} nodes and {events} events");
    }
    took.nodes += u32::try_from(count)?;
    Ok(())
}
