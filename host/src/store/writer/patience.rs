//! Committing to a database that may be away for a while, or end the connection before
//! it has said what became of a commit.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::warn;

use super::{Batch, wanted};
use crate::store::{Append, Appended, Store, StoreError};

/// First and longest pause before a commit is tried again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How long a host that stops goes on trying. What is not committed then is repeated by
/// whoever takes over.
const CLOSING_PATIENCE: Duration = Duration::from_secs(5);

/// Commits a batch and tells everybody, however long that takes.
///
/// Nothing is guessed: after an uncertain outcome the same commit is tried again. If it
/// was written before, it conflicts with itself, and the journal has its events.
pub(super) async fn commit(
    store: &dyn Store,
    mut batch: Batch,
    closing: &mut watch::Receiver<bool>,
) {
    let mut pause = PAUSE.0;
    let mut is_uncertain = false;
    let mut give_up = None;
    loop {
        let error = match attempt(store, &batch.appends, is_uncertain).await {
            Ok(appended) => return batch.settle(Ok(appended)),
            // A definition may have been removed since it was looked up.
            Err(StoreError::Invalid(_)) if refuse_undefined(store, &mut batch).await => {
                if batch.appends.is_empty() {
                    return;
                }
                continue;
            }
            Err(error) if !is_uncertain && !error.is_retryable() => {
                return batch.settle(Err(error));
            }
            Err(error) => error,
        };
        is_uncertain |= error.is_uncertain();
        if !is_uncertain {
            batch.refuse_starts(&error);
            if batch.appends.is_empty() {
                return;
            }
        }
        if *closing.borrow() {
            let until = *give_up.get_or_insert_with(|| Instant::now() + CLOSING_PATIENCE);
            if Instant::now() >= until {
                // What was uncertain once is not known to have failed.
                let error = match error {
                    StoreError::Unavailable(reason) if is_uncertain => {
                        StoreError::Uncertain(reason)
                    }
                    error => error,
                };
                return batch.settle(Err(error));
            }
        }
        warn!(%error, appends = batch.appends.len(), "failed to commit; trying again");
        sleep(pause).await;
        pause = PAUSE.1.min(pause * 2);
    }
}

/// Takes those out of a batch whose definitions are not there; false when that explains nothing.
async fn refuse_undefined(store: &dyn Store, batch: &mut Batch) -> bool {
    let all: Vec<_> = batch.appends.iter().flat_map(wanted).collect();
    match store.queries().startable(&all).await {
        Ok(defined) => batch.refuse_undefined(&defined),
        Err(error) => {
            warn!(%error, "failed to look for removed definitions");
            false
        }
    }
}

async fn attempt(
    store: &dyn Store,
    appends: &[Append],
    is_uncertain: bool,
) -> Result<Vec<Appended>, StoreError> {
    let mut appended = store.commit(appends).await?;
    if is_uncertain {
        for (append, appended) in appends.iter().zip(&mut appended) {
            if *appended != Appended::Committed && is_there(store, append).await? {
                *appended = Appended::Committed;
            }
        }
    }
    Ok(appended)
}

/// Does the journal have exactly these events in this place?
async fn is_there(store: &dyn Store, append: &Append) -> Result<bool, StoreError> {
    let count = u32::try_from(append.events.len()).unwrap_or(u32::MAX);
    let events = store.events(append.execution, append.expected, count, usize::MAX);
    // A store that cannot read now cannot say no.
    let events = events.await.map_err(|error| match error {
        StoreError::Unavailable(reason) => StoreError::Uncertain(reason),
        error => error,
    })?;
    Ok(events == append.events)
}
