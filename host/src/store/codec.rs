//! Domain types to rows and back; the only place that knows how a payload is written.
//!
//! A payload is a JSON object with the fields of the event that are not columns. It is
//! frozen per [`CODEC`] by golden tests: what is on somebody's disk stays readable,
//! whatever becomes of the domain types. A change of the format is a new version, and
//! the old arms stay.

mod checkpoint;
mod journal;
mod signal;

use std::{fmt::Display, str::FromStr};

use serde::{Deserialize, Serialize, ser::SerializeMap};
use sqlx::FromRow;
use uuid::Uuid;

pub(super) use checkpoint::{CheckpointColumns, encode_checkpoint};
pub(super) use journal::{JournalRow, whole};
pub(super) use signal::{SignalRow, decode_answer, encode_answer, encode_command};

use super::{Deprecated, Keyed, Startable, StoreError, StoredDefinition, Summary, Wanted};
use crate::workflow::{
    ArtifactRef, CheckpointId, Decision, Digest, Event, ExecutionId, Failure, IdentityName, Json,
    Level, NodeId, Pins, Recorded, Timestamp, Version, WorkflowId,
};

/// Version of the payloads that this program writes.
pub(super) const CODEC: i64 = 1;

/// Writes a JSON object with these fields, named as the variables are.
macro_rules! write_object {
    ($out:expr $(, $field:ident)*) => {{
        let mut serializer = serde_json::Serializer::new($out);
        let object = serde::Serializer::serialize_map(&mut serializer, None)?;
        $(let object = with_entry(object, stringify!($field), $field)?;)*
        object.end()
    }};
}

/// The closed list of events with the payload of each: `of execution`, `of node` or
/// `of item` says which of its fields are columns.
macro_rules! payloads {
    ($($kind:literal $variant:ident of $place:ident { $($field:ident: $type:ty),* $(,)? })*) => {
        fn write_payload(event: &Event, out: &mut Vec<u8>) -> serde_json::Result<()> {
            match event {
                $(Event::$variant { $($field,)* .. } => write_object!(out $(, $field)*),)*
            }
        }

        fn item_of(event: &Event) -> Option<u32> {
            match event {
                $(payloads!(@event $place $variant item) => payloads!(@item $place item),)*
            }
        }

        fn read_event(
            kind: &str,
            node: Option<NodeId>,
            item: Option<u32>,
            payload: &str,
        ) -> Result<Event, String> {
            match kind {
                $($kind => {
                    #[derive(Deserialize)]
                    #[serde(deny_unknown_fields)]
                    struct Payload { $($field: $type),* }
                    let Payload { $($field),* } =
                        serde_json::from_str(payload).map_err(|error| error.to_string())?;
                    payloads!(@read $place $variant node item $($field)*)
                })*
                _ => Err(format!("unknown kind {kind:?}")),
            }
        }
    };

    (@event item $variant:ident $item:ident) => { Event::$variant { item: $item, .. } };
    (@event $place:ident $variant:ident $item:ident) => { Event::$variant { .. } };
    (@item item $item:ident) => { *$item };
    (@item $place:ident $item:ident) => { None };
    (@read execution $variant:ident $node:ident $item:ident $($field:ident)*) => {
        match ($node, $item) {
            (None, None) => Ok(Event::$variant { $($field),* }),
            _ => Err("it is about the execution, but names a node".into()),
        }
    };
    (@read node $variant:ident $node:ident $item:ident $($field:ident)*) => {
        match ($node, $item) {
            (Some(node), None) => Ok(Event::$variant { node, $($field),* }),
            _ => Err("it is about a node, but names none or an item".into()),
        }
    };
    (@read item $variant:ident $node:ident $item:ident $($field:ident)*) => {
        match $node {
            Some(node) => Ok(Event::$variant { node, item: $item, $($field),* }),
            None => Err("it is about a node, but names none".into()),
        }
    };
}

payloads! {
    "execution_created" ExecutionCreated of execution {
        workflow: WorkflowId,
        version: Version,
        input: Json,
        context: Json,
        deadline: Timestamp,
        phases: Pins,
        by: Option<IdentityName>,
    }
    "rerun_begun" RerunBegun of execution { of: ExecutionId }
    "node_taken" NodeTaken of node {
        from: ExecutionId,
        output: Json,
        items: Option<Vec<Json>>,
        artifacts: Vec<Vec<ArtifactRef>>,
    }
    "execution_completed" ExecutionCompleted of execution { output: Json }
    "execution_failed" ExecutionFailed of execution { error: Failure }
    "execution_cancelled" ExecutionCancelled of execution { reason: String, by: Option<String> }
    "execution_timed_out" ExecutionTimedOut of execution {}
    "execution_resumed" ExecutionResumed of execution {
        deadline: Timestamp,
        by: Option<String>,
    }
    "execution_paused" ExecutionPaused of execution { reason: String, by: Option<String> }
    "execution_unpaused" ExecutionUnpaused of execution { by: Option<String> }
    "execution_migrated" ExecutionMigrated of execution {
        from: Version,
        version: Version,
        phases: Pins,
        by: Option<String>,
    }
    "fan_out_expanded" FanOutExpanded of node { items: Vec<Json> }
    "node_started" NodeStarted of item { attempt: u32 }
    "node_progressed" NodeProgressed of item { fraction: f32, message: String }
    "node_logged" NodeLogged of item { level: Level, message: String }
    "node_succeeded" NodeSucceeded of item {
        attempt: u32,
        output: Json,
        artifacts: Vec<ArtifactRef>,
    }
    "node_failed" NodeFailed of item { error: Failure }
    "node_retry_scheduled" NodeRetryScheduled of item {
        attempt: u32,
        error: Failure,
        due: Timestamp,
    }
    "node_skipped" NodeSkipped of node { reason: String }
    "node_cancelled" NodeCancelled of node {}
    "checkpoint_opened" CheckpointOpened of node {
        checkpoint: CheckpointId,
        expires: Option<Timestamp>,
        input: Option<Json>,
    }
    "checkpoint_resolved" CheckpointResolved of node {
        checkpoint: CheckpointId,
        decision: Decision,
        notes: Option<String>,
        by: Option<String>,
    }
    "checkpoint_expired" CheckpointExpired of node { checkpoint: CheckpointId }
}

fn with_entry<M: SerializeMap>(
    mut object: M,
    name: &'static str,
    value: &impl Serialize,
) -> Result<M, M::Error> {
    object.serialize_entry(name, value)?;
    Ok(object)
}

/// The columns of an event beside its payload, its execution, `seq` and `at`.
pub(super) struct EventColumns<'a> {
    /// [`Event::kind`].
    pub kind: &'static str,
    /// The node it is about.
    pub node: Option<&'a NodeId>,
    /// The item of the node.
    pub item: Option<u32>,
}

/// The columns of an event; its payload is appended to `payload`.
pub(super) fn encode_event<'a>(
    event: &'a Event,
    payload: &mut Vec<u8>,
) -> Result<EventColumns<'a>, StoreError> {
    write_payload(event, payload).map_err(unwritable)?;
    Ok(EventColumns {
        kind: event.kind(),
        node: event.node(),
        item: item_of(event),
    })
}

/// A row of the journal, without its execution.
#[derive(Debug, Clone, FromRow)]
pub(super) struct EventRow {
    pub seq: i64,
    pub at: i64,
    pub kind: String,
    pub node: Option<String>,
    pub item: Option<i64>,
    pub codec: i64,
    pub payload: String,
}

impl EventRow {
    /// The event of this row of `execution`.
    pub fn decode(self, execution: ExecutionId) -> Result<Recorded, StoreError> {
        let seq = self.seq;
        self.recorded()
            .map_err(|reason| corrupt(format!("event {seq} of execution {execution}"), reason))
    }

    fn recorded(self) -> Result<Recorded, String> {
        known(self.codec)?;
        let node = self.node.map(parse).transpose()?;
        let item = self.item.map(number).transpose()?;
        Ok(Recorded {
            seq: number(self.seq)?,
            at: Timestamp(self.at),
            event: read_event(&self.kind, node, item, &self.payload)?,
        })
    }
}

/// A row of `executions`, as far as a summary shows it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct SummaryRow {
    pub id: Vec<u8>,
    pub workflow: String,
    pub definition: i64,
    pub version: i64,
    pub status: String,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub error: Option<String>,
}

impl SummaryRow {
    /// The summary in this row.
    pub fn decode(self) -> Result<Summary, StoreError> {
        let id = decode_id(&self.id)?;
        self.summary(ExecutionId(id))
            .map_err(|reason| corrupt(format!("execution {id}"), reason))
    }

    fn summary(self, id: ExecutionId) -> Result<Summary, String> {
        Ok(Summary {
            id,
            workflow: parse(self.workflow)?,
            definition: Version(number(self.definition)?),
            version: number(self.version)?,
            status: parse(self.status)?,
            created_at: Timestamp(self.created_at),
            started_at: self.started_at.map(Timestamp),
            ended_at: self.ended_at.map(Timestamp),
            error: self.error,
        })
    }
}

/// Who was started with a key.
#[derive(Debug, Clone, FromRow)]
pub(super) struct KeyedRow {
    pub id: Vec<u8>,
    pub request: Vec<u8>,
}

impl KeyedRow {
    /// The execution in this row.
    pub fn decode(&self) -> Result<Keyed, StoreError> {
        let execution = ExecutionId(decode_id(&self.id)?);
        let request = <[u8; 32]>::try_from(self.request.as_slice())
            .map_err(|_| corrupt(format!("execution {execution}"), "request is no digest"))?;
        Ok(Keyed {
            execution,
            request: Digest(request),
        })
    }
}

/// Who has the key that a refused start wanted.
#[derive(Debug, Clone, FromRow)]
pub(super) struct KeyTaken {
    /// Of the start among the appends.
    pub position: i64,
    #[sqlx(flatten)]
    pub by: KeyedRow,
}

/// The version that a start would take.
#[derive(Debug, Clone, FromRow)]
pub(super) struct StartableRow {
    /// Of what was asked, counted from 1.
    position: i64,
    version: i64,
    deprecated: Option<String>,
}

impl StartableRow {
    /// What of these was asked for, and the answer.
    pub(super) fn decode(self, wanted: &[Wanted]) -> Result<(Wanted, Startable), StoreError> {
        let place = || format!("startable version {}", self.position);
        let position: usize = number(self.position).map_err(|reason| corrupt(place(), reason))?;
        let asked = position.checked_sub(1).and_then(|at| wanted.get(at));
        let asked = asked.ok_or_else(|| corrupt(place(), "nobody asked"))?;
        let version = number(self.version).map_err(|reason| corrupt(place(), reason))?;
        let startable = Startable {
            version: Version(version),
            deprecated: self.deprecated,
        };
        Ok((asked.clone(), startable))
    }
}

/// A row of `definitions`.
#[derive(Debug, Clone, FromRow)]
pub(super) struct DefinitionRow {
    pub workflow: String,
    pub version: i64,
    pub name: String,
    pub description: String,
    pub document: String,
    pub created_at: i64,
    pub deprecated: Option<String>,
    pub deprecated_at: Option<i64>,
}

impl DefinitionRow {
    /// The definition in this row.
    pub fn decode(self) -> Result<StoredDefinition, StoreError> {
        let place = format!("version {} of workflow {:?}", self.version, self.workflow);
        self.definition().map_err(|reason| corrupt(place, reason))
    }

    fn definition(self) -> Result<StoredDefinition, String> {
        Ok(StoredDefinition {
            workflow: parse(self.workflow)?,
            version: Version(number(self.version)?),
            name: self.name,
            description: self.description,
            document: serde_json::from_str(&self.document).map_err(|error| error.to_string())?,
            created_at: Timestamp(self.created_at),
            deprecated: (self.deprecated.zip(self.deprecated_at)).map(|(reason, at)| Deprecated {
                reason,
                at: Timestamp(at),
            }),
        })
    }
}

/// The document of a definition as it is stored.
pub(super) fn encode_document(document: &Json) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(unwritable)
}

/// Text for a plain text column: without NUL, which neither `PostgreSQL`'s text nor
/// `SQLite`'s JSON functions can hold. (In payloads JSON escapes it.)
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// An id from its 16 bytes.
pub(super) fn decode_id(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| corrupt("an id", format!("{bytes:?}")))
}

/// The executions with these ids.
pub(super) fn decode_executions(ids: &[Vec<u8>]) -> Result<Vec<ExecutionId>, StoreError> {
    ids.iter()
        .map(|id| decode_id(id).map(ExecutionId))
        .collect()
}

pub(super) fn decode_digests(digests: Vec<Vec<u8>>) -> Result<Vec<Digest>, StoreError> {
    let digest = |bytes: Vec<u8>| {
        let bytes = bytes.try_into();
        bytes
            .map(Digest)
            .map_err(|_| corrupt("components", "a digest has not 32 bytes"))
    };
    digests.into_iter().map(digest).collect()
}

/// Something stored cannot be read.
pub(super) fn corrupt(place: impl Display, reason: impl Display) -> StoreError {
    StoreError::Corrupt(format!("{place}: {reason}"))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::Invalid(error.to_string())
}

fn known(codec: i64) -> Result<(), String> {
    match codec {
        CODEC => Ok(()),
        _ => Err(format!("unknown codec version {codec}")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map")]
fn parse<T: FromStr<Err: Display>>(text: String) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn number<T: TryFrom<i64>>(number: i64) -> Result<T, String> {
    T::try_from(number).map_err(|_| format!("{number} is out of range"))
}

#[cfg(test)]
mod tests;
