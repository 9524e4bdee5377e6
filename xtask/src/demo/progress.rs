//! Where the nodes of an execution stand, told from its events.

use serde_json::Value;

/// An execution as somebody watches it.
pub struct Progress {
    /// The nodes as a tree: each under the last of what it needs.
    pub nodes: Vec<Line>,
    /// Time of the first event, in seconds of the day.
    began: Option<f64>,
}

/// One node.
pub struct Line {
    /// The node's id.
    pub id: String,
    /// The branches of the tree in front of it.
    pub branch: String,
    /// The phase that it runs.
    pub phase: String,
    /// Where it stands.
    pub state: State,
    /// Items over, and items there are, when it runs once per item.
    pub items: Option<(usize, usize)>,
    /// What it said last.
    pub message: String,
    /// Seconds since the first event at which it started, and at which it last changed.
    pub times: Option<(f64, f64)>,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Waiting,
    Running,
    Retrying,
    Review,
    Done,
    Skipped,
    Failed,
    Cancelled,
}

impl Progress {
    /// Nothing has happened yet.
    pub fn of(definition: &Value) -> Self {
        let mut nodes = Vec::new();
        let all: &[Value] = definition["nodes"].as_array().map_or(&[], Vec::as_slice);
        grow(all, None, "", &mut nodes);
        Self { nodes, began: None }
    }

    /// Takes the next event; gives one line of text when it is worth one.
    pub fn apply(&mut self, event: &Value) -> Option<String> {
        let kind = event["kind"].as_str()?;
        let now = seconds_of_day(event["at"].as_str()?)?;
        let began = *self.began.get_or_insert(now);
        // An execution may run past midnight.
        let elapsed = (now - began).rem_euclid(86_400.0);
        let payload = &event["payload"];
        let said = match event["node"].as_str() {
            None => Some(kind.replace('_', " ")),
            Some(id) => {
                let line = self.nodes.iter_mut().find(|line| line.id == id)?;
                let item = payload["item"].as_u64();
                line.apply(kind, payload, elapsed).map(|what| match item {
                    Some(item) => format!("{id}[{item}] {what}"),
                    None => format!("{id} {what}"),
                })
            }
        };
        said.map(|said| format!("{elapsed:8.3} s  {said}"))
    }
}

impl Line {
    fn apply(&mut self, kind: &str, payload: &Value, elapsed: f64) -> Option<String> {
        let (started, _) = *self.times.get_or_insert((elapsed, elapsed));
        self.times = Some((started, elapsed));
        let reason = || text(&payload["error"]["message"]);
        match kind {
            "fan_out_expanded" => {
                let items = payload["items"].as_array().map_or(0, Vec::len);
                self.items = Some((0, items));
                if items == 0 {
                    self.state = State::Done;
                }
                Some(format!("has {items} items"))
            }
            "node_started" => {
                self.state = State::Running;
                Some(match payload["attempt"].as_u64() {
                    None | Some(1) => "started".to_owned(),
                    Some(attempt) => format!("started, attempt {attempt}"),
                })
            }
            "node_progressed" => {
                let percent = payload["fraction"].as_f64().unwrap_or_default() * 100.0;
                self.message = format!("{percent:.0} % {}", text(&payload["message"]));
                None
            }
            "node_logged" => {
                self.message = text(&payload["message"]);
                Some(format!("says: {}", self.message))
            }
            "node_succeeded" => {
                if let Some((done, _)) = &mut self.items {
                    *done += 1;
                }
                if self.items.is_none_or(|(done, all)| done >= all) {
                    self.state = State::Done;
                    self.message.clear();
                }
                Some("succeeded".to_owned())
            }
            "node_retry_scheduled" => {
                self.state = State::Retrying;
                self.message = reason();
                Some(format!("will be tried again: {}", self.message))
            }
            "node_failed" => {
                self.state = State::Failed;
                self.message = reason();
                Some(format!("failed: {}", self.message))
            }
            "node_skipped" => {
                self.state = State::Skipped;
                self.message = text(&payload["reason"]);
                Some(format!("skipped: {}", self.message))
            }
            "node_cancelled" => {
                self.state = State::Cancelled;
                Some("cancelled".to_owned())
            }
            "checkpoint_opened" => {
                self.state = State::Review;
                Some("waits for a decision".to_owned())
            }
            "checkpoint_resolved" => {
                let action = text(&payload["decision"]["action"]);
                if action == "reject" {
                    // It runs again, or fails with an event of its own.
                    self.state = State::Running;
                    self.items = self.items.map(|(_, all)| (0, all));
                } else {
                    self.state = State::Done;
                }
                self.message = format!("reviewed: {action}");
                Some(self.message.clone())
            }
            _ => Some(kind.replace('_', " ")),
        }
    }
}

/// Adds the nodes whose last need is `parent`, each followed by those below it.
fn grow(all: &[Value], parent: Option<&str>, indent: &str, lines: &mut Vec<Line>) {
    let parent_of = |node: &Value| deepest_need(all, node).map(str::to_owned);
    let children: Vec<_> = all
        .iter()
        .filter(|node| parent_of(node).as_deref() == parent)
        .collect();
    for (index, node) in children.iter().enumerate() {
        let is_last = index + 1 == children.len();
        let (branch, below) = match (parent, is_last) {
            (None, _) => ("", ""),
            (Some(_), true) => ("└─ ", "   "),
            (Some(_), false) => ("├─ ", "│  "),
        };
        let id = text(&node["id"]);
        lines.push(Line {
            id: id.clone(),
            branch: format!("{indent}{branch}"),
            phase: text(&node["phase"]),
            state: State::Waiting,
            items: None,
            message: String::new(),
            times: None,
        });
        grow(all, Some(&id), &format!("{indent}{below}"), lines);
    }
}

/// The need that is over last, as far as the shape tells.
fn deepest_need<'a>(all: &'a [Value], node: &'a Value) -> Option<&'a str> {
    let needs = node["needs"].as_array()?.iter().filter_map(Value::as_str);
    needs.max_by_key(|need| depth(all, need))
}

fn depth(all: &[Value], id: &str) -> usize {
    let node = all.iter().find(|node| node["id"] == id);
    let needs = node.and_then(|node| node["needs"].as_array());
    let needs = needs.into_iter().flatten().filter_map(Value::as_str);
    needs.map(|need| depth(all, need) + 1).max().unwrap_or(0)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The time of day in an RFC 3339 time: `2026-01-01T10:00:00.5Z` → 36000.5
fn seconds_of_day(at: &str) -> Option<f64> {
    let time = at.split_once('T')?.1.trim_end_matches('Z');
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?, parts.next()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    let minutes = f64::from(hours.parse::<u32>().ok()? * 60 + minutes.parse::<u32>().ok()?);
    Some(minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Progress, State, seconds_of_day};

    #[test]
    fn nodes_stand_under_what_they_wait_for_longest() {
        let progress = Progress::of(&json!({"nodes": [
            {"id": "a", "phase": "p"},
            {"id": "c", "phase": "p", "needs": ["a", "b"]},
            {"id": "b", "phase": "p", "needs": ["a"]},
            {"id": "d", "phase": "p", "needs": ["a"]},
        ]}));
        let tree: Vec<_> = progress
            .nodes
            .iter()
            .map(|line| format!("{}{}", line.branch, line.id))
            .collect();
        assert_eq!(tree, ["a", "├─ b", "│  └─ c", "└─ d"]);
    }

    #[test]
    fn items_count_until_the_node_is_done() {
        let mut progress = Progress::of(&json!({"nodes": [{"id": "a", "phase": "p"}]}));
        let mut apply = |second: u32, kind: &str, payload| {
            let at = format!("2026-01-01T23:59:5{second}.5Z");
            progress.apply(&json!({"at": at, "kind": kind, "node": "a", "payload": payload}));
            (progress.nodes[0].state, progress.nodes[0].items)
        };
        assert_eq!(
            apply(1, "fan_out_expanded", json!({"items": [1, 2]})).1,
            Some((0, 2))
        );
        assert_eq!(
            apply(2, "node_started", json!({"item": 0, "attempt": 1})).0,
            State::Running
        );
        let one = apply(3, "node_succeeded", json!({"item": 0}));
        assert_eq!(one, (State::Running, Some((1, 2))));
        assert_eq!(
            apply(4, "node_succeeded", json!({"item": 1})).0,
            State::Done
        );
        assert_eq!(progress.nodes[0].times, Some((0.0, 3.0)));
    }

    #[test]
    fn times_of_day_are_read() {
        assert_eq!(seconds_of_day("2026-01-01T10:00:00.5Z"), Some(36_000.5));
        assert_eq!(seconds_of_day("soon"), None);
    }
}
