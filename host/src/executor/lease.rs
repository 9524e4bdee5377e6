//! How long this host may act: its identity among the hosts that share a database, and
//! until when nobody else may take over what it owns.

use std::{
    sync::{PoisonError, RwLock},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use uuid::Uuid;

use crate::store::HostId;

/// The lease of this host. Its clock is the one that goes on while the process is
/// stopped, and it starts before the database is asked: it never ends later than the
/// database thinks.
#[derive(Debug)]
pub(super) struct Lease {
    /// How long it is without renewal.
    pub(super) length: Duration,
    host: RwLock<HostId>,
    until: watch::Sender<Option<Instant>>,
}

impl Lease {
    /// Before the first life. Without other hosts it is for ever.
    pub(super) fn new(length: Duration, is_shared: bool) -> Self {
        Self {
            length,
            host: RwLock::new(HostId(Uuid::now_v7())),
            until: watch::Sender::new(is_shared.then(Instant::now)),
        }
    }

    /// Who this host is now.
    pub(super) fn host(&self) -> HostId {
        *self.host.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A life begins.
    pub(super) fn begin(&self, host: HostId, asked: Instant) {
        // In this order: whoever finds the lease held again sees whose it is.
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = host;
        self.renew(asked);
    }

    /// It was renewed when the database was asked then.
    pub(super) fn renew(&self, asked: Instant) {
        self.until.send_replace(Some(asked + self.length));
    }

    /// Does nobody else own what this host owns?
    pub(super) fn is_held(&self) -> bool {
        is_held(*self.until.borrow())
    }

    /// Waits until the lease is held, which may be for ever: with another life, whoever
    /// waits here is dropped.
    pub(super) async fn held(&self) {
        let mut until = self.until.subscribe();
        // The sender lives as long as `self`.
        let _ = until.wait_for(|until| is_held(*until)).await;
    }
}

fn is_held(until: Option<Instant>) -> bool {
    until.is_none_or(|until| Instant::now() < until)
}
