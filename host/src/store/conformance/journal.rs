//! Appends: compare-and-set, keys, all or nothing, order.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use serde_json::json;
use tokio::sync::oneshot;

use super::{
    TestDatabase,
    examples::{
        NOW, append, checkpoint, checkpoint_id, define, document, every_event, execution, key,
        line, lines, workflow,
    },
    open, prepared,
};
use crate::{
    store::{
        Append,
        Appended::{self, Committed, Conflict, Duplicate},
        Journal, Keyed, Store, StoreError, Writer,
    },
    workflow::{Digest, Event, ExecutionId, Version},
};

async fn commit(store: &dyn Store, appends: &[Append]) -> Vec<Appended> {
    store.commit(appends).await.unwrap()
}

async fn load(store: &dyn Store, id: ExecutionId) -> Journal {
    store
        .load(id)
        .await
        .unwrap()
        .expect("the execution is there")
}

fn keyed(id: ExecutionId, request: &str) -> Keyed {
    Keyed {
        execution: id,
        request: Digest::of(request.as_bytes()),
    }
}

pub async fn every_event_comes_back(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let events: Vec<Event> = every_event().into_iter().map(|(event, ..)| event).collect();
    let first = append(execution(1), 0, events.clone());
    let second = append(execution(1), first.summary.version, events);
    assert_eq!(
        commit(&*store, std::slice::from_ref(&first)).await,
        [Committed]
    );
    assert_eq!(load(&*store, execution(1)).await.events, first.events);
    assert_eq!(
        commit(&*store, std::slice::from_ref(&second)).await,
        [Committed]
    );

    let journal = load(&*store, execution(1)).await;
    assert_eq!(journal.summary, second.summary);
    assert_eq!(journal.events, [first.events, second.events].concat());
    let Event::ExecutionCreated { input, .. } = &journal.events[0].event else {
        panic!("another event");
    };
    assert_eq!(input.to_string(), r#"{"z":1,"a":[1.5,null,"ü\u0000"]}"#);
    assert_eq!(store.load(execution(2)).await, Ok(None));
}

pub async fn only_the_expected_version_is_extended(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let mut id = 0;
    let mut refused = async |before: u64, expected: u64| {
        id += 1;
        let id = execution(id);
        if before > 0 {
            commit(&*store, &[lines(id, 0, before, "first")]).await;
        }
        let after = commit(&*store, &[lines(id, expected, 2, "second")]).await;
        assert_eq!(after, [Conflict], "{expected} instead of {before}");
        let found = store.load(id).await.unwrap();
        assert_eq!(
            found.map_or(0, |journal| journal.events.len() as u64),
            before
        );
    };
    refused(0, 1).await;
    refused(3, 0).await;
    refused(3, 1).await;
    refused(3, 2).await;
    refused(3, 4).await;
    refused(3, u64::from(u32::MAX)).await;
}

pub async fn a_key_starts_one_execution(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    define(&*store, "other").await;
    let start = |number, request| {
        let mut append = lines(execution(number), 0, 1, "");
        append.key = Some(key("k", request));
        append
    };
    assert_eq!(commit(&*store, &[start(1, "a")]).await, [Committed]);
    let first = keyed(execution(1), "a");
    for request in ["a", "b"] {
        let again = commit(&*store, &[start(2, request)]).await;
        assert_eq!(again, [Duplicate(first.clone())]);
    }
    // The same start once more, as after an outcome that nobody knows.
    assert_eq!(commit(&*store, &[start(1, "a")]).await, [Conflict]);
    assert_eq!(store.load(execution(2)).await, Ok(None));

    let mut other = start(3, "c");
    other.summary.workflow = workflow("other");
    assert_eq!(commit(&*store, &[other]).await, [Committed]);
    let queries = store.queries();
    let found = queries.execution_by_key(&workflow("flow"), "k").await;
    assert_eq!(found, Ok(Some(first)));
    let found = queries.execution_by_key(&workflow("other"), "k").await;
    assert_eq!(found, Ok(Some(keyed(execution(3), "c"))));
    let found = queries.execution_by_key(&workflow("flow"), "K").await;
    assert_eq!(found, Ok(None));
}

pub async fn a_key_starts_one_execution_of_a_batch(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let starts: Vec<_> = [(5, "k"), (3, "k"), (4, "other"), (1, "k")]
        .map(|(number, name)| {
            let mut append = lines(execution(number), 0, 1, "");
            append.key = Some(key(name, "r"));
            append
        })
        .into();
    let first = Duplicate(keyed(execution(5), "r"));
    assert_eq!(
        commit(&*store, &starts).await,
        [Committed, first.clone(), Committed, first]
    );
    assert_eq!(store.load(execution(1)).await, Ok(None));
}

pub async fn a_refused_append_leaves_nothing(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    commit(
        &*store,
        &[lines(execution(1), 0, 2, ""), lines(execution(2), 0, 2, "")],
    )
    .await;
    let with_all = |mut append: Append, number: u128, data: &'static str| {
        let row = checkpoint(checkpoint_id(number), append.execution, NOW);
        append.checkpoints.push(row);
        let data = Bytes::from_static(data.as_bytes());
        append.blobs.push((Digest::of(&data), data));
        append
    };
    let mut bad_key = with_all(lines(execution(4), 0, 1, ""), 4, "four");
    bad_key.key = Some(key("k", ""));
    let mut good_key = with_all(lines(execution(3), 0, 1, ""), 3, "three");
    good_key.key = Some(key("k", ""));
    let batch = [
        with_all(lines(execution(1), 1, 1, ""), 1, "one"),
        with_all(lines(execution(2), 2, 1, ""), 2, "two"),
        good_key,
        bad_key,
        with_all(lines(execution(5), 7, 1, ""), 5, "five"),
        with_all(lines(execution(6), 0, 1, ""), 6, "six"),
    ];
    let outcomes = commit(&*store, &batch).await;
    let duplicate = Duplicate(keyed(execution(3), ""));
    assert_eq!(
        outcomes,
        [
            Conflict, Committed, Committed, duplicate, Conflict, Committed
        ]
    );
    for ((append, outcome), version) in batch.iter().zip(outcomes).zip([2, 3, 1, 0, 0, 1]) {
        let journal = store.load(append.execution).await.unwrap();
        assert_eq!(
            journal.map_or(0, |journal| journal.summary.version),
            version
        );
        let is_there = outcome == Committed;
        let row = &append.checkpoints[0];
        let found = store.queries().checkpoint(row.id).await.unwrap();
        assert_eq!(found.as_ref(), is_there.then_some(row));
        let (digest, data) = &append.blobs[0];
        let found = store.blob(*digest).await.unwrap();
        assert_eq!(found.as_ref(), is_there.then_some(data));
    }
    // A batch of which nothing is left.
    assert_eq!(commit(&*store, &batch[..1]).await, [Conflict]);
    assert_eq!(
        commit(&*store, &[lines(execution(1), 2, 1, "")]).await,
        [Committed]
    );
    assert_eq!(commit(&*store, &[]).await, []);
}

pub async fn commits_are_in_order_and_events_in_pages(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    for (expected, count) in [(0, 3), (3, 1), (4, 5)] {
        let appends: Vec<_> = (1..=40)
            .map(|number| lines(execution(number), expected, count, ""))
            .collect();
        assert_eq!(commit(&*store, &appends).await, vec![Committed; 40]);
    }
    for id in [execution(1), execution(40)] {
        let journal = load(&*store, id).await.events;
        assert_eq!(journal.len(), 9);
        for limit in [1, 2, 4, 9, 100] {
            let mut read = Vec::new();
            loop {
                let after = read.len() as u64;
                let page = store.events(id, after, limit, usize::MAX).await.unwrap();
                if page.is_empty() {
                    break;
                }
                assert!(page.len() <= limit as usize);
                read.extend(page);
            }
            assert_eq!(read, journal);
        }
    }
    for (id, after) in [(1, 9), (1, u64::MAX), (41, 0)] {
        let none = store.events(execution(id), after, 5, usize::MAX).await;
        assert_eq!(none, Ok(Vec::new()), "{id} after {after}");
    }
}

pub async fn a_page_of_events_ends_with_many_bytes(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let (id, big) = (execution(1), "x".repeat(1_000));
    assert_eq!(commit(&*store, &[lines(id, 0, 9, &big)]).await, [Committed]);
    let numbers = async |after, limit, bytes_max| -> Vec<u64> {
        let page = store.events(id, after, limit, bytes_max).await.unwrap();
        page.iter().map(|event| event.seq).collect()
    };
    // An event has a little more than what is in it, and there is one of whatever size.
    assert_eq!(numbers(0, 9, 1).await, [1]);
    assert_eq!(numbers(2, 9, 1_000).await, [3]);
    assert_eq!(numbers(2, 9, 3_000).await, [3, 4, 5]);
    assert_eq!(numbers(2, 2, 3_000).await, [3, 4]);
    assert_eq!(numbers(7, 9, 100_000).await, [8, 9]);
}

pub async fn an_impossible_append_is_invalid(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let mut no_definition = lines(execution(1), 0, 1, "");
    no_definition.summary.definition = Version(2);
    let mut no_end = lines(execution(1), 0, 1, "");
    no_end.summary.ended_at = Some(NOW);
    for bad in [no_definition, no_end] {
        let batch = [lines(execution(2), 0, 1, ""), bad];
        let error = store.commit(&batch).await.unwrap_err();
        assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        assert!(!error.is_retryable());
        for append in &batch {
            assert_eq!(store.load(append.execution).await, Ok(None));
        }
    }
    assert_eq!(
        commit(&*store, &[lines(execution(2), 0, 1, "")]).await,
        [Committed]
    );
}

pub async fn big_payloads_come_back(database: &dyn TestDatabase) {
    const BYTES: usize = 10 << 20;
    let store = prepared(database).await;
    let text = "ä\"\\\n".repeat(BYTES / 5);
    let output = document(json!({ "text": text, "rows": vec![json!({"a": 1.5}); 10_000] }));
    let data = Bytes::from(vec![0xfe; BYTES]);
    let mut big = append(
        execution(1),
        0,
        vec![
            line("before"),
            Event::ExecutionCompleted { output },
            line("after"),
        ],
    );
    big.blobs.push((Digest::of(&data), data.clone()));
    assert_eq!(
        commit(&*store, std::slice::from_ref(&big)).await,
        [Committed]
    );
    assert_eq!(load(&*store, execution(1)).await.events, big.events);
    assert_eq!(store.blob(Digest::of(&data)).await, Ok(Some(data)));
}

pub async fn everything_survives_a_restart(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let mut first = lines(execution(1), 0, 3, "");
    first.key = Some(key("k", "r"));
    let row = checkpoint(checkpoint_id(1), execution(1), NOW);
    first.checkpoints.push(row.clone());
    let data = Bytes::from_static(b"report");
    first.blobs.push((Digest::of(&data), data.clone()));
    commit(&*store, std::slice::from_ref(&first)).await;
    drop(store);

    let store = open(database).await;
    let journal = load(&*store, execution(1)).await;
    assert_eq!(
        (journal.summary, journal.events),
        (first.summary, first.events)
    );
    assert_eq!(store.queries().checkpoint(row.id).await, Ok(Some(row)));
    assert_eq!(store.blob(Digest::of(&data)).await, Ok(Some(data)));
    let found = store
        .queries()
        .execution_by_key(&workflow("flow"), "k")
        .await;
    assert_eq!(found, Ok(Some(keyed(execution(1), "r"))));
    assert_eq!(
        commit(&*store, &[lines(execution(1), 3, 1, "")]).await,
        [Committed]
    );
}

/// Many tasks race to append to a few executions. What the store accepted must be the
/// journal, exactly, in the order of acceptance.
pub async fn many_writers_make_no_gap(database: &dyn TestDatabase) {
    const TASKS: u64 = 8;
    const ROUNDS: u64 = 40;
    const EXECUTIONS: u64 = 3;
    let store = prepared(database).await;
    let writer = Writer::start(store.clone());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let race = race(store.clone(), writer.clone(), task, ROUNDS, EXECUTIONS);
            tokio::spawn(race)
        })
        .collect();
    let mut accepted = HashMap::<ExecutionId, Vec<Append>>::new();
    for task in tasks {
        for append in task.await.unwrap() {
            accepted.entry(append.execution).or_default().push(append);
        }
    }
    writer.close().await;
    assert_eq!(accepted.len() as u64, EXECUTIONS);
    for (id, mut appends) in accepted {
        appends.sort_by_key(|append| append.expected);
        let expected: Vec<_> = appends
            .into_iter()
            .flat_map(|append| append.events)
            .collect();
        assert_eq!(load(&*store, id).await.events, expected);
    }
}

/// Gives what was accepted.
async fn race(
    store: Arc<dyn Store>,
    writer: Writer,
    task: u64,
    rounds: u64,
    executions: u64,
) -> Vec<Append> {
    let mut accepted = Vec::new();
    for round in 0..rounds {
        let id = execution(u128::from((task + round) % executions));
        let found = store.queries().execution(id).await.unwrap();
        let version = found.map_or(0, |summary| summary.version);
        let append = lines(id, version, 1 + round % 3, &format!("{task}.{round}"));
        let (tell, told) = oneshot::channel();
        let done = |outcome| tell.send(outcome).unwrap();
        writer.append(append.clone(), done).await;
        match told.await.unwrap().unwrap() {
            Committed => accepted.push(append),
            Conflict => {}
            other => panic!("{other:?} without a key or a removal"),
        }
    }
    accepted
}
