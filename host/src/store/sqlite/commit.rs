//! One transaction over many appends.
//!
//! Each statement is a message to the driver's thread and back (about 20 µs), and each
//! value an allocation. So a transaction is two messages, whatever the batch: rows travel
//! as JSON arrays, payloads as one run of bytes that each row points into, and the
//! texts are always the same, so that the prepared statements are found again.
//!
//! The texts hold several statements each. Of sqlx's drivers only the one for `SQLite`
//! can do that; should it stop, cut the texts at their semicolons.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::StreamExt;
use serde::Serialize;
use sqlx::{Either, Executor, Row, SqliteConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::{
    error::{message, unavailable},
    owners::owner,
    read::bytes,
};
use crate::{
    store::{
        Append, Appended, CheckpointRow, StoreError,
        codec::{CODEC, KeyTaken, decode_id, encode_checkpoint, encode_event, plain},
    },
    workflow::{ExecutionId, NodeId, Timestamp},
};

/// Commits what can be accepted of `appends`. On an error the transaction may be open
/// still: then the connection must be closed.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    appends: &[Append],
) -> Result<Vec<Appended>, StoreError> {
    let accepted = advance(connection, appends).await?;
    let appended = if accepted.len() == appends.len() {
        vec![Appended::Committed; appends.len()]
    } else {
        refusals(connection, appends, &accepted).await?
    };
    let mut kept = appends
        .iter()
        .filter(|append| accepted.contains(&append.execution));
    put_checkpoints(connection, kept.clone()).await?;
    put_blobs(connection, kept.clone()).await?;
    leave_versions(connection, kept.clone()).await?;
    if kept.clone().next().is_some() {
        append_events(connection, &mut kept).await?;
    } else {
        connection.execute("ROLLBACK").await.map_err(unavailable)?;
    }
    Ok(appended)
}

/// A new row of `executions`, in the order of `advance_executions.sql`.
#[derive(Serialize)]
struct Create<'a>(
    Hex,
    &'a str,
    u32,
    u64,
    &'a str,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    bool,
    Option<&'a str>,
    Option<String>,
    Option<String>,
    u32,
    Option<u32>,
);

/// What changes in a row of `executions`, likewise.
#[derive(Serialize)]
struct Advance<'a>(
    Hex,
    u64,
    u64,
    &'a str,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    bool,
    Option<String>,
    Option<String>,
    u32,
    Option<u32>,
    u32,
);

/// Begins the transaction and compares and sets all executions.
async fn advance(
    connection: &mut SqliteConnection,
    appends: &[Append],
) -> Result<HashSet<ExecutionId>, StoreError> {
    let (created, advanced): (Vec<_>, Vec<_>) =
        appends.iter().partition(|append| append.expected == 0);
    let created: Vec<_> = created.into_iter().map(create_row).collect();
    let advanced: Vec<_> = advanced.into_iter().map(advance_row).collect();
    let query = query(include_str!("sql/advance_executions.sql"))
        .bind(json(&advanced)?)
        .bind(json(&created)?);
    let mut accepted = HashSet::with_capacity(appends.len());
    let mut results = connection.fetch_many(query);
    while let Some(result) = results.next().await {
        if let Either::Right(row) = result.map_err(unavailable)? {
            let id: Vec<u8> = row.try_get(0).map_err(unavailable)?;
            accepted.insert(ExecutionId(decode_id(&id)?));
        }
    }
    Ok(accepted)
}

fn create_row(append: &Append) -> Create<'_> {
    let summary = &append.summary;
    let key = append.key.as_ref();
    Create(
        hex(append.execution.0),
        summary.workflow.as_str(),
        summary.definition.0,
        summary.version,
        summary.status.as_str(),
        summary.created_at.0,
        summary.started_at.map(ms),
        summary.ended_at.map(ms),
        summary.error.as_deref().map(plain),
        append.wake_at.map(ms),
        append.waiting,
        key.map(|start| start.key.as_str()),
        key.map(|start| start.request.to_string()),
        append.owner.map(owner),
        append.crashes,
        append.keep_days,
    )
}

fn advance_row(append: &Append) -> Advance<'_> {
    let summary = &append.summary;
    Advance(
        hex(append.execution.0),
        append.expected,
        summary.version,
        summary.status.as_str(),
        summary.started_at.map(ms),
        summary.ended_at.map(ms),
        summary.error.as_deref().map(plain),
        append.wake_at.map(ms),
        append.waiting,
        append.holder.map(owner),
        append.owner.map(owner),
        append.crashes,
        append.keep_days,
        summary.definition.0,
    )
}

/// What became of each append, when not all are accepted.
async fn refusals(
    connection: &mut SqliteConnection,
    appends: &[Append],
    accepted: &HashSet<ExecutionId>,
) -> Result<Vec<Appended>, StoreError> {
    let refused = |append: &&Append| !accepted.contains(&append.execution);
    let ids: Vec<_> = appends
        .iter()
        .filter(refused)
        .map(|append| hex(append.execution.0))
        .collect();
    let existing: Vec<Vec<u8>> = query_scalar(include_str!("sql/existing_executions.sql"))
        .bind(json(&ids)?)
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let keys: Vec<_> = appends
        .iter()
        .enumerate()
        .filter(|(_, append)| refused(append))
        .filter_map(|(position, append)| {
            let key = &append.key.as_ref()?.key;
            Some((position, append.summary.workflow.as_str(), key))
        })
        .collect();
    let taken: Vec<KeyTaken> = query_as(include_str!("sql/started_with_keys.sql"))
        .bind(json(&keys)?)
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let taken: HashMap<_, _> = taken
        .into_iter()
        .map(|taken| (usize::try_from(taken.position).ok(), taken.by))
        .collect();

    let outcome = |(position, append): (usize, &Append)| {
        let id = append.execution.0;
        if accepted.contains(&append.execution) {
            return Ok(Appended::Committed);
        }
        match taken.get(&Some(position)) {
            // An execution that is there already is a conflict, whoever has its key.
            Some(by) if !existing.iter().any(|other| other == id.as_bytes()) => {
                Ok(Appended::Duplicate(by.decode()?))
            }
            _ => Ok(Appended::Conflict),
        }
    };
    appends.iter().enumerate().map(outcome).collect()
}

async fn put_checkpoints(
    connection: &mut SqliteConnection,
    appends: impl Iterator<Item = &Append>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    let mut last = BTreeMap::new();
    for checkpoint in appends.flat_map(|append| &append.checkpoints) {
        last.insert(checkpoint.id.0, checkpoint);
        let (closed_at, payload) = encode_checkpoint(checkpoint)?;
        rows.push((
            hex(checkpoint.id.0),
            hex(checkpoint.execution.0),
            checkpoint.workflow.as_str(),
            checkpoint.node.as_str(),
            checkpoint.state.status().as_str(),
            checkpoint.created_at.0,
            closed_at.map(ms),
            CODEC,
            payload,
        ));
    }
    if rows.is_empty() {
        return Ok(());
    }
    query(include_str!("sql/put_checkpoints.sql"))
        .bind(json(&rows)?)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    put_reviewers(connection, &last).await
}

/// Where reviewers look for what is pending, in place of where they did before.
async fn put_reviewers(
    connection: &mut SqliteConnection,
    checkpoints: &BTreeMap<Uuid, &CheckpointRow>,
) -> Result<(), StoreError> {
    let ids: Vec<_> = checkpoints.keys().copied().map(hex).collect();
    let awaited = checkpoints.values().map(|row| {
        let id = hex(row.id.0);
        let execution = hex(row.execution.0);
        let (workflow, at) = (row.workflow.as_str(), row.created_at.0);
        (id, execution, workflow, at, row.barred(), row.awaited())
    });
    let awaited: Vec<_> = awaited.collect();
    for (sql, rows) in [
        (include_str!("sql/remove_reviewers.sql"), json(&ids)?),
        (include_str!("sql/put_reviewers.sql"), json(&awaited)?),
    ] {
        query(sql)
            .bind(rows)
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    Ok(())
}

async fn put_blobs(
    connection: &mut SqliteConnection,
    appends: impl Iterator<Item = &Append>,
) -> Result<(), StoreError> {
    for append in appends {
        for (digest, data) in &append.blobs {
            query(include_str!("sql/put_blob.sql"))
                .bind(digest.0.to_vec())
                .bind(data.to_vec())
                .bind(bytes(append.execution.0))
                .execute(&mut *connection)
                .await
                .map_err(unavailable)?;
        }
    }
    Ok(())
}

async fn leave_versions(
    connection: &mut SqliteConnection,
    appends: impl Iterator<Item = &Append>,
) -> Result<(), StoreError> {
    let left = appends.flat_map(|append| {
        let workflow = append.summary.workflow.as_str();
        let left = append.left.iter();
        left.map(move |version| (hex(append.execution.0), workflow, version.0))
    });
    let rows: Vec<_> = left.collect();
    if rows.is_empty() {
        return Ok(());
    }
    query(include_str!("sql/leave_versions.sql"))
        .bind(json(&rows)?)
        .execute(connection)
        .await
        .map_err(unavailable)?;
    Ok(())
}

/// An event, in the order of `append_events.sql`; the last two say where its payload
/// is: first byte (counted from 1) and number of bytes.
type EventColumnsRow<'a> = (
    Hex,
    u64,
    i64,
    &'static str,
    Option<&'a str>,
    Option<u32>,
    i64,
    usize,
    usize,
);

/// Writes the events and ends the transaction.
async fn append_events(
    connection: &mut SqliteConnection,
    appends: &mut impl Iterator<Item = &Append>,
) -> Result<(), StoreError> {
    let mut payloads = Vec::new();
    let mut rows: Vec<EventColumnsRow<'_>> = Vec::new();
    for append in appends {
        for recorded in &append.events {
            let start = payloads.len();
            let event = encode_event(&recorded.event, &mut payloads)?;
            rows.push((
                hex(append.execution.0),
                recorded.seq,
                recorded.at.0,
                event.kind,
                event.node.map(NodeId::as_str),
                event.item,
                CODEC,
                start + 1,
                payloads.len() - start,
            ));
        }
    }
    let query = query(include_str!("sql/append_events.sql"))
        .bind(json(&rows)?)
        .bind(payloads);
    let mut results = connection.fetch_many(query);
    let mut is_inserted = false;
    while let Some(result) = results.next().await {
        match result {
            Ok(_) => is_inserted = true,
            // The second statement is COMMIT.
            Err(error) if is_inserted => return Err(StoreError::Uncertain(message(&error))),
            Err(error) => return Err(unavailable(error)),
        }
    }
    Ok(())
}

type Hex = uuid::fmt::Simple;

fn hex(id: Uuid) -> Hex {
    id.simple()
}

fn ms(time: Timestamp) -> i64 {
    time.0
}

fn json(rows: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|error| StoreError::Invalid(error.to_string()))
}
