//! What becomes of versions of definitions: deprecated, and started again.

use super::{Service, parameters, problems::invalid, views};
use crate::{
    contract::{self, Error},
    store::Deprecated,
    workflow::{Version, WorkflowId},
};

/// Longest reason of a deprecation, in characters.
const REASON_CHARACTERS_MAX: usize = 1000;

impl Service {
    /// A version starts nothing any more; what runs goes on.
    pub(super) async fn deprecate(
        &self,
        id: &str,
        version: u32,
        reason: String,
    ) -> Result<contract::Definition, Error> {
        if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS_MAX {
            let message = format!("must have 1 to {REASON_CHARACTERS_MAX} characters");
            return Err(invalid("/reason", message));
        }
        let at = self.clock.now();
        self.set_deprecated(id, version, Some(Deprecated { reason, at }))
            .await
    }

    pub(super) async fn restore(
        &self,
        id: &str,
        version: u32,
    ) -> Result<contract::Definition, Error> {
        self.set_deprecated(id, version, None).await
    }

    async fn set_deprecated(
        &self,
        id: &str,
        version: u32,
        deprecated: Option<Deprecated>,
    ) -> Result<contract::Definition, Error> {
        let workflow: WorkflowId = parameters::id("workflow", id)?;
        let version = Version(version);
        let stored = self.store.deprecate(&workflow, version, deprecated).await;
        // Also when nobody knows whether it happened.
        self.library.changed(&workflow);
        let stored = stored?.ok_or_else(|| {
            let message = format!("there is no version {version} of workflow {workflow}");
            Error::NotFound(message)
        })?;
        Ok(views::definition(&stored))
    }
}
