//! What an append promises about itself, checked before it meets a database.

use serde_json::Value;

use super::{Append, StoreError};
use crate::workflow::{Decision, Event};

/// Deepest nesting of a JSON document in an append. A parser reads 127 levels back, and
/// a payload wraps a document in up to three of its own.
pub const JSON_DEPTH_MAX: usize = 120;

/// Bytes that a row takes beside its payload: ids, numbers, index entries.
const ROW_BYTES: usize = 128;

impl Append {
    /// Does it contradict itself, or could it not be read back? What
    /// [`super::Store::commit`] relies on; `writer` asks for each append.
    ///
    /// Gives about how many bytes it adds to a transaction, exact enough for a bound.
    pub fn check(&self) -> Result<usize, StoreError> {
        self.numbers()
            .and_then(|()| self.states())
            .and_then(|()| self.bytes())
            .map_err(|what| StoreError::Invalid(format!("append to {}: {what}", self.execution)))
    }

    fn numbers(&self) -> Result<(), String> {
        for (expected, event) in (self.expected + 1..).zip(&self.events) {
            if event.seq != expected {
                return Err(format!("event {} where {expected} is due", event.seq));
            }
        }
        let summary = &self.summary;
        match self.events.last() {
            None => Err("it has no events".into()),
            Some(_) if summary.id != self.execution => {
                Err(format!("its summary is of {}", summary.id))
            }
            Some(last) if last.seq != summary.version => Err(format!(
                "its summary is of version {}, not {}",
                summary.version, last.seq
            )),
            Some(_) => Ok(()),
        }
    }

    /// The same as the CHECK constraints of `executions`.
    fn states(&self) -> Result<(), String> {
        let summary = &self.summary;
        let is_over = summary.status.is_over();
        if is_over != summary.ended_at.is_some() {
            return Err("it has an end exactly when its status is one of the last".into());
        }
        if summary.error.is_some() && !is_over {
            return Err("it has an error before its end".into());
        }
        if self.wake_at.is_some() && (is_over || !self.waiting) {
            return Err("it wakes up, but does not wait".into());
        }
        match &self.key {
            Some(_) if self.expected > 0 => Err("it has a key, but is no start".into()),
            Some(start) if start.key.contains('\0') => Err("its key has a NUL in it".into()),
            _ => Ok(()),
        }
    }

    fn bytes(&self) -> Result<usize, String> {
        let mut bytes = ROW_BYTES;
        for recorded in &self.events {
            let payload = event_bytes(&recorded.event);
            bytes +=
                ROW_BYTES + payload.map_err(|what| format!("event {}: {what}", recorded.seq))?;
        }
        for checkpoint in &self.checkpoints {
            let proposed = json_bytes(&checkpoint.proposed, JSON_DEPTH_MAX);
            bytes += ROW_BYTES + proposed.map_err(|what| format!("checkpoint: {what}"))?;
        }
        let blobs: usize = self.blobs.iter().map(|(_, data)| data.len()).sum();
        Ok(bytes + blobs)
    }
}

fn event_bytes(event: &Event) -> Result<usize, String> {
    let json = |value| json_bytes(value, JSON_DEPTH_MAX);
    match event {
        Event::ExecutionCreated { input, context, .. } => Ok(json(input)? + json(context)?),
        Event::FanOutExpanded { items, .. } => items.iter().map(|item| json(item)).sum(),
        Event::NodeTaken { output, items, .. } => {
            let items = items.iter().flatten();
            Ok(json(output)? + items.map(|item| json(item)).sum::<Result<usize, _>>()?)
        }
        Event::ExecutionCompleted { output } | Event::NodeSucceeded { output, .. } => json(output),
        Event::CheckpointResolved {
            decision: Decision::Edit { content },
            ..
        } => json(content),
        Event::NodeProgressed { fraction, .. } if !fraction.is_finite() => {
            Err(format!("{fraction} is no fraction"))
        }
        Event::NodeLogged { message, .. } | Event::NodeProgressed { message, .. } => {
            Ok(message.len())
        }
        // What people and phases write in these is short.
        _ => Ok(0),
    }
}

fn json_bytes(value: &Value, depth_left: usize) -> Result<usize, String> {
    let below = || {
        depth_left
            .checked_sub(1)
            .ok_or_else(|| format!("JSON nested deeper than {JSON_DEPTH_MAX} levels"))
    };
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(8),
        Value::String(text) => Ok(text.len() + 3),
        Value::Array(items) => {
            let below = below()?;
            items.iter().map(|item| json_bytes(item, below)).sum()
        }
        Value::Object(fields) => {
            let below = below()?;
            fields
                .iter()
                .map(|(name, value)| Ok(name.len() + 4 + json_bytes(value, below)?))
                .sum()
        }
    }
}
