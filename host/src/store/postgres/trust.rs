//! Which pooled connections are used without asking whether the server is still there:
//! asking is a round trip, and mostly a waste.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::store::StoreError;

/// A connection that was idle for longer is asked.
const IDLE_TRUSTED: Duration = Duration::from_secs(2);

/// After a failure every connection is asked for so long: the others broke with that one.
const DISTRUST: Duration = Duration::from_secs(10);

/// When something last failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust(Arc<Mutex<Option<Instant>>>);

impl Trust {
    /// Remembers a failure that may be the connection's.
    pub(super) fn watch<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(&result, Err(error) if error.is_retryable()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        result
    }

    /// May a connection be used that was idle for so long?
    pub(super) fn allows(&self, idle: Duration) -> bool {
        let failed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle <= IDLE_TRUSTED && failed.is_none_or(|failed| failed.elapsed() > DISTRUST)
    }
}
