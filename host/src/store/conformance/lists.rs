//! The read models: lists in pages, and what is due.

use bytes::Bytes;
use serde_json::json;

use super::{
    TestDatabase,
    examples::{
        NOW, append, checkpoint, checkpoint_id, closed, define, document, execution, key, line,
        lines, with_status, workflow,
    },
    prepared,
};
use crate::{
    store::{
        Appended, CheckpointFilter, CheckpointOutcome, CheckpointStatus, ExecutionFilter, Page,
        Store,
    },
    workflow::{CheckpointId, Digest, ExecutionId, ExecutionStatus, Timestamp},
};

async fn unfinished(store: &dyn Store) -> Vec<u128> {
    let mut found: Vec<ExecutionId> = Vec::new();
    loop {
        let page = store.unfinished(found.last().copied(), 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        found.extend(page);
    }
    numbers(&found)
}

async fn woken(store: &dyn Store, now: i64) -> Vec<u128> {
    let all = numbers(&store.woken(Timestamp(now), 100).await.unwrap());
    let first = numbers(&store.woken(Timestamp(now), 1).await.unwrap());
    assert_eq!(first, all[..all.len().min(1)]);
    all
}

fn numbers(ids: &[ExecutionId]) -> Vec<u128> {
    ids.iter().map(|id| id.0.as_u128() & 0xffff).collect()
}

pub async fn what_needs_a_host_is_found(database: &dyn TestDatabase) {
    use ExecutionStatus::{AwaitingCheckpoint, Cancelled, Completed, Pending, Running};
    let store = prepared(database).await;
    let state = |number, status, waiting, wake_at: Option<i64>| {
        let mut append = with_status(lines(execution(number), 0, 1, ""), status);
        append.waiting = waiting;
        append.wake_at = wake_at.map(Timestamp);
        append
    };
    let appends = [
        state(1, Running, false, None),
        state(2, AwaitingCheckpoint, true, None),
        state(3, Running, true, Some(100)),
        state(4, Pending, false, None),
        state(5, AwaitingCheckpoint, true, Some(200)),
        state(6, Completed, false, None),
        state(7, Cancelled, true, None),
        state(8, Running, true, Some(-5)),
        state(9, AwaitingCheckpoint, false, None),
    ];
    assert_eq!(
        store.commit(&appends).await.unwrap(),
        vec![Appended::Committed; 9]
    );
    assert_eq!(unfinished(&*store).await, [1, 4, 9]);
    assert_eq!(woken(&*store, -6).await, []);
    assert_eq!(woken(&*store, 99).await, [8]);
    assert_eq!(woken(&*store, 100).await, [8, 3]);
    assert_eq!(woken(&*store, 1000).await, [8, 3, 5]);

    let mut changes = [
        with_status(lines(execution(1), 1, 1, ""), Completed),
        lines(execution(3), 1, 1, ""),
        lines(execution(4), 1, 1, ""),
    ];
    changes[2].waiting = true;
    store.commit(&changes).await.unwrap();
    assert_eq!(unfinished(&*store).await, [3, 9]);
    assert_eq!(woken(&*store, 1000).await, [8, 5]);
}

async fn executions(store: &dyn Store, filter: &ExecutionFilter) -> Vec<u128> {
    let mut found: Vec<ExecutionId> = Vec::new();
    loop {
        let page = Page {
            after: found.last().copied(),
            limit: 3,
        };
        let items = store.queries().executions(filter.clone(), page).await;
        let items = items.unwrap();
        if items.is_empty() {
            break;
        }
        found.extend(items.iter().map(|item| item.id));
    }
    found.iter().map(|id| id.0.as_u128() & 0xffff).collect()
}

pub async fn executions_are_listed_newest_first(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    define(&*store, "other").await;
    let status = |number: u128| match number % 3 {
        0 => ExecutionStatus::Failed,
        1 => ExecutionStatus::Running,
        _ => ExecutionStatus::AwaitingCheckpoint,
    };
    let appends: Vec<_> = (1..=12)
        .map(|number| {
            let mut append = with_status(lines(execution(number), 0, 1, ""), status(number));
            if number % 2 == 0 {
                append.summary.workflow = workflow("other");
            }
            if number % 3 == 0 {
                append.summary.error = Some("a \0 in it".into());
            }
            append
        })
        .collect();
    store.commit(&appends).await.unwrap();

    let newest = |keep: &dyn Fn(u128) -> bool| -> Vec<u128> {
        (1..=12).rev().filter(|number| keep(*number)).collect()
    };
    let mut filter = ExecutionFilter::default();
    assert_eq!(executions(&*store, &filter).await, newest(&|_| true));
    filter.workflow = Some(workflow("other"));
    assert_eq!(executions(&*store, &filter).await, newest(&|n| n % 2 == 0));
    filter.status = Some(ExecutionStatus::Failed);
    assert_eq!(executions(&*store, &filter).await, newest(&|n| n % 6 == 0));
    filter.workflow = None;
    assert_eq!(executions(&*store, &filter).await, newest(&|n| n % 3 == 0));
    filter.status = Some(ExecutionStatus::TimedOut);
    assert!(executions(&*store, &filter).await.is_empty());

    let found = store.queries().execution(execution(6)).await.unwrap();
    let mut expected = appends[5].summary.clone();
    expected.error = Some("a \u{fffd} in it".into());
    assert_eq!(found, Some(expected));
    assert_eq!(store.queries().execution(execution(13)).await, Ok(None));
}

async fn checkpoints(store: &dyn Store, filter: CheckpointFilter) -> Vec<u128> {
    let mut found: Vec<(Timestamp, CheckpointId)> = Vec::new();
    loop {
        let page = Page {
            after: found.last().copied(),
            limit: 2,
        };
        let items = store.queries().checkpoints(filter.clone(), page).await;
        let items = items.unwrap();
        if items.is_empty() {
            break;
        }
        found.extend(items.iter().map(|item| (item.created_at, item.id)));
    }
    found
        .iter()
        .map(|(_, id)| id.0.as_u128() & 0xffff)
        .collect()
}

pub async fn checkpoints_are_listed_newest_first(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let mut appends = [lines(execution(1), 0, 1, ""), lines(execution(2), 0, 1, "")];
    // Two at the same moment: their ids decide.
    for (number, at, of) in [(1, 30, 0), (2, 10, 1), (3, 30, 1), (4, 20, 0), (5, 40, 0)] {
        let id = appends[of].execution;
        let mut row = checkpoint(checkpoint_id(number), id, Timestamp(at));
        if number > 2 {
            row = closed(row, CheckpointOutcome::Approved);
        }
        appends[of].checkpoints.push(row);
    }
    store.commit(&appends).await.unwrap();

    let filter = |of, status| CheckpointFilter {
        execution: of,
        status,
    };
    let first = Some(execution(1));
    let pending = Some(CheckpointStatus::Pending);
    let approved = Some(CheckpointStatus::Approved);
    assert_eq!(
        checkpoints(&*store, filter(None, None)).await,
        [5, 3, 1, 4, 2]
    );
    assert_eq!(checkpoints(&*store, filter(None, pending)).await, [1, 2]);
    assert_eq!(
        checkpoints(&*store, filter(None, approved)).await,
        [5, 3, 4]
    );
    assert_eq!(checkpoints(&*store, filter(first, None)).await, [5, 1, 4]);
    assert_eq!(checkpoints(&*store, filter(first, approved)).await, [5, 4]);
    assert!(
        checkpoints(&*store, filter(Some(execution(3)), None))
            .await
            .is_empty()
    );
}

pub async fn a_checkpoint_changes_its_state(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let opened = checkpoint(checkpoint_id(1), execution(1), NOW);
    let outcomes = [
        CheckpointOutcome::Approved,
        CheckpointOutcome::Edited(document(json!({"text": "Hi", "a": 1.25}))),
        CheckpointOutcome::Edited(document(json!(null))),
        CheckpointOutcome::Rejected,
        CheckpointOutcome::Expired,
        CheckpointOutcome::Cancelled,
    ];
    let states = outcomes.map(|outcome| closed(opened.clone(), outcome));
    for (version, row) in (0..).zip([opened].iter().chain(&states)) {
        let mut append = append(execution(1), version, vec![line("")]);
        append.checkpoints.push(row.clone());
        store.commit(&[append]).await.unwrap();
        let found = store.queries().checkpoint(row.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(row));
        assert_eq!(found.unwrap().state.status(), row.state.status());
    }
    assert_eq!(store.queries().checkpoint(checkpoint_id(2)).await, Ok(None));
}

pub async fn blobs_are_found_by_digest(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let blob = |data: &'static [u8]| (Digest::of(data), Bytes::from_static(data));
    let mut first = lines(execution(1), 0, 1, "");
    first.blobs = vec![blob(b"report"), blob(b""), blob(b"report"), blob(b"\0\xff")];
    let mut second = lines(execution(2), 0, 1, "");
    second.blobs = vec![blob(b"report")];
    second.key = Some(key("k", ""));
    store.commit(&[first, second]).await.unwrap();
    for data in [b"report".as_slice(), b"", b"\0\xff"] {
        let found = store.blob(Digest::of(data)).await.unwrap();
        assert_eq!(found.as_deref(), Some(data));
    }
    assert_eq!(store.blob(Digest::of(b"other")).await, Ok(None));
    store.ping().await.unwrap();
}
