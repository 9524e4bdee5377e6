//! Definitions: validated, stored as versions, read back.

use serde_json::Value;

use super::{
    Service,
    library::{Missing, check_phases},
    parameters,
    problems::internal,
    versions::absent,
    views,
};
use crate::{
    contract::{self, DefinitionPage, Error, PageRequest},
    plugin::{PhaseRunner, Schema},
    store::{NewDefinition, PutDefinition},
    workflow::{Definition, Draft, Failure, Version, Violation, WorkflowId},
};

impl Service {
    pub(super) async fn put_definition(
        &self,
        id: &str,
        document: &str,
        expected: Option<u32>,
    ) -> Result<contract::Definition, Error> {
        let workflow: WorkflowId = parameters::parsed("/id", id)?;
        let document = parameters::document("", document)?;
        let definition = self
            .checked(document.clone(), Some(workflow.clone()))
            .await?;
        let new = NewDefinition {
            workflow,
            name: definition.name,
            description: definition.description,
            document: document.into(),
            at: self.clock.now(),
        };
        match self.store.put_definition(new, expected).await? {
            PutDefinition::Stored(stored) => {
                self.library.stored(&stored)?;
                Ok(views::definition(&stored))
            }
            PutDefinition::Stale(0) => Err(Error::PreconditionFailed(format!(
                "workflow {id} has no version yet"
            ))),
            PutDefinition::Stale(latest) => Err(Error::PreconditionFailed(format!(
                "the latest version of workflow {id} is {latest}"
            ))),
        }
    }

    pub(super) async fn validate(&self, document: &str) -> Result<(), Error> {
        let document = parameters::document("", document)?;
        self.checked(document, None).await.map(|_| ())
    }

    pub(super) async fn definition(
        &self,
        id: &str,
        version: Option<u32>,
    ) -> Result<contract::Definition, Error> {
        let workflow: WorkflowId = parameters::id("workflow", id)?;
        let stored = self
            .store
            .queries()
            .definition(&workflow, version.map(Version))
            .await?;
        let stored = stored.ok_or_else(|| absent(&workflow, version.map(Version)))?;
        Ok(views::definition(&stored))
    }

    pub(super) async fn definitions(&self, page: PageRequest) -> Result<DefinitionPage, Error> {
        let mut rows = self
            .store
            .queries()
            .definitions(parameters::page(&page)?)
            .await?;
        let next = parameters::cut(&mut rows, &page, |last| last.workflow.to_string());
        Ok(DefinitionPage {
            items: rows.iter().map(views::definition).collect(),
            next,
        })
    }

    pub(super) async fn versions(
        &self,
        id: &str,
        page: PageRequest,
    ) -> Result<DefinitionPage, Error> {
        let workflow: WorkflowId = parameters::id("workflow", id)?;
        let keys = parameters::page_with(&page, |cursor| cursor.parse().ok().map(Version))?;
        let is_first = keys.after.is_none();
        let mut rows = self.store.queries().versions(&workflow, keys).await?;
        if rows.is_empty() && is_first {
            return Err(Error::NotFound(format!("there is no workflow {workflow}")));
        }
        let next = parameters::cut(&mut rows, &page, |last| last.version.to_string());
        Ok(DefinitionPage {
            items: rows.iter().map(views::definition).collect(),
            next,
        })
    }

    /// Reads and checks a document in a task of its own: the expressions are checked
    /// in a sandbox, and a guest (the endpoint that asks) cannot be waiting on the
    /// same stack while another one runs. Large documents take a while, too.
    async fn checked(&self, document: Value, id: Option<WorkflowId>) -> Result<Definition, Error> {
        let runner = self.runner.clone();
        let check = async move { check_definition(&*runner, &document, id.as_ref()).await };
        match tokio::spawn(check).await {
            Ok(Ok(definition)) => Ok(definition),
            Ok(Err(CheckError::Invalid(violations))) => {
                let violations = violations.into_iter().map(contract::Violation::from);
                Err(Error::Invalid(violations.collect()))
            }
            Ok(Err(CheckError::Failed(failure))) => Err(internal(&failure)),
            Err(panic) => Err(internal(&panic)),
        }
    }
}

/// Why a document did not become a definition.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Everything that is wrong with it.
    #[error("definition is invalid")]
    Invalid(Vec<Violation>),
    /// Its expressions could not be checked.
    #[error("failed to check the expressions: {0}")]
    Failed(Failure),
}

/// The definition that a document is, checked against the catalog as far as its
/// phases are there. With `id`, it has to be of that workflow.
pub async fn check_definition(
    runner: &dyn PhaseRunner,
    document: &Value,
    id: Option<&WorkflowId>,
) -> Result<Definition, CheckError> {
    let draft = Draft::read(document);
    let mut violations = Vec::new();
    if let Some(definition) = draft.definition() {
        if let Some(id) = id.filter(|id| **id != definition.id) {
            let message = format!("is {}, but the document was put as {id}", definition.id);
            violations.push(Violation {
                pointer: "/id".to_owned(),
                message,
            });
        }
        if let Some(schema) = &definition.input_schema
            && let Err(message) = Schema::parse(&schema.to_string())
        {
            violations.push(Violation {
                pointer: "/input_schema".to_owned(),
                message,
            });
        }
        violations.extend(check_phases(definition, runner, Missing::IsFine));
    }
    violations.extend(
        check_expressions(runner, &draft)
            .await
            .map_err(CheckError::Failed)?,
    );
    draft.finish(violations).map_err(CheckError::Invalid)
}

async fn check_expressions(
    runner: &dyn PhaseRunner,
    draft: &Draft,
) -> Result<Vec<Violation>, Failure> {
    let expressions = draft.expressions();
    if expressions.is_empty() {
        return Ok(Vec::new());
    }
    let sources = expressions
        .iter()
        .map(|(_, source)| source.clone())
        .collect();
    let reasons = runner.check_expressions(sources).await?;
    let found = expressions
        .iter()
        .zip(reasons)
        .filter_map(|((pointer, _), reason)| {
            Some(Violation {
                pointer: pointer.clone(),
                message: reason?,
            })
        });
    Ok(found.collect())
}
