//! A host among others: it keeps its lease, takes on what needs a host, and hears what
//! the others tell.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{Shared, run::Begin};
use crate::store::{Cluster, HostId, Notice, StoreError};

/// How often the store is asked for executions that need a host and for commands, when
/// nobody tells. Short waits stay in memory with timers of their own.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Executions taken on in one look at the store.
const CLAIM_MAX: usize = 500;

/// Renewals within one lease: it takes several lost ones in a row to lose it.
const RENEWALS_PER_LEASE: u32 = 4;

/// Longest pause between two renewals. Each looks for hosts that are gone, too: this is how
/// long beyond its lease one stays unnoticed.
const RENEW_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// How often to look for executions that have been kept long enough, and how many of them
/// go in one transaction: it holds up commits on `SQLite`.
const EXPIRE_INTERVAL: Duration = Duration::from_mins(1);
const EXPIRE_MAX: u32 = 50;

/// Pause between two such transactions, which others use.
const EXPIRE_PAUSE: Duration = Duration::from_millis(100);

/// Pause before listening again after the connection broke.
const LISTEN_PAUSE: Duration = Duration::from_secs(2);

impl Shared {
    /// Begins a life of this host. Until then it owns nothing.
    pub(super) async fn enter(&self) -> Result<(), StoreError> {
        if let Some(cluster) = self.store.cluster() {
            let asked = Instant::now();
            cluster.enter(self.lease.host(), self.lease.length).await?;
            self.lease.begin(self.lease.host(), asked);
        }
        Ok(())
    }

    /// Until the host has stopped.
    pub(super) async fn host(self: Arc<Self>) {
        let mut ended = self.ended.subscribe();
        let all = async {
            tokio::join!(
                self.keep_lease(),
                self.take_on(),
                self.listen(),
                self.tell(),
                self.expire()
            );
        };
        tokio::select! {
            () = all => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    async fn keep_lease(&self) {
        let Some(cluster) = self.store.cluster() else {
            return;
        };
        let interval = RENEW_INTERVAL_MAX.min(self.lease.length / RENEWALS_PER_LEASE);
        loop {
            let asked = Instant::now();
            match timeout(self.lease.length / 2, self.renew(cluster, asked)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "failed to renew the lease of this host"),
                Err(_) => {
                    warn!("the database does not answer; the lease is not renewed");
                }
            }
            tokio::time::sleep_until(asked + interval).await;
        }
    }

    async fn renew(&self, cluster: &dyn Cluster, asked: Instant) -> Result<(), StoreError> {
        if let Some(peers) = cluster.renew(self.lease.host(), self.lease.length).await? {
            self.lease.renew(asked);
            self.peers.send_replace(peers.others);
            if peers.freed > 0 {
                info!(
                    executions = peers.freed,
                    "a host is gone; its executions are free"
                );
                self.work.notify_one();
            }
            return Ok(());
        }
        let host = HostId(Uuid::now_v7());
        warn!("the lease of this host has lapsed; what it ran may be elsewhere, it begins anew");
        let asked = Instant::now();
        cluster.enter(host, self.lease.length).await?;
        self.lease.begin(host, asked);
        self.rouse();
        Ok(())
    }

    /// Takes on executions and delivers commands, now and then and when there is news.
    async fn take_on(self: &Arc<Self>) {
        loop {
            let more = match self.claim().await {
                Ok(more) => more,
                Err(error) => {
                    warn!(%error, "failed to look for executions that need a host");
                    false
                }
            };
            if let Err(error) = self.deliver().await {
                warn!(%error, "failed to look for commands from other hosts");
            }
            if more {
                continue;
            }
            tokio::select! {
                () = sleep(POLL_INTERVAL) => {}
                () = self.work.notified() => {}
            }
        }
    }

    /// One look at the store. Says whether there may be more at once.
    async fn claim(self: &Arc<Self>) -> Result<bool, StoreError> {
        let limit = CLAIM_MAX.min(self.room());
        if limit == 0 || *self.stop.borrow() || !self.lease.is_held() {
            return Ok(false);
        }
        let count = u32::try_from(limit).unwrap_or(u32::MAX);
        let host = self.lease.host();
        let ids = self.store.claim(host, self.clock.now(), count).await?;
        if !ids.is_empty() {
            info!(executions = ids.len(), "taking on executions");
        }
        for id in &ids {
            if self.register(*id, Begin::Load).is_err() {
                // New starts have taken the room meanwhile: somebody else's, or for later.
                self.store.release(host, *id).await?;
            }
        }
        Ok(ids.len() == limit)
    }

    /// Removes what has been kept long enough, a little at a time.
    async fn expire(&self) {
        loop {
            sleep(EXPIRE_INTERVAL).await;
            loop {
                let expired = self.store.expire(self.clock.now(), self.keep, EXPIRE_MAX);
                match expired.await {
                    Ok(0) => break,
                    Ok(executions) => info!(executions, "removed what was kept long enough"),
                    Err(error) => {
                        warn!(%error, "failed to remove executions that were kept long enough");
                        break;
                    }
                }
                sleep(EXPIRE_PAUSE).await;
            }
        }
    }

    async fn listen(&self) {
        let Some(cluster) = self.store.cluster() else {
            return;
        };
        loop {
            match cluster.notices().await {
                Ok(mut notices) => {
                    while let Some(notice) = notices.next().await {
                        self.hear(&notice);
                    }
                    warn!("the connection that listens to other hosts broke");
                }
                Err(error) => warn!(%error, "failed to listen to other hosts"),
            }
            sleep(LISTEN_PAUSE).await;
        }
    }

    fn hear(&self, notice: &Notice) {
        match *notice {
            Notice::Progress(execution, progress) => self.events.publish(execution, progress),
            Notice::Signal(host) if host == self.lease.host() => {
                // Somebody is there, even if the last renewal saw nobody.
                self.peers.send_modify(|others| *others = 1.max(*others));
                self.work.notify_one();
            }
            Notice::Signal(_) => {}
            Notice::Answered(signal) => self.mail.answered(signal),
            Notice::Work => self.work.notify_one(),
        }
    }
}
