//! Bounds: of batches, of the queue, and what happens when nobody waits any more.

use super::*;

#[tokio::test]
async fn batches_are_bounded_in_number_and_bytes() {
    let harness = Harness::new().await;
    harness.occupy(1).await;
    let mut told = Vec::new();
    for number in 0..300 {
        told.push(harness.append(lines(execution(number), 0, 1, "")).await);
    }
    let big = "x".repeat(BATCH_BYTES_MAX / 2);
    for number in 300..303 {
        told.push(harness.append(lines(execution(number), 0, 1, &big)).await);
    }
    harness.pass(99);
    let outcomes = outcomes(told).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Ok(Committed)));
    let batches = mem::take(&mut *harness.gate.batches.lock().unwrap());
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(
        sizes,
        [1, BATCH_APPENDS_MAX, 300 - BATCH_APPENDS_MAX + 1, 1, 1]
    );
}

#[tokio::test]
async fn a_full_queue_holds_back_and_closing_commits_it() {
    let harness = Harness::new().await;
    let committed = Arc::new(AtomicUsize::new(0));
    let total = QUEUE_APPENDS_MAX + 2 * BATCH_APPENDS_MAX;
    let feeder = tokio::spawn({
        let (writer, committed) = (harness.writer.clone(), committed.clone());
        async move {
            for version in 0..total as u64 {
                let committed = committed.clone();
                let done = move |outcome| {
                    assert_eq!(outcome, Ok(Committed));
                    committed.fetch_add(1, Ordering::Relaxed);
                };
                writer
                    .append(lines(execution(1), version, 1, ""), done)
                    .await;
            }
        }
    });
    eventually(|| harness.commits() == 1 && harness.writer.queue.capacity() == 0).await;
    assert!(!feeder.is_finished());
    harness.pass(99);
    within_seconds(feeder).await.unwrap();
    within_seconds(harness.writer.close()).await;
    assert_eq!(committed.load(Ordering::Relaxed), total);
    let after = harness.append(lines(execution(2), 0, 1, "")).await;
    let closed = StoreError::Unavailable("the journal is closed".into());
    assert_eq!(outcomes([after]).await, [Err(closed)]);
    assert!(harness.is_forgotten());
}

#[tokio::test]
async fn a_given_up_append_is_told() {
    let harness = Harness::new().await;
    harness.occupy(1).await;
    while harness.writer.queue.capacity() > 0 {
        let number = 10 + harness.writer.queue.capacity() as u128;
        drop(harness.append(lines(execution(number), 0, 1, "")).await);
    }
    let (tell, told) = oneshot::channel();
    let done = |outcome| drop(tell.send(outcome));
    let mut waiting = Box::pin(harness.writer.append(lines(execution(1), 0, 1, ""), done));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(waiting);
    let outcome = within_seconds(told).await.unwrap();
    assert!(
        matches!(outcome, Err(StoreError::Uncertain(_))),
        "{outcome:?}"
    );
}
