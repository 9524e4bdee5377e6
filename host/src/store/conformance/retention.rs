//! What has been kept long enough goes, with all that belongs to it and nothing else.

use bytes::Bytes;

use super::{
    TestDatabase,
    examples::{NOW, checkpoint, checkpoint_id, execution, lines, with_status},
    prepared,
};
use crate::{
    store::{Append, CheckpointFilter, Keep, Page, Store},
    workflow::{Digest, ExecutionStatus, Timestamp},
};

const DAY: i64 = 86_400_000;

fn ended(number: u128, day: i64, keep_days: Option<u32>, blobs: &[&'static str]) -> Append {
    let mut append = with_status(
        lines(execution(number), 0, 2, ""),
        ExecutionStatus::Completed,
    );
    append.summary.ended_at = Some(Timestamp(NOW.0 + day * DAY));
    append.keep_days = keep_days;
    append.checkpoints = vec![checkpoint(
        checkpoint_id(number),
        execution(number),
        Timestamp(NOW.0),
    )];
    append.blobs = blobs
        .iter()
        .map(|text| {
            (
                Digest::of(text.as_bytes()),
                Bytes::from_static(text.as_bytes()),
            )
        })
        .collect();
    append
}

async fn left(store: &dyn Store) -> Vec<u128> {
    let mut left = Vec::new();
    for number in 1..=7 {
        if store.load(execution(number)).await.unwrap().is_some() {
            left.push(number);
        }
    }
    left
}

async fn blobs(store: &dyn Store) -> Vec<&'static str> {
    let mut found = Vec::new();
    for text in ["one", "shared", "two"] {
        let blob = store.blob(Digest::of(text.as_bytes())).await.unwrap();
        found.extend(blob.map(|_| text));
    }
    found
}

pub async fn what_was_kept_long_enough_is_removed(database: &dyn TestDatabase) {
    let store = prepared(database).await;
    let mut running = lines(execution(5), 0, 1, "");
    running.keep_days = Some(0);
    let appends = [
        ended(1, 0, None, &["one", "shared"]),
        ended(2, 5, None, &["two", "shared"]),
        ended(3, 5, Some(1), &["shared"]),
        ended(4, 0, Some(100), &[]),
        running,
        ended(6, 0, None, &[]),
    ];
    store.commit(&appends).await.unwrap();
    let expire = async |day: i64, keep, limit| {
        let now = Timestamp(NOW.0 + day * DAY + 1);
        store.expire(now, keep, limit).await.unwrap()
    };
    let sizes = crate::store::sizes(&database.url()).await.unwrap();
    let by_status = [("completed".to_owned(), 5), ("running".to_owned(), 1)];
    assert_eq!(sizes.executions, by_status);
    let journal = sizes.tables.iter().find(|table| table.name == "journal");
    assert!(journal.unwrap().bytes > 0 && sizes.bytes > journal.unwrap().bytes);

    assert_eq!(expire(5, Keep::Forever, 100).await, 0);
    assert_eq!(expire(6, Keep::Forever, 100).await, 1);
    assert_eq!(left(&*store).await, [1, 2, 4, 5, 6]);
    assert_eq!(blobs(&*store).await, ["one", "shared", "two"]);

    assert_eq!(expire(7, Keep::Days(7), 1).await, 1);
    assert_eq!(expire(7, Keep::Days(7), 1).await, 1);
    assert_eq!(expire(7, Keep::Days(7), 1).await, 0);
    assert_eq!(left(&*store).await, [2, 4, 5]);
    assert_eq!(blobs(&*store).await, ["shared", "two"]);
    let page = Page {
        after: None,
        limit: 10,
    };
    let open = store
        .queries()
        .checkpoints(CheckpointFilter::default(), page);
    let open: Vec<_> = open
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.execution)
        .collect();
    assert_eq!(open, [execution(4), execution(2)]);
    assert!(
        store
            .events(execution(1), 0, 9, usize::MAX)
            .await
            .unwrap()
            .is_empty()
    );

    // The same bytes again, after they were gone.
    let again = ended(7, 200, None, &["one"]);
    store.commit(&[again]).await.unwrap();
    assert_eq!(expire(200, Keep::Days(7), 100).await, 2);
    assert_eq!(left(&*store).await, [5, 7]);
    assert_eq!(blobs(&*store).await, ["one"]);
}
