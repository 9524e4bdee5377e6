//! A database that is away, or does not say what became of a commit.

use super::*;

#[tokio::test]
async fn a_start_is_refused_when_the_database_is_away_and_the_next_batch_goes_on() {
    let harness = Harness::new().await;
    harness.occupy(1).await;
    let first = harness.append(lines(execution(1), 0, 1, "")).await;
    let other = harness.append(lines(execution(2), 0, 1, "")).await;
    harness.pass(1);
    eventually(|| harness.commits() == 2).await;
    let behind = harness.append(lines(execution(1), 1, 1, "")).await;
    let stranger = harness.append(lines(execution(3), 0, 1, "")).await;
    let failure = StoreError::Unavailable("busy".into());
    harness.fail_next(failure.clone(), false);
    harness.pass(9);
    let failed = Err(failure);
    assert_eq!(outcomes([first, other, behind]).await, vec![failed; 3]);
    assert_eq!(outcomes([stranger]).await, [Ok(Committed)]);
    let again = harness.append(lines(execution(1), 0, 2, "")).await;
    assert_eq!(outcomes([again]).await, [Ok(Committed)]);
    eventually(|| harness.is_forgotten()).await;
}

#[tokio::test]
async fn what_runs_waits_for_a_database_that_is_away() {
    let harness = Harness::new().await;
    let (a, b) = (execution(1), execution(2));
    let inner = &harness.gate.inner;
    inner.commit(&[lines(a, 0, 2, "")]).await.unwrap();
    harness.occupy(1).await;
    let told = harness.append(lines(a, 2, 1, "")).await;
    let start = harness.append(lines(b, 0, 1, "")).await;
    for _ in 0..3 {
        harness.fail_next(StoreError::Unavailable("away".into()), false);
    }
    // The commit that occupied the writer fails as well, and is a start.
    harness.pass(9);
    let outcome = outcomes([told, start]).await;
    let away = Err(StoreError::Unavailable("away".into()));
    assert_eq!(outcome, [Ok(Committed), away]);
    assert_eq!(inner.load(a).await.unwrap().unwrap().summary.version, 3);
    assert_eq!(inner.load(b).await, Ok(None));
}

#[tokio::test]
async fn an_uncertain_outcome_is_found_out() {
    for is_written in [true, false] {
        let harness = Harness::new().await;
        harness.occupy(1).await;
        let inner = &harness.gate.inner;
        inner
            .commit(&[lines(execution(3), 0, 2, "")])
            .await
            .unwrap();
        let start = harness.append(lines(execution(1), 0, 1, "")).await;
        let mut keyed = lines(execution(2), 0, 1, "");
        keyed.key = Some(key("k", "r"));
        let keyed = harness.append(keyed).await;
        let next = harness.append(lines(execution(3), 2, 1, "")).await;
        // Of another host, in whose place somebody else has written.
        let lost = harness.append(lines(execution(4), 1, 1, "")).await;
        harness.pass(1);
        eventually(|| harness.commits() == 2).await;
        harness.fail_next(
            StoreError::Uncertain("the connection broke".into()),
            is_written,
        );
        harness.pass(9);
        let outcome = outcomes([start, keyed, next, lost]).await;
        assert_eq!(
            outcome,
            [Ok(Committed), Ok(Committed), Ok(Committed), Ok(Conflict)],
            "{is_written}"
        );
        for (number, version) in [(1, 1), (2, 1), (3, 3)] {
            let journal = inner.load(execution(number)).await.unwrap().unwrap();
            assert_eq!(journal.summary.version, version);
        }
        eventually(|| harness.is_forgotten()).await;
    }
}
