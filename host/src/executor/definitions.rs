//! Definitions, and executions as their journals and definitions make them.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use crate::{
    store::{Journal, StoreError},
    workflow::{Definition, Execution, Version, WorkflowId, versions_of},
};

/// Where definitions come from: the service, which keeps them parsed.
#[async_trait]
pub trait Definitions: Send + Sync + 'static {
    /// This version of a definition, which has been stored before.
    async fn definition(
        &self,
        workflow: &WorkflowId,
        version: Version,
    ) -> Result<Arc<Definition>, StoreError>;
}

/// The execution that a stored journal makes, with every version by which it ever went.
pub async fn fold(
    definitions: &dyn Definitions,
    journal: &Journal,
) -> Result<Execution, StoreError> {
    let workflow = &journal.summary.workflow;
    let mut versions = versions_of(&journal.events).into_iter();
    // A journal without a creation folds to an error, whatever the definition.
    let first = versions.next().unwrap_or(journal.summary.definition);
    let first = definitions.definition(workflow, first).await?;
    let mut later = BTreeMap::new();
    for version in versions {
        later.insert(version, definitions.definition(workflow, version).await?);
    }
    let id = journal.summary.id;
    Execution::fold_with(id, first, later, &journal.events)
        .map_err(|error| StoreError::Corrupt(format!("execution {id}: {error}")))
}
