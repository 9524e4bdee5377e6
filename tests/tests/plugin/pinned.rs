//! Components that the catalog does not have: from the store, once, within the limits of their
//! name, or with a precise reason why not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use phasewright::{
    plugin::{Attempt, PhaseRunner, PinnedError},
    store::{Components, NewComponent, StoreError},
    workflow::{Digest, Failure, FailureKind, Json, Position},
};
use serde_json::json;

use crate::rig::{Listener, Rig};

/// What a store would keep, in memory.
#[derive(Default)]
struct Shelf {
    kept: Mutex<HashMap<Digest, Bytes>>,
    reads: AtomicUsize,
    writes: AtomicUsize,
    /// Reads that fail before one succeeds.
    failures: AtomicUsize,
}

#[async_trait]
impl Components for Shelf {
    async fn absent_components(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let absent = digests.iter().filter(|digest| !kept.contains_key(digest));
        Ok(absent.copied().collect())
    }

    async fn keep_component(&self, component: &NewComponent) -> Result<(), StoreError> {
        self.writes.fetch_add(1, SeqCst);
        self.put(component.digest, component.data.clone());
        Ok(())
    }

    async fn component(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.reads.fetch_add(1, SeqCst);
        let failing = |left: usize| left.checked_sub(1);
        if self.failures.fetch_update(SeqCst, SeqCst, failing).is_ok() {
            return Err(StoreError::Unavailable("away".into()));
        }
        Ok(self.kept.lock().unwrap().get(&digest).cloned())
    }
}

impl Shelf {
    fn put(&self, digest: Digest, data: Bytes) {
        self.kept.lock().unwrap().insert(digest, data);
    }
}

/// A shelf with the first edition on it, and an attempt of it.
async fn deployed() -> (Arc<Shelf>, Attempt) {
    let shelf = Arc::new(Shelf::default());
    let rig = Rig::new(&["edition_first"], "").await;
    let attempt = rig.attempt("edition", json!({}), json!({"n": 1}));
    for _ in 0..2 {
        let again = Rig::new(&["edition_first"], "").await;
        again.keep(shelf.clone()).await;
    }
    assert_eq!(shelf.writes.load(SeqCst), 1, "kept what was there");
    (shelf, attempt)
}

async fn run(rig: &Rig, attempt: &Attempt) -> Result<Json, Failure> {
    let produced = rig.sandbox.run(attempt.clone(), Listener::new()).await;
    produced.map(|produced| produced.output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_attempts_at_once_load_what_they_pinned_once() {
    let (shelf, attempt) = deployed().await;
    // Another edition has the name now; the store is away at first.
    shelf.failures.store(1, SeqCst);
    let rig = Rig::new(&["edition_second"], "").await;
    let rig = rig.keep(shelf.clone()).await;
    let outputs = join_all((0..20).map(|_| run(&rig, &attempt))).await;
    for output in outputs {
        assert_eq!(*output.unwrap(), json!({"n": 2, "edition": 1}));
    }
    let (name, digest) = (&attempt.phase, attempt.digest);
    let good = json!({"n": 2, "edition": 1});
    let check = rig
        .sandbox
        .check_edit(name, digest, Position::After, &good)
        .await;
    assert_eq!(check, Ok(Vec::new()));
    let wrong = json!({"n": 2, "edition": "two"});
    let check = rig
        .sandbox
        .check_edit(name, digest, Position::After, &wrong)
        .await;
    assert_eq!(check.unwrap()[0].0, "/edition");
    // One that failed, and one for all.
    assert_eq!(shelf.reads.load(SeqCst), 2);
}

#[tokio::test]
async fn what_it_is_granted_goes_by_its_name() {
    let (shelf, attempt) = deployed().await;
    for (phases, grants) in [
        (
            &[][..],
            "[phase.edition]\noptional = true\nlimits.output_bytes = 5",
        ),
        (
            &["edition_second"],
            "[phase.edition.limits]\noutput_bytes = 5",
        ),
        (&["delay"], "[defaults.limits]\noutput_bytes = 5"),
    ] {
        let rig = Rig::new(phases, grants).await.keep(shelf.clone()).await;
        let failure = run(&rig, &attempt).await.unwrap_err();
        assert_eq!(failure.cause, FailureKind::LimitExceeded, "{failure}");
        assert!(failure.message.contains("output"), "{failure}");
    }
}

#[tokio::test]
async fn what_cannot_be_loaded_fails_with_the_reason() {
    let (shelf, mut attempt) = deployed().await;
    let rig = Rig::new(&[], "").await.keep(shelf.clone()).await;
    let good = shelf.kept.lock().unwrap()[&attempt.digest].clone();
    let damaged = Digest::of(b"damaged");
    shelf.put(damaged, good);
    let junk = Digest::of(b"junk");
    shelf.put(junk, Bytes::from_static(b"junk"));
    for (digest, reason) in [
        (
            damaged,
            "cannot be loaded from the database: its bytes have digest ",
        ),
        (junk, "cannot be loaded from the database: is no component"),
        (
            Digest::of(b"nowhere"),
            "is neither in the catalog nor in the database",
        ),
    ] {
        attempt.digest = digest;
        for _ in 0..2 {
            let failure = run(&rig, &attempt).await.unwrap_err();
            assert_eq!(failure.cause, FailureKind::Unavailable);
            let start = format!("phase edition with digest {digest} {reason}");
            assert!(failure.message.starts_with(&start), "{failure}");
        }
    }
    // What is broken is not read again; what is not there may come.
    assert_eq!(shelf.reads.load(SeqCst), 4);

    shelf.failures.store(1, SeqCst);
    attempt.digest = Digest::of(b"another");
    let (name, output) = (&attempt.phase, json!({}));
    let check = rig
        .sandbox
        .check_edit(name, attempt.digest, Position::After, &output);
    let error = check.await.unwrap_err();
    assert!(matches!(error, PinnedError::Unread { .. }), "{error}");
}
