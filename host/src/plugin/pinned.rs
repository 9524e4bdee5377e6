//! Components that executions pinned and the catalog does not have: loaded from the store
//! when something needs them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OnceCell, Semaphore};
use tracing::info;

use super::{
    PhaseInfo,
    catalog::Catalog,
    component::{LoadError, Loader, Phase},
    failure::failure,
};
use crate::{
    store::{Components, StoreError},
    wasm::LOADS_MAX,
    workflow::{Digest, Failure, FailureKind, PhaseName},
};

/// Phases from the store that stay ready; the one longest not asked for goes first. Small
/// ones take about a megabyte each, one with an interpreter in it a hundred.
const PHASES_MAX: usize = 32;

/// Why the component that an execution pinned cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinnedError {
    /// It is nowhere.
    #[error("phase {phase} with digest {digest} is neither in the catalog nor in the database")]
    Absent {
        /// What the execution calls it.
        phase: PhaseName,
        /// Which one.
        digest: Digest,
    },
    /// It is in the store and does not work here.
    #[error("phase {phase} with digest {digest} cannot be loaded from the database: {reason}")]
    Broken {
        /// What the execution calls it.
        phase: PhaseName,
        /// Which one.
        digest: Digest,
        /// Why.
        reason: String,
    },
    /// The store does not give it.
    #[error("phase {phase} with digest {digest} cannot be read: {error}")]
    Unread {
        /// What the execution calls it.
        phase: PhaseName,
        /// Which one.
        digest: Digest,
        /// Why.
        error: StoreError,
    },
}

impl PinnedError {
    /// May it be there a little later?
    pub(super) fn is_retryable(&self) -> bool {
        matches!(self, Self::Unread { error, .. } if error.is_retryable())
    }
}

impl From<PinnedError> for Failure {
    fn from(error: PinnedError) -> Self {
        let kind = if error.is_retryable() {
            FailureKind::Transient
        } else {
            FailureKind::Unavailable
        };
        failure(kind, error.to_string())
    }
}

/// The phases that come from the store.
pub(super) struct Pinned {
    source: Arc<Source>,
    /// The one asked for last is at the end.
    shelf: Mutex<VecDeque<(Digest, Cell)>>,
}

/// What cannot be loaded is remembered, too: trying again would compile it again.
type Cell = Arc<OnceCell<Result<Arc<Phase>, PinnedError>>>;

struct Source {
    loader: Loader,
    catalog: Arc<Catalog>,
    components: Arc<dyn Components>,
    places: Semaphore,
}

impl Pinned {
    pub(super) fn new(
        loader: Loader,
        catalog: Arc<Catalog>,
        components: Arc<dyn Components>,
    ) -> Self {
        let source = Source {
            loader,
            catalog,
            components,
            places: Semaphore::new(LOADS_MAX as usize),
        };
        Self {
            source: Arc::new(source),
            shelf: Mutex::default(),
        }
    }

    /// The phase with this digest; whoever asks at the same time waits for the same one.
    pub(super) async fn phase(
        &self,
        phase: &PhaseName,
        digest: Digest,
    ) -> Result<Arc<Phase>, PinnedError> {
        let cell = self.cell(digest);
        if let Some(loaded) = cell.get() {
            return loaded.clone();
        }
        // In a task of its own: whoever asks may leave while others wait for it, and a guest
        // (the endpoint that asks) cannot be waiting on the stack that this one runs on.
        let (source, name) = (self.source.clone(), phase.clone());
        let load = async move {
            let loaded = cell.get_or_try_init(|| source.load(name, digest)).await;
            loaded.cloned()
        };
        tokio::spawn(load).await.unwrap_or_else(|error| {
            Err(PinnedError::Broken {
                phase: phase.clone(),
                digest,
                reason: error.to_string(),
            })
        })?
    }

    fn cell(&self, digest: Digest) -> Cell {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let at = shelf.iter().position(|(other, _)| *other == digest);
        let found = at.and_then(|at| shelf.remove(at));
        let cell = found.map_or_else(Cell::default, |(_, cell)| cell);
        shelf.push_back((digest, cell.clone()));
        if shelf.len() > PHASES_MAX {
            shelf.pop_front();
        }
        cell
    }
}

impl Source {
    /// The outer error is not remembered: another time it may be different.
    async fn load(
        &self,
        phase: PhaseName,
        digest: Digest,
    ) -> Result<Result<Arc<Phase>, PinnedError>, PinnedError> {
        let _place = self.places.acquire().await;
        let data = match self.components.component(digest).await {
            Ok(Some(data)) => data,
            Ok(None) => return Err(PinnedError::Absent { phase, digest }),
            Err(error) => {
                return Err(PinnedError::Unread {
                    phase,
                    digest,
                    error,
                });
            }
        };
        let check = move || {
            let found = Digest::of(&data);
            if found == digest {
                Ok(data)
            } else {
                Err(format!("its bytes have digest {found}"))
            }
        };
        let loaded = self
            .loader
            .phase(check, |name| self.catalog.grant(name))
            .await;
        let broken = |reason| PinnedError::Broken {
            phase,
            digest,
            reason,
        };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(LoadError::Unusable(reason)) => return Ok(Err(broken(reason))),
            Err(error @ LoadError::Silent(_)) => return Err(broken(error.to_string())),
        };
        let PhaseInfo { name, version, .. } = &loaded.info;
        info!(
            phase.name = %name,
            phase.version = version,
            phase.digest = %digest,
            "loaded a phase from the database"
        );
        Ok(Ok(Arc::new(loaded)))
    }
}
