//! The journal of an execution: read page by page, and what it proves: it has no gaps, and no
//! output was computed twice.

use std::collections::HashMap;

use anyhow::{Result, bail};
use serde_json::Value;

/// Events in one page.
const PAGE: usize = 1000;

/// All events of an execution after this one. `get` reads a path of the interface.
pub fn read<E>(
    execution: &str,
    mut after: u64,
    mut get: impl FnMut(&str) -> Result<Value, E>,
) -> Result<Vec<Value>, E> {
    let mut events = Vec::new();
    loop {
        let path = format!("/api/executions/{execution}/events?after={after}&limit={PAGE}");
        let mut page = get(&path)?;
        if let Value::Array(items) = page["items"].take() {
            events.extend(items);
        }
        match page["next"].as_u64() {
            Some(next) => after = next,
            None => return Ok(events),
        }
    }
}

/// A node, or one item of it.
type Slot = (String, Option<u64>);

/// Where a slot stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    Running(u64),
    Failed(u64),
    Succeeded,
    /// Sent back by a reviewer: it has to run again.
    SentBack,
}

/// Checks a journal: events count 1, 2, 3, …; no attempt starts, or succeeds, where an output is
/// there already, unless a reviewer sent it back; nothing succeeds that did not start; and nothing
/// follows the end but a resume. Gives how many outputs there are.
pub fn check(events: &[Value]) -> Result<usize> {
    let mut slots: HashMap<Slot, Stand> = HashMap::new();
    let mut outputs = 0;
    let mut is_over = false;
    for (index, event) in events.iter().enumerate() {
        let seq = event["seq"].as_u64();
        if seq != Some(index as u64 + 1) {
            bail!("event {} of the journal has number {seq:?}", index + 1);
        }
        let kind = event["kind"].as_str().unwrap_or_default();
        if is_over != (kind == "execution_resumed") {
            bail!("event {} ({kind}) is not where it can be", index + 1);
        }
        let node = event["node"].as_str().unwrap_or_default();
        let payload = &event["payload"];
        let slot = (node.to_owned(), payload["item"].as_u64());
        let attempt = payload["attempt"].as_u64().unwrap_or_default();
        let stand = slots.get(&slot).copied();
        let wrong = |what: &str| {
            let item = slot
                .1
                .map_or_else(String::new, |item| format!(", item {item}"));
            anyhow::anyhow!("event {}: node {node}{item} {what}", index + 1)
        };
        match kind {
            "node_started" => match stand {
                None | Some(Stand::SentBack) => {
                    slots.insert(slot, Stand::Running(attempt));
                }
                Some(Stand::Failed(before)) if before < attempt => {
                    slots.insert(slot, Stand::Running(attempt));
                }
                Some(Stand::Succeeded) => return Err(wrong("starts though its output is there")),
                Some(_) => return Err(wrong("starts an attempt that has started already")),
            },
            "node_succeeded" => {
                if stand != Some(Stand::Running(attempt)) {
                    return Err(wrong("succeeds in an attempt that is not running"));
                }
                outputs += 1;
                slots.insert(slot, Stand::Succeeded);
            }
            "node_retry_scheduled" | "node_failed" => {
                let attempt = match stand {
                    Some(Stand::Running(attempt)) => attempt,
                    _ => attempt,
                };
                slots.insert(slot, Stand::Failed(attempt));
            }
            "node_cancelled" => {
                for (_, stand) in slots.iter_mut().filter(|((of, _), _)| of == node) {
                    if let Stand::Running(attempt) = *stand {
                        *stand = Stand::Failed(attempt);
                    }
                }
            }
            // What nobody decided on may count as rejected.
            "checkpoint_expired" => send_back(&mut slots, node),
            "checkpoint_resolved" if payload["decision"]["action"] == "reject" => {
                send_back(&mut slots, node);
            }
            kind => is_over = is_end(kind),
        }
    }
    if !is_over {
        bail!("the journal has no end");
    }
    Ok(outputs)
}

fn send_back(slots: &mut HashMap<Slot, Stand>, node: &str) {
    let of_node = slots.iter_mut().filter(|((of, _), _)| of == node);
    of_node.for_each(|(_, stand)| *stand = Stand::SentBack);
}

/// Is this the last event of an execution?
pub fn is_end(kind: &str) -> bool {
    matches!(
        kind,
        "execution_completed" | "execution_failed" | "execution_cancelled" | "execution_timed_out"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;

    fn journal(events: &[(&str, Value)]) -> Vec<Value> {
        let number = |(index, (kind, payload)): (usize, &(&str, Value))| json!({"seq": index + 1, "kind": kind, "node": "a", "payload": payload});
        events.iter().enumerate().map(number).collect()
    }

    fn error(events: &[(&str, Value)]) -> String {
        check(&journal(events)).expect_err("is wrong").to_string()
    }

    fn started(attempt: u64) -> (&'static str, Value) {
        ("node_started", json!({"attempt": attempt}))
    }

    fn succeeded(attempt: u64) -> (&'static str, Value) {
        ("node_succeeded", json!({"attempt": attempt, "output": 1}))
    }

    fn end() -> (&'static str, Value) {
        ("execution_completed", json!({"output": 1}))
    }

    fn resumed() -> (&'static str, Value) {
        ("execution_resumed", json!({}))
    }

    #[test]
    fn a_resume_repeats_what_was_cancelled_and_nothing_else() {
        let cancelled = || {
            let cancel = ("node_cancelled", json!({}));
            [cancel, ("execution_cancelled", json!({})), resumed()]
        };
        let begin = |first: &[(&'static str, Value)], rest: &[(&'static str, Value)]| {
            [first, &cancelled(), rest].concat()
        };
        let again = begin(&[started(1)], &[started(2), succeeded(2), end()]);
        assert_eq!(check(&journal(&again)).unwrap(), 1);
        let twice = begin(&[started(1), succeeded(1)], &[started(2), end()]);
        assert!(error(&twice).contains("its output is there"));
    }

    #[test]
    fn outputs_count_once() {
        let reject = json!({"decision": {"action": "reject"}});
        let events = journal(&[
            started(1),
            ("node_retry_scheduled", json!({"attempt": 1})),
            started(2),
            succeeded(2),
            ("checkpoint_resolved", reject),
            started(3),
            succeeded(3),
            end(),
        ]);
        assert_eq!(check(&events).unwrap(), 2);
    }

    #[test]
    fn what_ran_twice_is_found() {
        let again = error(&[started(1), succeeded(1), started(2), end()]);
        assert_eq!(again, "event 3: node a starts though its output is there");
        let twice = error(&[started(1), succeeded(1), succeeded(1), end()]);
        assert!(twice.contains("not running"), "{twice}");
        assert!(error(&[started(1), started(1), end()]).contains("already"));
    }

    #[test]
    fn gaps_and_loose_ends_are_found() {
        assert!(error(&[started(1), succeeded(1)]).contains("no end"));
        assert!(error(&[end(), started(1)]).contains("not where it can be"));
        assert!(error(&[resumed(), end()]).contains("not where it can be"));
        let mut gap = journal(&[started(1), succeeded(1), end()]);
        gap.remove(1);
        assert!(
            check(&gap)
                .err()
                .unwrap()
                .to_string()
                .contains("number Some(3)")
        );
    }
}
