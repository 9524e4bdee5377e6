//! The journal of an execution: a page of it, and as a live stream.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt, stream, stream::BoxStream};
use tracing::warn;

use super::{Service, executions::not_found, parameters, views};
use crate::{
    contract::{Error, Event, EventPage},
    events::Subscription,
    store::{Store, StoreError},
    workflow::{ExecutionId, Recorded},
};

/// Events that a page may have.
const PAGE_EVENTS_MAX: u32 = 1_000;

/// Events read from the store at a time for a stream.
const BATCH_EVENTS: u32 = 256;

/// Bytes of payloads after which a page or a batch ends: an endpoint has them in its memory several
/// times, for several clients.
const BYTES: usize = 4 << 20;

impl Service {
    pub(super) async fn journal(
        &self,
        id: &str,
        after: u64,
        limit: u32,
    ) -> Result<EventPage, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        parameters::limit(limit, PAGE_EVENTS_MAX)?;
        let version = self.summary(id).await?.version;
        let mut items = Vec::new();
        if after < version {
            items = self.store.events(id, after, limit, BYTES).await?;
            // What was committed since then is on the next page, if there is one.
            items.retain(|event| event.seq <= version);
            // Removed in this moment: an empty page would say that this is all.
            if items.is_empty() {
                return Err(not_found(id));
            }
        }
        let last = items.last().map(|recorded| recorded.seq);
        Ok(EventPage {
            items: items.iter().map(|event| views::event(id, event)).collect(),
            next: last.filter(|last| *last < version),
        })
    }

    pub(super) async fn follow(
        &self,
        id: &str,
        after: u64,
    ) -> Result<BoxStream<'static, Event>, Error> {
        let id: ExecutionId = parameters::id("execution", id)?;
        // First subscribe, then read: nothing falls in between.
        let subscription = self.events.subscribe(id);
        let summary = self.summary(id).await?;
        let follower = Follower {
            store: self.store.clone(),
            subscription,
            id,
            after,
            version: summary.version,
            is_over: summary.status.is_over(),
            read: VecDeque::new(),
        };
        Ok(stream::unfold(follower, Follower::next).boxed())
    }
}

struct Follower {
    store: Arc<dyn Store>,
    subscription: Subscription,
    id: ExecutionId,
    /// The last event that was given out.
    after: u64,
    /// The last event that is known to be there.
    version: u64,
    is_over: bool,
    read: VecDeque<Recorded>,
}

impl Follower {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            if let Some(recorded) = self.read.pop_front() {
                self.after = recorded.seq;
                return Some((views::event(self.id, &recorded), self));
            }
            if self.after < self.version {
                if let Err(error) = self.read_on().await {
                    // The client sees the stream end before the execution does, and comes back.
                    warn!(execution.id = %self.id, %error, "failed to read the journal for a follower");
                    return None;
                }
            } else if self.is_over {
                return None;
            } else {
                match super::news(&mut self.subscription, &*self.store, self.id, self.version).await
                {
                    Ok(progress) => {
                        self.version = progress.version.max(self.version);
                        self.is_over = progress.is_over;
                    }
                    Err(error) => {
                        warn!(execution.id = %self.id, %error, "failed to look for news for a follower");
                        return None;
                    }
                }
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), StoreError> {
        self.read = self
            .store
            .events(self.id, self.after, BATCH_EVENTS, BYTES)
            .await?
            .into();
        if self.read.is_empty() {
            return Err(StoreError::Corrupt(format!(
                "event {} is not there",
                self.after + 1
            )));
        }
        Ok(())
    }
}
