//! What happens to an execution, wherever it runs.

use std::time::Duration;

use crate::{
    events::{Progress, Subscription},
    store::{Store, StoreError},
    workflow::ExecutionId,
};

/// First and longest pause between two looks at an execution that may be on another host,
/// from which no word has come.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Waits until there is news of an execution beyond the version that is known. What
/// happens on this host is told at once, what happens on others usually too; that may be
/// lost, so they are looked at as well.
pub(super) async fn news(
    subscription: &mut Subscription,
    store: &dyn Store,
    id: ExecutionId,
    known: u64,
) -> Result<Progress, StoreError> {
    if store.cluster().is_none() {
        return Ok(subscription.changed().await);
    }
    let mut pause = PAUSE.0;
    loop {
        if let Ok(progress) = tokio::time::timeout(pause, subscription.changed()).await {
            return Ok(progress);
        }
        pause = PAUSE.1.min(pause * 2);
        let Some(summary) = store.queries().execution(id).await? else {
            return Err(StoreError::Corrupt(format!("execution {id} is gone")));
        };
        let progress = Progress {
            version: summary.version,
            is_over: summary.status.is_over(),
        };
        if progress.version > known {
            return Ok(progress);
        }
    }
}
