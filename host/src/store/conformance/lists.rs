//! The read models: lists in pages, and what is due.

use bytes::Bytes;
use serde_json::json;

use super::{
    TestDatabase,
    examples::{
        NOW, append, audience, checkpoint, checkpoint_id, closed, define, document, execution, key,
        line, lines, some_decider, with_status, workflow,
    },
    prepared,
};
use crate::{
    store::{CheckpointFilter, CheckpointOutcome, CheckpointStatus, ExecutionFilter, Page, Store},
    workflow::{CheckpointId, Digest, ExecutionId, ExecutionStatus, Timestamp, Version},
};

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
    let created = |number: u128| Timestamp(NOW.0 + i64::try_from(number).unwrap());
    let appends: Vec<_> = (1..=12)
        .map(|number| {
            let mut append = with_status(lines(execution(number), 0, 1, ""), status(number));
            if number % 2 == 0 {
                append.summary.workflow = workflow("other");
            }
            if number % 3 == 0 {
                append.summary.error = Some("a \0 in it".into());
            }
            append.summary.created_at = created(number);
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
    let since = ExecutionFilter {
        created_from: Some(created(4)),
        created_before: Some(created(9)),
        ..ExecutionFilter::default()
    };
    let (from, before) = (|n| (4..9).contains(&n), |n| (6..9).contains(&n));
    assert_eq!(executions(&*store, &since).await, newest(&from));
    let oldest = Some(execution(6));
    let since = ExecutionFilter { oldest, ..since };
    assert_eq!(executions(&*store, &since).await, newest(&before));
    for (version, count) in [(1, 12), (2, 0)] {
        let of = ExecutionFilter {
            version: Some(Version(version)),
            ..ExecutionFilter::default()
        };
        assert_eq!(executions(&*store, &of).await.len(), count);
    }

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
        ..CheckpointFilter::default()
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

pub async fn checkpoints_are_listed_by_who_may_decide_and_of_what(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    define(&*store, "other").await;
    let mut appends = [lines(execution(1), 0, 1, ""), lines(execution(2), 0, 1, "")];
    appends[1].summary.workflow = workflow("other");
    // For anybody, for one, for a group, for both, for others than ann, and for nobody at all.
    let audiences: [(&[&str], bool, bool); 6] = [
        (&[], true, true),
        (&["ann"], true, true),
        (&["group:it"], true, true),
        (&["ann", "group:it"], true, true),
        (&["ann", "bob", "group:it"], false, true),
        (&["ann", "group:it"], false, false),
    ];
    for number in 1..=24 {
        let append = &mut appends[(number % 2) as usize];
        let at = Timestamp(30 + i64::try_from(number / 3).unwrap());
        let mut row = checkpoint(checkpoint_id(number), append.execution, at);
        row.workflow = append.summary.workflow.clone();
        let (names, allow_starter, has_starter) = audiences[(number % 6) as usize];
        row.audience = audience(names, allow_starter);
        row.started_by = has_starter.then(|| "ann".parse().unwrap());
        append.checkpoints.push(row);
    }
    store.commit(&appends).await.unwrap();
    let list = async |decider: (&str, &[&str]), of: Option<&str>| {
        let filter = CheckpointFilter {
            decider: Some(some_decider(decider.0, decider.1)),
            workflow: of.map(workflow),
            ..CheckpointFilter::default()
        };
        checkpoints(&*store, filter).await
    };
    let newest = |keep: &[u128]| -> Vec<u128> {
        let is_kept = |number: &u128| keep.contains(&(number % 6));
        (1..=24).rev().filter(is_kept).collect()
    };
    assert_eq!(list(("ann", &[]), None).await, newest(&[0, 1, 3]));
    assert_eq!(list(("ann", &["it"]), None).await, newest(&[0, 1, 2, 3]));
    assert_eq!(list(("bob", &[]), None).await, newest(&[0, 4]));
    assert_eq!(
        list(("zoe", &["hr", "it"]), None).await,
        newest(&[0, 2, 3, 4])
    );
    assert_eq!(list(("zoe", &[]), Some("flow")).await, newest(&[0]));
    assert!(list(("zoe", &[]), Some("other")).await.is_empty());
    let of = |of: &str, execution, status| CheckpointFilter {
        workflow: Some(workflow(of)),
        execution,
        status,
        ..CheckpointFilter::default()
    };
    assert_eq!(
        checkpoints(&*store, of("flow", None, None)).await,
        newest(&[0, 2, 4])
    );
    assert!(
        checkpoints(&*store, of("flow", Some(execution(2)), None))
            .await
            .is_empty()
    );

    // What is decided is nobody's any more; also when it comes and goes at once.
    let mut append = append(execution(1), 1, vec![line("")]);
    let mut rows = appends[0].checkpoints.clone();
    rows.truncate(6);
    append.checkpoints = rows
        .into_iter()
        .map(|row| closed(row, CheckpointOutcome::Approved))
        .collect();
    let mut brief = checkpoint(checkpoint_id(30), execution(1), NOW);
    append.checkpoints.push(brief.clone());
    brief = closed(brief, CheckpointOutcome::Expired);
    append.checkpoints.push(brief);
    store.commit(&[append]).await.unwrap();
    let is_open = |number: &u128| number % 2 == 1 || (14..=24).contains(number);
    let open = |keep: &[u128]| -> Vec<u128> { newest(keep).into_iter().filter(is_open).collect() };
    assert_eq!(list(("ann", &[]), None).await, open(&[0, 1, 3]));
    assert_eq!(
        list(("zoe", &["hr", "it"]), None).await,
        open(&[0, 2, 3, 4])
    );
    let pending = Some(CheckpointStatus::Pending);
    assert_eq!(
        checkpoints(&*store, of("flow", None, pending)).await,
        open(&[0, 2, 4])
    );
    let decided = CheckpointFilter {
        decider: Some(some_decider("ann", &[])),
        status: Some(CheckpointStatus::Approved),
        ..CheckpointFilter::default()
    };
    assert!(checkpoints(&*store, decided).await.is_empty());
}

/// Another version of the definition has others decide.
pub async fn an_open_checkpoint_goes_to_others(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    store
        .commit(&[lines(execution(1), 0, 1, "")])
        .await
        .unwrap();
    for (expected, names) in (1..).zip([&["bob", "group:it"][..], &["bob"], &[], &["zoe"]]) {
        let mut append = append(execution(1), expected, vec![line("")]);
        let mut row = checkpoint(checkpoint_id(24), execution(1), NOW);
        row.audience = audience(names, true);
        append.checkpoints = vec![row];
        store.commit(&[append]).await.unwrap();
        for (name, groups, group) in [
            ("bob", &[][..], "bob"),
            ("al", &["it"], "group:it"),
            ("zoe", &[], "zoe"),
        ] {
            let filter = CheckpointFilter {
                decider: Some(some_decider(name, groups)),
                ..CheckpointFilter::default()
            };
            let is_theirs = names.is_empty() || names.contains(&group);
            let found = checkpoints(&*store, filter).await;
            assert_eq!(found.len(), usize::from(is_theirs), "{name} of {names:?}");
        }
    }
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
