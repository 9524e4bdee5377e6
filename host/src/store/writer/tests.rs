//! Group commit, over a store that can be held up and made to fail.

mod away;
mod bounds;

use std::{
    mem,
    sync::{atomic::AtomicUsize, atomic::Ordering},
};

use bytes::Bytes;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::{
    store::{
        HostId,
        conformance::examples::{
            NOW, append, checkpoint, checkpoint_id, closed, document, execution, key, lines,
        },
        gate::{Failure, Gate, eventually, within_seconds},
    },
    workflow::{Digest, Event, Timestamp},
};
use Appended::{Committed, Conflict, Duplicate};

struct Harness {
    gate: Arc<Gate>,
    writer: Writer,
    _folder: TempDir,
}

type Told = oneshot::Receiver<Outcome>;

impl Harness {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::new(&folder).await;
        Self {
            writer: Writer::start(gate.clone()),
            gate,
            _folder: folder,
        }
    }

    async fn append(&self, append: Append) -> Told {
        let (tell, told) = oneshot::channel();
        let done = |outcome| drop(tell.send(outcome));
        self.writer.append(append, done).await;
        told
    }

    fn commits(&self) -> usize {
        self.gate.commits()
    }

    /// Lets this many commits through.
    fn pass(&self, commits: usize) {
        self.gate.pass(commits);
    }

    fn fail_next(&self, error: StoreError, is_written: bool) {
        let failure = Failure { error, is_written };
        self.gate.failures.lock().unwrap().push(failure);
    }

    /// Brings the writer into a commit (of an execution of its own), so that what is
    /// appended next gathers behind it.
    async fn occupy(&self, number: u128) {
        let before = self.commits();
        drop(self.append(lines(execution(1000 + number), 0, 1, "")).await);
        eventually(|| self.commits() == before + 1).await;
    }

    fn is_forgotten(&self) -> bool {
        self.writer.chains.is_empty()
    }
}

async fn outcomes(told: impl IntoIterator<Item = Told>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for told in told {
        outcomes.push(within_seconds(told).await.unwrap());
    }
    outcomes
}

#[tokio::test]
async fn what_gathers_is_one_commit_and_one_append_per_execution() {
    let harness = Harness::new().await;
    let (a, b) = (execution(1), execution(2));
    harness.occupy(1).await;
    let mut appends = [
        lines(a, 0, 2, ""),
        lines(b, 0, 1, ""),
        lines(a, 2, 1, ""),
        lines(a, 3, 3, ""),
    ];
    let opened = checkpoint(checkpoint_id(1), a, NOW);
    let decided = closed(opened.clone(), crate::store::CheckpointOutcome::Approved);
    let blob = |text: &'static str| {
        (
            Digest::of(text.as_bytes()),
            Bytes::from_static(text.as_bytes()),
        )
    };
    appends[0].key = Some(key("k", ""));
    appends[0].checkpoints.push(opened);
    appends[0].blobs.push(blob("first"));
    appends[2].blobs.push(blob("second"));
    appends[3].checkpoints.push(decided.clone());
    appends[3].waiting = true;
    appends[3].wake_at = Some(Timestamp(5));
    let mut told = Vec::new();
    for append in appends.clone() {
        told.push(harness.append(append).await);
    }
    harness.pass(2);
    assert_eq!(outcomes(told).await, vec![Ok(Committed); 4]);
    assert_eq!(harness.gate.batches.lock().unwrap()[1], [(a, 6), (b, 1)]);

    let store = &harness.gate.inner;
    let journal = store.load(a).await.unwrap().unwrap();
    let events = appends.iter().filter(|append| append.execution == a);
    let events: Vec<_> = events.flat_map(|append| append.events.clone()).collect();
    assert_eq!(
        (journal.summary, journal.events),
        (appends[3].summary.clone(), events)
    );
    let found = store.queries().checkpoint(checkpoint_id(1)).await;
    assert_eq!(found, Ok(Some(decided)));
    for text in ["first", "second"] {
        assert!(store.blob(blob(text).0).await.unwrap().is_some());
    }
    let woken = |now| store.claim(HostId(uuid::Uuid::nil()), Timestamp(now), 10);
    assert!(!woken(4).await.unwrap().contains(&a));
    assert!(woken(5).await.unwrap().contains(&a));
    eventually(|| harness.is_forgotten()).await;
}

#[tokio::test]
async fn the_tail_of_a_lost_journal_is_not_taken_for_the_winners() {
    let harness = Harness::new().await;
    let id = execution(1);
    // Somebody else brought it to version 4.
    harness
        .gate
        .inner
        .commit(&[lines(id, 0, 2, "")])
        .await
        .unwrap();
    harness
        .gate
        .inner
        .commit(&[lines(id, 2, 2, "winner")])
        .await
        .unwrap();

    let lost = harness.append(lines(id, 2, 2, "loser")).await;
    eventually(|| harness.commits() == 1).await;
    // Queued while the first is in flight; its numbers fit the winner's journal.
    let tail = harness.append(lines(id, 4, 1, "loser")).await;
    let end = harness.append(lines(id, 5, 1, "loser")).await;
    harness.pass(9);
    assert_eq!(outcomes([lost, tail, end]).await, vec![Ok(Conflict); 3]);
    // Who has heard of it starts anew.
    let fresh = harness.append(lines(id, 4, 1, "fresh")).await;
    assert_eq!(outcomes([fresh]).await, [Ok(Committed)]);
    let journal = harness.gate.inner.load(id).await.unwrap().unwrap();
    assert!(!format!("{journal:?}").contains("loser"));
    eventually(|| harness.is_forgotten()).await;
}

#[tokio::test]
async fn a_duplicate_start_takes_what_followed_it_along() {
    let harness = Harness::new().await;
    let start = |number| {
        let mut append = lines(execution(number), 0, 1, "");
        append.key = Some(key("k", "r"));
        append
    };
    harness.gate.inner.commit(&[start(1)]).await.unwrap();
    harness.occupy(1).await;
    let told = [
        harness.append(start(2)).await,
        harness.append(lines(execution(2), 1, 1, "")).await,
    ];
    harness.pass(9);
    let first = crate::store::Keyed {
        execution: execution(1),
        request: Digest::of(b"r"),
    };
    assert_eq!(outcomes(told).await, [Ok(Duplicate(first)), Ok(Conflict)]);
}

#[tokio::test]
async fn appends_that_do_not_follow_are_the_databases_to_judge() {
    let harness = Harness::new().await;
    let id = execution(1);
    harness.occupy(1).await;
    let told = [
        harness.append(lines(id, 0, 2, "right")).await,
        harness.append(lines(id, 1, 1, "wrong")).await,
    ];
    harness.pass(9);
    assert_eq!(outcomes(told).await, [Ok(Committed), Ok(Conflict)]);
}

#[tokio::test]
async fn an_impossible_append_harms_nobody() {
    let harness = Harness::new().await;
    harness.pass(9);
    let deep = (0..=crate::store::JSON_DEPTH_MAX).fold(json!(1), |inner, _| json!([inner]));
    let output = |value| {
        vec![Event::ExecutionCompleted {
            output: document(value),
        }]
    };
    let deepest = append(execution(1), 0, output(deep[0].clone()));
    let too_deep = append(execution(2), 0, output(deep));
    let mut gap = lines(execution(3), 0, 2, "");
    gap.events.remove(0);
    let mut empty = lines(execution(4), 3, 1, "");
    empty.events.clear();
    let mut late_key = lines(execution(5), 3, 1, "");
    late_key.key = Some(key("k", ""));
    for (append, reason) in [
        (too_deep, "nested deeper than 120 levels"),
        (gap, "event 2 where 1 is due"),
        (empty, "it has no events"),
        (late_key, "it has a key, but is no start"),
    ] {
        let told = harness.append(append).await;
        let Ok(Err(StoreError::Invalid(what))) = told.await else {
            panic!("accepted: {reason}");
        };
        assert!(what.contains(reason), "{what}");
    }
    assert_eq!(
        outcomes([harness.append(deepest).await]).await,
        [Ok(Committed)]
    );
    // What is accepted can be read.
    harness
        .gate
        .inner
        .load(execution(1))
        .await
        .unwrap()
        .unwrap();
    eventually(|| harness.is_forgotten()).await;
}
