//! How far executions are, told to other hosts: apart from commits, which that would slow
//! down, and many at a time.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};
use tracing::debug;

use super::Shared;
use crate::{events::Progress, workflow::ExecutionId};

/// Pause after something was told, in which more gathers.
const PAUSE: Duration = Duration::from_millis(20);

/// What other hosts have not been told yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    latest: Mutex<HashMap<ExecutionId, Progress>>,
    some: Notify,
}

impl Shared {
    /// Tells everybody how far an execution is, which was at `before` when they were told last.
    pub(super) fn publish(&self, execution: ExecutionId, before: u64, progress: Progress) {
        self.events.publish(execution, progress);
        // Of what is over when it is first heard of nobody elsewhere can have asked.
        let is_news = before > 0 || !progress.is_over;
        if is_news && *self.peers.borrow() > 0 {
            let latest = self.untold.latest.lock();
            let mut latest = latest.unwrap_or_else(PoisonError::into_inner);
            latest.insert(execution, progress);
            drop(latest);
            self.untold.some.notify_one();
        }
    }

    /// Tells other hosts, until the host has stopped.
    pub(super) async fn tell(&self) {
        let Some(cluster) = self.store.cluster() else {
            return;
        };
        loop {
            self.untold.some.notified().await;
            let latest = mem::take(
                &mut *(self.untold.latest.lock()).unwrap_or_else(PoisonError::into_inner),
            );
            let latest: Vec<_> = latest.into_iter().collect();
            if let Err(error) = cluster.tell(&latest).await {
                // Who follows an execution looks at the store as well.
                debug!(%error, "failed to tell other hosts how far executions are");
            }
            sleep(PAUSE).await;
        }
    }
}
