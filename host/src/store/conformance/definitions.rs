//! Definitions: versions without gaps, compared by document.

use serde_json::json;

use super::{
    TestDatabase,
    examples::{append, definition, execution, line, lines, with_status, workflow},
    open,
};
use crate::{
    store::{
        Append, Appended, Deprecated, Keep, Page, PutDefinition, Removal, Startable, Store,
        StoreError, StoredDefinition, Wanted, Writer,
    },
    workflow::{ExecutionStatus, Timestamp, Version},
};

fn stored(put: PutDefinition) -> StoredDefinition {
    match put {
        PutDefinition::Stored(stored) => stored,
        PutDefinition::Stale(latest) => panic!("stale: the latest is {latest}"),
    }
}

async fn put(store: &dyn Store, name: &str, number: u32) -> StoredDefinition {
    let new = definition(name, json!({"z": number, "a": [1, {"y": null, "b": 2}]}));
    stored(store.put_definition(new, None).await.unwrap())
}

pub async fn a_change_is_the_next_version(database: &dyn TestDatabase) {
    let store = open(database).await;
    let first = put(&*store, "flow", 1).await;
    assert_eq!(first.version, Version(1));
    let again = put(&*store, "flow", 1).await;
    assert_eq!(again, first);
    assert_eq!(put(&*store, "flow", 2).await.version, Version(2));
    // Equal to an older one only: a version of its own.
    assert_eq!(put(&*store, "flow", 1).await.version, Version(3));
    assert_eq!(put(&*store, "other", 1).await.version, Version(1));

    let flow = workflow("flow");
    let latest = store.queries().definition(&flow, None).await.unwrap();
    assert_eq!(latest.unwrap().version, Version(3));
    let second = store
        .queries()
        .definition(&flow, Some(Version(2)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        serde_json::to_string(&second.document).unwrap(),
        r#"{"z":2,"a":[1,{"y":null,"b":2}]}"#,
        "the author's order of keys"
    );
    for absent in [Some(Version(4)), Some(Version(0))] {
        let found = store.queries().definition(&flow, absent).await.unwrap();
        assert_eq!(found, None);
    }
}

pub async fn the_expected_version_is_compared(database: &dyn TestDatabase) {
    let store = open(database).await;
    let change = |number| definition("flow", json!({ "z": number }));
    let cases = [
        (change(1), Some(1), Err(0)),
        (change(1), Some(0), Ok(1)),
        (change(1), Some(0), Err(1)),
        (change(1), Some(1), Ok(1)),
        (change(2), Some(0), Err(1)),
        (change(2), Some(1), Ok(2)),
        (change(2), Some(1), Err(2)),
        (change(3), Some(9), Err(2)),
    ];
    for (new, expected, result) in cases {
        let put = store.put_definition(new, expected).await.unwrap();
        match result {
            Ok(version) => assert_eq!(stored(put).version, Version(version)),
            Err(latest) => assert_eq!(put, PutDefinition::Stale(latest)),
        }
    }
}

pub async fn concurrent_puts_make_versions_in_a_row(database: &dyn TestDatabase) {
    const PUTS: u32 = 16;
    let store = open(database).await;
    let puts = (0..PUTS).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { put(&*store, "flow", number).await.version.0 })
    });
    let mut versions = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        versions.push(put.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=PUTS).collect::<Vec<_>>());

    // Of many who expect the same version, one gets it.
    let puts = (0..PUTS).map(|number| {
        let store = store.clone();
        let new = definition("flow", json!({ "race": number }));
        tokio::spawn(async move { store.put_definition(new, Some(PUTS)).await.unwrap() })
    });
    let mut winners = 0;
    for put in puts.collect::<Vec<_>>() {
        match put.await.unwrap() {
            PutDefinition::Stored(_) => winners += 1,
            PutDefinition::Stale(latest) => assert_eq!(latest, PUTS + 1),
        }
    }
    assert_eq!(winners, 1);
}

pub async fn definitions_are_listed(database: &dyn TestDatabase) {
    let store = open(database).await;
    let queries = store.queries();
    assert_eq!(queries.workflow_count().await.unwrap(), 0);
    for (name, versions) in [("b", 3), ("a", 1), ("C", 2)] {
        for number in 0..versions {
            put(&*store, name, number).await;
        }
    }
    assert_eq!(queries.workflow_count().await.unwrap(), 3);

    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 2 };
        let items = queries.definitions(page).await.unwrap();
        let Some(last) = items.last() else { break };
        after = Some(last.workflow.clone());
        listed.extend(
            items
                .into_iter()
                .map(|item| (item.workflow.to_string(), item.version.0)),
        );
    }
    let expected = [("C", 2), ("a", 1), ("b", 3)];
    assert_eq!(
        listed,
        expected.map(|(name, version)| (name.to_owned(), version))
    );

    let mut versions = Vec::new();
    let mut after = None;
    loop {
        let page = Page { after, limit: 2 };
        let items = queries.versions(&workflow("b"), page).await.unwrap();
        let Some(last) = items.last() else { break };
        after = Some(last.version);
        versions.extend(items.iter().map(|item| item.version.0));
    }
    assert_eq!(versions, [3, 2, 1]);
}

async fn startable(store: &dyn Store, version: Option<u32>) -> Option<(u32, Option<String>)> {
    let wanted: Wanted = (workflow("flow"), version.map(Version));
    let others = ["none", "other"].map(|name| (workflow(name), None));
    let [none, other] = others.clone();
    let asked = [none.clone(), wanted.clone(), other.clone()];
    let found = store.queries().startable(&asked).await.unwrap();
    assert_eq!(found.get(&none), None);
    let version = Version(1);
    let deprecated = None;
    assert_eq!(
        found.get(&other),
        Some(&Startable {
            version,
            deprecated
        })
    );
    let found = found.get(&wanted)?;
    Some((found.version.0, found.deprecated.clone()))
}

pub async fn a_deprecated_version_is_passed_over(database: &dyn TestDatabase) {
    let store = open(database).await;
    put(&*store, "other", 1).await;
    assert_eq!(startable(&*store, None).await, None);
    for number in 1..=3 {
        put(&*store, "flow", number).await;
    }
    let flow = workflow("flow");
    let set = async |version, reason: Option<&str>| {
        let deprecated = reason.map(|reason| Deprecated {
            reason: reason.to_owned(),
            at: Timestamp(7),
        });
        let set = store.deprecate(&flow, Version(version), deprecated.clone());
        let set = set.await.unwrap();
        if let Some(set) = &set {
            assert_eq!(set.deprecated, deprecated);
        }
        set
    };
    assert_eq!(set(4, Some("absent")).await, None);
    assert_eq!(startable(&*store, None).await, Some((3, None)));
    assert!(set(3, Some("slow")).await.is_some());
    set(1, Some("old")).await;
    let slow = || Some("slow".to_owned());
    assert_eq!(startable(&*store, None).await, Some((2, None)));
    assert_eq!(startable(&*store, Some(3)).await, Some((3, slow())));
    assert_eq!(startable(&*store, Some(2)).await, Some((2, None)));
    assert_eq!(startable(&*store, Some(4)).await, None);
    set(2, Some("wrong")).await;
    assert_eq!(startable(&*store, None).await, Some((3, slow())));
    // It is the latest all the same, and everybody sees what it is.
    assert_eq!(
        put(&*store, "flow", 3).await.deprecated.unwrap().reason,
        "slow"
    );
    let page = Page {
        after: None,
        limit: 9,
    };
    let listed = store.queries().versions(&flow, page).await.unwrap();
    let reasons: Vec<_> = (listed.into_iter())
        .map(|item| item.deprecated.unwrap().reason)
        .collect();
    assert_eq!(reasons, ["slow", "wrong", "old"]);
    set(2, None).await;
    set(2, None).await;
    assert_eq!(startable(&*store, None).await, Some((2, None)));
    put(&*store, "flow", 4).await;
    assert_eq!(startable(&*store, None).await, Some((4, None)));
}

/// A start of this version of `flow`.
fn start(number: u128, version: u32) -> Append {
    let mut start = lines(execution(number), 0, 1, "");
    start.summary.definition = Version(version);
    start
}

pub async fn what_no_execution_needs_is_removed(database: &dyn TestDatabase) {
    let store = open(database).await;
    for number in 1..=5 {
        put(&*store, "flow", number).await;
    }
    put(&*store, "other", 1).await;
    let flow = workflow("flow");
    let remove = async |version: Option<u32>| {
        let removed = store.remove_definitions(&flow, version.map(Version)).await;
        removed.unwrap()
    };
    let committed = store.commit(&[start(1, 1), start(2, 1), start(3, 3)]).await;
    assert_eq!(committed, Ok(vec![Appended::Committed; 3]));
    // The first migrates, and needs both versions from then on.
    let mut migrated = append(execution(1), 1, vec![line("migrated")]);
    migrated.summary.definition = Version(4);
    migrated.left = vec![Version(1)];
    let committed = store.commit(&[migrated]).await;
    assert_eq!(committed, Ok(vec![Appended::Committed]));
    let found = store.queries().execution(execution(1)).await.unwrap();
    assert_eq!(found.unwrap().definition, Version(4));

    assert_eq!(remove(Some(1)).await, Removal::Used(2));
    assert_eq!(remove(Some(4)).await, Removal::Used(1));
    assert_eq!(remove(None).await, Removal::Used(3));
    assert_eq!(remove(Some(6)).await, Removal::Absent);
    assert_eq!(remove(Some(5)).await, Removal::Removed);
    assert_eq!(remove(Some(2)).await, Removal::Removed);
    assert_eq!(remove(Some(2)).await, Removal::Absent);
    let latest = store.queries().definition(&flow, None).await.unwrap();
    assert_eq!(latest.unwrap().version, Version(4));
    assert_eq!(startable(&*store, None).await, Some((4, None)));
    // Version 5 was there already.
    assert_eq!(put(&*store, "flow", 7).await.version, Version(6));
    let stale = definition("flow", json!({"z": 8}));
    let stale = store.put_definition(stale, Some(5)).await.unwrap();
    assert_eq!(stale, PutDefinition::Stale(6));

    // When the executions have been kept long enough, nothing is needed any more.
    let ends: Vec<_> = [(1, 2, 4), (2, 1, 1), (3, 1, 3)]
        .map(|(number, version, of)| {
            let mut end = append(execution(number), version, vec![line("end")]);
            end.summary.definition = Version(of);
            with_status(end, ExecutionStatus::Completed)
        })
        .into();
    store.commit(&ends).await.unwrap();
    let later = Timestamp(i64::MAX / 2);
    assert_eq!(store.expire(later, Keep::Days(0), 10).await, Ok(3));
    assert_eq!(remove(Some(1)).await, Removal::Removed);
    assert_eq!(remove(None).await, Removal::Removed);
    assert_eq!(remove(None).await, Removal::Absent);
    assert_eq!(store.queries().workflow_count().await, Ok(1));
    let page = Page {
        after: None,
        limit: 9,
    };
    let listed = store.queries().definitions(page).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|item| item.workflow.as_str()).collect();
    assert_eq!(listed, ["other"]);
    assert_eq!(startable(&*store, None).await, None);
    // And goes on counting, after a restart as well.
    drop(store);
    let store = open(database).await;
    let new = definition("flow", json!({"z": 9}));
    let new = store.put_definition(new, Some(0)).await.unwrap();
    assert_eq!(stored(new).version, Version(7));
}

pub async fn a_start_and_a_removal_never_both_succeed(database: &dyn TestDatabase) {
    let store = open(database).await;
    let writer = Writer::start(store.clone());
    let flow = workflow("flow");
    let (mut started, mut removed) = (0, 0);
    for round in 1..=30_u32 {
        let version = put(&*store, "flow", round).await.version;
        let start = start(round.into(), version.0);
        let (done, outcome) = tokio::sync::oneshot::channel();
        let append = async {
            let tell = move |result: Result<Appended, StoreError>| drop(done.send(result));
            writer.append(start, tell).await;
            outcome.await.unwrap().unwrap()
        };
        let remove = store.remove_definitions(&flow, Some(version));
        let (appended, removal) = tokio::join!(append, remove);
        match (appended, removal.unwrap()) {
            (Appended::Committed, Removal::Used(1)) => started += 1,
            (Appended::Undefined, Removal::Removed) => removed += 1,
            both => panic!("round {round}: {both:?}"),
        }
        let execution = execution(round.into());
        let is_there = store.load(execution).await.unwrap().is_some();
        let definition = store.queries().definition(&flow, Some(version)).await;
        assert_eq!(is_there, definition.unwrap().is_some());
    }
    assert_eq!(started + removed, 30);
    writer.close().await;
}
