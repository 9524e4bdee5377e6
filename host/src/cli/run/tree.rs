//! What goes on, live: a line for each node on a terminal, a line for each event elsewhere.

use std::{collections::HashMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::contract::Event;

/// Nodes that are shown on a terminal; more do not fit.
const NODES_SHOWN_MAX: usize = 40;

pub(super) struct Tree {
    bars: MultiProgress,
    nodes: HashMap<String, Node>,
    is_terminal: bool,
}

struct Node {
    bar: ProgressBar,
    items: Option<u64>,
    done: u64,
}

impl Tree {
    pub(super) fn new(document: &Value, is_terminal: bool) -> Self {
        let bars = MultiProgress::new();
        let mut nodes = HashMap::new();
        let documents = document["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let ids: Vec<_> = documents
            .iter()
            .filter_map(|node| node["id"].as_str())
            .collect();
        let width = ids.iter().map(|id| id.len()).max().unwrap_or(0);
        for id in ids.iter().take(NODES_SHOWN_MAX).filter(|_| is_terminal) {
            let bar = bars.add(ProgressBar::new(100));
            bar.set_style(style("{prefix}  {msg}"));
            bar.set_prefix(format!("{id:width$}"));
            bar.set_message("waiting");
            nodes.insert(
                (*id).to_owned(),
                Node {
                    bar,
                    items: None,
                    done: 0,
                },
            );
        }
        Self {
            bars,
            nodes,
            is_terminal,
        }
    }

    pub(super) fn show(&mut self, event: &Event) {
        let payload: Value = serde_json::from_str(&event.payload).unwrap_or_default();
        if !self.is_terminal {
            return print(event, &payload);
        }
        if event.kind == "node_logged" {
            let (level, message) = (text(&payload["level"]), text(&payload["message"]));
            let node = event.node.as_deref().unwrap_or_default();
            let _ = self.bars.println(format!("{node} {level}: {message}"));
        }
        if let Some(node) = event
            .node
            .as_ref()
            .and_then(|node| self.nodes.get_mut(node))
        {
            node.follow(&event.kind, &payload);
        }
    }

    /// Has the terminal to itself for a while.
    pub(super) async fn pause<T, F: Future<Output = T>>(&self, work: impl FnOnce() -> F) -> T {
        self.nodes
            .values()
            .for_each(|node| node.bar.disable_steady_tick());
        work().await
    }

    pub(super) fn finish(&self) {
        self.nodes.values().for_each(|node| node.bar.abandon());
    }
}

impl Node {
    fn follow(&mut self, kind: &str, payload: &Value) {
        match kind {
            "fan_out_expanded" => {
                let items = payload["items"].as_array().map_or(0, Vec::len) as u64;
                self.items = Some(items);
                self.done = 0;
                self.bar.set_length(items);
                self.bar
                    .set_style(style("{prefix}  {bar:30} {pos}/{len} {msg}"));
            }
            "node_started" => {
                self.bar.enable_steady_tick(Duration::from_millis(100));
                if self.items.is_none() {
                    self.bar.set_style(style("{prefix}  {spinner} {msg}"));
                }
                self.bar.set_message("running");
            }
            "node_progressed" => {
                let percent = payload["fraction"].as_f64().unwrap_or(0.0) * 100.0;
                self.bar
                    .set_message(format!("{percent:.0} % {}", text(&payload["message"])));
            }
            "node_succeeded" => {
                self.done += 1;
                self.bar.set_position(self.done);
                if self.items.is_none_or(|items| self.done >= items) {
                    self.end("completed");
                }
            }
            "node_retry_scheduled" => {
                self.bar
                    .set_message(format!("retrying: {}", text(&payload["error"]["message"])));
            }
            "node_failed" => self.end(&format!("failed: {}", text(&payload["error"]["message"]))),
            "node_skipped" => self.end(&format!("skipped: {}", text(&payload["reason"]))),
            "node_cancelled" => self.end("cancelled"),
            "checkpoint_opened" => self.end("awaiting a decision"),
            "checkpoint_resolved" => self.end(&format!(
                "decided: {}",
                text(&payload["decision"]["action"])
            )),
            "checkpoint_expired" => self.end("nobody decided in time"),
            _ => {}
        }
    }

    fn end(&self, message: &str) {
        self.bar.disable_steady_tick();
        if self.items.is_none() {
            self.bar.set_style(style("{prefix}  {msg}"));
        }
        self.bar.set_message(message.to_owned());
    }
}

fn print(event: &Event, payload: &Value) {
    let node = event.node.as_deref().unwrap_or("execution");
    let item = payload["item"]
        .as_u64()
        .map(|item| format!("[{item}]"))
        .unwrap_or_default();
    let detail = match event.kind.as_str() {
        "node_logged" | "node_progressed" => text(&payload["message"]),
        "node_failed" | "node_retry_scheduled" | "execution_failed" => {
            text(&payload["error"]["message"])
        }
        "node_skipped" | "execution_cancelled" => text(&payload["reason"]),
        _ => String::new(),
    };
    eprintln!("{} {node}{item} {} {detail}", event.at, event.kind);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn style(template: &str) -> ProgressStyle {
    // The templates are all written here; a wrong one shows as a plain bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
