//! What becomes of versions of definitions: compared, deprecated, started again, removed.

use std::sync::Arc;

use super::{
    Service,
    library::Entry,
    parameters,
    problems::{internal, invalid},
    views,
};
use crate::{
    contract::{self, Error},
    store::{Deprecated, Page, Removal, StoredDefinition, USES_COUNTED_MAX},
    workflow::{Version, WorkflowId},
};

/// Longest reason of a deprecation, in characters.
const REASON_CHARACTERS_MAX: usize = 1000;

impl Service {
    /// What a version has otherwise than another.
    pub(super) async fn diff(
        &self,
        id: &str,
        from: Option<u32>,
        to: Option<u32>,
    ) -> Result<contract::Difference, Error> {
        let workflow: WorkflowId = parameters::id("workflow", id)?;
        let after = self.stored(&workflow, to.map(Version)).await?;
        let before = match from {
            Some(from) => self.stored(&workflow, Some(Version(from))).await?,
            None => self.before(&after).await?,
        };
        // Large documents take a while.
        let compare = move || views::difference(&before, &after);
        let compared = tokio::task::spawn_blocking(compare).await;
        compared.map_err(|panic| internal(&panic))
    }

    /// The version by which an execution is to go on or run again, and why it may not be started.
    pub(super) async fn named(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<(Arc<Entry>, Option<String>), Error> {
        let found = self.library.startable(workflow, Some(version)).await?;
        found.ok_or_else(|| invalid("/version", no_version(workflow, version)))
    }

    async fn stored(
        &self,
        workflow: &WorkflowId,
        version: Option<Version>,
    ) -> Result<StoredDefinition, Error> {
        let queries = self.store.queries();
        let stored = queries.definition(workflow, version).await?;
        stored.ok_or_else(|| absent(workflow, version))
    }

    /// The version before this one, or this one when it is the first.
    async fn before(&self, after: &StoredDefinition) -> Result<StoredDefinition, Error> {
        let page = Page {
            after: Some(after.version),
            limit: 1,
        };
        let older = self.store.queries().versions(&after.workflow, page).await?;
        Ok(older.into_iter().next().unwrap_or_else(|| after.clone()))
    }

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

    /// Removes a version, or all of them, unless an execution needs them.
    pub(super) async fn remove(&self, id: &str, version: Option<u32>) -> Result<(), Error> {
        let workflow: WorkflowId = parameters::id("workflow", id)?;
        let version = version.map(Version);
        let removal = self.store.remove_definitions(&workflow, version).await;
        // Also when nobody knows whether it happened.
        self.library.changed(&workflow);
        let count = match removal? {
            Removal::Removed => return Ok(()),
            Removal::Absent => return Err(absent(&workflow, version)),
            Removal::Used(1) => "an execution needs".to_owned(),
            Removal::Used(USES_COUNTED_MAX) => {
                format!("{USES_COUNTED_MAX} executions or more need")
            }
            Removal::Used(count) => format!("{count} executions need"),
        };
        Err(Error::Conflict(match version {
            Some(version) => format!("{count} version {version} of workflow {workflow}"),
            None => format!("{count} versions of workflow {workflow}"),
        }))
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
        let stored = stored?.ok_or_else(|| absent(&workflow, Some(version)))?;
        Ok(views::definition(&stored))
    }
}

pub(super) fn absent(workflow: &WorkflowId, version: Option<Version>) -> Error {
    Error::NotFound(match version {
        Some(version) => no_version(workflow, version),
        None => format!("there is no workflow {workflow}"),
    })
}

fn no_version(workflow: &WorkflowId, version: Version) -> String {
    format!("there is no version {version} of workflow {workflow}")
}
