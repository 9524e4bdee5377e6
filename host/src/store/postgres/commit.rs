//! One statement over many appends: one round trip, one commit.
//!
//! The rows travel as one array per column (`unnest`), and the text is always the same,
//! so that it is prepared once. Everything in it sees the same snapshot; what belongs to
//! an append is written only when the append's compare-and-set has found its row.

use std::collections::{BTreeMap, HashSet};

use sqlx::{
    Arguments, Encode, PgConnection, Postgres, Type, postgres::PgArguments, query_as,
    query_scalar_with,
};
use uuid::Uuid;

use super::error::{unavailable, uncertain};
use crate::{
    store::{
        Append, Appended, CheckpointRow, StoreError,
        codec::{CODEC, KeyTaken, encode_answer, encode_checkpoint, encode_event, plain},
    },
    workflow::{Digest, NodeId, Timestamp},
};

/// Commits what can be accepted of `appends`.
pub(super) async fn commit(
    connection: &mut PgConnection,
    appends: &[Append],
) -> Result<Vec<Appended>, StoreError> {
    let accepted = write(connection, appends).await?;
    if accepted.len() == appends.len() {
        return Ok(vec![Appended::Committed; appends.len()]);
    }
    refusals(connection, appends, &accepted).await
}

/// `executions`: one array per column; a row is created where `expected` is 0.
#[derive(Default)]
struct Executions<'a> {
    id: Vec<Uuid>,
    expected: Vec<i64>,
    holder: Vec<Option<Uuid>>,
    owner: Vec<Option<Uuid>>,
    crashes: Vec<i64>,
    workflow: Vec<&'a str>,
    definition: Vec<i64>,
    version: Vec<i64>,
    status: Vec<&'static str>,
    created_at: Vec<i64>,
    started_at: Vec<Option<i64>>,
    ended_at: Vec<Option<i64>>,
    error: Vec<Option<String>>,
    wake_at: Vec<Option<i64>>,
    waiting: Vec<bool>,
    key: Vec<Option<&'a str>>,
    request: Vec<Option<Vec<u8>>>,
    keep_days: Vec<Option<i64>>,
}

/// `journal`. `position` says of which append, counted from 1.
#[derive(Default)]
struct Events<'a> {
    position: Vec<i64>,
    execution: Vec<Uuid>,
    seq: Vec<i64>,
    at: Vec<i64>,
    kind: Vec<&'static str>,
    node: Vec<Option<&'a str>>,
    item: Vec<Option<i64>>,
    payload: Vec<String>,
}

/// `checkpoints`
#[derive(Default)]
struct Checkpoints<'a> {
    position: Vec<i64>,
    id: Vec<Uuid>,
    execution: Vec<Uuid>,
    workflow: Vec<&'a str>,
    node: Vec<&'a str>,
    status: Vec<&'static str>,
    created_at: Vec<i64>,
    closed_at: Vec<Option<i64>>,
    payload: Vec<String>,
    barred: Vec<Option<&'a str>>,
    /// With commas between them.
    reviewers: Vec<String>,
}

/// `blobs` and `blob_uses`
#[derive(Default)]
struct Blobs<'a> {
    position: Vec<i64>,
    execution: Vec<Uuid>,
    digest: Vec<Vec<u8>>,
    data: Vec<&'a [u8]>,
}

/// `former_versions`
#[derive(Default)]
struct Formers<'a> {
    position: Vec<i64>,
    execution: Vec<Uuid>,
    workflow: Vec<&'a str>,
    definition: Vec<i64>,
}

/// `signals`
#[derive(Default)]
struct Answers {
    position: Vec<i64>,
    id: Vec<Uuid>,
    answer: Vec<String>,
}

/// Compares and sets, and gives the positions of the appends that were accepted.
async fn write(
    connection: &mut PgConnection,
    appends: &[Append],
) -> Result<HashSet<usize>, StoreError> {
    let mut executions = Executions::default();
    let mut events = Events::default();
    let mut checkpoints = Checkpoints::default();
    let mut blobs = Blobs::default();
    let mut answers = Answers::default();
    let mut formers = Formers::default();
    let mut ordered: Vec<_> = appends.iter().zip(0_usize..).collect();
    // Hosts that change the same rows do so in the same order. Of starts with the same
    // key the first wins.
    ordered.sort_by_key(|(append, _)| (append.expected > 0).then_some(append.execution));
    let mut seen = HashSet::new();
    for ((append, _), position) in ordered.iter().zip(1_i64..) {
        executions.push(append);
        events.push(append, position)?;
        checkpoints.push(append, position)?;
        blobs.push(append, position, &mut seen);
        answers.push(append, position)?;
        formers.push(append, position);
    }
    let mut arguments = PgArguments::default();
    // In the order of `commit.sql`.
    executions.bind(&mut arguments)?;
    events.bind(&mut arguments)?;
    add(&mut arguments, CODEC)?;
    checkpoints.bind(&mut arguments)?;
    blobs.bind(&mut arguments)?;
    answers.bind(&mut arguments)?;
    formers.bind(&mut arguments)?;
    let accepted: Vec<Option<i64>> = query_scalar_with(include_str!("sql/commit.sql"), arguments)
        .fetch_all(connection)
        .await
        .map_err(uncertain)?;
    let place = |position: i64| Some(ordered.get(usize::try_from(position).ok()? - 1)?.1);
    Ok(accepted.into_iter().flatten().filter_map(place).collect())
}

impl<'a> Executions<'a> {
    fn push(&mut self, append: &'a Append) {
        let summary = &append.summary;
        let key = append.key.as_ref();
        self.id.push(append.execution.0);
        self.expected.push(number(append.expected));
        self.holder.push(append.holder.map(|host| host.0));
        self.owner.push(append.owner.map(|host| host.0));
        self.crashes.push(append.crashes.into());
        self.workflow.push(summary.workflow.as_str());
        self.definition.push(summary.definition.0.into());
        self.version.push(number(summary.version));
        self.status.push(summary.status.as_str());
        self.created_at.push(summary.created_at.0);
        self.started_at.push(summary.started_at.map(ms));
        self.ended_at.push(summary.ended_at.map(ms));
        self.error.push(summary.error.as_deref().map(plain));
        self.wake_at.push(append.wake_at.map(ms));
        self.waiting.push(append.waiting);
        self.key.push(key.map(|start| start.key.as_str()));
        self.request.push(key.map(|start| start.request.0.to_vec()));
        self.keep_days.push(append.keep_days.map(i64::from));
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.id)?;
        add(arguments, self.expected)?;
        add(arguments, self.holder)?;
        add(arguments, self.owner)?;
        add(arguments, self.crashes)?;
        add(arguments, self.workflow)?;
        add(arguments, self.definition)?;
        add(arguments, self.version)?;
        add(arguments, self.status)?;
        add(arguments, self.created_at)?;
        add(arguments, self.started_at)?;
        add(arguments, self.ended_at)?;
        add(arguments, self.error)?;
        add(arguments, self.wake_at)?;
        add(arguments, self.waiting)?;
        add(arguments, self.key)?;
        add(arguments, self.request)?;
        add(arguments, self.keep_days)
    }
}

impl<'a> Events<'a> {
    fn push(&mut self, append: &'a Append, position: i64) -> Result<(), StoreError> {
        for recorded in &append.events {
            let mut payload = Vec::new();
            let event = encode_event(&recorded.event, &mut payload)?;
            self.position.push(position);
            self.execution.push(append.execution.0);
            self.seq.push(number(recorded.seq));
            self.at.push(recorded.at.0);
            self.kind.push(event.kind);
            self.node.push(event.node.map(NodeId::as_str));
            self.item.push(event.item.map(i64::from));
            // What serde_json writes is UTF-8.
            self.payload
                .push(String::from_utf8(payload).unwrap_or_default());
        }
        Ok(())
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.position)?;
        add(arguments, self.execution)?;
        add(arguments, self.seq)?;
        add(arguments, self.at)?;
        add(arguments, self.kind)?;
        add(arguments, self.node)?;
        add(arguments, self.item)?;
        add(arguments, self.payload)
    }
}

impl<'a> Checkpoints<'a> {
    fn push(&mut self, append: &'a Append, position: i64) -> Result<(), StoreError> {
        // A statement changes a row once: the last state of each checkpoint.
        let last: BTreeMap<Uuid, &CheckpointRow> = (append.checkpoints.iter())
            .map(|row| (row.id.0, row))
            .collect();
        for row in last.into_values() {
            let (closed_at, payload) = encode_checkpoint(row)?;
            self.position.push(position);
            self.id.push(row.id.0);
            self.execution.push(row.execution.0);
            self.workflow.push(row.workflow.as_str());
            self.node.push(row.node.as_str());
            self.status.push(row.state.status().as_str());
            self.created_at.push(row.created_at.0);
            self.closed_at.push(closed_at.map(ms));
            self.payload.push(payload);
            self.barred.push(row.barred());
            self.reviewers.push(row.awaited().join(","));
        }
        Ok(())
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.position)?;
        add(arguments, self.id)?;
        add(arguments, self.execution)?;
        add(arguments, self.workflow)?;
        add(arguments, self.node)?;
        add(arguments, self.status)?;
        add(arguments, self.created_at)?;
        add(arguments, self.closed_at)?;
        add(arguments, self.payload)?;
        add(arguments, self.barred)?;
        add(arguments, self.reviewers)
    }
}

impl<'a> Blobs<'a> {
    fn push(&mut self, append: &'a Append, position: i64, seen: &mut HashSet<(i64, Digest)>) {
        for (digest, data) in &append.blobs {
            if seen.insert((position, *digest)) {
                self.position.push(position);
                self.execution.push(append.execution.0);
                self.digest.push(digest.0.to_vec());
                self.data.push(data);
            }
        }
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.position)?;
        add(arguments, self.execution)?;
        add(arguments, self.digest)?;
        add(arguments, self.data)
    }
}

impl<'a> Formers<'a> {
    fn push(&mut self, append: &'a Append, position: i64) {
        for version in &append.left {
            self.position.push(position);
            self.execution.push(append.execution.0);
            self.workflow.push(append.summary.workflow.as_str());
            self.definition.push(version.0.into());
        }
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.position)?;
        add(arguments, self.execution)?;
        add(arguments, self.workflow)?;
        add(arguments, self.definition)
    }
}

impl Answers {
    fn push(&mut self, append: &Append, position: i64) -> Result<(), StoreError> {
        for (id, answer) in &append.answers {
            self.position.push(position);
            self.id.push(id.0);
            self.answer.push(encode_answer(answer)?);
        }
        Ok(())
    }

    /// All columns, in the order of the statement.
    fn bind(self, arguments: &mut PgArguments) -> Result<(), StoreError> {
        add(arguments, self.position)?;
        add(arguments, self.id)?;
        add(arguments, self.answer)
    }
}

/// What became of each append, when not all are accepted.
async fn refusals(
    connection: &mut PgConnection,
    appends: &[Append],
    accepted: &HashSet<usize>,
) -> Result<Vec<Appended>, StoreError> {
    let wanted: Vec<_> = appends
        .iter()
        .enumerate()
        .filter(|(position, _)| !accepted.contains(position))
        .filter_map(|(position, append)| {
            let key = append.key.as_ref()?.key.as_str();
            let position = i64::try_from(position).ok()?;
            let workflow = append.summary.workflow.as_str();
            Some((position, append.execution.0, workflow, key))
        })
        .collect();
    let taken: Vec<KeyTaken> = query_as(include_str!("sql/started_with_keys.sql"))
        .bind(wanted.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(wanted.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(wanted.iter().map(|row| row.2).collect::<Vec<_>>())
        .bind(wanted.iter().map(|row| row.3).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        // What was accepted is committed already.
        .map_err(|error| StoreError::Uncertain(unavailable(error).to_string()))?;
    let outcome = |position: usize| {
        if accepted.contains(&position) {
            return Ok(Appended::Committed);
        }
        let by = taken
            .iter()
            .find(|taken| usize::try_from(taken.position) == Ok(position));
        match by {
            Some(taken) => Ok(Appended::Duplicate(taken.by.decode()?)),
            None => Ok(Appended::Conflict),
        }
    };
    (0..appends.len()).map(outcome).collect()
}

/// Binds a value. One at a time instead of in one expression: the compiler takes minutes over
/// the ways in which that could end early.
#[inline(never)]
fn add<'q, T>(arguments: &mut PgArguments, value: T) -> Result<(), StoreError>
where
    T: Encode<'q, Postgres> + Type<Postgres>,
{
    let added = arguments.add(value);
    added.map_err(|error| StoreError::Invalid(error.to_string()))
}

fn ms(time: Timestamp) -> i64 {
    time.0
}

/// Versions count events; none comes near the limit.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
